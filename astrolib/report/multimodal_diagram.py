"""Block diagram of AstroM3 (its figure 1): encoders, projections, similarity matrices, summed loss."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from astrolib.report.canvas import INK, Box, Canvas
from astrolib.report.style import styled

PAPER = (
    ("photometry", "light curve\n200 x 9", "Informer encoder\n8 layers, 4 heads", "attention"),
    ("spectra", "spectrum\n3 x 2575", "GalSpecNet\n4 convolutions", "conv"),
    ("metadata", "metadata\n34 columns", "MLP\n2 layers of 512", "linear"),
)
"""Modality, its input, its encoder, and the kind of its box; sizes of the paper."""
PAIRS = (("photometry", "spectra"), ("metadata", "photometry"), ("spectra", "metadata"))
FEATURES = (25600, 1184, 512)
"""Numbers that leave each encoder."""
SIDE = 5


@styled
def overview() -> Figure:
    """Figure 1: three encoders, their projections, a similarity matrix for each pair, and the loss."""
    canvas = Canvas(11.2, 5.6)
    levels = (4.6, 2.8, 1.0)
    ends = {}
    for (name, source, encoder, kind), features, y in zip(PAPER, FEATURES, levels, strict=True):
        first = canvas.box(source, 0.75, y, 1.2, 0.62)
        network = canvas.box(encoder, 2.4, y, 1.5, 0.7, kind)
        projection = canvas.box(f"Linear\n{features} → 512", 4.05, y, 1.15, 0.62, "linear")
        unit = canvas.box("unit\nlength", 5.2, y, 0.65, 0.62, "norm")
        for left, right in ((first, network), (network, projection), (projection, unit)):
            canvas.arrow(left.right, right.left)
        canvas.words(name, 0.15, y + 0.5, size=9.5, bold=True)
        ends[name] = unit
    total = canvas.box("loss: sum over\nthe three pairs", 10.35, 2.8, 1.3, 0.7, "pcm")
    for (a, b), y in zip(PAIRS, levels, strict=True):
        _matrix(canvas, a, b, 7.1, y, ends, total)
    canvas.words(
        "Matrix: cosine similarity of every star's embedding with every other's in a batch, times a learnt "
        "scale (one for each pair). Blue: a star with itself.", 0.15, 0.22,
    )  # fmt: skip
    canvas.words(
        "Classifiers start from these encoders: one modality with its own linear head, or the mean of all "
        "three embeddings.", 0.15, 0.02,
    )  # fmt: skip
    return canvas.figure


def _matrix(canvas: Canvas, a: str, b: str, x: float, y: float, ends: dict[str, Box], total: Box) -> None:
    """The similarity matrix of a pair, what goes in, and its cross-entropy."""
    size = 0.2
    shades = np.random.default_rng(len(a) * 7 + len(b)).uniform(0.0, 0.35, (SIDE, SIDE))
    np.fill_diagonal(shades, 1.0)
    left, bottom = x - SIDE * size / 2, y - SIDE * size / 2
    for row, column in np.ndindex(SIDE, SIDE):
        shade = shades[row, column]
        colour = "#2B6CB0" if row == column else str(1 - 0.6 * shade)
        corner = (left + column * size, bottom + (SIDE - 1 - row) * size)
        canvas.axes.add_patch(Rectangle(corner, size, size, facecolor=colour, edgecolor=INK, lw=0.5))
    canvas.words(f"{a} - {b}", x, y + SIDE * size / 2 + 0.13, size=8.5, ha="center")
    upper, lower = sorted((ends[a], ends[b]), key=lambda end: -end.y)
    canvas.arrow(upper.right, (left - 0.05, y + 0.2))
    canvas.arrow(lower.right, (left - 0.05, y - 0.2))
    entropy = canvas.box("cross-entropy along\nrows + columns", 8.65, y, 1.4, 0.55, "norm")
    canvas.arrow((left + SIDE * size, y), entropy.left)
    if y == total.y:
        canvas.arrow(entropy.right, total.left)
    else:
        canvas.arrow(entropy.right, (total.x, y), total.bottom if y < total.y else total.top)
