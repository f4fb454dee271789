"""Encoders for the catalogue entry of a star and for its map of magnitude differences."""

from collections.abc import Sequence

from torch import Tensor, nn


class MetadataEncoder(nn.Module):
    """Two dense layers (AstroM3 card, section 4.3)."""

    def __init__(self, n_columns: int = 34, hidden: int = 512, *, dropout: float = 0.0):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(n_columns, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
        )
        self.out_features = hidden

    def forward(self, columns: Tensor) -> Tensor:
        """Standardised columns (B, M) -> features (B, hidden)."""
        return self.layers(columns)


class DmDtEncoder(nn.Module):
    """Convolutions over a dm/dt map, after the idea of Mahabal et al. 2017 (arXiv:1709.06257).

    Not part of AstroM3: it serves the fourth modality of Gaia. Every convolution keeps the size and is
    followed by ReLU; all but the last by a 2 x 2 maximum.
    """

    def __init__(
        self,
        in_channels: int = 1,
        shape: tuple[int, int] = (20, 10),
        channels: Sequence[int] = (16, 32),
        *,
        dropout: float = 0.0,
    ):
        super().__init__()
        layers: list[nn.Module] = []
        height, width = shape
        for number, (a, b) in enumerate(zip((in_channels, *channels[:-1]), channels, strict=True)):
            layers += [nn.Conv2d(a, b, 3, padding=1), nn.ReLU()]
            if number < len(channels) - 1:
                layers.append(nn.MaxPool2d(2))
                height, width = height // 2, width // 2
        if not height * width:
            raise ValueError(f"A map of {shape} is too small for {len(channels)} convolutions with pooling.")
        self.layers = nn.Sequential(*layers)
        self.dropout = nn.Dropout(dropout)
        self.out_features = channels[-1] * height * width

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, H, W) -> features (B, F)."""
        return self.dropout(self.layers(maps).flatten(1))
