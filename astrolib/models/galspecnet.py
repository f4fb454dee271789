"""GalSpecNet: a small convolutional network for one-dimensional spectra (Wu et al. 2024)."""

from collections.abc import Sequence

from torch import Tensor, nn


class GalSpecNet(nn.Module):
    """Convolutions without padding, ReLU and max pooling; no pooling after the last (AstroM3 card, 4.2).

    Pooling stands before ReLU, which is the same function with the same gradient and does less work: the
    reference has them the other way round.

    Raises
    ------
    ValueError
        If a spectrum is too short for the stack.
    """

    def __init__(
        self,
        in_channels: int = 3,
        length: int = 2575,
        channels: Sequence[int] = (64, 64, 32, 32),
        kernel_size: int = 3,
        pool: int = 4,
        dropout: float = 0.0,
    ):
        super().__init__()
        layers: list[nn.Module] = []
        left = length
        for number, (a, b) in enumerate(zip((in_channels, *channels[:-1]), channels, strict=True)):
            layers.append(nn.Conv1d(a, b, kernel_size))
            left -= kernel_size - 1
            if number < len(channels) - 1:
                layers.append(nn.MaxPool1d(pool))
                left = max(left, 0) // pool
            layers.append(nn.ReLU())
            if left < 1:
                raise ValueError(
                    f"A spectrum of {length} points is used up by convolution {number + 1} of "
                    f"{len(channels)}: give fewer channels or a pool smaller than {pool}."
                )
        self.layers = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.out_features = left * channels[-1]

    def forward(self, spectra: Tensor) -> Tensor:
        """Spectra (B, C, L) -> features (B, F)."""
        return self.dropout(self.layers(spectra).flatten(1))  # B, channels[-1], left -> B, F
