"""Redshift figures: predicted against true, errors along redshift, scores of many networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.stats import gaussian_kde

from astrolib.evaluate.redshift import metrics, scaled_error
from astrolib.report.style import COLOURS, CYCLE, SINGLE, WIDE, new_figure, sheet, styled

EXACT_KDE = 5000
"""Points up to which the density is scipy's own sum over all pairs of points."""


@dataclass(frozen=True)
class Panel:
    """One network of a sheet: its letter, its name, and the test set's true and predicted redshifts (N,)."""

    letter: str
    name: str
    z_true: np.ndarray
    z_pred: np.ndarray


@styled
def redshift_scatter(z_true: np.ndarray, z_pred: np.ndarray, title: str = "") -> Figure:
    """Predicted against spectroscopic redshift, coloured by the density of points.

    Parameters
    ----------
    z_true, z_pred : (N,) array
        Redshifts.
    title : str
        Name of the network.

    Returns
    -------
    Figure
        As figures 9 to 11 of AstroMAE: dense points on top, a dashed diagonal, and both axes cut to the range
        of all values. The colour bar is the density of a Gaussian kernel estimate with Scott's bandwidth,
        per unit of redshift squared; beyond 5000 points it is computed on a grid, see `point_density`.
    """
    figure = new_figure(SINGLE)
    axes = figure.subplots()
    _scatter(figure, axes, z_true, z_pred)
    axes.set(aspect="auto", xlabel="spectroscopic z", ylabel="predicted z", title=title)
    return figure


@styled
def redshift_sheet(panels: Sequence[Panel]) -> Figure:
    """Several networks' `redshift_scatter` on one page, with letter, name, MSE and precision in each.

    Parameters
    ----------
    panels : sequence of Panel
        Six for figures 9 and 10 of AstroMAE, two for figure 11.

    Returns
    -------
    Figure
        Three panels in a row, or two if there are no more than two or four.
    """
    columns = min(len(panels), 2 if len(panels) in (2, 4) else 3)
    rows = -(-len(panels) // columns)
    figure = new_figure(sheet(rows, columns, 10 / columns * 0.84))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _scatter(figure, axes, panel.z_true, panel.z_pred)
        axes.set_title(f"({panel.letter}) {panel.name}", fontsize=10)
        found = metrics(panel.z_true, panel.z_pred)
        words = f"MSE {found['mse']:.5f}\nprecision {found['precision']:.4f}"
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2}
        axes.text(0.03, 0.97, words, transform=axes.transAxes, va="top", fontsize=8.5, bbox=box)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    for axes in grid[:, 0]:
        axes.set_ylabel("predicted z")
    for column in range(columns):
        below = [axes for axes in grid[:, column] if axes.axison]
        below[-1].set_xlabel("spectroscopic z")
    return figure


def point_density(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gaussian kernel density of points (N,) at these points, with Scott's bandwidth.

    Up to 5000 points it is `scipy.stats.gaussian_kde`, whose cost grows as N squared. Beyond, the points are
    counted on a grid in coordinates of unit covariance, the counts are smoothed with the same kernel and read
    at the points: all points count, 100,000 take a tenth of a second, and it agrees within one per cent of
    the peak.
    """
    points = np.stack([x, y]).astype(np.float64)
    n = points.shape[1]
    if n <= EXACT_KDE:
        return gaussian_kde(points)(points)
    lower = np.linalg.cholesky(np.cov(points))
    white = np.linalg.solve(lower, points - points.mean(axis=1, keepdims=True))
    bandwidth = n ** (-1 / 6)
    low, high = white.min(axis=1) - 4 * bandwidth, white.max(axis=1) + 4 * bandwidth
    cells = np.clip(np.ceil((high - low) / (bandwidth / 4)), 1, 4096).astype(int)
    size = (high - low) / cells
    counts, *_ = np.histogram2d(*white, bins=cells, range=np.stack([low, high], axis=1))
    smooth = gaussian_filter(counts, bandwidth / size, mode="constant")
    at = (white - low[:, None]) / size[:, None] - 0.5
    return map_coordinates(smooth, at, order=1) / (n * size.prod() * np.linalg.det(lower))


@styled
def error_against_redshift(
    z_true: np.ndarray, predictions: Mapping[str, np.ndarray], *, n_bins: int = 12, fewest: int = 10
) -> Figure:
    """Bias and scatter of predictions in bins of true redshift.

    Parameters
    ----------
    z_true : (N,) array
        Spectroscopic redshifts.
    predictions : mapping of str to (N,) array
        Name to predicted redshifts of the same galaxies.
    n_bins : int
        Bins of equal width over the inner 99.8 per cent of the redshifts.
    fewest : int
        Bins with fewer galaxies are left out.

    Returns
    -------
    Figure
        Above the mean of d = (z_pred - z) / (1 + z) with its standard error, below the scatter
        1.4826 median(abs(d - median(d))), Pasquet's convention; a histogram of the galaxies at the bottom.
    """
    z_true = np.asarray(z_true)
    edges = np.linspace(*np.quantile(z_true, [0.001, 0.999]), n_bins + 1)
    members = [
        np.flatnonzero((z_true >= a) & (z_true < b)) for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]
    kept = [k for k, rows in enumerate(members) if len(rows) >= max(2, fewest)]
    centres, width = (edges[:-1] + edges[1:]) / 2, edges[1] - edges[0]
    figure = new_figure((SINGLE[0], 6.4))
    bias, scatter, count = figure.subplots(3, 1, sharex=True, height_ratios=(3, 3, 1))
    bias.axhline(0, color="black", lw=0.8)
    for number, (name, z_pred) in enumerate(predictions.items()):
        d = scaled_error(z_true, z_pred)
        inside = [d[members[k]] for k in kept]
        x = centres[kept] + width * 0.12 * (number - (len(predictions) - 1) / 2)
        look = {"color": CYCLE[number % len(CYCLE)], "marker": "os^Dv<>"[number % 7], "ms": 4, "label": name}
        standard_errors = [v.std(ddof=1) / np.sqrt(len(v)) for v in inside]
        bias.errorbar(x, [v.mean() for v in inside], standard_errors, capsize=2, lw=1, **look)
        mad = [1.4826 * np.median(np.abs(v - np.median(v))) for v in inside]
        scatter.plot(x, mad, lw=1, **look)
    count.hist(z_true, edges, color=COLOURS["baseline"])
    bias.set_ylabel(r"bias, mean $\Delta z/(1+z)$")
    scatter.set(ylabel=r"scatter, $\sigma_{\rm MAD}$", ylim=(0, None))
    count.set(xlabel="spectroscopic z", ylabel="galaxies", yscale="log")
    handles = bias.get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=min(len(predictions), 3), fontsize=9)
    return figure


@styled
def table_comparison(table: pd.DataFrame, metric: str = "mse", label: str = "MSE") -> Figure:
    """Our score of each network beside the paper's.

    Parameters
    ----------
    table : DataFrame
        Columns `network`, `<metric>`, `<metric>_std` and `paper_<metric>`, as `tables.with_paper` makes them.
        Rows without a value of ours or of the paper have one marker.
    metric : str
        Column to draw.
    label : str
        Its name on the axis.

    Returns
    -------
    Figure
        One panel, or two with axes of their own where ours and the paper's differ more than threefold: then
        only the order of the networks can be compared.
    """
    ours, paper = table[metric], table[f"paper_{metric}"]
    ratio = (ours.abs() / paper.abs()).median()
    apart = not 1 / 3 < ratio < 3
    figure = new_figure((WIDE[0] if apart else 7.6, 0.9 + 0.32 * len(table)))
    left, right = figure.subplots(1, 2, sharey=True) if apart else [figure.subplots()] * 2
    for row in np.arange(len(table))[::2]:
        for axes in {left, right}:
            axes.axhspan(row - 0.5, row + 0.5, color="#F3F3F3", zorder=0)
    _dots(left, table, metric, "ours", "ours ± std over seeds", shift=0 if apart else -0.12)
    _dots(right, table, f"paper_{metric}", "paper", "paper", shift=0 if apart else 0.12)
    _name_rows(left, table["network"])
    left.set_xlabel(f"{label}, ours" if apart else label)
    left.locator_params(axis="x", nbins=5 if apart else 7)
    if apart:
        right.set_xlabel(f"{label}, paper")
        right.locator_params(axis="x", nbins=5)
    handles = {label: handle for axes in (left, right)
               for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}  # fmt: skip
    figure.legend(handles.values(), handles.keys(), loc="outside upper right", ncols=2)
    return figure


@styled
def claim_intervals(
    table: pd.DataFrame,
    label: str = "relative difference of MSE (negative: the claim holds), 95 % interval",
    paper: str = "paper, one seed",
) -> Figure:
    """Differences between two networks with their intervals, and what the paper printed.

    Parameters
    ----------
    table : DataFrame
        Columns `claim`, `difference`, `low`, `high`, `paper_difference` and `verdict`.
    label, paper : str
        What a difference is, for the axis, and what the published one is, for the legend.
    """
    look = {"agrees": ("o", "ours"), "disagrees": ("X", "from scratch"), "undecided": ("s", "baseline")}
    figure = new_figure((WIDE[0], 1.0 + 0.36 * len(table)))
    axes = figure.subplots()
    rows = np.arange(len(table))
    axes.axvline(0, color="black", lw=0.8)
    for verdict, (marker, colour) in look.items():
        chosen = (table["verdict"] == verdict).to_numpy()
        if chosen.any():
            middle, low, high = (table.loc[chosen, name] for name in ("difference", "low", "high"))
            whiskers = np.maximum([middle - low, high - middle], 0)
            style = {"color": COLOURS[colour], "marker": marker, "capsize": 3, "ls": "none"}
            axes.errorbar(middle, rows[chosen], xerr=whiskers, label=f"ours, {verdict}", **style)
    axes.plot(table["paper_difference"], rows, "D", mfc="none", color=COLOURS["paper"], label=paper)
    _name_rows(axes, table["claim"])
    axes.set_xlabel(label)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=4, fontsize=9)
    return figure


def _scatter(figure: Figure, axes: Axes, z_true: np.ndarray, z_pred: np.ndarray) -> None:
    density = point_density(z_true, z_pred)
    order = np.argsort(density)
    points = axes.scatter(
        np.asarray(z_true)[order], np.asarray(z_pred)[order], c=density[order], s=1, cmap="inferno"
    )
    span = min(np.min(z_true), np.min(z_pred)), max(np.max(z_true), np.max(z_pred))
    axes.plot(span, span, color="red", ls="--", lw=1.2)
    axes.set(xlim=span, ylim=span, aspect="equal")
    axes.locator_params(nbins=5)
    figure.colorbar(points, ax=axes, fraction=0.046, pad=0.02)


def _dots(axes: Axes, table: pd.DataFrame, column: str, who: str, label: str, shift: float = 0) -> None:
    rows = np.arange(len(table)) + shift
    look = {
        "color": COLOURS[who],
        "marker": {"ours": "o", "paper": "D"}[who],
        "ms": 5,
        "ls": "",
        "label": label,
    }
    axes.errorbar(table[column], rows, xerr=table.get(f"{column}_std"), capsize=3, **look)


def _name_rows(axes: Axes, names: pd.Series) -> None:
    axes.set_yticks(np.arange(len(names)), names)
    axes.set_ylim(len(names) - 0.5, -0.5)
