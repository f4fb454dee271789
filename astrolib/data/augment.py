"""Augmentation of galaxy images, a whole batch at a time on the device the images live on."""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

Interpolation = Literal["bilinear", "nearest"]


def centre_crop(images: Tensor, size: int) -> Tensor:
    """Central `size` x `size` pixels of images (..., H, W); an odd margin is one pixel less at the top left.

    Raises
    ------
    ValueError
        If the images are smaller than the crop.

    Examples
    --------
    >>> centre_crop(torch.arange(16).reshape(4, 4), 2)
    tensor([[ 5,  6],
            [ 9, 10]])
    """
    height, width = images.shape[-2:]
    if size > min(height, width):
        raise ValueError(f"Images of {height} x {width} pixels cannot be cropped to {size} x {size}.")
    top, left = (height - size) // 2, (width - size) // 2
    return images[..., top : top + size, left : left + size]


def rotate_crop(
    images: Tensor, angles: Tensor, flips: Tensor, size: int, interpolation: Interpolation = "bilinear"
) -> Tensor:
    """Rotate about the image centre, crop the central square, flip it: one resampling for all three.

    Parameters
    ----------
    images : Tensor, shape (B, C, H, W)
    angles : Tensor, shape (B,)
        Counter-clockwise as displayed with row 0 on top [degrees], as in torchvision and `torch.rot90`.
    flips : Tensor of bool, shape (B, 2)
        Mirror left-right, mirror top-bottom.
    size : int
        Side of the crop. Up to H / sqrt(2) the crop never reaches outside the image; what does is 0.
    interpolation : {"bilinear", "nearest"}

    Returns
    -------
    Tensor, shape (B, C, size, size)
    """
    n, channels, height, width = images.shape
    # Affine grids in square pixels: the image's outer edges are at -1 and 1 (align_corners=False).
    # A crop of other parity than the image is centred half a pixel off the centre of rotation.
    off_y, off_x = ((edge - size) // 2 - (edge - size) / 2 for edge in (height, width))
    radians = angles * (math.pi / 180)
    cos, sin = radians.cos(), radians.sin()
    flip_x, flip_y = (1.0 - 2.0 * flips.to(images.dtype)).unbind(dim=1)  # -1 mirrors
    row_x = [
        cos * flip_x * (size / width),
        -sin * flip_y * (size / width),
        (cos * off_x - sin * off_y) * (2 / width),
    ]
    row_y = [
        sin * flip_x * (size / height),
        cos * flip_y * (size / height),
        (sin * off_x + cos * off_y) * (2 / height),
    ]
    theta = torch.stack([torch.stack(row_x, dim=1), torch.stack(row_y, dim=1)], dim=1)  # (B, 2, 3)
    grid = F.affine_grid(theta, [n, channels, size, size], align_corners=False)  # (B, size, size, 2)
    return F.grid_sample(images, grid, mode=interpolation, padding_mode="zeros", align_corners=False)


@dataclass(frozen=True)
class GalaxyView:
    """A random view of each galaxy: rotated, cropped, mirrored, with a little more noise.

    The larger stamp is rotated and the crop taken from the result: it has no empty corners if the stamp is
    larger by sqrt(2) or more (48 pixels for a crop of 32).

    Parameters
    ----------
    crop : int
        Side of the view [pixels].
    rotation : float
        Angles are uniform in [-rotation, rotation] [degrees]; 0 for none.
    flips : bool
        Mirror left-right and top-bottom, each with probability 1/2.
    noise_std : float
        Standard deviation of the added Gaussian noise, in the units of the stored pixels [nanomaggies].
    interpolation : {"bilinear", "nearest"}

    Notes
    -----
    AstroMAE (arXiv:2409.01825) rotates "at 45 degrees", flips both ways and, for fine-tuning only, adds noise
    of 0.05 or 0.20. The rotation is read as torchvision's ``RandomRotation(45)``.

    Examples
    --------
    >>> stamps = torch.rand(8, 5, 48, 48)
    >>> GalaxyView(crop=32)(stamps, torch.Generator().manual_seed(0)).shape
    torch.Size([8, 5, 32, 32])
    """

    crop: int = 32
    rotation: float = 45.0
    flips: bool = True
    noise_std: float = 0.0
    interpolation: Interpolation = "bilinear"

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        """(B, C, H, W) to (B, C, crop, crop); `generator` is on the device of the images."""
        n, device = len(images), images.device
        if self.flips:
            flips = torch.rand(n, 2, generator=generator, device=device) < 0.5
        else:
            flips = torch.zeros(n, 2, dtype=torch.bool, device=device)
        if self.rotation:
            angles = self.rotation * (2 * torch.rand(n, generator=generator, device=device) - 1)
            view = rotate_crop(images, angles, flips, self.crop, self.interpolation)
        else:  # nothing to resample: the pixels stay exactly what they were
            view = centre_crop(images, self.crop)
            for axis, flip in ((-1, flips[:, 0]), (-2, flips[:, 1])):
                view = torch.where(flip[:, None, None, None], view.flip(axis), view) if self.flips else view
        if self.noise_std:
            view = view + self.noise_std * torch.randn(
                view.shape, generator=generator, device=device, dtype=view.dtype
            )
        return view
