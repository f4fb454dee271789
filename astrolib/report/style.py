"""One look for all figures: sizes, colours, and a saved file that says where its data come from."""

import functools
import io
import os
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import seaborn as sns
from matplotlib.figure import Figure
from PIL import Image

SINGLE = (6.4, 4.8)
"""Size of a figure with one panel [inch]; the paper's."""
WIDE = (10.0, 4.2)
"""Size of a row of panels [inch]."""

COLOURS = {
    "ours": "#0072B2",
    "paper": "#D55E00",
    "baseline": "#7A7A7A",
    "pretrained": "#009E73",
    "from scratch": "#E69F00",
}
"""What a colour means, everywhere; told apart by colour-blind readers (Okabe & Ito 2008)."""
CYCLE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#7A7A7A"]
"""Colours of lines without such a meaning."""

RC = {
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper", font_scale=1.15),
    "axes.grid": True,
    "axes.prop_cycle": mpl.cycler(color=CYCLE),
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same picture on every machine
    "grid.alpha": 0.35,
    "grid.linewidth": 0.6,
    "legend.frameon": True,
    "legend.framealpha": 0.9,
    "legend.edgecolor": "none",
    "figure.dpi": 100,
}

NO_DATA = "drawn by code, no data"
"""Source of diagrams and of curves that are formulas."""
LARGEST_FILE = 200_000
"""Bytes that a saved figure may have."""
_STAMP_HEIGHT = 0.17  # inch, kept free of axes below every figure


def sheet(rows: int, columns: int, panel_height: float = 3.0) -> tuple[float, float]:
    """Size of a figure of many panels [inch]: as wide as `WIDE`, as high as its rows."""
    return WIDE[0] if columns > 1 else SINGLE[0], rows * panel_height + 0.4


def styled(draw: Callable) -> Callable:
    """Let a function draw in this style, without changing the style of the caller's own figures."""

    @functools.wraps(draw)
    def wrapper(*args, **kwargs):
        with mpl.rc_context(RC):
            return draw(*args, **kwargs)

    return wrapper


def new_figure(size: tuple[float, float], **layout) -> Figure:
    """An empty figure with room for the source below its axes.

    It is closed for pyplot: a notebook shows it once, as the value of its cell, and none pile up in memory.
    """
    figure = plt.figure(figsize=size, layout="constrained", **layout)
    free = _STAMP_HEIGHT / size[1]
    figure.get_layout_engine().set(rect=(0, free, 1, 1 - free - 0.04 / size[1]))
    plt.close(figure)
    return figure


def stamp(figure: Figure, source: str) -> None:
    """Write in the lower right corner where the data come from; again, it replaces what was there.

    Raises
    ------
    ValueError
        If no source is given: nobody shall take a simulated result for a real one.
    """
    if not source.strip():
        raise ValueError(
            "A figure needs its data source in words, for example 'simulated' or 'SDSS DR8 cutouts': "
            "pass the `source` of the survey that its numbers come from."
        )
    for text in [text for text in figure.texts if text.get_gid() == "source"]:
        text.remove()
    simulated = "simulated" in source.lower()
    figure.text(
        1 - 0.06 / figure.get_figwidth(),
        0.04 / figure.get_figheight(),
        source if source == NO_DATA else f"Data: {source}",
        ha="right",
        va="bottom",
        fontsize=7.5,
        color=COLOURS["paper"] if simulated else "#444444",
        weight="bold" if simulated else "normal",
        gid="source",
    )


def save(figure: Figure, path: Path, source: str) -> Path:
    """Stamp a figure with its source and save it as PNG of at most 200 kB.

    The same figure gives the same bytes: the file holds no date and no version. It is written aside and
    then moved, so a reader never meets half a picture. A picture that is too large gets a palette of 256
    colours, then fewer pixels.

    Parameters
    ----------
    figure : Figure
    path : Path
        Ends in ``.png``; its folder is made if need be.
    source : str
        Where the data come from, in words; see `stamp`.

    Returns
    -------
    Path
        The path given.

    Raises
    ------
    ValueError
        If the source is empty or the picture cannot be made small enough.

    Examples
    --------
    >>> save(figure, paths.figures("demo") / "astromae_fig4.png", NO_DATA)  # doctest: +SKIP
    """
    stamp(figure, source)
    _settle(figure)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    aside.write_bytes(_small_png(figure, path.name))
    os.replace(aside, path)
    return path


def _settle(figure: Figure) -> None:
    """Fix the layout: each drawing would move constrained axes by another fraction of a pixel."""
    if figure.get_layout_engine() is not None:
        with mpl.rc_context(RC):
            for _ in range(3):
                figure.draw_without_rendering()
        figure.set_layout_engine("none")


def _small_png(figure: Figure, name: str) -> bytes:
    for dpi, colours in ((150, None), (150, 256), (100, 256), (75, 256), (75, 64)):
        buffer = io.BytesIO()
        with mpl.rc_context(RC):
            figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
        if colours:
            picture = Image.open(buffer).convert("RGB")
            picture = picture.quantize(
                colours, Image.Quantize.MAXCOVERAGE
            )  # median cut flattens bright nuclei
            buffer = io.BytesIO()
            picture.save(buffer, format="png", optimize=True)
        if buffer.tell() <= LARGEST_FILE:
            return buffer.getvalue()
    raise ValueError(
        f"{name} is larger than {LARGEST_FILE // 1000} kB even at 75 dpi: draw fewer panels in it."
    )
