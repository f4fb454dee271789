"""A galaxy survey: images, magnitudes and redshifts as dense arrays, with the bad rows taken out."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from astropy.table import Table, vstack

BANDS = ("u", "g", "r", "i", "z", "y")
MAGNITUDES = (0.0, 40.0)  # outside is no measurement; SDSS writes -9999, others 99
HASH_WHOLE = 1 << 30  # bytes of pixels that are hashed as a whole


class SurveyError(ValueError):
    """A survey or its file cannot be used; the message names the file and the fault."""


def rejects(ids: Sequence = (), reasons: Sequence = ()) -> Table:
    """A table of rows that were left out: columns `id` and `reason`."""
    return Table({"id": np.asarray(ids, dtype=str), "reason": np.asarray(reasons, dtype=str)})


@dataclass(frozen=True, repr=False, eq=False)
class GalaxySurvey:
    """Stamps of galaxies in several bands with their magnitudes and redshifts.

    Parameters
    ----------
    images : (N, C, H, W) float32 array
        Flux in nanomaggies (1 nanomaggy is AB magnitude 22.5). May be a memory map.
    bands : tuple of str
        Names of the C bands in the order of the images, e.g. `("u", "g", "r", "i", "z")`.
    magnitudes : (N, C) float32 array
        AB magnitudes.
    redshift : (N,) float32 array
        Spectroscopic redshift, NaN where unknown.
    catalogue : astropy.table.Table
        N rows with a column `id`, different for each galaxy, and whatever else is known.
    source : str
        Where pixels, magnitudes and redshifts come from, in words that figures can print.
    noise : (C,) float32 array
        Typical standard deviation of the sky in a pixel, nanomaggies.
    pixel_scale : float
        Arcseconds per pixel.
    rejected : astropy.table.Table
        Columns `id` and `reason` of the rows that were left out when the survey was made.

    Raises
    ------
    SurveyError
        If shapes, types, bands or identifiers do not fit together, or a magnitude is not finite.

    See Also
    --------
    GalaxySurvey.build : leaves out bad rows instead.

    Examples
    --------
    >>> survey = GalaxySurvey(np.zeros((2, 1, 8, 8), np.float32), ("r",), np.full((2, 1), 17, np.float32),
    ...                       np.full(2, 0.1, np.float32), Table({"id": ["a", "b"]}), "an example",
    ...                       noise=np.ones(1, np.float32))
    >>> survey.subset([1]).catalogue["id"].tolist()
    ['b']
    """

    images: np.ndarray
    bands: tuple[str, ...]
    magnitudes: np.ndarray
    redshift: np.ndarray
    catalogue: Table
    source: str
    noise: np.ndarray
    pixel_scale: float = 0.396
    rejected: Table = field(default_factory=rejects)

    def __post_init__(self) -> None:
        check_shapes(
            self.source, self.images, self.bands, self.magnitudes, self.redshift, self.catalogue, self.noise
        )
        names, counts = np.unique(np.asarray(self.catalogue["id"]), return_counts=True)
        if len(names) < len(self):
            raise SurveyError(
                f"{self.source}: the id {names[counts.argmax()]} stands for more than one galaxy."
            )
        for what in ("magnitudes", "noise"):
            if len(self) and not np.isfinite(getattr(self, what)).all():
                raise SurveyError(
                    f"{self.source}: {what} are not all finite (GalaxySurvey.build drops such rows)."
                )

    @classmethod
    def build(
        cls,
        images: np.ndarray,
        bands: tuple[str, ...],
        magnitudes: np.ndarray,
        redshift: np.ndarray,
        catalogue: Table,
        source: str,
        *,
        noise: np.ndarray,
        pixel_scale: float = 0.396,
        redshift_range: tuple[float, float] | None = (-0.01, 1.0),
        rejected: Table | None = None,
    ) -> "GalaxySurvey":
        """Make a survey of the good rows and record the others, with the reason, in `rejected`.

        A row is bad if a pixel is not finite, if a magnitude is not one (not finite, or outside 0 to 40), or
        if its redshift is not finite or outside `redshift_range`. Arrays of any float type are accepted.

        Parameters
        ----------
        redshift_range : (float, float) or None
            Lowest and highest redshift that can be true; None for data without redshifts.
        rejected : Table, optional
            Rows that had been left out before; they come first in the new table.
        others
            As for the class.

        Raises
        ------
        SurveyError
            If shapes or bands do not fit together: then no row can be trusted.
        """
        images, magnitudes, redshift, noise = map(_float32, (images, magnitudes, redshift, noise))
        check_shapes(source, images, bands, magnitudes, redshift, catalogue, noise)
        reasons = row_faults(images, bands, magnitudes, redshift, redshift_range)
        bad = reasons != ""
        rows = np.flatnonzero(~bad) if bad.any() else slice(None)  # a slice keeps a memory map what it is
        lost = rejects(np.asarray(catalogue["id"])[bad], reasons[bad])
        return cls(
            images=images[rows],
            bands=tuple(bands),
            magnitudes=magnitudes[rows],
            redshift=redshift[rows],
            catalogue=catalogue[rows],
            source=source,
            noise=noise,
            pixel_scale=pixel_scale,
            rejected=lost if rejected is None else vstack([rejected, lost], metadata_conflicts="silent"),
        )

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        _, channels, height, width = self.images.shape
        known = self.redshift[np.isfinite(self.redshift)]
        redshift = "unknown"
        if known.size:
            low, median, high = np.percentile(known, [0, 50, 100])
            redshift = f"{low:.3f} to {high:.3f}, median {median:.3f}, known for {known.size:,}"
        counts = Counter(map(str, self.rejected["reason"])).most_common()
        reasons = "".join(f"\n    {count:,}: {reason}" for reason, count in counts)
        return (
            f"GalaxySurvey of {len(self):,} galaxies: {self.source}\n"
            f"  images    {channels} bands ({' '.join(self.bands)}), {height} x {width} pixels of "
            f"{self.pixel_scale:g} arcsec, nanomaggies\n"
            f"  redshift  {redshift}\n"
            f"  rejected  {len(self.rejected):,}{reasons}"
        )

    def subset(self, index: Sequence[int] | np.ndarray | slice) -> "GalaxySurvey":
        """The galaxies at some rows, in that order.

        Parameters
        ----------
        index : sequence of int, boolean array or slice
            Rows. A slice copies nothing.
        """
        rows = index if isinstance(index, slice) else np.asarray(index)
        return GalaxySurvey(
            images=self.images[rows],
            bands=self.bands,
            magnitudes=self.magnitudes[rows],
            redshift=self.redshift[rows],
            catalogue=self.catalogue[rows],
            source=self.source,
            noise=self.noise,
            pixel_scale=self.pixel_scale,
            rejected=self.rejected,
        )

    def fingerprint(self) -> str:
        """A hash that changes with the content.

        Magnitudes, redshifts, identifiers and noise are hashed in full; so are the pixels up to 1 GiB. Of
        larger surveys, evenly spaced stamps of about that size in all stand for the rest.

        Returns
        -------
        str
            16 hexadecimal digits, the same for arrays in memory and on disk.
        """
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256()
        digest.update(repr((self.images.shape, self.bands, self.source, float(self.pixel_scale))).encode())
        digest.update("\n".join(map(str, self.catalogue["id"])).encode())
        for array in (self.magnitudes, self.redshift, self.noise):
            digest.update(np.ascontiguousarray(array))
        for stamp in self.images[:: 1 + self.images.nbytes // HASH_WHOLE]:
            digest.update(np.ascontiguousarray(stamp))
        return digest.hexdigest()[:16]


def check_shapes(
    source: str,
    images: np.ndarray,
    bands: Sequence[str],
    magnitudes: np.ndarray,
    redshift: np.ndarray,
    catalogue: Table,
    noise: np.ndarray,
) -> None:
    """Raise a SurveyError unless all arrays are float32 and tell of the same galaxies and known bands."""
    if images.ndim != 4:
        raise SurveyError(
            f"{source}: images of shape {images.shape} are not (galaxies, bands, height, width)."
        )
    n, channels = images.shape[:2]
    if len(bands) != channels or set(bands) - set(BANDS) or len(set(bands)) < channels:
        raise SurveyError(
            f"{source}: bands {tuple(bands)} do not name the {channels} channels of the images, each once, "
            f"with names out of {' '.join(BANDS)}."
        )
    shapes = {"images": images.shape, "magnitudes": (n, channels), "redshift": (n,), "noise": (channels,)}
    for (name, shape), array in zip(shapes.items(), (images, magnitudes, redshift, noise), strict=True):
        if array.shape != shape:
            raise SurveyError(f"{source}: {name} of shape {array.shape} should have shape {shape}.")
        if array.dtype != np.float32:
            raise SurveyError(f"{source}: {name} should be float32, not {array.dtype}.")
    if len(catalogue) != n or "id" not in catalogue.colnames:
        raise SurveyError(f"{source}: the catalogue, {len(catalogue)} rows, needs {n} and a column id.")


def row_faults(
    images: np.ndarray,
    bands: Sequence[str],
    magnitudes: np.ndarray,
    redshift: np.ndarray,
    redshift_range: tuple[float, float] | None,
) -> np.ndarray:
    """What is wrong with each row, in words; see `GalaxySurvey.build` for the arguments.

    Returns
    -------
    (N,) array of str
        The first fault found, "" for a good row.
    """
    faults = np.full(len(images), "", dtype=object)
    if redshift_range is not None:
        low, high = redshift_range
        faults[redshift < low] = f"redshift below {low:g}"
        faults[redshift > high] = f"redshift above {high:g}"
        faults[~np.isfinite(redshift)] = "redshift not finite"
    for channel, band in enumerate(bands):
        column = magnitudes[:, channel]
        faults[~((column > MAGNITUDES[0]) & (column < MAGNITUDES[1]))] = f"no magnitude in band {band}"
    for start in range(0, len(images), 1024):  # in blocks: images may be larger than the memory
        finite = np.isfinite(images[start : start + 1024]).all(axis=(1, 2, 3))
        faults[start : start + 1024][~finite] = "a pixel is not finite"
    return faults.astype(str)


def _float32(array: np.ndarray) -> np.ndarray:
    """The array itself, memory map or not, if it is float32 already."""
    array = np.asanyarray(array)
    return array if array.dtype == np.float32 else array.astype(np.float32)
