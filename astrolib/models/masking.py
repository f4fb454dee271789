"""Which patches a masked autoencoder hides.

A masking is any callable with the signature of `RandomMask.__call__` that returns a `Mask`. What it must know
of the patch grid or of the instrument belongs in its constructor.
"""

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
        if not 0 < mask_ratio < 1:
            raise ValueError(f"mask_ratio must lie between 0 and 1, got {mask_ratio}.")
        self.mask_ratio = mask_ratio

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
        n_keep = int(n_patches * (1 - self.mask_ratio) + 1e-6)  # 25 * (1 - 0.8) is 4.999... in floating point
        if not 0 < n_keep < n_patches:
            raise ValueError(
                f"mask_ratio={self.mask_ratio} leaves {n_keep} of {n_patches} patches visible: "
                "at least one patch must be visible and one hidden."
            )
        if noise is None:
            source = device if generator is None else generator.device
            noise = torch.rand(n_images, n_patches, generator=generator, device=source)
        return Mask.from_ranking(noise.to(device, non_blocking=True), n_keep)
