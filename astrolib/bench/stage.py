"""A stage of the work and the ways to do it; what a measurement of them says."""

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd
import torch

from astrolib.bench.machine import Machine, busy
from astrolib.training.timing import Pass, Size, measure

PLAIN = "plain loop"
LIBRARY = "astrolib"


@dataclass(frozen=True)
class Way:
    """One way to do a stage.

    Parameters
    ----------
    make : callable
        Makes the pass that is timed, see `astrolib.training.timing.measure`.
    precision : str
        Of the network's products.
    operations : int
        Floating-point operations of a step, see `operations.operations`.
    traffic : int
        Bytes that a step moves at least, see `operations.traffic`.
    notes : str
        What a reader must know to judge the comparison.
    """

    make: Callable[[], Pass]
    precision: str
    operations: int
    traffic: int
    notes: str


@dataclass(frozen=True)
class Stage:
    """A stage, ready to be measured.

    Parameters
    ----------
    name : str
    size : Size
        Of its passes.
    ways : dict of str to Way
        The first one is what the others are compared with.
    shape : str
        What an object is, and the network, in words.
    source : str
        Where the objects come from, in words.
    """

    name: str
    size: Size
    ways: dict[str, Way]
    shape: str
    source: str

    def measured(self, machine: Machine) -> pd.DataFrame:
        """A row for each way, with all that a reader needs to judge it.

        Returns
        -------
        DataFrame
            Columns of `timing.measure`, and: `share_of_float32` and `share_of_bfloat16`, operations of the
            network per second over the machine's measured rates; `floor_per_second`, the objects per second
            that those rates would allow: the slower of operations at the higher matrix rate and bytes at the
            copy rate, and `floor_is` which of the two; `busy`, see `machine.busy`.
        """
        makers = {name: way.make for name, way in self.ways.items()}
        table = measure(makers, self.size, machine.device, progress=self.name)
        seconds = table["step_ms"] / 1e3
        ways = [self.ways[name] for name in table["way"]]
        table["precision"] = [way.precision for way in ways]
        table["gigaoperations_per_step"] = [way.operations / 1e9 for way in ways]
        table["megabytes_per_step"] = [way.traffic / 1e6 for way in ways]
        for name, rate in (("float32", machine.float32), ("bfloat16", machine.bfloat16)):
            table[f"share_of_{name}"] = [way.operations / rate for way in ways] / seconds
        computing = pd.Series([way.operations / machine.matrix_rate for way in ways])
        moving = pd.Series([way.traffic / machine.copy for way in ways])
        table["floor_per_second"] = self.size.batch_size / computing.combine(moving, max)
        table["floor_is"] = (computing >= moving).map({True: "operations", False: "bytes"})
        table["notes"] = [way.notes for way in ways]
        return table.assign(
            stage=self.name,
            compared_with=next(iter(self.ways)),
            batch_size=self.size.batch_size,
            steps=self.size.steps,
            repeats=self.size.repeats,
            shape=self.shape,
            source=self.source,
            n_seeds=1,
            busy=busy(),
            device=machine.device,
            machine=machine.name,
            threads=machine.threads,
            float32_gflops=machine.float32 / 1e9,
            bfloat16_gflops=machine.bfloat16 / 1e9,
            copy_gb_per_second=machine.copy / 1e9,
            torch=torch.__version__,
        )
