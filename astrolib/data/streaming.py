"""Batches of a survey that does not fit in memory: a thread reads ahead while the device trains."""

import copy
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

import numpy as np
import psutil
import torch
from torch import Generator, Tensor

from astrolib.data.batches import Batch, Batches
from astrolib.data.shards import Shards, take_rows

Item, Result = TypeVar("Item"), TypeVar("Result")


FREE_SHARE = 0.5
"""Of the memory that is free, what a survey may take before it is streamed: training needs some, too."""


def fits(n_bytes: int, device: torch.device | str) -> bool:
    """Whether arrays of this size may live on a device, beside the training.

    Processes that torchrun started on this machine share its memory; a GPU is of one process.
    """
    if torch.device(device).type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        free = torch.cuda.mem_get_info(device)[0] + unused  # what an earlier training left to PyTorch
    else:
        free = psutil.virtual_memory().available // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    return n_bytes <= FREE_SHARE * free


class StreamedBatches(Batches):
    """Rows of a survey in shards, a batch at a time, read from disk as they are needed.

    Takes the place of `Batches` in `astrolib.training.fit.fit` and gives the same batches; it has no
    `tensors`.

    Parameters
    ----------
    shards : Shards
        From `astrolib.data.shards.open_shards`.
    batch_size : int
        Rows of a batch, over all ranks together.
    names : iterable of str, optional
        The arrays to read; all by default. They must be numbers.
    rows : ndarray of int, shape (N,), optional
        Row numbers of the part of the survey to use; all by default. "index" counts within them, as if they
        were a survey of their own.
    transform : callable, optional
        ``transform(batch, generator) -> batch``, called on each batch when it is on the device.
    shuffle : bool
        A new order in each epoch, see the notes.
    drop_last : bool
        Leave out a last batch that is not full.
    rank, world_size : int
        This process among how many: all draw the same order and each takes its share of every batch.
    block_rows : int
        Consecutive rows that are read together when shuffling; 1 reads row by row.
    window_blocks : int
        Blocks that are mixed with each other.
    prefetch : int
        Batches that are read ahead.

    Raises
    ------
    ValueError
        If there are too few rows for one batch on each rank, an array is not there or cannot be a tensor,
        or `rows` are not whole numbers.
    IndexError
        If `rows` has numbers that the survey does not have.

    Notes
    -----
    Every row comes exactly once an epoch (but for `drop_last`), and all ranks draw the same order. Without
    `shuffle` it is that of the rows. With it and ``block_rows=1`` it is a permutation of all rows, the one
    that `Batches` draws from the same generator: a streamed training is then the same as one in memory, bit
    by bit. Disks that are slow at random reads want a larger `block_rows`: blocks of that many rows come in
    random order, and the rows of `window_blocks` blocks at a time are mixed. Each block is read once, as a
    whole, up to a window before its first row is due, so that two windows are in memory.

    With several ranks and ``block_rows > 1`` every rank reads all blocks, for its share of their rows.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from astrolib.data.shards import open_shards, write_shards
    >>> folder = Path(tempfile.mkdtemp()) / "survey"
    >>> block = {"redshift": np.linspace(0, 0.4, 5, dtype="float32")}
    >>> write_shards(folder, [block], rows_per_shard=2, about={})
    >>> batches = StreamedBatches(open_shards(folder), batch_size=2)
    >>> [batch["index"].tolist() for batch in batches.epoch()]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        shards: Shards,
        batch_size: int,
        *,
        names: Iterable[str] | None = None,
        rows: np.ndarray | None = None,
        transform: Callable[[Batch, Generator], Batch] | None = None,
        shuffle: bool = False,
        drop_last: bool = False,
        rank: int = 0,
        world_size: int = 1,
        block_rows: int = 1,
        window_blocks: int = 16,
        prefetch: int = 3,
    ):
        self.shards, self.batch_size, self.transform = shards, batch_size, transform
        self.shuffle, self.drop_last, self.rank, self.world_size = shuffle, drop_last, rank, world_size
        self.block_rows, self.window_blocks, self.prefetch = block_rows, window_blocks, prefetch
        self.names = shards.names if names is None else tuple(names)
        self.selection = None if rows is None else np.asarray(rows)
        self.n_objects = shards.n_objects if rows is None else len(self.selection)
        self._device = torch.device("cpu")
        self._check_sizes()
        if min(block_rows, window_blocks, prefetch) < 1:
            raise ValueError(
                f"block_rows={block_rows}, window_blocks={window_blocks} and prefetch={prefetch} must be at "
                "least 1."
            )
        if rows is not None:
            _check_are_rows(shards, self.selection)
        for name in self.names:
            _check_is_number(shards, name)

    @property
    def device(self) -> torch.device:
        return self._device

    def to(self, device: torch.device | str) -> "StreamedBatches":
        """The same batches, which come out on `device`."""
        moved = copy.copy(self)
        moved._device = torch.zeros(0, device=device).device  # with the number of the GPU
        return moved

    def rows(self, index: Tensor) -> Batch:
        """Rows `index` (B,), a tensor on the device, in that order and as they are stored."""
        rows = self.shards.rows(self._in_survey(index.cpu().numpy()), self.names)
        return {name: torch.from_numpy(values).to(self.device) for name, values in rows.items()}

    def epoch(self, generator: Generator | None = None) -> Iterator[Batch]:
        """One pass, as that of `Batches`. When it ends or is left, so does the thread that reads.

        Yields
        ------
        dict of str to Tensor
            The arrays' rows of this batch, and "index" (B,): their row numbers.

        Raises
        ------
        ShardError
            If a file has vanished or is damaged; names it.
        """
        order = self._order(generator)
        shares = self._shares(generator)
        read = _Reader(self, order.cpu().numpy()).read
        with closing(read_ahead(read, shares, self.prefetch)) as batches:
            for share, (rows, arrived) in zip(shares, batches, strict=True):
                if arrived is not None:
                    stream = torch.cuda.current_stream(self.device)
                    stream.wait_event(arrived)
                    for values in rows.values():  # made on another stream: not reused before this one is done
                        values.record_stream(stream)
                yield self._batch(rows, order[share], generator)

    def _order(self, generator: Generator | None) -> Tensor:
        order = super()._order(generator)
        if not self.shuffle or self.block_rows == 1:
            return order
        n_blocks = -(-self.n_objects // self.block_rows)
        place = torch.randperm(n_blocks, generator=generator, device=self.device)
        window = place[order // self.block_rows] // self.window_blocks
        return order[window.argsort(stable=True)]  # sorted by window, mixed within it

    def _in_survey(self, index: np.ndarray) -> np.ndarray:
        return index if self.selection is None else self.selection[index]


class _Reader:
    """What the thread does in one epoch: rows from the shards into host memory, and on to the device."""

    def __init__(self, batches: StreamedBatches, order: np.ndarray):
        self.batches, self.order = batches, order
        self.on_gpu = batches.device.type == "cuda"
        self.stream = torch.cuda.Stream(batches.device) if self.on_gpu else None
        blocks = batches.shuffle and batches.block_rows > 1
        self.window = _Window(batches, order) if blocks else None

    def read(self, share: slice) -> tuple[Batch, "torch.cuda.Event | None"]:
        """Rows of a batch on the device; on a GPU they are there when the event has passed.

        PyTorch gives page-locked memory out again only when the copies from it are done.
        """
        index, rows = self.order[share], {}
        for name in self.batches.names:
            dtype, shape = self.batches.shards.kinds[name]
            rows[name] = torch.empty((len(index), *shape), dtype=_torch_dtype(dtype), pin_memory=self.on_gpu)
        arrays = {name: values.numpy() for name, values in rows.items()}
        if self.window:
            self.window.read_into(arrays, index, share.stop)
        else:
            self.batches.shards.read_into(arrays, self.batches._in_survey(index))
        if not self.on_gpu:
            return rows, None
        with torch.cuda.stream(self.stream):
            rows = {name: values.to(self.batches.device, non_blocking=True) for name, values in rows.items()}
            return rows, self.stream.record_event()


class _Window:
    """The blocks in memory, in a ring: those of the window at hand, and those of the next as rows are used.

    While the batch that ends at position p of the order is made, as many blocks are read as p rows fill, and
    a window more: reading goes on evenly, and the last window's blocks are done when theirs are overwritten.
    """

    def __init__(self, batches: StreamedBatches, order: np.ndarray):
        self.batches, self.size, self.ahead = batches, batches.block_rows, batches.window_blocks
        _, first = np.unique(order // self.size, return_index=True)
        self.sequence = np.argsort(first)  # blocks as the order comes to them: one window after the other
        self.place = np.argsort(self.sequence)  # where in that sequence a block is
        self.n_slots = 2 * self.ahead + 2 * batches.batch_size // self.size + 3  # a batch may span windows
        self.n_slots = min(self.n_slots, len(self.sequence))
        self.n_read = 0
        kinds = {name: batches.shards.kinds[name] for name in batches.names}
        self.ring = {
            name: np.empty((self.n_slots * self.size, *shape), dtype)
            for name, (dtype, shape) in kinds.items()
        }

    def read_into(self, out: dict[str, np.ndarray], index: np.ndarray, stop: int) -> None:
        """Rows `index` of a batch that ends at position `stop` of the order."""
        place = self.place[index // self.size]
        self._read_until(max(place.max() + 1, min(len(self.sequence), stop // self.size + self.ahead)))
        slot = place % self.n_slots
        for name, values in out.items():
            take_rows(self.ring[name], slot * self.size + index % self.size, values)

    def _read_until(self, count: int) -> None:
        while self.n_read < count:
            start = self.sequence[self.n_read] * self.size
            rows = np.arange(start, min(start + self.size, self.batches.n_objects))
            slot = (self.n_read % self.n_slots) * self.size
            part = {name: values[slot : slot + len(rows)] for name, values in self.ring.items()}
            self.batches.shards.read_into(part, self.batches._in_survey(rows))
            self.n_read += 1


def read_ahead(read: Callable[[Item], Result], items: Iterable[Item], depth: int) -> Iterator[Result]:
    """``read(item)`` of each item in turn, done by a thread that is up to `depth` items ahead of the caller.

    What `read` raises is raised here. The thread ends with this iterator, also when that is closed early.
    """
    pool, waiting = ThreadPoolExecutor(1, thread_name_prefix="read-ahead"), deque()
    try:
        for item in items:
            waiting.append(pool.submit(read, item))
            if len(waiting) > depth:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _torch_dtype(dtype: np.dtype) -> torch.dtype:
    return torch.from_numpy(np.empty(0, dtype)).dtype


def _check_are_rows(shards: Shards, rows: np.ndarray) -> None:
    if rows.dtype.kind not in "iu":
        raise ValueError(
            f"rows are {rows.dtype}, but must be row numbers; np.flatnonzero makes them of a mask."
        )
    if rows.min() < 0 or rows.max() >= shards.n_objects:
        raise IndexError(
            f"rows are between {rows.min()} and {rows.max()}: {shards.folder} has {shards.n_objects}."
        )


def _check_is_number(shards: Shards, name: str) -> None:
    if name not in shards.kinds:
        raise ValueError(f"{shards.folder} has no array {name!r}, it has {', '.join(shards.names)}.")
    dtype = shards.kinds[name][0]
    try:
        _torch_dtype(dtype)
    except TypeError:
        raise ValueError(
            f"{name} of {shards.folder} is {dtype}, which is no number: leave it out by means of `names`."
        ) from None
