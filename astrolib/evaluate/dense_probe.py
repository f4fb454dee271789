"""What frozen tokens know of every patch: linear heads for segmentation and for the detection of changes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

_PENALTIES = np.logspace(-4, 0, 5)  # of the weights, in units of the mean square of a standardised feature


def dense_probe(
    train_x: ArrayLike, train_y: ArrayLike, validation_x: ArrayLike, validation_y: ArrayLike, x: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """Scores of many yes-or-no questions by least squares on standardised features.

    The direction that least squares find for a yes-or-no question is that of linear discriminant analysis.
    Unlike a logistic regression it has a closed form, so a head for each pixel of a patch costs a single
    factorisation. The penalty is the one, of five, with the best F1 on the validation rows, all questions
    and one threshold together.

    Parameters
    ----------
    train_x, validation_x, x : (N, D), (V, D) and (Q, D) array_like
        Features, such as the tokens of patches.
    train_y, validation_y : (N, K) and (V, K) bool array_like
        Answers to K questions about each row.

    Returns
    -------
    validation_scores, scores : (V, K) and (Q, K) float32 array
        About 1 for yes and 0 for no. `best_threshold` of the first is the threshold for the second.

    Raises
    ------
    ValueError
        If no training answer, or no validation answer, is yes, or a feature is not finite.

    Examples
    --------
    >>> x = np.array([[0.0], [1.0], [8.0], [9.0]])
    >>> validation, scores = dense_probe(x, x > 5, x, x > 5, [[-1.0], [7.0]])
    >>> scores[:, 0] >= best_threshold(validation, x > 5)
    array([False,  True])
    """
    train_x, validation_x, x = (np.asarray(part, np.float32) for part in (train_x, validation_x, x))
    train_y, validation_y = np.asarray(train_y, np.float32), np.asarray(validation_y, bool)
    for name, y in (("training", train_y), ("validation", validation_y)):
        if not y.any():
            raise ValueError(
                f"No {name} row has the answer yes: a head has nothing to learn, draw more rows."
            )
    if not all(np.isfinite(part).all() for part in (train_x, validation_x, x)):
        raise ValueError(
            "A feature is not finite: the encoder did not survive its training, look at its loss."
        )
    mean, scale = train_x.mean(axis=0), train_x.std(axis=0)
    scale[scale < 1e-6] = 1.0
    train_x, validation_x, x = ((part - mean) / scale for part in (train_x, validation_x, x))
    share = train_y.mean(axis=0)
    values, vectors = np.linalg.eigh((train_x.T @ train_x / len(train_x)).astype(np.float64))
    projected = vectors.T @ (train_x.T @ (train_y - share) / len(train_x))  # (D, K)
    best, found = -1.0, None
    for penalty in _PENALTIES:
        weights = (vectors @ (projected / (np.maximum(values, 0) + penalty)[:, None])).astype(np.float32)
        scores = validation_x @ weights + share
        quality = f1(*counts(scores >= best_threshold(scores, validation_y), validation_y))
        if quality > best:
            best, found = quality, (scores, x @ weights + share)
    return found


def best_threshold(scores: ArrayLike, truth: ArrayLike) -> float:
    """The threshold with the best F1, of those that lie between two scores.

    Parameters
    ----------
    scores, truth : (...) array_like, float and bool
        What is at or above the threshold counts as yes.

    Raises
    ------
    ValueError
        If no answer is yes.

    Examples
    --------
    >>> best_threshold([0.1, 0.4, 0.8], [False, True, True])
    0.25
    """
    scores, truth = np.ravel(np.asarray(scores, np.float64)), np.ravel(np.asarray(truth, bool))
    if not truth.any():
        raise ValueError("A threshold cannot be chosen on rows of which none has the answer yes: give more.")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(truth[order])
    quality = 2 * hits / (np.arange(1, len(hits) + 1) + truth.sum())
    quality[:-1][ranked[:-1] == ranked[1:]] = -1  # equal scores cannot be told apart
    last = int(quality.argmax())
    below = ranked[last + 1] if last + 1 < len(ranked) else ranked[last] - 1
    return float((ranked[last] + below) / 2)


def counts(found: ArrayLike, truth: ArrayLike, axis: Sequence[int] | None = None) -> tuple[np.ndarray, ...]:
    """True positives, false positives and false negatives along some axes, by default all.

    Examples
    --------
    >>> [int(n) for n in counts([True, True, False], [True, False, True])]
    [1, 1, 1]
    """
    found, truth = np.asarray(found, bool), np.asarray(truth, bool)
    axis = None if axis is None else tuple(axis)
    return tuple((part).sum(axis=axis) for part in (found & truth, found & ~truth, ~found & truth))


def f1(true_positives: ArrayLike, false_positives: ArrayLike, false_negatives: ArrayLike) -> np.ndarray:
    """F1, the harmonic mean of purity and completeness: 2 TP / (2 TP + FP + FN); 0 where all are 0.

    Examples
    --------
    >>> float(f1(1, 1, 1))
    0.5
    """
    hits, false, missed = (
        np.asarray(n, np.float64) for n in (true_positives, false_positives, false_negatives)
    )
    return 2 * hits / np.maximum(2 * hits + false + missed, 1e-12)


def jaccard(true_positives: ArrayLike, false_positives: ArrayLike, false_negatives: ArrayLike) -> np.ndarray:
    """Intersection over union: TP / (TP + FP + FN); 0 where all are 0.

    Examples
    --------
    >>> float(jaccard(1, 1, 2))
    0.25
    """
    hits, false, missed = (
        np.asarray(n, np.float64) for n in (true_positives, false_positives, false_negatives)
    )
    return hits / np.maximum(hits + false + missed, 1e-12)
