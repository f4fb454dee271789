"""Light curves and spectra in units of their own scatter, all stars at once."""

from dataclasses import dataclass

import numpy as np

from astrolib.data.galaxies import SurveyError

ERROR_CAP = 10.0
"""Largest error of a pixel of a spectrum in units of its MAD: nothing is known about that pixel."""
FLAT = 1e-3
"""A spectrum whose MAD is below this fraction of its |median flux| is constant: it says nothing."""
BLOCK = 1024  # stars scaled at a time, so that intermediate float64 arrays stay in the processor's cache


@dataclass(frozen=True)
class LightCurves:
    """Scaled light curves of N stars; zeros where a star has a fault or no further points."""

    values: np.ndarray  # (N, L, 3) float32: time in [0, 1], flux, flux error
    n_points: np.ndarray  # (N,) int32, 0 where there is a fault
    log_mad: np.ndarray  # (N,) float32
    delta_t: np.ndarray  # (N,) float32 [years of 365 days]
    faults: np.ndarray  # (N,) str, "" for a good curve
    duplicates: np.ndarray  # (N,) int64, repeated rows that were dropped


def scale_light_curves(points: np.ndarray, offsets: np.ndarray, longest: int | None = None) -> LightCurves:
    """Light curves in units of their own scatter, on times from 0 to 1 (AstroM3 card, 3.2, steps 1-4).

    Exact duplicates of a row are dropped and rows sorted by time. Flux becomes (f - mean) / MAD and its error
    e / MAD with MAD = median |f - median f|, without the factor 1.4826. Time becomes (t - min) / (max - min)
    over the whole curve. Cropping to 200 points comes later, where networks are trained.

    Parameters
    ----------
    points : (P, 3) float64 array
        Time [d], flux, flux error, one star's points after another's.
    offsets : (N + 1,) int64 array
        Star i has the points `offsets[i]` to `offsets[i + 1]`.
    longest : int, optional
        Keep only so many points from the middle of a longer curve, to save memory. All of its points count
        for the scaling.

    Raises
    ------
    SurveyError
        If times are float32, whose steps at a Julian date are 0.25 d, or offsets do not fit.

    Examples
    --------
    >>> curve = np.array([[3.0, 5.0, 0.1], [1.0, 1.0, 0.1], [2.0, 3.0, 0.1]])
    >>> scale_light_curves(curve, np.array([0, 3])).values[0].astype(float).round(2).tolist()
    [[0.0, -1.0, 0.05], [0.5, 0.0, 0.05], [1.0, 1.0, 0.05]]
    """
    points, offsets = np.asarray(points), np.asarray(offsets, np.int64)
    if points.dtype != np.float64:
        raise SurveyError(
            f"Light curves came as {points.dtype}; float64 is needed: near Julian date 2,457,000 float32 has "
            "steps of 0.25 day, and converting later does not bring times back. Read the files in float64."
        )
    if offsets[0] != 0 or offsets[-1] != len(points) or (np.diff(offsets) < 0).any():
        raise SurveyError(f"Offsets from {offsets[0]} to {offsets[-1]} do not fit {len(points)} points.")
    points, offsets, duplicates = _in_order(points, offsets)
    n = np.diff(offsets)
    kept = n if longest is None else np.minimum(n, longest)
    start = (n - kept) // 2
    values = np.zeros((len(n), kept.max(initial=1), 3), np.float32)
    log_mad, delta_t = np.zeros((2, len(n)), np.float32)
    faults = np.full(len(n), "", dtype=object)
    for first in range(0, len(n), BLOCK):
        rows = slice(first, first + BLOCK)
        low, high = offsets[first], offsets[min(first + BLOCK, len(n))]
        scaled, log_mad[rows], delta_t[rows], faults[rows] = _scale(points[low:high], n[rows])
        position = np.arange(high - low) - np.repeat(offsets[:-1][rows] - low + start[rows], n[rows])
        star = np.repeat(np.arange(len(n[rows])), n[rows])
        window = (position >= 0) & (position < kept[rows][star])
        values[rows][star[window], position[window]] = scaled[window]
    n_points = np.where(faults == "", kept, 0).astype(np.int32)
    return LightCurves(values, n_points, log_mad, delta_t, faults.astype(str), duplicates)


def _in_order(points: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every star's rows sorted by time and without repetition; (points, offsets, dropped rows per star)."""
    n = np.diff(offsets)
    star = np.repeat(np.arange(len(n)), n)
    rising = np.ones(len(points), bool)
    rising[1:] = (points[1:, 0] > points[:-1, 0]) | (star[1:] != star[:-1])
    if rising.all():  # as archives deliver nearly all of them
        return points, offsets, np.zeros(len(n), np.int64)
    messy = np.zeros(len(n), bool)
    messy[star[~rising]] = True
    where = np.flatnonzero(messy[star])
    owner, rows = star[where], points[where]
    order = np.lexsort((rows[:, 0], owner))
    if ((np.diff(rows[order, 0]) == 0) & (np.diff(owner) == 0)).any():  # flux and error decide among ties
        order = np.lexsort((*rows.T[::-1], owner))
    points = points.copy()
    points[where] = rows[order]
    repeated = np.zeros(len(points), bool)
    repeated[1:] = (points[1:] == points[:-1]).all(axis=1) & (star[1:] == star[:-1])
    dropped = np.bincount(star[repeated], minlength=len(n))
    return points[~repeated], np.concatenate([[0], np.cumsum(n - dropped)]), dropped


def _scale(points: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Scaled rows (P, 3) float32 of stars with n points each; log10 MAD, time span [years], faults."""
    star = np.repeat(np.arange(len(n)), n)
    finite = np.bincount(star[~np.isfinite(points).all(axis=1)], minlength=len(n)) == 0
    time, flux, error = np.where(finite[star], points.T, 0.0)
    filled = np.arange(n.max(initial=1)) < n[:, None]
    padded = np.full(filled.shape, np.inf)
    padded[filled] = flux
    centre = _medians(padded, n)
    padded[filled] = np.abs(flux - centre[star])
    mad = _medians(padded, n)
    mean = np.bincount(star, flux, minlength=len(n)) / np.maximum(n, 1)
    ends = np.cumsum(n)
    some = np.maximum(n, 1)
    first, last = (np.take(np.append(time, 0.0), rows) for rows in (ends - n, ends - n + some - 1))
    faults = np.full(len(n), "", dtype=object)
    faults[last <= first] = "its light curve has no time span"
    faults[mad <= 0] = "the MAD of its light curve is 0"
    faults[~finite] = "a value of its light curve is not finite"
    faults[n == 0] = "its light curve is empty"
    good = faults == ""
    scale, span = np.where(good, mad, 1.0), np.where(good, last - first, 1.0)
    scaled = np.stack(
        [(time - first[star]) / span[star], (flux - mean[star]) / scale[star], error / scale[star]], axis=1
    )
    scaled[~good[star]] = 0.0
    return scaled.astype(np.float32), np.log10(scale), np.where(good, span / 365.0, 0.0), faults


def _medians(padded: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Median of n values of every row, 0 if n is 0; the others must be infinite."""
    rows = np.arange(len(padded))
    ordered = np.sort(padded, axis=1)
    lower, upper = ordered[rows, np.maximum(n - 1, 0) // 2], ordered[rows, n // 2 * (n > 0)]
    return np.where(n > 0, 0.5 * (lower + upper), 0.0)


def scale_spectra(
    flux: np.ndarray, ivar: np.ndarray, *, error: str = "sigma", smallest_mad: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Spectra in units of their own scatter (AstroM3 card, section 3.3).

    MAD is that of the flux values that are not exactly 0, the mean that of all.

    Parameters
    ----------
    flux, ivar : (N, L) float arrays
        Flux in any unit and its inverse variance.
    error : {"sigma", "ivar"}
        What the second channel is: "sigma" is 1 / sqrt(ivar), in units of the MAD and at most `ERROR_CAP`,
        which also stands where ivar <= 0; "ivar" is what the paper's code does, inverse variance / MAD.
    smallest_mad : float
        Smallest MAD of a usable spectrum in units of flux. The card (section 13) proposes 1 for LAMOST's
        counts. Fluxes of other origin have other units, so by default only the shape decides: a spectrum
        whose MAD is less than `FLAT` of its |median flux| is constant, and is a fault.

    Returns
    -------
    values : (N, 2, L) float32 array
        Flux and error; zeros where a star has a fault.
    log_mad : (N,) float32 array
    faults : (N,) array of str
        "" for a good spectrum; no spectrum at all (only NaN), values that are not finite, more than half of
        the pixels exactly 0, or constant.

    Examples
    --------
    >>> values, log_mad, faults = scale_spectra(np.array([[1.0, 2.0, 3.0, 6.0]]), np.full((1, 4), 0.25))
    >>> values[0].tolist(), faults.tolist()
    ([[-2.0, -1.0, 0.0, 3.0], [2.0, 2.0, 2.0, 2.0]], [''])
    """
    if error not in ("sigma", "ivar"):
        raise SurveyError(f"The error of a spectrum is 'sigma' or 'ivar', not {error!r}.")
    n, length = flux.shape
    values, log_mad = np.empty((n, 2, length), np.float32), np.zeros(n, np.float32)
    faults = np.full(n, "", dtype=object)
    for first in range(0, n, BLOCK // 4):
        rows = slice(first, first + BLOCK // 4)
        faults[rows] = _scale_spectra(
            flux[rows], ivar[rows], error, smallest_mad, values[rows], log_mad[rows]
        )
    return values, log_mad, faults.astype(str)


def _scale_spectra(flux, ivar, error: str, smallest_mad: float, values, log_mad) -> np.ndarray:
    """Fill `values` and `log_mad` of a block of spectra; return the faults."""
    empty = np.isnan(flux).all(axis=1)
    finite = np.isfinite(flux).all(axis=1) & np.isfinite(ivar).all(axis=1)
    flux = np.where(finite[:, None], flux, 0.0)
    zero = flux == 0
    used = (~zero).sum(axis=1)
    centre = _medians(np.where(zero, np.inf, flux), used)
    deviation = np.abs(flux - centre[:, None])
    deviation[zero] = np.inf
    mad = _medians(deviation, used)
    faults = np.full(len(flux), "", dtype=object)
    faults[mad <= np.maximum(FLAT * np.abs(centre), smallest_mad)] = (
        "its spectrum is constant (MAD too small)"
    )
    faults[2 * used < flux.shape[1]] = "more than half of its spectrum is zero"
    faults[~finite] = "a value of its spectrum is not finite"
    faults[empty] = "no spectrum"
    good = faults == ""
    scale = np.where(good, mad, 1.0)[:, None]
    values[:, 0] = (flux - flux.mean(axis=1, dtype=np.float64, keepdims=True)) / scale
    if error == "ivar":
        values[:, 1] = ivar / scale
    else:
        known = ivar > (ERROR_CAP * scale) ** -2.0  # a smaller one would be above the cap
        values[:, 1] = np.where(known, 1 / (np.sqrt(np.where(known, ivar, 1.0)) * scale), ERROR_CAP)
    values[~good] = 0.0
    log_mad[:] = np.log10(scale[:, 0])
    return faults
