"""Pictures of image sets, of what is hidden in them, of what is filled in, and of scores."""

import textwrap
from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from astrolib.report.style import COLOURS, CYCLE, WIDE, new_figure, styled

HIDDEN = 0.62
"""Grey of hidden patches, as in other papers' pictures."""
HARDEST = 5.0
"""Highest value of an asinh-scaled pixel that is not yet white."""


def colour(images: np.ndarray) -> np.ndarray:
    """Three bands (..., 3, S, S) in asinh units, from blue to red, as pictures (..., S, S, 3)."""
    return np.clip((np.moveaxis(images, -3, -1)[..., ::-1] + 0.5) / HARDEST, 0, 1)


@styled
def sets_sheet(
    images: np.ndarray,
    changed: np.ndarray,
    slots: Sequence[str],
    fields: np.ndarray,
    labels: Sequence[str],
    second: int,
    rows: int = 4,
) -> Figure:
    """Sets of images, a row each, as every survey sees them.

    Parameters
    ----------
    images : (n, M, 3, S, S) array
        In asinh units.
    changed : (n, S, S) bool array
        Pixels of the transient in slot `second`; it is circled.
    slots, fields
        Names of the M images and the sides of their fields [arcsec].
    labels : sequence of str
        Class of each set.
    second : int
        Slot of the second date.
    rows : int
        Sets drawn.
    """
    rows = min(rows, len(images))
    figure = new_figure((7.6, 1.85 * rows + 0.4))
    panels = figure.subplots(rows, len(slots), squeeze=False)
    for row, number in zip(panels, range(rows), strict=True):
        for slot, axes in enumerate(row):
            side = float(fields[slot])
            _picture(axes, colour(images[number, slot]), extent=(-side / 2, side / 2, -side / 2, side / 2))
            if number == 0:
                axes.set_title(f"{slots[slot]}\n{side:.0f} arcsec", fontsize=9)
            if slot == second and changed[number].any():
                y, x = (np.mean(place) for place in np.nonzero(changed[number]))
                scale = side / images.shape[-1]
                middle = ((x + 0.5) * scale - side / 2, (y + 0.5) * scale - side / 2)
                axes.plot(*middle, "o", ms=17, mfc="none", mec=CYCLE[1], mew=1.6)
        row[0].set_ylabel(labels[number], fontsize=9)
    return figure


@styled
def masks_sheet(images: np.ndarray, hidden: np.ndarray, modes: Sequence[str], slots: Sequence[str]) -> Figure:
    """One set (M, 3, S, S) in asinh units, a row for each mode, hidden patches (modes, M, h, w) in grey."""
    figure = new_figure((6.6, 1.45 * len(modes) + 0.4))
    panels = figure.subplots(len(modes), len(slots), squeeze=False)
    for row, mode, some in zip(panels, modes, hidden, strict=True):
        for slot, axes in enumerate(row):
            _picture(axes, greyed(colour(images[slot]), some[slot]))
        row[0].set_ylabel(f"{mode}\n{(~some).sum()} of {some.size}", fontsize=9)
    for axes, name in zip(panels[0], slots, strict=True):
        axes.set_title(name, fontsize=9)
    return figure


def greyed(picture: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """A picture (S, S, 3) whose hidden patches (h, w), or pixels (S, S), are grey."""
    repeat = picture.shape[0] // hidden.shape[0]
    where = hidden.repeat(repeat, axis=0).repeat(repeat, axis=1)[..., None]
    return np.where(where, HIDDEN, picture)


@styled
def filling_sheet(
    images: np.ndarray,
    cases: Sequence[tuple[str, np.ndarray, np.ndarray]],
    slots: Sequence[str],
    shown: Sequence[int] = (0, 2),
) -> Figure:
    """What a network makes of hidden pixels: some sets beside each other, a row for each step.

    Parameters
    ----------
    images : (n, M, 3, S, S) array
        True pixels in asinh units.
    cases : sequence of (str, array, array)
        Words, hidden pixels (n, M, S, S), and predictions like the images.
    slots : sequence of str
        Names of the M images.
    shown : sequence of int
        Which sets.
    """
    steps = 1 + 2 * len(cases)
    figure = new_figure((WIDE[0], 1.33 * steps + 0.4))
    panels = figure.subplots(steps, len(shown) * len(slots), squeeze=False)
    for block, number in enumerate(shown):
        for slot, name in enumerate(slots):
            column = panels[:, block * len(slots) + slot]
            truth = colour(images[number, slot])
            _picture(column[0], truth)
            column[0].set_title(name.replace(", ", "\n"), fontsize=8)
            for k, (_, hidden, found) in enumerate(cases):
                where = hidden[number, slot]
                _picture(column[1 + 2 * k], greyed(truth, where))
                made = np.where(where[..., None], colour(found[number, slot]), truth)
                _picture(column[2 + 2 * k], made)
    words = ["true"] + [
        text for name, _, _ in cases for text in (textwrap.fill(f"visible: {name}", 14), "filled in")
    ]
    for axes, text in zip(panels[:, 0], words, strict=True):
        axes.set_ylabel(text, fontsize=8)
    return figure


@styled
def sky_sheet(sky: pd.DataFrame, predictions: Sequence[tuple[str, pd.DataFrame]]) -> Figure:
    """The dust on the sky, and E(B-V) read off frozen features against the true one.

    Parameters
    ----------
    sky : DataFrame
        ra, dec [deg], ebv [mag] and part ("held out", or another).
    predictions : sequence of (str, DataFrame)
        Words, and place, log_ebv, log_ebv_found of test sets.
    """
    figure = new_figure((WIDE[0], 6.6))
    grid = figure.add_gridspec(2, len(predictions), height_ratios=[1.15, 1])
    axes = figure.add_subplot(grid[0, :], projection="mollweide")
    x, y = np.radians((sky["ra"] + 180) % 360 - 180), np.radians(sky["dec"])
    limits = {"vmin": np.quantile(sky["ebv"], 0.02), "vmax": np.quantile(sky["ebv"], 0.98), "cmap": "viridis"}
    far = (sky["part"] == "held out").to_numpy()
    for some, marker, size, words in ((~far, "o", 9, "training and nearby"), (far, "s", 16, "held out")):
        look = {"edgecolors": "black", "linewidths": 0.6} if marker == "s" else {"linewidths": 0}
        dots = axes.scatter(x[some], y[some], c=sky["ebv"][some], s=size, marker=marker, label=words, **look,
                            **limits)  # fmt: skip
    axes.set_xticklabels([])
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right", bbox_to_anchor=(-0.06, 1.0), fontsize=8.5)
    figure.colorbar(dots, ax=axes, label="E(B-V) [mag]", shrink=0.75, pad=0.03)
    for number, (words, table) in enumerate(predictions):
        panel = figure.add_subplot(grid[1, number])
        for colour_, marker, (place, some) in zip(
            (COLOURS["ours"], COLOURS["paper"]), "os", table.groupby("place", sort=True), strict=False
        ):
            error = ((some["log_ebv"] - some["log_ebv_found"]) ** 2).mean() / some["log_ebv"].var(ddof=0)
            panel.plot(np.exp(some["log_ebv"]), np.exp(some["log_ebv_found"]), marker, ms=2.6, alpha=0.5,
                       color=colour_, label=f"{place}, $R^2$ {1 - error:.2f}", mew=0)  # fmt: skip
        ends = np.exp(np.quantile(table["log_ebv"], [0.002, 0.998]))
        panel.plot(ends, ends, color="black", lw=0.8)
        panel.set(xscale="log", yscale="log", title=words, xlabel="true E(B-V) [mag]", xlim=ends, ylim=ends)
        panel.title.set_fontsize(9.5)
        panel.legend(fontsize=8, loc="upper left", markerscale=2)
        if number == 0:
            panel.set_ylabel("found E(B-V) [mag]")
        else:
            panel.set_yticklabels([])
    return figure


@styled
def scores_sheet(table: pd.DataFrame, columns: dict[str, str], lines: dict[str, dict[str, float]]) -> Figure:
    """Scores of variants, a row each and a panel for each score.

    Parameters
    ----------
    table : DataFrame
        variant, and each score with `..._std`.
    columns : dict of str to str
        Column of the table to what its axis says.
    lines : dict of str to dict of str to float
        Column to words and values of dashed lines: what is not learned.
    """
    figure = new_figure((WIDE[0], 1.5 + 0.33 * len(table)))
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    rows = np.arange(len(table))
    for axes, (column, words) in zip(panels, columns.items(), strict=True):
        axes.errorbar(table[column], rows, xerr=table[f"{column}_std"].fillna(0), fmt="o", ms=5, capsize=3,
                      color=COLOURS["ours"])  # fmt: skip
        for number, (name, value) in enumerate(lines.get(column, {}).items()):
            axes.axvline(value, color=(COLOURS["baseline"], COLOURS["paper"])[number % 2], ls="--", lw=1.2,
                         label=name)  # fmt: skip
        axes.set_xlabel(words, fontsize=9)
        axes.margins(x=0.15)
        axes.tick_params(axis="x", labelsize=8)
        if lines.get(column):
            axes.legend(fontsize=7.5, loc="lower center", bbox_to_anchor=(0.5, 1.0))
    panels[0].set_yticks(rows, table["variant"], fontsize=9)
    panels[0].set_ylim(len(table) - 0.5, -0.5)
    return figure


@styled
def changes_sheet(
    first: np.ndarray,
    second: np.ndarray,
    difference: np.ndarray,
    patches: np.ndarray,
    tokens: np.ndarray,
    rows: int = 5,
) -> Figure:
    """Both dates, their difference and the distance of their tokens, a row for each set.

    Parameters
    ----------
    first, second : (n, 3, S, S) array
        In asinh units.
    difference : (n, S, S) array
        Significance of the difference.
    patches : (n, N) bool array
        Where the transient is: these patches are framed.
    tokens : (n, N) array
        Distance of the tokens of both dates, in units of its median.
    rows : int
        Sets drawn.
    """
    rows = min(rows, len(first))
    side = round(patches.shape[1] ** 0.5)
    step = first.shape[-1] // side
    figure = new_figure((7.8, 1.6 * rows + 0.5))
    panels = figure.subplots(rows, 4, squeeze=False)
    for number, row in enumerate(panels):
        _picture(row[0], colour(first[number]))
        _picture(row[1], colour(second[number]))
        maps = [
            row[2].imshow(difference[number], origin="lower", cmap="PuOr_r", vmin=-8, vmax=8),
            row[3].imshow(tokens[number].reshape(side, side), origin="lower", cmap="magma", vmin=0,
                          vmax=max(4.0, float(np.quantile(tokens, 0.98))),
                          extent=(-0.5, first.shape[-1] - 0.5) * 2),
        ]  # fmt: skip
        for axes in row[1:]:
            for place in np.flatnonzero(patches[number]):
                corner = (place % side * step - 0.5, place // side * step - 0.5)
                axes.add_patch(Rectangle(corner, step, step, fill=False, ec=CYCLE[5], lw=1.4))
        for axes in row:
            axes.set(xticks=[], yticks=[])
        row[0].set_ylabel("transient" if patches[number].any() else "nothing new", fontsize=9)
    for axes, words in zip(panels[0], ("date 1", "date 2", "difference", "distance of tokens"), strict=True):
        axes.set_title(words, fontsize=9)
    bar = {"location": "bottom", "shrink": 0.9, "aspect": 14, "pad": 0.02}
    figure.colorbar(maps[0], ax=panels[:, 2].tolist(), label="significance [sigma]", **bar)
    figure.colorbar(maps[1], ax=panels[:, 3].tolist(), label="in units of the median", **bar)
    return figure


def _picture(axes: Axes, picture: np.ndarray, **place) -> None:
    axes.imshow(picture, origin="lower", interpolation="nearest", **place)
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
