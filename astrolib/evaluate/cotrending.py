"""Systematics removed from light curves without a network, and what removal does to a star's own signal.

Everywhere light curves are (T, N): T cadences of N standardised stars, 0 where not observed.
"""

import numpy as np
from numpy.typing import ArrayLike

_PENALTY = 1.0  # of the ridge regression on standardised flux: thousands of cadences, some tens of inputs


def principal_components_removal(flux: ArrayLike, n: int = 8) -> np.ndarray:
    """Light curves less what the first principal components of the *other* stars say of them.

    Parameters
    ----------
    flux : (T, N) array_like
        Standardised; 0 where not observed.
    n : int
        Components.

    Returns
    -------
    (T, N) float64 array
        What is left of each star.

    Raises
    ------
    ValueError
        If there are fewer than `n` other stars.

    Examples
    --------
    >>> common = np.random.default_rng(0).standard_normal((50, 1))
    >>> bool(np.abs(principal_components_removal(common * [1.0, 2.0, 3.0], n=1)).max() < 1e-9)
    True
    """
    flux = np.asarray(flux, np.float64)
    n_stars = flux.shape[1]
    if n >= n_stars:
        raise ValueError(f"{n} components cannot come from {n_stars - 1} other stars: lower n.")
    gram = flux.T @ flux
    # All from the products of light curves: weights over the other stars that give their components' fit.
    other = ~np.eye(n_stars, dtype=bool)
    values, vectors = np.linalg.eigh(gram * other[:, :, None] * other[:, None])  # one matrix for each star
    values, vectors = values[:, -n:], vectors[:, :, -n:]
    strength = np.einsum("skc,ks->sc", vectors, gram * other)
    inverse = np.divide(1.0, values, out=np.zeros_like(values), where=values > 1e-9 * values.max())
    weights = np.einsum("skc,sc->ks", vectors, strength * inverse) * other
    return flux - flux @ weights


def neighbours_removal(
    flux: ArrayLike, observed: ArrayLike, neighbours: ArrayLike, n_train: int, *, reach: int = 2
) -> np.ndarray:
    """Light curves less a ridge regression on those of the neighbours, shortly before and after too.

    Parameters
    ----------
    flux, observed : (T, N) array_like
    neighbours : (N, k) int array_like
        Stars that the regression of each star may use.
    n_train : int
        First cadences, from which the regression is learnt.
    reach : int
        Cadences before and after that it sees, since a pattern may travel.

    Returns
    -------
    (T, N) float64 array
        What is left of each star.

    Raises
    ------
    ValueError
        If a star has fewer observed training cadences than its regression has inputs.

    Examples
    --------
    >>> common = np.random.default_rng(0).standard_normal((500, 1))
    >>> left = neighbours_removal(common * [1.0, -2.0], np.ones((500, 2)), [[1], [0]], n_train=300)
    >>> bool(np.abs(left).max() < 0.1)
    True
    """
    flux, observed = np.asarray(flux, np.float64), np.asarray(observed, bool)
    neighbours, n_times = np.asarray(neighbours), len(flux)
    padded = np.pad(flux, ((reach, reach), (0, 0)))
    shifted = np.stack([padded[lag : lag + n_times] for lag in range(2 * reach + 1)], axis=2)  # (T, N, lags)
    left = np.empty_like(flux)
    for star, group in enumerate(neighbours):
        inputs = shifted[:, group].reshape(n_times, -1)
        rows = np.flatnonzero(observed[:n_train, star])
        if len(rows) < inputs.shape[1]:
            raise ValueError(
                f"Star {star} is observed in {len(rows)} of the first {n_train} cadences, too few to learn "
                f"from {inputs.shape[1]} inputs: give a longer training period, or a smaller reach."
            )
        gram = inputs[rows].T @ inputs[rows] + _PENALTY * np.eye(inputs.shape[1])
        left[:, star] = flux[:, star] - inputs @ np.linalg.solve(gram, inputs[rows].T @ flux[rows, star])
    return left


def signal_kept(
    without: ArrayLike, with_signal: ArrayLike, signal: ArrayLike, observed: ArrayLike
) -> np.ndarray:
    """How much of a signal that was put into a star is left after systematics were removed.

    Parameters
    ----------
    without, with_signal : (T, N) array_like
        What removal left of the same stars, without and with the signal in the input.
    signal : (T, N) array_like
        What was added.
    observed : (T, N) array_like
        Cadences that count.

    Returns
    -------
    (N,) float64 array
        Slope of the difference over the signal, 1 if it survived whole; NaN for stars without a signal.

    Examples
    --------
    >>> signal = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 0.0]])
    >>> signal_kept(0 * signal, 0.9 * signal, signal, signal == signal)
    array([0.9, nan])
    """
    observed = np.asarray(observed, np.float64)
    change = np.asarray(with_signal, np.float64) - without

    def centred(series: np.ndarray) -> np.ndarray:
        return (series - (series * observed).sum(axis=0) / observed.sum(axis=0)) * observed

    signal = centred(np.asarray(signal, np.float64))
    power = (signal**2).sum(axis=0)
    product = (signal * centred(change)).sum(axis=0)
    return np.divide(product, power, out=np.full(len(power), np.nan), where=power > 0)
