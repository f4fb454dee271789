"""How sure a difference of methods is: paired bootstrap over test objects and seeds.

Everywhere an arm is a list with the predictions of each seed, (N,) each, and the same place in the lists of
two arms is the same seed: what a seed shares, such as its labelled objects, stays paired. `labels` is one
array (N,) if all seeds are tested on the same objects, in the same order; else a list with an array for each
seed. A list of equal arrays counts as one array, since drawing the same objects anew for each seed would
make intervals too narrow.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from astrolib.evaluate import classify

Seeds = Sequence[ArrayLike]


def balanced_accuracy(labels: ArrayLike, predictions: ArrayLike) -> float:
    """Mean over the classes of the share that is recognised, in per cent.

    Parameters
    ----------
    labels, predictions : (N,) int array_like
        Numbers of classes. Classes without objects do not count.

    Raises
    ------
    ValueError
        If there is no object, shapes differ, or a number is negative.

    Examples
    --------
    >>> balanced_accuracy([0, 0, 0, 1], [0, 0, 0, 0])
    50.0
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    n_classes = 1 + max(labels.max(initial=0), predictions.max(initial=0))
    return classify.scores(labels, predictions, n_classes)["balanced_accuracy"]


def balanced_draws(
    arms: Sequence[Seeds], labels: ArrayLike | Seeds, *, n_resamples: int = 1000, seed: int = 0
) -> np.ndarray:
    """Balanced accuracy of each arm, averaged over seeds, in bootstrap draws that all arms share.

    Seeds are drawn with replacement, and objects with replacement within their class, so that a rare class
    keeps its number. For the interval of anything made of several arms, such as their spread.

    Parameters
    ----------
    arms : sequence of arms
        K of them; see the module.
    labels : (N,) int array_like or list of them
        See the module.
    n_resamples : int
        Draws, B.
    seed : int
        Of the draws.

    Returns
    -------
    (K, B) float64 array
        Per cent.

    Raises
    ------
    ValueError
        If there is no seed, arms have different numbers of seeds, or predictions do not belong to the labels.

    Examples
    --------
    >>> balanced_draws([[[0, 1]], [[0, 0]]], [0, 1], n_resamples=2)
    array([[100., 100.],
           [ 50.,  50.]])
    """
    rng = np.random.default_rng(seed)
    values = [_mean_recalls(rows == each, each, n_resamples, rng) for each, rows in _by_objects(arms, labels)]
    return 100 * _over_drawn_seeds(np.concatenate(values), rng)


def balanced_difference(
    first: Seeds,
    second: Seeds,
    labels: ArrayLike | Seeds,
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, float]:
    """Balanced accuracy of one arm minus that of another, in percentage points.

    Parameters
    ----------
    first, second : list of (N,) int array_like
        Predictions of each seed; see the module.
    labels, n_resamples, seed
        As for `balanced_draws`, whose errors it shares.
    level : float
        Coverage of the percentile interval.

    Returns
    -------
    dict
        `difference` (mean over seeds), `low`, `high`.

    Examples
    --------
    >>> balanced_difference([[0, 0, 1, 1]], [[0, 0, 0, 0]], [0, 0, 1, 1])
    {'difference': 50.0, 'low': 50.0, 'high': 50.0}
    """
    a, b = _accuracies((first, second), labels)
    draws = np.subtract(*balanced_draws((first, second), labels, n_resamples=n_resamples, seed=seed))
    return {"difference": float(a - b)} | interval(draws, level=level)


def error_ratio(
    first: Seeds,
    second: Seeds,
    labels: ArrayLike | Seeds,
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, float]:
    """Balanced error (100 % less balanced accuracy) of one arm in units of another's.

    Parameters and errors as for `balanced_difference`.

    Returns
    -------
    dict
        `ratio` of the means over seeds, `low`, `high`. Infinite where the second arm makes no error, also
        if the first makes none: nothing then says that it is better.

    Examples
    --------
    >>> error_ratio([[0, 0, 1, 0]], [[0, 0, 0, 0]], [0, 0, 1, 1], n_resamples=9)["ratio"]
    0.5
    """
    errors = 100 - _accuracies((first, second), labels)
    draws = 100 - balanced_draws((first, second), labels, n_resamples=n_resamples, seed=seed)
    return {"ratio": float(_ratio(*errors))} | interval(_ratio(*draws), level=level)


def r2_difference(
    first: Seeds,
    second: Seeds,
    truth: ArrayLike | Seeds,
    *,
    n_resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[str, float]:
    """R^2 (1 - mean squared error / variance of the truth) of one arm's regression minus another's.

    Parameters
    ----------
    first, second : list of (N,) array_like
        Predictions of each seed; see the module.
    truth : (N,) array_like or list of them
        True values, in the place of `labels`; objects of NaN are left out.
    n_resamples, level, seed
        As for `balanced_difference`; objects are drawn from all, not within classes.

    Returns
    -------
    dict
        `difference` (mean over seeds), `low`, `high`.

    Raises
    ------
    ValueError
        If fewer than two objects of a seed have a truth, all truths are the same, or a prediction is not
        finite; else as for `balanced_draws`.

    Examples
    --------
    >>> r2_difference([[1.0, 2.0, 3.0]], [[2.0, 2.0, 2.0]], [1.0, 2.0, 3.0])["difference"]
    1.0
    """
    rng = np.random.default_rng(seed)
    found, draws = [], []
    for each, rows in _by_objects((first, second), truth):
        known = np.isfinite(each)
        each, rows = each[known], rows[..., known]
        if len(each) < 2 or not np.ptp(each):
            raise ValueError(f"R^2 needs two different truths or more: {len(each)} objects have one.")
        if not np.isfinite(rows).all():
            raise ValueError("A prediction is not finite, so its error is not known: look at its training.")
        found.append(_r2(each, rows, np.ones((1, len(each)))))
        drawn = rng.multinomial(len(each), np.full(len(each), 1 / len(each)), size=n_resamples)
        draws.append(_r2(each, rows, drawn))
    a, b = np.concatenate(found).mean(axis=0)[:, 0]
    drawn = _over_drawn_seeds(np.concatenate(draws), rng)
    gains = drawn[0] - drawn[1]
    return {"difference": float(a - b)} | interval(gains[np.isfinite(gains)], level=level)


def interval(draws: ArrayLike, *, level: float = 0.95) -> dict[str, float]:
    """Percentile interval of bootstrap draws, widened to whole draws, which may be infinite.

    Parameters
    ----------
    draws : (B,) array_like
        The statistic in each draw.
    level : float
        Coverage.

    Returns
    -------
    dict
        `low`, `high`.

    Examples
    --------
    >>> interval(np.arange(101), level=0.9)
    {'low': 5.0, 'high': 95.0}
    """
    draws = np.sort(np.asarray(draws, np.float64))
    outside = round((1 - level) / 2 * (len(draws) - 1), 9)
    return {"low": float(draws[int(outside)]), "high": float(draws[len(draws) - 1 - int(outside)])}


def _by_objects(arms: Sequence[Seeds], labels: ArrayLike | Seeds) -> list[tuple[np.ndarray, np.ndarray]]:
    """Labels (N,) and predictions (M, K, N) of the M seeds that are tested on the same objects.

    That is all S seeds at once, or each of them on its own.
    """
    n_seeds = {len(arm) for arm in arms}
    if len(n_seeds) != 1 or n_seeds == {0}:
        raise ValueError(
            f"Arms are compared seed by seed, so all need the same seeds, at least one: {sorted(n_seeds)}."
        )
    (n_seeds,) = n_seeds
    several = len(labels) > 0 and np.ndim(labels[0]) > 0
    labels = [np.asarray(each) for each in labels] if several else [np.asarray(labels)] * n_seeds
    if len(labels) != n_seeds:
        raise ValueError(f"Labels of {len(labels)} seeds do not belong to predictions of {n_seeds} seeds.")
    for number, each in enumerate(labels):
        shapes = {np.shape(arm[number]) for arm in arms}
        if each.ndim != 1 or not len(each) or shapes != {each.shape}:
            raise ValueError(
                f"The predictions of seed number {number} have shapes {sorted(shapes)}, its labels "
                f"{each.shape}: they must be of the same objects, in the same order."
            )
    rows = [np.stack([arm[number] for arm in arms]) for number in range(n_seeds)]
    if all(np.array_equal(each, labels[0], equal_nan=each.dtype.kind == "f") for each in labels):
        return [(labels[0], np.stack(rows))]
    return [(each, predictions[None]) for each, predictions in zip(labels, rows, strict=True)]


def _accuracies(arms: Sequence[Seeds], labels: ArrayLike | Seeds) -> np.ndarray:
    """Balanced accuracy of each arm, (K,), the mean over seeds."""
    values = [
        [[balanced_accuracy(each, predictions) for predictions in arm] for arm in rows]
        for each, rows in _by_objects(arms, labels)
    ]
    return np.concatenate(values).mean(axis=0)


def _mean_recalls(
    correct: np.ndarray, labels: np.ndarray, n_resamples: int, rng: np.random.Generator
) -> np.ndarray:
    """Recall (M, K, B) averaged over classes, in draws of objects, from which are right, (M, K, N) bool."""
    classes = np.unique(labels)
    total = 0.0
    for label in classes:
        right = correct[:, :, labels == label].reshape(-1, np.sum(labels == label))  # (M K, n)
        # Objects that the same predictions get right are alike: it is enough to draw how many of each kind.
        kinds, counts = np.unique(right, axis=1, return_counts=True)
        drawn = rng.multinomial(right.shape[1], counts / right.shape[1], size=n_resamples)
        total = total + kinds.astype(float) @ drawn.T / right.shape[1]
    return (total / len(classes)).reshape(*correct.shape[:2], n_resamples)


def _r2(truth: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """R^2 (M, K, B) of predictions (M, K, N) where the objects count `weights` (B, N) times."""
    centred = truth - truth.mean()  # keeps the difference of the two moments exact
    mean, square = (weights @ power / len(truth) for power in (centred, centred**2))
    variance = square - mean**2
    variance[variance < 1e-12 * np.ptp(truth) ** 2] = np.nan  # a draw of one object, many times
    return 1 - (predictions - truth) ** 2 @ weights.T / len(truth) / variance


def _over_drawn_seeds(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Means (K, B) over seeds drawn with replacement, the same for all arms, of values (S, K, B)."""
    chosen = rng.integers(len(values), size=(len(values), 1, values.shape[2]))
    return np.take_along_axis(values, chosen, axis=0).mean(axis=0)


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.divide(a, b, out=np.full(np.shape(a), np.inf), where=np.asarray(b) > 1e-9)
