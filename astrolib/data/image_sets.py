"""Sets of images of one place on the sky, as several surveys and several nights saw it."""

import hashlib
from dataclasses import dataclass, fields, replace

import numpy as np


@dataclass(frozen=True, repr=False, eq=False)
class ImageSets:
    """N sets of M images each; all sets have the same surveys in the same slots, the anchor in slot 0.

    Parameters
    ----------
    images : (N, M, 3, S, S) float32 array
        Three bands of every image, in units of the sky noise of a pixel in that band.
    survey : tuple of str, length M
        Which survey each slot is from.
    epoch : (M,) int array
        0, or 1 for a second date of the same survey.
    band : (N, M, 3) int array
        Which bands are shown: numbers in `astrolib.simulate.image_sets.BANDS`.
    wavelength : (N, M, 3) float array
        Their effective wavelengths [nm].
    pixel_scale, fwhm : (M,) float arrays
        Pixel and point spread function [arcsec]. Fields differ: every image has S pixels.
    depth : (N, M, 3) float array
        Magnitude of a point source of 5 sigma.
    noise : (N, M, 3) float array
        Sky noise of a pixel [nanomaggies].
    ra, dec : (N,) float arrays
        Position [deg].
    ebv : (N,) float array
        Reddening E(B-V) of the set's galaxy [mag].
    label : (N,) int array
        Class, a row of `class_names`.
    class_names : tuple of str
    group : (N,) int array
        HEALPix pixel (nside 8, nested) of the position: sets that stay together when the sky is split.
    source_mask : (N, M, S, S) bool array
        Pixels in which the galaxy itself is brighter than the noise.
    transient : (N,) bool array
        Whether something new was on the second date.
    transient_mask : (N, S, S) bool array
        Its pixels, in the last slot with `epoch` 1.
    source : str
        Printed on every figure and in every table.
    """

    images: np.ndarray
    survey: tuple[str, ...]
    epoch: np.ndarray
    band: np.ndarray
    wavelength: np.ndarray
    pixel_scale: np.ndarray
    fwhm: np.ndarray
    depth: np.ndarray
    noise: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    ebv: np.ndarray
    label: np.ndarray
    class_names: tuple[str, ...]
    group: np.ndarray
    source_mask: np.ndarray
    transient: np.ndarray
    transient_mask: np.ndarray
    source: str

    def __post_init__(self):
        n, m = self.images.shape[:2]
        wrong = [name for name in _PER_SET if len(getattr(self, name)) != n]
        wrong += [name for name in _PER_SLOT if len(getattr(self, name)) != m]
        if self.images.ndim != 5 or wrong:
            raise ValueError(
                f"Image sets need images of shape (N, M, 3, S, S), a row of each column for every set and an "
                f"entry for every slot: images have shape {self.images.shape}; {', '.join(wrong)} do not fit."
            )

    def __len__(self) -> int:
        """Sets."""
        return len(self.images)

    def __repr__(self) -> str:
        n, m, _, size, _ = self.images.shape
        slots = ", ".join(
            f"{name} ({scale:g} arcsec{', second date' if epoch else ''})"
            for name, scale, epoch in zip(self.survey, self.pixel_scale, self.epoch, strict=True)
        )
        counts = ", ".join(f"{name} {(self.label == k).sum():,}" for k, name in enumerate(self.class_names))
        return (
            f"{n:,} sets of {m} images: {self.source}\n"
            f"  slots      {slots}; {size} x {size} pixels, 3 bands each\n"
            f"  classes    {counts}\n"
            f"  transients {int(self.transient.sum()):,}\n"
            f"  E(B-V)     {np.quantile(self.ebv, 0.05):.3f} to {np.quantile(self.ebv, 0.95):.3f} (5 to 95 %)"
        )

    def subset(self, rows: np.ndarray) -> "ImageSets":
        """Some of the sets."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _PER_SET})

    def fingerprint(self) -> str:
        """Of the contents, for the names of runs."""
        digest = hashlib.sha256(self.source.encode())
        for field in fields(self):
            values = getattr(self, field.name)
            if isinstance(values, np.ndarray):
                digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()[:16]


_PER_SET = (
    "images", "band", "wavelength", "depth", "noise", "ra", "dec", "ebv", "label", "group", "source_mask",
    "transient", "transient_mask",
)  # fmt: skip
_PER_SLOT = ("survey", "epoch", "pixel_scale", "fwhm")
