"""What frozen features know: simple models fitted on them, the same for every encoder.

Everywhere features are an (N, D) array with a row for each image, classes are numbers 0 to C - 1 and
targets are real numbers, NaN where unknown. Nothing is ever chosen on the rows that are predicted.
"""

import warnings

import numpy as np
from numpy.typing import ArrayLike
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

from astrolib.evaluate.intervals import balanced_accuracy
from astrolib.evaluate.similarity import nearest

_INVERSE_PENALTIES = np.logspace(-3, 1, 5)  # C of the logistic regression, on standardised features
_PENALTIES = np.logspace(-1, 5, 7)  # alpha of the ridge regression, on standardised features
_TEMPERATURE = 0.07  # of the votes of neighbours (Wu et al. 2018)
_TREES = 300


def linear_probe(
    train_x: ArrayLike, train_y: ArrayLike, validation_x: ArrayLike, validation_y: ArrayLike, x: ArrayLike
) -> np.ndarray:
    """Classes by a logistic regression on standardised features (Barlow Twins card, section 9.3).

    Classes weigh the same however rare they are. The penalty is the one, of five a factor of ten apart, with
    the best balanced accuracy on the validation rows; of equals the strongest. Fits stop after 500 steps of
    L-BFGS, converged or not: only the weakest penalties need more, and the steps are a penalty themselves.

    Parameters
    ----------
    train_x, validation_x, x : (N, D), (V, D) and (Q, D) array_like
        Features to learn from, to choose the penalty on, and to classify. Mean and scale are the training's.
    train_y, validation_y : (N,) and (V,) int array_like
        Their classes.

    Returns
    -------
    (Q,) int array
        Classes.

    Raises
    ------
    ValueError
        If the training rows hold fewer than two classes, a class is negative, shapes disagree, or a feature
        is not finite.

    Examples
    --------
    >>> x, y = [[0.0], [1.0], [8.0], [9.0]], [0, 0, 1, 1]
    >>> linear_probe(x, y, x, y, [[-2.0], [12.0]])
    array([0, 1])
    """
    train_x, train_y = _taught(train_x, train_y)
    validation_x, validation_y = _taught(validation_x, validation_y)
    if len(np.unique(train_y)) < 2:
        raise ValueError(f"A linear probe needs training rows of two classes or more: all are {train_y[0]}.")
    scaler = StandardScaler().fit(train_x)
    train_x, validation_x, x = map(scaler.transform, (train_x, validation_x, _features(x)))
    # Each penalty starts from the solution of the stronger one, which saves most of the steps.
    model = LogisticRegression(class_weight="balanced", max_iter=500, warm_start=True)
    best, found = -1.0, None
    for inverse in _INVERSE_PENALTIES:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.set_params(C=inverse).fit(train_x, train_y)
        accuracy = balanced_accuracy(validation_y, model.predict(validation_x))
        if accuracy > best:
            best, found = accuracy, model.predict(x)
    return found


def knn_probe(train_x: ArrayLike, train_y: ArrayLike, x: ArrayLike, k: int = 10) -> np.ndarray:
    """Class that the k training rows of the largest cosine vote for, each with exp(cosine / 0.07).

    These are the weights of Wu et al. (2018, section 3.4). Nothing evens out rare classes here.

    Parameters
    ----------
    train_x, x : (N, D) and (Q, D) array_like
        Features to learn from and to classify, used as they are.
    train_y : (N,) int array_like
        Classes of the training rows.
    k : int
        Neighbours, or all training rows where they are fewer.

    Returns
    -------
    (Q,) int array
        Classes; of equal votes the lower number.

    Raises
    ------
    ValueError
        If a class is negative, shapes disagree, or a row of features is zero or not finite.

    Examples
    --------
    >>> knn_probe([[1.0, 0.0], [0.0, 1.0], [0.1, 1.0]], [0, 1, 1], [[2.0, 0.1]], k=1)
    array([0])
    """
    train_x, train_y = _taught(train_x, train_y)
    rows, cosine = nearest(_features(x), train_x, min(k, len(train_x)))
    votes = np.zeros((len(rows), train_y.max() + 1))
    queries = np.arange(len(rows))[:, None]
    np.add.at(votes, (queries, train_y[rows]), np.exp((cosine - 1) / _TEMPERATURE))
    return votes.argmax(axis=1)


def ridge_probe(
    train_x: ArrayLike, train_t: ArrayLike, validation_x: ArrayLike, validation_t: ArrayLike, x: ArrayLike
) -> np.ndarray:
    """A real number for each row by a ridge regression on standardised features.

    The penalty is the one, of seven a factor of ten apart, with the smallest squared error on the validation
    rows.

    Parameters
    ----------
    train_x, validation_x, x : (N, D), (V, D) and (Q, D) array_like
        As for `linear_probe`.
    train_t, validation_t : (N,) and (V,) array_like
        Targets in any unit. Rows of NaN are left out.

    Returns
    -------
    (Q,) float64 array
        In the unit of the targets.

    Raises
    ------
    ValueError
        If no training or no validation row has a target, shapes disagree, or a feature is not finite.

    Examples
    --------
    >>> x, t = [[0.0], [1.0], [2.0], [3.0]], [1.0, 3.0, np.nan, 7.0]
    >>> ridge_probe(x, t, x, t, [[2.0]]).round(1)
    array([5.])
    """
    train_x, train_t = _measured(train_x, train_t)
    validation_x, validation_t = _measured(validation_x, validation_t)
    scaler = StandardScaler().fit(train_x)
    train_x, validation_x, x = map(scaler.transform, (train_x, validation_x, _features(x)))
    models = [Ridge(penalty).fit(train_x, train_t) for penalty in _PENALTIES]
    errors = [np.mean((model.predict(validation_x) - validation_t) ** 2) for model in models]
    return models[np.argmin(errors)].predict(x)


def forest_probe(train_x: ArrayLike, train_y: ArrayLike, x: ArrayLike, seed: int) -> np.ndarray:
    """Classes by a random forest of 300 trees, in which classes weigh the same however rare they are.

    For features of unlike kinds and scales, such as `astrolib.evaluate.morphology.morphology_features`.

    Parameters
    ----------
    train_x, train_y, x
        As for `knn_probe`.
    seed : int
        Of the draws of rows and columns.

    Returns
    -------
    (Q,) int array
        Classes.

    Raises
    ------
    ValueError
        If a class is negative, shapes disagree, or a feature is not finite.

    Examples
    --------
    >>> forest_probe([[0.0], [1.0], [8.0], [9.0]], [0, 0, 1, 1], [[-2.0], [12.0]], seed=0)
    array([0, 1])
    """
    train_x, train_y = _taught(train_x, train_y)
    forest = RandomForestClassifier(_TREES, class_weight="balanced", random_state=seed, n_jobs=-1)
    return _predict(forest.fit(train_x, train_y), x)


def forest_regression(train_x: ArrayLike, train_t: ArrayLike, x: ArrayLike, seed: int) -> np.ndarray:
    """A real number for each row by a random forest of 300 trees with leaves of three rows or more.

    Each split looks at a third of the columns, as is usual for regression.

    Parameters
    ----------
    train_x, x : (N, D) and (Q, D) array_like
        As for `forest_probe`.
    train_t : (N,) array_like
        Targets in any unit. Rows of NaN are left out.
    seed : int
        Of the draws of rows and columns.

    Returns
    -------
    (Q,) float64 array
        In the unit of the targets.

    Raises
    ------
    ValueError
        If no training row has a target, shapes disagree, or a feature is not finite.
    """
    train_x, train_t = _measured(train_x, train_t)
    forest = RandomForestRegressor(
        _TREES, max_features=1 / 3, min_samples_leaf=3, random_state=seed, n_jobs=-1
    )
    return _predict(forest.fit(train_x, train_t), x)


def _predict(forest: RandomForestClassifier | RandomForestRegressor, x: ArrayLike) -> np.ndarray:
    """Trees grow side by side, but their votes are added in order: the sum is the same in each run."""
    return forest.set_params(n_jobs=1).predict(_features(x))


def _features(x: ArrayLike) -> np.ndarray:
    """As (N, D) float64, all finite."""
    x = np.asarray(x, np.float64)
    if x.ndim != 2 or not x.shape[1]:
        raise ValueError(f"Features are an array (N, D), not one of shape {x.shape}.")
    bad = np.flatnonzero(~np.isfinite(x).all(axis=1))
    if bad.size:
        raise ValueError(
            f"{bad.size} of {len(x)} rows of features are not finite, the first is row {bad[0]}: an encoder "
            "that gives NaN did not survive its training, so look at its loss before probing it."
        )
    return x


def _taught(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Features and the class of each row."""
    x, y = _features(x), np.asarray(y)
    if y.shape != (len(x),) or not len(x):
        raise ValueError(f"A probe needs rows, and a class for each: {len(x)} rows, classes {y.shape}.")
    if y.min() < 0:
        raise ValueError(f"Row {y.argmin()} has class {y.min()}: leave out rows without a class.")
    return x, y


def _measured(x: ArrayLike, t: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Features and targets of the rows that have a target."""
    x, t = _features(x), np.asarray(t, np.float64)
    if t.shape != (len(x),):
        raise ValueError(f"A probe needs a target for each row, NaN if unknown: {len(x)} rows, {t.shape}.")
    known = np.isfinite(t)
    if not known.any():
        raise ValueError(f"None of {len(x)} rows has a target, so there is nothing to learn or choose from.")
    return x[known], t[known]
