"""How the cost of each stage grows with the batch, the number of objects and the size of the network."""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from scipy.stats import linregress
from torch import nn
from tqdm import tqdm

from astrolib.bench.galaxies import AstroMAE
from astrolib.bench.images import BarlowTwins
from astrolib.bench.inference import Inference
from astrolib.bench.machine import Machine, busy
from astrolib.bench.sizes import Curves, Sizes
from astrolib.bench.stage import LIBRARY, PLAIN
from astrolib.bench.stars import REFERENCE
from astrolib.papers.astrom3_speed import Speed
from astrolib.training.timing import Mode, Pass, Size, measure

BATCH, COUNT, WEIGHTS = "batch size", "objects of an epoch", "weights"
COSTS = {BATCH: "step", COUNT: "epoch", WEIGHTS: "step"}
"""What is timed against what."""


@dataclass(frozen=True)
class Subject:
    """A stage at one size: its network and the two ways, the library's in the machine's fastest precision."""

    network: nn.Module
    plain: Callable[[], Pass]
    library: Callable[[], Pass]
    mixed: bool  # the plain loop is, on a GPU
    source: str = "random pixels"

    @property
    def n_weights(self) -> int:
        """Parameters of the network, frozen ones among them."""
        return sum(p.numel() for p in self.network.parameters())


def _pretraining(parts: AstroMAE, mode: Mode) -> Subject:
    library = partial(parts.library_pretraining, mode)
    return Subject(parts.autoencoder(), parts.plain_pretraining, library, mixed=True)


def _finetuning(parts: AstroMAE, mode: Mode) -> Subject:
    library = partial(parts.library_finetuning, mode)
    return Subject(parts.redshift_net(), parts.plain_finetuning, library, mixed=False)


def _inference(parts: AstroMAE, mode: Mode) -> Subject:
    inference = Inference(parts, parts.size.batch_size)
    library = partial(inference.library, mode.precision)
    return Subject(inference.net, lambda: inference.plain, library, mixed=False)


def _astrom3(speed: Speed, mode: Mode) -> Subject:
    plain, library = partial(speed.plain_pass, REFERENCE), partial(speed.astrolib_pass, REFERENCE, mode)
    return Subject(speed.model(REFERENCE), plain, library, mixed=False, source="simulated")


def _barlow(parts: BarlowTwins, mode: Mode) -> Subject:
    return Subject(parts.model(), parts.plain, partial(parts.library, mode), mixed=True)


SUBJECTS: dict[str, tuple[Callable, Callable[..., Subject]]] = {
    "pretraining": (AstroMAE, _pretraining),
    "fine-tuning": (AstroMAE, _finetuning),
    "inference": (AstroMAE, _inference),
    "AstroM3 CLIP pretraining": (Speed, _astrom3),
    "Barlow Twins": (BarlowTwins, _barlow),
}
"""Of each stage what makes its networks and objects, called with (profile, size, device, width)."""


def measured(wanted: Sizes, machine: Machine) -> Iterator[pd.DataFrame]:
    """The three curves of each stage, one after the other, each measured by both ways in turns.

    Nothing is compiled: every point has shapes of its own, and would wait for the compiler longer than for
    its passes.

    Yields
    ------
    DataFrame
        Columns `stage`, `against`, `x`, `way`, `cost_ms` (of `COSTS`, the median), `cost_ms_low` and
        `cost_ms_high` (fastest and slowest), `precision`, `batch_size`, and what tells the machine.
    """
    for stage, curves in wanted.curves.items():
        for against in COSTS:
            points = list(_points(against, curves, wanted))
            bar = tqdm(points, desc=f"{stage}: cost against {against}", unit="point", file=sys.stdout)
            tables = [_point(stage, against, size, width, wanted, machine) for size, width in bar]
            yield pd.concat(tables, ignore_index=True).assign(
                n_seeds=1, machine=machine.name, device=machine.device
            )


def _point(stage: str, against: str, size: Size, width: int, wanted: Sizes, machine: Machine) -> pd.DataFrame:
    make, subject_of = SUBJECTS[stage]
    mode = [mode for mode in machine.modes if not mode.compile][-1]
    subject = subject_of(make(wanted.profile, size, machine.device, width), mode)
    table = measure({PLAIN: subject.plain, LIBRARY: subject.library}, size, machine.device)
    per_pass = size.steps if COSTS[against] == "epoch" else 1
    plain = "16-mixed" if subject.mixed and machine.device == "cuda" else "32-true"
    return pd.DataFrame(
        {
            "stage": stage,
            "against": against,
            "x": {BATCH: size.batch_size, COUNT: size.objects, WEIGHTS: subject.n_weights}[against],
            "way": table["way"],
            "cost": COSTS[against],
            "cost_ms": table["step_ms"] * per_pass,
            "cost_ms_low": 1e3 * size.batch_size / table["fastest"] * per_pass,
            "cost_ms_high": 1e3 * size.batch_size / table["slowest"] * per_pass,
            "precision": [plain, mode.precision],
            "batch_size": size.batch_size,
            "repeats": size.repeats,
            "busy": busy(),
            "source": subject.source,
        }
    )


def _points(against: str, curves: Curves, wanted: Sizes) -> Iterator[tuple[Size, int]]:
    """Size and width (0: the profile's) of each point."""
    steps, repeats = wanted.scaling_steps, wanted.scaling_repeats
    if against == BATCH:
        yield from ((Size(batch, steps, repeats), 0) for batch in curves.batches)
    elif against == COUNT:
        batch = curves.counts[0]
        yield from ((Size(batch, count // batch, repeats), 0) for count in curves.counts)
    else:
        yield from ((Size(curves.width_batch, steps, repeats), width) for width in curves.widths)


def slopes(points: pd.DataFrame) -> pd.DataFrame:
    """Exponents of power laws, cost ~ x^slope, by least squares of the logarithms.

    Parameters
    ----------
    points : DataFrame
        Columns `machine`, `stage`, `against`, `way`, `x`, `cost_ms`, `source`.

    Returns
    -------
    DataFrame
        A row for each machine, stage, curve and way: `slope`, `standard_error` (empty with fewer than three
        points), `n_points`, `x_low`, `x_high`. A slope below 1 says that larger is cheaper for each object.

    Examples
    --------
    >>> x = np.array([1, 2, 4])
    >>> made = pd.DataFrame({"x": x, "cost_ms": 5 * x**2}).assign(source="made up")
    >>> slopes(made.assign(machine="a", stage="b", against="c", way="d"))["slope"].round(6).tolist()
    [2.0]
    """
    rows = []
    keys = ["machine", "stage", "against", "way"]
    for found, curve in points.groupby(keys, sort=False):
        fit = linregress(np.log(curve["x"]), np.log(curve["cost_ms"]))
        rows.append(
            {
                **dict(zip(keys, found, strict=True)),
                "slope": fit.slope,
                "standard_error": fit.stderr if len(curve) > 2 else np.nan,
                "n_points": len(curve),
                "x_low": curve["x"].min(),
                "x_high": curve["x"].max(),
                "source": curve["source"].iloc[0],
                "n_seeds": 1,
            }
        )
    return pd.DataFrame(rows)
