"""Figures of classification: accuracies with and without pretraining, confusion, importance of modalities."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator, PercentFormatter

from astrolib.report.style import COLOURS, CYCLE, SINGLE, WIDE, new_figure, sheet, styled

WAYS = {0: ("from scratch", "from scratch", "s"), 1: ("CLIP", "pretrained", "o")}
"""Value of `clip`, name, colour and marker of a way to train."""


@styled
def confusion(counts: np.ndarray, class_names: Sequence[str], title: str = "") -> Figure:
    """Confusion of classes: counts on the left, per cent of a row on the right, as AstroM3 draws it.

    Parameters
    ----------
    counts : (C, C) int array
        Stars of the true class (row) that were taken for a class (column).
    class_names : sequence of str
        C names.
    title : str
        Network and set of stars.
    """
    counts = np.asarray(counts)
    sums = counts.sum(axis=1, keepdims=True)
    share = 100 * counts / np.maximum(sums, 1)
    n = len(class_names)
    figure = new_figure((WIDE[0], max(3.2, 2.0 + 0.28 * n)))
    panels = figure.subplots(1, 2, sharey=True)
    size = 8 if n <= 10 else 6.5
    for axes, values, name in zip(
        panels, (counts, share), ("stars", "per cent of the true class"), strict=True
    ):
        axes.imshow(share if values is share else counts, cmap="Blues", aspect="auto",
                    vmin=0, vmax=100 if values is share else max(counts.max(), 1))  # fmt: skip
        top = 100 if values is share else max(counts.max(), 1)
        for row, column in np.ndindex(n, n):
            if counts[row, column]:
                colour = "white" if values[row, column] > 0.55 * top else "#222222"
                words = f"{values[row, column]:.0f}"
                axes.text(column, row, words, ha="center", va="center", fontsize=size, color=colour)
        axes.set_title(name, fontsize=10)
        axes.set_xticks(range(n), class_names, rotation=45, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(n), class_names)
        axes.tick_params(labelsize=size + 1)
        axes.set_xlabel("predicted class")
        axes.grid(False)
    panels[0].set_ylabel("true class")
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


@styled
def accuracy_by_fraction(table: pd.DataFrame) -> Figure:
    """Accuracy against the share of labels, a panel for each modality.

    Parameters
    ----------
    table : DataFrame
        Columns `modality`, `fraction`, `clip` (0 or 1), `mean`, `std`, `paper_mean`, `paper_std` and
        `baseline_mean`, in per cent: the AJ table.

    Returns
    -------
    Figure
        Filled markers with error bars over seeds: ours; open ones: the paper's, on other stars.
    """
    names = list(dict.fromkeys(table["modality"]))
    columns = min(3 if len(names) > 4 else 2, len(names))
    rows = -(-len(names) // columns)
    figure = new_figure(sheet(rows, columns, 2.9))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True)
    for axes, name in zip(grid.flat, names, strict=False):
        of_name = table[table["modality"] == name]
        for clip, (way, colour, marker) in WAYS.items():
            some = of_name[of_name["clip"] == clip].sort_values("fraction")
            nudge = 1.03 if clip else 1 / 1.03
            look = {"color": COLOURS[colour], "marker": marker, "ms": 5, "lw": 1.2, "capsize": 3}
            axes.errorbar(some["fraction"] * nudge, some["mean"], some["std"], label=f"ours, {way}", **look)
            open_look = look | {"mfc": "white", "lw": 0.8, "ls": ":", "ms": 6}
            if some["paper_mean"].isna().all():
                continue
            places = some["fraction"] * nudge**2.5
            axes.errorbar(places, some["paper_mean"], some["paper_std"], label=f"paper, {way}", **open_look)
        base = of_name[of_name["clip"] == 0].sort_values("fraction")
        axes.plot(
            base["fraction"], base["baseline_mean"], "--", color=COLOURS["baseline"], label="random forest"
        )
        axes.set_title(name, fontsize=10)
        _fraction_axis(axes, sorted(table["fraction"].unique()))
    for axes in grid.flat[len(names) :]:
        axes.set_axis_off()
    figure.supxlabel("share of the labels", fontsize=10)
    figure.supylabel("accuracy on the test stars of the same subset [%]", fontsize=10)
    figure.legend(
        *grid.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=5, fontsize=8.5
    )
    return figure


@styled
def gains(table: pd.DataFrame) -> Figure:
    """What pretraining adds: accuracy with CLIP minus without, in points.

    Parameters
    ----------
    table : DataFrame
        Columns `modality`, `fraction`, `gain`, `low`, `high` (paired 95 per cent interval over seeds) and
        `paper_gain`.
    """
    names = list(dict.fromkeys(table["modality"]))
    figure = new_figure((WIDE[0] if len(names) > 2 else SINGLE[0], 3.9))
    panels = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
    for axes, name in zip(panels, names, strict=True):
        some = table[table["modality"] == name].sort_values("fraction")
        axes.axhline(0, color="black", lw=0.8)
        spread = np.maximum([some["gain"] - some["low"], some["high"] - some["gain"]], 0)
        look = {"color": COLOURS["ours"], "marker": "o", "ms": 5, "capsize": 3, "lw": 1.2}
        axes.errorbar(
            some["fraction"] / 1.04, some["gain"], spread, label="ours, paired 95 % interval", **look
        )
        if some["paper_gain"].notna().any():
            axes.plot(some["fraction"] * 1.04, some["paper_gain"], "D:", ms=6, mfc="white", lw=0.8,
                  color=COLOURS["paper"], label="paper")  # fmt: skip
        axes.set_title(name, fontsize=10)
        _fraction_axis(axes, sorted(table["fraction"].unique()))
    shown = pd.concat([table["gain"], table["paper_gain"]]).dropna()
    if len(shown):  # intervals of two seeds may reach far: the points decide on the axis
        margin = max(2.0, 0.6 * (shown.max() - shown.min()))
        bottom = max(min(shown.min(), table["low"].min()), shown.min() - margin)
        top = min(max(shown.max(), table["high"].max()), shown.max() + margin)
        panels[0].set_ylim(min(bottom, 0) - 0.5, max(top, 0) + 0.5)
    panels[0].set_ylabel("gain by CLIP [points]")
    figure.supxlabel("share of the labels", fontsize=10)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, fontsize=9)
    return figure


def _fraction_axis(axes: Axes, fractions: Sequence[float]) -> None:
    axes.set_xscale("log")
    axes.set_xlim(fractions[0] / 1.25, fractions[-1] * 1.25)
    axes.set_xticks(fractions)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.xaxis.set_minor_locator(NullLocator())


@styled
def importance(table: pd.DataFrame) -> Figure:
    """Accuracy of each class when a fused classifier is given some of its modalities only.

    Parameters
    ----------
    table : DataFrame
        Columns `class_name`, `modalities`, `accuracy`, and `paper_accuracy` (NaN where the paper has none),
        in per cent, a row each. Classes and combinations are drawn in their order.

    Returns
    -------
    Figure
        Ours on the left; the paper's on the right, if there is any, for the combinations it has.
    """
    sides = [("ours", "accuracy")]
    if table["paper_accuracy"].notna().any():
        sides.append(("paper", "paper_accuracy"))
    classes = list(dict.fromkeys(table["class_name"]))
    grids = [
        table.pivot(index="class_name", columns="modalities", values=c).reindex(classes) for _, c in sides
    ]
    order = list(dict.fromkeys(table["modalities"]))
    grids = [g[[c for c in order if c in g and g[c].notna().any()]].dropna(how="all") for g in grids]
    widths = [g.shape[1] for g in grids]
    figure = new_figure((max(WIDE[0], 1.5 + 0.62 * sum(widths)), 2.6 + 0.27 * len(classes)))
    panels = figure.subplots(1, len(sides), squeeze=False, width_ratios=widths)[0]
    for axes, (who, _), grid in zip(panels, sides, grids, strict=True):
        values = grid.to_numpy()
        picture = axes.imshow(values, cmap="Blues", vmin=0, vmax=100, aspect="auto")
        for row, column in np.argwhere(np.isfinite(values)):
            colour = "white" if values[row, column] > 62 else "#222222"
            words = f"{values[row, column]:.0f}"
            axes.text(column, row, words, ha="center", va="center", fontsize=8, color=colour)
        axes.set_xticks(range(values.shape[1]), [_initials(words) for words in grid.columns])
        axes.set_yticks(range(len(grid)), grid.index)
        axes.tick_params(labelsize=8.5)
        axes.tick_params(axis="x", rotation=90 if widths[0] > 10 else 0)
        axes.set_title(who, fontsize=10)
        axes.grid(False)
    single = [words for words in order if "+" not in words]
    figure.supxlabel(", ".join(f"{_initials(words)} {words}" for words in single), fontsize=10)
    figure.colorbar(picture, ax=panels, label="accuracy [%]", fraction=0.025, pad=0.01)
    return figure


def _initials(words: str) -> str:
    """P+S for "photometry+spectra"."""
    return "+".join(name[0].upper() for name in words.split("+"))


@styled
def pretraining(history: pd.DataFrame, batch: int = 0) -> Figure:
    """Contrastive pretraining over the epochs: loss, in-batch accuracy, and the learnt scales.

    Parameters
    ----------
    history : DataFrame
        Columns `epoch`, `seed`, `loss`, `val_loss`, `accuracy`, `val_accuracy` [0 to 1], and one
        `scale a-b` for each pair of modalities.
    batch : int
        Stars in a batch. If given, the loss of embeddings that know nothing is drawn: 2 ln(batch) for each
        pair, once along rows and once along columns.
    """
    scales = [column for column in history if column.startswith("scale ")]
    figure = new_figure((WIDE[0], 3.9))
    loss, accuracy, scale = figure.subplots(1, 3)
    for _, run in history.groupby("seed"):
        for axes, column in ((loss, "loss"), (accuracy, "accuracy")):
            factor = 1 if column == "loss" else 100
            axes.plot(run["epoch"], factor * run[column], color=COLOURS["ours"], lw=1.2)
            if f"val_{column}" in run:
                axes.plot(run["epoch"], factor * run[f"val_{column}"], "--", color=COLOURS["ours"], lw=1.2)
        for number, column in enumerate(scales):
            axes = scale
            axes.plot(run["epoch"], run[column], color=CYCLE[number % len(CYCLE)], lw=1.2)
    loss.plot([], [], color=COLOURS["ours"], label="training")
    loss.plot([], [], "--", color=COLOURS["ours"], label="validation")
    if batch > 1:
        guess = 2 * len(scales) * np.log(batch)
        loss.axhline(guess, color=COLOURS["baseline"], ls=":", label="random embeddings")
    for number, column in enumerate(scales):
        scale.plot([], [], color=CYCLE[number % len(CYCLE)], label=column.removeprefix("scale "))
    loss.set(xlabel="epoch", ylabel="contrastive loss, sum over pairs")
    loss.set_ylim(bottom=0)
    accuracy.set(xlabel="epoch", ylabel="partner found in the batch [%]")
    scale.set(xlabel="epoch", ylabel="learnt scale")
    handles, words = loss.get_legend_handles_labels()
    figure.legend(handles, words, loc="outside upper left", ncols=3, fontsize=8.5)
    figure.legend(*scale.get_legend_handles_labels(), loc="outside upper right", ncols=3, fontsize=8.5)
    return figure
