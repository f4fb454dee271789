"""Pictures of stars: folding, scaling, lines and the look of classes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from astrolib.report import stars

NAMES = ("DSCT", "EA", "EB", "EW", "HADS", "M", "ROT", "RRAB", "RRC", "SR", "CV", "BE", "ELL")


@pytest.fixture
def axes():
    return Figure().subplots()


def test_thirteen_classes_look_different():
    looks = [tuple(look.values()) for look in stars.class_styles(NAMES).values()]
    assert len(set(looks)) == len(NAMES)
    for one, other in zip(looks[:-1], looks[1:], strict=True):
        assert one[0] != other[0] and one[1] != other[1]


def test_one_cycle_is_drawn_twice(axes):
    phase, flux = np.array([0.1, 0.6, np.nan]), np.array([1.0, 3.0, np.nan])
    stars.draw_folded(axes, phase, flux)
    x, y = axes.lines[0].get_data()
    assert x == pytest.approx([0.1, 0.6, 1.1, 1.6])
    assert y[:2] == pytest.approx(y[2:]) and y[1] - y[0] == pytest.approx(1, abs=0.1)


def test_two_cycles_are_drawn_as_they_are(axes):
    """An eclipsing binary folded with its orbital period has two different minima."""
    phase = np.linspace(0, 2, 50, endpoint=False)
    stars.draw_folded(axes, phase, np.where(phase < 1, 1.0, 2.0) + 0.1 * phase)
    x, y = axes.lines[0].get_data()
    assert x == pytest.approx(phase)
    assert y[x < 1].max() < y[x > 1].min()


def test_a_star_without_points_or_variation_is_no_error(axes):
    stars.draw_folded(axes, np.full(4, np.nan), np.full(4, np.nan))
    assert not axes.lines
    stars.draw_folded(axes, np.array([0.2, 0.4]), np.ones(2))
    assert np.isfinite(axes.lines[0].get_ydata()).all()


def test_arms_of_a_spectrum_are_not_joined(axes):
    down, up = np.arange(6630.0, 3240, -60), np.arange(6320.0, 10600, 60)
    stars.draw_spectrum(
        axes, np.concatenate([down, up]), np.ones(len(down) + len(up)) + np.arange(len(down) + len(up))
    )
    for line in axes.lines:
        steps = np.diff(line.get_xdata())
        assert np.abs(steps).max() < 100 or len(steps) == 1
    assert sum(len(line.get_xdata()) for line in axes.lines) == len(down) + len(up)


def test_light_curves_have_a_panel_for_each_class_that_has_stars():
    rng = np.random.default_rng(0)
    label = np.array([0, 0, 2])
    figure = stars.light_curves(
        rng.random((3, 40)),
        rng.random((3, 40)),
        label,
        NAMES[:3],
        error=np.full((3, 40), 0.1),
        period=np.ones(3),
    )
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["DSCT", "EB"]
    assert [text.get_text() for text in figure.axes[0].texts] == ["1 d", "1 d"]


def test_both_bands_share_a_panel():
    rng = np.random.default_rng(0)
    shape = (2, 2, 30)
    figure = stars.light_curves(
        rng.random(shape), rng.random(shape), np.array([0, 1]), ["EB", "M"], bands=["b", "r"]
    )
    colours = {line.get_color() for line in figure.axes[1].lines}
    assert colours == set(stars.BANDS)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["b", "r"]


def test_spectra_are_labelled_where_the_lines_are():
    wavelength = np.arange(3850.0, 9000, 10)
    spectrum = np.random.default_rng(0).random((4, len(wavelength)))
    spectrum[2] = 0  # a star without a spectrum
    spectrum[3] = np.nan
    figure = stars.spectra(wavelength, spectrum, np.array([0, 1, 2, 3]), NAMES[:4])
    (axes,) = figure.axes
    words = {text.get_text(): text.get_position()[0] for text in axes.texts}
    assert words["Hα"] == pytest.approx(6562.8) and words["Hβ"] == pytest.approx(4861.3)
    assert {"Ca II K, H", "Mg b", "Na D", "TiO"} <= set(words)
    assert {"DSCT", "EA"} <= set(words) and not {"EB", "EW"} & set(words)
    assert "Å" in axes.get_xlabel()


def test_lines_outside_the_spectrum_are_not_labelled():
    wavelength = np.arange(6000.0, 7000, 10)
    figure = stars.spectra(wavelength, np.random.default_rng(0).random((1, 100)), np.array([0]), ["M"])
    assert {text.get_text() for text in figure.axes[0].texts} == {"Hα", "TiO", "M"}


def test_dmdt_images_stand_upright():
    image = np.zeros((2, 20, 10))
    image[:, 0] = 1  # all changes are small
    figure = stars.dmdt_images(image, np.array([0, 1]), ["EB", "M"])
    picture = figure.axes[0].images[0]
    assert picture.origin == "lower" and picture.get_array().shape == (20, 10)
    assert picture.get_array()[0].min() == 1


def test_planes_use_the_columns_there_are():
    table = pd.DataFrame({"class": ["EB", "M"] * 20, "period": np.geomspace(0.1, 300, 40), "amplitude": 0.5,
                          "bp_rp": np.linspace(0, 3, 40), "absolute_g": np.linspace(0, 9, 40)})  # fmt: skip
    figure = stars.metadata_planes(table, ["EB", "M"])
    assert [axes.get_xlabel() for axes in figure.axes] == ["BP - RP [mag]", "period [d]"]
    first, second = figure.axes
    assert first.yaxis_inverted() and not second.yaxis_inverted()  # bright stars on top
    assert second.get_xscale() == "log"
    with pytest.raises(ValueError, match="None of the pairs"):
        stars.metadata_planes(table[["class", "bp_rp"]], ["EB", "M"])
