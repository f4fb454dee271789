"""The imaging of the Sloan Digital Sky Survey in numbers: bands, pixels, seeing, sky noise and gain.

Sky noise and gain are medians over all exposures of the 20 five-band stamps (runs 3063, 3064, 3804 and 3836)
that the compendium's ``stamps`` source reads: the noise from their inverse variance, the gain from the header
cards GAIN [electrons/count] and NMGY [nanomaggies/count]. The header formula

    sigma = NMGY * sqrt(SKY / GAIN + DARKVAR)

gives the same noise to 5 %, except in i, where the pixels side with the inverse variance and the formula is
15 % too low.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.optimize import brentq

BANDS = ("u", "g", "r", "i", "z")
PIXEL_SCALE = 0.396  # arcsec per pixel
ZERO_POINT = 22.5  # AB magnitude of one nanomaggy

SDSS_SKY_NOISE = np.array([0.0531, 0.0194, 0.0287, 0.0406, 0.1325], dtype=np.float32)  # nanomaggies per pixel
SDSS_GAIN = np.array([182.0, 950.0, 896.0, 867.0, 162.0], dtype=np.float32)  # electrons per nanomaggy


@dataclass(frozen=True)
class DoubleGaussian:
    """Point spread function: a round core and a round wing per band.

    Parameters
    ----------
    fwhm : tuple of float
        Full width at half maximum of the whole profile per band [arcsec].
    wing_fraction : float
        Share of the light in the wing.
    wing_ratio : float
        Width of the wing over the width of the core.
    """

    fwhm: tuple[float, ...]
    wing_fraction: float = 0.35
    wing_ratio: float = 2.0

    @cached_property
    def weight(self) -> np.ndarray:
        """Flux of core and wing, (2,)."""
        return np.array([1 - self.wing_fraction, self.wing_fraction])

    @cached_property
    def sigma(self) -> np.ndarray:
        """Widths of core and wing per band [arcsec], (C, 2)."""
        ratio = np.array([1.0, self.wing_ratio])

        def excess(half_width: float) -> float:
            peak = self.weight / ratio**2
            return (peak * (np.exp(-(half_width**2) / (2 * ratio**2)) - 0.5)).sum()

        half_width = brentq(excess, 0.5, 3.0 * self.wing_ratio)  # of a profile whose core has sigma 1
        return np.asarray(self.fwhm)[:, None] / (2 * half_width) * ratio


#: Typical seeing of the survey: 1.3 arcsec in r (Abazajian et al. 2009, ApJS 182, 543), worse to the blue.
#: The stamps were taken in better seeing, 1.2 arcsec. Share and width of the wing are those of the stamps'
#: three-Gaussian point spread function (header cards PSF_P), its halo of 4 to 8 % left out.
SDSS_PSF = DoubleGaussian(fwhm=(1.53, 1.44, 1.32, 1.26, 1.29))


def flux(magnitude: np.ndarray) -> np.ndarray:
    """AB magnitude to nanomaggies.

    Examples
    --------
    >>> float(flux(20.0))
    10.0
    """
    return 10 ** (0.4 * (ZERO_POINT - np.asarray(magnitude, dtype=np.float64)))
