import numpy as np
import pytest

from astrolib.simulate.spectra import band_offsets, spectral_index_of

# Ridge of the red sequence (u-g, g-r, r-i, i-z) in the real photometry, measured by a two-component mixture
# of the colours of galaxies with r < 17.1 in bins of width 0.02.
RED_SEQUENCE = {0.06: (1.875, 0.878, 0.428, 0.328), 0.10: (1.938, 0.977, 0.439, 0.354)}


@pytest.mark.parametrize("redshift", RED_SEQUENCE)
def test_red_track_is_the_real_red_sequence(redshift):
    magnitudes = band_offsets([redshift], [1.0])[0]
    np.testing.assert_allclose(-np.diff(magnitudes), RED_SEQUENCE[redshift], atol=0.03)


def test_break_moves_through_the_bands():
    redshift = np.array([0.05, 0.2, 0.35, 0.5])
    u_g, g_r, r_i, _ = -np.diff(band_offsets(redshift, np.ones(4))).T
    assert (np.diff(g_r[:3]) > 0.1).all()  # the 4000 Angstrom break crosses g up to redshift 0.37,
    assert r_i[3] - r_i[2] > 3 * (r_i[1] - r_i[0])  # and only then enters r
    assert (g_r > -np.diff(band_offsets(redshift, np.zeros(4)))[:, 1] + 0.2).all()


def test_k_correction_is_zero_at_rest_and_larger_for_red_galaxies():
    assert band_offsets([0.0], [0.4])[0, 2] == pytest.approx(0, abs=1e-9)
    red, blue = band_offsets([0.1, 0.1], [1.0, 0.0])[:, 2]
    assert 0.05 < red < 0.2  # Blanton & Roweis 2007, fig. 6: about 0.1 for early types
    assert blue < red


def test_spectral_index_is_recovered_from_magnitudes_of_any_luminosity():
    rng = np.random.default_rng(0)
    redshift, index = rng.uniform(0.01, 0.6, 100), rng.uniform(-0.5, 1.3, 100)
    magnitudes = band_offsets(redshift, index) + rng.uniform(14, 20, (100, 1))
    np.testing.assert_allclose(spectral_index_of(magnitudes, redshift), index, atol=1e-9)
