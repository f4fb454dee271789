"""The Inception branch of Henghes et al. (2022) as AstroMAE uses it."""

import torch
from torch import Tensor, nn


def convolution(in_channels: int, out_channels: int, kernel_size: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class InceptionBlock(nn.Module):
    """Parallel 1x1, 3x3, 5x5 and max-pool paths of `width` channels each, concatenated in that order.

    (B, in_channels, H, W) -> (B, 4 * width, H, W), or 3 * width when `use_5x5` is off. The 5x5 path exists
    even then, as in the released network, so that parameter counts agree; it never receives a gradient.
    """

    def __init__(self, in_channels: int, width: int, use_5x5: bool = True):
        super().__init__()
        self.use_5x5 = use_5x5
        self.path_1x1 = convolution(in_channels, width, 1)
        self.path_3x3 = nn.Sequential(convolution(in_channels, width, 1), convolution(width, width, 3))
        self.path_5x5 = nn.Sequential(convolution(in_channels, width, 1), convolution(width, width, 5))
        self.path_pool = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1), convolution(in_channels, width, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        paths = [self.path_1x1(x), self.path_3x3(x)]
        if self.use_5x5:
            paths.append(self.path_5x5(x))
        return torch.cat([*paths, self.path_pool(x)], dim=1)


class InceptionBranch(nn.Module):
    """(B, C, H, W) -> (B, 12 * (H//8) * (W//8)): five Inception blocks and three halvings, flattened.

    The paper halves the image after the first convolution. A 1x1 convolution and an average commute, so
    halving first gives the same numbers for a quarter of the work.
    """

    def __init__(self, in_chans: int = 5):
        super().__init__()
        self.layers = nn.Sequential(
            nn.AvgPool2d(2),
            nn.Conv2d(in_chans, 32, 1),  # (B, 32, H/2, W/2)
            InceptionBlock(32, 16),  # (B, 64, H/2, W/2)
            InceptionBlock(64, 16),
            nn.AvgPool2d(2),
            InceptionBlock(64, 8),  # (B, 32, H/4, W/4)
            InceptionBlock(32, 8),
            nn.AvgPool2d(2),
            InceptionBlock(32, 4, use_5x5=False),  # (B, 12, H/8, W/8)
            nn.Flatten(),
        )

    def forward(self, images: Tensor) -> Tensor:
        images = images.contiguous(memory_format=torch.channels_last)  # half the time on a CPU
        return self.layers(images)

    @staticmethod
    def n_features(img_size: tuple[int, int]) -> int:
        """Length of the output for images of this size in pixels."""
        height, width = img_size
        if min(height, width) < 8:
            raise ValueError(
                f"The Inception branch halves the image three times and needs at least 8 x 8 pixels, "
                f"got {height} x {width}."
            )
        return 12 * (height // 8) * (width // 8)
