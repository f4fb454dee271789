"""Pixel and column scalings with their inverses, so that a figure can always go back to physical units."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import torch
from torch import Tensor


@lru_cache(maxsize=64)
def _constant(values: tuple[float, ...], device: torch.device, shape: tuple[int, ...]) -> Tensor:
    """A constant kept on its device: making it anew at each step would wait for the copy."""
    with torch.inference_mode(False):  # whoever asks first, others may need gradients
        return torch.tensor(values, dtype=torch.float32, device=device).reshape(shape)


@dataclass(frozen=True)
class PixelScaling:
    """Compress the range of the pixel fluxes, band by band.

    Parameters
    ----------
    kind : {"none", "asinh"}
        "none" (AstroMAE: stored values go straight in) or "asinh": ``arcsinh(flux / softening)``, linear
        for fluxes well below the softening and logarithmic above (Lupton, Gunn & Szalay 1999, AJ 118, 1406).
    softening : tuple of float, length C
        Softening per band [nanomaggies], typically a few times the sky noise. Only for "asinh".

    Raises
    ------
    ValueError
        If the kind is unknown, or the softening is missing or not positive.

    Examples
    --------
    >>> scaling = PixelScaling("asinh", softening=(0.5, 0.1))
    >>> flux = torch.tensor([3.0, -0.2]).reshape(1, 2, 1, 1)
    >>> torch.allclose(scaling.inverse(scaling.forward(flux)), flux)
    True
    """

    kind: Literal["none", "asinh"] = "none"
    softening: tuple[float, ...] = ()

    def __post_init__(self):
        if self.kind not in ("none", "asinh"):
            raise ValueError(f'PixelScaling kind is {self.kind!r}; it must be "none" or "asinh".')
        object.__setattr__(self, "softening", tuple(float(s) for s in self.softening))
        if self.kind == "asinh" and not (self.softening and all(s > 0 for s in self.softening)):
            raise ValueError(
                f"asinh scaling needs a positive softening [nanomaggies] for each band, not {self.softening}."
            )

    def _softening(self, images: Tensor) -> Tensor:
        if images.shape[-3] != len(self.softening):
            raise ValueError(
                f"The scaling has {len(self.softening)} softenings, the images have {images.shape[-3]} bands."
            )
        return _constant(self.softening, images.device, (-1, 1, 1))

    def forward(self, flux: Tensor) -> Tensor:
        """Flux (..., C, H, W) [nanomaggies] to scaled pixels of the same shape."""
        return flux if self.kind == "none" else torch.asinh(flux / self._softening(flux))

    def inverse(self, scaled: Tensor) -> Tensor:
        """Scaled pixels (..., C, H, W) to flux [nanomaggies]."""
        return scaled if self.kind == "none" else torch.sinh(scaled) * self._softening(scaled)

    __call__ = forward


@dataclass(frozen=True)
class Standardizer:
    """Shift and divide each column by the mean and standard deviation of the training split.

    Examples
    --------
    >>> standardizer = Standardizer.fit(np.array([[17.0, 15.0], [19.0, 16.0]]))
    >>> standardizer(torch.tensor([[18.0, 15.5]]))
    tensor([[0., 0.]])
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def fit(cls, values: np.ndarray | Tensor) -> "Standardizer":
        """Mean and standard deviation of the columns of `values` (N, M).

        Raises
        ------
        ValueError
            If a column is constant or holds a value that is not finite.
        """
        values = np.asarray(values, dtype=np.float64)
        mean, std = values.mean(axis=0), values.std(axis=0)
        bad = np.flatnonzero(~(np.isfinite(mean) & (std > 0)))
        if bad.size:
            raise ValueError(
                f"Column(s) {bad.tolist()} cannot be standardised: constant, or with values that are not "
                "finite. Drop the bad rows or leave the column out."
            )
        return cls(tuple(mean.tolist()), tuple(std.tolist()))

    def forward(self, values: Tensor) -> Tensor:
        """Columns (..., M) to zero mean and unit standard deviation."""
        mean, std = (_constant(v, values.device, (-1,)) for v in (self.mean, self.std))
        return (values - mean) / std

    def inverse(self, standardized: Tensor) -> Tensor:
        """Standardised columns (..., M) back to their own units."""
        mean, std = (_constant(v, standardized.device, (-1,)) for v in (self.mean, self.std))
        return standardized * std + mean

    __call__ = forward
