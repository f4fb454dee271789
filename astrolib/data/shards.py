"""A survey of any size on disk: arrays cut into shards of rows, written once, memory-mapped ever after."""

import hashlib
import json
import resource
import shutil
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

Kinds = dict[str, tuple[np.dtype, tuple[int, ...]]]  # dtype and row shape of each array

FORMAT = 1


class ShardError(ValueError):
    """Shards cannot be written or read; the message names the file and says what to do."""


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
        If the folder exists, blocks do not fit together or cannot be stored, or there is no row at all.

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
    aside.mkdir(parents=True)
    kinds, shard, filled, rows = {}, {}, 0, []
    for number, block in enumerate(blocks):
        arrays = {name: _native(values) for name, values in block.items()}
        kinds = kinds or _kinds(arrays)
        _check_block(arrays, kinds, f"Block {number} of {folder}")
        if not shard:
            shard = _empty(kinds, rows_per_shard)
        start, n = 0, len(next(iter(arrays.values())))
        while start < n:
            stop = min(n, start + rows_per_shard - filled)
            for name, values in arrays.items():
                shard[name][filled : filled + stop - start] = values[start:stop]
            filled += stop - start
            start = stop
            if filled == rows_per_shard:
                _save(aside, rows, shard, filled)
                filled = 0
    if filled:
        _save(aside, rows, shard, filled)
    if not rows:
        raise ShardError(f"There is no row to write to {folder}: the blocks are empty.")
    header = {
        "format": FORMAT,
        "arrays": {name: {"dtype": dtype.str, "shape": shape} for name, (dtype, shape) in kinds.items()},
        "rows": rows,
        "about": about,
    }
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
        self.folder, self.about, self._header = folder, header["about"], header
        self.kinds = {
            name: (np.dtype(kind["dtype"]), tuple(kind["shape"])) for name, kind in header["arrays"].items()
        }
        self.names = tuple(self.kinds)
        self.bounds = np.concatenate([[0], np.cumsum(header["rows"], dtype=np.int64)])
        self.n_objects = int(self.bounds[-1])
        files, limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0], 2**15
        files = limit if files == resource.RLIM_INFINITY else min(files, limit)
        self._open = lru_cache(max(1, files // (2 * len(self.kinds) + 1)))(self.open)  # maps keep files open

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
        maps = self._open(i)
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
        ShardError
            If a file of theirs is missing or damaged.
        """
        kinds = {name: self.kinds[name] for name in (self.names if names is None else names)}
        out = _empty(kinds, len(index))
        self.read_into(out, index)
        return out

    def read_into(self, out: Mapping[str, np.ndarray], index: np.ndarray) -> None:
        """As `rows`, but into given arrays, whose names say what is read: each of shape (B, ...)."""
        index = np.asarray(index).astype(np.int64, casting="same_kind", copy=False)
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


def _save(folder: Path, rows: list[int], shard: Mapping[str, np.ndarray], n: int) -> None:
    """The first `n` rows as the next shard, whose length joins those in `rows`."""
    place = folder / _number(len(rows))
    place.mkdir()
    for name, values in shard.items():
        np.save(place / f"{name}.npy", values[:n])
    rows.append(n)


def _native(values: np.ndarray) -> np.ndarray:
    values = values if np.ma.isMaskedArray(values) else np.asarray(values)
    return values if values.dtype.isnative else values.astype(values.dtype.newbyteorder("="))


def _kinds(arrays: Mapping[str, np.ndarray]) -> Kinds:
    return {name: (values.dtype, values.shape[1:]) for name, values in arrays.items()}


def _empty(kinds: Kinds, n: int) -> dict[str, np.ndarray]:
    return {name: np.empty((n, *shape), dtype) for name, (dtype, shape) in kinds.items()}


def _check_block(arrays: Mapping[str, np.ndarray], kinds: Kinds, where: str) -> None:
    if not arrays:
        raise ShardError(f"{where} has no arrays.")
    for name, values in arrays.items():
        if np.ma.isMaskedArray(values) or values.dtype.hasobject:
            raise ShardError(
                f"{where}: {name} is masked or holds Python objects, which an npy file cannot store. Fill "
                "it, or give it a dtype of fixed size such as U20."
            )
        if values.ndim == 0 or Path(name).name != name:
            raise ShardError(
                f"{where}: {name!r} must be an array of rows whose name can be that of a file, it has shape "
                f"{values.shape}."
            )
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise ShardError(f"{where} needs arrays with the same number of rows, got {lengths}.")
    if _kinds(arrays) != kinds:
        found, first = (
            ", ".join(f"{name} {dtype} {shape}" for name, (dtype, shape) in each.items())
            for each in (_kinds(arrays), kinds)
        )
        raise ShardError(f"{where} does not fit to the first: it has {found}, the first {first}.")
