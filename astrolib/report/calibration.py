"""Are redshift densities calibrated? PIT histogram and coverage."""

import numpy as np
from matplotlib.figure import Figure
from scipy import stats

from astrolib.evaluate.density import coverage, pit_uniformity
from astrolib.report.style import COLOURS, WIDE, new_figure, styled


@styled
def pit_and_coverage(pit_values: np.ndarray, title: str = "", *, n_bins: int = 20) -> Figure:
    """PIT histogram and coverage of central intervals, each with what chance allows.

    Parameters
    ----------
    pit_values : (N,) array
        From `evaluate.density.pit`.
    title : str
        Name of the network.
    n_bins : int
        Of the histogram.

    Returns
    -------
    Figure
        Left the histogram, right observed against nominal coverage. Grey bands hold 95 per cent of the
        outcomes for calibrated densities: binomial intervals of N galaxies, for each bin and level alone.
    """
    n = len(pit_values)
    figure = new_figure(WIDE)
    left, right = figure.subplots(1, 2)
    band = {"color": "#C8C8C8", "lw": 0, "zorder": 0, "label": "95 % if calibrated"}
    low, high = stats.binom.interval(0.95, n, 1 / n_bins)
    left.axhspan(low, high, **band)
    left.axhline(n / n_bins, color="black", lw=0.8, ls="--")
    left.hist(
        pit_values, n_bins, range=(0, 1), histtype="step", lw=1.6, color=COLOURS["ours"], label="observed"
    )
    distance, p_value = pit_uniformity(pit_values)
    left.set(xlabel="PIT, cdf at the spectroscopic z", ylabel="galaxies", xlim=(0, 1), ylim=(0, None))
    left.set_title(f"KS distance from uniform {distance:.3f}, p = {p_value:.2g}", fontsize=10)
    levels = np.linspace(0.02, 0.98, 49)
    low, high = stats.binom.interval(0.95, n, levels)
    right.fill_between(levels, low / n, high / n, **band)
    right.plot([0, 1], [0, 1], color="black", lw=0.8, ls="--")
    right.plot(levels, coverage(pit_values, levels), color=COLOURS["ours"], lw=1.6, label="observed")
    right.set(
        xlabel="level of the central interval", ylabel="share of galaxies inside", xlim=(0, 1), ylim=(0, 1)
    )
    right.set_title("above the diagonal: too wide, below: too narrow", fontsize=10)
    right.legend(loc="lower right")
    figure.suptitle(title)
    return figure
