import pytest
import torch

from astrolib.models.masking import (
    Mask,
    RadialMask,
    RandomMask,
    n_open_sectors,
    radial_visibility,
    sector_of,
    uniform_visibility,
)


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


# ---------------------------------------------------------------- sectors (R-MAE)

GRID = (8, 8)
RADII = torch.tensor([[2.0, 3.5]])


def _radial(n_images=50, seed=0, radii=RADII, phase=None, **options):
    masking = RadialMask(GRID, **{"n_sectors": 12, "mask_ratio": 0.75} | options)
    generator = torch.Generator().manual_seed(seed)
    radii = None if radii is None else radii.expand(n_images, -1)
    return masking(n_images, 64, generator=generator, radii=radii, phase=phase)


@pytest.mark.parametrize("angular", [True, False])
@pytest.mark.parametrize("range_aware", [True, False])
def test_every_kind_shows_exactly_as_many_patches_as_random_masking(angular, range_aware):
    mask = _radial(angular=angular, range_aware=range_aware)
    assert mask.keep.shape == (50, 16) and (mask.mask.sum(1) == 48).all()
    assert not mask.mask.gather(1, mask.keep).any()
    tokens = torch.arange(64).expand(50, -1)
    assert torch.equal(mask.restore.gather(1, mask.keep), tokens[:, :16])
    assert len(torch.unique(mask.mask, dim=0)) == 50  # one for each image (fault 4)


def test_all_visible_patches_but_of_one_sector_fill_their_sectors():
    phase = torch.linspace(0, 6, 50)
    mask = _radial(phase=phase)
    y, x = torch.meshgrid(torch.arange(8) - 3.5, torch.arange(8) - 3.5, indexing="ij")
    sector = sector_of(x.reshape(1, -1).expand(50, -1), y.reshape(1, -1).expand(50, -1), 12, phase)
    for k in range(50):
        sizes = torch.bincount(sector[k], minlength=12)
        shown = torch.bincount(sector[k][~mask.mask[k]], minlength=12)
        partly = (shown > 0) & (shown < sizes)
        assert partly.sum() <= 1


@pytest.mark.parametrize("range_aware", [True, False])
def test_turning_the_image_turns_the_mask(range_aware):
    """By a quarter, with the same draws: rotating the image and its sectors rotates the mask exactly."""
    n = 20
    noise = torch.rand(n, 12 + 2 * 64 + 1, generator=torch.Generator().manual_seed(1))
    sectors, within, survival, turn = noise.split((12, 64, 64, 1), dim=1)

    def turned(values):  # as seen on an image rotated by 90 degrees
        return values.view(n, 8, 8).rot90(1, (1, 2)).reshape(n, 64)

    radial = RadialMask(GRID, 12, 0.75, range_aware=range_aware)
    phase, radii = 6.2832 * turn[:, 0] + 0.05, RADII.expand(n, -1)
    before = radial(n, 64, noise=noise, phase=phase, radii=radii)
    again = torch.cat([sectors, turned(within), turned(survival), turn], dim=1)
    after = radial(n, 64, noise=again, phase=phase - torch.pi / 2, radii=radii)
    assert torch.equal(turned(before.mask), after.mask)


def test_range_aware_masks_look_further_out():
    y, x = torch.meshgrid(torch.arange(8) - 3.5, torch.arange(8) - 3.5, indexing="ij")
    radius = torch.hypot(x, y).flatten()
    shown = {
        aware: ((~_radial(4000, range_aware=aware, angular=False).mask).float() * radius).sum(1).mean() / 16
        for aware in (False, True)
    }
    assert shown[False] == pytest.approx(float(radius.mean()), abs=0.02)
    # survival 0.25, 0.45, 0.65 in the three zones: the mean radius of what survives
    chance = 0.25 + 0.2 * (radius[:, None] > RADII).sum(1)
    assert shown[True] == pytest.approx(float((radius * chance).sum() / chance.sum()), abs=0.05)


def test_sectors_are_about_the_centre_that_is_given():
    """The released code measures angles from a corner of the grid (fault 1)."""
    far = torch.tensor([[-100.0, 3.5]]).expand(200, -1)
    masking = RadialMask(GRID, 4, 0.75)
    phase = torch.full((200,), -torch.pi / 4)
    mask = masking(200, 64, generator=torch.Generator().manual_seed(0), centre=far, phase=phase)
    counts = (~mask.mask).float().mean(0)  # all patches lie in one sector: as random masking
    assert counts.min() > 0.1 and counts.max() < 0.45


@pytest.mark.parametrize(
    ("mask_ratio", "exact", "kept"), [(0.7, 0.177, 11), (0.8, 0.0932, 7), (0.9, 0.0421, 4)]
)
def test_visible_fraction_of_the_two_stages(mask_ratio, exact, kept):
    """On a disc, against the integral (card, section 2.4)."""
    assert n_open_sectors(36, mask_ratio) == kept
    radii = torch.tensor([[0.4 * 31, 0.667 * 31]]).expand(600, -1)
    visible = radial_visibility(
        (63, 63),
        torch.full((600, 2), 31.0),
        mask_ratio,
        36,
        radii=radii,
        generator=torch.Generator().manual_seed(0),
    )
    y, x = torch.meshgrid(torch.arange(63.0) - 31, torch.arange(63.0) - 31, indexing="ij")
    found = visible[:, 0][:, torch.hypot(x, y) <= 31].float().mean()
    assert found == pytest.approx(exact, rel=0.02)


def test_visible_pixels_lie_in_the_sectors_that_stay():
    centre, phase = torch.tensor([[15.0, 12.0]]).expand(30, -1), torch.linspace(0, 3, 30)
    visible = radial_visibility((32, 32), centre, 0.8, 12, phase=phase)
    y, x = torch.meshgrid(torch.arange(32.0) - 12, torch.arange(32.0) - 15, indexing="ij")
    sector = sector_of(x.reshape(1, -1).expand(30, -1), y.reshape(1, -1).expand(30, -1), 12, phase)
    for k in range(30):
        assert len(torch.unique(sector[k][visible[k].flatten()])) == 2  # round(0.2 * 12)


@pytest.mark.parametrize(("n_sectors", "mask_ratio", "kept"), [(90, 0.9, 9), (8, 0.9, 1), (8, 0.99, 1)])
def test_sectors_are_rounded_and_never_none(n_sectors, mask_ratio, kept):
    """The released code keeps 8 of 90, and none of 8 (faults 5 and 6)."""
    assert n_open_sectors(n_sectors, mask_ratio) == kept


def test_uniform_cells_show_the_fraction_asked_for():
    visible = uniform_visibility((32, 32), torch.tensor([0.25, 0.1, 0.0]), cell=4)
    assert visible.float().mean((1, 2, 3)).tolist() == pytest.approx([16 / 64, 6 / 64, 1 / 64])
    assert visible.unfold(2, 4, 4).unfold(3, 4, 4).float().mean((4, 5)).unique().tolist() == [0, 1]


def test_radial_masks_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="n_sectors must be at least 1"):
        RadialMask(GRID, 0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        RadialMask(GRID, 12, 1.0)
    with pytest.raises(ValueError, match="does not fit 60"):
        RadialMask(GRID, 12)(2, 60)
    with pytest.raises(ValueError, match="needs the two radii"):
        _radial(radii=None, range_aware=True)
