"""Redshift probability densities that are constant within bins: moments, calibration and scores.

Everywhere `edges` (K+1,) are increasing redshifts and `probabilities` (N, K) the bins' shares, rows of sum 1.
The density of galaxy n in bin k is probabilities[n, k] / (edges[k+1] - edges[k]), and zero outside the edges.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


def mean(edges: ArrayLike, probabilities: ArrayLike) -> np.ndarray:
    """Expected redshift, (N,): what minimises the squared error."""
    edges, p = _checked(edges, probabilities)
    return p @ ((edges[:-1] + edges[1:]) / 2)


def median(edges: ArrayLike, probabilities: ArrayLike) -> np.ndarray:
    """Redshift with half of the probability on either side, (N,): what minimises the absolute error."""
    return quantile(edges, probabilities, 0.5)


def mode(edges: ArrayLike, probabilities: ArrayLike) -> np.ndarray:
    """Centre of the bin of highest density, (N,)."""
    edges, p = _checked(edges, probabilities)
    return ((edges[:-1] + edges[1:]) / 2)[np.argmax(p / np.diff(edges), axis=1)]


def quantile(edges: ArrayLike, probabilities: ArrayLike, q: float) -> np.ndarray:
    """Redshift below which lies the share `q` of the probability, (N,)."""
    edges, p = _checked(edges, probabilities)
    if not 0 <= q <= 1:
        raise ValueError(f"A quantile is asked for by a share between 0 and 1, not {q}.")
    cumulative = _cumulative(p)
    k = np.minimum((cumulative[:, 1:] < q).sum(axis=1), p.shape[1] - 1)  # bin that the share falls into
    rows = np.arange(len(p))
    inside = q - cumulative[rows, k]
    share = np.divide(inside, p[rows, k], out=np.zeros(len(p)), where=p[rows, k] > 0)
    return edges[k] + np.clip(share, 0, 1) * np.diff(edges)[k]


def cdf(edges: ArrayLike, probabilities: ArrayLike, z: ArrayLike) -> np.ndarray:
    """Probability of a redshift below z, (N,).

    Parameters
    ----------
    edges, probabilities
        See the module.
    z : (N,) array_like
        One redshift for each galaxy.
    """
    edges, p = _checked(edges, probabilities)
    z = _one_each(z, p)
    k = np.clip(np.searchsorted(edges, z, side="right") - 1, 0, p.shape[1] - 1)
    share = np.clip((z - edges[k]) / np.diff(edges)[k], 0, 1)
    rows = np.arange(len(p))
    return np.clip(_cumulative(p)[rows, k] + share * p[rows, k], 0, 1)


def pit(edges: ArrayLike, probabilities: ArrayLike, z_true: ArrayLike) -> np.ndarray:
    """Probability integral transform: the cdf at the true redshift, (N,).

    Uniform over galaxies if the densities are calibrated (Dawid 1984). A U shape means densities that are
    too narrow, a hump too wide, a slope a bias. Redshifts outside the edges give 0 or 1.

    Examples
    --------
    >>> pit([0.0, 0.5, 1.0], [[0.5, 0.5], [1.0, 0.0]], [0.5, 0.25])
    array([0.5, 0.5])
    """
    return cdf(edges, probabilities, z_true)


def pit_uniformity(pit_values: ArrayLike) -> tuple[float, float]:
    """Kolmogorov-Smirnov distance of PIT values from uniform, and its p-value."""
    found = stats.kstest(np.asarray(pit_values, dtype=np.float64), "uniform")
    return float(found.statistic), float(found.pvalue)


def coverage(pit_values: ArrayLike, levels: ArrayLike) -> np.ndarray:
    """Share of galaxies whose central interval of each level holds the true redshift.

    The central interval of level L runs from the (1-L)/2 to the (1+L)/2 quantile, so it holds the truth
    just where abs(PIT - 1/2) <= L/2.

    Parameters
    ----------
    pit_values : (N,) array_like
        From `pit`.
    levels : (L,) array_like
        Between 0 and 1. Calibrated densities return them.

    Returns
    -------
    (L,) array
    """
    off_centre = np.abs(np.asarray(pit_values, dtype=np.float64) - 0.5)
    return np.mean(off_centre <= np.asarray(levels, dtype=np.float64)[:, None] / 2, axis=1)


def crps(edges: ArrayLike, probabilities: ArrayLike, z_true: ArrayLike) -> np.ndarray:
    """Continuous ranked probability score, (N,), in units of redshift; lower is better.

    CRPS = integral of (F(z) - [z >= z_true])^2 dz (Gneiting & Raftery 2007). The cdf F is a straight
    line in each bin, so the integral is a sum of (b^3 - a^3) / 3 per unit slope and is exact. For a density
    that is a single point it is the absolute error.

    Raises
    ------
    ValueError
        If edges do not increase, rows do not sum to 1, or lengths differ.

    Examples
    --------
    >>> crps([0.0, 1.0], [[1.0]], [0.0])   # uniform: integral of (1 - z)^2
    array([0.33333333])
    """
    edges, p = _checked(edges, probabilities)
    z = _one_each(z_true, p)[:, None]
    start, stop = edges[:-1], edges[1:]
    cut = np.clip(z, start, stop)  # (N, K): where each bin passes from below to above the true redshift
    cumulative = _cumulative(p)
    left, right = cumulative[:, :-1], cumulative[:, 1:]
    at_cut = left + p * (cut - start) / (stop - start)
    below = (cut - start) * _mean_square(left, at_cut)
    above = (stop - cut) * _mean_square(1 - at_cut, 1 - right)
    beyond = np.maximum(edges[0] - z, 0) + np.maximum(z - edges[-1], 0)  # F is 0 or 1 out there: all wrong
    return (below + above).sum(axis=1) + beyond[:, 0]


def log_score(edges: ArrayLike, probabilities: ArrayLike, z_true: ArrayLike) -> np.ndarray:
    """Minus the natural logarithm of the density at the true redshift, (N,); lower is better.

    It is infinite where the density is zero, so also for a true redshift outside the edges.
    """
    edges, p = _checked(edges, probabilities)
    z = _one_each(z_true, p)
    k = np.clip(np.searchsorted(edges, z, side="right") - 1, 0, p.shape[1] - 1)
    density = p[np.arange(len(p)), k] / np.diff(edges)[k]
    inside = (z >= edges[0]) & (z <= edges[-1])
    with np.errstate(divide="ignore"):
        return -np.log(np.where(inside, density, 0.0))


def scores(edges: ArrayLike, probabilities: ArrayLike, z_true: ArrayLike) -> dict[str, float]:
    """One number for each virtue of a set of densities.

    Returns
    -------
    dict of str to float
        "crps" and "log_score", means over galaxies; "pit_distance" and "pit_p_value", see `pit_uniformity`;
        "coverage_68" and "coverage_95", see `coverage`; "outside", share of galaxies beyond the edges.
    """
    edges, z = np.asarray(edges, dtype=np.float64), np.asarray(z_true, dtype=np.float64)
    values = pit(edges, probabilities, z)
    distance, p_value = pit_uniformity(values)
    covered = coverage(values, [0.68, 0.95])
    return {
        "crps": float(crps(edges, probabilities, z).mean()),
        "log_score": float(log_score(edges, probabilities, z).mean()),
        "pit_distance": distance,
        "pit_p_value": p_value,
        "coverage_68": float(covered[0]),
        "coverage_95": float(covered[1]),
        "outside": float(np.mean((z < edges[0]) | (z > edges[-1]))),
    }


def _mean_square(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Mean of the square of a straight line from a to b."""
    return (a * a + a * b + b * b) / 3


def _cumulative(p: np.ndarray) -> np.ndarray:
    """Cdf at the edges, (N, K+1)."""
    return np.concatenate([np.zeros((len(p), 1)), np.cumsum(p, axis=1)], axis=1)


def _checked(edges: ArrayLike, probabilities: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    edges, p = np.asarray(edges, dtype=np.float64), np.asarray(probabilities, dtype=np.float64)
    if edges.ndim != 1 or p.ndim != 2 or p.shape[1] != len(edges) - 1:
        raise ValueError(
            f"K bins need edges (K+1,) and probabilities (N, K), not {edges.shape} and {p.shape}."
        )
    if not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
        raise ValueError("The edges of the redshift bins must be finite and increase.")
    total = p.sum(axis=1)
    bad = np.flatnonzero(~((p >= 0).all(axis=1) & (np.abs(total - 1) < 1e-3)))
    if len(bad):
        raise ValueError(
            f"The probabilities of {len(bad)} of {len(p)} galaxies are negative, not finite or do not sum to "
            f"1, the first in row {bad[0]} (sum {total[bad[0]]:g}): a softmax over the bins makes them right."
        )
    return edges, p / total[:, None]  # a float32 softmax sums to 1 only within 1e-6


def _one_each(z: ArrayLike, p: np.ndarray) -> np.ndarray:
    z = np.asarray(z, dtype=np.float64)
    if z.shape != p.shape[:1] or not np.isfinite(z).all():
        raise ValueError(
            f"{len(p)} densities need as many finite redshifts, not an array of shape {z.shape}."
        )
    return z
