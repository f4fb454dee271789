"""Parts of a survey of any length: checked, and cut anew into parts of one length."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np

Kinds = dict[str, tuple[np.dtype, tuple[int, ...]]]  # dtype and row shape of each array


class ShardError(ValueError):
    """Shards cannot be written or read; the message names the file and says what to do."""


def recut(
    blocks: Iterable[Mapping[str, np.ndarray]], n_rows: int, folder: Path
) -> Iterator[dict[str, np.ndarray]]:
    """The rows of all blocks in parts of `n_rows`, in the byte order of this machine.

    The last part may be shorter. The next one overwrites it: memory holds a block and a part.

    Raises
    ------
    ShardError
        If blocks do not fit together or cannot be stored in `folder`; names the block.
    """
    kinds, part, filled = {}, {}, 0
    for number, block in enumerate(blocks):
        arrays = {name: _native(values) for name, values in block.items()}
        kinds = kinds or kinds_of(arrays)
        _check_block(arrays, kinds, f"Block {number} of {folder}")
        part = part or empty(kinds, n_rows)
        start, stop = 0, len(next(iter(arrays.values())))
        while start < stop:
            n = min(stop - start, n_rows - filled)
            for name, values in arrays.items():
                part[name][filled : filled + n] = values[start : start + n]
            start, filled = start + n, filled + n
            if filled == n_rows:
                yield part
                filled = 0
    if filled:
        yield {name: values[:filled] for name, values in part.items()}


def kinds_of(arrays: Mapping[str, np.ndarray]) -> Kinds:
    """Dtype and row shape of each array."""
    return {name: (values.dtype, values.shape[1:]) for name, values in arrays.items()}


def empty(kinds: Kinds, n: int) -> dict[str, np.ndarray]:
    """Arrays of `n` rows whose values are not set."""
    return {name: np.empty((n, *shape), dtype) for name, (dtype, shape) in kinds.items()}


def names_a_file(name: str) -> bool:
    """Whether a file can have this name, which must not lead to another folder."""
    return Path(name).name == name


def _native(values: np.ndarray) -> np.ndarray:
    values = values if np.ma.isMaskedArray(values) else np.asarray(values)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _check_block(arrays: Mapping[str, np.ndarray], kinds: Kinds, where: str) -> None:
    if not arrays:
        raise ShardError(f"{where} has no arrays.")
    for name, values in arrays.items():
        if np.ma.isMaskedArray(values) or values.dtype.hasobject:
            raise ShardError(
                f"{where}: {name} is masked or holds Python objects, which an npy file cannot store. Fill "
                "it, or give it a dtype of fixed size such as U20."
            )
        if np.dtype(values.dtype.str) != values.dtype:  # shards.json could not say what it is
            raise ShardError(
                f"{where}: {name} is {values.dtype}: give plain numbers or text, and an array for each field."
            )
        if values.ndim == 0 or not names_a_file(name):
            raise ShardError(
                f"{where}: {name!r} must be an array of rows whose name can be that of a file, it has shape "
                f"{values.shape}."
            )
    lengths = {name: len(values) for name, values in arrays.items()}
    if len(set(lengths.values())) != 1:
        raise ShardError(f"{where} needs arrays with the same number of rows, got {lengths}.")
    if kinds_of(arrays) != kinds:
        found, first = (
            ", ".join(f"{name} {dtype} {shape}" for name, (dtype, shape) in each.items())
            for each in (kinds_of(arrays), kinds)
        )
        raise ShardError(f"{where} does not fit to the first: it has {found}, the first {first}.")
