"""What is in a survey: redshifts of its parts, and colours along redshift."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from astrolib.report.style import COLOURS, CYCLE, SINGLE, WIDE, new_figure, styled


@styled
def redshift_distribution(parts: Mapping[str, np.ndarray], *, n_bins: int = 30) -> Figure:
    """Distribution of spectroscopic redshift in the parts of a split, each normalised to unit area.

    Parameters
    ----------
    parts : mapping of str to (N,) array
        Name, for example "train", to redshifts.
    """
    figure = new_figure(SINGLE)
    axes = figure.subplots()
    edges = np.linspace(*np.quantile(np.concatenate(list(parts.values())), [0, 0.999]), n_bins + 1)
    for number, (name, z) in enumerate(parts.items()):
        look = {"color": CYCLE[number], "label": f"{name}, {len(z):,} galaxies"}
        axes.hist(z, edges, density=True, histtype="step", lw=1.5, **look)
    axes.set(xlabel="spectroscopic z", ylabel="galaxies per unit z, normalised")
    axes.legend()
    return figure


@styled
def colour_redshift(redshift: np.ndarray, magnitudes: np.ndarray, bands: Sequence[str]) -> Figure:
    """Colours of neighbouring bands against redshift, as counts of galaxies and a running median.

    Parameters
    ----------
    redshift : (N,) array
        Spectroscopic redshifts.
    magnitudes : (N, C) array
        AB magnitudes.
    bands : sequence of str
        Names of the C bands, blue to red.
    """
    figure = new_figure((WIDE[0], 3.4))
    panels = figure.subplots(1, len(bands) - 1, sharex=True, squeeze=False)[0]
    low, high = np.quantile(redshift, [0.0, 0.995])
    edges = np.linspace(low, high, 16)
    groups = pd.cut(redshift, edges, labels=(edges[:-1] + edges[1:]) / 2)
    for k, axes in enumerate(panels):
        colour = np.asarray(magnitudes)[:, k] - np.asarray(magnitudes)[:, k + 1]
        extent = (low, high, *np.quantile(colour, [0.005, 0.995]))
        axes.hexbin(redshift, colour, gridsize=35, extent=extent, bins="log", cmap="Greys", mincnt=1)
        medians = pd.Series(colour).groupby(groups, observed=True).median()
        axes.plot(
            medians.index.astype(float),
            medians,
            color=COLOURS["paper"],
            label="median; shade: number of galaxies, logarithmic",
        )
        axes.set(
            xlabel="spectroscopic z",
            ylabel=f"${bands[k]} - {bands[k + 1]}$ [mag]",
            xlim=extent[:2],
            ylim=extent[2:],
        )
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", fontsize=9)
    return figure
