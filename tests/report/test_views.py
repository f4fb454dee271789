"""Pictures of views: what stands where, words, and small files."""

import numpy as np
import pytest

from astrolib.report import style, views
from astrolib.report.style import COLOURS


def pictures(*shape, side=16, seed=0):
    return np.random.default_rng(seed).random((*shape, side, side, 3))


def shown(axes):
    return axes.images[0].get_array() if axes.images else None


def test_examples_have_a_row_for_each_class_that_has_pictures():
    label = np.array([2, 0, 0, 2, 2])
    images = pictures(5)
    figure = views.examples(images, label, ["elliptical", "edge-on", "spiral"])
    grid = np.array(figure.axes).reshape(2, 3)
    assert [row[0].get_ylabel() for row in grid] == ["elliptical", "spiral"]
    assert np.array_equal(shown(grid[0, 1]), np.round(255 * images[2]).astype(np.uint8))
    assert not grid[0, 2].images and not grid[0, 2].axison  # only two ellipticals


def test_augmentations_begin_with_the_original_and_say_what_was_drawn():
    original, draws = pictures(seed=1), pictures(3, 10)
    texts = np.array([[f"E(B-V) 0.{k}" for k in range(10)], [""] * 10, [""] * 10])
    steps = ["reddening", "psf", "channel_gain"]
    figure = views.augmentation_sheet(original, steps, draws, texts)
    grid = np.array(figure.axes).reshape(3, 11)
    assert [row[0].get_ylabel() for row in grid] == ["reddening", "PSF", "channel gain"]
    assert grid[0, 0].get_title() == "original" and grid[0, 10].get_title() == "draw 10"
    assert all(np.array_equal(shown(row[0]), np.round(255 * original).astype(np.uint8)) for row in grid)
    assert np.array_equal(shown(grid[2, 4]), np.round(255 * draws[2, 3]).astype(np.uint8))
    assert grid[0, 4].get_xlabel() == "E(B-V) 0.3" and grid[1, 4].get_xlabel() == ""


def test_pairs_stand_above_each_other():
    a, b = pictures(4), pictures(4, seed=2)
    figure = views.view_pairs(a, b, ["E(B-V) 0.10, 30 deg"] * 4, [""] * 4)
    grid = np.array(figure.axes).reshape(2, 4)
    assert [row[0].get_ylabel() for row in grid] == ["view A", "view B"]
    assert grid[0, 2].get_xlabel() == "E(B-V) 0.10\n30 deg"
    assert np.array_equal(shown(grid[1, 3]), np.round(255 * b[3]).astype(np.uint8))


def test_neighbours_are_framed_by_class():
    figure = views.neighbours(
        pictures(2), pictures(2, 3), [0, 1], [[0, 1, -1], [1, 1, 1]], ["elliptical", "spiral"], "Barlow Twins"
    )
    grid = np.array(figure.axes).reshape(2, 4)
    assert [axes.get_title() for axes in grid[0]] == ["query: elliptical", "elliptical", "spiral", "no class"]
    looks = [(a.title.get_color(), a.spines["left"].get_linestyle()) for a in grid[0, 1:]]
    assert looks == [(COLOURS["ours"], "-"), (COLOURS["paper"], "--"), (COLOURS["paper"], "--")]
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["class of the query", "another class"]


@pytest.mark.parametrize("side", [48, 96])
def test_large_pictures_are_averaged(side):
    flat = np.zeros((side, side, 3))
    flat[::2] = 1.0
    small = views._small(flat)
    assert small.shape == (48, 48, 3) and small.dtype == np.uint8
    if side == 96:
        assert np.isin(small, [127, 128]).all()  # the mean of a row of ones and a row of zeros
    assert np.array_equal(views._small(np.full((8, 8, 3), 7, np.uint8)), np.full((8, 8, 3), 7))


@pytest.mark.slow
def test_a_sheet_of_noisy_pictures_is_a_small_file(tmp_path):
    steps = [f"step {k}" for k in range(8)]
    figure = views.augmentation_sheet(
        pictures(side=48), steps, 0.1 * pictures(8, 10, side=48), np.full((8, 10), "noise +0.02")
    )
    assert style.save(figure, tmp_path / "sheet.png", "simulated").stat().st_size < 200_000
