"""Colour and k-correction tracks of galaxies: two rest-frame spectra moved through ugriz.

The two spectra (an old population and a star-forming one) are broken lines in AB magnitude against log
wavelength. Their knots were fitted, rounded to 0.01 mag, to the ridges of the red sequence and of the blue
cloud in the 41,475 SDSS galaxies of the ``real-photometry`` source at redshift 0.02 to 0.17, and beyond
that to the colours of luminous red galaxies (Eisenstein et al. 2001, AJ 122, 2267). They hold the 4000
Angstrom break and nothing finer.

The ``spectral_index`` mixes them: 0 is the blue track, 1 the red one, and values outside are extrapolated.
"""

from functools import lru_cache

import numpy as np

WAVELENGTH = np.array(
    [1900, 2300, 2700, 3100, 3450, 3750, 4050, 4500, 5000, 5700, 6300, 6800, 7500, 8700, 10500.0]
)
STAR_FORMING = np.array(
    [3.20, 2.60, 2.33, 1.90, 1.54, 1.28, 0.82, 0.42, 0.08, 0.0, -0.32, -0.40, -0.51, -0.75, -0.62]
)
OLD = np.array([4.77, 4.48, 4.07, 3.29, 2.50, 1.92, 1.65, 0.75, 0.35, 0.0, -0.26, -0.35, -0.59, -0.89, -1.0])

# Effective wavelength and width of ugriz [Angstrom] (Fukugita et al. 1996, AJ 111, 1748, table 2a).
FILTER_CENTRE = np.array([3557, 4825, 6261, 7672, 9097.0])
FILTER_WIDTH = np.array([599, 1379, 1382, 1535, 1370.0])

REDSHIFT_GRID = np.linspace(0.0, 1.0, 201)

#: Typical error of the tracks per band [mag]: weights of a fit to measured magnitudes.
TRACK_ERROR = np.array([0.10, 0.04, 0.03, 0.03, 0.04])


@lru_cache
def tracks() -> np.ndarray:
    """Apparent magnitude minus absolute r magnitude minus distance modulus.

    Returns
    -------
    array
        Shape (2, Z, 5): star-forming and old, ``REDSHIFT_GRID``, bands. Column 2 is the k-correction in r;
        the absolute magnitude is in the r band at rest (Hogg et al. 2002, astro-ph/0210394, eq. 8).
    """
    wavelength = np.arange(2900, 10600, 10.0)
    offset = (wavelength - FILTER_CENTRE[:, None]) / (FILTER_WIDTH[:, None] / 2)
    response = 0.5 ** (offset**4) / wavelength  # photon counting in f_nu: d(nu)/nu = d(lambda)/lambda
    response /= response.sum(1, keepdims=True)
    at_rest = np.log(wavelength / (1 + REDSHIFT_GRID[:, None]))
    out = []
    for spectrum in (STAR_FORMING, OLD):
        f_nu = 10 ** (-0.4 * np.interp(at_rest, np.log(WAVELENGTH), spectrum))
        magnitude = -2.5 * np.log10(f_nu @ response.T)
        out.append(magnitude - magnitude[0, 2] - 2.5 * np.log10(1 + REDSHIFT_GRID[:, None]))
    return np.stack(out)


def _tracks_at(redshift: np.ndarray) -> np.ndarray:
    """Tracks interpolated to ``redshift``: (2, N, 5)."""
    redshift = np.asarray(redshift, dtype=np.float64)
    return np.stack(
        [np.stack([np.interp(redshift, REDSHIFT_GRID, t[:, b]) for b in range(5)], -1) for t in tracks()]
    )


def band_offsets(redshift: np.ndarray, spectral_index: np.ndarray) -> np.ndarray:
    """Magnitudes in ugriz of a galaxy with absolute r magnitude 0 at distance modulus 0.

    Parameters
    ----------
    redshift, spectral_index : array
        Shape (N,). The tracks end at redshift 1.

    Returns
    -------
    array
        Shape (N, 5) [mag].

    Examples
    --------
    >>> u, g, r, i, z = band_offsets([0.1], [1.0])[0]
    >>> bool(0.9 < g - r < 1.05)  # the red sequence at redshift 0.1
    True
    """
    blue, red = _tracks_at(redshift)
    mix = np.asarray(spectral_index, dtype=np.float64)[..., None]
    return (1 - mix) * blue + mix * red


def spectral_index_of(magnitudes: np.ndarray, redshift: np.ndarray) -> np.ndarray:
    """Spectral index that best gives the measured colours at the known redshift.

    Parameters
    ----------
    magnitudes : array
        Shape (N, 5), ugriz [AB mag].
    redshift : array
        Shape (N,).

    Returns
    -------
    array
        Shape (N,), about 0 in the blue cloud and 1 on the red sequence; clipped to -1 and 2.
    """
    blue, red = _tracks_at(redshift)
    weight = TRACK_ERROR**-2
    weight = weight / weight.sum()

    def colour(m: np.ndarray) -> np.ndarray:  # magnitudes less their weighted mean: free of the luminosity
        return m - (m * weight).sum(-1, keepdims=True)

    direction = colour(red - blue)
    measured = colour(np.asarray(magnitudes, dtype=np.float64) - blue)
    index = (measured * direction * weight).sum(-1) / (direction**2 * weight).sum(-1)
    return np.clip(index, -1, 2)
