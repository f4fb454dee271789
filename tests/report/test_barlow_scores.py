"""Scores of Barlow Twins from predictions on disk, by hand and against oracles."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, r2_score

from astrolib.report import barlow_scores as scores
from astrolib.report import results
from astrolib.report.tables import PAPER_ONLY, published

SPEC = importlib.util.spec_from_file_location("barlow_results", Path(__file__).with_name("barlow_results.py"))
made_up = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(made_up)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with made-up results of one profile, for all tests that only read them."""
    folder = tmp_path_factory.mktemp("barlow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTROLIB_BUILD", str(folder))
        made_up.fabricate("demo", n=90)
    return folder


@pytest.fixture
def demo(kept, monkeypatch):
    monkeypatch.setenv("ASTROLIB_BUILD", str(kept))
    return "demo"


@pytest.mark.parametrize(
    ("table", "row", "column", "value"),
    [
        ("barlow_table1", {"method": "Barlow Twins"}, "top1", 73.2),
        ("barlow_table1", {"method": "SwAV"}, "top1", 75.3),
        ("barlow_table2", {"method": "Barlow Twins", "fraction": 0.01}, "top1", 55.0),
        ("barlow_table2", {"method": "PIRL", "fraction": 0.1}, "top5", 83.8),
        ("barlow_table3", {"method": "BYOL", "dataset": "VOC07"}, "value", 86.6),
        ("barlow_table4", {"method": "MoCo v2", "dataset": "VOC07+12"}, "ap75", 64.0),
        ("barlow_table5", {"variant": "no-batch-norm-covariance"}, "top1", 53.4),
        ("barlow_table6", {"case": "c"}, "top1", 61.3),
        ("barlow_table7", {"projector": "8192-8192-8192"}, "top1", 72.3),
        ("barlow_figures", {"figure": "fig2", "method": "BYOL", "point": "64"}, "top1", 59.7),
        ("barlow_figures", {"figure": "fig3", "method": "BYOL", "point": "crop only"}, "top1", 59.4),
        ("barlow_figures", {"figure": "fig4", "method": "BYOL", "point": "512"}, "top1", 72.6),
        ("barlow_figures", {"figure": "fig5", "point": "0.01"}, "top1_high", 71.6),
    ],
)
def test_published_numbers_are_those_of_the_card(table, row, column, value):
    found = published(table)
    for name, key in row.items():
        found = found[found[name] == key]
    assert len(found) == 1 and found[column].iloc[0] == value


def test_published_tables_are_whole():
    sizes = {1: 10, 2: 12, 3: 21, 4: 15, 5: 7, 6: 4, 7: 6}
    assert {k: len(published(f"barlow_table{k}")) for k in sizes} == sizes
    assert published("barlow_table2")["top1"].isna().sum() == 2  # PIRL gives top-5 only
    assert published("barlow_figures")["top1"].isna().sum() == 8  # words and ranges of an axis


def test_table_1_is_the_mean_over_seeds_beside_the_papers(demo):
    runs = results.load(demo, "barlow_predictions").query(
        "method == 'SimCLR' and encoder == 'resnet' and protocol == 'linear' and fraction == 1"
    )
    seeds = [run for _, run in runs.groupby("seed")]
    accuracy = [100 * (run["label"] == run["prediction"]).mean() for run in seeds]
    balanced = [100 * balanced_accuracy_score(run["label"], run["prediction"]) for run in seeds]
    table = scores.table_1(demo)
    row = table.set_index(scores.ARM).loc[("SimCLR", "resnet", "linear")]
    assert row["accuracy"] == pytest.approx(np.mean(accuracy))
    assert row["balanced_accuracy"] == pytest.approx(np.mean(balanced))
    assert row["balanced_accuracy_std"] == pytest.approx(np.std(balanced, ddof=1))
    assert (row["n_test"], row["n_seeds"], row["paper_top1"]) == (90, 3, 69.3)
    assert row["source"] == made_up.SOURCE


def test_table_1_has_the_papers_other_methods_at_its_end(demo):
    table = scores.table_1(demo)
    alone = table[table["n_seeds"] == 0]
    assert alone.index.tolist() == list(range(len(table) - 7, len(table)))
    assert set(alone["method"]) == {
        "MoCo",
        "PIRL",
        "MoCo v2",
        "SimSiam",
        "SwAV, no multi-crop",
        "BYOL",
        "SwAV",
    }
    assert (alone["source"] == PAPER_ONLY).all() and alone["accuracy"].isna().all()
    ours = table[table["n_seeds"] > 0]
    assert ours["method"].iloc[0] == "supervised" and ours["method"].iloc[-1] == "hand-made features"
    with_number = ours.dropna(subset="paper_top1").set_index(scores.ARM)["paper_top1"]
    assert with_number.to_dict() == {
        ("supervised", "resnet", "fine-tuned"): 76.5,
        ("Barlow Twins", "resnet", "linear"): 73.2,
        ("SimCLR", "resnet", "linear"): 69.3,
    }


def test_table_2_puts_the_paper_beside_fine_tuning(demo):
    table = scores.table_2(demo).set_index(["fraction", *scores.ARM])
    assert table.loc[(0.01, "Barlow Twins", "resnet", "fine-tuned"), "paper_top1"] == 55.0
    assert table.loc[(0.1, "supervised", "resnet", "fine-tuned"), "paper_top1"] == 56.4
    assert np.isnan(table.loc[(0.01, "Barlow Twins", "resnet", "linear"), "paper_top1"])
    assert table.loc[(0.1, "SwAV", "resnet", "fine-tuned"), "n_seeds"] == 0
    assert list(dict.fromkeys(table.index.get_level_values("fraction"))) == [0.01, 0.1, 1.0]


def test_table_3_leaves_out_unknown_truths(demo):
    rows = results.load(demo, "barlow_transfer").query("method == 'colours' and target == 'redshift'")
    known = [run.dropna(subset="truth") for _, run in rows.groupby("seed")]
    r2 = [r2_score(run["truth"], run["prediction"]) for run in known]
    d = (known[0]["prediction"] - known[0]["truth"]) / (1 + known[0]["truth"])
    nmad = 1.4826 * np.median(np.abs(d - np.median(d)))
    assert nmad == pytest.approx(stats.median_abs_deviation(d, scale="normal"), rel=1e-4)
    table = scores.table_3(demo)
    row = table[(table["method"] == "colours") & (table["target"] == "redshift")].iloc[0]
    assert row["r2"] == pytest.approx(np.mean(r2)) and row["r2_std"] == pytest.approx(np.std(r2, ddof=1))
    assert row["n_test"] == 87 and 0 < row["sigma_nmad"] < 3 * nmad
    assert table.loc[table["target"] == "bulge fraction", "sigma_nmad"].isna().all()
    paper = table[table["n_seeds"] == 0]
    assert len(paper) == 21 and set(paper["target"]) == {
        "Places205, top-1 [%]", "VOC07, mAP [%]", "iNaturalist18, top-1 [%]",
    }  # fmt: skip
    assert table["target"].iloc[0] == "redshift" and table["n_seeds"].iloc[-1] == 0


def test_recall_of_a_class_has_the_interval_of_its_images(demo):
    table = scores.class_table(demo).set_index([*scores.ARM, "class"])
    row = table.loc[("random init", "vit", "linear", "spiral")]
    runs = results.load(demo, "barlow_predictions").query(
        "method == 'random init' and encoder == 'vit' and protocol == 'linear' and fraction == 1"
    )
    runs = runs[runs["label"] == 2]
    recall = 100 * (runs["prediction"] == 2).groupby(runs["seed"]).mean()
    assert row["recall"] == pytest.approx(recall.mean()) and row["n_test"] == 30
    oracle = stats.binomtest(round(0.3 * row["recall"]), 30).proportion_ci(method="wilson")
    assert (row["low"], row["high"]) == pytest.approx((100 * oracle.low, 100 * oracle.high))
    assert list(table.index.get_level_values("class"))[0] == "elliptical"


def test_variants_stand_in_the_papers_order_beside_its_scores(demo):
    table = scores.variant_table(demo, "table5")
    assert list(dict.fromkeys(table["variant"])) == list(scores.ROWS["table5"])
    full = table[table["fraction"] == 1.0].set_index("variant")
    assert full["paper_top1"].round(1).tolist()[:-1] == [71.4, 57.3, 0.1, 69.8, 71.2, 53.4, 63.3]
    assert np.isnan(full.loc["untrained", "paper_top1"])
    assert table.loc[table["fraction"] < 1, "paper_top1"].isna().all()
    asymmetry = scores.variant_table(demo, "table6")
    assert asymmetry.loc[asymmetry["fraction"] == 1, "paper_top1"].tolist() == [71.4, 70.5, 70.2, 61.3]


def test_ladder_is_paired_by_seed(demo):
    table = scores.ladder_table(demo)
    runs = results.load(demo, "barlow_ablation_predictions").query("part == 'fig3' and fraction == 0.1")
    accuracy = runs.groupby(["x", "seed"]).apply(
        lambda run: 100 * balanced_accuracy_score(run["label"], run["prediction"]), include_groups=False
    )
    change = accuracy.loc[3] - accuracy.loc[0]
    row = table[(table["x"] == 3) & (table["fraction"] == 0.1)].iloc[0]
    assert (row["change"], row["change_std"]) == pytest.approx((change.mean(), change.std(ddof=1)))
    assert (table.loc[table["x"] == 0, ["change", "change_std"]] == 0).all(axis=None)
    assert list(table.columns[-3:]) == ["n_test", "n_seeds", "source"]


def test_reference_ladder_is_the_papers():
    table = scores.reference_ladder()
    changes = table.pivot(index="rung", columns="method", values="change").reindex(table["rung"].unique())
    assert changes["BYOL"].tolist() == [0.0, -2.2, -9.1, -11.4, -13.1]
    assert changes["SimCLR (re-run for BYOL)"].tolist() == [0.0, -6.0, -22.2, -26.2, -27.6]


def test_published_points_follow_ours(demo):
    table = scores.with_reference(scores.ablation_table(demo, "fig4"), scores.reference("fig4"))
    ours, paper = table[table["n_seeds"] > 0], table[table["n_seeds"] == 0]
    assert (ours["method"] == "ours").all() and len(ours) == 5 * 2 * 3 and len(paper) == 8
    assert paper["source"].eq(PAPER_ONLY).all() and paper["balanced_accuracy"].isna().all()
    assert paper.query("method == 'Barlow Twins' and x == 8192")["paper_top1"].tolist() == [71.4]


def test_one_seed_has_no_spread(recwarn):
    made_up.fabricate("demo", n=30, seeds=(42,))
    assert scores.comparison_table("demo")["accuracy_std"].isna().all()
    assert scores.ladder_table("demo")["change_std"].isna().all()
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


def test_an_absent_part_is_an_error_in_words(demo):
    with pytest.raises(results.MissingResult, match="no 'fig9'"):
        scores.ablation_table(demo, "fig9")
    table = results.load(demo, "barlow_ablation_predictions")
    assert isinstance(table, pd.DataFrame)
    with pytest.raises(results.MissingResult, match="make all PROFILE=sample"):
        scores.table_1("sample")
