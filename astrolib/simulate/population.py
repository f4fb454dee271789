"""Catalogues for the twin: a whole simulated population, or the structure of real photometry row by row."""

from functools import lru_cache

import numpy as np
from astropy.cosmology import Planck18
from astropy.table import Table

from astrolib.simulate.sdss import BANDS
from astrolib.simulate.spectra import band_offsets, spectral_index_of
from astrolib.simulate.structure import add_neighbours, add_structure, distance_modulus

MAIN_LIMIT = 17.77  # r magnitude of the main galaxy sample (Strauss et al. 2002, AJ 124, 1810)
BRIGHT_LIMIT = 14.0  # r magnitude where galaxies outgrow the frame
RED_LIMIT = 19.5  # r magnitude of the luminous red sample (Eisenstein et al. 2001, AJ 122, 2267)
RED_FRACTION = 0.13  # share of luminous red galaxies: the redshifts then have the variance of the paper's set

# Schechter functions in r at rest, h = 0.7: M*, faint-end slope, density relative to early types. They
# start from the single function of Blanton et al. 2003 (ApJ 592, 819: M* -21.21, slope -1.05), split by
# type and set by hand so that colours and counts by redshift are those of the real photometry; the M* stand
# in for evolution.
LUMINOSITY_FUNCTION = {"early": (-21.45, -0.5, 1.0), "late": (-21.5, -1.15, 0.78)}
_MAGNITUDE = np.linspace(-25.5, -15.0, 600)

#: Spectral index of a type: mean at M_r = -21, slope with M_r, scatter. Measured on real galaxies, r < 17.2.
SPECTRAL_INDEX = {"early": (0.94, -0.05, 0.14), "late": (0.17, -0.19, 0.31)}
#: Scatter of single magnitudes about the colour tracks [mag]: photometric error and what two spectra cannot
#: say. Close to the measured one, and such that redshift is as predictable from magnitudes as on the real
#: photometry.
MAGNITUDE_SCATTER = np.array([0.07, 0.022, 0.018, 0.018, 0.032])
EARLY_FROM = 0.62  # spectral index at which early types outnumber late ones


@lru_cache
def _brighter_than(kind: str) -> np.ndarray:
    """Comoving density of galaxies brighter than ``_MAGNITUDE``, any unit (Schechter 1976, ApJ 203, 297)."""
    m_star, alpha, density = LUMINOSITY_FUNCTION[kind]
    luminosity = 10 ** (-0.4 * (_MAGNITUDE - m_star))
    phi = density * luminosity ** (alpha + 1) * np.exp(-luminosity)
    return np.append(0, np.cumsum((phi[1:] + phi[:-1]) / 2))


def _draw_luminosity(kind: str, brightest: np.ndarray, faintest: np.ndarray, rng) -> np.ndarray:
    """Absolute magnitudes from a luminosity function between two limits per galaxy."""
    counts = _brighter_than(kind)
    low, high = np.interp(brightest, _MAGNITUDE, counts), np.interp(faintest, _MAGNITUDE, counts)
    return np.interp(low + (high - low) * rng.random(len(low)), counts, _MAGNITUDE)


def _main_sample(n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Type (is early) and redshift of a sample limited in r, from volume and luminosity functions."""
    grid = np.linspace(0.01, 0.35, 341)
    volume = Planck18.differential_comoving_volume(grid).value
    density = []
    for kind, (index, _, _) in SPECTRAL_INDEX.items():
        offset = distance_modulus(grid) + band_offsets(grid, np.full(grid.shape, index))[:, 2]
        counts = np.interp([MAIN_LIMIT - offset, BRIGHT_LIMIT - offset], _MAGNITUDE, _brighter_than(kind))
        density.append(volume * (counts[0] - counts[1]))
    early = rng.random(n) < np.sum(density[0]) / np.sum(density)
    u = rng.random(n)
    early_z, late_z = (np.interp(u, np.cumsum(d) / d.sum(), grid) for d in density)
    return early, np.where(early, early_z, late_z)


def draw_population(n: int, seed: int) -> Table:
    """Draw the catalogue of a simulated SDSS spectroscopic galaxy sample.

    Two parts: the main sample, r < 17.77, whose redshifts follow from the comoving volume and the luminosity
    functions of early and late types and peak near 0.1; and 13 % luminous red galaxies, r < 19.5, most of
    them at redshift 0.3 to 0.45 with a tail to 0.68. Together they have the variance of redshift (0.012) of
    the set of Pasquet et al. 2019 that the AstroMAE paper uses. Bands other than r have no limit.

    Parameters
    ----------
    n : int
        Number of galaxies.
    seed : int
        Seed of the whole draw.

    Returns
    -------
    Table
        Columns ``id``, ``redshift``, total AB magnitudes ``u g r i z``, ``type`` ("early", "late"),
        ``sample`` ("main", "red"), ``absolute_magnitude`` (r, at rest), ``spectral_index``, and the
        structure columns described in `astrolib.simulate.structure`.

    Raises
    ------
    ValueError
        If ``n`` is not positive.

    Examples
    --------
    >>> galaxies = draw_population(1000, seed=0)
    >>> bool(0.05 < np.median(galaxies["redshift"]) < 0.15)
    True
    """
    if n < 1:
        raise ValueError(f"Cannot draw {n} galaxies: ask for at least one.")
    rng = np.random.default_rng(seed)
    early, redshift = _main_sample(n, rng)
    red = rng.random(n) < RED_FRACTION
    tail = rng.random(n) < 0.2
    red_redshift = np.where(tail, rng.normal(0.48, 0.08, n), rng.normal(0.36, 0.05, n))
    redshift = np.where(red, np.clip(red_redshift, 0.2, 0.68), redshift)
    early |= red

    scatter = rng.normal(size=n)
    limit = np.where(red, RED_LIMIT, MAIN_LIMIT)
    absolute, index = np.empty(n), np.empty(n)
    for kind, rows in (("early", early), ("late", ~early)):
        mean, slope, width = SPECTRAL_INDEX[kind]
        offset = (
            distance_modulus(redshift[rows]) + band_offsets(redshift[rows], np.full(rows.sum(), mean))[:, 2]
        )
        absolute[rows] = _draw_luminosity(kind, BRIGHT_LIMIT - offset, limit[rows] - offset, rng)
        index[rows] = mean + slope * (absolute[rows] + 21) + width * scatter[rows]
    index = np.clip(index, -0.8, 1.35)

    magnitudes = absolute[:, None] + distance_modulus(redshift)[:, None] + band_offsets(redshift, index)
    magnitudes += MAGNITUDE_SCATTER * rng.normal(size=(n, 5))
    # The limits were set with the mean colour of the type: shift a galaxy that its own colour pushed past
    # them.
    excess = magnitudes[:, 2] - np.clip(magnitudes[:, 2], BRIGHT_LIMIT, limit)
    magnitudes -= excess[:, None]

    catalogue = _catalogue(np.arange(n), magnitudes, redshift, early, absolute - excess, index)
    catalogue["sample"] = np.where(red, "red", "main")
    add_structure(catalogue, rng)
    add_neighbours(catalogue, rng)
    return catalogue


def parameters_from_photometry(table: Table, seed: int) -> Table:
    """Give real galaxies, known by magnitudes and redshift only, a simulated structure.

    Row i of the result is row i of the input with its magnitudes and redshift untouched. The type follows
    from the colours at the known redshift, the size from absolute magnitude, type and redshift.

    Parameters
    ----------
    table : Table
        Columns ``u g r i z`` [AB mag] and ``redshift``; ``id`` is kept where present.
    seed : int
        Seed of the structure.

    Returns
    -------
    Table
        The columns of `draw_population` without ``sample``.

    Raises
    ------
    ValueError
        If a column is missing or a magnitude or redshift is not finite.

    Examples
    --------
    >>> real = Table({"u": [19.2], "g": [17.3], "r": [16.4], "i": [16.0], "z": [15.7], "redshift": [0.09]})
    >>> str(parameters_from_photometry(real, seed=0)["type"][0])
    'early'
    """
    missing = [name for name in (*BANDS, "redshift") if name not in table.colnames]
    if missing:
        raise ValueError(
            f"The photometry table has no column {', '.join(missing)}: it needs {BANDS} and redshift."
        )
    magnitudes = np.stack([np.asarray(table[b], dtype=np.float64) for b in BANDS], -1)
    redshift = np.asarray(table["redshift"], dtype=np.float64)
    bad = np.flatnonzero(~(np.isfinite(magnitudes).all(1) & np.isfinite(redshift)))
    if len(bad):
        raise ValueError(
            f"Row {bad[0]} of the photometry table has a magnitude or redshift that is not finite "
            f"({len(bad)} such rows in all): drop them first."
        )
    rng = np.random.default_rng(seed)
    index = spectral_index_of(magnitudes, redshift)
    early = rng.random(len(table)) < 1 / (1 + np.exp(-(index - EARLY_FROM) / 0.08))
    k_correction = band_offsets(redshift, np.clip(index, 0, 1))[:, 2]
    absolute = magnitudes[:, 2] - distance_modulus(redshift) - k_correction
    ids = table["id"] if "id" in table.colnames else np.arange(len(table))
    catalogue = _catalogue(ids, magnitudes, redshift, early, absolute, index)
    add_structure(catalogue, rng)
    add_neighbours(catalogue, rng)
    return catalogue


def _catalogue(ids, magnitudes, redshift, early, absolute, index) -> Table:
    catalogue = Table({"id": np.asarray(ids), "redshift": redshift})
    for band, column in zip(BANDS, magnitudes.T, strict=True):
        catalogue[band] = column
        catalogue[band].unit = "mag"
    catalogue["type"] = np.where(early, "early", "late")
    catalogue["absolute_magnitude"] = absolute
    catalogue["absolute_magnitude"].unit = "mag"
    catalogue["spectral_index"] = index
    return catalogue
