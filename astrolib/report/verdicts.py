"""Criteria that were set beforehand, with what was measured: which are met, and how clearly."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from astrolib.report.style import COLOURS, WIDE, new_figure, styled

LOOKS = {
    "met": ("o", COLOURS["ours"]),
    "not met": ("X", COLOURS["from scratch"]),
    "undecided": ("s", COLOURS["baseline"]),
    "reported": ("d", "black"),
}
"""Marker and colour of a verdict; the first two as the claims of the other papers."""


@styled
def criteria_sheet(table: pd.DataFrame, axes_labels: Mapping[str, str]) -> Figure:
    """Measured values with their intervals beside the thresholds they are judged by.

    Parameters
    ----------
    table : DataFrame
        Columns `paper`, `column` ("full" or "demo"), `criterion`, `value`, `low`, `high`, `unit`, `threshold`
        (words), `limit` and `verdict`, as `astrolib.report.barlow_criteria.criterion_table` makes them.
    axes_labels : mapping of str to str
        Unit to what its axis says. Criteria of other units, those not measured and
        infinite ones are not drawn.

    Returns
    -------
    Figure
        A panel for each unit. Rows of the column "demo" are shaded.
    """
    finite = np.isfinite(table[["value", "low", "high"]]).all(axis=1)
    drawn = table[table["unit"].isin(axes_labels) & finite]
    groups = [(unit, drawn[drawn["unit"] == unit]) for unit in axes_labels if (drawn["unit"] == unit).any()]
    heights = [len(rows) + 2.2 for _, rows in groups]  # room for the label of the axis
    figure = new_figure((WIDE[0], 0.8 + 0.235 * sum(heights)))
    panels = figure.subplots(len(groups), 1, squeeze=False, height_ratios=heights)[:, 0] if groups else []
    for axes, (unit, rows) in zip(panels, groups, strict=True):
        _draw_rows(axes, rows)
        axes.set_xlabel(axes_labels[unit], fontsize=9.5)
    handles, words = [], []
    if groups:
        for verdict, (marker, colour) in LOOKS.items():
            n = int((drawn["verdict"] == verdict).sum())
            handles.append(panels[0].plot([], [], marker, color=colour)[0])
            words.append(f"{verdict} ({n})")
        handles.append(panels[0].plot([], [], "|", color=COLOURS["paper"], ms=11, mew=2)[0])
        handles.append(panels[0].fill([], [], color="black", alpha=0.06)[0])
        words += ["threshold", "criterion for the demo"]
    absent = int((table["verdict"] == "not measured").sum())
    title = f"{absent} more are not measured: the table says why" if absent else None
    figure.legend(handles, words, loc="outside upper center", ncols=6, fontsize=8.5, title=title,
                  title_fontsize=8.5)  # fmt: skip
    return figure


def _draw_rows(axes: Axes, rows: pd.DataFrame) -> None:
    for place, row in enumerate(rows.itertuples()):
        marker, colour = LOOKS[row.verdict]
        if row.column == "demo":
            axes.axhspan(place - 0.5, place + 0.5, color="black", alpha=0.06, lw=0)
        whiskers = np.maximum([[row.value - row.low], [row.high - row.value]], 0)
        axes.errorbar(row.value, place, xerr=whiskers, fmt=marker, color=colour, ms=6, capsize=3)
        if np.isfinite(row.limit):
            limits = (-row.limit, row.limit) if row.threshold.startswith("within") else (row.limit,)
            axes.plot(limits, [place] * len(limits), "|", color=COLOURS["paper"], ms=11, mew=2, ls="")
    axes.axvline(0, color="black", lw=0.8)
    names = rows["paper"] + " " + rows["column"] + ": " + rows["criterion"]
    axes.set_yticks(range(len(rows)), names, fontsize=8.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
