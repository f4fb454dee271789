import numpy as np
import pytest

from astrolib.simulate.star_catalogue import COLUMN_OF_BAND, METADATA, metadata, place
from astrolib.simulate.star_classes import draw_properties
from astrolib.simulate.star_photometry import EXTINCTION


def measured(name, n=3000, seed=0, rms=0.05, **changed):
    rng = np.random.default_rng(seed)
    stars = draw_properties(np.repeat(name, n), rng)
    stars |= place(stars, rng) | changed
    return stars, metadata(stars, stars["apparent_v"], np.full(n, rms), rng)


def test_columns_are_the_34_of_the_paper():
    _, table = measured("EW", 5)
    assert table.colnames == METADATA
    assert len(METADATA) == 34


def test_derived_columns_agree_with_their_parts():
    _, t = measured("SR", 50)
    for colour, blue, red in (
        ("bp_rp", "phot_bp_mean_mag", "phot_rp_mean_mag"),
        ("j_k", "j_mag", "k_mag"),
        ("w1_w2", "w1_mag", "w2_mag"),
        ("w3_w4", "w3_mag", "w4_mag"),
    ):
        np.testing.assert_allclose(t[colour], t[blue] - t[red])
    np.testing.assert_allclose(t["pm"], np.hypot(t["pmra"], t["pmdec"]))
    np.testing.assert_allclose(t["parallax_over_error"], t["parallax"] / t["parallax_error"])
    assert t["ruwe"].min() >= 1


def test_dust_reddens_by_the_ratios_of_the_extinction_law():
    _, clean = measured("EW", seed=3, extinction=np.zeros(3000))
    stars, dusty = measured("EW", seed=3, extinction=np.full(3000, 2.0))
    for band in ("G", "BP", "RP", "J", "H", "K"):
        column = COLUMN_OF_BAND[band]
        assert np.median(dusty[column] - clean[column]) == pytest.approx(2 * EXTINCTION[band], abs=0.02)


def test_colour_follows_temperature():
    stars, t = measured("EA", extinction=np.zeros(3000))
    for colour in ("bp_rp", "j_k"):
        assert np.corrcoef(stars["temperature"], t[colour])[0, 1] < -0.85


def test_hotter_classes_are_bluer():
    colour = {
        name: np.median(measured(name, 500)[1]["bp_rp"]) for name in ("RRC", "RRAB", "EW", "ROT", "SR", "M")
    }
    assert list(colour) == sorted(colour, key=colour.get)


def test_carbon_miras_are_red_in_the_near_infrared():
    stars, t = measured("M")
    carbon = stars["subtype"] == "carbon-rich"
    assert np.mean(t["j_k"][carbon] > 2) > 0.9
    assert np.mean(t["j_k"][~carbon] > 2) < 0.1


def test_active_giants_are_farther_than_active_dwarfs():
    stars, t = measured("ROT")
    dwarf = stars["subtype"] == "active dwarf"
    assert np.median(t["parallax"][dwarf]) > 4 * np.median(t["parallax"][~dwarf])


def test_variables_have_larger_errors_in_gaia():
    _, quiet = measured("RRAB", rms=0.02)
    _, loud = measured("RRAB", rms=0.4)
    assert np.median(loud["e_phot_g_mean_mag"]) == pytest.approx(0.4 / np.sqrt(250), rel=0.1)
    assert np.median(quiet["e_phot_g_mean_mag"]) < 0.006
