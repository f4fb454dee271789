"""Figures of embeddings: maps, similarity search, outliers, and classes within classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from astrolib.report.stars import LABELS, class_styles, draw_folded, draw_spectrum
from astrolib.report.style import COLOURS, CYCLE, WIDE, new_figure, sheet, styled

HALO = (patheffects.withStroke(linewidth=2.5, foreground="white"),)


@dataclass(frozen=True)
class Pictures:
    """What it takes to draw stars: folded light curves (R, L) or (R, B, L), and spectra if there are any.

    `row` (R,) are the stars' numbers in the survey, `wavelength` (W,) in Å, `spectrum` (R, W).
    """

    row: np.ndarray
    class_name: np.ndarray
    phase: np.ndarray
    flux: np.ndarray
    wavelength: np.ndarray | None = None
    spectrum: np.ndarray | None = None

    def draw(self, figure: Figure, place, number: int, title: str, colour: str = CYCLE[0]) -> None:
        """One star: its light curve, and its spectrum below, at a place of the figure's grid."""
        k = int(np.flatnonzero(self.row == number)[0])
        parts = 1 if self.spectrum is None else 2
        inner = place.subgridspec(parts, 1, hspace=0.02)
        curve = figure.add_subplot(inner[0])
        phase, flux = (np.atleast_2d(a[k]) for a in (self.phase, self.flux))
        for band in range(len(flux)):
            draw_folded(curve, phase[band], flux[band], shift=-1.2 * band, color=colour, size=1.1)
        curve.set_title(title, fontsize=7.5, pad=2)
        curve.set(xlim=(0, 2))
        axes = [curve]
        if self.spectrum is not None:
            lower = figure.add_subplot(inner[1])
            draw_spectrum(lower, self.wavelength, self.spectrum[k], color=colour)
            lower.set(xlim=(self.wavelength.min(), self.wavelength.max()))
            axes.append(lower)
        for each in axes:
            each.set(xticks=[], yticks=[])
            each.grid(False)


@styled
def class_map(xy: np.ndarray, label: np.ndarray, class_names: Sequence[str], title: str = "") -> Figure:
    """Stars on a map of their embeddings, by class; a class's name stands where most of its stars are.

    Parameters
    ----------
    xy : (N, 2) array
        Map coordinates; stars with NaN are left out.
    label : (N,) int array
        Index into `class_names`.
    """
    figure = new_figure((7.6, 5.4))
    axes = figure.subplots()
    styles = class_styles(class_names)
    shown = np.isfinite(xy).all(axis=1)
    counts = np.bincount(label[shown & (label >= 0)], minlength=len(class_names))
    size = float(np.clip(260 / np.sqrt(max(shown.sum(), 1)), 1.6, 6))
    for k in np.argsort(-counts):  # the rarest on top
        members = shown & (label == k)
        axes.plot(*xy[members].T, ls="", ms=size, mew=0, alpha=0.7, **styles[class_names[k]])
    for k, name in enumerate(class_names):
        if counts[k]:
            x, y = _densest(xy[shown & (label == k)])
            axes.text(x, y, name, fontsize=9, weight="bold", ha="center", va="center", path_effects=HALO)
    handles = [axes.plot([], [], ls="", ms=6, **styles[class_names[k]])[0] for k in np.argsort(-counts)]
    words = [f"{class_names[k]} ({counts[k]:,})" for k in np.argsort(-counts)]
    figure.legend(handles, words, loc="outside right upper", fontsize=9)
    _bare(axes, title)
    return figure


def _densest(points: np.ndarray) -> np.ndarray:
    """The point of a cloud (M, 2) with the most others nearby: never between two clumps, as a mean may be."""
    some = points[:: max(1, len(points) // 400)]
    radius = 0.15 * np.ptp(points, axis=0).max() + 1e-9
    apart = np.linalg.norm(some[:, None] - some[None], axis=-1)
    return some[(apart < radius).sum(axis=1).argmax()]


def _bare(axes: Axes, title: str) -> None:
    axes.set(xticks=[], yticks=[], xlabel="UMAP 1", ylabel="UMAP 2", title=title)
    axes.grid(False)


@styled
def similarity_sheet(
    query: str, star: int, hits: Mapping[str, np.ndarray], similarity: Mapping[str, np.ndarray],
    pictures: Pictures,
) -> Figure:  # fmt: skip
    """A star, and the stars most like it in the embeddings of each modality.

    Parameters
    ----------
    query : str
        Modality of the star whose embedding is searched with.
    star : int
        Its row in the survey.
    hits : mapping of str to (k,) int array
        Modality that is searched, to the rows of the nearest stars, nearest first.
    similarity : mapping of str to (k,) array
        Their cosine similarities.
    pictures : Pictures
        Of all stars involved.
    """
    targets = list(hits)
    k = min(5, min(len(rows) for rows in hits.values()))
    parts = 1 if pictures.spectrum is None else 2
    height = 1.0 + 0.72 * parts
    figure = new_figure((WIDE[0], height * len(targets) + 0.6))
    grid = figure.add_gridspec(len(targets), k + 1, width_ratios=[1.25] + [1] * k)
    names = dict(zip(pictures.row.tolist(), pictures.class_name, strict=True))
    middle = (len(targets) - 1) // 2
    pictures.draw(figure, grid[middle, 0], star, f"query: {query}\n{names[star]}", COLOURS["paper"])
    for row, target in enumerate(targets):
        for column in range(k):
            found = int(hits[target][column])
            alike = f"{similarity[target][column]:.2f}"
            itself = "itself, " if found == star else ""
            right = names[found] == names[star]
            colour = COLOURS["ours"] if right else COLOURS["from scratch"]
            title = f"{itself}{names[found]}, {alike}"
            title = f"nearest {target}:\n{title}" if column == 0 else f"\n{title}"
            pictures.draw(figure, grid[row, column + 1], found, title, colour)
    handles = [
        figure.axes[0].plot([], [], "o", color=c)[0] for c in (COLOURS["ours"], COLOURS["from scratch"])
    ]
    figure.legend(
        handles, ["class of the query", "another class"], loc="outside upper right", ncols=2, fontsize=8.5
    )
    return figure


@styled
def retrieval(table: pd.DataFrame) -> Figure:
    """How well similarity search does, within and across modalities, beside chance.

    Parameters
    ----------
    table : DataFrame
        Columns `query`, `target`, `measure`, `value`, `error` and `chance`.
    """
    measures = list(dict.fromkeys(table["measure"]))
    pairs = list(dict.fromkeys(zip(table["query"], table["target"], strict=True)))
    pairs.sort(key=lambda pair: pair[0] != pair[1])  # within a modality first
    place = {pair: number for number, pair in enumerate(pairs)}
    figure = new_figure((WIDE[0], 1.5 + 0.26 * len(pairs)))
    panels = figure.subplots(1, len(measures), squeeze=False, sharey=True)[0]
    for axes, measure in zip(panels, measures, strict=True):
        some = table[table["measure"] == measure]
        rows = [place[pair] for pair in zip(some["query"], some["target"], strict=True)]
        look = {"fmt": "o", "ms": 5, "capsize": 3, "color": COLOURS["ours"], "label": "embeddings"}
        axes.errorbar(some["value"], rows, xerr=some["error"], **look)
        axes.plot(some["chance"], rows, "|", ms=10, mew=1.6, color=COLOURS["baseline"], label="random order")
        axes.set_xlabel(measure)
        if "rank" in measure:
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_xlim(-0.03, 1.03)
    within = sum(a == b for a, b in pairs)
    for axes in panels:
        axes.axhline(within - 0.5, color="black", lw=0.6)
    panels[0].set_yticks(range(len(pairs)), [f"{a} → {b}" for a, b in pairs])
    panels[0].set_ylim(len(pairs) - 0.5, -0.5)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", ncols=2, fontsize=9)
    return figure


@styled
def outliers(
    distance: Mapping[str, np.ndarray],
    flagged: Mapping[str, np.ndarray],
    gallery: Sequence[tuple[int, str]] = (),
    pictures: Pictures | None = None,
) -> Figure:
    """Distances of stars from the centre of their own class, with those flagged, and a few candidates.

    Parameters
    ----------
    distance : mapping of str to (N,) array
        Modality to 1 - cosine; NaN where a star lacks it.
    flagged : mapping of str to (N,) bool array
        Which of them are flagged.
    gallery : sequence of (row, words)
        Candidates to draw below, at most eight.
    pictures : Pictures, optional
        Of the candidates.
    """
    names = list(distance)
    cells = list(gallery)[:8] if pictures is not None else []
    columns = max(1, min(4, len(cells)))
    lines = -(-len(cells) // columns)
    figure = new_figure((WIDE[0], 3.2 + 1.95 * lines))
    outer = figure.add_gridspec(1 + bool(lines), 1, height_ratios=[3] + [1.95 * lines] * bool(lines))
    top = outer[0].subgridspec(1, len(names))
    for number, name in enumerate(names):
        axes = figure.add_subplot(top[number])
        values, marked = np.asarray(distance[name]), np.asarray(flagged[name], bool)
        edges = np.linspace(np.nanmin(values), np.nanmax(values), 31)
        axes.hist(values[~marked], edges, color=COLOURS["ours"], alpha=0.85, label="not flagged")
        axes.hist(values[marked], edges, color=COLOURS["paper"], alpha=0.85, label="flagged")
        if marked.any():
            axes.axvline(values[marked].min(), color="black", lw=0.9, ls="--", label="least distance flagged")
        axes.set(yscale="log", title=name)
        axes.set_xlabel("distance from own class", fontsize=10 if len(names) < 5 else 7.5)
        if number == 0:
            axes.set_ylabel("stars")
            shown = axes.get_legend_handles_labels()
    figure.legend(*shown, loc="outside upper right", ncols=3, fontsize=9)
    if lines:
        below = outer[1].subgridspec(lines, columns)
        for cell, (row, words) in enumerate(cells):
            pictures.draw(figure, below[cell // columns, cell % columns], row, words)
    return figure


@styled
def subclasses(table: pd.DataFrame, planes: Mapping[str, tuple[str, str]]) -> Figure:
    """Classes within a class: what clustering found, what is known, and a plane of metadata.

    Parameters
    ----------
    table : DataFrame
        Columns `group`, `x`, `y` (map), `cluster`, `truth` ("" where unknown), and those of the planes.
    planes : mapping of str to (str, str)
        Group to the two columns drawn on the right.

    Returns
    -------
    Figure
        A row of panels for each group.
    """
    groups = list(dict.fromkeys(table["group"]))
    figure = new_figure(sheet(len(groups), 3, 3.3))
    grid = figure.subplots(len(groups), 3, squeeze=False)
    for axes, group in zip(grid, groups, strict=True):
        some = table[table["group"] == group]
        found = [f"cluster {number}" for number in some["cluster"]]
        _scatter_names(axes[0], some["x"], some["y"], found, CYCLE)
        known = some["truth"].replace("", "unknown")
        _scatter_names(axes[1], some["x"], some["y"], known.tolist(), CYCLE[3:] + CYCLE[:3])
        _bare(axes[0], f"{group}: clusters of the embedding")
        _bare(axes[1], f"{group}: what is known")
        for panel in axes[:2]:
            look = {"ncols": 2, "fontsize": 7.5, "markerscale": 1.2, "borderpad": 0}
            panel.legend(loc="upper left", bbox_to_anchor=(-0.02, -0.1), **look)
        across, upward = planes[group]
        _scatter_names(axes[2], some[across], some[upward], found, CYCLE)
        axes[2].set(xlabel=LABELS.get(across, across), ylabel=LABELS.get(upward, upward))
        axes[2].set_title(f"{group}: clusters in metadata")
        for panel in axes:
            panel.title.set_fontsize(10)
    return figure


def _scatter_names(
    axes: Axes, x: pd.Series, y: pd.Series, names: Sequence[str], colours: Sequence[str]
) -> None:
    names, x, y = np.asarray(names), np.asarray(x, float), np.asarray(y, float)
    size = float(np.clip(90 / np.sqrt(max(len(names), 1)), 2, 6))
    known = sorted(set(names.tolist()) - {"unknown"})
    if "unknown" in names:
        axes.plot(
            *(v[names == "unknown"] for v in (x, y)),
            "o",
            ms=size * 0.8,
            mew=0,
            color="#BBBBBB",
            label="unknown",
        )
    for number, name in enumerate(known):
        of_name = names == name
        look = {"color": colours[number % len(colours)], "label": f"{name} ({of_name.sum()})"}
        axes.plot(x[of_name], y[of_name], "os^Dv"[number % 5], ms=size, mew=0, alpha=0.8, **look)
