"""A survey of stars: any number of views of each, as dense arrays, with the bad rows taken out."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from astropy.table import Table, vstack

from astrolib.data.galaxies import SurveyError, rejects

DIMENSIONS = {"light curve": 3, "spectrum": 3, "image": 4, "table": 2}
"""Kinds of modality, and how many dimensions their values have."""
UNLABELLED = -1


@dataclass(frozen=True)
class RawStars:
    """Stars as a telescope's archive has them, before any scaling (AstroM3 card, sections 3.1 to 3.5).

    Parameters
    ----------
    catalogue : Table
        N rows with `id`, `class` (name of the class) and the measured columns.
    points : (P, 3) float64 array
        Time [d], flux, flux error, one star's points after another's, in any order of time.
    offsets : (N + 1,) int64 array
        Star i has the points `offsets[i]` to `offsets[i + 1]`.
    wavelength : (L,) float64 array
        The common grid of the spectra [Å].
    flux, ivar : (N, L) float32 arrays
        Flux and its inverse variance on that grid; a row of NaN where a star has no spectrum.
    source : str
        Where the stars come from, in words that figures can print.
    truth : Table, optional
        What only a simulation knows, row by row. Never an input of a network.
    rejected : Table
        Columns `id` and `reason` of stars that were left out before.
    """

    catalogue: Table
    points: np.ndarray
    offsets: np.ndarray
    wavelength: np.ndarray
    flux: np.ndarray
    ivar: np.ndarray
    source: str
    truth: Table | None = None
    rejected: Table = field(default_factory=rejects)

    def __len__(self) -> int:
        return len(self.catalogue)


@dataclass(frozen=True, repr=False, eq=False)
class Modality:
    """One view of every star.

    Parameters
    ----------
    kind : {"light curve", "spectrum", "image", "table"}
        What `values` are:

        ============= =========================================================================
        "light curve" (N, L, 3): time scaled to [0, 1], flux, flux error; zeros after `n_points`
        "spectrum"    (N, C, L): C channels, for example flux and error, along `axis`
        "image"       (N, C, H, W)
        "table"       (N, M): columns, not standardised
        ============= =========================================================================
    values : float32 array
        First axis: stars.
    names : tuple of str
        Of the channels or columns.
    n_points : (N,) int32 array
        Measured points of a light curve; for other kinds 1. 0 where a star lacks this modality.
    constants : (N, K) float32 array, optional
        Numbers of a star that become constant channels of its light curve or spectrum.
    constant_names : tuple of str
        Of the K constants.
    standardized : tuple of str
        Those constants that are standardised by the training split before a network sees them, and those
        channels of a spectrum or an image that are, element by element. Columns of a table always are.
    axis : (L,) float64 array, optional
        Wavelengths of a spectrum [Å].
    """

    kind: str
    values: np.ndarray
    names: tuple[str, ...]
    n_points: np.ndarray
    constants: np.ndarray | None = None
    constant_names: tuple[str, ...] = ()
    standardized: tuple[str, ...] = ()
    axis: np.ndarray | None = None

    def __post_init__(self) -> None:
        if self.kind not in DIMENSIONS:
            raise SurveyError(f"Unknown kind of modality {self.kind!r}: one of {', '.join(DIMENSIONS)}.")
        if self.values.ndim != DIMENSIONS[self.kind]:
            raise SurveyError(f"A {self.kind} cannot have values of shape {self.values.shape}.")
        if self.constants is None:
            object.__setattr__(self, "constants", np.zeros((len(self.values), 0), np.float32))
        n, channels = len(self.values), self.values.shape[2 if self.kind == "light curve" else 1]
        shapes = {"n_points": (n,), "constants": (n, len(self.constant_names)), "names": (channels,)}
        found = {name: np.shape(getattr(self, name)) for name in shapes}
        if found != shapes:
            raise SurveyError(f"A {self.kind} of values {self.values.shape} needs {shapes}, got {found}.")
        if self.values.dtype != np.float32 or self.constants.dtype != np.float32:
            raise SurveyError(f"A {self.kind} needs float32 values and constants, not {self.values.dtype}.")
        channels = self.names if self.kind in ("spectrum", "image") else ()
        if unknown := set(self.standardized) - {*self.constant_names, *channels}:
            raise SurveyError(f"A {self.kind} cannot have its {', '.join(sorted(unknown))} standardised.")
        if self.kind == "light curve" and n and self.n_points.max() > self.values.shape[1]:
            raise SurveyError("A light curve has more points than its array.")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def present(self) -> np.ndarray:
        """Which stars have this modality, (N,) bool."""
        return self.n_points > 0

    @property
    def channels(self) -> int:
        """Channels that a network sees, constants included; the columns of a table."""
        return len(self.names) + len(self.constant_names)

    def subset(self, rows: np.ndarray | slice) -> "Modality":
        """The same view of some of the stars."""
        return replace(
            self, values=self.values[rows], n_points=self.n_points[rows], constants=self.constants[rows]
        )


@dataclass(frozen=True, repr=False, eq=False)
class StarSurvey:
    """Stars with one or more modalities and a class each.

    Parameters
    ----------
    modalities : mapping of str to Modality
        For example `{"photometry": ..., "spectra": ..., "metadata": ...}`, all with N stars in one order.
    label : (N,) int64 array
        Index into `class_names`, -1 for a star without a class.
    class_names : tuple of str
        Names of the classes.
    catalogue : Table
        N rows with a column `id`, different for each star, and whatever else is known.
    source : str
        Where the data come from, in words that figures can print.
    truth : Table, optional
        What only a simulation knows; rows as `catalogue`.
    rejected : Table
        Columns `id` and `reason` of the stars that were left out when the survey was made.

    Raises
    ------
    SurveyError
        If arrays do not tell of the same stars, an id is used twice, a label has no name, a value is not
        finite, or a star has no modality at all (`build` leaves such stars out instead).
    """

    modalities: Mapping[str, Modality]
    label: np.ndarray
    class_names: tuple[str, ...]
    catalogue: Table
    source: str
    truth: Table | None = None
    rejected: Table = field(default_factory=rejects)

    def __post_init__(self) -> None:
        self._check_rows()
        faults = self._faults()
        bad = np.flatnonzero(faults != "")
        if bad.size:
            raise SurveyError(
                f"{self.source}: {bad.size} star(s) cannot be used, the first is "
                f"{self.catalogue['id'][bad[0]]}: {faults[bad[0]]} (StarSurvey.build leaves such stars out "
                "and counts them)."
            )

    @classmethod
    def build(
        cls,
        modalities: Mapping[str, Modality],
        label: np.ndarray,
        class_names: Sequence[str],
        catalogue: Table,
        source: str,
        *,
        truth: Table | None = None,
        rejected: Table | None = None,
    ) -> "StarSurvey":
        """Make a survey of the good stars and record the others, with the reason, in `rejected`.

        A star is bad if it has no modality, if a value of a modality that it has is not finite, if its label
        has no name, or if its id has come before. A star that lacks one modality of several is kept.

        Parameters
        ----------
        rejected : Table, optional
            Stars that had been left out before; they come first in the new table.
        others
            As for the class.
        """
        parts = {
            "modalities": dict(modalities),
            "label": np.asarray(label, np.int64),
            "class_names": tuple(class_names),
            "catalogue": catalogue,
            "source": source,
            "truth": truth,
        }
        whole = object.__new__(cls)  # unchecked: only its faults are asked for
        for name, value in parts.items():
            object.__setattr__(whole, name, value)
        whole._check_rows()
        faults = whole._faults()
        good = np.flatnonzero(faults == "")
        lost = rejects(np.asarray(catalogue["id"])[faults != ""], faults[faults != ""])
        if len(good) < len(faults):
            parts["modalities"] = {name: m.subset(good) for name, m in parts["modalities"].items()}
            parts["label"], parts["catalogue"] = parts["label"][good], catalogue[good]
            parts["truth"] = None if truth is None else truth[good]
        joined = lost if rejected is None else vstack([rejected, lost], metadata_conflicts="silent")
        return cls(**parts, rejected=joined)

    def _check_rows(self) -> None:
        if not self.modalities:
            raise SurveyError(f"{self.source}: a survey needs at least one modality.")
        n = len(self.catalogue)
        rows = {name: len(m) for name, m in self.modalities.items()} | {"label": len(self.label)}
        if self.truth is not None:
            rows["truth"] = len(self.truth)
        if wrong := {name: count for name, count in rows.items() if count != n}:
            raise SurveyError(f"{self.source}: the catalogue has {n} stars, but there are {wrong}.")
        if "id" not in self.catalogue.colnames:
            raise SurveyError(f"{self.source}: the catalogue needs a column id.")

    def _faults(self) -> np.ndarray:
        """What is wrong with each star, in words, "" for a good one; (N,) array of str."""
        faults = np.full(len(self.catalogue), "", dtype=object)
        for name, modality in self.modalities.items():
            finite = np.isfinite(modality.constants).all(axis=1)
            for start in range(0, len(modality), 4096):
                rows = slice(start, start + 4096)
                finite[rows] &= np.isfinite(modality.values[rows]).reshape(len(finite[rows]), -1).all(axis=1)
            faults[~finite & modality.present] = f"a value of its {name} is not finite"
        faults[~np.any([m.present for m in self.modalities.values()], axis=0)] = "no modality"
        unnamed = (self.label < UNLABELLED) | (self.label >= len(self.class_names))
        faults[unnamed] = "unknown class"
        ids = np.asarray(self.catalogue["id"]).astype(str)
        repeated = np.ones(len(ids), bool)
        repeated[np.unique(ids, return_index=True)[1]] = False
        faults[repeated] = "id used before"
        return faults.astype(str)

    def __len__(self) -> int:
        return len(self.catalogue)

    def __repr__(self) -> str:
        lines = [f"StarSurvey of {len(self):,} stars: {self.source}"]
        for name, m in self.modalities.items():
            missing = len(self) - int(m.present.sum())
            lines.append(
                f"  {name:12} {m.kind}, {' x '.join(map(str, m.values.shape[1:]))}"
                + (f" and {len(m.constant_names)} constants" if m.constant_names else "")
                + (f"; missing for {missing:,} stars" if missing else "")
            )
        counts = [f"{name} {count:,}" for name, count in self.class_counts().items()]
        lines.append(f"  {'classes':12} {', '.join(counts)}")
        lines.append(f"  {'rejected':12} {len(self.rejected):,}")
        reasons = Counter(map(str, self.rejected["reason"])).most_common()
        return "\n".join(lines + [f"    {count:,}: {reason}" for reason, count in reasons])

    @property
    def ids(self) -> np.ndarray:
        """Identifiers as text, (N,)."""
        return np.asarray(self.catalogue["id"]).astype(str)

    def class_counts(self) -> dict[str, int]:
        """Stars of each class."""
        counts = np.bincount(self.label[self.label >= 0], minlength=len(self.class_names))
        return dict(zip(self.class_names, counts.tolist(), strict=True))

    def subset(self, rows: Sequence[int] | np.ndarray | slice) -> "StarSurvey":
        """The stars at some rows, in that order."""
        rows = rows if isinstance(rows, slice) else np.asarray(rows)
        return replace(
            self,
            modalities={name: m.subset(rows) for name, m in self.modalities.items()},
            label=self.label[rows],
            catalogue=self.catalogue[rows],
            truth=None if self.truth is None else self.truth[rows],
        )

    def keep_classes(self, fewest: int) -> "StarSurvey":
        """Only stars of classes with at least `fewest` members; the others are recorded as rejected."""
        counts = self.class_counts()
        kept = [name for name in self.class_names if counts[name] >= fewest]
        number = {self.class_names.index(name): i for i, name in enumerate(kept)}
        new = np.array([number.get(label, UNLABELLED) for label in self.label.tolist()], np.int64)
        good = np.flatnonzero(new >= 0)
        small = [
            "no class" if self.label[row] < 0 else f"class with fewer than {fewest} stars"
            for row in np.flatnonzero(new < 0)
        ]
        lost = vstack([self.rejected, rejects(self.ids[new < 0], small)], metadata_conflicts="silent")
        return replace(self.subset(good), label=new[good], class_names=tuple(kept), rejected=lost)

    def fingerprint(self) -> str:
        """A hash, 16 hexadecimal digits, that changes with the content."""
        return self._fingerprint

    @cached_property
    def _fingerprint(self) -> str:
        digest = hashlib.sha256(repr((self.source, self.class_names)).encode())
        digest.update("\n".join(self.ids).encode())
        digest.update(np.ascontiguousarray(self.label))
        for name, m in sorted(self.modalities.items()):
            digest.update(
                repr((name, m.kind, m.values.shape, m.names, m.constant_names, m.standardized)).encode()
            )
            for array in (m.values, m.n_points, m.constants):
                digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()[:16]
