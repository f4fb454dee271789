"""Redshift figures: their panels, labels and numbers."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import gaussian_kde

from astrolib.evaluate.redshift import metrics
from astrolib.report import calibration, figures, survey
from astrolib.report.tables import published, with_paper


@pytest.fixture
def sample():
    rng = np.random.default_rng(0)
    z = rng.gamma(3, 0.04, 600)
    return z, z + rng.normal(0, 0.02, len(z))


def test_density_on_the_grid_is_the_kernel_density():
    rng = np.random.default_rng(3)
    z = rng.gamma(3, 0.04, figures.EXACT_KDE + 1000)
    p = z + rng.standard_t(3, len(z)) * 0.01
    fast = figures.point_density(z, p)
    exact = gaussian_kde([z, p])(np.stack([z, p])[:, :400])
    assert np.abs(fast[:400] - exact).max() < 0.01 * exact.max()
    assert np.median(np.abs(fast[:400] / exact - 1)) < 0.01


def test_scatter_follows_the_recipe(sample):
    z, p = sample
    axes, bar = figures.redshift_scatter(z, p, "pcm-AstroMAE").axes
    (points,) = axes.collections
    (diagonal,) = axes.lines
    span = (min(z.min(), p.min()), max(z.max(), p.max()))
    assert axes.get_xlim() == axes.get_ylim() == pytest.approx(span)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("spectroscopic z", "predicted z")
    assert (diagonal.get_color(), diagonal.get_linestyle()) == ("red", "--")
    assert points.get_cmap().name == "inferno" and points.get_sizes().tolist() == [1]
    density = points.get_array()
    assert (np.diff(density) >= 0).all()  # dense points on top
    assert density.max() == pytest.approx(gaussian_kde([z, p])([z, p]).max())
    assert np.sort(points.get_offsets().data[:, 0]) == pytest.approx(np.sort(z))
    assert axes.get_title() == "pcm-AstroMAE" and bar.get_label() == "<colorbar>"


@pytest.mark.parametrize(("n", "shape"), [(6, (2, 3)), (2, (1, 2)), (1, (1, 1)), (5, (2, 3))])
def test_sheet_has_a_panel_for_each_network(sample, n, shape):
    z, p = (array[:80] for array in sample)
    figure = figures.redshift_sheet(
        [figures.Panel("abcdef"[k], f"network {k}", z, p + 0.01 * k) for k in range(n)]
    )
    panels = [axes for axes in figure.axes if axes.get_title()]
    assert [axes.get_title() for axes in panels] == [f"({'abcdef'[k]}) network {k}" for k in range(n)]
    assert panels[0].get_subplotspec().get_gridspec().get_geometry() == shape
    for k, axes in enumerate(panels):
        found = metrics(z, p + 0.01 * k)
        assert axes.texts[0].get_text() == f"MSE {found['mse']:.5f}\nprecision {found['precision']:.4f}"
    assert panels[-1].get_xlabel() == "spectroscopic z" and panels[0].get_ylabel() == "predicted z"


def test_error_against_redshift_shows_a_known_bias():
    rng = np.random.default_rng(1)
    z = rng.uniform(0, 0.5, 6000)
    predictions = {"exact": z, "biased": z + (0.01 + rng.normal(0, 0.02, len(z))) * (1 + z)}
    bias, scatter, count = figures.error_against_redshift(z, predictions, n_bins=5).axes
    exact, biased = (container.lines[0].get_ydata() for container in bias.containers)
    assert exact == pytest.approx(0) and biased == pytest.approx(0.01, abs=0.003) and len(biased) == 5
    assert scatter.lines[1].get_ydata() == pytest.approx(0.02, rel=0.1)
    assert count.get_xlabel() == "spectroscopic z"


def test_error_against_redshift_leaves_out_empty_bins():
    z = np.r_[np.linspace(0, 0.1, 50), np.linspace(0.45, 0.5, 50)]
    bias, *_ = figures.error_against_redshift(z, {"a": z + 0.01}, n_bins=10).axes
    assert len(bias.containers[0].lines[0].get_xdata()) < 5


@pytest.fixture
def table():
    paper = published("astromae_table4")
    ours = paper.assign(n_seeds=2, source="simulated", mse_std=1e-5)
    alone = paper[["network", "init", "mse"]][:1].assign(
        network="gradient boosting", init="magnitudes only", n_seeds=2, source="simulated"
    )
    return with_paper(pd.concat([ours, alone], ignore_index=True), paper, on=["network", "init"])


def test_comparison_on_one_axis(table):
    (axes,) = figures.table_comparison(table).axes
    ours, paper = (container.lines[0] for container in axes.containers)
    assert ours.get_xdata() == pytest.approx(table["mse"])
    assert paper.get_xdata()[:14] == pytest.approx(table["paper_mse"][:14])
    assert [label.get_text() for label in axes.get_yticklabels()] == list(table["network"])
    assert axes.get_ylim()[0] > axes.get_ylim()[1]  # first row on top
    assert axes.get_xlabel() == "MSE"


def test_comparison_splits_when_scales_differ(table):
    left, right = figures.table_comparison(table.assign(mse=table["mse"] * 5)).axes
    assert (left.get_xlabel(), right.get_xlabel()) == ("MSE, ours", "MSE, paper")
    assert left.get_xlim()[0] > right.get_xlim()[1]


def test_claims_are_drawn_with_verdict_interval_and_paper():
    table = pd.DataFrame(
        {
            "claim": ["a beats b", "c beats d"],
            "difference": [-0.2, 0.3],
            "low": [-0.3, 0.1],
            "high": [-0.1, 0.5],
            "paper_difference": [-0.1, np.nan],
            "verdict": ["agrees", "disagrees"],
        }
    )
    figure = figures.claim_intervals(table)
    (axes,) = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a beats b", "c beats d"]
    (legend,) = figure.legends
    names = {text.get_text() for text in legend.get_texts()}
    assert names == {"ours, agrees", "ours, disagrees", "paper, one seed"}
    ends = [segment for bars in axes.collections for segment in bars.get_segments()]
    assert sorted(round(x, 6) for segment in ends for x in segment[:, 0]) == [-0.3, -0.1, 0.1, 0.5]


def test_redshift_distribution_is_normalised(sample):
    z, _ = sample
    (axes,) = survey.redshift_distribution({"train": z, "test": z[:100]}).axes
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "train, 600 galaxies",
        "test, 100 galaxies",
    ]
    outline = axes.patches[0].get_xy()
    area = np.trapezoid(outline[:, 1], outline[:, 0])
    assert area == pytest.approx(1, rel=0.01)


def test_colours_name_their_bands(sample):
    z, _ = sample
    magnitudes = 18 - np.outer(1 + z, np.arange(5))
    panels = survey.colour_redshift(z, magnitudes, "ugriz").axes
    assert [axes.get_ylabel() for axes in panels] == [
        f"${a} - {b}$ [mag]" for a, b in ("ug", "gr", "ri", "iz")
    ]
    median = panels[0].lines[0]
    assert median.get_ydata() == pytest.approx(1 + median.get_xdata(), abs=0.03)  # the colour put in


def test_pit_of_calibrated_densities_stays_in_the_band():
    values = np.random.default_rng(4).random(2000)
    left, right = calibration.pit_and_coverage(values, "pcm-AstroMAE", n_bins=10).axes
    heights = np.unique(left.patches[-1].get_xy()[:, 1])
    assert heights.max() < 245 and left.get_xlabel().startswith("PIT")  # 200 expected, 3 sigma above
    levels, covered = right.lines[1].get_data()
    assert covered == pytest.approx(levels, abs=0.04)
    assert right.get_xlabel() == "level of the central interval"
