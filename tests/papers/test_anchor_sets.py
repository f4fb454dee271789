"""Image sets cut into parts, and what the networks read of them."""

import dataclasses

import numpy as np
import pytest
import torch

from astrolib import profiles
from astrolib.papers.anchor_sets import Sets, binned, cropped, keys_of, turned

SETTINGS = dataclasses.replace(profiles.load("smallest").anchor.data, n_sets=120, n_wide=6)


@pytest.fixture(scope="module")
def data():
    return Sets(SETTINGS)


def test_parts_share_no_set_and_held_out_sky_no_block(data):
    splits, group = data.splits, data.sets.group
    parts = [splits[name] for name in ("train", "validation", "nearby", "held out")]
    everything = np.concatenate(parts)
    assert sorted(everything) == list(range(len(data.sets)))
    assert not set(group[splits["held out"]]) & set(group[np.concatenate(parts[:3])])
    assert sorted(splits["test"]) == sorted([*splits["nearby"], *splits["held out"]])


def test_networks_see_asinh_of_significance(data):
    (batch,) = data.batches(data.sets.subset(np.arange(5)), 8).epoch()
    expected = np.arcsinh(data.sets.images[:5] / 3)
    np.testing.assert_allclose(batch["images"].numpy(), expected, rtol=1e-3, atol=1e-3)
    assert batch["geo"].shape == (5, 4, 256) and set(batch["geo"].unique().tolist()) == {0.0, 1.0}
    np.testing.assert_allclose(batch["pixel_scale"][0], data.sets.pixel_scale, rtol=1e-6)


def test_place_is_cut_off_at_an_order(data):
    (batch,) = data.batches(data.sets, 200, order=3).epoch()
    assert not batch["geo"].unflatten(-1, (4, 64))[..., 4 + 2 * 3 :].any()


def test_single_images_are_sets_of_their_own(data):
    few = data.sets.subset(np.arange(3))
    (batch,) = data.batches(few, 100, single=True).epoch()
    (together,) = data.batches(few, 100).epoch()
    assert batch["images"].shape[:2] == (12, 1)
    for name in ("images", "geo", "key", "pixel_scale", "wavelength"):
        assert torch.equal(batch[name][:, 0], together[name].flatten(0, 1)), name


def test_keys_tell_what_is_alike(data):
    sets = data.sets
    survey, epoch, bands = (keys_of(sets, key) for key in ("survey", "epoch", "bands"))
    assert [list(row) for row in np.unique(epoch, axis=0)] == [list(sets.epoch)]
    same = np.array([[a == b for a in sets.survey] for b in sets.survey])
    assert ((survey[:, :, None] == survey[:, None, :]) == same).all()
    equal = (np.sort(sets.band, axis=2)[:, :, None] == np.sort(sets.band, axis=2)[:, None]).all(axis=-1)
    assert ((bands[:, :, None] == bands[:, None, :]) == equal).all()
    assert 0 < (bands[:, 1] == bands[:, 0]).sum() < len(sets)  # sometimes the second survey shows grz
    with pytest.raises(ValueError, match="one of survey, epoch, bands"):
        keys_of(sets, "colour")


def test_no_two_images_are_of_the_anchors_survey(data):
    assert list(data.sets.survey).count(data.sets.survey[0]) == 1


def test_all_images_of_a_set_are_turned_alike():
    generator = torch.Generator().manual_seed(0)
    one = torch.arange(16.0).reshape(1, 1, 1, 4, 4)
    images = one.expand(200, 3, 2, 4, 4)
    made = turned(images, generator)
    assert torch.equal(made, made[:, :1, :1].expand_as(made))
    assert len({tuple(row.flatten().tolist()) for row in made[:, 0, 0]}) == 8
    assert torch.equal(made.flatten(3).sort(dim=3).values, images.flatten(3).sort(dim=3).values)


def test_twice_the_pixel_scale_keeps_flux_and_white_noise(data):
    usual, doubled = data.wide["as trained"], data.wide["doubled"]
    assert usual.images.shape == doubled.images.shape == (6, 4, 3, 32, 32)
    np.testing.assert_allclose(doubled.pixel_scale, 2 * usual.pixel_scale)
    flux = [
        (part.images * part.noise[..., None, None])[:, 2, :, 8:-8, 8:-8] for part in (doubled, usual)
    ]  # nanomaggies of a galaxy that is well inside both
    assert flux[0].sum() == pytest.approx(flux[1].sum(), rel=0.1)
    corner = doubled.images[:, 2, :, :6, :6]  # of the coarsest survey: empty
    assert corner.std() == pytest.approx(1, abs=0.06)


def test_masks_are_binned_and_cropped_with_the_pixels(data):
    sets = data.sets.subset(np.arange(4))
    assert cropped(sets).source_mask.shape == binned(sets).source_mask.shape == (4, 4, 16, 16)
    blocks = sets.source_mask.reshape(4, 4, 16, 2, 16, 2).any(axis=(3, 5))
    assert (binned(sets).source_mask == blocks).all()
