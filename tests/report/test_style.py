"""Every saved figure says where its data come from, is small, and is the same each time."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from PIL import Image

from astrolib.report import style


@style.styled
def line(size=(3, 2)):
    figure = style.new_figure(size)
    figure.subplots().plot([0, 1], [0, 1])
    return figure


def stamps(figure):
    return [text.get_text() for text in figure.texts if text.get_gid() == "source"]


def test_saved_figure_is_stamped_small_and_the_same_each_time(tmp_path):
    figure = line()
    path = style.save(figure, tmp_path / "new" / "a.png", "simulated")
    first = path.read_bytes()
    assert path == tmp_path / "new" / "a.png" and len(first) < style.LARGEST_FILE
    assert stamps(figure) == ["Data: simulated"]
    assert style.save(figure, path, "simulated").read_bytes() == first
    assert style.save(line(), path, "simulated").read_bytes() == first
    shown = line()
    shown.savefig(tmp_path / "shown.png")  # a notebook draws it before it is saved
    assert style.save(shown, path, "simulated").read_bytes() == first
    assert stamps(figure) == ["Data: simulated"]
    assert [file.name for file in path.parent.iterdir()] == ["a.png"]
    assert not {"Software", "Date", "Creation Time"} & set(Image.open(path).info)


def test_another_source_changes_the_picture(tmp_path):
    figure = line()
    first = style.save(figure, tmp_path / "a.png", "simulated").read_bytes()
    assert style.save(figure, tmp_path / "a.png", "SDSS DR8 cutouts").read_bytes() != first
    assert stamps(figure) == ["Data: SDSS DR8 cutouts"]


def test_simulated_data_stand_out():
    figure = line()
    style.stamp(figure, "real photometry and redshift, simulated pixels")
    assert figure.texts[-1].get_weight() == "bold"
    style.stamp(figure, "SDSS DR8 cutouts")
    assert figure.texts[-1].get_weight() == "normal"


@pytest.mark.parametrize("source", ["", "  "])
def test_no_figure_without_a_source(tmp_path, source):
    with pytest.raises(ValueError, match="source"):
        style.save(line(), tmp_path / "a.png", source)
    assert not list(tmp_path.iterdir())


def test_a_large_picture_is_made_small(tmp_path):
    figure = style.new_figure((3, 2))
    figure.subplots().imshow(np.random.default_rng(0).random((220, 330, 3)))
    path = style.save(figure, tmp_path / "noise.png", "simulated")
    assert path.stat().st_size < style.LARGEST_FILE
    assert Image.open(path).mode == "P"


def test_stamp_is_clear_of_the_axes():
    figure = line()
    style.stamp(figure, "simulated")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    stamp = figure.texts[-1].get_window_extent(renderer)
    assert not stamp.overlaps(figure.axes[0].get_tightbbox(renderer))
    assert 0 <= stamp.x0 and stamp.x1 <= figure.bbox.x1


def test_the_callers_style_and_figures_are_left_alone():
    before = dict(mpl.rcParams)
    plt.close("all")
    line()
    assert dict(mpl.rcParams) == before
    assert plt.get_fignums() == []  # else a notebook shows each figure twice


def test_colours_are_told_apart_by_lightness_or_hue():
    colours = np.array([mpl.colors.to_rgb(colour) for colour in style.COLOURS.values()])
    apart = np.linalg.norm(colours[:, None] - colours[None], axis=-1)
    assert apart[np.triu_indices(len(colours), 1)].min() > 0.25
