"""Centres, radii, occupied pixels and the null of angular structure."""

import numpy as np
import pytest

from astrolib.data.radial import measure_scales, occupancy_target, shuffle_angles


def _gaussians(sigma, x0, y0, size=64, flux=5000.0):
    y, x = np.mgrid[:size, :size].astype(float)
    sigma, x0, y0 = (np.asarray(v, float)[:, None, None] for v in (sigma, x0, y0))
    return flux * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * sigma**2)) / (2 * np.pi * sigma**2)


def test_radii_of_a_gaussian():
    """Half of its light is within 1.1774 sigma, nine tenths within 2.146."""
    sigma = np.array([3.0, 4.0, 6.0])
    light = _gaussians(sigma, [31.5, 34.2, 30.0], [31.5, 29.0, 33.3])
    centre, r50, r90 = measure_scales(light, np.full(3, 1e-3))
    assert centre == pytest.approx(np.array([[31.5, 31.5], [34.2, 29.0], [30.0, 33.3]]), abs=0.02)
    assert r50 == pytest.approx(1.1774 * sigma, rel=0.1) and r90 == pytest.approx(2.146 * sigma, rel=0.1)


def test_a_neighbour_does_not_move_the_centre():
    light = _gaussians([3.0], [31.5], [31.5]) + _gaussians([3.0], [56.0], [8.0], flux=9000.0)
    centre, _, _ = measure_scales(light, np.array([1.0]))
    assert centre[0] == pytest.approx([31.5, 31.5], abs=0.3)


def test_empty_images_have_the_middle_and_small_radii():
    centre, r50, r90 = measure_scales(np.zeros((2, 16, 16)), np.ones(2))
    assert (centre == 7.5).all() and (r50 == 1).all() and (r90 == 1.5).all()


def test_occupied_is_what_stands_out_of_the_smoothed_noise():
    rng = np.random.default_rng(0)
    noise = 0.5 * rng.standard_normal((20, 64, 64))
    share = occupancy_target(noise, np.full(20, 0.5)).mean()
    assert share == pytest.approx(0.00135, abs=0.0008)  # one side of 3 sigma
    target = occupancy_target(_gaussians([4.0], [31.5], [31.5]), np.array([0.5]))
    assert target[0, 31, 31] and not target[0, 0, 0]
    assert occupancy_target(noise, np.full(20, 0.5), threshold=1.5).mean() > 20 * share


def test_shuffling_keeps_rings_and_bands_together():
    rng = np.random.default_rng(0)
    images = rng.standard_normal((3, 2, 24, 24))
    images[:, 1] = 10 * images[:, 0]
    centre = np.array([[11.5, 11.5], [10.0, 13.0], [12.0, 12.0]])
    shuffled = shuffle_angles(images, centre, rng)
    assert not np.array_equal(shuffled, images)
    assert np.array_equal(shuffled[:, 1], 10 * shuffled[:, 0])
    y, x = np.mgrid[:24, :24]
    for k in range(3):
        ring = np.hypot(x - centre[k, 0], y - centre[k, 1]).round()
        for radius in (0, 3, 8, 15):
            inside = ring == radius
            assert np.array_equal(np.sort(images[k, 0][inside]), np.sort(shuffled[k, 0][inside]))
