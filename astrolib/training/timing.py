"""How fast several ways do the same work: whole passes, timed in turns, and the memory each way takes."""

import ctypes
import gc
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn
from tqdm import tqdm

from astrolib.data.batches import Batches
from astrolib.training.compile import compiled
from astrolib.training.fabric import make_fabric
from astrolib.training.memory import memory_kept
from astrolib.training.optim import Optimization, make_optimizer
from astrolib.training.passes import Loss, seeded, train_epoch
from astrolib.training.precision import FULL, Precision

Pass = Callable[[], object]
"""All objects once."""


@dataclass(frozen=True)
class Size:
    """How much is measured: a pass has `steps` batches, and each way makes `repeats` timed passes."""

    batch_size: int
    steps: int
    repeats: int

    @property
    def objects(self) -> int:
        """Of a pass."""
        return self.batch_size * self.steps


@dataclass(frozen=True)
class Mode:
    """How the library is asked to train: what `ASTROLIB_PRECISION` and `ASTROLIB_COMPILE` say to `fit`."""

    precision: Precision = FULL
    compile: bool = False

    @property
    def words(self) -> str:
        """For reading."""
        return {FULL: "float32"}.get(self.precision, "bfloat16") + ", compiled" * self.compile


SINGLE = Mode()
"""Float32, not compiled: what `fit` does unasked."""


def library_pass(
    model: nn.Module,
    batches: Batches,
    loss: Loss,
    optimization: Optimization,
    device: str,
    mode: Mode = SINGLE,
) -> Pass:
    """An epoch as `fit` makes it; every measurement of the library's training goes through here."""
    fabric = make_fabric(device, mode.precision)
    model = model.to(fabric.device)
    faster = compiled(model, fabric.device) if mode.compile else model
    wrapped = fabric.setup(faster, make_optimizer(model, optimization))
    batches = batches.to(fabric.device)

    def one_pass() -> None:
        with memory_kept(), seeded(fabric.device, 0) as generator:
            train_epoch(fabric, *wrapped, batches, loss, generator, grad_clip=optimization.grad_clip)

    return one_pass


def measure(
    makers: Mapping[str, Callable[[], Pass]], size: Size, device: str, *, progress: str = ""
) -> pd.DataFrame:
    """Time passes, the ways taking turns, so that a busy moment of the machine hits all of them.

    Parameters
    ----------
    makers : mapping of str to callable
        Makes the pass of a way. The first way is what the others are compared with.
    size : Size
    device : str
        "cpu" or "cuda".
    progress : str
        Name of a bar that counts the passes; none without it.

    Returns
    -------
    DataFrame
        A row for each way. `objects_per_second` is of the median pass, `slowest` and `fastest` of the others;
        `step_ms` of the median pass, `step_ms_iqr` the distance between the quartiles of the passes [ms];
        `times_first` how often the way makes a pass while the first way makes one: the median over the
        rounds, each of which has one pass of every way, with the lowest and highest round beside it;
        `memory_mib`, see `Memory`. The first pass of every way is not timed.
    """
    passes, memory, seconds = {}, {}, {name: [] for name in makers}
    total = len(makers) * (1 + size.repeats)
    with tqdm(total=total, desc=progress, unit="pass", disable=not progress, file=sys.stdout) as bar:
        for name, make in makers.items():
            grown = Memory(device)
            passes[name] = make()
            passes[name]()
            memory[name] = grown.mib()
            bar.update()
        for _ in range(size.repeats):
            for name, one_pass in passes.items():
                _wait(device)
                started = time.perf_counter()
                one_pass()
                _wait(device)
                seconds[name].append(time.perf_counter() - started)
                bar.update()
    rows, first = [], np.array(next(iter(seconds.values())))
    for name, taken in seconds.items():
        quartiles, gain = np.percentile(taken, [25, 75]), first / np.array(taken)
        rows.append(
            {
                "way": name,
                "objects_per_second": size.objects / statistics.median(taken),
                "slowest": size.objects / max(taken),
                "fastest": size.objects / min(taken),
                "step_ms": 1e3 * statistics.median(taken) / size.steps,
                "step_ms_iqr": 1e3 * (quartiles[1] - quartiles[0]) / size.steps,
                "times_first": np.median(gain),
                "times_first_low": gain.min(),
                "times_first_high": gain.max(),
                "memory_mib": memory[name],
            }
        )
    return pd.DataFrame(rows)


class Memory:
    """The most memory that was held since this object was made, above what was held then.

    A way's network, optimiser, arrays on the device and first pass all count, so that nothing it keeps for
    later passes is missed. On a GPU it is what PyTorch allocated; on the CPU the resident memory of this
    process, without that of a DataLoader's workers, and with freed memory handed back to the system first:
    what an earlier way left behind would be used again and not be seen.
    """

    def __init__(self, device: str):
        self.device = device
        gc.collect()
        if device == "cuda":
            torch.cuda.synchronize()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            self.before = torch.cuda.memory_allocated() / 2**20
        else:
            self.before = _resident_mib("VmRSS") if _forget_peak() else None

    def mib(self) -> float | None:
        """[MiB]; None where the system cannot tell (other systems than Linux, other libraries than glibc)."""
        if self.device == "cuda":
            torch.cuda.synchronize()
            return torch.cuda.max_memory_allocated() / 2**20 - self.before
        return None if self.before is None else _resident_mib("VmHWM") - self.before


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def _forget_peak() -> bool:
    """Hand freed memory back and let the peak start anew; False if this system cannot."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, AttributeError):
        return False
    return True


def _resident_mib(field: str) -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) / 1024
