"""Resampling of image batches: turned, scaled, shifted and cropped in one step; blurred; reduced."""

import math
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F


def resample(
    images: Tensor, crop: int, *, angles: Tensor, flips: Tensor, sizes: Tensor, shifts: Tensor
) -> Tensor:
    """Rotate and scale about the image centre, crop the central square, mirror it, shift it: one resampling.

    Parameters
    ----------
    images : Tensor, shape (B, C, H, W)
    crop : int
        Side of the crop [pixels].
    angles : Tensor, shape (B,)
        Counter-clockwise as displayed with row 0 on top [degrees], as in `augment.rotate_crop`.
    flips : Tensor of bool, shape (B, 2)
        Mirror left-right, mirror top-bottom.
    sizes : Tensor, shape (B,)
        Factor by which everything in the image grows. Pixel values stay what they were: divide by its
        square to keep the total flux.
    shifts : Tensor, shape (B, 2)
        Where the centre of the image ends up, to the right and downwards of the crop's [pixels of the crop].

    Returns
    -------
    Tensor, shape (B, C, crop, crop)
        Bilinear. What would lie outside the image is reflected at its edge: no corner is empty, and no edge
        tells the angle.

    Notes
    -----
    No pixel is reflected if the images have a side of at least
    ``sqrt(2) * (crop + 2 * max(shifts)) / min(sizes)``, e.g. 60 pixels for a crop of 32, shifts up to 3 and
    sizes down to 0.9. A size below 1 takes fewer samples than there are pixels, so that noise and structure
    of one pixel are aliased; down to about 0.75 this is slight.
    """
    n, channels, height, width = images.shape
    # Affine grids in square pixels: the image's outer edges are at -1 and 1 (align_corners=False).
    # A crop of other parity than the image is centred half a pixel off the centre of rotation.
    off_y, off_x = ((edge - crop) // 2 - (edge - crop) / 2 for edge in (height, width))
    radians = angles * (math.pi / 180)
    cos, sin = radians.cos() / sizes, radians.sin() / sizes
    flip_x, flip_y = (1.0 - 2.0 * flips.to(images.dtype)).unbind(dim=1)  # -1 mirrors
    centre_x, centre_y = off_x - flip_x * shifts[:, 0], off_y - flip_y * shifts[:, 1]
    row_x = [
        cos * flip_x * (crop / width),
        -sin * flip_y * (crop / width),
        (cos * centre_x - sin * centre_y) * (2 / width),
    ]
    row_y = [
        sin * flip_x * (crop / height),
        cos * flip_y * (crop / height),
        (sin * centre_x + cos * centre_y) * (2 / height),
    ]
    theta = torch.stack([torch.stack(row_x, dim=1), torch.stack(row_y, dim=1)], dim=1)  # (B, 2, 3)
    grid = F.affine_grid(theta, [n, channels, crop, crop], align_corners=False)  # (B, crop, crop, 2)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


@lru_cache(maxsize=16)
def _cosines(n: int, device: torch.device) -> Tensor:
    """Orthonormal discrete cosine transform (DCT-II) of n points, (n, n): frequencies in rows."""
    k, i = torch.arange(n, device=device, dtype=torch.float64)[:, None], torch.arange(n, device=device)
    cosines = torch.cos(math.pi * k * (i + 0.5) / n) * math.sqrt(2 / n)
    cosines[0] = math.sqrt(1 / n)
    return cosines.float()


def _blurring(sigma: Tensor, n: int) -> Tensor:
    """Matrices (B * C, n, n) that blur n points with reflecting ends; symmetric, rows add to 1."""
    cosines = _cosines(n, sigma.device)
    frequency = torch.arange(n, device=sigma.device) * (math.pi / n)
    damping = torch.exp(-sigma.reshape(-1, 1).square() * (1 - frequency.cos()))  # (B * C, n)
    return (damping[:, None, :] * cosines.T) @ cosines


def gaussian_blur(images: Tensor, sigma: Tensor) -> Tensor:
    """Blur every image and channel with a Gaussian of its own width.

    Parameters
    ----------
    images : Tensor, shape (B, C, H, W)
    sigma : Tensor, shape (B, C)
        Standard deviation [pixels]; 0 leaves the channel exactly as it is.

    Returns
    -------
    Tensor, shape (B, C, H, W)

    Notes
    -----
    The kernel is the discrete Gaussian (Lindeberg 1990, IEEE TPAMI 12, 234), whose variance is sigma^2 for
    every sigma and which adds in quadrature exactly. A Gaussian sampled at whole pixels is too narrow below
    0.6 pixels: at 0.3 its variance is a twelfth of what was asked.
    Images are reflected at their edges, so that total flux is kept and a constant image stays constant.
    The blur is two batched matrix products, K_y X K_x, which a CPU does faster than a grouped convolution.

    Examples
    --------
    >>> point = torch.zeros(1, 1, 33, 33)
    >>> point[..., 16, 16] = 1.0
    >>> profile = gaussian_blur(point, torch.full((1, 1), 0.5)).sum(dim=2).squeeze()
    >>> round((profile * (torch.arange(33) - 16) ** 2).sum().item(), 3)
    0.25
    """
    height, width = images.shape[-2:]
    columns = _blurring(sigma, width)
    rows = columns if height == width else _blurring(sigma, height)
    blurred = torch.bmm(torch.bmm(rows, images.reshape(-1, height, width)), columns).view(images.shape)
    return torch.where((sigma > 0)[:, :, None, None], blurred, images)


@lru_cache(maxsize=16)
def _averaging(n: int, zoom: float, device: torch.device) -> Tensor:
    """Overlap of n pixels with the larger ones of the reduced image, (n * zoom, n): rows add to 1."""
    n_out = int(n * zoom + 1e-6)
    edges = (torch.arange(n_out + 1, dtype=torch.float64) - n_out / 2) / zoom + n / 2  # in input pixels
    pixels = torch.arange(n)
    overlap = torch.minimum(edges[1:, None], pixels + 1) - torch.maximum(edges[:-1, None], pixels)
    return (overlap.clamp(min=0) * zoom).float().to(device)


def reduce(images: Tensor, zoom: float) -> Tensor:
    """Fewer pixels, each the average of the area it covers; no aliasing beyond that of the larger pixels.

    Parameters
    ----------
    images : Tensor, shape (B, C, H, W)
    zoom : float
        Output pixels per input pixel, at most 1. The result is centred; where H * zoom is not a whole number,
        the rest at the edge is left out.

    Returns
    -------
    Tensor, shape (B, C, H * zoom, W * zoom)

    Examples
    --------
    >>> reduce(torch.arange(16.0).reshape(1, 1, 4, 4), 0.5)
    tensor([[[[ 2.5000,  4.5000],
              [10.5000, 12.5000]]]])
    """
    if zoom == 1:
        return images
    rows, columns = (_averaging(n, zoom, images.device) for n in images.shape[-2:])
    return rows @ (images @ columns.T)
