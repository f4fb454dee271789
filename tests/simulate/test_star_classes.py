import numpy as np
import pytest

from astrolib.simulate.star_classes import CLASS_COUNTS, draw_classes, draw_properties
from astrolib.simulate.star_photometry import intrinsic_colour


def many(name, n=4000, seed=0):
    return draw_properties(np.repeat(name, n), np.random.default_rng(seed))


def test_shares_are_those_of_the_paper():
    assert sum(CLASS_COUNTS.values()) == 21_440
    names = draw_classes(40_000, np.random.default_rng(0))
    for name, count in CLASS_COUNTS.items():
        share = count / 21_440
        assert np.mean(names == name) == pytest.approx(share, abs=4 * np.sqrt(share / 40_000))


def test_small_surveys_have_two_of_each_class():
    for seed in range(60):
        names, counts = np.unique(draw_classes(300, np.random.default_rng(seed)), return_counts=True)
        assert set(names) == set(CLASS_COUNTS)
        assert counts.min() >= 2
        assert counts.sum() == 300


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("DSCT", 0.03, 0.25),
        ("HADS", 0.03, 0.25),
        ("RRC", 0.2, 0.46),
        ("RRAB", 0.39, 0.91),
        ("EW", 0.2, 1.11),
        ("EB", 0.27, 8.1),
        ("EA", 0.39, 81),
        ("ROT", 0.29, 121),
        ("SR", 17, 481),
        ("M", 120, 601),
    ],
)
def test_periods(name, low, high):
    period = many(name)["period"]
    assert low < period.min()
    assert period.max() < high


def test_amplitudes_order_the_classes():
    amplitude = {name: np.median(many(name)["amplitude"]) for name in CLASS_COUNTS}
    assert amplitude["DSCT"] < 0.2 < amplitude["HADS"]  # the classes differ by nothing else
    assert amplitude["RRC"] < amplitude["RRAB"]
    assert amplitude["ROT"] < amplitude["SR"] < amplitude["M"]
    assert many("M")["amplitude"].min() > 1.8


def test_miras_follow_the_period_luminosity_relation_in_k():
    mira = many("M")
    oxygen = mira["subtype"] == "oxygen-rich"
    k = mira["absolute_v"] - intrinsic_colour("V-K", mira["temperature"], mira["giant"])
    slope, at_300 = np.polyfit(np.log10(mira["period"][oxygen]) - np.log10(300), k[oxygen], 1)
    assert slope == pytest.approx(-3.51, abs=0.15)
    assert at_300 == pytest.approx(-7.25 - 3.51 * (np.log10(300) - 2.38), abs=0.03)


def test_longer_periods_mean_cooler_pulsators_and_hotter_contact_binaries():
    for name in ("RRAB", "RRC", "DSCT", "SR", "M"):
        star = many(name)
        assert np.corrcoef(np.log10(star["period"]), star["temperature"])[0, 1] < -0.3, name
    contact = many("EW")
    assert np.corrcoef(np.log10(contact["period"]), contact["temperature"])[0, 1] > 0.8
    assert np.corrcoef(np.log10(contact["period"]), contact["absolute_v"])[0, 1] < -0.8


def test_metal_poor_rr_lyrae_are_brighter_and_in_the_halo():
    star = many("RRAB")
    assert np.corrcoef(star["metallicity"], star["absolute_v"])[0, 1] > 0.5
    assert np.mean(star["halo"]) > 0.8
    assert not many("EW")["halo"].any()


def test_hidden_subtypes():
    mira, rotational = many("M"), many("ROT")
    carbon, dwarf = mira["subtype"] == "carbon-rich", rotational["subtype"] == "active dwarf"
    assert np.mean(carbon) == pytest.approx(0.15, abs=0.02)
    assert np.mean(dwarf) == pytest.approx(0.4, abs=0.03)
    assert set(mira["subtype"]) == {"oxygen-rich", "carbon-rich"}
    assert np.median(rotational["period"][dwarf]) < np.median(rotational["period"][~dwarf]) / 3
    assert np.median(rotational["absolute_v"][dwarf]) > np.median(rotational["absolute_v"][~dwarf]) + 3
    assert set(many("RRAB", 10)["subtype"]) == {""}
