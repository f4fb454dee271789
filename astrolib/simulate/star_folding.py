"""How clean a light curve looks when folded at a period: the two scores of the catalogue."""

import numpy as np

N_BINS = 25


def _star_of_points(offsets: np.ndarray) -> np.ndarray:
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def lafler_kinman(phase: np.ndarray, values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """String length of folded curves: the statistic of Lafler & Kinman 1965 (ApJS 11, 216), scaled.

    Neighbours in phase are compared, the last with the first: sum of squared steps over twice the sum of
    squared deviations from the mean (as Clarke 2002, A&A 386, 763, but for a constant). Near 0 for a clean
    curve, near 1 for noise.

    Parameters
    ----------
    phase, values : (P,) arrays
        One star's points after another's; whole turns of the phase do not matter.
    offsets : (N + 1,) int array
        Star i has the points `offsets[i]` to `offsets[i + 1]`.

    Returns
    -------
    (N,) array

    Examples
    --------
    >>> phase = np.linspace(0, 1, 200, endpoint=False)
    >>> bool(lafler_kinman(phase, np.sin(2 * np.pi * phase), np.array([0, 200]))[0] < 0.001)
    True
    """
    star = _star_of_points(offsets)
    ordered = values[np.argsort(star + phase % 1)]
    following = np.append(ordered[1:], 0)
    following[offsets[1:] - 1] = ordered[offsets[:-1]]
    mean = np.add.reduceat(values, offsets[:-1]) / np.diff(offsets)
    spread = np.add.reduceat((values - mean[star]) ** 2, offsets[:-1])
    return np.add.reduceat((following - ordered) ** 2, offsets[:-1]) / (2 * spread)


def regression_score(phase: np.ndarray, values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """Share of the variance that the phase explains, 0 to 1, by the means of 25 phase bins.

    Stands in for the catalogue's score of a random-forest regression; corrected for the number of bins.

    Parameters
    ----------
    phase, values, offsets
        As for `lafler_kinman`.
    """
    n, counts = len(offsets) - 1, np.diff(offsets)
    star = _star_of_points(offsets)
    cell = star * N_BINS + np.minimum((phase % 1 * N_BINS).astype(np.int64), N_BINS - 1)
    filled = np.bincount(cell, minlength=n * N_BINS)
    means = np.bincount(cell, values, n * N_BINS) / np.maximum(filled, 1)
    rest = np.add.reduceat((values - means[cell]) ** 2, offsets[:-1])
    mean = np.add.reduceat(values, offsets[:-1]) / counts
    spread = np.add.reduceat((values - mean[star]) ** 2, offsets[:-1])
    used = (filled.reshape(n, N_BINS) > 0).sum(1)
    free = np.maximum(counts - used, 1)
    return np.clip(1 - rest / spread * (counts - 1) / free, 0, 1)
