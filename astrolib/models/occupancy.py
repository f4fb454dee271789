"""Which pixels of a galaxy are bright, told from some sectors of its image: R-MAE's network for images.

Tayebati et al. 2024 (arXiv:2406.07833) encode the visible voxels of a LiDAR sweep with sparse convolutions,
and predict for every voxel whether it is occupied. Here voxels are pixels, and a pixel is occupied where the
galaxy stands out of the noise. Shapes: images (B, C, H, W), visible (B, 1, H, W) bool, both sides multiples
of 8.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

LOSSES = ("dense", "hidden", "weighted", "flux")
"""Cross-entropy on all pixels (as R-MAE), on hidden ones, on hidden ones with both classes worth the same;
squared error of the flux of hidden pixels (as MAE)."""


class MaskedConvolution(nn.Module):
    """Convolution, BatchNorm, ReLU, and zero again wherever nothing was visible.

    With stride 1 the visible cells stay what they were ("submanifold"); with stride 2 a cell is visible if
    any of its four is ("sparse").
    """

    def __init__(self, n_in: int, n_out: int, stride: int = 1):
        super().__init__()
        self.convolution = nn.Conv2d(n_in, n_out, 3, stride=stride, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(n_out, eps=1e-3)
        self.stride = stride

    def forward(self, x: Tensor, visible: Tensor) -> tuple[Tensor, Tensor]:
        if self.stride > 1:
            visible = F.max_pool2d(visible, self.stride)
        return F.relu(self.norm(self.convolution(x))) * visible, visible


class OccupancyNet(nn.Module):
    """Masked convolutions down to an eighth of the image, and transposed ones back to its full size.

    `channels` are those at 1, 1/2, 1/4 and 1/8 of the size; twice the last leaves the encoder. The input is
    the visible flux and, as one channel more, what is visible. With `flux` it predicts the image, (B, C, H,
    W), else a logit of occupancy, (B, 1, H, W).

    Kernels of the decoder overlap; most of the released one's do not, and leave blocks where little is
    visible.
    """

    def __init__(self, in_chans: int, channels: Sequence[int] = (16, 32, 64, 64), *, flux: bool = False):
        super().__init__()
        first, *others = channels
        self.num_features = 2 * channels[-1]
        layers, width = [MaskedConvolution(in_chans + 1, first)], first
        for wider in others:
            layers += [MaskedConvolution(width, wider, stride=2), MaskedConvolution(wider, wider)]
            width = wider
        layers.append(MaskedConvolution(width, self.num_features))
        self.encoder = nn.ModuleList(layers)
        self.decoder = nn.Sequential(
            *_upwards(self.num_features, 32),
            *_upwards(32, 8),
            nn.ConvTranspose2d(8, in_chans if flux else 1, 4, stride=2, padding=1),
        )

    def encode(self, images: Tensor, visible: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Feature map (B, D, H/8, W/8) and which of its cells saw anything (B, 1, H/8, W/8)."""
        if visible is None:
            visible = torch.ones_like(images[:, :1], dtype=torch.bool)
        shown = visible.to(images.dtype)
        x = torch.cat([images * shown, shown], dim=1)
        for layer in self.encoder:
            x, shown = layer(x, shown)
        return x, shown

    def features(self, images: Tensor, visible: Tensor | None = None) -> Tensor:
        """Mean of the feature map over the cells that saw anything, (B, D)."""
        x, shown = self.encode(images, visible)
        return x.sum(dim=(2, 3)) / shown.sum(dim=(2, 3)).clamp(min=1)

    def forward(self, images: Tensor, visible: Tensor) -> Tensor:
        return self.decoder(self.encode(images, visible)[0])


def occupancy_loss(output: Tensor, target: Tensor, visible: Tensor, kind: str = "dense") -> Tensor:
    """One of `LOSSES`; `target` is (B, 1, H, W) bool, or the image (B, C, H, W) for "flux"."""
    output = output.float()
    hidden = (~visible).float()
    if kind == "flux":
        return ((output - target).square() * hidden).sum() / (hidden.sum() * target.shape[1]).clamp(min=1)
    target = target.float()
    if kind == "dense":
        return F.binary_cross_entropy_with_logits(output, target)
    if kind == "weighted":
        occupied, empty = (hidden * target).sum(), (hidden * (1 - target)).sum()
        weight = hidden * torch.where(target > 0, 0.5 / occupied.clamp(min=1), 0.5 / empty.clamp(min=1))
    elif kind == "hidden":
        weight = hidden / hidden.sum().clamp(min=1)
    else:
        raise ValueError(f"The loss must be one of {', '.join(LOSSES)}, got {kind!r}.")
    return F.binary_cross_entropy_with_logits(output, target, weight=weight, reduction="sum")


def _upwards(n_in: int, n_out: int) -> list[nn.Module]:
    return [
        nn.ConvTranspose2d(n_in, n_out, 4, stride=2, padding=1, bias=False),  # kernels overlap
        nn.BatchNorm2d(n_out, eps=1e-3),
        nn.ReLU(),
    ]
