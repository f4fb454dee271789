"""How the cost of pretraining grows with the batch, the number of images and the width of the network."""

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
from scipy.stats import linregress
from tqdm import tqdm

from astrolib.bench.galaxies import SOURCE, AstroMAE
from astrolib.bench.machine import Machine, busy
from astrolib.bench.sizes import Sizes
from astrolib.bench.stage import LIBRARY, PLAIN
from astrolib.training.timing import Pass, Size, measure

BATCH, COUNT, WEIGHTS = "batch size", "images of an epoch", "weights"
COSTS = {BATCH: "step", COUNT: "epoch", WEIGHTS: "step"}
"""What is timed against what."""


def measured(wanted: Sizes, machine: Machine) -> Iterator[pd.DataFrame]:
    """The three curves, one after the other, each measured by both ways in turns.

    Yields
    ------
    DataFrame
        Columns `against`, `x`, `way`, `cost_ms` (of `COSTS`, the median), `cost_ms_low` and `cost_ms_high`
        (fastest and slowest), `precision`, `batch_size`, and what tells the machine.
    """
    for against in COSTS:
        points = []
        for size, width in tqdm(list(_points(against, wanted)), desc=f"cost against {against}", unit="point"):
            parts = AstroMAE(wanted.profile, size, machine.device, width)
            x = {BATCH: size.batch_size, COUNT: size.objects, WEIGHTS: n_weights(parts)}[against]
            table = measure(_ways(parts, machine), size, machine.device)
            per_pass = size.steps if COSTS[against] == "epoch" else 1
            points.append(
                pd.DataFrame(
                    {
                        "against": against,
                        "x": x,
                        "way": table["way"],
                        "cost": COSTS[against],
                        "cost_ms": table["step_ms"] * per_pass,
                        "cost_ms_low": 1e3 * size.batch_size / table["fastest"] * per_pass,
                        "cost_ms_high": 1e3 * size.batch_size / table["slowest"] * per_pass,
                        "precision": ["16-mixed" if machine.device == "cuda" else "32-true"]
                        + [machine.modes[-1].precision] * (len(table) - 1),
                        "batch_size": size.batch_size,
                        "repeats": size.repeats,
                        "busy": busy(),
                    }
                )
            )
        yield pd.concat(points, ignore_index=True).assign(
            source=SOURCE, n_seeds=1, machine=machine.name, device=machine.device
        )


def slopes(points: pd.DataFrame) -> pd.DataFrame:
    """Exponents of power laws, cost ~ x^slope, by least squares of the logarithms.

    Parameters
    ----------
    points : DataFrame
        Columns `machine`, `against`, `way`, `x`, `cost_ms`, `source`.

    Returns
    -------
    DataFrame
        A row for each machine, curve and way: `slope`, `standard_error` (empty with fewer than three points),
        `n_points`, `x_low`, `x_high`. A slope below 1 says that larger is cheaper for each object.

    Examples
    --------
    >>> x = np.array([1, 2, 4])
    >>> made = pd.DataFrame({"machine": "a", "against": "b", "way": "c", "x": x, "cost_ms": 5 * x**2})
    >>> slopes(made.assign(source="made up"))["slope"].round(6).tolist()
    [2.0]
    """
    rows = []
    for (machine, against, way), curve in points.groupby(["machine", "against", "way"], sort=False):
        fit = linregress(np.log(curve["x"]), np.log(curve["cost_ms"]))
        rows.append(
            {
                "machine": machine,
                "against": against,
                "way": way,
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


def n_weights(parts: AstroMAE) -> int:
    """Trained parameters of the autoencoder."""
    return sum(p.numel() for p in parts.autoencoder().parameters() if p.requires_grad)


def _points(against: str, wanted: Sizes) -> Iterator[tuple[Size, int]]:
    """Size and width (0: the profile's) of each point."""
    steps, repeats = wanted.scaling_steps, wanted.scaling_repeats
    if against == BATCH:
        yield from ((Size(batch, steps, repeats), 0) for batch in wanted.batches)
    elif against == COUNT:
        batch = min(wanted.counts[0], wanted.pretraining.batch_size)
        yield from ((Size(batch, count // batch, repeats), 0) for count in wanted.counts)
    else:
        yield from ((Size(wanted.width_batch, steps, repeats), width) for width in wanted.widths)


def _ways(parts: AstroMAE, machine: Machine) -> dict[str, Callable[[], Pass]]:
    """The plain loop and the library in its fastest precision."""
    return {
        PLAIN: parts.plain_pretraining,
        LIBRARY: lambda: parts.library_pretraining(machine.modes[-1]),
    }
