import numpy as np
import pytest

from astrolib.evaluate.reconstruction import fill_with_mean, fill_with_mirror, masked_error


@pytest.fixture
def scene():
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-3.5:4, -3.5:4]
    galaxy = 50 * np.exp(-(x**2 + 2 * y**2 + x * y) / 8)  # symmetric about the centre
    noise = np.array([1.0, 2.0])
    images = galaxy + noise[:, None, None] * rng.standard_normal((300, 2, 8, 8))
    mask = np.zeros((300, 8, 8), bool)
    mask[:, :4, :4] = True
    return galaxy, images, mask, noise


def test_a_perfect_model_reaches_the_noise_floor_in_every_band(scene):
    galaxy, images, mask, noise = scene
    error = masked_error(images, np.broadcast_to(galaxy, images.shape), mask, noise)
    assert error.shape == (300, 2)
    np.testing.assert_allclose(error.mean(axis=0), 1.0, atol=0.05)


def test_visible_pixels_do_not_count(scene):
    galaxy, images, mask, noise = scene
    spoilt = np.where(mask[:, None], images, 1e6)
    assert masked_error(images, spoilt, mask, noise).max() == 0


def test_mirror_of_a_symmetric_galaxy_costs_twice_the_noise(scene):
    galaxy, images, mask, noise = scene
    error = masked_error(images, fill_with_mirror(images, mask), mask, noise)
    np.testing.assert_allclose(error.mean(axis=0), 2.0, atol=0.1)
    assert masked_error(images, fill_with_mean(images, mask), mask, noise).mean() > 10


def test_fills_leave_visible_pixels_alone_and_the_mean_uses_only_them(scene):
    _, images, mask, _ = scene
    images = images.copy()
    images[:, :, :4, :4] = 1e9  # hidden: must not matter
    filled = fill_with_mean(images, mask)
    np.testing.assert_array_equal(filled[:, :, 4:], images[:, :, 4:])
    np.testing.assert_allclose(
        filled[:, :, 0, 0], images.reshape(300, 2, -1)[:, :, ~mask[0].ravel()].mean(-1)
    )


def test_mirror_falls_back_where_both_are_hidden():
    images = np.arange(16.0).reshape(1, 1, 4, 4)
    mask = np.ones((1, 4, 4), bool)
    mask[0, 0, 0] = False  # the only visible pixel has value 0
    filled = fill_with_mirror(images, mask)
    assert (filled == 0).all()


def test_mismatched_or_unmasked_images_are_refused(scene):
    _, images, mask, noise = scene
    with pytest.raises(ValueError, match="do not belong together"):
        masked_error(images, images[:5], mask, noise)
    with pytest.raises(ValueError, match="Image 0 has no masked pixel"):
        masked_error(images, images, np.zeros_like(mask), noise)
