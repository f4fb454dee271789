"""Predictions for a survey of any size: reading, computing and writing overlap, and a kill loses nothing."""

import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import cycle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from astrolib.catalogue.outputs import CatalogueError, CatalogueFolder
from astrolib.data.batches import Batch, widened
from astrolib.data.blocks import Kinds
from astrolib.data.shards import Shards
from astrolib.data.streaming import read_ahead
from astrolib.training.fabric import Fabric, make_fabric

Predict = Callable[[Batch], Mapping[str, Tensor]]

UNDER_WAY = 3  # batches: one is being read, one copied to the device, one computed
WAITING_TO_BE_WRITTEN = 2  # shards: a slow disk must hold back the network, not fill the memory


def predict_catalogue(
    shards: Shards,
    predict: Predict,
    out: Path,
    *,
    settings: Mapping[str, Any],
    inputs: Sequence[str],
    columns: Sequence[str] = ("id",),
    batch_size: int = 4096,
    fabric: Fabric | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Predict something of every object of a survey, a Parquet file for each shard.

    One thread reads ahead into pinned memory, copies to and from a GPU are asynchronous, and another thread
    writes. A shard whose file is there is not predicted again, so after an interruption of whatever kind the
    same command goes on and ends with the files of an uninterrupted run. Under torchrun the ranks take turns
    in picking from the shards that are left; batches never reach over the end of a shard, so the numbers do
    not depend on how many ranks there are.

    Parameters
    ----------
    shards : Shards
        The survey.
    predict : callable
        ``predict(batch) -> {name: Tensor}``, on the device of `fabric` and in inference mode. The batch has
        the `inputs`, (B, ...) each, float16 ones as float32. Each entry, (B,) or (B, M), becomes a column.
    out : Path
        Folder of the catalogue, see `CatalogueFolder`.
    settings : mapping
        All that determines the predictions besides the survey, as plain JSON; not the batch size, since after
        running out of memory a smaller one must be possible.
    inputs : sequence of str
        Arrays of the survey that `predict` sees.
    columns : sequence of str
        Arrays of the survey that are carried over into the catalogue.
    batch_size : int
        Objects at a time on each device. Like the number of threads it may change the last digits.
    fabric : Fabric, optional
        Device and processes; launched. By default `make_fabric()`.
    progress : bool
        Show a bar with objects per second and time left, of rank 0.

    Returns
    -------
    dict
        What ``catalogue.json`` says: source, n_objects, n_shards, n_bad (rows whose prediction is not finite:
        they are kept, and listed with the reason in ``bad_rows.csv``), settings.

    Raises
    ------
    CatalogueError
        If the folder holds another catalogue or is in use, or predictions cannot be made into columns.
    ShardError
        If a file of the survey is missing or damaged.
    RunError
        If a file cannot be written.
    """
    if batch_size < 1:
        raise CatalogueError(f"The batch size is {batch_size}: it must be at least 1.")
    fabric = fabric or make_fabric()
    folder = CatalogueFolder(out, shards, settings, columns=columns, inputs=inputs)
    rank, first = fabric.global_rank, fabric.is_global_zero
    with ExitStack() as held:
        if first:
            held.enter_context(folder.held(rank))
        missing = fabric.broadcast(folder.missing() if first else None)
        if not first:
            held.enter_context(folder.held(rank))
        if first and missing:
            folder.reopen()
        if first and progress and len(missing) < len(shards):
            print(f"{len(shards) - len(missing)} of {len(shards)} shards are there already.", flush=True)
        mine = missing[rank :: fabric.world_size]
        share = f", share of 1 of {fabric.world_size} processes" if fabric.world_size > 1 else ""
        title = f"predicting{share}" if first and progress else None
        _Stream(folder, predict, batch_size, fabric.device).run(mine, title)
        fabric.barrier()
        if first:
            folder.finish()
        fabric.barrier()
    return folder.summary()


class _Part(NamedTuple):
    """A batch: some rows of a shard."""

    shard: int
    arrays: Mapping[str, np.ndarray]  # of the whole shard
    rows: slice

    @property
    def last(self) -> bool:
        return self.rows.stop == len(next(iter(self.arrays.values())))


class _Slot:
    """Room for one batch, on the host and on the device, used again and again."""

    def __init__(self, kinds: Kinds, size: int, device: torch.device):
        host = {
            name: torch.from_numpy(np.empty((size, *shape), dtype)) for name, (dtype, shape) in kinds.items()
        }
        cuda = device.type == "cuda"
        self.host = {name: values.pin_memory() if cuda else values for name, values in host.items()}
        self.device = {name: values.to(device) for name, values in self.host.items()}  # the same on the CPU
        self.computed = torch.cuda.Event() if cuda else None

    def read(self, part: _Part) -> None:
        """From disk to the host, once the device has done with what was here."""
        if self.computed is not None:
            self.computed.synchronize()
        n = part.rows.stop - part.rows.start
        for name, values in self.host.items():
            np.copyto(values.numpy()[:n], part.arrays[name][part.rows])

    def load(self, n: int, copies: "torch.cuda.Stream | None") -> Batch:
        """From the host to the device, beside what runs there."""
        if copies is not None:
            with torch.cuda.stream(copies):
                for name, values in self.device.items():
                    values[:n].copy_(self.host[name][:n], non_blocking=True)
            torch.cuda.current_stream().wait_stream(copies)
        return widened({name: values[:n] for name, values in self.device.items()})


def _read(item: tuple[_Slot, _Part]) -> tuple[_Slot, _Part]:
    """In the reading thread; `read_ahead` gets to a slot again after its last batch has been computed."""
    slot, part = item
    slot.read(part)
    return item


class _Stream:
    """The shards of one process on their way through it."""

    def __init__(self, folder: CatalogueFolder, predict: Predict, batch_size: int, device: torch.device):
        self.folder, self.predict, self.batch_size, self.device = folder, predict, batch_size, device
        self.copies = torch.cuda.Stream(device) if device.type == "cuda" else None

    @torch.inference_mode()
    def run(self, mine: Sequence[int], title: str | None) -> None:
        """Predict these shards, under a bar with that title if there is one."""
        bounds, kinds = self.folder.shards.bounds, self.folder.shards.kinds
        total = int(sum(bounds[i + 1] - bounds[i] for i in mine))
        size = min(self.batch_size, int(np.diff(bounds).max()))
        seen = {name: kinds[name] for name in self.folder.inputs}
        slots = [_Slot(seen, size, self.device) for _ in range(UNDER_WAY)]
        parts, writes = self._parts(mine, size), deque()
        words = {"desc": title, "unit": " objects", "unit_scale": True, "file": sys.stdout}
        words |= {"mininterval": 0.5 if sys.stdout.isatty() else 5.0, "disable": title is None}
        # Leaving the executor waits for its work: a complete shard is written even if a later batch fails.
        with (
            ThreadPoolExecutor(1, thread_name_prefix="write") as writer,
            closing(read_ahead(_read, zip(cycle(slots), parts, strict=False), UNDER_WAY - 1)) as batches,
            tqdm(total=total, **words) as bar,
        ):
            predictions: dict[str, Tensor] = {}
            for slot, part in batches:
                self._compute(slot, part, predictions)
                if part.last:
                    writes.append(writer.submit(self._write, part, predictions, self._event()))
                    predictions = {}
                while writes and (writes[0].done() or len(writes) > WAITING_TO_BE_WRITTEN):
                    writes.popleft().result()
                bar.update(part.rows.stop - part.rows.start)
            for write in writes:
                write.result()

    def _parts(self, mine: Sequence[int], size: int) -> Iterator[_Part]:
        for i in mine:
            arrays = self.folder.shards.open(i)  # not kept open: a survey may have more files than a process
            n = len(next(iter(arrays.values())))
            yield from (_Part(i, arrays, slice(k, min(k + size, n))) for k in range(0, n, size))

    def _compute(self, slot: _Slot, part: _Part, predictions: dict[str, Tensor]) -> None:
        """Predict one batch; its numbers are then on their way into `predictions`, on the host."""
        n, rows = part.rows.stop - part.rows.start, len(next(iter(part.arrays.values())))
        output = self.predict(slot.load(n, self.copies))
        if predictions and output.keys() != predictions.keys():
            raise CatalogueError(
                f"The first batch of a shard gave {', '.join(predictions)}, a later one {', '.join(output)}: "
                "every batch must give the same."
            )
        for name, values in output.items():
            if values.dim() == 0 or len(values) != n:
                raise CatalogueError(
                    f"{name} was predicted with the shape {tuple(values.shape)} for {n} objects: its first "
                    "dimension must be that of the batch."
                )
            values = values.float() if values.dtype in (torch.bfloat16, torch.float16) else values
            if name not in predictions:
                shape = (rows, *values.shape[1:])
                predictions[name] = torch.empty(
                    shape, dtype=values.dtype, pin_memory=self.device.type == "cuda"
                )
            predictions[name][part.rows].copy_(values, non_blocking=True)
        if slot.computed is not None:
            slot.computed.record()

    def _event(self) -> "torch.cuda.Event | None":
        """It happens when all that the device was asked to do until now is done."""
        return None if self.copies is None else torch.cuda.current_stream().record_event()

    def _write(
        self, part: _Part, predictions: dict[str, Tensor], computed: "torch.cuda.Event | None"
    ) -> None:
        """In the writing thread."""
        if computed is not None:
            computed.synchronize()
        arrays = {name: values.numpy() for name, values in predictions.items()}
        self.folder.write(part.shard, part.arrays, arrays)
