"""Forecasts and fills of light curves that are linear at most, to hold a network against.

Everywhere values are windows (W, T, N) of W times T steps of N standardised stars, with a bool array of the
same shape that says where there is a value to see. What is not seen counts as 0, the median.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

_PENALTY = 1.0  # of ridge regressions on standardised flux: thousands of windows, about a hundred inputs


def persistence(x: ArrayLike, observed: ArrayLike, n_out: int = 12) -> np.ndarray:
    """Forecast that a star stays at its last observed value.

    Parameters
    ----------
    x, observed : (W, T, N) array_like
        Input windows, and where they were observed.
    n_out : int
        Steps to forecast.

    Returns
    -------
    (W, n_out, N) array
        0 for a star without an observation in the window.

    Examples
    --------
    >>> persistence([[[1.0], [2.0]]], [[[True], [False]]], n_out=2).ravel()
    array([1., 1.])
    """
    x, observed = np.asarray(x), np.asarray(observed, bool)
    last = x.shape[1] - 1 - observed[:, ::-1].argmax(axis=1)[:, None]  # (W, 1, N)
    value = np.take_along_axis(np.where(observed, x, 0), last, axis=1)
    return value.repeat(n_out, axis=1)


def ridge_forecast(
    train_x: ArrayLike,
    train_y: ArrayLike,
    train_y_observed: ArrayLike,
    x: ArrayLike,
    *,
    neighbours: ArrayLike | None = None,
) -> np.ndarray:
    """Forecast each star by a ridge regression of its own on its past, or on that and its neighbours'.

    This is the linear forecast that sees what a graph network sees (card, section 4.4, table).

    Parameters
    ----------
    train_x, x : (W, T, N) and (Q, T, N) array_like
        Input windows to learn from and to forecast from; 0 where not observed.
    train_y : (W, H, N) array_like
        What came next.
    train_y_observed : (W, H, N) bool array_like
        Windows with a gap in a star's target are left out for that star.
    neighbours : (N, k) int array_like, optional
        Stars whose past each star's regression may use too. By default none.

    Returns
    -------
    (Q, H, N) float64 array

    Raises
    ------
    ValueError
        If shapes disagree, or a star has no complete target.

    Examples
    --------
    >>> past = np.arange(100.0).reshape(50, 2, 1) - 50
    >>> future = past[:, 1:] + 1
    >>> forecast = ridge_forecast(past, future, future == future, [[[3.0], [4.0]]])
    >>> forecast.round(1).tolist()
    [[[5.0]]]
    """
    train_x, train_y, x = (np.asarray(each, np.float64) for each in (train_x, train_y, x))
    complete = np.asarray(train_y_observed, bool).all(axis=1)  # (W, N)
    if train_x.shape[::2] != train_y.shape[::2] or x.shape[1:] != train_x.shape[1:]:
        raise ValueError(
            f"Inputs {train_x.shape}, targets {train_y.shape} and windows to forecast from {x.shape} must be "
            "of the same stars, and inputs of the same steps."
        )
    forecasts = np.empty((len(x), train_y.shape[1], x.shape[2]))
    for star, group in _groups(x.shape[2], neighbours):
        rows = complete[:, star]
        if not rows.any():
            raise ValueError(f"Star {star} has no training window in which all targets are observed.")
        features = _with_one(train_x[rows][:, :, group])
        gram = features.T @ features
        gram[np.diag_indices(len(gram) - 1)] += _PENALTY  # not on the constant, which is the last
        weights = np.linalg.solve(gram, features.T @ train_y[rows, :, star])
        forecasts[:, :, star] = _with_one(x[:, :, group]) @ weights
    return forecasts


def linear_interpolation(x: ArrayLike, visible: ArrayLike) -> np.ndarray:
    """Fill what is not visible on a straight line between visible values of the same star and window.

    Parameters
    ----------
    x, visible : (W, T, N) array_like

    Returns
    -------
    (W, T, N) float64 array
        Visible values as they are; beyond the first or last visible value the nearest one, and 0 for a star
        of which a window shows nothing.

    Examples
    --------
    >>> visible = np.array([[[True], [False], [True], [False]]])
    >>> linear_interpolation(np.array([[[1.0], [9.0], [3.0], [9.0]]]), visible).ravel()
    array([1., 2., 3., 3.])
    """
    visible = np.asarray(visible, bool)
    x = np.where(visible, np.asarray(x, np.float64), 0.0)
    n_times = x.shape[1]
    times = np.arange(n_times)[:, None]
    before = np.maximum.accumulate(np.where(visible, times, -1), axis=1)
    after = np.minimum.accumulate(np.where(visible, times, n_times)[:, ::-1], axis=1)[:, ::-1]
    left, right = np.where(before < 0, after, before), np.where(after == n_times, before, after)
    left, right = left.clip(0, n_times - 1), right.clip(0, n_times - 1)
    share = (times - left) / np.maximum(right - left, 1)
    low, high = (np.take_along_axis(x, where, axis=1) for where in (left, right))
    return low + share * (high - low)


def ridge_fill(
    train: ArrayLike,
    train_observed: ArrayLike,
    x: ArrayLike,
    visible: ArrayLike,
    *,
    neighbours: ArrayLike | None = None,
) -> np.ndarray:
    """Fill what is not visible by the ridge regression on all that is, whatever the pattern of each window.

    The regression of a hidden value on the visible ones follows from the covariance of all steps of a star
    (and its neighbours) in the training windows, so one covariance serves every pattern.

    Parameters
    ----------
    train, train_observed : (W, T, N) array_like
        Windows to take covariances from, and where they were observed.
    x, visible : (Q, T, N) array_like
        Windows to fill, and what may be used of them.
    neighbours : (N, k) int array_like, optional
        Stars whose visible values may be used too. By default none.

    Returns
    -------
    (Q, T, N) float64 array
        Visible values as they are.

    Raises
    ------
    ValueError
        If two steps of a star were never observed in one window.

    Examples
    --------
    >>> series = np.random.default_rng(0).standard_normal((500, 1, 2)).repeat(2, axis=1)
    >>> visible = np.array([[[True, True], [False, True]]])
    >>> filled = ridge_fill(series, series == series, [[[1.0, 5.0], [0.0, 5.0]]], visible)
    >>> float(filled[0, 1, 0].round(1))
    1.0
    """
    seen, visible = np.asarray(train_observed, np.float64), np.asarray(visible, bool)
    train, x = np.asarray(train, np.float64) * seen, np.where(visible, np.asarray(x, np.float64), 0.0)
    filled, n_times = x.copy(), x.shape[1]
    for star, group in _groups(x.shape[2], neighbours):
        values, known = _flat(train, group), _flat(seen, group)
        pairs = known.T @ known
        if pairs.min() == 0:
            raise ValueError(
                f"Star {star} or its neighbours have steps that were never observed together in a training "
                "window, so their covariance is not known: give more windows."
            )
        mean = values.sum(axis=0) / known.sum(axis=0)
        values -= mean * known
        covariance = values.T @ values / pairs
        shown = _flat(visible, group).astype(np.float64)  # (Q, P)
        offset = (_flat(x, group) - mean) * shown
        ridge = _PENALTY / len(values) + 0.01  # the second: covariances over gaps need not be positive
        # A hidden value has the equation 1 * c = 0, so that each pattern is a system of the same size.
        weights = np.empty_like(offset)
        for rows in np.array_split(np.arange(len(x)), 1 + len(x) // 256):
            v = shown[rows]
            system = covariance * v[:, :, None] * v[:, None]
            system[:, *np.diag_indices(len(covariance))] += ridge * v + (1 - v)
            weights[rows] = np.linalg.solve(system, offset[rows][:, :, None])[:, :, 0]
        own = slice(0, n_times)  # the star itself is the first of its group
        filled[:, :, star] = mean[own] + weights @ covariance[:, own]
    return np.where(visible, x, filled)


def _groups(n_stars: int, neighbours: ArrayLike | None) -> Iterator[tuple[int, np.ndarray]]:
    """Each star, and the stars that its regression uses, itself first."""
    group = np.arange(n_stars)[:, None]
    if neighbours is not None:
        group = np.concatenate([group, np.asarray(neighbours)], axis=1)
    yield from enumerate(group)


def _flat(windows: np.ndarray, group: np.ndarray) -> np.ndarray:
    """(W, T, N) -> (W, stars * T), one star after the other."""
    return windows[:, :, group].transpose(0, 2, 1).reshape(len(windows), -1)


def _with_one(windows: np.ndarray) -> np.ndarray:
    """(W, T, k) -> (W, T * k + 1), a constant last."""
    flat = windows.reshape(len(windows), -1)
    return np.concatenate([flat, np.ones((len(flat), 1))], axis=1)
