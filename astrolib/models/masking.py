"""Which patches a masked autoencoder hides, and for networks that see pixels, which pixels.

A masking is any callable with the signature of `RandomMask.__call__` that returns a `Mask`. What it must know
of the patch grid or of the instrument belongs in its constructor, what it must know of each image (centre,
radii) in further keywords.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor


class Mask(NamedTuple):
    """Visible and hidden patches of a batch of images, each with N patches."""

    keep: Tensor  # (B, n_keep) indices of the visible patches, in the order in which the encoder sees them
    mask: Tensor  # (B, N) bool, True where hidden
    restore: Tensor  # (B, N) position of every patch in the list [visible, hidden]

    @classmethod
    def from_ranking(cls, scores: Tensor, n_keep: int) -> "Mask":
        """Keep the `n_keep` patches with the lowest score in each row of `scores` (B, N)."""
        order = scores.argsort(dim=1)
        restore = order.argsort(dim=1)
        return cls(keep=order[:, :n_keep], mask=restore >= n_keep, restore=restore)


class RandomMask:
    """Hide a fixed fraction of patches, drawn anew and uniformly for every image."""

    def __init__(self, mask_ratio: float = 0.75):
        self.mask_ratio = _checked(mask_ratio)

    def __call__(
        self,
        n_images: int,
        n_patches: int,
        *,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
        device: torch.device | str | None = None,
    ) -> Mask:
        """Draw from `generator` (on its own device), or rank the given `noise` (n_images, n_patches)."""
        n_keep = _n_visible(n_patches, self.mask_ratio)
        if noise is None:
            source = device if generator is None else generator.device
            noise = torch.rand(n_images, n_patches, generator=generator, device=source)
        return Mask.from_ranking(noise.to(device, non_blocking=True), n_keep)


OUTWARDS = 0.2
"""R-MAE's second stage: in an opened sector a cell stays with probability 1 - mask_ratio inside the first
radius, with this much more between the two, and with twice as much more beyond the second."""


class RadialMask:
    """Show sectors about the centre of an image, and hide the others (R-MAE, Tayebati et al. 2024).

    Sectors are opened in random order and the patches of each in random order, until exactly as many are
    visible as `RandomMask` would show: whatever is compared, it is compared at one visible fraction. The
    paper keeps a fixed number of sectors instead, and with it an uncontrolled fraction of the points.

    With `range_aware` the second stage follows: patches in an opened sector stay with a probability that
    grows outwards (`OUTWARDS`), so that more sectors open. With `angular=False` there is one sector, all of
    the image. Both off is `RandomMask`.
    """

    def __init__(
        self,
        grid_size: tuple[int, int],
        n_sectors: int = 36,
        mask_ratio: float = 0.75,
        *,
        angular: bool = True,
        range_aware: bool = False,
    ):
        if n_sectors < 1:
            raise ValueError(f"n_sectors must be at least 1, got {n_sectors}.")
        self.mask_ratio = _checked(mask_ratio)
        self.grid_size, self.range_aware = tuple(grid_size), range_aware
        self.n_sectors = n_sectors if angular else 1

    def __call__(
        self,
        n_images: int,
        n_patches: int,
        *,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
        device: torch.device | str | None = None,
        centre: Tensor | None = None,
        radii: Tensor | None = None,
        phase: Tensor | None = None,
    ) -> Mask:
        """As `RandomMask`; `noise` is (n_images, n_sectors + 2 * n_patches + 1).

        `centre` (B, 2), x and y, is in patches, by default the middle of the grid; `radii` (B, 2), also in
        patches, are needed for the second stage; `phase` (B,) is where the first sector begins [rad], by
        default random.
        """
        height, width = self.grid_size
        if height * width != n_patches:
            raise ValueError(f"A mask for {height} x {width} patches does not fit {n_patches} patches.")
        n_keep = _n_visible(n_patches, self.mask_ratio)
        sizes = (self.n_sectors, n_patches, n_patches, 1)
        if noise is None:
            source = device if generator is None else generator.device
            noise = torch.rand(n_images, sum(sizes), generator=generator, device=source)
        sectors, within, survival, turn = noise.to(device, non_blocking=True).split(sizes, dim=1)
        x, y = _positions(self.grid_size, centre, n_images, noise.to(device))
        phase = 2 * math.pi * turn[:, 0] if phase is None else phase
        sector = sector_of(x, y, self.n_sectors, phase)  # (B, N)
        opened = sectors.argsort(dim=1).argsort(dim=1)  # (B, S) when a sector opens
        scores = opened.gather(1, sector) + within
        if self.range_aware:
            if radii is None:
                raise ValueError("A range-aware mask needs the two radii of each image.")
            stays = survival < _survival(x, y, radii, self.mask_ratio)
            scores = torch.where(stays, scores, scores + self.n_sectors)  # after all others
        return Mask.from_ranking(scores, n_keep)


def sector_of(x: Tensor, y: Tensor, n_sectors: int, phase: Tensor) -> Tensor:
    """Number of the sector about the origin of points x, y (B, P); the first begins at `phase` (B,)."""
    turns = torch.remainder((torch.atan2(y, x) - phase[:, None]) / (2 * math.pi), 1.0)
    return (turns * n_sectors).long().clamp(max=n_sectors - 1)


def n_open_sectors(n_sectors: int, mask_ratio: float) -> int:
    """Sectors that stay: the nearest whole number, and never none (the released code rounds down)."""
    return max(1, round((1 - mask_ratio) * n_sectors))


def radial_visibility(
    size: tuple[int, int],
    centre: Tensor,
    mask_ratio: float,
    n_sectors: int,
    *,
    radii: Tensor | None = None,
    phase: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Visible pixels (B, 1, H, W) bool of R-MAE's two stages, drawn for each image.

    `centre` (B, 2), x and y, and `radii` (B, 2) are in pixels; without `radii` there is no second stage. The
    visible fraction is what comes out: measure it before comparing.
    """
    n_images, (height, width) = len(centre), size
    source = centre.device if generator is None else generator.device
    n_draws = n_sectors + height * width + 1
    noise = torch.rand(n_images, n_draws, generator=generator, device=source).to(centre.device)
    sectors, survival, turn = noise.split((n_sectors, height * width, 1), dim=1)
    x, y = _positions(size, centre, n_images, noise)
    phase = 2 * math.pi * turn[:, 0] if phase is None else phase
    opened = sectors.argsort(dim=1).argsort(dim=1) < n_open_sectors(n_sectors, mask_ratio)
    visible = opened.gather(1, sector_of(x, y, n_sectors, phase))
    if radii is not None:
        visible = visible & (survival < _survival(x, y, radii, mask_ratio))
    return visible.view(n_images, 1, height, width)


def uniform_visibility(
    size: tuple[int, int],
    fraction: Tensor,
    *,
    cell: int = 4,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Visible pixels (B, 1, H, W) bool: whole square cells at random, about `fraction` (B,) of each image."""
    height, width = size
    rows, columns = -(-height // cell), -(-width // cell)
    source = fraction.device if generator is None else generator.device
    scores = torch.rand(len(fraction), rows * columns, generator=generator, device=source)
    ranks = scores.to(fraction.device).argsort(dim=1).argsort(dim=1)
    kept = ranks < (fraction[:, None] * rows * columns).round().clamp(min=1)
    cells = kept.view(-1, 1, rows, columns).repeat_interleave(cell, 2).repeat_interleave(cell, 3)
    return cells[:, :, :height, :width]


def _checked(mask_ratio: float) -> float:
    if not 0 < mask_ratio < 1:
        raise ValueError(f"mask_ratio must lie between 0 and 1, got {mask_ratio}.")
    return mask_ratio


def _n_visible(n_patches: int, mask_ratio: float) -> int:
    n_keep = int(n_patches * (1 - mask_ratio) + 1e-6)  # 25 * (1 - 0.8) is 4.999... in floating point
    if not 0 < n_keep < n_patches:
        raise ValueError(
            f"mask_ratio={mask_ratio} leaves {n_keep} of {n_patches} patches visible: "
            "at least one patch must be visible and one hidden."
        )
    return n_keep


def _positions(
    size: tuple[int, int], centre: Tensor | None, n_images: int, like: Tensor
) -> tuple[Tensor, Tensor]:
    """x and y (B, P) of every cell of a grid from the centre (B, 2), by default its middle."""
    height, width = size
    y, x = torch.meshgrid(
        torch.arange(height, device=like.device, dtype=like.dtype),
        torch.arange(width, device=like.device, dtype=like.dtype),
        indexing="ij",
    )
    middle = ((width - 1) / 2, (height - 1) / 2) if centre is None else (centre[:, :1], centre[:, 1:])
    x, y = x.reshape(1, -1) - middle[0], y.reshape(1, -1) - middle[1]
    return x.expand(n_images, -1), y.expand(n_images, -1)


def _survival(x: Tensor, y: Tensor, radii: Tensor, mask_ratio: float) -> Tensor:
    """Probability (B, P) that a cell of an opened sector stays."""
    ring = (torch.hypot(x, y)[..., None] > radii[:, None, :]).sum(dim=2)  # 0, 1 or 2
    return (1 - mask_ratio + OUTWARDS * ring).clamp(max=1.0)
