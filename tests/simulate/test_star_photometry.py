import numpy as np
import pytest

from astrolib.simulate.star_photometry import (
    EXTINCTION,
    absolute_magnitudes,
    extinction_curve,
    intrinsic_colour,
    main_sequence_magnitude,
)

COOLING = np.arange(9500.0, 2600.0, -50.0)


def magnitudes(temperature, giant=False, carbon=False, dust=0.0):
    n = len(temperature)
    return absolute_magnitudes(
        np.zeros(n), temperature, np.full(n, giant), np.full(n, carbon), np.full(n, dust)
    )


def test_cooler_stars_are_redder():
    dwarf, giant = magnitudes(COOLING), magnitudes(COOLING[COOLING < 5400], giant=True)
    for m in (dwarf, giant):
        assert (np.diff(m["BP"] - m["RP"]) >= 0).all()
        assert (np.diff(m["V"] - m["K"]) >= 0).all()
        assert (np.diff(m["J"] - m["K"]) >= 0).all()


def test_the_sun_and_vega():
    m = magnitudes(np.array([5772.0, 9700.0]))
    assert m["BP"][0] - m["RP"][0] == pytest.approx(0.82, abs=0.03)  # Casagrande & VandenBerg 2018
    assert m["V"][0] - m["K"][0] == pytest.approx(1.48, abs=0.08)
    assert main_sequence_magnitude(5772.0) == pytest.approx(4.8, abs=0.3)
    np.testing.assert_allclose([m[band][1] for band in ("V", "G", "BP", "RP", "J", "H", "K")], 0, atol=0.1)


def test_g_lies_between_bp_and_rp():
    for m in (magnitudes(COOLING), magnitudes(COOLING[COOLING < 5400], giant=True)):
        assert (m["RP"] <= m["G"] + 0.01).all()
        assert (m["G"] <= m["BP"] + 0.05).all()


def test_carbon_stars_and_dust_are_red():
    cool = np.array([2800.0])
    oxygen, carbon = (
        magnitudes(cool, giant=True, dust=0.2),
        magnitudes(cool, giant=True, carbon=True, dust=0.5),
    )
    assert oxygen["J"] - oxygen["K"] < 1.7 < 2.3 < carbon["J"] - carbon["K"]
    clean, dusty = magnitudes(cool, giant=True), magnitudes(cool, giant=True, dust=0.5)
    for blue, red in (("W1", "W2"), ("W2", "W3"), ("W3", "W4")):
        assert dusty[blue] - dusty[red] > clean[blue] - clean[red] + 0.3


def test_giants_and_dwarfs_part_among_the_cool_stars():
    t = np.array([3600.0, 6000.0])
    dwarf, giant = (intrinsic_colour("J-K", t, np.full(2, g)) for g in (False, True))
    assert giant[0] > dwarf[0] + 0.2
    assert giant[1] == dwarf[1]


def test_reddening_ratios():
    order = ["BP", "V", "G", "RP", "J", "H", "K", "W1", "W2"]
    assert (np.diff([EXTINCTION[band] for band in order]) < 0).all()
    # E(BP - RP) / E(J - K), Wang & Chen 2019
    ratio = (EXTINCTION["BP"] - EXTINCTION["RP"]) / (EXTINCTION["J"] - EXTINCTION["K"])
    assert ratio == pytest.approx(2.5, abs=0.1)


def test_extinction_curve():
    wavelength = np.arange(3850.0, 9000.0, 10.0)
    curve = extinction_curve(wavelength)
    assert (np.diff(curve) < 0).all()
    # Cardelli, Clayton & Mathis 1989, table 3: B, V, R, I
    np.testing.assert_allclose(
        extinction_curve(np.array([4400, 5500, 7000, 9000.0])), [1.337, 1, 0.751, 0.479], atol=0.02
    )
