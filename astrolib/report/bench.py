"""Figures of the benchmark, from the tables that `python -m astrolib.bench` keeps; nothing is measured here.

python -m astrolib.report.bench figures/bench
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator, StrMethodFormatter

from astrolib.report.style import COLOURS, new_figure, save, styled

THROUGHPUT_READING = [
    *("machine", "stage", "way", "objects_per_second", "times_first", "times_first_low", "times_first_high"),
    *("step_ms", "step_ms_iqr", "memory_mib", "share_of_float32", "share_of_bfloat16", "floor_per_second"),
    *("batch_size", "date", "torch", "source", "n_seeds"),
]
CURVE = ("machine", "stage", "against", "way")
SCALING_READING = [*CURVE, "x", "cost", "cost_ms", "precision", "source", "n_seeds"]
SLOPES_READING = [*CURVE, "slope", "standard_error", "n_points", "source", "n_seeds"]
"""Columns of the Markdown tables; the csv files have all."""

BAR_COLOURS = {
    "plain loop, or memory": COLOURS["baseline"],
    "float32": COLOURS["ours"],
    "bfloat16": "#E69F00",
}
WAY_COLOURS = {"plain loop": COLOURS["baseline"], "astrolib": COLOURS["ours"]}
MARKERS = {"plain loop": "s", "astrolib": "o"}
STAGES = ("pretraining", "pretraining, pcm blocks", "fine-tuning", "inference", "AstroM3 CLIP pretraining")
STAGES += ("Barlow Twins", "batches", "pretraining from disk")
"""From top to bottom, in whatever order they were measured."""


def draw(folder: Path) -> list[Path]:
    """Draw what the folder holds numbers of: ``throughput.png`` and ``scaling.png``.

    Returns
    -------
    list of Path
        Of the figures drawn.
    """
    folder, drawn = Path(folder), []
    if (folder / "throughput.csv").exists():
        table = pd.read_csv(folder / "throughput.csv")
        drawn.append(save(throughput(table), folder / "throughput.png", _source(table)))
    if (folder / "scaling.csv").exists():
        points, slopes = (pd.read_csv(folder / f"{name}.csv") for name in ("scaling", "slopes"))
        drawn.append(save(scaling(points, slopes), folder / "scaling.png", _source(points)))
    return drawn


def _place(stage: str) -> tuple[int, str]:
    return (STAGES.index(stage) if stage in STAGES else len(STAGES), stage)


def summary(table: pd.DataFrame) -> str:
    """A stage's rows as lines of text, for whoever waits."""
    lines = []
    for row in table.itertuples():
        lines.append(
            f"  {row.stage}, {row.way}: {row.objects_per_second:,.4g}/s ({row.slowest:,.4g} to "
            f"{row.fastest:,.4g}), {row.times_first:.2f} times {table['way'].iloc[0]}"
        )
    return "\n".join(lines)


@styled
def throughput(table: pd.DataFrame) -> Figure:
    """Objects per second of every stage and way, a panel for each machine.

    Parameters
    ----------
    table : DataFrame
        Columns `machine`, `date`, `stage`, `way`, `precision`, `compared_with`, `run`, `objects_per_second`,
        `slowest`, `fastest`, `times_first`, `floor_per_second`.

    Returns
    -------
    Figure
        Bars reach to the median pass, whiskers to the slowest and fastest; a black tick is the rate that the
        machine's measured matrix and copy rates would allow. The number on the right is the gain over the way
        compared with, in the same run; it is not there if that way was last measured in another run.
    """
    machines = list(table.groupby("machine", sort=False))
    height = max(_n_lines(rows) for _, rows in machines) * 0.23 + 1.2
    figure = new_figure((10.0 if len(machines) > 1 else 8.0, height))
    figure.get_layout_engine().set(w_pad=0.15)  # small letters are wider in the file than in the layout
    panels = figure.subplots(1, len(machines), squeeze=False)[0]
    for axes, (machine, rows) in zip(panels, machines, strict=True):
        _bars(axes, rows)
        axes.set_title(f"{machine}\n{rows['date'].max()}", fontsize=9)
    handles = [Patch(color=colour, label=name) for name, colour in BAR_COLOURS.items()]
    floor = {"marker": "|", "ls": "", "ms": 9, "mew": 1.8, "label": "what the machine's rates allow"}
    handles.append(Line2D([], [], color="black", **floor))
    figure.legend(handles=handles, loc="outside upper center", ncols=4, fontsize=8)
    return figure


def _n_lines(rows: pd.DataFrame) -> int:
    return len(rows) + rows["stage"].nunique()


def _bars(axes: Axes, rows: pd.DataFrame) -> None:
    y, labels, heights = 0, [], []
    beside = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": 8}
    for stage in sorted(rows["stage"].unique(), key=_place):
        ways = rows[rows["stage"] == stage]
        axes.text(0.005, y, stage, weight="bold", **beside)
        y -= 1
        runs = dict(zip(ways["way"], ways["run"], strict=True))
        for _, way in ways.iterrows():
            kind = "bfloat16" if "bf16" in way["precision"] else "float32"
            compared = way["way"] == way["compared_with"]
            colour = BAR_COLOURS["plain loop, or memory" if compared else kind]
            axes.barh(y, way["objects_per_second"], height=0.72, color=colour, zorder=2)
            axes.plot([way["slowest"], way["fastest"]], [y, y], color="black", lw=0.9, zorder=3)
            axes.plot(way["floor_per_second"], y, "|", color="black", ms=9, mew=1.8, zorder=3)
            if not compared and runs.get(way["compared_with"]) == way["run"]:
                axes.text(1.01, y, f"x {way['times_first']:.3g}", **beside)
            labels.append(way["way"])
            heights.append(y)
            y -= 1
    axes.set(xscale="log", ylim=(y + 0.4, 0.7), xlabel="objects per second")
    least = rows["slowest"].min() / 3
    axes.set_xlim(left=least, right=max(rows["floor_per_second"].max(), rows["fastest"].max()) * 3)
    axes.set_yticks(heights, labels, fontsize=7.5)
    axes.grid(visible=False, axis="y")


@styled
def scaling(points: pd.DataFrame, slopes: pd.DataFrame) -> Figure:
    """Cost against batch size, number of objects and model size, a row of panels for each machine and stage.

    Parameters
    ----------
    points : DataFrame
        Columns `machine`, `date`, `stage`, `against`, `x`, `way`, `cost`, `cost_ms`, `cost_ms_low`,
        `cost_ms_high`.
    slopes : DataFrame
        Columns `machine`, `stage`, `against`, `way`, `slope`, `standard_error`.

    Returns
    -------
    Figure
        Both axes are logarithmic; lines are power laws fitted to the points, whiskers go from the fastest to
        the slowest pass.
    """
    subjects = list(points.groupby(["machine", "stage"], sort=False))
    curves = list(dict.fromkeys(points["against"]))
    figure = new_figure((3.4 * len(curves), 2.7 * len(subjects) + 0.3))
    grid = figure.subplots(len(subjects), len(curves), squeeze=False)
    found = slopes.set_index(list(CURVE))
    for row, ((machine, stage), mine) in zip(grid, subjects, strict=True):
        for axes, against in zip(row, curves, strict=True):
            panel = mine[mine["against"] == against]
            for way, curve in panel.groupby("way", sort=False):
                _power_law(axes, curve, way, found.loc[(machine, stage, against, way)])
            axes.set(xscale="log", yscale="log", xlabel=against)
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.10g}"))
            axes.yaxis.set_minor_locator(NullLocator())
            if panel.empty:
                axes.set_axis_off()
                continue
            ticks = sorted(panel["x"].unique())
            axes.set_xticks(ticks, [_short(x) for x in ticks])
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_ylabel(f"time of {_an(panel['cost'].iloc[0])} [ms]")
            axes.legend(fontsize=7.5, loc="upper left")
            low, high = axes.get_ylim()
            axes.set_ylim(low, high * (high / low) ** 0.35)  # room for the legend
        row[0].set_title(f"{stage}: {machine}, {mine['date'].max()}", fontsize=9, loc="left")
    return figure


def _power_law(axes: Axes, curve: pd.DataFrame, way: str, fit: pd.Series) -> None:
    x, cost = curve["x"].to_numpy(float), curve["cost_ms"].to_numpy()
    error = "" if np.isnan(fit["standard_error"]) else f" ± {fit['standard_error']:.2f}"
    label, colour = f"{way}: slope {fit['slope']:.2f}{error}", WAY_COLOURS[way]
    whiskers = [cost - curve["cost_ms_low"], curve["cost_ms_high"] - cost]
    axes.errorbar(x, cost, whiskers, fmt=MARKERS[way], ms=4.5, color=colour, lw=1.0, label=label)
    centre = np.exp(np.log(cost).mean() + fit["slope"] * (np.log(x) - np.log(x).mean()))
    axes.plot(x, centre, color=colour, lw=1.1, alpha=0.8)


def _short(x: float) -> str:
    for size, letter in ((1e6, "M"), (1e3, "k")):
        if x >= 10 * size or (x >= size and letter == "M"):
            return f"{x / size:.3g}{letter}"
    return f"{x:g}"


def _an(cost: str) -> str:
    return f"an {cost}" if cost[0] in "aeiou" else f"a {cost}"


def _source(table: pd.DataFrame) -> str:
    return "; ".join(sorted(table["source"].unique()))


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m astrolib.report.bench", description=draw.__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("figures/bench"))
    options = parser.parse_args(arguments)
    drawn = draw(options.folder)
    if not drawn:
        print(
            f"There are no measurements in {options.folder}: make them with python -m astrolib.bench.",
            file=sys.stderr,
        )
        return 1
    print(f"Drew {', '.join(path.name for path in drawn)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
