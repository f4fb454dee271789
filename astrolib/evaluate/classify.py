"""Classification: accuracies in per cent, what seeds make of them, and classifiers without training."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.metrics import confusion_matrix

from astrolib.evaluate.embeddings import class_centres, nearest_centre
from astrolib.evaluate.similarity import checked, nearest


def confusion(labels: ArrayLike, predictions: ArrayLike, n_classes: int) -> np.ndarray:
    """Stars of each true class (row) by predicted class (column), (C, C) int.

    Parameters
    ----------
    labels, predictions : (N,) int array_like
        Numbers of classes, 0 to C - 1.
    n_classes : int
        C.

    Raises
    ------
    ValueError
        If there is no star, shapes differ, or a number is no class.

    Examples
    --------
    >>> confusion([0, 0, 1], [0, 1, 1], 2)
    array([[1, 1],
           [0, 1]])
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.ndim != 1 or labels.shape != predictions.shape or not len(labels):
        raise ValueError(
            f"An accuracy needs stars, and a label and a prediction each, not {labels.shape} and "
            f"{predictions.shape}."
        )
    for name, numbers in (("label", labels), ("prediction", predictions)):
        bad = np.flatnonzero((numbers < 0) | (numbers >= n_classes))
        if bad.size:
            raise ValueError(
                f"The {name} of star {bad[0]} is {numbers[bad[0]]}, not one of {n_classes} classes: leave "
                "out stars without a class or without a prediction, and count them."
            )
    return confusion_matrix(labels, predictions, labels=np.arange(n_classes))


def scores(labels: ArrayLike, predictions: ArrayLike, n_classes: int) -> dict[str, float]:
    """Accuracy of a classifier in per cent.

    Parameters and errors as for `confusion`.

    Returns
    -------
    dict
        `accuracy` of all stars, the paper's measure (AstroM3 card, section 8), and `balanced_accuracy`, the
        mean over those classes that have stars.

    Examples
    --------
    >>> scores([0, 0, 0, 1], [0, 0, 0, 0], 2)
    {'accuracy': 75.0, 'balanced_accuracy': 50.0}
    """
    counts = confusion(labels, predictions, n_classes)
    return {
        "accuracy": float(100 * np.trace(counts) / counts.sum()),
        "balanced_accuracy": float(np.nanmean(per_class_accuracy(labels, predictions, n_classes))),
    }


def per_class_accuracy(labels: ArrayLike, predictions: ArrayLike, n_classes: int) -> np.ndarray:
    """Per cent of each class that are recognised, (C,); NaN for a class without stars.

    Parameters and errors as for `confusion`.
    """
    counts = confusion(labels, predictions, n_classes)
    members = counts.sum(axis=1)
    return np.divide(100.0 * np.diag(counts), members, out=np.full(n_classes, np.nan), where=members > 0)


def wilson(correct: int, total: int, *, level: float = 0.95) -> tuple[float, float]:
    """Wilson interval of an accuracy in per cent: what a finite test set leaves open.

    Parameters
    ----------
    correct, total : int
        Stars recognised, and all stars.
    level : float
        Coverage.

    Examples
    --------
    >>> [round(x, 2) for x in wilson(95, 100)]
    [88.82, 97.85]
    """
    interval = stats.binomtest(int(correct), int(total)).proportion_ci(level, method="wilson")
    return 100 * float(interval.low), 100 * float(interval.high)


def mean_std(values: ArrayLike) -> dict[str, float]:
    """Mean over seeds and its scatter.

    Parameters
    ----------
    values : (S,) array_like
        One number for each seed.

    Returns
    -------
    dict
        `mean`; `std`, the population's (ddof 0), which the paper prints; `sample_std` (ddof 1); `n_seeds`.
        A single seed shows no scatter: both are NaN.

    Examples
    --------
    >>> found = mean_std([93.6629, 92.3214, 94.6285, 93.5455, 93.3482])  # AstroM3, all modalities, CLIP
    >>> f"{found['mean']:.3f} ± {found['std']:.3f}"
    '93.501 ± 0.737'
    """
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"A mean over seeds needs one finite number a seed, not {values}.")
    several = len(values) > 1
    return {
        "mean": float(values.mean()),
        "std": float(values.std()) if several else float("nan"),
        "sample_std": float(values.std(ddof=1)) if several else float("nan"),
        "n_seeds": len(values),
    }


def paired_t(a: ArrayLike, b: ArrayLike, *, level: float = 0.95) -> dict[str, float]:
    """Two-sided paired t-test over seeds (AstroM3 card, section 8).

    Parameters
    ----------
    a, b : (S,) array_like
        Accuracies of the same seeds, for example with and without pretraining.
    level : float
        Coverage of the interval.

    Returns
    -------
    dict
        `difference`, mean of a - b; its interval `low`, `high`; `p_value`. The last three are NaN for a
        single seed or differences that are all the same: nothing is known of their scatter.

    Examples
    --------
    >>> paired_t([91.0, 93.0, 92.0], [90.0, 91.0, 91.0])["p_value"].__round__(3)
    0.057
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 1 or a.shape != b.shape or not len(a) or not (np.isfinite(a) & np.isfinite(b)).all():
        raise ValueError(f"A paired test needs finite pairs of the same seeds, not {a} and {b}.")
    difference = a - b
    found = {"difference": float(difference.mean()), "low": np.nan, "high": np.nan, "p_value": np.nan}
    if len(a) > 1 and np.ptp(difference) > 1e-12 * max(np.abs(a).max(), np.abs(b).max()):
        test = stats.ttest_rel(a, b)
        interval = test.confidence_interval(level)
        found |= {"low": float(interval.low), "high": float(interval.high), "p_value": float(test.pvalue)}
    return found


def centre_classifier(train_x: ArrayLike, train_labels: ArrayLike, x: ArrayLike) -> np.ndarray:
    """Class whose centre of training embeddings is most similar (AstroM3 card, section 9.4).

    Parameters
    ----------
    train_x : (N, D) array_like
        Embeddings of the training stars; rows of NaN, and stars of class -1, teach nothing.
    train_labels : (N,) int array_like
        Their classes.
    x : (Q, D) array_like
        Stars to classify.

    Returns
    -------
    (Q,) int array
        Classes; -1 for a row of NaN.

    Raises
    ------
    ValueError
        If no training star has both an embedding and a class.
    """
    train_x, train_labels = _teachers(train_x, train_labels)
    return nearest_centre(x, class_centres(train_x, train_labels, train_labels.max() + 1))[0]


def nearest_neighbour_classifier(train_x: ArrayLike, train_labels: ArrayLike, x: ArrayLike) -> np.ndarray:
    """Class of the training star with the largest dot product (AstroM3 card, section 9.4).

    Rows are not normalised: the paper's fused embedding is a mean of unit vectors and shorter where the
    modalities disagree, so there this is not the cosine. Parameters, results and errors as for
    `centre_classifier`.
    """
    train_x, train_labels = _teachers(train_x, train_labels)
    x, present = checked(x)
    found = np.full(len(x), -1)
    if present.any():
        found[present] = train_labels[nearest(x[present], train_x, 1, metric="dot product")[0][:, 0]]
    return found


def _teachers(x: ArrayLike, labels: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The training stars that have an embedding and a class."""
    (x, present), labels = checked(x), np.asarray(labels)
    if labels.shape != (len(x),):
        raise ValueError(f"{len(x)} training stars need as many labels, not an array of {labels.shape}.")
    known = present & (labels >= 0)
    if not known.any():
        raise ValueError("No training star has both an embedding and a class.")
    return x[known], labels[known]
