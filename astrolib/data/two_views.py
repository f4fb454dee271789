"""What all augmentations share that make two random views of each galaxy, whole batches on their device."""

import dataclasses
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Generator, Tensor

from astrolib.data.augment import centre_crop
from astrolib.data.resample import gaussian_blur, resample

Which = Literal["a", "b"]
Range = tuple[float, float]


def between(limits: Range, uniform: Tensor) -> Tensor:
    """From uniform numbers of [0, 1) to uniform ones of a range."""
    return limits[0] + (limits[1] - limits[0]) * uniform


class Views:
    """What an augmentation offers that makes two views. A subclass is a frozen dataclass of its settings.

    ``views(images, generator)`` makes two random views of each galaxy, ``view`` one of them,
    ``view_with_parameters`` also says what was drawn, and ``central`` is what evaluation sees.
    ``views.without("psf")`` and ``views.only("psf")`` are copies with steps switched off; the names are
    in ``STEPS``, in the order in which they are applied.

    Notes
    -----
    Random numbers come from the generator alone, which is on the device of the images, and always the same
    ones in the same order: a copy with a step switched off draws the same angles, widths and noise for its
    other steps, now and in all later batches. This pairs the arms of an ablation.

    A step of probability p is applied where a uniform number of [0, 1) is below p: always for p = 1. (A
    public code applied it with 1 - p; the Barlow Twins card, section 9.1, tells of it.)
    """

    STEPS: ClassVar[tuple[str, ...]]
    _OFF: ClassVar[dict[str, dict[str, Any]]]  # for each step the settings that switch it off

    crop: int
    rotation: bool
    flips: bool
    size: Range
    p_size: float
    jitter: float
    psf: Range
    p_psf: Range
    p_noise: Range

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if np.ndim(value):  # also lists and arrays: settings compare and hash
                value = tuple(float(v) for v in value)
                object.__setattr__(self, field.name, value)
            if field.name.startswith("p_"):
                values = value if isinstance(value, tuple) else (value,)
                if not all(0 <= v <= 1 for v in values):
                    raise ValueError(f"{field.name} of {type(self).__name__} is a probability, not {value}.")

    def without(self, *steps: str) -> Self:
        """A copy with these steps switched off."""
        if unknown := set(steps) - set(self.STEPS):
            raise ValueError(
                f"{type(self).__name__} has no step {sorted(unknown)}; its steps are {', '.join(self.STEPS)}."
            )
        changes: dict[str, Any] = {}
        for step in steps:
            changes |= self._OFF[step]
        return dataclasses.replace(self, **changes)

    def only(self, *steps: str) -> Self:
        """A copy with all other steps switched off."""
        self.without(*steps)  # refuses unknown names
        return self.without(*(step for step in self.STEPS if step not in steps))

    def __call__(self, images: Tensor, generator: Generator) -> tuple[Tensor, Tensor]:
        """(B, C, P, P) to views A and B, each (B, C, crop, crop)."""
        with torch.autocast(images.device.type, enabled=False):
            stamps = self._stamps(images)
            return self._draw(stamps, generator, "a")[0], self._draw(stamps, generator, "b")[0]

    def view(self, images: Tensor, generator: Generator, which: Which) -> Tensor:
        """One view (B, C, crop, crop) of images (B, C, P, P): of kind "a" or "b"."""
        return self.view_with_parameters(images, generator, which)[0]

    def view_with_parameters(
        self, images: Tensor, generator: Generator, which: Which
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One view, and what was drawn for it; the names and units are in the class's own Notes."""
        with torch.autocast(images.device.type, enabled=False):
            return self._draw(self._stamps(images), generator, which)

    def central(self, images: Tensor) -> Tensor:
        """The view (B, C, crop, crop) without anything random, as evaluation sees it."""
        with torch.autocast(images.device.type, enabled=False):
            return centre_crop(self._stamps(images), self.crop)

    def _stamps(self, images: Tensor) -> Tensor:
        """The images in float32, with the pixels that the view will have."""
        return images.float()

    def _draw(self, stamps: Tensor, generator: Generator, which: Which) -> tuple[Tensor, dict[str, Tensor]]:
        raise NotImplementedError

    def _geometry(self, stamps: Tensor, uniform: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Rotation, flips, size, jitter and crop in one resampling, from uniform numbers (B, 7)."""
        if self.crop > min(stamps.shape[-2:]):
            raise ValueError(
                f"Views of {self.crop} x {self.crop} pixels cannot be cut from stamps of "
                f"{stamps.shape[-2]} x {stamps.shape[-1]}: make the crop smaller or the stamps larger."
            )
        applied = uniform[:, 3] < self.p_size
        drawn = {
            "angle": 360.0 * self.rotation * uniform[:, 0],
            "flip": (uniform[:, 1:3] < 0.5) & self.flips,
            "size": torch.where(applied, between(self.size, uniform[:, 4]), 1.0),
            "shift": between((-self.jitter, self.jitter), uniform[:, 5:7]),
        }
        if not (self.rotation or self.flips or self.jitter or self.size != (1.0, 1.0)):
            return centre_crop(stamps, self.crop), drawn  # nothing to resample: pixels stay what they were
        view = resample(
            stamps,
            self.crop,
            angles=drawn["angle"],
            flips=drawn["flip"],
            sizes=drawn["size"],
            shifts=drawn["shift"],
        )
        return view, drawn

    def _blurred(self, view: Tensor, uniform: Tensor, which: Which) -> tuple[Tensor, Tensor]:
        """The view with a wider PSF and the widths (B, C), from uniform numbers (B, 1 + C)."""
        applied = uniform[:, :1] < self.p_psf[which == "b"]
        sigma = torch.where(applied, between(self.psf, uniform[:, 1:]), 0.0)
        return (gaussian_blur(view, sigma) if self.psf != (0.0, 0.0) else view), sigma
