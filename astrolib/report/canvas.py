"""Boxes and arrows: the little that block diagrams need. One unit is one inch."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.patches import FancyBboxPatch, Rectangle

from astrolib.report.style import new_figure

INK = "#222222"
FILLS = {
    "data": "#FFFFFF",
    "norm": "#E6E6E6",
    "attention": "#BBD7EE",
    "linear": "#C9E7D5",
    "conv": "#FBD9A5",
    "pool": "#F5F0C4",
    "pcm": "#F5B7B1",
    "frozen": "#D9E6F7",
    "sum": "#FFFFFF",
}
"""What the colour of a box means."""


@dataclass(frozen=True)
class Box:
    """A rectangle around its centre, with the points where arrows dock."""

    x: float
    y: float
    width: float
    height: float

    @property
    def left(self) -> tuple[float, float]:
        return self.x - self.width / 2, self.y

    @property
    def right(self) -> tuple[float, float]:
        return self.x + self.width / 2, self.y

    @property
    def top(self) -> tuple[float, float]:
        return self.x, self.y + self.height / 2

    @property
    def bottom(self) -> tuple[float, float]:
        return self.x, self.y - self.height / 2


class Canvas:
    """An empty figure of a size in inches; y grows upward from the lower left corner."""

    def __init__(self, width: float, height: float):
        self.figure = new_figure((width, height + 0.3))
        self.axes = self.figure.subplots()
        self.axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
        self.axes.set_axis_off()

    def box(
        self, words: str, x: float, y: float, width: float, height: float = 0.34, kind: str = "data"
    ) -> Box:
        """A box with words in it; frozen ones have a dashed border."""
        self.axes.add_patch(
            FancyBboxPatch(
                (x - width / 2, y - height / 2),
                width,
                height,
                boxstyle="round,pad=0,rounding_size=0.05",
                facecolor=FILLS[kind],
                edgecolor=INK,
                linewidth=1.0,
                linestyle="--" if kind == "frozen" else "-",
                gid="box",
            )
        )
        self.axes.text(x, y, words, ha="center", va="center", fontsize=8, color=INK, gid="box")
        return Box(x, y, width, height)

    def plus(self, x: float, y: float) -> Box:
        """A sum of what arrives."""
        self.axes.add_patch(
            FancyBboxPatch(
                (x - 0.11, y - 0.11), 0.22, 0.22, boxstyle="round,pad=0,rounding_size=0.11",
                facecolor=FILLS["sum"], edgecolor=INK, linewidth=1.0,
            )
        )  # fmt: skip
        self.axes.text(x, y, "+", ha="center", va="center_baseline", fontsize=11, color=INK)
        return Box(x, y, 0.22, 0.22)

    def arrow(self, *points: tuple[float, float], dashed: bool = False) -> None:
        """A line through points with a head at the last one."""
        *_, before, end = points
        xs, ys = np.transpose(points)
        self.axes.plot(xs[:-1], ys[:-1], color=INK, lw=1.0, ls="--" if dashed else "-", solid_capstyle="butt")
        look = {"arrowstyle": "-|>", "color": INK, "lw": 1.0, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 8}
        self.axes.annotate("", end, before, arrowprops=look | {"ls": "--" if dashed else "-"})

    def chain(
        self,
        steps: Sequence[tuple[str, str]],
        x: float,
        top: float,
        width: float,
        *,
        gap: float = 0.18,
        line: float = 0.17,
    ) -> list[Box]:
        """Boxes from `top` downward, (words, kind) each, with arrows between them."""
        boxes, y = [], top
        for words, kind in steps:
            height = 0.17 + line * (words.count("\n") + 1)
            boxes.append(self.box(words, x, y - height / 2, width, height, kind))
            y -= height + gap
        for upper, lower in zip(boxes[:-1], boxes[1:], strict=True):
            self.arrow(upper.bottom, lower.top)
        return boxes

    def row(
        self, steps: Sequence[tuple[str, str, float]], left: float, y: float, *, gap: float = 0.2
    ) -> list[Box]:
        """Boxes from `left` to the right, (words, kind, width) each, with arrows between; "+" is a sum."""
        boxes, x = [], left
        for words, kind, width in steps:
            centre = x + width / 2
            boxes.append(
                self.plus(centre, y) if words == "+" else self.box(words, centre, y, width, 0.42, kind)
            )
            x += width + gap
        for first, second in zip(boxes[:-1], boxes[1:], strict=True):
            self.arrow(first.right, second.left)
        return boxes

    def skip(self, start: float, end: Box, y: float, height: float) -> None:
        """A residual path: leaves the line y at x = start, passes above and enters `end` from the top."""
        self.arrow((start, y), (start, y + height), (end.x, y + height), end.top)
        self.dot(start, y)

    def dot(self, x: float, y: float) -> None:
        """A point where a path splits."""
        self.axes.plot(x, y, "o", ms=3, color=INK)

    def token(self, x: float, y: float, size: float, *, trainable: bool) -> None:
        """A small square for a token: grey if it is the trainable one, else what the encoder made."""
        colour = "#AAAAAA" if trainable else "#3B7DB8"
        corner = (x - size / 2, y - size / 2)
        self.axes.add_patch(Rectangle(corner, size, size, facecolor=colour, edgecolor=INK, lw=0.5))

    def words(
        self, text: str, x: float, y: float, *, size: float = 8, ha: str = "left", bold: bool = False
    ) -> None:
        """Free text, its vertical centre at y."""
        self.axes.text(
            x, y, text, fontsize=size, ha=ha, va="center", color=INK, weight="bold" if bold else "normal"
        )

    def frame(self, left: float, bottom: float, right: float, top: float, label: str) -> None:
        """A coloured area behind a group of boxes, with its name in the lower left corner."""
        self.axes.add_patch(
            Rectangle(
                (left, bottom),
                right - left,
                top - bottom,
                facecolor="#FDECEA",
                edgecolor="#C0392B",
                lw=1.2,
                zorder=0,
            )
        )
        self.axes.text(
            left + 0.06, bottom + 0.12, label, fontsize=9, weight="bold", color="#C0392B", va="center"
        )

    def picture(
        self, image: np.ndarray, left: float, bottom: float, size: float, grid: tuple[int, int]
    ) -> Box:
        """An image (H, W, 3), first row at the bottom, with the lines of its patches."""
        rows, columns = grid
        limits = self.axes.get_xlim(), self.axes.get_ylim()
        self.axes.imshow(image, extent=(left, left + size, bottom, bottom + size), origin="lower", zorder=1)
        for k in range(columns + 1):
            self.axes.plot([left + k * size / columns] * 2, [bottom, bottom + size], color="white", lw=0.9)
        for k in range(rows + 1):
            self.axes.plot([left, left + size], [bottom + k * size / rows] * 2, color="white", lw=0.9)
        self.axes.set(xlim=limits[0], ylim=limits[1])  # imshow has set them to the image
        return Box(left + size / 2, bottom + size / 2, size, size)
