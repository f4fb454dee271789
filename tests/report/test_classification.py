"""Figures of classification: cells, markers, intervals."""

import numpy as np
import pandas as pd
import pytest

from astrolib.report import classification
from astrolib.report.tables import published


def paper_table():
    table = published("astrom3_table_aj")
    return table.assign(paper_mean=table["mean"] - 1, paper_std=table["std"], baseline_mean=50.0, n_seeds=5)


def test_confusion_shows_counts_and_shares_of_rows():
    counts = np.array([[3, 1], [0, 6]])
    left, right = classification.confusion(counts, ["EA", "EB"]).axes
    assert [text.get_text() for text in left.texts] == ["3", "1", "6"]
    assert [text.get_text() for text in right.texts] == ["75", "25", "100"]
    assert left.images[0].get_cmap().name == "Blues"
    assert left.get_ylabel() == "true class" and left.get_xlabel() == "predicted class"


def test_a_class_without_test_stars_is_an_empty_row():
    _, right = classification.confusion(np.array([[2, 0], [0, 0]]), ["EA", "EB"]).axes
    assert np.isfinite(right.images[0].get_array()).all()


def test_paper_confusion_of_all_modalities_is_the_one_of_the_card():
    table = published("astrom3_confusions")
    table = table[(table["modalities"] == "photometry+spectra+metadata") & (table["split"] == "test")]
    counts = table.pivot(index="true_class", columns="predicted_class", values="count").to_numpy()
    assert counts.sum(axis=1).tolist() == [24, 160, 160, 160, 26, 22, 160, 160, 79, 160]
    assert np.trace(counts) / counts.sum() == pytest.approx(0.9244, abs=5e-5)


def test_accuracy_has_a_panel_for_each_modality_with_the_points_of_the_table():
    figure = classification.accuracy_by_fraction(paper_table())
    panels = {axes.get_title(): axes for axes in figure.axes if axes.get_title()}
    assert list(panels) == ["spectra", "metadata", "photometry", "all"]
    drawn = {c.get_label(): c for c in panels["spectra"].containers}
    assert set(drawn) == {"ours, from scratch", "ours, CLIP", "paper, from scratch", "paper, CLIP"}
    assert drawn["ours, CLIP"].lines[0].get_ydata() == pytest.approx([60.963, 66.676, 71.376, 77.056])
    assert drawn["paper, CLIP"].lines[0].get_ydata() == pytest.approx([59.963, 65.676, 70.376, 76.056])
    assert drawn["paper, CLIP"].lines[0].get_markerfacecolor() == "white"  # open: other stars than ours


def test_a_survey_without_paper_values_has_no_paper_in_its_legend():
    table = paper_table().assign(paper_mean=np.nan, paper_std=np.nan)
    figure = classification.accuracy_by_fraction(table)
    assert {text.get_text() for text in figure.legends[0].get_texts()} == {
        "random forest", "ours, from scratch", "ours, CLIP",
    }  # fmt: skip


def test_one_seed_has_a_gain_without_interval():
    table = pd.DataFrame({"modality": "spectra", "fraction": [0.1, 1.0], "gain": [5.0, 1.0], "low": np.nan,
                          "high": np.nan, "paper_gain": [14.29, 0.78]})  # fmt: skip
    (axes,) = classification.gains(table).axes
    low, high = axes.get_ylim()
    assert low < 0 < 14.29 < high


def test_wide_intervals_do_not_flatten_the_points():
    table = pd.DataFrame(
        {
            "modality": "spectra",
            "fraction": [0.1, 1.0],
            "gain": [5.0, 1.0],
            "low": [-200.0, -100],
            "high": [210.0, 102],
            "paper_gain": np.nan,
        }
    )
    low, high = classification.gains(table).axes[0].get_ylim()
    assert high - low < 20


def test_importance_puts_the_paper_beside_ours():
    rows = [
        (c, m, 80.0, p)
        for c, p in (("EA", 70.0), ("overall", np.nan))
        for m in ("spectra", "spectra+metadata")
    ]
    table = pd.DataFrame(rows, columns=["class_name", "modalities", "accuracy", "paper_accuracy"])
    ours, paper, _ = classification.importance(table).axes
    assert [t.get_text() for t in ours.get_yticklabels()] == ["EA", "overall"]
    assert [t.get_text() for t in paper.get_yticklabels()] == ["EA"]
    assert [t.get_text() for t in ours.get_xticklabels()] == ["S", "S+M"]
    alone = classification.importance(table.assign(paper_accuracy=np.nan))
    assert [axes.get_title() for axes in alone.axes] == ["ours", ""]


def test_pretraining_draws_the_loss_of_random_embeddings():
    history = pd.DataFrame({"epoch": range(3), "seed": 0, "loss": [30.0, 20, 10], "val_loss": [31.0, 22, 15],
                            "accuracy": [0.0, 0.2, 0.5], "val_accuracy": [0.0, 0.1, 0.3],
                            "scale a-b": 14.0, "scale b-c": 20.0, "scale a-c": 30.0})  # fmt: skip
    loss, accuracy, scale = classification.pretraining(history, 512).axes
    level = [line.get_ydata()[0] for line in loss.lines if line.get_label() == "random embeddings"]
    assert level == pytest.approx([37.43], abs=0.01)  # 6 ln 512, card section 6.1
    assert accuracy.lines[0].get_ydata() == pytest.approx([0, 20, 50])
    assert {line.get_label() for line in scale.lines} >= {"a-b", "b-c", "a-c"}
