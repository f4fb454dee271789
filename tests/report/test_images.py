"""Pictures of galaxies: colours, masks and residuals where they belong."""

import numpy as np
import pytest

from astrolib.report import images
from astrolib.report.style import LARGEST_FILE, save

BANDS = ("u", "g", "r", "i", "z")
NOISE = np.array([0.05, 0.02, 0.03, 0.05, 0.15])


@pytest.fixture
def galaxies():
    """Three five-band galaxies of 16 px with sky noise."""
    y, x = np.mgrid[-8:8, -8:8]
    flux = np.array([0.2, 0.6, 1.0, 1.4, 1.7])[:, None, None] * np.exp(-np.hypot(x, y) / 3)
    noise = np.random.default_rng(0).normal(size=(3, 5, 16, 16)) * NOISE[:, None, None]
    return flux + noise


def test_rgb_takes_i_r_g_whatever_the_order_of_bands():
    flux = np.zeros((5, 8, 8), np.float32)
    flux[BANDS.index("i")] = 2.0
    picture = images.rgb(flux, BANDS)
    assert picture.shape == (8, 8, 3) and picture.dtype == np.uint8
    assert picture[4, 4, 0] > 50 and (picture[..., 1:] == 0).all()
    assert (images.rgb(flux[::-1], BANDS[::-1]) == picture).all()


def test_rgb_of_many_is_rgb_of_each(galaxies):
    many = images.rgb(galaxies, BANDS)
    assert many.shape == (3, 16, 16, 3)
    assert (many[1] == images.rgb(galaxies[1], BANDS)).all()


def test_rgb_needs_its_bands(galaxies):
    with pytest.raises(ValueError, match="g, r and i"):
        images.rgb(galaxies[:, :2], BANDS[:2])


def test_pixel_mask_hides_the_right_patch():
    mask = np.zeros((2, 6))
    mask[1, 4] = 1  # second row, second column of a 2 x 3 grid
    pixels = images.pixel_mask(mask, (2, 3), 4)
    assert pixels.shape == (2, 8, 12) and pixels.dtype == bool and not pixels[0].any()
    assert pixels[1, 4:8, 4:8].all() and pixels.sum() == 16


def test_mosaic_writes_redshifts(galaxies):
    figure = images.mosaic(galaxies, np.array([0.1234, np.nan, 0.5]), BANDS, columns=2)
    drawn = [axes for axes in figure.axes if axes.images]
    assert len(drawn) == 3
    assert [axes.texts[0].get_text() for axes in drawn] == ["z = 0.123", "z unknown", "z = 0.500"]
    (bar,) = drawn[0].lines
    assert np.ptp(bar.get_xdata()) * 0.396 == pytest.approx(2)  # a bar of 2 arcsec on a 6 arcsec stamp
    assert drawn[0].texts[1].get_text() == '2"'


def test_reconstruction_grid_shows_residuals_in_units_of_the_noise(galaxies, tmp_path):
    mask = images.pixel_mask(np.tile([1, 1, 1, 0], (3, 1)), (2, 2), 8)
    offset = np.where(mask[:, None], 2 * NOISE[:, None, None], 0)
    figure = images.reconstruction_grid(galaxies, mask, galaxies + offset, BANDS, NOISE)
    panels = np.array([axes for axes in figure.axes if axes.images]).reshape(3, 8)
    titles = [axes.get_title() for axes in panels[0]]
    assert titles == ["input", "masked", "reconstruction", *(f"residual {band}" for band in BANDS)]
    shown = panels[1, 5].images[0].get_array()
    assert (shown.mask == ~mask[1]).all() and shown.compressed() == pytest.approx(2)
    masked = panels[1, 1].images[0].get_array()
    assert len(np.unique(masked[mask[1]])) == 1
    assert (masked[~mask[1]] == images.rgb(galaxies[1], BANDS)[~mask[1]]).all()
    assert figure.axes[-1].get_ylabel() == "residual / sky noise"
    assert save(figure, tmp_path / "a.png", "simulated").stat().st_size < LARGEST_FILE


def test_all_bands_is_four_rows_of_bands(galaxies):
    mask = np.zeros((16, 16), bool)
    mask[:8] = True
    figure = images.all_bands(galaxies[0], mask, galaxies[0] * 1.1, BANDS, NOISE)
    panels = np.array([axes for axes in figure.axes if axes.images and not axes.get_label()]).reshape(4, 5)
    assert [axes.get_title() for axes in panels[0]] == [f"{band} band" for band in BANDS]
    assert [axes.get_ylabel() for axes in panels[:, 0]] == ["input", "masked", "reconstruction", "residual"]
    assert panels[0, 2].images[0].get_array().data == pytest.approx(galaxies[0, 2] / NOISE[2])
    assert panels[1, 0].images[0].get_array().mask[:8].all()
    assert panels[3, 4].images[0].get_array().compressed() == pytest.approx(
        (0.1 * galaxies[0, 4, :8] / 0.15).ravel()
    )


def test_augmentations_draws_every_view(galaxies):
    views = np.repeat(galaxies[:1, :, 4:12, 4:12], 10, axis=0)
    figure = images.augmentations(galaxies[0], views, BANDS)
    stored, *draws = figure.axes
    assert [axes.get_title() for axes in draws] == [f"draw {n}" for n in range(1, 11)]
    (box,) = stored.patches
    assert box.get_xy() == (3.5, 3.5) and box.get_width() == 8  # pixels 4 to 11
