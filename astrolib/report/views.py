"""Pictures of galaxies as a network that compares views sees them: augmentations, pairs, neighbours.

Pictures come ready to be shown, (h, w, 3): floats from 0 to 1 or bytes from 0 to 255, first row on top.
"""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from astrolib.report.style import COLOURS, WIDE, new_figure, styled

LARGEST = 48
"""Pixels along a small picture; larger ones are averaged, so that a sheet of a hundred stays a small file."""
FOUND = {
    True: {"color": COLOURS["ours"], "linestyle": "-"},
    False: {"color": COLOURS["paper"], "linestyle": "--"},
}
"""Frame of a neighbour, by whether it has the class of the query."""


@styled
def examples(pictures: np.ndarray, label: np.ndarray, class_names: Sequence[str]) -> Figure:
    """A row of galaxies for each class.

    Parameters
    ----------
    pictures : (N, h, w, 3) array
    label : (N,) int array
        Index into `class_names`.
    class_names : sequence of str
        Classes without a picture get no row.
    """
    label = np.asarray(label)
    shown = [k for k in range(len(class_names)) if (label == k).any()]
    columns = max(int((label == k).sum()) for k in shown)
    figure, panels = _sheet(len(shown), columns, left=0.9)
    for row, k in zip(panels, shown, strict=True):
        _name_row(row[0], class_names[k])
        _fill(row, pictures[label == k])
    return figure


@styled
def augmentation_sheet(
    original: np.ndarray, steps: Sequence[str], draws: np.ndarray, texts: np.ndarray | None = None
) -> Figure:
    """One galaxy and what each augmentation makes of it, a row for each.

    Parameters
    ----------
    original : (h, w, 3) array
        Without augmentation; first in every row.
    steps : sequence of str
        K names of rows: single augmentations, then all of them together.
    draws : (K, n, h, w, 3) array
        n random draws of each, for example ten.
    texts : (K, n) array of str, optional
        What was drawn, printed below a picture; "" for nothing.
    """
    texts = np.full(draws.shape[:2], "") if texts is None else np.asarray(texts)
    figure, panels = _sheet(len(steps), 1 + draws.shape[1], left=0.9, below=0.13)
    for row, step, pictures, words in zip(panels, steps, draws, texts, strict=True):
        _name_row(row[0], "PSF" if step == "psf" else step.replace("_", " "))
        _fill(row, np.stack([original, *pictures]))
        for axes, text in zip(row[1:], words, strict=True):
            axes.set_xlabel(text, fontsize=6, labelpad=1)
    panels[0, 0].set_title("original", fontsize=8)
    for n, axes in enumerate(panels[0, 1:], start=1):
        axes.set_title(f"draw {n}", fontsize=8)
    return figure


@styled
def view_pairs(
    a: np.ndarray, b: np.ndarray, texts_a: Sequence[str] = (), texts_b: Sequence[str] = ()
) -> Figure:
    """Pairs of views of the same galaxies, view A above view B.

    Parameters
    ----------
    a, b : (N, h, w, 3) array
    texts_a, texts_b : sequence of str
        What was drawn for each view; parts between commas are printed below each other.
    """
    lines = max((text.count(",") + 1 for text in [*texts_a, *texts_b] if text), default=0)
    figure, panels = _sheet(2, len(a), left=0.5, below=0.125 * lines)
    for row, name, pictures, texts in zip(panels, "AB", (a, b), (texts_a, texts_b), strict=True):
        _name_row(row[0], f"view {name}")
        _fill(row, pictures)
        for axes, text in zip(row, texts, strict=False):
            axes.set_xlabel(text.replace(", ", "\n"), fontsize=7.5, labelpad=2)
    for n, axes in enumerate(panels[0], start=1):
        axes.set_title(f"galaxy {n}", fontsize=9)
    return figure


@styled
def neighbours(
    query: np.ndarray,
    hits: np.ndarray,
    query_label: np.ndarray,
    hit_label: np.ndarray,
    class_names: Sequence[str],
    method: str = "",
) -> Figure:
    """Galaxies, a row each, and those that are nearest to them in the space of features.

    Parameters
    ----------
    query : (Q, h, w, 3) array
    hits : (Q, k, h, w, 3) array
        The nearest first.
    query_label, hit_label : (Q,) and (Q, k) int array
        Index into `class_names`; -1 where there is no class.
    class_names : sequence of str
    method : str
        Whose features they are, for the title.
    """
    k = hits.shape[1]
    figure, panels = _sheet(len(query), 1 + k, left=0.05, above=0.24)
    for row, picture, found, own, labels in zip(panels, query, hits, query_label, hit_label, strict=True):
        _fill(row, np.stack([picture, *found]))
        for axes, label in zip(row, [own, *labels], strict=True):
            name = class_names[label] if label >= 0 else "no class"
            same = label == own
            if axes is row[0]:
                axes.set_title(f"query: {name}", fontsize=8.5, pad=4)
                continue
            look = FOUND[same]
            axes.set_title(name, fontsize=8.5, pad=4, color=look["color"])
            axes.spines[:].set(visible=True, linewidth=2, **look)
    handles = [panels[0, 0].plot([], [], lw=2, **FOUND[same])[0] for same in (True, False)]
    words = ["class of the query", "another class"]
    figure.legend(handles, words, loc="outside upper right", ncols=2, fontsize=9)
    if method:
        figure.suptitle(f"nearest in the features of {method}", fontsize=10, x=0.01, ha="left")
    return figure


def _sheet(
    rows: int, columns: int, *, left: float, above: float = 0.0, below: float = 0.0
) -> tuple[Figure, np.ndarray]:
    """Square panels without axes; `left`, and `above` and `below` each row, is room for words [inch]."""
    side = min((WIDE[0] - left) / columns, 1.5)
    figure = new_figure((left + columns * side, rows * (side + above + below) + 0.55))
    panels = figure.subplots(rows, columns, squeeze=False)
    figure.get_layout_engine().set(w_pad=0.03, h_pad=0.02, wspace=0, hspace=0)
    for axes in panels.flat:
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        axes.spines[:].set_visible(False)
    return figure, panels


def _fill(row: np.ndarray, pictures: np.ndarray) -> None:
    for axes, picture in zip(row, pictures, strict=False):
        axes.imshow(_small(picture), interpolation="nearest")
    for axes in row[len(pictures) :]:
        axes.set_axis_off()


def _small(picture: np.ndarray) -> np.ndarray:
    """A picture as bytes, not larger than `LARGEST`."""
    picture = np.asarray(picture)
    if picture.dtype != np.uint8:
        picture = np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)
    image = Image.fromarray(picture)
    image.thumbnail((LARGEST, LARGEST), Image.Resampling.BOX)
    return np.asarray(image)


def _name_row(axes: Axes, name: str) -> None:
    axes.set_ylabel(textwrap.fill(name, 14), fontsize=9)
