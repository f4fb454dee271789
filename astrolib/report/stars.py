"""What stars look like: folded light curves, spectra, dm/dt images and planes of metadata, by class."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from astrolib.report.style import CYCLE, WIDE, new_figure, sheet, styled

MARKERS = "os^DvPX"
BANDS = ("#0072B2", "#D55E00")
"""Colours of a star's first and second light curve; as a rule the bluer band comes first."""
LINES = {
    "Ca II K, H": (3933.7, 3968.5),
    "Hδ": (4101.7,),
    "Hγ": (4340.5,),
    "Hβ": (4861.3,),
    "Mg b": (5167.3, 5172.7, 5183.6),
    "Na D": (5890.0, 5895.9),
    "Hα": (6562.8,),
    "Ca II": (8498.0, 8542.1, 8662.1),
}
"""Absorption lines of stars and their air wavelengths [Å]."""
TIO = ((4954, 5060), (5448, 5600), (6158, 6300), (7053, 7270), (7589, 7800), (8432, 8470))
"""Bands of titanium oxide from their heads redward [Å]."""
DT_EDGES = (0.04, 0.125, 1 / 3, 2, 20, 50, 100, 200, 500, 1000, 2500)
"""Edges of the ten time steps of a dm/dt image [d] (AstroM3 card, section 14.1)."""
PLANES = (
    ("bp_rp", "absolute_g"),
    ("bp_rp", "phot_g_mean_mag"),
    ("j_k", "bp_rp"),
    ("period", "amplitude"),
    ("log_period", "amplitude"),
    ("b_r", "magnitude_b"),
    ("period", "magnitude_mean"),
)
"""Pairs of columns (across, upward) that are drawn where a survey has both."""
LABELS = {
    "bp_rp": "BP - RP [mag]",
    "absolute_g": "absolute G [mag]",
    "phot_g_mean_mag": "G [mag]",
    "j_k": "J - K [mag]",
    "w1_w2": "W1 - W2 [mag]",
    "period": "period [d]",
    "log_period": "log period [d]",
    "amplitude": "amplitude [mag]",
    "b_r": "blue - red [mag]",
    "magnitude_b": "blue magnitude [mag]",
    "magnitude_mean": "mean magnitude [mag]",
}
LOGARITHMIC = ("period", "amplitude")
UPSIDE_DOWN = ("absolute_g", "phot_g_mean_mag", "magnitude_b", "magnitude_mean")


def class_styles(class_names: Sequence[str]) -> dict[str, dict[str, str]]:
    """Colour and marker of each class: no two share both, and neighbours share neither."""
    n = len(CYCLE)
    return {
        name: {"color": CYCLE[k % n], "marker": MARKERS[(k + k // n) % len(MARKERS)]}
        for k, name in enumerate(class_names)
    }


def draw_folded(
    axes: Axes, phase: np.ndarray, flux: np.ndarray, error: np.ndarray | None = None, *, shift: float = 0.0,
    color: str = CYCLE[0], size: float = 1.6,
) -> None:  # fmt: skip
    """One folded light curve (L,) over two cycles, scaled so that its middle 96 per cent span 1.

    Phases beyond 1 mean that the curve itself covers two cycles; else it is drawn twice.
    """
    good = np.isfinite(phase) & np.isfinite(flux)
    if not good.any():
        return
    low, high = np.quantile(flux[good], [0.02, 0.98])
    span = high - low or 1.0
    cycles = 1 if phase[good].max() > 1 else 2
    x = np.concatenate([phase[good] + cycle for cycle in range(cycles)])
    y = np.tile((flux[good] - low) / span, cycles).clip(-0.25, 1.25) + shift
    if error is not None:
        bars = np.tile(np.minimum(error[good] / span, 0.5), cycles)
        axes.errorbar(x, y, bars, ls="", color=color, alpha=0.25, elinewidth=0.5)
    few = 1.0 if len(x) > 150 else 2.0  # a decoded curve has forty points
    axes.plot(x, y, ".", ms=size * 1.6 * few, mew=0, color=color)


def draw_spectrum(
    axes: Axes, wavelength: np.ndarray, flux: np.ndarray, *, shift: float = 0.0, color: str = CYCLE[0]
) -> None:
    """One spectrum (W,), scaled so that its middle 98 per cent span 1.

    It may consist of two arms one after the other, as Gaia's BP and RP: they are not joined.
    """
    if not np.isfinite(flux).any():
        return
    low, high = np.nanquantile(flux, [0.01, 0.99])
    scaled = (np.asarray(flux) - low) / (high - low or 1.0)
    turns = np.flatnonzero(np.diff(np.sign(np.diff(wavelength)))) + 1
    for arm in np.split(np.arange(len(wavelength)), turns[:1] + 1):
        axes.plot(np.asarray(wavelength)[arm], scaled[arm].clip(-0.3, 1.6) + shift, lw=0.7, color=color)


@styled
def light_curves(
    phase: np.ndarray, flux: np.ndarray, label: np.ndarray, class_names: Sequence[str], *,
    error: np.ndarray | None = None, period: np.ndarray | None = None, bands: Sequence[str] = (),
    per_class: int = 3,
) -> Figure:  # fmt: skip
    """Folded light curves of a few stars of each class, over two cycles.

    Parameters
    ----------
    phase, flux, error : (K, L) or (K, B, L) array
        Phase in periods, flux in any unit, and its error; NaN where a curve has ended. With B bands they are
        drawn over each other, each scaled by itself.
    label : (K,) int array
        Index into `class_names`.
    period : (K,) array, optional
        Printed beside each curve [d].
    bands : sequence of str
        Names of the B bands.
    per_class : int
        Stars drawn of each class, one above the other.
    """
    phase, flux = (np.asarray(a).reshape(len(label), -1, np.shape(a)[-1]) for a in (phase, flux))
    error = None if error is None else np.asarray(error).reshape(flux.shape)
    shown = [name for k, name in enumerate(class_names) if (label == k).any()]
    columns = min(5, len(shown))
    rows = -(-len(shown) // columns)
    figure = new_figure(sheet(rows, columns, 2.6 if rows > 1 else 3.2))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, name in zip(grid.flat, shown, strict=False):
        members = np.flatnonzero(label == list(class_names).index(name))[:per_class]
        for k, row in enumerate(members):
            for band in range(flux.shape[1]):
                bars = None if error is None else error[row, band]
                color = BANDS[band % 2] if flux.shape[1] > 1 else CYCLE[0]
                draw_folded(axes, phase[row, band], flux[row, band], bars, shift=-1.7 * k, color=color)
            if period is not None:
                days = f"{period[row]:.3g} d"
                axes.text(1.97, 1.2 - 1.7 * k, days, fontsize=7.5, ha="right", va="bottom")
        axes.set_title(name, fontsize=10)
        axes.set(xlim=(0, 2), ylim=(-1.7 * (len(members) - 1) - 0.3, 1.62), yticks=[])
        axes.set_xticks([0, 0.5, 1, 1.5, 2], ["0", "", "1", "", "2"])
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    figure.supxlabel("phase [periods]", fontsize=10)
    figure.supylabel("flux, each star scaled and shifted", fontsize=10)
    if len(bands) > 1:
        handles = [grid.flat[0].plot([], [], "o", ms=4, color=c)[0] for c in BANDS[: len(bands)]]
        figure.legend(handles, bands, loc="outside upper right", ncols=len(bands))
    return figure


@styled
def spectra(
    wavelength: np.ndarray, spectrum: np.ndarray, label: np.ndarray, class_names: Sequence[str]
) -> Figure:
    """The first spectrum of each class, one above the other, with the lines and bands that tell stars apart.

    Parameters
    ----------
    wavelength : (W,) array
        [Å]
    spectrum : (K, W) array
        Flux in any unit; rows of NaN or of one value, of stars without a spectrum, are passed over.
    label : (K,) int array
        Index into `class_names`.
    """
    has = np.isfinite(spectrum).all(axis=1) & (np.ptp(spectrum, axis=1) > 0)
    shown = [(k, name) for k, name in enumerate(class_names) if (has & (label == k)).any()]
    figure = new_figure((WIDE[0], 1.6 + 0.55 * len(shown)))
    axes = figure.subplots()
    styles, beside = class_styles(class_names), blended_transform_factory(axes.transAxes, axes.transData)
    low, high = float(np.min(wavelength)), float(np.max(wavelength))
    _mark_lines(axes, low, high)
    for place, (k, name) in enumerate(shown):
        row = np.flatnonzero(has & (label == k))[0]
        shift = 1.15 * (len(shown) - 1 - place)
        draw_spectrum(axes, wavelength, spectrum[row], shift=shift, color=styles[name]["color"])
        axes.text(1.008, shift + 0.5, name, transform=beside, va="center", fontsize=9)
    axes.set(xlim=(low, high), ylim=(-0.35, 1.15 * len(shown) + 0.35), yticks=[])
    axes.set(xlabel="wavelength [Å]", ylabel="flux, each star scaled and shifted")
    axes.grid(False)
    return figure


def _mark_lines(axes: Axes, low: float, high: float) -> None:
    above = blended_transform_factory(axes.transData, axes.transAxes)
    words = {"transform": above, "ha": "center", "va": "bottom", "fontsize": 8}
    for head, tail in TIO:
        if low < head < high:
            axes.axvspan(head, min(tail, high), color="#F5E6C8", lw=0, zorder=0)
            axes.text((head + min(tail, high)) / 2, 1.06, "TiO", **words, color="#9A6A00")
    last = -np.inf
    for name, places in LINES.items():
        inside = [place for place in places if low < place < high]
        for place in inside:
            axes.axvline(place, color="#999999", lw=0.6, ls=":", zorder=0)
        if inside:
            crowded = np.mean(inside) - last < 0.04 * (high - low)  # Hδ close to calcium goes a line higher
            axes.text(np.mean(inside), 1.06 if crowded else 1.01, name, **words, color="#444444")
            last = last if crowded else np.mean(inside)


@styled
def dmdt_images(image: np.ndarray, label: np.ndarray, class_names: Sequence[str]) -> Figure:
    """The dm/dt image of the first star of each class: how likely a change of magnitude is after a time.

    Parameters
    ----------
    image : (K, 20, 10) array
        Share of each bin of |dm| (rows, in standard deviations of the star, 0 to 3 and beyond) for a time
        step (columns).
    label : (K,) int array
        Index into `class_names`.
    """
    shown = [(k, name) for k, name in enumerate(class_names) if (label == k).any()]
    columns = min(5, len(shown))
    rows = -(-len(shown) // columns)
    figure = new_figure(sheet(rows, columns, 2.5))
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for axes, (k, name) in zip(grid.flat, shown, strict=False):
        first = image[np.flatnonzero(label == k)[0]]
        picture = axes.imshow(np.sqrt(first), origin="lower", aspect="auto", cmap="viridis", vmin=0, vmax=0.8)
        axes.set_title(name, fontsize=10)
        axes.grid(False)
        axes.set_xticks([0.5, 2.5, 4.5, 7.5], [f"{DT_EDGES[i]:.3g}" for i in (1, 3, 5, 8)])
        axes.set_yticks([-0.5, 6.17 - 0.5, 12.33 - 0.5, 18.5], ["0", "1", "2", "3"])
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    figure.supxlabel("time step [d]", fontsize=10)
    figure.supylabel("|dm| [standard deviations]", fontsize=10)
    figure.colorbar(picture, ax=grid, label="square root of the share", fraction=0.02, pad=0.02)
    return figure


def planes_of(table: pd.DataFrame) -> list[tuple[str, str]]:
    """The pairs of `PLANES` that a table has, at most three."""
    return [pair for pair in PLANES if set(pair) <= set(table.columns)][:3]


@styled
def metadata_planes(table: pd.DataFrame, class_names: Sequence[str]) -> Figure:
    """Stars in planes of their metadata, by class.

    Parameters
    ----------
    table : DataFrame
        Column `class` and at least one pair of `PLANES`. Axes of `LOGARITHMIC` are so.
    class_names : sequence of str
        In the order of the legend.

    Raises
    ------
    ValueError
        If no pair is there.
    """
    planes = planes_of(table)
    if not planes:
        raise ValueError(f"None of the pairs {PLANES} is among the columns {list(table.columns)}.")
    figure = new_figure((WIDE[0], 4.8))
    panels = figure.subplots(1, len(planes), squeeze=False)[0]
    styles = class_styles(class_names)
    some = table.sample(min(len(table), 6000), random_state=0)
    for axes, (x, y) in zip(panels, planes, strict=True):
        for name in class_names:
            members = some[some["class"] == name]
            axes.plot(members[x], members[y], ls="", ms=3, mew=0, alpha=0.6, **styles[name])
        _limits(axes, some, x, y)
    handles = [panels[0].plot([], [], ls="", ms=6, **styles[name])[0] for name in class_names]
    figure.legend(handles, class_names, loc="outside right upper", fontsize=9)
    return figure


def _limits(axes: Axes, table: pd.DataFrame, x: str, y: str) -> None:
    """Name the axes and cut them to the inner 99.8 per cent of the stars."""
    for column, axis in ((x, "x"), (y, "y")):
        values = table[column][np.isfinite(table[column])]
        if column in LOGARITHMIC:
            axes.set(**{f"{axis}scale": "log"})
            low, high = np.quantile(values[values > 0], [0.001, 0.999]) * (0.8, 1.25)
        else:
            low, high = np.quantile(values, [0.001, 0.999])
            low, high = low - 0.04 * (high - low), high + 0.04 * (high - low)
        axes.set(**{f"{axis}lim": (high, low) if column in UPSIDE_DOWN else (low, high)})
        axes.set(**{f"{axis}label": LABELS.get(column, column)})
