"""Point redshifts against spectroscopic ones, in three named conventions, with bootstrap errors.

In all of them t is the true and p the predicted redshift, and d = (p - t) / (1 + t).
"""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

_BLOCK = 4_000_000  # redshifts resampled at once: bounds the memory of a bootstrap to some 100 MB


def metrics(z_true: ArrayLike, z_pred: ArrayLike, convention: str = "astromae") -> dict[str, float]:
    """Metrics of point redshifts.

    Parameters
    ----------
    z_true, z_pred : (N,) array_like
        Spectroscopic and predicted redshifts; any number type, computed in float64.
    convention : str
        "astromae" : Dolatpour Fathkouhi & Fox 2024 (arXiv:2409.01825).

            ============== ============================================================
            mse            mean((p - t)^2)
            mae            mean(abs(p - t))
            bias           mean(d)
            precision      1.48 median(abs(d - median(d))), as in the released code
            precision_eq8  1.48 median(abs(d)), as in the paper's eq. 8
            r2             1 - sum((p - t)^2) / sum((t - mean(t))^2)
            ============== ============================================================

        "pasquet" : Pasquet et al. 2019 (A&A 621, A26).

            ================ ==========================================
            bias             mean(d)
            sigma_mad        1.4826 median(abs(d - median(d)))
            outlier_fraction fraction with abs(d) > 0.05
            ================ ==========================================

        "rail" : point metrics of LSST DESC's RAIL and qp, after the LSST Science Book (arXiv:0912.0201).

            ================ ==========================================
            bias             median(d)
            sigma_iqr        (75th - 25th percentile of d) / 1.349
            sigma_mad        1.4826 median(abs(d - median(d)))
            outlier_fraction fraction with abs(d) > max(0.06, 3 sigma_iqr)
            ================ ==========================================

    Returns
    -------
    dict of str to float
        In the order above.

    Raises
    ------
    ValueError
        If the shapes differ or are not one-dimensional, fewer than two galaxies are given, a value is not
        finite, a true redshift is -1 or less, or the convention is unknown.

    Examples
    --------
    >>> found = metrics([0.0, 1.0], [0.1, 1.0])
    >>> round(found["mse"], 6), round(found["bias"], 6), round(found["r2"], 6)
    (0.005, 0.05, 0.98)
    """
    t, p = _checked(z_true, z_pred)
    return {name: float(value) for name, value in _formula(convention)(t, p).items()}


def bootstrap(
    z_true: ArrayLike,
    z_pred: ArrayLike,
    convention: str = "astromae",
    *,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Metrics with errors from resampling the galaxies.

    The errors are those of a finite test set. They say nothing about another training seed.

    Parameters
    ----------
    z_true, z_pred, convention
        As for `metrics`.
    n_resamples : int
        Draws of N galaxies with replacement.
    confidence : float
        Of the percentile interval.
    seed : int
        The same seed and N give the same draws.

    Returns
    -------
    DataFrame
        Index `metric`; columns `value` (of all galaxies), `error` (standard deviation over the draws), `low`
        and `high` (percentile interval).

    Examples
    --------
    >>> bootstrap([0.1, 0.2, 0.3], [0.1, 0.2, 0.3], "pasquet", n_resamples=9).loc["bias", "error"]
    np.float64(0.0)
    """
    t, p = _checked(z_true, z_pred)
    formula = _formula(convention)
    draws = _resampled(lambda rows: formula(t[rows], p[rows]), len(t), n_resamples, seed)
    return _summary(formula(t, p), draws, confidence).rename(columns={"estimate": "value"})


def difference(
    z_true: ArrayLike,
    z_first: ArrayLike,
    z_second: ArrayLike,
    convention: str = "astromae",
    *,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> pd.DataFrame:
    """Metrics of one prediction minus those of another, with paired bootstrap errors.

    Both predictions are scored on the same draws of galaxies, so that what makes a galaxy hard for both of
    them cancels; the error is smaller than that of two separate bootstraps.

    Parameters
    ----------
    z_true, z_first, z_second : (N,) array_like
        True redshifts and the two predictions of the same galaxies.
    convention, n_resamples, confidence, seed
        As for `bootstrap`.

    Returns
    -------
    DataFrame
        Index `metric`; columns `difference` (first minus second), `error`, `low` and `high`. The two differ
        at the given confidence where `low` and `high` have the same sign. The bias keeps its sign.

    Examples
    --------
    >>> z = np.linspace(0, 1, 50)
    >>> bool(difference(z, z, z + 0.1).loc["mse", "high"] < 0)
    True
    """
    t, first = _checked(z_true, z_first)
    _, second = _checked(z_true, z_second)
    formula = _formula(convention)

    def change(rows) -> dict[str, np.ndarray]:
        a, b = formula(t[rows], first[rows]), formula(t[rows], second[rows])
        return {name: a[name] - b[name] for name in a}

    draws = _resampled(change, len(t), n_resamples, seed)
    return _summary(change(slice(None)), draws, confidence).rename(columns={"estimate": "difference"})


def score(z_true: ArrayLike, z_pred: ArrayLike, *, n_resamples: int = 1000, seed: int = 0) -> pd.DataFrame:
    """All metrics of all conventions with their bootstrap errors, as a long table.

    Returns
    -------
    DataFrame
        Columns `convention`, `metric`, `value` and `error`, a row for each metric; see `bootstrap`.
    """
    tables = {
        convention: bootstrap(z_true, z_pred, convention, n_resamples=n_resamples, seed=seed)
        for convention in CONVENTIONS
    }
    joined = pd.concat(tables, names=["convention", "metric"]).reset_index()
    return joined[["convention", "metric", "value", "error"]]


def scaled_error(z_true: ArrayLike, z_pred: ArrayLike) -> np.ndarray:
    """The error that photometric redshifts are judged by, d = (p - t) / (1 + t), shape (N,)."""
    t, p = _checked(z_true, z_pred)
    return _scaled(t, p)


# Formulas take t and p of shape (..., N) and reduce the last axis, so one call scores many resamples.


def _astromae(t: np.ndarray, p: np.ndarray) -> dict[str, np.ndarray]:
    residual, d = p - t, _scaled(t, p)
    mse = np.mean(residual**2, axis=-1)
    return {
        "mse": mse,
        "mae": np.mean(np.abs(residual), axis=-1),
        "bias": np.mean(d, axis=-1),
        "precision": 1.48 * _mad(d),
        "precision_eq8": 1.48 * np.median(np.abs(d), axis=-1),
        "r2": 1 - mse / np.var(t, axis=-1),
    }


def _pasquet(t: np.ndarray, p: np.ndarray) -> dict[str, np.ndarray]:
    d = _scaled(t, p)
    return {
        "bias": np.mean(d, axis=-1),
        "sigma_mad": 1.4826 * _mad(d),
        "outlier_fraction": np.mean(np.abs(d) > 0.05, axis=-1),
    }


def _rail(t: np.ndarray, p: np.ndarray) -> dict[str, np.ndarray]:
    d = _scaled(t, p)
    low, middle, high = np.percentile(d, [25, 50, 75], axis=-1)
    sigma_iqr = (high - low) / 1.349
    limit = np.maximum(0.06, 3 * sigma_iqr)
    return {
        "bias": middle,
        "sigma_iqr": sigma_iqr,
        "sigma_mad": 1.4826 * _mad(d),
        "outlier_fraction": np.mean(np.abs(d) > limit[..., None], axis=-1),
    }


CONVENTIONS = {"astromae": _astromae, "pasquet": _pasquet, "rail": _rail}
"""What `metrics` knows."""


def _scaled(t: np.ndarray, p: np.ndarray) -> np.ndarray:
    return (p - t) / (1 + t)


def _mad(d: np.ndarray) -> np.ndarray:
    return np.median(np.abs(d - np.median(d, axis=-1, keepdims=True)), axis=-1)


def _formula(convention: str) -> Callable[[np.ndarray, np.ndarray], dict[str, np.ndarray]]:
    if convention not in CONVENTIONS:
        raise ValueError(f"Unknown metric convention {convention!r}: choose one of {', '.join(CONVENTIONS)}.")
    return CONVENTIONS[convention]


def _checked(z_true: ArrayLike, z_pred: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    t, p = np.asarray(z_true, dtype=np.float64), np.asarray(z_pred, dtype=np.float64)
    if t.ndim != 1 or t.shape != p.shape:
        raise ValueError(
            f"Redshifts must be two one-dimensional arrays of one length, not {t.shape} and {p.shape}; "
            "a prediction of shape (N, 1) would be subtracted from every true redshift."
        )
    if len(t) < 2:
        raise ValueError(f"Metrics need at least two galaxies, not {len(t)}.")
    for name, z in (("true", t), ("predicted", p)):
        bad = np.flatnonzero(~np.isfinite(z))
        if len(bad):
            raise ValueError(
                f"{len(bad)} of {len(z)} {name} redshifts are not finite, the first in row {bad[0]}: drop "
                "galaxies without a redshift before scoring; a lost prediction points at the training."
            )
    if t.min() <= -1:
        raise ValueError(f"The true redshift in row {t.argmin()} is {t.min():g}: a redshift is above -1.")
    return t, p


def _resampled(
    statistic: Callable[[np.ndarray], dict[str, np.ndarray]], n: int, n_resamples: int, seed: int
) -> dict[str, np.ndarray]:
    """Statistics of `n_resamples` draws of n rows with replacement: name -> (n_resamples,)."""
    blocks = [statistic(rows) for rows in _draws(n, n_resamples, seed)]
    return {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}


def _draws(n: int, n_resamples: int, seed: int) -> Iterator[np.ndarray]:
    generator = np.random.default_rng(seed)
    at_once = max(1, _BLOCK // n)
    for start in range(0, n_resamples, at_once):
        yield generator.integers(n, size=(min(at_once, n_resamples - start), n))


def _summary(estimate: dict, draws: dict[str, np.ndarray], confidence: float) -> pd.DataFrame:
    outside = 50 * (1 - confidence)
    rows = {
        name: (float(estimate[name]), values.std(ddof=1), *np.percentile(values, [outside, 100 - outside]))
        for name, values in draws.items()
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "error", "low", "high"])
    return table.rename_axis("metric")
