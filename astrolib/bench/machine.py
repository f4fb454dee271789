"""What this machine is called, and what it can do: the rates that every result is held against."""

import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from astrolib.training.compile import wants_compilation
from astrolib.training.timing import Mode

SIDES = {"cpu": 2048, "cuda": 8192}
"""Of the square matrices whose product is timed."""
COPIED = {"cpu": 2**28, "cuda": 2**30}
"""Bytes of the array that is copied."""


@dataclass(frozen=True)
class Machine:
    """A device and its ceilings.

    `name` tells machines apart; results of different ones are never compared. `float32` and `bfloat16` are
    rates of a large matrix product [operations/s, an addition and a multiplication are two], `copy` that of
    a large copy [bytes/s, read and written both count]. Each is the best of some trials: a ceiling.
    """

    device: str
    name: str
    threads: int
    float32: float
    bfloat16: float
    copy: float

    @property
    def matrix_rate(self) -> float:
        """The higher of the two."""
        return max(self.float32, self.bfloat16)

    @property
    def modes(self) -> list[Mode]:
        """In which the library is measured, the one meant for speed last.

        bfloat16 only where the device is faster in it; compiled on a GPU, and on a CPU, where it takes a
        minute for each network and gains little, only if `ASTROLIB_COMPILE` asks for it.
        """
        found = [Mode()]
        if self.bfloat16 > 1.5 * self.float32:
            found.append(Mode("bf16-mixed"))
        if self.device == "cuda" or wants_compilation():
            found.append(Mode(found[-1].precision, compile=True))
        return found

    def sharpened(self) -> "Machine":
        """The same machine measured again, the better of the rates kept: a ceiling met in a busy moment is
        too low."""
        other = this_machine(self.device)
        rates = ("float32", "bfloat16", "copy")
        return replace(self, **{rate: max(getattr(self, rate), getattr(other, rate)) for rate in rates})


def this_machine(device: str) -> Machine:
    """Name this machine and measure its rates: a second or two."""
    threads = torch.get_num_threads()
    name = torch.cuda.get_device_name() if device == "cuda" else f"{_processor()}, {threads} threads"
    rates = (matrix_rate(device, dtype) for dtype in (torch.float32, torch.bfloat16))
    return Machine(device, name, threads, *rates, copy_rate(device))


def matrix_rate(device: str, dtype: torch.dtype, side: int = 0, trials: int = 8) -> float:
    """Operations per second of the product of two square matrices."""
    side = side or SIDES[device]
    a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
    return 2 * side**3 / _best(lambda: a @ b, device, trials)


def copy_rate(device: str, n_bytes: int = 0, trials: int = 8) -> float:
    """Bytes per second that a copy reads and writes."""
    source = torch.zeros((n_bytes or COPIED[device]) // 4, device=device)
    target = torch.empty_like(source)
    return 2 * source.nbytes / _best(lambda: target.copy_(source), device, trials)


def busy() -> float | None:
    """Processes that wanted to run in the last minute, this one among them, over the cores there are: well
    above 1 says that others were at work too. None if unknown."""
    return os.getloadavg()[0] / (os.cpu_count() or 1) if hasattr(os, "getloadavg") else None


def _best(work: Callable[[], object], device: str, trials: int) -> float:
    """Least seconds; the first trial warms up."""
    taken = []
    for _ in range(trials + 1):
        started = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - started)
    return min(taken[1:])


def _processor() -> str:
    """Model of the CPU, as the system calls it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
