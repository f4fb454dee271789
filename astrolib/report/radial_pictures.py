"""Pictures of radial masking: masks, guesses of what is hidden, and what they are worth."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import FormatStrFormatter, LogLocator, NullFormatter

from astrolib.report.style import COLOURS, CYCLE, WIDE, new_figure, styled

HIDDEN = 0.55
"""Grey of what was hidden."""
MARKERS = ("o", "s", "D", "^", "v")


@styled
def mask_sheet(
    image: np.ndarray,
    visible: np.ndarray,
    fraction: np.ndarray,
    names: list[str],
    ratios: np.ndarray,
    centre: np.ndarray,
    radii: np.ndarray,
) -> Figure:
    """One galaxy under every mask: a column for each name, a row for each mask ratio.

    Parameters
    ----------
    image : (h, w, 3) array
        From 0 to 1.
    visible : (k, h, w) bool array
        Masks.
    fraction, ratios : (k,) array
        Visible fraction as measured on this galaxy, and the nominal mask ratio.
    names : list of str
        Of the k masks, each once for each ratio.
    centre, radii : (2,) array
        x, y, and the radii that hold half and nine tenths of the light [pixels].
    """
    columns, rows = list(dict.fromkeys(names)), sorted(set(ratios))
    figure = new_figure((WIDE[0], 0.6 + WIDE[0] / (len(columns) + 1) * 1.12 * len(rows)))
    panels = figure.subplots(len(rows), len(columns) + 1, squeeze=False)
    for axes in panels.flat:
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
    for axes in panels[:, 0]:
        axes.axis("off")
    panels[0, 0].imshow(image, origin="lower")
    panels[0, 0].set_title("galaxy, R50 and R90", fontsize=8.5)
    for radius in radii:
        panels[0, 0].add_patch(Circle(tuple(centre), radius, fill=False, ec="white", lw=0.9))
    for mask, share, name, ratio in zip(visible, fraction, names, ratios, strict=True):
        axes = panels[rows.index(ratio), columns.index(name) + 1]
        axes.imshow(np.where(mask[..., None], image, HIDDEN), origin="lower")
        kind, _, words = name.partition(", ")
        head = f"{kind}:\n{words}\n" if ratio == rows[0] else ""
        axes.set_title(f"{head}{share:.1%} visible", fontsize=8.5)
        if name == columns[0]:
            axes.set_ylabel(f"mask ratio {ratio:g}", fontsize=9)
    return figure


@styled
def guess_sheet(
    light: np.ndarray,
    visible: np.ndarray,
    vit: np.ndarray,
    azimuthal: np.ndarray,
    half_turn: np.ndarray,
    occupied: np.ndarray,
    seen: np.ndarray,
    probability: np.ndarray,
) -> Figure:
    """A few galaxies (n, h, w), what is seen of them, and what is made of the rest; a row for each.

    `light`, `vit`, `azimuthal` and `half_turn` are asinh(light / 3 noise) with the first three guesses made
    from `visible`; `probability` (of an occupied pixel) is what the occupancy network makes of `seen`.
    """
    columns = {
        "image": light,
        "visible patches": np.where(visible, light, np.nan),
        "ViT": vit,
        "azimuthal profile": azimuthal,
        "half turn": half_turn,
        "occupied": occupied.astype(float),
        "visible pixels": np.where(seen, occupied, np.nan),
        "occupancy net": probability,
    }
    figure = new_figure((WIDE[0], 0.75 + len(light) * WIDE[0] / len(columns)))
    panels = figure.subplots(len(light), len(columns), squeeze=False)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    top = float(np.nanpercentile(light, 99.8))
    for j, (name, images) in enumerate(columns.items()):
        for i, image in enumerate(images):
            axes = panels[i, j]
            axes.set(xticks=[], yticks=[])
            axes.grid(False)
            axes.set_facecolor(str(HIDDEN))
            limits = {"vmin": -0.5, "vmax": top, "cmap": "cividis"} if j < 5 else {"vmin": 0, "vmax": 1}
            shown = axes.imshow(image, origin="lower", **({"cmap": "viridis"} | limits))
        panels[0, j].set_title(name, fontsize=8.5)
        if j in (4, 7):
            which = panels[:, :5] if j == 4 else panels[:, 5:]
            words = "asinh(light / 3 noise)" if j == 4 else "occupied, or the probability of it"
            bar = figure.colorbar(
                shown, ax=which, orientation="horizontal", fraction=0.03, pad=0.02, aspect=50
            )
            bar.set_label(words, fontsize=8.5)
    return figure


@styled
def filling_bars(table: pd.DataFrame, unlearned: tuple[str, ...]) -> Figure:
    """How well hidden pixels are guessed, learned and not, in strata and on the null.

    Parameters
    ----------
    table : DataFrame
        As `astrolib.report.radial_scores.filling_table` makes it, of one masking.
    unlearned : tuple of str
        Methods that have not learned.

    Returns
    -------
    Figure
        A row of panels for what is seen (patches, pixels); columns: intersection over union of galaxies, the
        same on the null, and the error of the flux of galaxies.
    """
    kinds = list(dict.fromkeys(table["sees"]))
    states = list(dict.fromkeys(table["images"]))
    counts = [table[table["sees"] == kind]["method"].nunique() for kind in kinds]
    figure = new_figure((WIDE[0], 1.3 + 0.3 * sum(counts)))
    columns = [(state, "iou") for state in states] + [(states[0], "flux_error")]
    panels = figure.subplots(len(kinds), len(columns), squeeze=False, height_ratios=counts, sharex="col")
    for row, kind in enumerate(kinds):
        some = table[table["sees"] == kind]
        names = sorted(dict.fromkeys(some["method"]), key=lambda name: name in unlearned)  # learned first
        for column, (state, metric) in enumerate(columns):
            axes, at = panels[row, column], some[some["images"] == state].set_index("method").reindex(names)
            _strata(axes, at) if metric == "iou" else _errors(axes, at, metric)
            axes.set_yticks(range(len(names)), names if not column else [], fontsize=8.5)
            for tick, name in zip(axes.get_yticklabels(), names, strict=False):
                tick.set_color("black" if name in unlearned else COLOURS["ours"])
            axes.set_ylim(len(names) - 0.5, -0.5)
            if not row:
                axes.set_title(state if metric == "iou" else f"{state}, flux", fontsize=9.5)
        panels[row, 0].set_ylabel(f"sees {kind}", fontsize=9.5)
    for column, (_, metric) in enumerate(columns):
        words = "IoU of hidden occupied pixels" if metric == "iou" else "mean square error of asinh light"
        panels[-1, column].set_xlabel(words, fontsize=9)
    figure.align_ylabels(panels[:, 0])
    handles, words = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, words, loc="outside upper center", ncols=3, fontsize=8.5)
    return figure


STRATA = {
    "iou": ("all hidden pixels", "o", CYCLE[0]),
    "iou_partner_visible": ("opposite pixel visible", "^", CYCLE[1]),
    "iou_partner_hidden": ("opposite pixel hidden", "s", CYCLE[2]),
}


def _strata(axes: Axes, table: pd.DataFrame) -> None:
    for number, (name, (words, marker, colour)) in enumerate(STRATA.items()):
        rows = np.arange(len(table)) + 0.22 * (number - 1)
        look = {"fmt": marker, "color": colour, "ms": 4.5, "capsize": 2, "label": words}
        axes.errorbar(table[name], rows, xerr=table[f"{name}_std"].fillna(0), **look)


def _errors(axes: Axes, table: pd.DataFrame, metric: str) -> None:
    rows = np.arange(len(table))
    axes.errorbar(
        table[metric], rows, xerr=table[f"{metric}_std"].fillna(0), fmt="o", color="black", ms=4.5, capsize=2
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    axes.xaxis.set_minor_formatter(NullFormatter())


@styled
def sense_less(table: pd.DataFrame) -> Figure:
    """Accuracy and error against the fraction of a galaxy that is looked at.

    Parameters
    ----------
    table : DataFrame
        As `astrolib.report.radial_scores.observed_table` makes it.
    """
    figure = new_figure(WIDE)
    panels = figure.subplots(1, 2)
    for axes, metric in zip(panels, ("accuracy", "error"), strict=True):
        for number, (start, some) in enumerate(table.groupby("start", sort=False)):
            look = {"color": CYCLE[number], "marker": MARKERS[number], "ms": 5, "capsize": 3, "label": start}
            nudge = 0.008 * (number - 1)
            spread = some[f"{metric}_std"].fillna(0)
            axes.errorbar(some["observed"] + nudge, some[metric], yerr=spread, **look)
        axes.set_xlabel("fraction of the patches observed, in whole sectors")
        axes.set_xlim(1.05, 0)
    panels[0].set_ylabel("balanced accuracy [%]")
    panels[1].set_ylabel(f"mean absolute error of the {table['target'].iloc[0]}")
    full = table.loc[table["observed"].idxmax(), "observed"]
    best = table[(table["observed"] == full)].set_index("start")["accuracy"]
    name = next(start for start in best.index if start.startswith("R-MAE"))
    line = panels[0].axhline(0.95 * best[name], color="black", lw=0.9, ls=":")
    handles, words = panels[0].get_legend_handles_labels()
    figure.legend(
        [*handles, line], [*words, f"95 % of {name} seeing all"], loc="outside upper center", ncols=4
    )
    return figure


@styled
def masking_bars(table: pd.DataFrame) -> Figure:
    """Accuracy of each masking and each loss, with the scatter of the seeds.

    Parameters
    ----------
    table : DataFrame
        As `astrolib.report.radial_scores.masking_table` makes it.
    """
    columns = [name for name in table if name.startswith("accuracy_") and not name.endswith("_std")]
    names = [
        f"{row.masking}" if row.network == "ViT" else f"net: {row.masking}" for row in table.itertuples()
    ]
    shares = [f"{v:.1%}" if np.isfinite(v) else "" for v in table["visible"]]
    figure = new_figure((WIDE[0], 1.2 + 0.36 * len(table)))
    panels = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axes, column in zip(panels, columns, strict=True):
        for place, row in enumerate(table.itertuples()):
            net = row.network != "ViT"
            look = {"color": CYCLE[1 + net] if place else COLOURS["baseline"], "ms": 6, "capsize": 3}
            spread = getattr(row, f"{column}_std".replace(".", "_"), 0)
            axes.errorbar(getattr(row, column), place, xerr=np.nan_to_num(spread), fmt=MARKERS[net], **look)
        share = column.split("_")[1]
        axes.set_xlabel(f"balanced accuracy [%],\n{share} % of the labels", fontsize=9)
        axes.axvline(table[column].iloc[0], color=COLOURS["baseline"], lw=0.8, ls=":")
    panels[0].set_yticks(
        range(len(names)),
        [f"{name}  {share}" for name, share in zip(names, shares, strict=True)],
        fontsize=8.5,
    )
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    return figure
