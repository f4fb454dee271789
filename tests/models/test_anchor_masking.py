"""Masks of image sets: counts, which images share a mask, and the faults of the released code."""

import pytest
import torch

from astrolib.models.anchor_masking import MODES, SetMask

N, KEEP = 64, 16
KEY = torch.tensor([[0, 0, 1, 1], [5, 2, 5, 2]])


def _draw(mode, key=KEY, seed=0):
    return SetMask(mode, 0.75)(key, N, generator=torch.Generator().manual_seed(seed))


def _by_image(mask, n_images=4):
    return mask.mask.unflatten(1, (n_images, N))


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_hides_the_same_number_of_patches(mode):
    mask = _draw(mode)
    assert mask.keep.shape == (2, 4 * KEEP)
    assert (mask.mask.sum(1) == 4 * (N - KEEP)).all()


@pytest.mark.parametrize("mode", ["same", "hybrid", "anchor"])
def test_every_image_keeps_its_share(mode):
    """The released code shows 147 of 588 tokens, all of them the anchor's (fault 1)."""
    assert (_by_image(_draw(mode)).sum(2) == N - KEEP).all()


@pytest.mark.parametrize("mode", MODES)
def test_restore_is_the_inverse(mode):
    """It takes the order for its own inverse, which is right at 87 % of the places (fault 2)."""
    mask = _draw(mode)
    tokens = torch.arange(4 * N).expand(2, -1)
    hidden = [tokens[k][mask.mask[k]] for k in range(2)]
    shown = torch.cat([mask.keep, torch.stack(hidden)], dim=1)
    place = mask.restore.gather(1, mask.keep)  # a visible token's place in [visible, hidden]
    assert torch.equal(place, torch.arange(4 * KEEP).expand(2, -1))
    assert torch.equal(shown.sort(dim=1).values, tokens)
    assert not mask.mask.gather(1, mask.keep).any()


def test_images_with_another_key_are_hidden_where_the_anchor_is():
    hidden = _by_image(_draw("anchor"))
    for row, key in enumerate(KEY):
        for image in range(1, 4):
            same = torch.equal(hidden[row, image], hidden[row, 0])
            assert same == bool(key[image] != key[0])


def test_one_key_for_all_is_independent_masks():
    """All images of one survey: the same as masked autoencoding of each (card, section 3.5, tests)."""
    hidden = _by_image(_draw("anchor", torch.zeros(500, 4, dtype=torch.long)))
    together = (hidden[:, 0] & hidden[:, 1]).float().mean()
    assert together == pytest.approx(0.75**2, abs=0.01)


def test_same_hides_the_same_patches():
    hidden = _by_image(_draw("same"))
    assert (hidden == hidden[:, :1]).all()


def test_hybrid_shares_half_of_what_is_visible():
    """The released code draws the second half and never uses it (fault 5)."""
    visible = ~_by_image(_draw("hybrid", torch.zeros(400, 4, dtype=torch.long)))
    shared = (visible[:, 0] & visible[:, 1]).sum(1).float()
    assert shared.min() >= KEEP // 2
    by_chance = (KEEP / 2) ** 2 / (N - KEEP / 2)  # of the others, roughly
    assert shared.mean() == pytest.approx(KEEP / 2 + by_chance, abs=0.5)
    assert (shared < KEEP).all()


def test_anchor_visible_shows_the_anchor_first():
    hidden = _by_image(_draw("anchor-visible"))
    assert not hidden[:, 0].any() and hidden[:, 1:].all()  # 4 x 16 visible patches are one image of 64


def test_random_shares_nothing_out():
    counts = _by_image(_draw("random", torch.zeros(300, 4, dtype=torch.long))).sum(2).float()
    assert counts.std() > 2  # hypergeometric: about 3


def test_draws_differ_between_sets_and_repeat_with_the_seed():
    one, again, other = (_draw("anchor", seed=seed).mask for seed in (1, 1, 2))
    assert torch.equal(one, again) and not torch.equal(one, other) and not torch.equal(one[0], one[1])


@pytest.mark.parametrize(("mode", "ratio"), [("every second", 0.75), ("anchor", 0.0), ("anchor", 1.0)])
def test_unusable_settings_are_refused(mode, ratio):
    with pytest.raises(ValueError, match="mode must be one of"):
        SetMask(mode, ratio)


def test_a_ratio_that_shows_nothing_is_refused():
    with pytest.raises(ValueError, match="leaves 0 of 4"):
        SetMask("anchor", 0.9)(KEY, 4)
