"""Which patches of a set of images A2-MAE hides (Zhang et al. 2024, arXiv:2406.08079).

The released code keeps the first quarter of the concatenated permutations, all of it from the anchor, and
takes that concatenation for its own inverse. Here every image keeps its share, and the order is restored.
"""

import torch
from torch import Tensor

from astrolib.models.masking import Mask

MODES = ("random", "same", "hybrid", "anchor", "anchor-visible")


class SetMask:
    """Hide the same number of patches in all of a set of M images, of N patches each.

    ========================  =====================================================================
    "random"                  any patches of any image
    "same"                    the same patches in every image
    "hybrid"                  half of the visible patches as in the anchor, half at random
    "anchor"                  an image with the anchor's key at random, others as the anchor: an image
                              of the same kind can be copied from where it shows what the anchor
                              hides, one of another kind shows nothing there
    "anchor-visible"          the anchor is shown first, then the others: what the released code does
    ========================  =====================================================================

    All but "random" and "anchor-visible" show equally many patches of each image.
    """

    def __init__(self, mode: str = "anchor", mask_ratio: float = 0.75):
        if mode not in MODES or not 0 < mask_ratio < 1:
            raise ValueError(
                f"mode must be one of {', '.join(MODES)}, and mask_ratio lie between 0 and 1; "
                f"got {mode!r} and {mask_ratio}."
            )
        self.mode, self.mask_ratio = mode, mask_ratio

    def __call__(
        self,
        key: Tensor,
        n_patches: int,
        *,
        generator: torch.Generator | None = None,
        device: torch.device | str | None = None,
    ) -> Mask:
        """A `Mask` of M * N patches, image by image; `key` (B, M) says which kind each image is."""
        batch, n_images = key.shape
        keep = int(n_patches * (1 - self.mask_ratio) + 1e-6)
        if not 0 < keep < n_patches:
            raise ValueError(
                f"mask_ratio={self.mask_ratio} leaves {keep} of {n_patches} patches of an image visible: at "
                "least one must be visible and one hidden."
            )
        source = device if generator is None else generator.device
        noise = torch.rand(batch, n_images, n_patches, generator=generator, device=source).to(device)
        if self.mode == "random":
            return Mask.from_ranking(noise.flatten(1), n_images * keep)
        first = noise[:, :1]
        if self.mode == "same":
            noise = first.expand_as(noise)
        elif self.mode == "anchor":
            noise = torch.where((key != key[:, :1]).to(noise.device).unsqueeze(2), first, noise)
        elif self.mode == "hybrid":
            shared = _ranks(first) < keep // 2
            noise = torch.where(shared, first - 1, noise)  # these before all others
        ranks = _ranks(noise)  # (B, M, N)
        slot = torch.arange(n_images, device=ranks.device).view(1, -1, 1)
        scores = ranks + slot * n_patches if self.mode == "anchor-visible" else ranks * n_images + slot
        return Mask.from_ranking(scores.flatten(1), n_images * keep)


def _ranks(noise: Tensor) -> Tensor:
    return noise.argsort(dim=-1).argsort(dim=-1)
