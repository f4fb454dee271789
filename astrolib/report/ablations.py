"""Figures of ablations: our accuracy on galaxies, and the paper's on ImageNet in a panel of its own.

Data, network and training differ, so ours and the paper's numbers share rows or an axis of what was varied,
never an axis of accuracy: order, slope and gaps can be compared, values cannot.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from astrolib.report.style import COLOURS, CYCLE, WIDE, new_figure, styled

OURS = "balanced accuracy on galaxies [%]"
PAPER = "top-1 on ImageNet [%]"
FRACTIONS = ("o", "s", "D", "^")
"""Markers of shares of the labels, the largest share first."""
LEAST_SPAN = 6.0
"""Points of accuracy that an axis covers at least: a smaller one would magnify scatter."""
METHODS = {
    "Barlow Twins": ("o", "-", COLOURS["ours"]),
    "lambda fixed": ("o", "-", COLOURS["ours"]),
    "lambda x 8192/D": ("D", "-.", CYCLE[3]),
    "SimCLR": ("s", "--", CYCLE[1]),
    "BYOL": ("^", ":", CYCLE[2]),
}
"""Marker, line and colour of a method or arm, in our panels and in the paper's."""


@styled
def bars_with_paper(table: pd.DataFrame) -> Figure:
    """Rows of a table, ours with their spread on the left and the paper's on the right.

    Parameters
    ----------
    table : DataFrame
        Columns `row` (name), `fraction` (of the labels), `balanced_accuracy`, `balanced_accuracy_std` and
        `paper_top1` [per cent], a row for each row and fraction. Rows are drawn in their order.

    Returns
    -------
    Figure
        A marker for each fraction; the first row's values go on as thin vertical lines, to compare with.
        Without any number of the paper there is no right panel.
    """
    names = list(dict.fromkeys(table["row"]))
    printed = table.groupby("row", sort=False)["paper_top1"].first().reindex(names)
    both = printed.notna().any()
    figure = new_figure((WIDE[0], 1.5 + 0.4 * len(names)))
    panels = figure.subplots(1, 1 + both, sharey=True, squeeze=False, width_ratios=[2.2, 1][: 1 + both])[0]
    fractions = _fractions(table)
    for number, fraction in enumerate(fractions):
        some = table[table["fraction"] == fraction].set_index("row").reindex(names)
        rows = np.arange(len(names)) + 0.5 * ((number + 0.5) / len(fractions) - 0.5)
        look = {"color": CYCLE[number], "fmt": FRACTIONS[number], "ms": 6, "capsize": 3}
        panels[0].axvline(some["balanced_accuracy"].iloc[0], color=CYCLE[number], lw=0.8, ls=":")
        panels[0].errorbar(some["balanced_accuracy"], rows, xerr=_whiskers(some),
                           label=f"{fraction:.0%} of the labels", **look)  # fmt: skip
    panels[0].set_xlabel(OURS)
    if both:
        panels[1].plot(printed, np.arange(len(names)), "D", ms=6, mfc="white", color=COLOURS["paper"],
                       label="published, ImageNet, all labels")  # fmt: skip
        panels[1].axvline(printed.iloc[0], color=COLOURS["paper"], lw=0.8, ls=":")
        panels[1].set_xlabel(PAPER)
        panels[1].margins(x=0.15)
    panels[0].set_yticks(np.arange(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    _legend(figure, panels)
    return figure


@styled
def points_against(
    table: pd.DataFrame,
    reference: pd.DataFrame,
    label: str,
    *,
    untrained: Mapping[float, float] | None = None,
) -> Figure:
    """Accuracy against one number that was varied, as figures 2, 4 and 5 of Barlow Twins.

    Parameters
    ----------
    table : DataFrame
        Ours: columns `x`, `arm` (a line each; "" if there is one), `fraction`, `balanced_accuracy` and
        `balanced_accuracy_std` (over seeds) [per cent].
    reference : DataFrame
        Published: columns `method`, `x`, `top1`, and `top1_low`, `top1_high` where only a range is known.
    label : str
        What was varied, with its unit.
    untrained : mapping of float to float, optional
        Fraction to the accuracy of an encoder that was never trained, for the titles: it may lie far below.

    Returns
    -------
    Figure
        A panel for each fraction of the labels, then the paper's.
    """
    fractions = _fractions(table)
    figure = new_figure((WIDE[0], 3.9))
    panels = figure.subplots(1, len(fractions) + 1, squeeze=False)[0]
    arms = list(dict.fromkeys(table["arm"]))
    for axes, fraction in zip(panels, fractions, strict=False):
        for number, arm in enumerate(arms):
            some = table[(table["fraction"] == fraction) & (table["arm"] == arm)].sort_values("x")
            nudge = 1.03 ** (number - (len(arms) - 1) / 2)
            look = _look(arm or "Barlow Twins") | {"label": f"ours, {arm}" if arm else "ours"}
            axes.errorbar(some["x"] * nudge, some["balanced_accuracy"], _whiskers(some), capsize=3, **look)
        below = f"\nuntrained {untrained[fraction]:.1f} %" if untrained and fraction in untrained else ""
        axes.set_title(f"{fraction:.0%} of the labels{below}", fontsize=10)
        _widen(axes)
        _logarithmic(axes, table["x"])
    panels[0].set_ylabel(OURS, fontsize=9.5)
    _reference(panels[-1], reference)
    figure.supxlabel(label, fontsize=10)
    _legend(figure, panels, columns=3 if len(arms) > 1 else 4)
    return figure


@styled
def ladder(table: pd.DataFrame, reference: pd.DataFrame) -> Figure:
    """What is lost as augmentations are left out one after the other, as figure 3 of Barlow Twins.

    Parameters
    ----------
    table : DataFrame
        Ours: columns `x` (rung), `variant` (what is left out at it), `fraction`, `change` of the balanced
        accuracy from the full set and its `change_std` over seeds [points].
    reference : DataFrame
        Published: columns `method`, `rung` (words) and `change`, rungs in their order. Other augmentations
        than ours, so it has rows of its own.
    """
    rungs = table.drop_duplicates("x").sort_values("x")["variant"].tolist()
    theirs = list(dict.fromkeys(reference["rung"]))
    figure = new_figure((WIDE[0], 1.6 + 0.42 * max(len(rungs), len(theirs))))
    panels = figure.subplots(1, 2)
    fractions = _fractions(table)
    for number, fraction in enumerate(fractions):
        some = table[table["fraction"] == fraction].sort_values("x")
        rows = some["x"] + 0.3 * ((number + 0.5) / len(fractions) - 0.5)
        look = {"color": CYCLE[number], "marker": FRACTIONS[number], "ms": 5, "capsize": 3, "lw": 1.2}
        panels[0].errorbar(some["change"], rows, xerr=some["change_std"].fillna(0),
                           label=f"ours, {fraction:.0%} of the labels", **look)  # fmt: skip
    for method, some in reference.groupby("method", sort=False):
        rows = [theirs.index(rung) for rung in some["rung"]]
        look = _look(method) | {"mfc": "white", "ms": 6}
        panels[1].plot(some["change"], rows, label=f"published, {method}", **look)
    names = ("change of balanced accuracy, galaxies [points]", "change of top-1, ImageNet [points]")
    for axes, words, name in zip(panels, (rungs, theirs), names, strict=True):
        axes.axvline(0, color="black", lw=0.8)
        axes.set_yticks(range(len(words)), [text.replace("psf", "PSF") for text in words])
        axes.set_ylim(len(words) - 0.5, -0.5)
        axes.set_xlabel(name)
    _legend(figure, panels, columns=3)
    return figure


# ---------------------------------------------------------------- shared


def _fractions(table: pd.DataFrame) -> list[float]:
    return sorted(table["fraction"].unique(), reverse=True)[: len(FRACTIONS)]


def _whiskers(table: pd.DataFrame) -> pd.Series:
    return table["balanced_accuracy_std"].fillna(0)  # one seed shows no spread


def _look(method: str) -> dict[str, object]:
    marker, dash, colour = METHODS.get(method.split(" (")[0], ("v", "-", COLOURS["baseline"]))
    return {"marker": marker, "ls": dash, "color": colour, "ms": 5, "lw": 1.2}


def _reference(axes: Axes, reference: pd.DataFrame) -> None:
    for method, some in reference.groupby("method", sort=False):
        look = _look(method) | {"mfc": "white", "ms": 6, "lw": 0.9}
        known = some.dropna(subset="top1").sort_values("x")
        if len(known):
            axes.plot(known["x"], known["top1"], label=f"published, {method}", **look)
        ranges = some[some["top1"].isna()].dropna(subset=["top1_low", "top1_high", "x"])
        if len(ranges):
            axes.vlines(ranges["x"], ranges["top1_low"], ranges["top1_high"], lw=5, color=look["color"],
                        alpha=0.5, label=f"published, {method}: somewhere in this range")  # fmt: skip
    axes.set_title("published, ImageNet", fontsize=10)
    axes.set_ylabel(PAPER, fontsize=9.5)
    _widen(axes)
    _logarithmic(axes, reference.dropna(subset=["top1", "top1_low"], how="all")["x"])


def _widen(axes: Axes) -> None:
    """At least `LEAST_SPAN` on the axis of accuracy."""
    low, high = axes.get_ylim()
    missing = max(LEAST_SPAN - (high - low), 0) / 2
    axes.set_ylim(low - missing, high + missing)


def _logarithmic(axes: Axes, x: pd.Series) -> None:
    """Ticks at the points themselves, as far as their numbers do not run into each other."""
    points = np.unique(x[x > 0])
    axes.set_xscale("log")
    axes.set_xlim(points[0] / 1.35, points[-1] * 1.35)
    room = (points[-1] / points[0]) ** 0.15  # between two numbers
    ticks = [points[-1]]
    for point in points[-2::-1]:
        if ticks[-1] / point >= room and point / points[0] >= room or point == points[0]:
            ticks.append(point)
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.tick_params(axis="x", rotation=45)


def _legend(figure: Figure, panels: np.ndarray, columns: int = 4) -> None:
    shown = {
        words: handle
        for axes in panels
        for handle, words in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(shown.values(), shown.keys(), loc="outside upper center", ncols=columns, fontsize=9)
