import math

import numpy as np
import pytest
import torch
from scipy import ndimage, special
from torch.nn import functional as F

from astrolib.data.augment import centre_crop, rotate_crop
from astrolib.data.resample import gaussian_blur, reduce, resample


def stamps(n=4, channels=2, size=48):
    return torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(1))


def geometry(n=4, angle=0.0, flips=(False, False), size=1.0, shift=(0.0, 0.0)):
    return {
        "angles": torch.full((n,), angle),
        "flips": torch.tensor([flips] * n),
        "sizes": torch.full((n,), size),
        "shifts": torch.tensor([shift] * n),
    }


@pytest.mark.parametrize("edge", [48, 51])
def test_without_size_and_shift_it_is_rotate_crop(edge):
    images = stamps(size=edge)
    angles = torch.tensor([0.0, 20.0, 133.0, -45.0])
    flips = torch.tensor([[1, 0], [0, 1], [1, 1], [0, 0]], dtype=torch.bool)
    view = resample(images, 32, angles=angles, flips=flips, sizes=torch.ones(4), shifts=torch.zeros(4, 2))
    torch.testing.assert_close(view, rotate_crop(images, angles, flips, 32), rtol=0, atol=2e-4)


@pytest.mark.parametrize("shift", [(3.0, 0.0), (0.0, -2.0), (-3.0, 1.0)])
def test_a_shift_of_whole_pixels_is_slicing(shift):
    images = stamps()
    right, down = (int(s) for s in shift)
    expected = images[..., 8 - down : 40 - down, 8 - right : 40 - right]
    view = resample(images, 32, **geometry(shift=shift))
    torch.testing.assert_close(view, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("flips", [(False, False), (True, False), (True, True)])
@pytest.mark.parametrize("angle", [0.0, 77.0])
@pytest.mark.parametrize("size", [0.8, 1.3])
def test_interpolation_and_reflected_edges_are_those_of_scipy(angle, flips, size):
    """The stamp hardly larger than the view: much of it is reflected."""
    image, shift = stamps(1, 1, 36), (2.5, -1.25)
    view = resample(image, 32, **geometry(1, angle, flips, size, shift))
    cos, sin = math.cos(math.radians(angle)) / size, math.sin(math.radians(angle)) / size
    turn = np.array([[cos, sin], [-sin, cos]])  # of (y, x)
    mirror = np.diag([-1.0 if flips[1] else 1.0, -1.0 if flips[0] else 1.0])
    centre = np.array([15.5 + shift[1], 15.5 + shift[0]])
    matrix = turn @ mirror
    expected = ndimage.affine_transform(
        image[0, 0].numpy(),
        matrix,
        offset=17.5 - matrix @ centre,
        output_shape=(32, 32),
        order=1,
        mode="reflect",
    )
    np.testing.assert_allclose(view[0, 0].numpy(), expected, rtol=0, atol=2e-4)


def test_no_corner_is_empty():
    view = resample(torch.ones(1, 1, 32, 32), 32, **geometry(1, 45.0, size=0.75, shift=(6.0, 6.0)))
    torch.testing.assert_close(view, torch.ones(1, 1, 32, 32))


@pytest.mark.parametrize("shape", [(32, 32), (21, 34)])
def test_blur_is_convolution_with_the_discrete_gaussian(shape):
    images = torch.randn(2, 2, *shape, generator=torch.Generator().manual_seed(1))
    sigma = torch.tensor([[0.1, 0.45], [1.0, 1.5]])
    blurred = gaussian_blur(images, sigma)
    for i in range(2):
        for c in range(2):
            kernel = special.ive(np.arange(-15, 16), sigma[i, c].item() ** 2)
            expected = images[i, c].double().numpy()
            for axis in (0, 1):
                expected = ndimage.convolve1d(expected, kernel, axis=axis, mode="reflect")
            np.testing.assert_allclose(blurred[i, c].numpy(), expected, rtol=0, atol=1e-5)


def test_blur_of_nothing_is_exactly_nothing():
    images, sigma = stamps(), torch.tensor([[0.0, 1.0]] * 4)
    blurred = gaussian_blur(images, sigma)
    assert torch.equal(blurred[:, 0], images[:, 0])
    assert not torch.isclose(blurred[:, 1], images[:, 1]).all()


def test_blur_keeps_flux_and_constants():
    sigma = torch.full((4, 2), 1.2)
    images = stamps().abs()
    torch.testing.assert_close(gaussian_blur(images, sigma).sum((2, 3)), images.sum((2, 3)))
    torch.testing.assert_close(gaussian_blur(torch.ones(4, 2, 32, 32), sigma), torch.ones(4, 2, 32, 32))


@pytest.mark.parametrize("sigma", [0.15, 0.3, 0.6, 1.0])
def test_variances_of_star_and_blur_add(sigma):
    pixels = torch.arange(33) - 16.0
    star = torch.exp(-(pixels**2 + pixels[:, None] ** 2) / (2 * 1.5**2)).expand(1, 1, 33, 33)
    variances = []
    for image in (star, gaussian_blur(star, torch.full((1, 1), sigma))):
        profile = image.sum(dim=2).squeeze().double()
        variances.append(((profile * pixels**2).sum() / profile.sum()).item())
    assert variances[1] - variances[0] == pytest.approx(sigma**2, rel=0.01)


def test_reducing_averages_areas():
    images = stamps(size=64)
    torch.testing.assert_close(reduce(images, 0.5), F.avg_pool2d(images, 2))
    fine = images.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3)  # 64 * 3 = 48 * 4
    torch.testing.assert_close(reduce(images, 0.75), F.avg_pool2d(fine, 4), rtol=0, atol=1e-5)
    assert reduce(images, 1.0) is images


def test_reducing_to_a_fraction_of_a_pixel_stays_centred():
    image = torch.zeros(1, 1, 11, 11)
    image[..., 5, 5] = 1.0
    small = reduce(image, 0.48)  # 5.28 pixels wide: 5 remain
    assert small.shape == (1, 1, 5, 5)
    assert small[..., 2, 2].item() == pytest.approx(0.48**2)
    assert small.sum().item() == pytest.approx(0.48**2)


def test_reducing_does_not_alias():
    """A pattern that alternates from pixel to pixel is grey from afar; taking every other pixel is not."""
    stripes = (torch.arange(64) % 2).float().expand(1, 1, 64, 64)
    torch.testing.assert_close(reduce(stripes, 0.5), torch.full((1, 1, 32, 32), 0.5))
    assert centre_crop(reduce(stripes, 0.75), 40).std() < 0.5 * stripes.std()
