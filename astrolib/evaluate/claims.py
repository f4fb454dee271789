"""Does our run support a claim of the form "network A errs less than network B"?"""

from collections.abc import Sequence

import numpy as np


def judge(
    errors_a: np.ndarray, errors_b: np.ndarray, *, n_resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> dict[str, float | str]:
    """Compare two networks on the same test objects over several seeds.

    The difference of the mean errors gets its interval from a bootstrap that draws seeds and objects with
    replacement: seeds of A and B apart, since nothing pairs them, objects together, since both saw the same.

    Parameters
    ----------
    errors_a, errors_b : (S_a, N) and (S_b, N) array
        Error of each seed on each object, for example squared; columns are the same objects in both.
    n_resamples : int
        Bootstrap draws.
    level : float
        Coverage of the interval.
    seed : int
        Of the draws.

    Returns
    -------
    dict
        `difference` A - B, its interval `low`, `high`, and `verdict`: "agrees" where the whole interval is
        below zero, "disagrees" where it is above, else "undecided".

    Raises
    ------
    ValueError
        If the two do not hold the same objects.

    Examples
    --------
    >>> a, b = np.full((2, 50), 0.1), np.full((3, 50), 0.2)
    >>> judge(a, b)["verdict"]
    'agrees'
    """
    errors_a, errors_b = np.asarray(errors_a, np.float64), np.asarray(errors_b, np.float64)
    if errors_a.ndim != 2 or errors_b.ndim != 2 or errors_a.shape[1] != errors_b.shape[1]:
        raise ValueError(
            f"Errors of shape {errors_a.shape} and {errors_b.shape} are not (seeds, same objects)."
        )
    rng = np.random.default_rng(seed)
    n = errors_a.shape[1]
    differences = np.empty(n_resamples)
    for k in range(n_resamples):
        weights = np.bincount(rng.integers(n, size=n), minlength=n) / n  # how often each object is drawn
        means = [(errors @ weights) for errors in (errors_a, errors_b)]  # one value for each seed
        drawn = [rng.choice(mean, size=len(mean)).mean() for mean in means]
        differences[k] = drawn[0] - drawn[1]
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    verdict = "agrees" if high < 0 else "disagrees" if low > 0 else "undecided"
    difference = errors_a.mean() - errors_b.mean()
    return {"difference": difference, "low": low, "high": high, "verdict": verdict}


def judge_paired(
    gains: Sequence[np.ndarray], *, n_resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> dict[str, float | str]:
    """Does one way beat another, where every seed has a test set of its own?

    Parameters
    ----------
    gains : sequence of (N_s,) arrays
        For each seed, how much better the first way did than the second on each test object: for a
        classification 1 where only the first is right, -1 where only the second is, else 0.
    n_resamples, level, seed
        As for `judge`; seeds are drawn with replacement, then the objects of each.

    Returns
    -------
    dict
        `difference` (mean over seeds), `low`, `high`, and `verdict`: "agrees" where the whole interval is
        above zero, "disagrees" where it is below, else "undecided".

    Raises
    ------
    ValueError
        If there is no seed, or one without objects.

    Examples
    --------
    >>> judge_paired([np.ones(20), np.ones(30)])["verdict"]
    'agrees'
    """
    gains = [np.asarray(each, np.float64) for each in gains]
    if not gains or any(each.ndim != 1 or not len(each) for each in gains):
        raise ValueError(f"Gains need a row of objects for each seed, got {[each.shape for each in gains]}.")
    rng = np.random.default_rng(seed)
    drawn = np.stack([_means(each, n_resamples, rng) for each in gains])  # (seeds, resamples)
    chosen = rng.integers(len(gains), size=drawn.shape)
    differences = np.take_along_axis(drawn, chosen, axis=0).mean(axis=0)
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    verdict = "agrees" if low > 0 else "disagrees" if high < 0 else "undecided"
    difference = float(np.mean([each.mean() for each in gains]))
    return {"difference": difference, "low": float(low), "high": float(high), "verdict": verdict}


def _means(values: np.ndarray, n_resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Means of bootstrap draws of few distinct values, from how often each of them is drawn."""
    distinct, counts = np.unique(values, return_counts=True)
    drawn = rng.multinomial(len(values), counts / len(values), size=n_resamples)
    return drawn @ distinct / len(values)
