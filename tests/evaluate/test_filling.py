"""Fills without learning, on galaxies that they can fill perfectly, and on those that they cannot."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from astrolib.data.radial import shuffle_angles
from astrolib.evaluate.filling import (
    average_precision_per_class,
    azimuthal_profile,
    elliptical_profile,
    half_turn,
    intersection_over_union,
    partner_visible,
    patch_neighbours,
    pca_fill,
)
from astrolib.models.masking import radial_visibility

SIZE = 33
CENTRE = np.full((8, 2), 16.0)


def _visible(n=8, mask_ratio=0.75, seed=0):
    generator = torch.Generator().manual_seed(seed)
    centre = torch.full((n, 2), 16.0)
    return radial_visibility((SIZE, SIZE), centre, mask_ratio, 12, generator=generator)[:, 0].numpy()


def _polar():
    y, x = np.mgrid[:SIZE, :SIZE] - 16.0
    return np.hypot(x, y), np.arctan2(y, x)


def test_a_round_galaxy_is_its_profile():
    radius, _ = _polar()
    images = np.exp(-radius.round() / 5)[None].repeat(8, 0)
    visible = _visible()
    wide = np.broadcast_to((radius > 5) & (radius < 16), images.shape)  # rings that some open sector crosses
    for fill in (azimuthal_profile, half_turn):
        assert fill(images, visible, CENTRE)[wide] == pytest.approx(images[wide], abs=1e-12)


def test_two_arms_are_filled_by_half_a_turn_where_the_partner_shows():
    radius, angle = _polar()
    images = (np.exp(-radius / 6) * (1.5 + np.cos(2 * angle - radius / 3)))[None].repeat(8, 0)
    visible = _visible()
    partner = partner_visible(visible, CENTRE)
    filled = half_turn(images, visible, CENTRE)
    hidden = ~visible & partner
    assert hidden.any() and filled[hidden] == pytest.approx(images[hidden], abs=1e-12)
    others = ~visible & ~partner
    profile = azimuthal_profile(images, visible, CENTRE)
    assert np.array_equal(filled[others], profile[others])
    assert np.abs(profile - images)[hidden].mean() > 0.01


def test_a_flat_galaxy_is_better_filled_along_its_ellipse():
    y, x = np.mgrid[:SIZE, :SIZE] - 16.0
    angles = np.linspace(0, np.pi, 8, endpoint=False)[:, None, None]
    along, across = x * np.cos(angles) + y * np.sin(angles), y * np.cos(angles) - x * np.sin(angles)
    images = np.exp(-0.5 * ((along / 7) ** 2 + (across / 3) ** 2))
    visible = _visible(mask_ratio=0.5)
    errors = {
        fill.__name__: np.abs(fill(images, visible, CENTRE) - images)[~visible].mean()
        for fill in (elliptical_profile, azimuthal_profile)
    }
    assert errors["elliptical_profile"] < 0.6 * errors["azimuthal_profile"]
    full = np.ones_like(visible)
    full[:, 16, 20:] = False
    assert np.abs(elliptical_profile(images, full, CENTRE) - images)[~full].max() < 0.12


def test_shuffled_angles_leave_nothing_but_the_profile():
    """The null: half a turn is no better than the profile there."""
    radius, angle = _polar()
    images = (np.exp(-radius / 6) * (1.5 + np.cos(2 * angle - radius / 3)))[None].repeat(8, 0)
    null = shuffle_angles(images[:, None], CENTRE, np.random.default_rng(0))[:, 0]
    visible = _visible()
    hidden = ~visible & partner_visible(visible, CENTRE)
    profile, turn = (
        ((fill(null, visible, CENTRE) - null)[hidden] ** 2).mean() for fill in (azimuthal_profile, half_turn)
    )
    assert turn > 1.3 * profile


@pytest.mark.parametrize("fill", [azimuthal_profile, half_turn, elliptical_profile])
def test_hidden_pixels_are_not_looked_at(fill):
    rng = np.random.default_rng(0)
    images, visible = rng.random((8, SIZE, SIZE)), _visible()
    spoiled = np.where(visible, images, 1e6)
    assert np.array_equal(fill(images, visible, CENTRE)[~visible], fill(spoiled, visible, CENTRE)[~visible])
    assert np.array_equal(fill(images, visible, CENTRE)[visible], images[visible])


def test_neighbours_and_components_look_at_visible_pixels_only():
    rng = np.random.default_rng(0)
    images, visible = rng.random((8, SIZE, SIZE)), _visible()
    spoiled = np.where(visible, images, 1e6)
    train = rng.random((40, SIZE, SIZE))
    assert patch_neighbours(images, visible) == pytest.approx(np.where(visible, images, 0) + np.where(
        visible, 0, patch_neighbours(spoiled, visible)))  # fmt: skip
    filled = pca_fill(train, images, visible, 10)
    assert np.array_equal(filled[~visible], pca_fill(train, spoiled, visible, 10)[~visible])


def test_neighbours_of_a_flat_image_are_it():
    images, visible = np.full((8, SIZE, SIZE), 3.0), _visible(mask_ratio=0.9)
    assert patch_neighbours(images, visible) == pytest.approx(images)


def test_components_fill_what_they_span():
    """Images of three components, of which most pixels are hidden; against scikit-learn's own fit."""
    rng = np.random.default_rng(0)
    basis = rng.standard_normal((3, SIZE, SIZE))
    images = np.einsum("nk,khw->nhw", rng.standard_normal((68, 3)), basis) + 2
    filled = pca_fill(images[:60], images[60:], _visible(), n_components=3)
    assert filled == pytest.approx(images[60:], abs=1e-3)
    full = np.ones((8, SIZE, SIZE), bool)
    full[:, 0, 0] = False
    noisy = images + 0.1 * rng.standard_normal(images.shape)
    pca = PCA(3).fit(noisy[:60].reshape(60, -1))
    expected = pca.inverse_transform(pca.transform(noisy[60:].reshape(8, -1))).reshape(8, SIZE, SIZE)
    found = pca_fill(noisy[:60], noisy[60:], full, n_components=3, ridge=0.0)
    assert found[:, 0, 0] == pytest.approx(expected[:, 0, 0], abs=0.02)


def test_partner_beyond_the_image_is_not_visible():
    visible = np.ones((1, 5, 5), bool)
    seen = partner_visible(visible, np.array([[1.0, 2.0]]))
    assert seen[0].tolist() == [[True, True, True, False, False]] * 5


def test_overlap_of_nothing_is_unknown():
    nothing = np.zeros((2, 4, 4), bool)
    one = nothing.copy()
    one[1, 0, :2] = True
    assert np.isnan(intersection_over_union(nothing, nothing, ~nothing)[0])
    assert intersection_over_union(one, np.roll(one, 1, 2), ~nothing)[1] == pytest.approx(1 / 3)


def test_average_precision_is_scikit_learns_class_by_class():
    labels = np.array([0, 0, 1, 1, 1])
    scores = np.array([[0.9, 0.1, 0], [0.4, 0.6, 0], [0.5, 0.5, 0], [0.1, 0.9, 0], [0.2, 0.8, 0]])
    found = average_precision_per_class(labels, scores)
    assert found[0] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3) and found[1] > 0.8 and np.isnan(found[2])
