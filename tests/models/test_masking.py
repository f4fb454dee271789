import pytest
import torch

from astrolib.models.masking import Mask, RandomMask


def test_each_image_hides_the_asked_fraction_and_its_own_patches():
    mask = RandomMask(0.75)(64, 16, generator=torch.Generator().manual_seed(0))
    assert mask.keep.shape == (64, 4)
    assert mask.mask.dtype == torch.bool
    assert (mask.mask.sum(1) == 12).all()
    assert len({tuple(row) for row in mask.mask.tolist()}) > 50


def test_keep_mask_and_restore_tell_the_same_story():
    mask = RandomMask(0.6)(8, 10, generator=torch.Generator().manual_seed(1))
    assert not mask.mask.gather(1, mask.keep).any()
    listed = torch.cat([mask.keep, torch.full((8, 6), -1)], dim=1)  # hidden patches last
    restored = listed.gather(1, mask.restore)
    assert torch.equal(restored < 0, mask.mask)
    assert torch.equal(restored[~mask.mask], torch.arange(10).expand(8, 10)[~mask.mask])


def test_all_patches_are_hidden_equally_often():
    hidden = RandomMask(0.75)(20_000, 16, generator=torch.Generator().manual_seed(2)).mask.float().mean(0)
    assert (hidden - 0.75).abs().max() < 5 * (0.75 * 0.25 / 20_000) ** 0.5


def test_the_generator_decides():
    draw = [RandomMask()(4, 16, generator=torch.Generator().manual_seed(s)).mask for s in (3, 3, 4)]
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2])


def test_a_ranking_keeps_the_lowest_scores_in_order():
    mask = Mask.from_ranking(torch.tensor([[0.3, 0.1, 0.9, 0.2]]), n_keep=2)
    assert mask.keep.tolist() == [[1, 3]]
    assert mask.mask.tolist() == [[True, False, True, False]]


@pytest.mark.parametrize(("ratio", "n_patches", "n_keep"), [(0.75, 16, 4), (0.8, 25, 5), (0.9, 16, 1)])
def test_number_of_visible_patches(ratio, n_patches, n_keep):
    assert RandomMask(ratio)(1, n_patches).keep.shape == (1, n_keep)


def test_impossible_ratios_say_why():
    with pytest.raises(ValueError, match="between 0 and 1"):
        RandomMask(1.0)
    with pytest.raises(ValueError, match="leaves 0 of 16 patches visible"):
        RandomMask(0.99)(1, 16)
