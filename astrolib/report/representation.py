"""What an encoder's embeddings are like: cross-correlation, spectrum, rank, learning curves, maps."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, StrMethodFormatter

from astrolib.report.embedding_maps import class_map
from astrolib.report.stars import class_styles
from astrolib.report.style import COLOURS, CYCLE, WIDE, new_figure, sheet, styled

MOST_DIMENSIONS = 256
"""Rows of a cross-correlation matrix that are drawn."""
ENCODERS = {"resnet": ("ResNet", CYCLE[0]), "vit": ("ViT", CYCLE[1])}
"""Name and colour of each encoder."""
LABELS = {
    "magnitude": "r [mag]",
    "measured size": "measured half-light radius [pixels]",
}
"""Names of quantities with their units; others, such as a redshift or an axis ratio, have none."""


@styled
def correlation_pair(before: np.ndarray, after: np.ndarray) -> Figure:
    """Cross-correlation matrix of two views' embeddings before and after training.

    Parameters
    ----------
    before, after : (D, D) array
        Correlation of dimension i of view A (row) with dimension j of view B (column), from -1 to 1.

    Returns
    -------
    Figure
        One colour scale for both; of more than 256 dimensions the first 256 are drawn. Below each the mean of
        the diagonal and the mean square of all other elements.
    """
    figure = new_figure((WIDE[0], 5.0))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, matrix, when in zip(panels, (before, after), ("before", "after"), strict=True):
        d = len(matrix)
        n = min(d, MOST_DIMENSIONS)
        picture = axes.imshow(matrix[:n, :n], cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest")
        diagonal = np.diagonal(matrix)
        off_square = (np.sum(matrix**2) - np.sum(diagonal**2)) / max(d * (d - 1), 1)
        axes.set_title(f"{when} training" + (f", first {n} of {d:,} dimensions" if d > n else ""))
        axes.set_xlabel(
            "dimension j of view B\n"
            rf"mean $C_{{ii}}$ = {diagonal.mean():.2f}, mean $C_{{ij}}^2$ = {off_square:.3f}"
        )
        axes.grid(False)
        axes.locator_params(nbins=6, integer=True)
    panels[0].set_ylabel("dimension i of view A")
    figure.colorbar(picture, ax=panels, label="correlation $C_{ij}$", fraction=0.025, pad=0.01)
    return figure


@styled
def spectrum(curves: Mapping[str, np.ndarray], history: pd.DataFrame) -> Figure:
    """Singular values of centred features, largest first: over the training, and after it.

    Parameters
    ----------
    curves : mapping of str to (n,) array
        Name to singular values divided by the largest, on test images; "untrained" is grey.
    history : DataFrame
        A row for each epoch of one training: epoch, and val_sv1, val_sv2, val_sv4, ..., singular values of
        these numbers on views of the validation images.

    Returns
    -------
    Figure
        The slower a curve falls, the more directions the features fill.
    """
    figure = new_figure((11.0, 4.4))
    over_time, after = figure.subplots(1, 2)
    numbers = sorted(int(name.removeprefix("val_sv")) for name in history if name.startswith("val_sv"))
    values = history[[f"val_sv{number}" for number in numbers]].to_numpy()
    epochs = history["epoch"].to_numpy()
    shades = mpl.colormaps["viridis"](np.linspace(0, 0.9, len(epochs)))
    for row in np.unique(np.linspace(0, len(epochs) - 1, 6).round().astype(int)):
        over_time.plot(
            numbers, values[row], "o-", ms=3, lw=1.4, color=shades[row], label=f"{epochs[row] + 1}"
        )
    over_time.legend(title="after epoch", fontsize=8, loc="lower left")
    over_time.set(title="Barlow Twins, views of validation images")
    colours = iter(CYCLE * 2)
    for number, (name, falling) in enumerate(curves.items()):
        look = {"ls": ("-", "--", "-.", ":")[number % 4], "label": name}
        look["color"] = COLOURS["baseline"] if name.startswith("untrained") else next(colours)
        after.plot(np.arange(1, len(falling) + 1), falling, lw=1.6, **look)
    after.set(title="test images, after training")
    after.legend(fontsize=8, loc="lower left")
    for axes in (over_time, after):
        axes.set(xscale="log", yscale="log", xlabel="number of the singular value", ylim=(1e-4, 1.5))
    over_time.set_ylabel("singular value of the features / largest")
    return figure


@styled
def rank_over_training(history: pd.DataFrame) -> Figure:
    """Effective rank of embeddings and features over the epochs.

    Parameters
    ----------
    history : DataFrame
        Columns `epoch`, `val_rank_z`, `val_rank_r`, `seed`, and `encoder` where there are several; a line
        for each seed.
    """
    figure = new_figure(WIDE)
    left, right = figure.subplots(1, 2)
    for axes, letter, words in ((left, "z", "embeddings $z$"), (right, "r", "features $r$")):
        _lines(axes, history, f"val_rank_{letter}", "-")
        axes.set(xlabel="epoch", ylabel=f"effective rank of the {words}")
        axes.axhline(1, color="black", ls=":", lw=1.2, label="collapse")
        axes.set_ylim(bottom=0)
    _key(figure, left, history, {})
    return figure


@styled
def training_curves(history: pd.DataFrame) -> Figure:
    """Both terms of the loss over the epochs, a line for each seed.

    Parameters
    ----------
    history : DataFrame
        Columns `epoch`, `loss`, `on`, `off`, the last two also with `val_`, `seed`, and `encoder` where there
        are several.
    """
    figure = new_figure((WIDE[0], 4.0))
    panels = figure.subplots(1, 3)
    names = {
        "loss": "loss",
        "on": r"views differ, $\sum_i (1-C_{ii})^2$",
        "off": r"dimensions repeat, $\sum_{i\neq j} C_{ij}^2$",
    }
    for axes, (column, words) in zip(panels, names.items(), strict=True):
        _lines(axes, history, column, "-")
        _lines(axes, history, f"val_{column}", "--")
        axes.set(xlabel="epoch", ylabel=words, yscale="log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    _key(figure, panels[0], history, {"training": "-", "validation": "--"})
    return figure


@styled
def embedding_map(
    xy: np.ndarray, label: np.ndarray, class_names: Sequence[str], values: Mapping[str, np.ndarray]
) -> Figure:
    """Galaxies on a map of their features: by class, and by quantities that the views kept or removed.

    Parameters
    ----------
    xy : (N, 2) array
        Map coordinates.
    label : (N,) int array
        Index into `class_names`; -1 where there is no class.
    class_names : sequence of str
    values : mapping of str to (N,) array
        Quantities; galaxies whose value is NaN are left out of their panel.
    """
    if not values:
        return class_map(xy, label, class_names)
    columns = 2 if len(values) in (1, 3) else 3
    rows = -(-(1 + len(values)) // columns)
    figure = new_figure(sheet(rows, columns, 3.2 if columns == 3 else 4.0))
    grid = figure.subplots(rows, columns, squeeze=False)
    size = float(np.clip(120 / np.sqrt(max(len(xy), 1)), 1.5, 5))
    label, styles = np.asarray(label), class_styles(class_names)
    for k in np.argsort(-np.bincount(label[label >= 0], minlength=len(class_names))):  # the rarest on top
        look = styles[class_names[k]] | {"ms": size, "mew": 0, "alpha": 0.75}
        grid.flat[0].plot(*xy[label == k].T, ls="", **look)
    handles = [grid.flat[0].plot([], [], ls="", ms=6, **styles[name])[0] for name in class_names]
    for axes, (name, value) in zip(grid.flat[1:], values.items(), strict=False):
        value = np.asarray(value, np.float64)
        known = np.isfinite(value)
        low, high = np.quantile(value[known], [0.02, 0.98]) if known.any() else (0, 1)
        points = axes.scatter(
            *xy[known].T, c=value[known], s=size**2, lw=0, cmap="viridis", vmin=low, vmax=high
        )
        bar = figure.colorbar(points, ax=axes, pad=0.02, fraction=0.05, extend="both")
        bar.set_label(LABELS.get(name, name), fontsize=9)
        bar.ax.locator_params(nbins=5)
        axes.set_title(name, fontsize=10)
    grid.flat[0].set_title("class", fontsize=10)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
    for axes in grid.flat[1 + len(values) :]:
        axes.set_axis_off()
    figure.supxlabel("UMAP 1", fontsize=10)
    figure.supylabel("UMAP 2", fontsize=10)
    figure.legend(handles, class_names, loc="outside upper left", ncols=min(len(class_names), 5), fontsize=9)
    return figure


# ---------------------------------------------------------------- shared


def _by_encoder(history: pd.DataFrame) -> list[tuple[str, str, pd.DataFrame]]:
    """Name, colour and rows of each encoder."""
    if "encoder" not in history:
        return [("", COLOURS["ours"], history)]
    groups = history.groupby("encoder", sort=False)
    return [(*ENCODERS.get(key, (key, COLOURS["ours"])), rows) for key, rows in groups]


def _lines(axes: Axes, history: pd.DataFrame, column: str, dash: str) -> None:
    if column not in history:
        return
    for _, colour, rows in _by_encoder(history):
        for _, run in rows.groupby("seed"):
            run = run.dropna(subset=column)
            marker = "." if len(run) < 15 else None  # a single epoch must be seen too
            axes.plot(run["epoch"], run[column], dash, color=colour, marker=marker, lw=1.2, alpha=0.85)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))


def _key(figure: Figure, axes: Axes, history: pd.DataFrame, dashes: Mapping[str, str]) -> None:
    """What colours and dashes mean, above the panels; says how many seeds make how many lines."""
    handles, words = axes.get_legend_handles_labels()
    n_seeds = history["seed"].nunique()
    seeds = f" ({n_seeds} seeds)" if n_seeds > 1 else ""
    for name, colour, _ in _by_encoder(history):
        handles.append(axes.plot([], [], color=colour)[0])
        words.append(f"{name or 'ours'}{seeds}")
    for name, dash in dashes.items():
        handles.append(axes.plot([], [], dash, color="black")[0])
        words.append(name)
    figure.legend(handles, words, loc="outside upper right", ncols=len(handles), fontsize=9)
