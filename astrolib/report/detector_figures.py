"""Figures of stars on one detector: graph, masks, light curves, forecasts, and what is left of them."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from astrolib.report.style import COLOURS, CYCLE, WIDE, new_figure, styled

KINDS = {"sinusoid": ("o", CYCLE[0]), "dips": ("v", CYCLE[4]), "wandering": (".", CYCLE[6])}
"""Marker and colour of what a star does."""
FLUX = r"flux [robust $\sigma$]"
PIXELS = ("column [px]", "row [px]")
ERROR = r"mean absolute error [robust $\sigma$]"


@styled
def detector_sheet(
    position: np.ndarray,
    kind: np.ndarray,
    graph: np.ndarray,
    shown: np.ndarray,
    time: np.ndarray,
    curves: Mapping[str, np.ndarray],
) -> Figure:
    """Stars on the focal plane with their graph, and light curves of some of them.

    Parameters
    ----------
    position : (N, 2) array [pixels]
    kind : (N,) array of str
    graph : (N, N) array
        Weights.
    shown : (n,) int array
        Stars whose light curves are drawn, one that is in the middle of the others first.
    time : (T,) array [cadences]
    curves : mapping of str to (T, n) array
        `flux`, `systematics`, `intrinsic` and `observed`.
    """
    figure = new_figure((WIDE[0], 4.9))
    left, right = figure.subfigures(1, 2, width_ratios=[1, 1.25])
    axes = left.subplots()
    _edges(axes, position, np.argwhere(np.triu(graph, 1) > 0), color=COLOURS["baseline"], lw=0.6, alpha=0.6)
    for name, (marker, colour) in KINDS.items():
        x, y = position[kind == name].T
        axes.plot(x, y, marker, color=colour, ms=7 if marker == "." else 6, ls="", label=name)
    for number, star in enumerate(shown):
        axes.annotate(str(number + 1), position[star], (4, 4), textcoords="offset points", weight="bold")
    _plane(axes)
    left.legend(loc="outside upper center", ncols=3, fontsize=9)
    panels = right.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
    for number, axes in enumerate(panels):
        flux = np.where(curves["observed"][:, number], curves["flux"][:, number], np.nan)
        axes.plot(time, flux, ".", ms=3, color=COLOURS["baseline"], label="observed")
        axes.plot(time, curves["systematics"][:, number], lw=1.2, color=CYCLE[4], label="systematics (truth)")
        axes.plot(time, curves["intrinsic"][:, number], lw=1.2, color=CYCLE[0], label="star (truth)")
        axes.set_title(f"star {number + 1}", fontsize=9, loc="left", pad=2)
    panels[-1].set_xlabel("time [cadences]")
    right.supylabel(FLUX, fontsize=10)
    handles = panels[0].get_legend_handles_labels()
    right.legend(*handles, loc="outside upper center", ncols=3, fontsize=9)
    return figure


@styled
def mask_sheet(
    position: np.ndarray, graph: np.ndarray, edges: Mapping[str, np.ndarray], times: Mapping[str, np.ndarray]
) -> Figure:
    """Hidden edges of one draw for each way to hide them, and hidden times of two windows for each mode.

    Parameters
    ----------
    position, graph
        As for `detector_sheet`.
    edges : mapping of str to (n, 2) int array
        Way to hide, to hidden pairs.
    times : mapping of str to (2, T, N) bool array
        Mode, to what is hidden.
    """
    figure = new_figure((WIDE[0], 4.6))
    left, right = figure.subfigures(1, 2, width_ratios=[1.25, 1])
    real = np.argwhere(np.triu(graph, 1) > 0)
    for axes, (name, hidden) in zip(left.subplots(1, 2, sharey=True), edges.items(), strict=True):
        _edges(axes, position, real, color=COLOURS["baseline"], lw=0.6, alpha=0.6)
        _edges(axes, position, hidden, color=COLOURS["paper"], lw=1.8)
        axes.plot(*position.T, "o", ms=3, color="black")
        axes.set_title(f"{name}: {len(hidden)} of {len(real)} edges hidden", fontsize=9.5)
        _plane(axes)
        axes.label_outer()
    panels = right.subplots(len(times), 2, sharex=True, sharey=True)
    for row, (mode, hidden) in zip(panels, times.items(), strict=True):
        for number, axes in enumerate(row):
            axes.imshow(hidden[number], aspect="auto", cmap="Greys", vmin=0, vmax=1.6, interpolation="none",
                        origin="lower")  # fmt: skip
            axes.set_title(f"{mode}, window {number + 1}", fontsize=9.5)
            axes.grid(visible=False)
    right.supxlabel("star", fontsize=10)
    right.supylabel("cadence of the window (hidden ones are dark)", fontsize=10)
    return figure


@styled
def forecast_sheet(
    x: np.ndarray, y: np.ndarray, forecasts: Mapping[str, np.ndarray], errors: Mapping[str, pd.DataFrame]
) -> Figure:
    """Some windows with their forecasts, and the error against the number of steps ahead.

    Parameters
    ----------
    x, y : (n, T) and (n, H) arrays
        What was read, and what came.
    forecasts : mapping of str to (n, H) array
        Training to forecasts.
    errors : mapping of str to DataFrame
        Way to forecast, to a table with a row for each seed and a column for each step. The lines are means
        over seeds, the bands their range.
    """
    figure = new_figure((WIDE[0], 4.6))
    left, right = figure.subfigures(1, 2, width_ratios=[1.15, 1])
    panels = left.subplots(len(x), 1, sharex=True, squeeze=False)[:, 0]
    before, after = np.arange(-x.shape[1] + 1, 1), np.arange(1, y.shape[1] + 1)
    for number, axes in enumerate(panels):
        axes.plot(before, x[number], "o-", ms=3, lw=0.8, color="black", label="read")
        axes.plot(after, y[number], "o", ms=3, mfc="white", color="black", label="what came")
        for k, (name, values) in enumerate(forecasts.items()):
            axes.plot(after, values[number], "-" if k else "--", lw=1.6, color=_colour(name), label=name)
        axes.axvline(0.5, color="black", lw=0.8, ls=":")
    panels[-1].set_xlabel("cadences after the window")
    left.supylabel(FLUX, fontsize=10)
    left.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=9)
    axes = right.subplots()
    looks = {"from scratch": "-.", "from scratch, twice as long": "--", "STMAE": "-"}
    for number, (name, table) in enumerate(errors.items()):
        steps, values = table.columns.to_numpy(int), table.to_numpy(float)
        colour = _colour(name) if name in looks else (CYCLE[6], CYCLE[2], CYCLE[5])[number % 3]
        axes.plot(steps, values.mean(axis=0), looks.get(name, ":"), color=colour, lw=1.6, label=name)
        if name in looks:
            axes.fill_between(steps, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15, lw=0)
    axes.set_xlabel("steps ahead [cadences]")
    axes.set_ylabel(ERROR)
    right.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=2, fontsize=8.5,
                 columnspacing=1, handlelength=1.6)  # fmt: skip
    return figure


@styled
def gain_sheet(table: pd.DataFrame, gains: pd.DataFrame, lines: Mapping[str, float]) -> Figure:
    """Errors of every backbone and training, and what pre-training gains, ours and the paper's.

    Parameters
    ----------
    table : DataFrame
        Columns `backbone`, `training`, `mae`, `mae_low`, `mae_high`.
    gains : DataFrame
        Columns `backbone`, `gain`, `low`, `high` and `paper`, a list of the paper's gains [%].
    lines : mapping of str to float
        Way to forecast without a network, to its error.
    """
    figure = new_figure((WIDE[0], 3.9))
    axes, gain = figure.subplots(1, 2, width_ratios=[1.4, 1])
    backbones, trainings = (list(dict.fromkeys(table[name])) for name in ("backbone", "training"))
    markers = dict(zip(trainings, ("^", "s", "o"), strict=False))
    for number, training in enumerate(trainings):
        some = table[table["training"] == training].set_index("backbone").reindex(backbones)
        rows = np.arange(len(backbones)) + 0.22 * (number - 1)
        whiskers = [some["mae"] - some["mae_low"], some["mae_high"] - some["mae"]]
        axes.errorbar(some["mae"], rows, xerr=whiskers, fmt=markers[training], ms=6, capsize=3,
                      color=_colour(training), label=training)  # fmt: skip
    for number, (name, value) in enumerate(lines.items()):
        axes.axvline(value, color=CYCLE[(2, 5)[number % 2]], ls=(":", "-.")[number % 2], label=name)
    axes.set_xlabel(ERROR)
    gain.errorbar(gains["gain"], range(len(gains)), xerr=[gains["gain"] - gains["low"],
                  gains["high"] - gains["gain"]], fmt="o", ms=6, capsize=3, color=COLOURS["ours"],
                  label="ours, 95 % interval")  # fmt: skip
    for row, values in enumerate(gains["paper"]):
        words = "published, traffic" if row == 0 else None
        gain.plot(values, np.full(len(values), row + 0.22), "D", ms=5, mfc="white", color=COLOURS["paper"],
                  label=words)  # fmt: skip
    gain.axvline(0, color="black", lw=0.8)
    gain.axvline(1, color=COLOURS["baseline"], ls="--", label="the least that counts")
    gain.set_xlabel("STMAE below scratch of as many epochs [%]")
    for panel in (axes, gain):
        panel.set_yticks(range(len(backbones)), backbones)
        panel.set_ylim(len(backbones) - 0.5, -0.5)
    handles = [panel.get_legend_handles_labels() for panel in (axes, gain)]
    merged = [sum(parts, []) for parts in zip(*handles, strict=True)]
    figure.legend(*merged, loc="outside upper center", ncols=3, fontsize=9)
    return figure


@styled
def removal_sheet(
    example: Mapping[str, np.ndarray], names: Sequence[str], measures: Mapping[str, pd.DataFrame]
) -> Figure:
    """One light curve without its systematics, and how much of what is left, for each method.

    Parameters
    ----------
    example : mapping of str to (T,) array
        `flux`, `intrinsic`, `systematics`, `observed` and, for the method number k, `left_k`.
    names : sequence of str
        Methods.
    measures : mapping of str to DataFrame
        What is measured, in words, to a table with the columns `value`, `low` and `high`, a row a method.
    """
    n_times = min(300, len(example["flux"]))
    figure = new_figure((WIDE[0], 6.2))
    top, bottom = figure.subfigures(2, 1, height_ratios=[1.5, 1])
    panels = top.subplots(len(names) + 1, 1, sharex=True)
    time, seen = np.arange(n_times), example["observed"][:n_times].astype(bool)

    def points(axes: Axes, series: np.ndarray, colour: str) -> None:
        axes.plot(time, np.where(seen, series[:n_times], np.nan), ".", ms=3, color=colour)

    points(panels[0], example["flux"], COLOURS["baseline"])
    panels[0].plot(time, example["systematics"][:n_times], color=CYCLE[4], lw=1, label="systematics (truth)")
    panels[0].set_title("observed", fontsize=9, loc="left", pad=2)
    for number, (axes, name) in enumerate(zip(panels[1:], names, strict=True)):
        points(axes, example[f"left_{number}"], CYCLE[number])
        axes.plot(time, example["intrinsic"][:n_times], color="black", lw=1, label="star (truth)")
        axes.set_title(f"left by: {name}", fontsize=9, loc="left", pad=2)
    panels[-1].set_xlabel("time of the test period [cadences]")
    top.supylabel(FLUX, fontsize=10)
    handles = [axes.get_legend_handles_labels() for axes in panels[:2]]
    merged = [sum(parts, []) for parts in zip(*handles, strict=True)]
    top.legend(*merged, loc="outside upper center", ncols=2, fontsize=9)
    for axes, (words, table) in zip(
        bottom.subplots(1, len(measures), sharey=True), measures.items(), strict=True
    ):
        for row, each in enumerate(table.itertuples()):
            whiskers = np.maximum([[each.value - each.low], [each.high - each.value]], 0)
            axes.errorbar(each.value, row, xerr=whiskers, fmt="o", color=CYCLE[row], ms=6, capsize=3)
        axes.axvline(1, color="black", lw=0.8)
        axes.set_yticks(range(len(names)), names)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.set_xlabel(words, fontsize=9.5)
    return figure


def _edges(axes: Axes, position: np.ndarray, pairs: np.ndarray, **look) -> None:
    axes.add_collection(LineCollection(position[pairs], zorder=1, **look))


def _plane(axes: Axes) -> None:
    axes.set_aspect("equal")
    axes.set_xlabel(PIXELS[0])
    axes.set_ylabel(PIXELS[1])


def _colour(training: str) -> str:
    return {"STMAE": COLOURS["ours"], "from scratch": CYCLE[3]}.get(training, COLOURS["from scratch"])
