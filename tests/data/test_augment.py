import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms import functional as TF

from astrolib.data.augment import GalaxyView, centre_crop, rotate_crop

STILL = torch.zeros(4, 2, dtype=torch.bool)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def stamps(size=48, n=4):
    return torch.randn(n, 5, size, size, generator=generator(1))


def gaussian(size=48, sigma=3.0, offset=(0.0, 0.0)):
    """One round source, off the centre by (x, y) pixels."""
    pixels = torch.arange(size) - (size - 1) / 2
    x, y = pixels[None, :] - offset[0], pixels[:, None] - offset[1]
    return torch.exp(-(x**2 + y**2) / (2 * sigma**2)).expand(1, 1, size, size)


@pytest.mark.parametrize(("size", "first"), [(48, 8), (64, 16), (51, 9), (32, 0)])
def test_centre_crop_is_slicing(size, first):
    images = stamps(size)
    assert torch.equal(centre_crop(images, 32), images[:, :, first : first + 32, first : first + 32])


def test_centre_crop_larger_than_the_image_is_refused():
    with pytest.raises(ValueError, match="30 x 30 pixels cannot be cropped to 32 x 32"):
        centre_crop(stamps(30), 32)


@pytest.mark.parametrize("size", [48, 51, 64])
def test_a_view_with_all_off_is_the_centre_crop(size):
    images = stamps(size)
    assert torch.equal(GalaxyView(rotation=0.0, flips=False)(images, generator()), centre_crop(images, 32))
    turned_by_nothing = rotate_crop(images, torch.zeros(4), STILL, 32)
    torch.testing.assert_close(turned_by_nothing, centre_crop(images, 32), rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [48, 51])
@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
def test_quarter_turns_are_exact(size, turns, interpolation):
    images = stamps(size)
    expected = centre_crop(torch.rot90(images, turns, dims=(2, 3)), 32)
    turned = rotate_crop(images, torch.full((4,), 90.0 * turns), STILL, 32, interpolation)
    torch.testing.assert_close(turned, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("size", [48, 51])
@pytest.mark.parametrize("angle", [-45.0, -10.0, 3.7, 30.0])
def test_rotation_is_that_of_torchvision(size, angle):
    images = stamps(size)
    expected = centre_crop(TF.rotate(images, angle, interpolation=InterpolationMode.BILINEAR), 32)
    torch.testing.assert_close(
        rotate_crop(images, torch.full((4,), angle), STILL, 32), expected, rtol=0, atol=2e-4
    )


def test_nearest_takes_stored_values_only():
    images = stamps()
    turned = rotate_crop(images, torch.full((4,), 30.0), STILL, 32, "nearest")
    assert torch.isin(turned, images).all()
    oracle = centre_crop(TF.rotate(images, 30.0, interpolation=InterpolationMode.NEAREST), 32)
    assert (turned == oracle).float().mean() > 0.999  # a pixel on an edge may round either way


@pytest.mark.parametrize("size", [48, 51])
def test_every_image_has_its_own_angle_and_flips(size):
    images, angles = stamps(size), torch.tensor([0.0, 20.0, -20.0, 45.0])
    flips = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0]], dtype=torch.bool)
    together = rotate_crop(images, angles, flips, 32)
    for i in range(4):
        alone = rotate_crop(images[i : i + 1], angles[i : i + 1], STILL[:1], 32)[0]
        alone = alone.flip(-1) if flips[i, 0] else alone
        alone = alone.flip(-2) if flips[i, 1] else alone
        torch.testing.assert_close(together[i], alone, rtol=0, atol=2e-4)


@pytest.mark.parametrize("angle", [-45.0, 17.0, 33.0])
def test_rotation_conserves_flux_and_moves_a_source_counter_clockwise(angle):
    galaxy = gaussian(offset=(5.0, 0.0), sigma=2.5)
    turned = rotate_crop(galaxy, torch.tensor([angle]), STILL[:1], 32)
    assert turned.sum().item() == pytest.approx(galaxy.sum().item(), rel=0.01)
    pixels = torch.arange(32) - 15.5
    x = (turned[0, 0].sum(0) * pixels).sum() / turned.sum()
    y = (turned[0, 0].sum(1) * pixels).sum() / turned.sum()
    radians = torch.deg2rad(torch.tensor(angle))
    assert (x.item(), y.item()) == pytest.approx(
        (5 * radians.cos().item(), -5 * radians.sin().item()), abs=0.02
    )


def test_a_stamp_larger_by_sqrt_2_leaves_no_empty_corner():
    ones = torch.ones(64, 1, 48, 48)
    torch.testing.assert_close(GalaxyView(crop=32)(ones, generator()), torch.ones(64, 1, 32, 32))
    assert (GalaxyView(crop=32)(ones[..., :32, :32], generator()) == 0).any()  # filled with zeros


def test_angles_are_uniform_and_flips_fair():
    """Found from a source off the centre: its direction after the view."""
    n, pixels = 4000, torch.arange(32) - 15.5
    view = GalaxyView(crop=32, rotation=45.0, flips=False)(
        gaussian(offset=(8.0, 0.0)).expand(n, 1, 48, 48), generator()
    )
    angles = torch.rad2deg(
        torch.atan2(-(view.sum(3) * pixels).sum((1, 2)), (view.sum(2) * pixels).sum((1, 2)))
    )
    assert angles.abs().max() < 45.5
    assert torch.histc(angles, 9, -45, 45).min() > 0.85 * n / 9
    assert abs(angles.mean().item()) < 4 * 26 / n**0.5
    corner = torch.zeros(1, 1, 32, 32)
    corner[..., 0, 0] = 1
    view = GalaxyView(crop=32, rotation=0.0)(corner.expand(n, 1, 32, 32), generator())
    for row in (0, -1):
        for column in (0, -1):
            assert view[:, 0, row, column].mean().item() == pytest.approx(0.25, abs=0.03)


@pytest.mark.parametrize("rotation", [0.0, 45.0])
def test_noise_adds_its_variance(rotation):
    view = GalaxyView(crop=32, rotation=rotation, noise_std=0.2)(torch.zeros(64, 5, 48, 48), generator())
    assert view.std().item() == pytest.approx(0.2, rel=0.01) and abs(view.mean().item()) < 0.002
    assert (view[:, 0] * view[:, 1]).mean().abs() < 0.001  # independent from band to band


def test_a_view_follows_from_the_generator_alone():
    images, view = stamps(), GalaxyView(noise_std=0.1)
    assert torch.equal(view(images, generator(7)), view(images, generator(7)))
    assert not torch.equal(view(images, generator(7)), view(images, generator(8)))
