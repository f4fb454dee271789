"""A survey of any size on disk: arrays cut into shards of rows, written once, memory-mapped ever after."""

import hashlib
import json
import resource
import shutil
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from astrolib.data.blocks import ShardError, empty, kinds_of, names_a_file, recut

FORMAT = 1


def write_shards(
    folder: Path,
    blocks: Iterable[Mapping[str, np.ndarray]],
    *,
    rows_per_shard: int,
    about: Mapping[str, Any],
) -> None:
    """Write consecutive parts of a survey, of which one at a time, and one shard, need to be in memory.

    The folder appears under its name when it is complete: an interruption leaves `<folder>.part`, which the
    next attempt replaces.

    Parameters
    ----------
    folder : Path
        Must not exist yet. It will hold ``shards.json`` (names, dtypes, row shapes, rows of each shard,
        `about`) and the arrays as ``00000/<name>.npy``, ``00001/<name>.npy``, and so on.
    blocks : iterable of mappings of str to array, each of shape (rows of this block, ...)
        Parts of any length, all with the same names, dtypes and row shapes. Arrays that are big-endian, as in
        FITS, are stored in the order of this machine.
    rows_per_shard : int
        Rows of every shard but the last, which may be shorter. Some hundred megabytes make a good shard.
    about : mapping
        What a reader must know besides, as plain JSON: bands, source, pixel_scale.

    Raises
    ------
    ShardError
        If the folder exists or cannot be written, blocks do not fit together or cannot be stored, or there
        is no row at all.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "survey"
    >>> blocks = ({"redshift": np.full(3, z)} for z in (0.1, 0.2, 0.3))
    >>> write_shards(folder, blocks, rows_per_shard=4, about={"source": "simulated"})
    >>> shards = open_shards(folder)
    >>> len(shards), shards.n_objects, shards.rows(np.array([8, 0]))["redshift"].tolist()
    (3, 9, [0.3, 0.1])
    """
    folder = Path(folder)
    if folder.exists():
        raise ShardError(f"{folder} exists: delete it to write the survey again, or choose another folder.")
    if rows_per_shard < 1:
        raise ShardError(f"rows_per_shard is {rows_per_shard}: a shard of {folder} needs at least one row.")
    about = json.loads(json.dumps(about))  # what is not JSON must fail before anything is written
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    with _writing(aside):
        aside.mkdir(parents=True)
    rows = []
    for arrays in recut(blocks, rows_per_shard, folder):
        place = aside / _number(len(rows))
        with _writing(place):
            place.mkdir()
            for name, values in arrays.items():
                np.save(place / f"{name}.npy", values)
        rows.append(len(values))
    if not rows:
        raise ShardError(f"There is no row to write to {folder}: the blocks are empty.")
    kinds = {name: {"dtype": dtype.str, "shape": shape} for name, (dtype, shape) in kinds_of(arrays).items()}
    header = {"format": FORMAT, "arrays": kinds, "rows": rows, "about": about}
    with _writing(folder):
        (aside / "shards.json").write_text(json.dumps(header, indent=1), encoding="utf-8")
        aside.replace(folder)


def open_shards(folder: Path) -> "Shards":
    """A survey that `write_shards` wrote; its arrays stay on disk until their rows are read.

    Every file is held against ``shards.json``, so that a damaged one shows now and not during a training.

    Raises
    ------
    ShardError
        If the folder is not there or damaged; names the file and the fault.
    """
    folder = Path(folder)
    path = folder / "shards.json"
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
        if header["format"] != FORMAT:
            raise ShardError(
                f"{path} is in format {header['format']}, but {FORMAT} is read here: write the survey again."
            )
        shards = Shards(folder, header)
    except ShardError:
        raise
    except FileNotFoundError:
        hint = " Its writing was interrupted: do it again." if Path(f"{folder}.part").exists() else ""
        raise ShardError(f"{folder} holds no survey in shards: there is no {path}.{hint}") from None
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise ShardError(
            f"{path} is damaged ({type(error).__name__}: {error}). Delete {folder} and write it again."
        ) from None
    for number in range(len(shards)):
        shards.open(number)
    return shards


class Shards:
    """A survey in shards; `open_shards` makes it.

    Attributes
    ----------
    folder : Path
    about : dict
        What the writer noted: bands, source, pixel_scale.
    names : tuple of str
    kinds : dict of str to (dtype, tuple of int)
        Dtype and row shape of each array.
    n_objects : int
        Rows of all shards together.
    bounds : ndarray of int, shape (len + 1,)
        Row numbers where the shards begin, and where the last one ends.
    """

    def __init__(self, folder: Path, header: Mapping[str, Any]):
        self.folder, self.about, self._header = folder, dict(header["about"]), header
        self.kinds = {
            name: (np.dtype(kind["dtype"]), tuple(kind["shape"])) for name, kind in header["arrays"].items()
        }
        self.names = tuple(self.kinds)
        if not (self.kinds and all(map(names_a_file, self.kinds)) and min(header["rows"], default=0) > 0):
            raise ValueError("no arrays, a name that is none, or a shard without rows")
        self.bounds = np.concatenate([[0], np.cumsum(header["rows"], dtype=np.int64)])
        self.n_objects = int(self.bounds[-1])
        files, limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0], 2**15
        files = limit if files == resource.RLIM_INFINITY else min(files, limit)
        most = max(1, files // (2 * len(self.kinds) + 1))  # maps keep files open
        me = weakref.proxy(self)  # else this and its maps would stay until the next garbage collection
        self._kept = lru_cache(most)(lambda i: me.open(i))

    def __len__(self) -> int:
        """Number of shards."""
        return len(self.bounds) - 1

    def path(self, i: int, name: str) -> Path:
        """The file of one array of shard `i`."""
        return self.folder / _number(i) / f"{name}.npy"

    def open(self, i: int) -> dict[str, np.memmap]:
        """Fresh read-only memory maps of shard `i`.

        Raises
        ------
        ShardError
            If a file is missing, truncated or not the array that ``shards.json`` describes.
        """
        maps = {}
        for name, (dtype, shape) in self.kinds.items():
            path = self.path(i, name)
            try:
                maps[name] = np.load(path, mmap_mode="r")
            except (OSError, ValueError, EOFError) as error:
                raise ShardError(
                    f"{path} is missing or damaged ({error}). Put it back, or write the survey again."
                ) from None
            expected = (int(self.bounds[i + 1] - self.bounds[i]), *shape)
            if maps[name].dtype != dtype or maps[name].shape != expected:
                raise ShardError(
                    f"{path} holds {maps[name].dtype} {maps[name].shape} where shards.json says {dtype} "
                    f"{expected}. Put it back, or write the survey again."
                )
        return maps

    def shard(self, i: int) -> dict[str, np.memmap]:
        """Read-only memory maps of shard `i`, opened when first asked for and kept for a while.

        Raises
        ------
        ShardError
            If a file has vanished or shrunk since, which would end the process if its map were read.
        """
        maps = self._kept(i)
        for name, values in maps.items():
            path = self.path(i, name)
            try:
                whole = path.stat().st_size >= values.offset + values.nbytes
            except OSError:
                whole = False
            if not whole:
                raise ShardError(
                    f"{path} has vanished or shrunk while it was in use. Put it back and start again: an "
                    "interrupted training goes on from its last saved epoch."
                )
        return maps

    def rows(self, index: np.ndarray, names: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """Rows in the given order, from any shards, copied.

        Parameters
        ----------
        index : ndarray of int, shape (B,)
            Row numbers of the whole survey.
        names : iterable of str, optional
            Some of the arrays; all by default.

        Returns
        -------
        dict of str to ndarray, each of shape (B, ...)

        Raises
        ------
        IndexError
            If there is no such row.
        TypeError
            If `index` is no array of whole numbers.
        ShardError
            If a file of theirs is missing or damaged.
        """
        kinds = {name: self.kinds[name] for name in (self.names if names is None else names)}
        out = empty(kinds, len(index))
        self.read_into(out, index)
        return out

    def read_into(self, out: Mapping[str, np.ndarray], index: np.ndarray) -> None:
        """As `rows`, but into given arrays, whose names say what is read: each of shape (B, ...)."""
        index = np.asarray(index)
        if index.dtype.kind not in "iu":  # a mask would give rows 0 and 1
            raise TypeError(
                f"Rows are {index.dtype}, but must be row numbers: np.flatnonzero makes them of a mask."
            )
        index = index.astype(np.int64, copy=False)
        if len(index) and not (0 <= index.min() and index.max() < self.n_objects):
            raise IndexError(
                f"Rows {index.min()} to {index.max()} were asked of the {self.n_objects} of {self.folder}."
            )
        order = np.argsort(index, kind="stable")  # a disk reads faster forwards
        cuts = np.searchsorted(index[order], self.bounds)
        in_order = bool((np.diff(order) == 1).all())
        sorted_rows = out if in_order else {name: np.empty_like(values) for name, values in out.items()}
        for i in np.flatnonzero(np.diff(cuts)):
            maps, part = self.shard(int(i)), slice(cuts[i], cuts[i + 1])
            for name, values in sorted_rows.items():
                take_rows(maps[name], index[order[part]] - self.bounds[i], values[part])
        if not in_order:
            back = np.argsort(order)
            for name, values in out.items():
                take_rows(sorted_rows[name], back, values)

    def fingerprint(self) -> str:
        """What the survey is recognised by in the settings of a run: its header and a sample of its rows.

        A changed row that is not among the 64 sampled ones does not show: a survey that is written again
        should be written elsewhere, or with another entry in `about`.
        """
        digest = hashlib.sha256(json.dumps(self._header, sort_keys=True).encode())
        sample = self.rows(np.unique(np.linspace(0, self.n_objects - 1, 64).astype(np.int64)))
        for name in sorted(sample):
            digest.update(sample[name].tobytes())
        return digest.hexdigest()[:10]


def take_rows(values: np.ndarray, index: np.ndarray, out: np.ndarray) -> None:
    """``out[:] = values[index]``, but other threads may run meanwhile: `take` lets go of the interpreter."""
    np.take(values, index, axis=0, out=out, mode="clip")  # clip: the default mode copies by way of a buffer


def _number(i: int) -> str:
    return f"{i:05d}"


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ShardError(
            f"{path} cannot be written ({error}). Make room there or choose another folder, and write the "
            "survey again."
        ) from error
