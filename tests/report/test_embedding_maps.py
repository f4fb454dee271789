"""Figures of embeddings: maps, similarity search, outliers, subclasses."""

import numpy as np
import pandas as pd
import pytest

from astrolib.report import embedding_maps

NAMES = ["EA", "EB", "M"]


def pictures(rows, spectrum=True):
    rng = np.random.default_rng(0)
    rows = np.array(rows)
    more = (
        {"wavelength": np.arange(4000.0, 5000, 50), "spectrum": rng.random((len(rows), 20))}
        if spectrum
        else {}
    )
    names = np.array(NAMES)[rows % 3]
    return embedding_maps.Pictures(
        rows, names, rng.random((len(rows), 30)), rng.random((len(rows), 30)), **more
    )


def test_map_draws_every_star_that_is_on_it_once():
    rng = np.random.default_rng(0)
    label = rng.integers(0, 3, 90)
    xy = rng.normal(0, 1, (90, 2)) + 5 * label[:, None]
    xy[:4] = np.nan
    figure = embedding_maps.class_map(xy, label, NAMES)
    axes = figure.axes[0]
    drawn = np.concatenate([np.stack(line.get_data()).T for line in axes.lines])
    assert sorted(drawn.ravel()) == pytest.approx(sorted(xy[4:].ravel()))
    counts = np.bincount(label[4:])
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts == [f"{NAMES[k]} ({counts[k]})" for k in np.argsort(-counts)]


def test_the_name_of_a_split_class_stands_on_its_larger_clump():
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(0, 0.3, (60, 2)), rng.normal(10, 0.3, (40, 2))])
    assert np.linalg.norm(embedding_maps._densest(points)) < 1.5


@pytest.mark.parametrize(("spectrum", "panels"), [(True, 2), (False, 1)])
def test_similarity_sheet_names_every_hit(spectrum, panels):
    hits = {"photometry": np.array([4, 7, 5]), "spectra": np.array([1, 2, 4])}
    alike = {name: np.array([0.9, 0.8, 0.7]) for name in hits}
    shown = pictures([1, 2, 4, 5, 7], spectrum)
    figure = embedding_maps.similarity_sheet("photometry", 1, hits, alike, shown)
    assert len(figure.axes) == panels * 7
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles[0] == "query: photometry\nEB"
    assert titles[1:4] == ["nearest photometry:\nEB, 0.90", "\nEB, 0.80", "\nM, 0.70"]
    assert titles[4] == "nearest spectra:\nitself, EB, 0.90"


def test_retrieval_separates_within_from_across():
    table = pd.DataFrame({"query": ["a", "b", "a"], "target": ["b", "b", "a"], "measure": "precision@5",
                          "value": [0.5, 0.6, 0.7], "error": 0.01, "chance": 0.1})  # fmt: skip
    (axes,) = embedding_maps.retrieval(table).axes
    names = [text.get_text() for text in axes.get_yticklabels()]
    assert names == ["b → b", "a → a", "a → b"]
    points = axes.containers[0].lines[0]
    assert dict(zip(points.get_ydata().tolist(), points.get_xdata().tolist(), strict=True)) == {
        2: 0.5,
        0: 0.6,
        1: 0.7,
    }


def test_outliers_count_each_star_once_and_pass_over_missing_ones():
    distance = {"spectra": np.array([0.1, 0.2, 0.2, 0.9, np.nan])}
    flagged = {"spectra": np.array([False, False, False, True, False])}
    axes = embedding_maps.outliers(distance, flagged).axes[0]
    assert sum(bar.get_height() for bar in axes.patches) == 4
    assert axes.lines[0].get_xdata()[0] == 0.9


def test_outliers_have_a_gallery_where_there_are_pictures():
    distance, flagged = {"spectra": np.linspace(0, 1, 9)}, {"spectra": np.arange(9) > 6}
    figure = embedding_maps.outliers(
        distance, flagged, [(7, "EB, nearest M"), (8, "M, outlier")], pictures([7, 8])
    )
    assert [axes.get_title() for axes in figure.axes if axes.get_title()] == [
        "spectra",
        "EB, nearest M",
        "M, outlier",
    ]


def test_subclasses_show_clusters_truth_and_a_plane():
    table = pd.DataFrame(
        {
            "group": ["M"] * 4 + ["ROT"] * 3,
            "x": range(7),
            "y": range(7),
            "cluster": [0, 0, 1, 1, 0, 1, 1],
            "truth": ["C", "", "O", "O", "", "", ""],
            "j_k": 1.0,
            "bp_rp": 2.0,
        }
    )
    figure = embedding_maps.subclasses(table, dict.fromkeys(("M", "ROT"), ("bp_rp", "j_k")))
    assert len(figure.axes) == 6
    legend = [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    assert legend == ["unknown", "C (1)", "O (2)"]
    assert figure.axes[2].get_ylabel() == "J - K [mag]"
