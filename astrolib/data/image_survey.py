"""A survey of galaxy images with classes: flux in several bands, or colour images as they are displayed."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from astropy.table import Table

from astrolib.data.galaxies import HASH_WHOLE, SurveyError, rejects


@dataclass(frozen=True, repr=False, eq=False)
class ImageSurvey:
    """Images of galaxies, each with a class or without one.

    Parameters
    ----------
    images : (N, C, H, W) array
        float32 flux in nanomaggies, or uint8 as in a colour picture (a display image). May be a memory map.
    channels : tuple of str
        Names of the C channels: bands, or `("R", "G", "B")`.
    label : (N,) int64 array
        Index into `class_names`, -1 for an image without a class.
    class_names : tuple of str
        Names of the classes.
    group : (N,) int64 array
        Images of one group share pixels or conditions, such as a survey field, and belong in one split.
    targets : mapping of str to (N,) float32 array
        Numbers to predict, "redshift" for example, NaN where unknown. May be empty.
    catalogue : astropy.table.Table
        N rows with a column `id`, different for each image, and whatever else is known.
    source : str
        Where images and classes come from, in words that figures can print.
    noise : (C,) float32 array or None
        Standard deviation of the sky in a pixel, nanomaggies; None for display images.
    pixel_scale : float or None
        Arcseconds per pixel; None where it is unknown or differs from image to image.
    rejected : astropy.table.Table
        Columns `id` and `reason` of the images that were left out when the survey was made.

    Raises
    ------
    SurveyError
        If arrays do not tell of the same images, an id is used twice, a label has no name, or a pixel or the
        noise is not finite.

    Examples
    --------
    >>> survey = ImageSurvey(np.zeros((2, 1, 8, 8), np.uint8), ("R",), np.array([0, -1]), ("spiral",),
    ...                      np.array([7, 7]), {}, Table({"id": ["a", "b"]}), "an example", None, None)
    >>> survey.subset([1]).ids.tolist(), survey.class_counts()
    (['b'], {'spiral': 1})
    """

    images: np.ndarray
    channels: tuple[str, ...]
    label: np.ndarray
    class_names: tuple[str, ...]
    group: np.ndarray
    targets: Mapping[str, np.ndarray]
    catalogue: Table
    source: str
    noise: np.ndarray | None
    pixel_scale: float | None
    rejected: Table = field(default_factory=rejects)

    def __post_init__(self) -> None:
        self._check_images()
        self._check_rows()

    def _check_images(self) -> None:
        if self.images.ndim != 4 or self.images.dtype not in (np.float32, np.uint8):
            raise SurveyError(
                f"{self.source}: images of shape {self.images.shape} and type {self.images.dtype} are not "
                "(images, channels, height, width), float32 flux or uint8 as displayed."
            )
        n_channels = self.images.shape[1]
        if len(self.channels) != n_channels or len(set(self.channels)) < n_channels:
            raise SurveyError(
                f"{self.source}: {tuple(self.channels)} do not name the {n_channels} channels of the images, "
                "each once."
            )
        if self.is_display:
            if self.noise is not None:
                raise SurveyError(f"{self.source}: display images have no noise in nanomaggies; it is None.")
            return
        if np.shape(self.noise) != (n_channels,) or not np.isfinite(self.noise).all():
            raise SurveyError(
                f"{self.source}: flux in {n_channels} channels needs the noise of each, finite."
            )
        for start in range(0, len(self), 1024):  # in blocks: images may be larger than the memory
            finite = np.isfinite(self.images[start : start + 1024]).all(axis=(1, 2, 3))
            if not finite.all():
                bad = self.ids[start + int(finite.argmin())]
                raise SurveyError(f"{self.source}: a pixel of image {bad} is not finite. Leave it out.")

    def _check_rows(self) -> None:
        n = len(self)
        if len(self.catalogue) != n or "id" not in self.catalogue.colnames:
            raise SurveyError(
                f"{self.source}: the catalogue, {len(self.catalogue)} rows, needs {n} and a column id."
            )
        names, counts = np.unique(self.ids, return_counts=True)
        if len(names) < n:
            raise SurveyError(
                f"{self.source}: the id {names[counts.argmax()]} stands for more than one image."
            )
        columns = {"label": (self.label, np.int64), "group": (self.group, np.int64)}
        columns |= {f"target {name}": (values, np.float32) for name, values in self.targets.items()}
        for name, (values, dtype) in columns.items():
            if values.shape != (n,) or values.dtype != dtype:
                raise SurveyError(
                    f"{self.source}: {name}, {values.dtype} of shape {values.shape}, should be "
                    f"{np.dtype(dtype)} of shape {(n,)}."
                )
        if n and not -1 <= self.label.min() <= self.label.max() < len(self.class_names):
            raise SurveyError(
                f"{self.source}: labels from {self.label.min()} to {self.label.max()} do not fit "
                f"{len(self.class_names)} classes; -1 means that an image has none."
            )

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        _, channels, height, width = self.images.shape
        scale = "" if self.pixel_scale is None else f" of {self.pixel_scale:g} arcsec"
        classes = [f"{name} {count:,}" for name, count in self.class_counts().items()]
        if without := int((self.label < 0).sum()):
            classes.append(f"without a class {without:,}")
        known = [f"{name} ({np.isfinite(values).sum():,})" for name, values in self.targets.items()]
        counts = Counter(map(str, self.rejected["reason"])).most_common()
        reasons = "".join(f"\n    {count:,}: {reason}" for reason, count in counts)
        return (
            f"ImageSurvey of {len(self):,} images: {self.source}\n"
            f"  images    {channels} channels ({' '.join(self.channels)}), {height} x {width} pixels{scale}, "
            f"{'as displayed, 0 to 255' if self.is_display else 'nanomaggies'}\n"
            f"  classes   {', '.join(classes) or 'none'}\n"
            f"  targets   {', '.join(known) or 'none'}\n"
            f"  rejected  {len(self.rejected):,}{reasons}"
        )

    @property
    def is_display(self) -> bool:
        """Whether the pixels are those of a colour picture, stretched already, and not flux."""
        return self.images.dtype == np.uint8

    @property
    def ids(self) -> np.ndarray:
        """Identifiers as text, (N,)."""
        return np.asarray(self.catalogue["id"]).astype(str)

    def class_counts(self) -> dict[str, int]:
        """Images of each class."""
        counts = np.bincount(self.label[self.label >= 0], minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    def subset(self, rows: Sequence[int] | np.ndarray | slice) -> "ImageSurvey":
        """The images at some rows, in that order. A slice copies nothing."""
        rows = rows if isinstance(rows, slice) else np.asarray(rows)
        return replace(
            self,
            images=self.images[rows],
            label=self.label[rows],
            group=self.group[rows],
            targets={name: values[rows] for name, values in self.targets.items()},
            catalogue=self.catalogue[rows],
        )

    def fingerprint(self) -> str:
        """A hash, 16 hexadecimal digits, that changes with the content.

        All columns are hashed in full; so are the pixels up to 1 GiB. Of larger surveys, evenly spaced images
        of about that size in all stand for the rest.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        words = (self.images.shape, str(self.images.dtype), self.channels, self.class_names, self.source)
        digest = hashlib.sha256(repr((*words, self.pixel_scale)).encode())
        digest.update("\n".join(self.ids).encode())
        for name, values in sorted(self.targets.items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(values))
        for array in (self.label, self.group, np.zeros(0) if self.noise is None else self.noise):
            digest.update(np.ascontiguousarray(array))
        for image in self.images[:: 1 + self.images.nbytes // HASH_WHOLE]:
            digest.update(np.ascontiguousarray(image))
        return digest.hexdigest()[:16]
