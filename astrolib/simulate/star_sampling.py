"""When an ASAS-SN-like survey looks at a star, and with what noise."""

import numpy as np

FIRST_NIGHT = 2456700  # HJD, February 2014
N_NIGHTS = 1850  # until the V band was given up
NEW_MOON = 2456687.0  # HJD of a new moon
LUNATION = 29.53
EQUINOX = 2456737.0  # HJD of a March equinox
YEAR = 365.25
ZERO_POINT = 3.636e6  # flux of V = 0 [mJy] (Bessell 1979, PASP 91, 589)
SKY_ERROR = 0.10  # flux error of a faint star on a dark night [mJy]: V = 17 is found at five sigma
FLOOR = 0.012  # error of a bright star over its flux
CANDIDATES = 1000  # moments drawn for each star, most of them not used


def flux_of(magnitude: np.ndarray) -> np.ndarray:
    """Flux [mJy] of a V magnitude."""
    return ZERO_POINT * 10 ** (-0.4 * magnitude)


def magnitude_of(flux: np.ndarray) -> np.ndarray:
    """V magnitude of a flux [mJy]."""
    return -2.5 * np.log10(flux / ZERO_POINT)


def _clear_nights() -> np.ndarray:
    """Nights without clouds, (N_NIGHTS,) bool: bad weather comes in spells, the same for all stars."""
    rng = np.random.default_rng(11)  # the weather is part of the survey, not of a draw of stars
    lengths = np.where(np.arange(600) % 2, rng.geometric(0.35, 600), rng.geometric(0.18, 600))
    return np.repeat(np.arange(600) % 2 == 0, lengths)[:N_NIGHTS]


def draw_times(ra: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Moments at which stars are observed.

    A star is seen in seasons of 210 to 290 days about its opposition to the Sun, over 1,000 to 1,850 days, in
    clear nights, rarely near full moon; 190 to 400 times in all.

    Parameters
    ----------
    ra : (N,) array
        Right ascension [deg], which sets the season.
    rng : Generator

    Returns
    -------
    times : (P,) float64 array
        Heliocentric Julian date, one star after another, in order of time.
    offsets : (N + 1,) int64 array
        Star i has the times `offsets[i]` to `offsets[i + 1]`.
    """
    n = len(ra)
    span = rng.uniform(1000, N_NIGHTS, n)
    start = FIRST_NIGHT + rng.random(n) * (N_NIGHTS - span)
    wanted = np.clip(10 ** rng.normal(np.log10(270), 0.085, n), 190, 400).astype(np.int64)
    opposition = EQUINOX + YEAR * (ra - 180) / 360
    half_season = rng.uniform(105, 145, n)
    night = np.floor(start[:, None] + span[:, None] * rng.random((n, CANDIDATES)))
    from_opposition = (night - opposition[:, None] + YEAR / 2) % YEAR - YEAR / 2
    moon = (1 - np.cos(2 * np.pi * (night - NEW_MOON) / LUNATION)) / 2  # lit share of its disc
    good = np.abs(from_opposition) < half_season[:, None]
    good &= _clear_nights()[np.clip(night - FIRST_NIGHT, 0, N_NIGHTS - 1).astype(np.int64)]
    good &= rng.random(night.shape) > 0.9 * (moon > 0.93) + 0.3 * moon
    good &= np.cumsum(good, axis=1) <= wanted[:, None]
    star, _ = np.nonzero(good)
    # Near opposition a star culminates at midnight; visits spread over some hours about that.
    hour = -0.45 * from_opposition[good] / YEAR + rng.uniform(-0.1, 0.1, len(star))
    times = night[good] + 0.5 + hour
    order = np.lexsort((times, star))
    return times[order], np.append(0, np.cumsum(good.sum(1)))


def add_noise(
    times: np.ndarray, magnitude: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Measured fluxes and their errors.

    Parameters
    ----------
    times, magnitude : (P,) arrays
        Heliocentric Julian date and true V magnitude.
    rng : Generator

    Returns
    -------
    flux, error : (P,) arrays
        [mJy]; (flux - true flux) / error is a standard normal number.
    """
    true = flux_of(magnitude)
    moon = (1 - np.cos(2 * np.pi * (times - NEW_MOON) / LUNATION)) / 2
    sky = SKY_ERROR * (1 + 0.8 * moon**2) * 10 ** rng.normal(0, 0.08, len(times))
    error = np.hypot(sky, FLOOR * true)
    return true + error * rng.normal(0, 1, len(times)), error
