"""What a galaxy looks like, given type, luminosity and redshift: bulge, disc, arms, and its neighbours."""

from functools import lru_cache

import numpy as np
from astropy.cosmology import Planck18
from astropy.table import Table

from astrolib.simulate.mixtures import growth_curve
from astrolib.simulate.sdss import BANDS

#: Neighbours lie within this offset of the centre along each axis [arcsec]: half a 60-pixel frame.
NEIGHBOUR_REACH = 12.0
NEIGHBOUR_FRACTION = 0.35

_DISTANCE_REDSHIFT = np.geomspace(1e-3, 1.1, 400)


@lru_cache
def _distance_tables() -> tuple[np.ndarray, np.ndarray]:
    """Planck18 distance modulus [mag] and log angular scale [kpc per arcsec] on ``_DISTANCE_REDSHIFT``."""
    scale = Planck18.kpc_proper_per_arcmin(_DISTANCE_REDSHIFT).value / 60
    return Planck18.distmod(_DISTANCE_REDSHIFT).value, np.log(scale)


def distance_modulus(redshift: np.ndarray) -> np.ndarray:
    """Distance modulus [mag], Planck18, interpolated to 1e-3 mag; below redshift 0.001 as at 0.001."""
    return np.interp(np.log(np.maximum(redshift, 1e-3)), np.log(_DISTANCE_REDSHIFT), _distance_tables()[0])


def angular_scale(redshift: np.ndarray) -> np.ndarray:
    """Proper kiloparsecs per arcsecond, Planck18, interpolated to 1e-3; below redshift 0.001 as at 0.001."""
    log_redshift = np.log(np.maximum(redshift, 1e-3))
    return np.exp(np.interp(log_redshift, np.log(_DISTANCE_REDSHIFT), _distance_tables()[1]))


def median_size(absolute_magnitude: np.ndarray, early: np.ndarray) -> np.ndarray:
    """Median half-light radius [kpc] of a galaxy type at an absolute r magnitude.

    Shen et al. 2003, MNRAS 343, 978, eqs. 14 and 15 with the r-band values of table 1 (h = 0.7).

    Examples
    --------
    >>> median_size(np.array([-21.0, -23.0]), np.array([False, True])).round(1)
    array([3.8, 7.8])
    """
    m = np.clip(absolute_magnitude, -24.5, -16)
    late = 0.084 * -m + 0.32 * np.log10(1 + 10 ** (-0.4 * (m + 20.52))) - 1.31
    return 10 ** np.where(early, -0.24 * m - 4.63, late)


def size_scatter(absolute_magnitude: np.ndarray) -> np.ndarray:
    """Scatter of the natural logarithm of the size (Shen et al. 2003, eq. 16)."""
    return 0.25 + (0.48 - 0.25) / (1 + 10 ** (-0.8 * (np.asarray(absolute_magnitude) + 20.52)))


def composite_half_light_radius(bulge_fraction: np.ndarray, radius_ratio: np.ndarray) -> np.ndarray:
    """Half-light radius of bulge plus disc, in units of the half-light radius of the disc.

    Parameters
    ----------
    bulge_fraction, radius_ratio : array
        Share of the light in the bulge, and bulge over disc half-light radius. Shape (N,).
    """
    low, high = np.minimum(radius_ratio, 1.0), np.maximum(radius_ratio, 1.0)
    for _ in range(20):
        radius = (low + high) / 2
        enclosed = bulge_fraction * growth_curve(radius / radius_ratio, 4)
        enclosed += (1 - bulge_fraction) * growth_curve(radius, 1)
        low, high = np.where(enclosed < 0.5, radius, low), np.where(enclosed < 0.5, high, radius)
    return (low + high) / 2


def add_structure(catalogue: Table, rng: np.random.Generator) -> None:
    """Add the columns of bulge, disc, arms and seeing to a catalogue, in place.

    Reads ``type``, ``redshift``, ``absolute_magnitude`` and ``spectral_index``. Every draw has as many
    numbers as rows, whatever the type, so one galaxy's structure does not depend on the others' types.
    """
    n = len(catalogue)
    early = np.asarray(catalogue["type"]) == "early"
    index = np.clip(catalogue["spectral_index"], 0, 1)
    magnitude = np.asarray(catalogue["absolute_magnitude"])

    bulge_fraction = np.where(early, rng.normal(0.75, 0.15, n), rng.normal(0.05 + 0.25 * index, 0.08, n))
    bulge_fraction = np.clip(bulge_fraction, np.where(early, 0.4, 0.0), np.where(early, 1.0, 0.6))
    radius_ratio = np.where(early, 0.7, 0.3) * rng.lognormal(0, 0.2, n)
    size = median_size(magnitude, early) * np.exp(size_scatter(magnitude) * rng.normal(size=n))
    half_light_radius = np.clip(size / angular_scale(catalogue["redshift"]), 0.15, 30)
    disc_radius = half_light_radius / composite_half_light_radius(bulge_fraction, radius_ratio)

    # Discs are oblate with thickness 0.2, seen from a random direction; early types are rounder.
    disc = np.sqrt(0.04 + 0.96 * rng.uniform(0, 1, n) ** 2)
    spheroid = np.clip(rng.normal(0.77, 0.15, n), 0.3, 1.0)
    disc_axis_ratio = np.where(early, spheroid, disc)

    columns = {
        "half_light_radius": (half_light_radius, "arcsec"),
        "bulge_fraction": (bulge_fraction, None),
        "bulge_radius": (disc_radius * radius_ratio, "arcsec"),
        "bulge_axis_ratio": (np.where(early, spheroid, 0.4 + 0.6 * disc), None),
        "bulge_colour": (np.where(early, 0.05, np.abs(rng.normal(0.2, 0.08, n))), "mag"),
        "disc_radius": (disc_radius, "arcsec"),
        "disc_axis_ratio": (disc_axis_ratio, None),
        "position_angle": (rng.uniform(0, 180, n), "deg"),
        "centre_x": (rng.uniform(-0.5, 0.5, n), "pix"),
        "centre_y": (rng.uniform(-0.5, 0.5, n), "pix"),
        "arm_fraction": (
            np.where(early, 0.0, np.clip(rng.normal(0.40 - 0.15 * index, 0.1, n), 0.1, 0.6)),
            None,
        ),
        "arm_colour": (-np.abs(rng.normal(0.25, 0.08, n)), "mag"),
        "n_arms": (rng.choice([2, 3, 4], n, p=[0.7, 0.2, 0.1]), None),
        "pitch_angle": (rng.uniform(12, 32, n) * rng.choice([-1, 1], n), "deg"),
        "arm_phase": (rng.uniform(0, 360, n), "deg"),
        "seeing": (np.clip(rng.lognormal(0, 0.1, n), 0.75, 1.5), None),
        "seed": (rng.integers(0, 2**62, n), None),
    }
    for name, (values, unit) in columns.items():
        catalogue[name] = values
        catalogue[name].unit = unit


def add_neighbours(catalogue: Table, rng: np.random.Generator) -> None:
    """Give a share of the frames one star or background galaxy off-centre, in place.

    The columns ``neighbour`` ("none", "star", "galaxy") and ``neighbour_*`` are the truth about it. The
    magnitudes of the central galaxy do not include its light.
    """
    n = len(catalogue)
    kind = np.where(rng.random(n) < 0.5, "star", "galaxy")
    kind = np.where(rng.random(n) < NEIGHBOUR_FRACTION, kind, "none")
    # Uniform over the frame outside the central 3.5 arcsec, which a catalogue would not deblend.
    x, y = rng.uniform(-NEIGHBOUR_REACH, NEIGHBOUR_REACH, (2, n))
    distance = np.hypot(x, y)
    stretch = np.maximum(3.5 / distance, 1)
    # Number counts rise as 10^(0.35 m) to r = 21.5; the colours span those of faint stars and galaxies.
    r = np.maximum(21.5 + np.log10(1 - rng.random(n)) / 0.35, 16)
    red = rng.normal(size=n)
    colours = np.where((kind == "star")[:, None], [1.6, 0.9, 0.45, 0.25], [1.2, 0.85, 0.4, 0.25])
    colours = colours + red[:, None] * [0.4, 0.35, 0.2, 0.12]
    u_g, g_r, r_i, i_z = colours.T
    magnitudes = (r + g_r + u_g, r + g_r, r, r - r_i, r - r_i - i_z)

    catalogue["neighbour"] = kind
    catalogue["neighbour_x"] = x * stretch
    catalogue["neighbour_y"] = y * stretch
    catalogue["neighbour_radius"] = np.where(kind == "star", 0.0, rng.lognormal(np.log(0.9), 0.4, n))
    catalogue["neighbour_axis_ratio"] = rng.uniform(0.3, 1, n)
    catalogue["neighbour_angle"] = rng.uniform(0, 180, n)
    for band, magnitude in zip(BANDS, magnitudes, strict=True):
        catalogue[f"neighbour_{band}"] = magnitude
        catalogue[f"neighbour_{band}"].unit = "mag"
    for name, unit in {"x": "arcsec", "y": "arcsec", "radius": "arcsec", "angle": "deg"}.items():
        catalogue[f"neighbour_{name}"].unit = unit
