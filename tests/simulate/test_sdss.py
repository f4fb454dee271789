import numpy as np
import pytest

from astrolib.simulate.sdss import PIXEL_SCALE, SDSS_GAIN, SDSS_PSF, SDSS_SKY_NOISE, flux

# NMGY, SKY, GAIN, DARKVAR of run 3836, camcol 2, field 257: headers of the five stamps of that field.
HEADERS = {
    "u": (0.0100065, 29.7, 1.825, 12.6025),
    "g": (0.00406006, 91.3, 3.855, 1.44),
    "r": (0.00513448, 140.0, 4.6, 1.0),
    "i": (0.00599321, 141.1, 5.195, 6.25),
    "z": (0.0317717, 85.1, 5.155, 1.0),
}


@pytest.mark.parametrize("column, band", list(enumerate("ugriz")))
def test_noise_and_gain_are_those_of_a_real_frame(column, band):
    calibration, sky, gain, dark_variance = HEADERS[band]
    noise = calibration * np.sqrt(sky / gain + dark_variance)
    # In i the pipeline's own inverse variance is noisier than the header formula.
    assert SDSS_SKY_NOISE[column] == pytest.approx(noise, rel=0.18 if band == "i" else 0.06)
    assert SDSS_GAIN[column] == pytest.approx(gain / calibration, rel=0.01)


def test_point_spread_function_has_its_width_at_half_maximum():
    for fwhm, sigma in zip(SDSS_PSF.fwhm, SDSS_PSF.sigma, strict=True):
        radius = np.array([0.0, fwhm / 2])[:, None]
        profile = (SDSS_PSF.weight / sigma**2 * np.exp(-(radius**2) / (2 * sigma**2))).sum(1)
        assert profile[1] / profile[0] == pytest.approx(0.5)
    assert SDSS_PSF.weight.sum() == pytest.approx(1)
    assert (
        SDSS_PSF.sigma[:, 0] > 1.2 * PIXEL_SCALE
    ).all()  # well sampled: pixels may be treated as Gaussians


def test_magnitude_zero_point():
    assert flux(22.5) == pytest.approx(1)
    assert flux(22.5 - 2.5) == pytest.approx(10)
