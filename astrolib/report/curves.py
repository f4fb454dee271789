"""Curves over epochs: learning rates (figures 4, 5 and 8 of AstroMAE) and losses."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

from astrolib.report.style import COLOURS, CYCLE, SINGLE, WIDE, new_figure, sheet, styled

ZOOM = (400, 420)
"""Epochs that figure 5 draws wider."""
ZOOM_FACTOR = 3
PARTS = {"training": "-", "validation": "--"}
FIGURE_5_TICKS = (0, 100, 200, 300, 400, 410, 420, 520, 620)


@styled
def learning_rate(
    paper: Sequence[float], ours: Sequence[float] | None = None, *, tick_every: int | None = None
) -> Figure:
    """Learning rate over the epochs, as figures 4 and 8 of AstroMAE draw it.

    Parameters
    ----------
    paper : (E,) sequence
        The paper's rate in each epoch.
    ours : (e,) sequence, optional
        The rate of our run, where it differs: drawn over the paper's on axes of its own, epochs on top and
        rate on the right, so that schedules of any length and height can be compared in shape.
    tick_every : int, optional
        Epochs between ticks: 250 in figure 4, 20 in figure 8.

    Returns
    -------
    Figure
    """
    paper = np.asarray(paper, dtype=float)
    figure = new_figure(SINGLE)
    axes = figure.subplots()
    axes.plot(paper, color="#1F4FD8", label="Learning Rate" if ours is None else "Learning Rate, paper")
    if tick_every:
        axes.set_xticks(range(0, len(paper) + 1, tick_every))
    _finish(figure, axes, ours, "upper right")
    return figure


@styled
def learning_rate_restarts(paper: Sequence[float], ours: Sequence[float] | None = None) -> Figure:
    """Learning rate with restarts, as figure 5 of AstroMAE draws it.

    Epochs 400 to 420 are red, on a yellow band, and take three times their width: two restarts can be seen.

    Parameters
    ----------
    paper, ours
        As for `learning_rate`; the paper's has 700 epochs.
    """
    paper = np.asarray(paper, dtype=float)
    first, last = ZOOM
    if len(paper) <= last:
        raise ValueError(f"Figure 5 shows epochs {first} to {last}: the schedule has only {len(paper)}.")
    figure = new_figure(WIDE)
    axes = figure.subplots()
    epochs = np.arange(len(paper))
    inside = slice(first, last + 1)
    axes.set_xscale("function", functions=(_widen, _narrow))
    axes.axvspan(
        first, last, color="#FFF3A3", zorder=0, label=f"epochs {first} to {last}, {ZOOM_FACTOR} x wider"
    )
    axes.plot(
        epochs,
        paper,
        color="#1F4FD8",
        lw=0.9,
        label="Learning Rate" if ours is None else "Learning Rate, paper",
    )
    axes.plot(epochs[inside], paper[inside], color="#D62728", lw=1.2)
    axes.set_xticks(FIGURE_5_TICKS, FIGURE_5_TICKS)
    axes.minorticks_off()
    _finish(figure, axes, ours, "lower left")
    return figure


@styled
def loss_curves(
    histories: Mapping[str, pd.DataFrame], *, column: str = "loss", label: str = "loss", log: bool = True
) -> Figure:
    """Training and validation loss over the epochs.

    Parameters
    ----------
    histories : mapping of str to DataFrame
        What a run's ``history.csv`` holds: columns `epoch`, `column` and, where there was a validation,
        `val_` + `column`. A column `seed` makes one line for each seed.
    column : str
        Loss to draw.
    label : str
        Its name and unit on the axis.
    log : bool
        Logarithmic axis of loss.

    Returns
    -------
    Figure
        Up to four names share one panel, a colour for each; more get a small panel each, on one scale. Lines
        are solid for training and dashed for validation.
    """
    together = len(histories) <= 4
    if together:
        figure = new_figure(SINGLE)
        panels = [figure.subplots()] * len(histories)
    else:
        rows = -(-len(histories) // 4)
        figure = new_figure(sheet(rows, 4, 2.1))
        panels = figure.subplots(rows, 4, sharex=True, sharey=True).ravel()
        for empty in panels[len(histories) :]:
            empty.set_axis_off()
    for number, (axes, (name, history)) in enumerate(zip(panels, histories.items(), strict=False)):
        colour = CYCLE[number] if together else COLOURS["ours"]
        for seed in [group for _, group in history.groupby("seed")] if "seed" in history else [history]:
            axes.plot(seed["epoch"], seed[column], color=colour)
            if f"val_{column}" in seed:
                axes.plot(seed["epoch"], seed[f"val_{column}"], color=colour, ls="--")
        axes.set_yscale("log" if log else "linear")
        if not together:
            axes.set_title(name, fontsize=8.5)
            axes.xaxis.set_tick_params(labelbottom=number + 4 >= len(histories))
    _loss_labels(figure, list(histories) if together else [], label)
    return figure


def _loss_labels(figure: Figure, names: list[str], label: str) -> None:
    lines = [Line2D([], [], color=colour, label=name) for colour, name in zip(CYCLE, names, strict=False)]
    lines += [Line2D([], [], color="black", ls=ls, label=part) for part, ls in PARTS.items()]
    if names:
        axes = figure.axes[0]
        axes.set(xlabel="epoch", ylabel=label)
        axes.legend(handles=lines)
    else:
        figure.supxlabel("epoch", fontsize=11)
        figure.supylabel(label, fontsize=11)
        figure.legend(handles=lines, loc="outside upper right", ncols=2)
    for axes in figure.axes:
        low, high = axes.get_ylim()
        decades = axes.get_yscale() == "log" and high > 10 * low
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if decades else MaxNLocator(6))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_locator(NullLocator())


def _finish(figure: Figure, axes: Axes, ours: Sequence[float] | None, legend: str) -> None:
    """Labels, and our run on axes of its own: its epochs on top, its rate on the right."""
    axes.set(xlabel="Epoch", ylabel="Learning Rate")
    for side in [axes] if ours is None else [axes, _overlay(figure, axes, np.asarray(ours, dtype=float))]:
        side.margins(x=0.02)
        side.set_ylim(bottom=0)
        exponent = int(np.floor(np.log10(side.get_ylim()[1])))
        side.yaxis.set_major_formatter(partial(_rate, exponent))
    if ours is None:
        axes.legend(loc=legend)
    else:
        figure.legend(loc="outside upper center", ncols=3)


def _overlay(figure: Figure, axes: Axes, ours: np.ndarray) -> Axes:
    colour = COLOURS["from scratch"]
    own = figure.add_subplot(axes.get_subplotspec(), frame_on=False)
    marker = "o" if len(ours) <= 50 else None
    own.plot(ours, color=colour, marker=marker, ms=3.5, label=f"this run, {len(ours)} epochs")
    own.grid(False)
    own.xaxis.tick_top()
    own.yaxis.tick_right()
    own.xaxis.set_label_position("top")
    own.yaxis.set_label_position("right")
    own.xaxis.set_major_locator(MaxNLocator(integer=True))
    own.set_xlabel("epoch of this run", color="#9A6A00")
    own.set_ylabel("learning rate of this run", color="#9A6A00")
    own.tick_params(colors="#9A6A00")
    return own


def _rate(exponent: int, rate: float, _position: int) -> str:
    return f"{rate / 10**exponent:.1f}e{exponent}" if rate else "0"


def _widen(epoch: np.ndarray) -> np.ndarray:
    first, last = ZOOM
    return epoch + (ZOOM_FACTOR - 1) * (np.clip(epoch, first, last) - first)


def _narrow(place: np.ndarray) -> np.ndarray:
    first, last = ZOOM
    end = first + ZOOM_FACTOR * (last - first)
    inside = np.clip(place, first, end) - first
    return place - inside * (1 - 1 / ZOOM_FACTOR)
