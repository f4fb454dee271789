"""Simulated light curves of stars on one detector that share its systematics (card, section 4.4).

Disturbances are local, so that neighbours know more than strangers, and one kind of them travels, so that a
neighbour knows it earlier. A few modes of the whole detector would make any other star as useful as a
neighbour: there are none.
"""

import numpy as np
from scipy.signal import lfilter

from astrolib.data.detector import Detector

SIZE = 1000.0
"""Side of the detector [pixels]."""
N_TILES = 4
"""Regions along a side, each with a level of its own."""
N_STRIPS, CELL = 5, 15.0
"""Horizontal strips in which a pattern travels one cell [pixels] a cadence."""
TRAVELLING = 1.2
"""Weight of the travelling pattern beside the smooth and the regional part."""
KINDS = ("sinusoid", "dips", "wandering")
SHARES = (0.2, 0.1, 0.7)


def draw_detector(
    n_stars: int = 128,
    n_times: int = 4000,
    seed: int = 42,
    *,
    f_sys: float = 0.6,
    f_star: float = 0.2,
    gaps: float = 0.03,
) -> Detector:
    """Simulate one detector.

    Parameters
    ----------
    n_stars, n_times : int
        Stars, uniformly over the detector, and cadences.
    seed : int
    f_sys, f_star : float
        Shares of each star's variance that are systematics and its own variability; the rest is white noise.
        With ``f_sys=0`` neighbours have nothing to say to each other: null 1 of the card.
    gaps : float
        Share of the points that is missing, two thirds of it in interruptions of all stars.

    Returns
    -------
    Detector
        Flux in units of its own standard deviation.

    Raises
    ------
    ValueError
        If the shares do not lie between 0 and 1 or exceed 1 together.

    Examples
    --------
    >>> detector = draw_detector(16, 200, seed=1)
    >>> detector.flux.shape, detector.source
    ((200, 16), 'simulated detector')
    """
    if not (0 <= f_sys <= 1 and 0 <= f_star <= 1 and f_sys + f_star <= 1 + 1e-9 and 0 <= gaps < 1):
        raise ValueError(
            f"f_sys={f_sys}, f_star={f_star} and gaps={gaps} are shares: each from 0 to 1, and the first two "
            "together at most 1."
        )
    rng = np.random.default_rng(seed)
    position = rng.uniform(0, SIZE, (n_stars, 2))
    systematics = _smooth(position, n_times, rng) + _regions(position, n_times, rng)
    systematics = _standard(systematics + TRAVELLING * _travelling(position, n_times, rng))
    own, kind = _stars(n_stars, n_times, rng)
    systematics, own = np.sqrt(f_sys) * systematics, np.sqrt(f_star) * own
    f_white = max(0.0, 1 - f_sys - f_star)  # 1 - 0.8 - 0.2 is below 0 in floating point
    flux = systematics + own + np.sqrt(f_white) * rng.standard_normal((n_times, n_stars))
    observed = _observed(n_stars, n_times, gaps, rng)
    return Detector(
        flux=np.where(observed, flux, 0).astype(np.float32),
        observed=observed,
        position=position,
        systematics=systematics.astype(np.float32),
        intrinsic=own.astype(np.float32),
        kind=kind,
        source="simulated detector",
    )


def _standard(series: np.ndarray) -> np.ndarray:
    """Each column (T, N) with mean 0 and standard deviation 1; one that never varies (no dip falls into a
    short series) is 0."""
    deviation = series.std(axis=0)
    return (series - series.mean(axis=0)) / np.where(deviation > 0, deviation, 1)


def _ar1(n_times: int, n: int, phi: float, rng: np.random.Generator) -> np.ndarray:
    """Stationary autoregressive series of variance 1, (T, n)."""
    shocks = np.sqrt(1 - phi**2) * rng.standard_normal((n_times, n))
    shocks[0] /= np.sqrt(1 - phi**2)
    return lfilter([1], [1, -phi], shocks, axis=0)


def _smooth(position: np.ndarray, n_times: int, rng: np.random.Generator) -> np.ndarray:
    """60 random cosines of position with series of their own: covariance falls as a Gaussian of distance."""
    wave = rng.standard_normal((2, 60)) / 180.0
    pattern = np.sqrt(2 / 60) * np.cos(position @ wave + rng.uniform(0, 2 * np.pi, 60))  # (N, 60)
    return _standard(_ar1(n_times, 60, 0.9, rng) @ pattern.T)


def _regions(position: np.ndarray, n_times: int, rng: np.random.Generator) -> np.ndarray:
    """A level for each tile, wandering and with six steps."""
    level = _ar1(n_times, N_TILES**2, 0.9, rng)
    steps = np.zeros_like(level)
    when = rng.integers(0, n_times, (6, N_TILES**2))
    np.add.at(steps, (when, np.arange(N_TILES**2)), rng.normal(0, 1.5, (6, N_TILES**2)))
    column, row = np.minimum((position * N_TILES / SIZE).astype(int), N_TILES - 1).T
    return _standard((level + steps.cumsum(axis=0))[:, row * N_TILES + column])


def _travelling(position: np.ndarray, n_times: int, rng: np.random.Generator) -> np.ndarray:
    """``F[x, t] = rho F[x-1, t-1] + sqrt(1 - rho^2) e``: a cell sees what its left neighbour saw before."""
    n_cells, rho = int(np.ceil(SIZE / CELL)), 0.95
    field = np.empty((n_times, N_STRIPS, n_cells))
    field[0] = rng.standard_normal((N_STRIPS, n_cells))
    for t in range(1, n_times):
        new = rng.standard_normal((N_STRIPS, n_cells))
        field[t] = np.sqrt(1 - rho**2) * new
        field[t, :, 0] = new[:, 0]
        field[t, :, 1:] += rho * field[t - 1, :, :-1]
    cell = np.minimum((position[:, 0] / CELL).astype(int), n_cells - 1)
    strip = np.minimum((position[:, 1] * N_STRIPS / SIZE).astype(int), N_STRIPS - 1)
    return _standard(field[:, strip, cell])


def _stars(n_stars: int, n_times: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What each star does by itself, (T, N), and its name."""
    kind = rng.choice(KINDS, n_stars, p=SHARES)
    time, phase = np.arange(n_times)[:, None], rng.random(n_stars)
    periods = {"sinusoid": rng.uniform(15, 200, n_stars), "dips": rng.uniform(60, 300, n_stars)}
    series = {
        "sinusoid": np.sin(2 * np.pi * (time / periods["sinusoid"] + phase)),
        "dips": -((time / periods["dips"] + phase) % 1 < 0.06).astype(float),
        "wandering": _ar1(n_times, n_stars, 0.995, rng),
    }
    return _standard(sum(np.where(kind == name, values, 0) for name, values in series.items())), kind


def _observed(n_stars: int, n_times: int, gaps: float, rng: np.random.Generator) -> np.ndarray:
    observed = rng.random((n_times, n_stars)) >= gaps / 3
    length = 20  # cadences of an interruption
    for start in rng.integers(0, n_times, round(2 / 3 * gaps * n_times / length)):
        observed[start : start + length] = False
    return observed
