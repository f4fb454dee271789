"""What radial masking knows of images: centres turn along, noise is as it says, light comes back."""

import numpy as np
import pytest
import torch
from astropy.table import Table

from astrolib import profiles
from astrolib.data.image_survey import ImageSurvey
from astrolib.papers import radial_images
from astrolib.papers.images import Images
from astrolib.papers.radial_images import DEGRADED, NULL, OBSERVED, make_scene, turned

SIDE = 48


def images_of(pixels: np.ndarray, noise: np.ndarray | None) -> Images:
    """The door to a made-up survey."""
    n, channels = pixels.shape[:2]
    images = Images(profiles.load("smallest").radial.data)
    names = ("u", "g", "r", "i", "z") if channels == 5 else ("R", "G", "B")
    label = np.arange(n) % 2
    about = (Table({"id": [f"galaxy {k}" for k in range(n)]}), "simulated blobs", noise, None)
    survey = ImageSurvey(pixels, names, label, ("a", "b"), np.arange(n), {}, *about)
    images.__dict__["survey"] = survey
    return images


def blobs(n: int = 12, seed: int = 0) -> np.ndarray:
    """Elongated blobs with some noise, off the middle by up to two pixels, (n, 5, SIDE, SIDE)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    dx, dy = rng.uniform(-2, 2, (2, n, 1, 1))
    light = 30 * np.exp(-((x - dx) ** 2 / 50 + (y - dy) ** 2 / 18))
    return (light[:, None] + rng.normal(0, 1, (n, 5, SIDE, SIDE))).astype(np.float32)


def test_the_centre_turns_with_the_image():
    n = 64
    offset = torch.tensor([[5.0, -2.0]]).expand(n, 2)
    images = torch.zeros(n, 1, 21, 21)
    images[:, :, 10 - 2, 10 + 5] = 1.0
    generator = torch.Generator().manual_seed(0)
    made, occupied, moved = turned(images, images > 0, offset, generator)
    row, column = (made.flatten(1).argmax(1) // 21, made.flatten(1).argmax(1) % 21)
    assert torch.equal(torch.stack([column, row], 1) - 10, moved.long())
    assert torch.equal(occupied, made > 0)
    assert len({tuple(pair) for pair in moved.tolist()}) == 8  # all orientations occur


def test_pixels_lead_back_to_the_light_they_were_made_from():
    images, rows = images_of(blobs(), np.ones(5, np.float32)), np.arange(4, 9)
    scene = make_scene(images, OBSERVED, 3.0)
    back = scene.compressed_of(scene.pixels[rows].float(), rows)
    assert np.abs(back - scene.compressed(rows)).max() < 0.01
    guess = scene.occupied_in(scene.compressed(rows), rows, 3.0)
    assert np.mean(guess == scene.occupied[rows]) > 0.999
    assert np.allclose(scene.noise, np.sqrt(5))


def test_the_degraded_survey_has_the_noise_it_says():
    rng = np.random.default_rng(1)
    noise = np.array([0.5, 1, 2, 3, 4], np.float32)
    sky = (noise[:, None, None] * rng.standard_normal((40, 5, SIDE, SIDE))).astype(np.float32)
    scene = make_scene(images_of(sky, noise), DEGRADED, 3.0)
    assert scene.light.std() == pytest.approx(float(scene.noise[0]), rel=0.02)
    assert scene.noise[0] > 2 * np.sqrt(np.square(noise).sum())


def test_the_null_keeps_every_pixel_and_the_profile():
    images = images_of(blobs(), np.ones(5, np.float32))
    seen, null = (make_scene(images, state, 3.0) for state in (OBSERVED, NULL))
    assert np.allclose(np.sort(seen.light.reshape(12, -1)), np.sort(null.light.reshape(12, -1)), atol=1e-4)
    assert np.allclose(seen.radii, null.radii, atol=1.5)
    assert np.abs(seen.light - null.light).max() > 10


def test_display_images_lose_their_sky():
    rng = np.random.default_rng(2)
    light = blobs()[:, :3] * 4 + 40 + rng.normal(0, 2, (12, 3, SIDE, SIDE))
    scene = make_scene(images_of(np.clip(light, 0, 255).astype(np.uint8), None), OBSERVED, 3.0)
    edge = scene.light[:, :2].reshape(12, -1)
    assert np.abs(np.median(edge, axis=1)).max() < 0.01
    assert (scene.noise >= radial_images.LEAST_NOISE).all() and scene.is_display
    rows = np.arange(3)
    back = scene.compressed_of(scene.pixels[rows].float(), rows)
    assert np.abs(back - scene.compressed(rows)).max() < 0.05


def test_batches_name_the_true_centre_unless_asked_not_to():
    scene = make_scene(images_of(blobs(), np.ones(5, np.float32)), OBSERVED, 3.0)
    label, rows = np.zeros(12, np.int64), np.arange(12)
    (batch,) = scene.batches(rows, 12, label=label).epoch(torch.Generator())
    assert np.allclose(batch["centre"], scene.centre, atol=1e-4)
    (wrong,) = scene.batches(rows, 12, label=label, centre_error=2.0).epoch(torch.Generator())
    off = (wrong["centre"] - batch["centre"]).abs()
    assert 0.5 < off.mean() < 1.5 and off.max() <= 2.0


def test_an_unknown_state_is_refused():
    with pytest.raises(ValueError, match="not 'foggy'"):
        make_scene(images_of(blobs(), np.ones(5, np.float32)), "foggy", 3.0)
