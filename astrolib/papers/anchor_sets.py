"""Image sets of one sky position, cut into parts and served to the networks of A2-MAE.

Drawing sets is quicker than reading them from a disk, so every process draws its own. A network sees
`asinh(flux / 3 sky sigma)`.
"""

import dataclasses
from collections.abc import Callable
from functools import cached_property

import numpy as np
import torch
from torch import Generator, Tensor

from astrolib.data.batches import Batches
from astrolib.data.image_sets import ImageSets
from astrolib.data.sky_codes import corner_bits
from astrolib.profiles import ImageSetData
from astrolib.simulate.image_sets import draw_image_sets

SOFTENING = 3.0
"""Of the asinh scaling [sky sigma]."""
KEYS = ("survey", "epoch", "bands")
"""What may decide whether an image is like the anchor."""


class Sets:
    """A profile's image sets, ready for training and testing.

    Parameters
    ----------
    settings : ImageSetData
        Sizes, seed and split.
    null : str
        "", or the effect that the simulation leaves out: "objects", "reddening" or "scale".
    device : str
        Where batches live.
    """

    def __init__(self, settings: ImageSetData, null: str = "", device: str = "cpu"):
        self.settings, self.null, self.device = settings, null, device

    @cached_property
    def sets(self) -> ImageSets:
        """All sets."""
        wanted = self.settings
        return draw_image_sets(wanted.n_sets, wanted.seed, size=wanted.size, null=self.null)

    @cached_property
    def fingerprint(self) -> str:
        """Of the contents, for the names of runs."""
        return self.sets.fingerprint()

    @cached_property
    def wide(self) -> dict[str, ImageSets]:
        """Test sets at the usual pixel scale ("as trained"), and the same at twice of it ("doubled")."""
        wanted = self.settings
        large = draw_image_sets(wanted.n_wide, wanted.seed + 1, size=2 * wanted.size, null=self.null)
        return {"as trained": cropped(large), "doubled": binned(large)}

    @cached_property
    def splits(self) -> dict[str, np.ndarray]:
        """Row numbers of "train", "validation", "nearby" (sky that training sees), "held out" (HEALPix
        blocks that it does not), and "test", the last two together."""
        wanted, rng = self.settings, np.random.default_rng(self.settings.seed)
        blocks = rng.permutation(np.unique(self.sets.group))
        distant = blocks[: max(1, round(wanted.held_out * len(blocks)))]
        far = np.isin(self.sets.group, distant)
        near = rng.permutation(np.flatnonzero(~far))
        train, validation, _ = wanted.split
        ends = np.round(np.cumsum([train, validation]) * len(near)).astype(int)
        parts = dict(zip(("train", "validation", "nearby"), np.split(near, ends), strict=True))
        parts = {name: np.sort(rows) for name, rows in parts.items()} | {"held out": np.flatnonzero(far)}
        return parts | {"test": np.sort(np.concatenate([parts["nearby"], parts["held out"]]))}

    def batches(
        self,
        sets: ImageSets,
        batch_size: int,
        *,
        key: str = "epoch",
        order: int = 29,
        single: bool = False,
        training: bool = False,
    ) -> Batches:
        """Batches of what `AnchorAwareAutoencoder` reads.

        Parameters
        ----------
        sets : ImageSets
            N sets of M images.
        batch_size : int
            Sets of a batch.
        key : str
            One of `KEYS`: images with the anchor's key are like the anchor.
        order : int
            HEALPix order at which the geographic code is cut off.
        single : bool
            Every image is a set of its own, (N * M, 1, ...).
        training : bool
            Shuffle, and flip and transpose all images of a set together at random.
        """
        images = np.arcsinh(np.asarray(sets.images) / np.float32(SOFTENING)).astype(np.float16)
        field = np.asarray(sets.pixel_scale) * images.shape[-1]
        tensors = {
            "images": images,
            "geo": corner_bits(sets.ra[:, None], sets.dec[:, None], field[None, :], order=order),
            "pixel_scale": np.broadcast_to(sets.pixel_scale, images.shape[:2]).astype(np.float32),
            "key": keys_of(sets, key),
            "wavelength": np.asarray(sets.wavelength, np.float32),
        }
        if single:
            tensors = {k: v.reshape(-1, 1, *v.shape[2:]) for k, v in tensors.items()}
        tensors = {k: torch.from_numpy(np.ascontiguousarray(v)) for k, v in tensors.items()}

        def transform(batch: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
            pixels = turned(batch["images"], generator) if training else batch["images"]
            return batch | {"images": pixels, "geo": batch["geo"].float()}

        return Batches(tensors, batch_size, transform=transform, shuffle=training).to(self.device)


def keys_of(sets: ImageSets, key: str) -> np.ndarray:
    """A number for each image (N, M) int64: equal numbers are equal surveys, epochs or sets of bands."""
    shape = sets.images.shape[:2]
    if key == "epoch":
        return np.broadcast_to(np.asarray(sets.epoch, np.int64), shape).copy()
    if key == "survey":
        _, number = np.unique(sets.survey, return_inverse=True)
        return np.broadcast_to(number.astype(np.int64), shape).copy()
    if key == "bands":
        return np.bitwise_or.reduce(1 << np.asarray(sets.band, np.int64), axis=2)
    raise ValueError(f"key={key!r}: images are told apart by one of {', '.join(KEYS)}.")


def turned(images: Tensor, generator: Generator) -> Tensor:
    """Sets of images (B, M, C, S, S), each flipped and transposed at random, all its images alike."""
    draws = torch.rand(3, len(images), generator=generator, device=images.device) < 0.5
    for draw, dims in zip(draws[:2], ((-1,), (-2,)), strict=True):
        images = torch.where(draw[:, None, None, None, None], images.flip(dims), images)
    return torch.where(draws[2][:, None, None, None, None], images.transpose(-1, -2), images)


def cropped(sets: ImageSets) -> ImageSets:
    """The inner quarter of the area of every image."""
    side = sets.images.shape[-1] // 4
    inner = slice(side, 3 * side)
    return _pixels_changed(sets, lambda pixels: pixels[..., inner, inner])


def binned(sets: ImageSets) -> ImageSets:
    """Two by two pixels added: twice the pixel scale and, for each pixel, twice the noise."""

    def two_by_two(pixels: np.ndarray) -> np.ndarray:
        *shape, height, width = pixels.shape
        blocks = pixels.reshape(*shape, height // 2, 2, width // 2, 2)
        if pixels.dtype == bool:
            return blocks.any(axis=(-3, -1))
        return blocks.sum(axis=(-3, -1)) / np.float32(2)  # flux is four pixels', sky sigma twice as large

    changed = _pixels_changed(sets, two_by_two)
    return dataclasses.replace(changed, pixel_scale=2 * sets.pixel_scale, noise=2 * sets.noise)


def _pixels_changed(sets: ImageSets, change: Callable[[np.ndarray], np.ndarray]) -> ImageSets:
    names = ("images", "source_mask", "transient_mask")
    return dataclasses.replace(sets, **{name: change(np.asarray(getattr(sets, name))) for name in names})
