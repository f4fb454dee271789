"""What image sets tell without a network."""

import numpy as np
import pytest

from astrolib.evaluate.image_sets import (
    as_seen_by,
    difference_score,
    resampled_regression,
    sky_neighbours,
    visible_mean,
)
from astrolib.simulate import image_sets as simulated
from astrolib.simulate.image_sets import Camera, _draw_galaxies, _render


def test_a_galaxy_seen_by_another_camera():
    """Against rendering it for that camera in the first place."""
    galaxy = _draw_galaxies(12, np.random.default_rng(0))
    galaxy["label"][:] = 0
    one = Camera(("r",), 0.4, 1.2, (22.0,))
    other = Camera(("r",), 0.8, 2.0, (22.0,))
    expected = _render(galaxy, other, 32)
    found = as_seen_by(_render(galaxy, one, 64)[:, None], 0.4, 1.2, 0.8, 2.0)[:, 0]
    inner = slice(16, 48)  # 64 pixels of 0.4 are 32 of 0.8
    error = np.abs(found[:, inner, inner] - expected).max((1, 2)) / expected.max((1, 2))
    assert error.max() < 0.05


def test_beyond_the_images_nothing_is_known():
    found = as_seen_by(np.ones((1, 1, 16, 16)), 0.26, 1.1, 1.0, 1.1)
    assert np.isnan(found[0, 0, 0, 0]) and np.isfinite(found[0, 0, 8, 8])


def test_regression_finds_colours():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 2, 8, 8))
    y = np.stack([2 * x[:, 0] - x[:, 1], 0.5 * x[:, 1] + 3], axis=1)
    usable = rng.random((30, 8, 8)) < 0.25
    found = resampled_regression(x[:20], y[:20], usable[:20], x[20:])
    assert found == pytest.approx(y[20:], abs=1e-3)


def test_regression_learns_from_usable_pixels_only():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((30, 1, 8, 8))
    y, usable = 2 * x, rng.random((30, 8, 8)) < 0.5
    spoiled = np.where(usable[:, None], y, 1e6)
    assert resampled_regression(x, spoiled, usable, x) == pytest.approx(y, abs=1e-3)
    with pytest.raises(ValueError, match="No pixel to learn"):
        resampled_regression(x, y, usable & False, x)


def test_visible_pixels_stay():
    images = np.arange(16.0).reshape(1, 1, 4, 4)
    visible = np.zeros((1, 4, 4), bool)
    visible[:, 0] = True
    filled = visible_mean(images, visible)
    assert np.array_equal(filled[0, 0, 0], images[0, 0, 0]) and (filled[0, 0, 1:] == 1.5).all()


def test_new_light_stands_out_where_it_is():
    rng = np.random.default_rng(0)
    first, second = rng.standard_normal((2, 50, 3, 32, 32))
    x = np.arange(32)
    star = np.exp(-((x[:, None] - 10) ** 2 + (x - 20) ** 2) / (2 * 0.85**2))
    score = difference_score(first, second + 4 * star, fwhm=2.0)
    highest = score.reshape(50, -1).argmax(axis=1)
    rows, columns = np.unravel_index(highest, (32, 32))
    assert np.mean((np.abs(rows - 10) <= 1) & (np.abs(columns - 20) <= 1)) > 0.9
    signal = 4 * np.sqrt(3 / 2) * np.sqrt(np.pi) * 0.85  # of a matched filter
    assert score[:, 10, 20].mean() == pytest.approx(signal, rel=0.05)


def test_neighbours_on_the_sky_know_the_dust():
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform(0, 360, 3000), np.degrees(np.arcsin(rng.uniform(-1, 1, 3000)))
    truth = np.log(simulated.dust(ra, dec))
    found = sky_neighbours(ra[:2000], dec[:2000], truth[:2000], ra[2000:], dec[2000:])
    assert 1 - ((found - truth[2000:]) ** 2).mean() / truth[2000:].var() > 0.9
