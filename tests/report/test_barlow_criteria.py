"""Criteria of Barlow Twins on galaxies: thresholds, verdicts, and words for what is absent."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrolib import paths
from astrolib.report import barlow_criteria, results, verdicts
from astrolib.report.barlow_criteria import CRITERIA, Criterion, criterion_table
from astrolib.report.barlow_evidence import Found

SPEC = importlib.util.spec_from_file_location("barlow_results", Path(__file__).with_name("barlow_results.py"))
made_up = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(made_up)


def table_of(profile="demo") -> pd.DataFrame:
    return criterion_table(profile).set_index(["paper", "column", "criterion"])


def redo(name: str, change) -> None:
    results.keep("demo", f"barlow_{name}", change(results.load("demo", f"barlow_{name}")))


@pytest.mark.parametrize(
    ("sign", "limit", "low", "high", "verdict"),
    [
        (">=", 5, 5.0, 9.0, "met"),
        (">=", 5, 4.9, 9.0, "undecided"),
        (">=", 5, 1.0, 4.9, "not met"),
        (">", 0, 0.0, 1.0, "undecided"),
        (">", 0, 0.1, 1.0, "met"),
        (">", 0, -1.0, 0.0, "not met"),
        ("<=", 0.6, 0.2, 0.6, "met"),
        ("<=", 0.6, 0.61, 0.9, "not met"),
        ("<=", 0.6, 0.5, 0.7, "undecided"),
        ("<", 0.2, 0.1, 0.2, "undecided"),
        ("<", 0.2, 0.2, 0.3, "not met"),
        ("within", 1.5, -1.5, 1.5, "met"),
        ("within", 1.5, -1.6, 0.0, "undecided"),
        ("within", 1.5, -4.0, -1.6, "not met"),
        ("within", 1.5, 1.6, 2.0, "not met"),
        ("", np.nan, 1.0, 2.0, "reported"),
    ],
)
def test_an_interval_is_judged_as_a_whole(sign, limit, low, high, verdict):
    criterion = Criterion("T1", "full", "words", "points", sign, limit, lambda evidence: None)
    assert criterion.judge(Found((low + high) / 2, low, high, 3)) == verdict


def test_every_row_of_the_card_has_a_criterion():
    columns = {
        paper: {c.column for c in CRITERIA if c.paper == paper} for c in CRITERIA for paper in [c.paper]
    }
    both = {"full", "demo"}
    assert columns == {
        **{f"T{k}": both for k in (1, 2, 3, 5, 6)}, "T4": {"full"}, "T7": {"full"},
        **{f"F{k}": both for k in (2, 3, 4, 5)},
    }  # fmt: skip
    keys = [(c.paper, c.column, c.words) for c in CRITERIA]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(
    ("key", "threshold"),
    [
        (("T1", "demo", "Error / error of the untrained encoder"), "<= 0.6"),
        (("T2", "demo", "1 % of labels, minus the untrained encoder"), ">= 5 points"),
        (("T5", "full", "Loss of accuracy without redundancy term"), ">= 5 points"),
        (("T5", "demo", "Invariance only: mean square off the diagonal"), "> 0.4"),
        (("T5", "demo", "Invariance only: rank of z / with both terms"), "< 0.5"),
        (("T5", "demo", "Redundancy only: mean of the diagonal"), "< 0.2"),
        (("F2", "full", "Batch 256 minus batch 1024"), "within ±1.5 points"),
        (("F4", "full", "Spearman(width, accuracy) up to 2048, lambda fixed"), "> 0.8"),
        (("F5", "full", "Best minus worst of 6 values of lambda"), "<= 2 points"),
        (("T1", "full", "Linear probe minus training with all labels"), "reported only"),
    ],
)
def test_thresholds_are_those_of_the_card(key, threshold):
    (criterion,) = [c for c in CRITERIA if (c.paper, c.column, c.words) == key]
    assert criterion.threshold == threshold


def test_made_up_results_are_judged_as_they_were_made():
    made_up.fabricate("demo", n=900)
    table = table_of()
    assert (table["source"] == made_up.SOURCE).all()
    absent = table[table["verdict"] == "not measured"]
    assert set(absent.index.get_level_values("paper")) == {"T4", "T7"}
    assert absent["value"].isna().all() and (absent["n_seeds"] == 0).all() and (absent["remark"] != "").all()
    error = table.loc[("T1", "full", "Error / error of the untrained encoder")]
    assert error["value"] == pytest.approx(0.06 / 0.18, abs=0.08) and error["verdict"] == "met"
    assert table.loc[("T1", "demo", "Error / error of the untrained encoder"), "value"] == error["value"]
    hand = table.loc[("T1", "full", "Barlow Twins minus hand-made features")]
    assert hand["value"] == pytest.approx(5, abs=1.5) and hand["verdict"] == "met"
    assert table.loc[("T2", "full", "1 % of labels, fine-tuned, minus from scratch"), "value"] > 10
    shrinks = table.loc[("T2", "full", "Linear: this gap at 1 % minus at 10 %")]
    gaps = [table.loc[("T2", "full", "1 % of labels, linear, minus from scratch"), "value"], 6.0]
    assert shrinks["value"] == pytest.approx(gaps[0] - gaps[1], abs=1.5) and shrinks["verdict"] == "met"
    loss = table.loc[("T5", "full", "Loss of accuracy without redundancy term")]
    assert loss["verdict"] == "not met" and loss["high"] < 5
    assert table.loc[("T5", "full", "Loss of accuracy without invariance term"), "verdict"] == "met"
    assert table.loc[("T5", "demo", "Redundancy only: mean of the diagonal"), "value"] == pytest.approx(0.02)
    assert table.loc[("T6", "full", "Next worst minus stop-gradient and predictor"), "verdict"] == "met"
    assert table.loc[("F2", "full", "SimCLR loses more from 1024 to 256"), "value"] == pytest.approx(
        3.6, abs=2
    )
    width = table.loc[("F4", "full", "Spearman(width, accuracy) up to 2048, lambda fixed")]
    assert width["value"] == 1 and width["verdict"] == "met"
    fall = table.loc[("F3", "demo", "All augmentations minus crop only")]
    assert fall["value"] == pytest.approx(10, abs=2) and "shifted crop only" in fall["remark"]
    assert (table.loc[["T3"], "verdict"] == "met").all()


def test_a_claim_that_fails_is_said_to_fail():
    made_up.fabricate("demo", n=300)
    swap = {"both": "c", "c": "both", "baseline": "c"}
    redo("ablation_predictions", lambda t: t.assign(
        variant=t["variant"].where(t["part"] != "table6", t["variant"].replace(swap | {"c": "baseline"}))
    ))  # fmt: skip
    redo("ablation_runs", lambda t: t.assign(off_square=0.1))
    table = table_of()
    assert table.loc[("T6", "full", "Baseline minus both of them"), "verdict"] == "not met"
    assert table.loc[("T5", "demo", "Invariance only: mean square off the diagonal"), "verdict"] == "not met"


def test_redshift_without_reddening_is_compared_on_the_ladder():
    made_up.fabricate("demo", n=60)
    key = ("F3", "full", "Redshift, rise without reddening")
    row = table_of().loc[key]
    assert row["verdict"] == "met" and row["value"] == pytest.approx(0.25 - 0.04, abs=0.1)
    redo("ablation_transfer", lambda t: t[t["x"] == 0])
    row = table_of().loc[key]
    assert row["verdict"] == "not measured" and "no reddening" in row["remark"]


def test_points_that_were_not_run_are_named():
    made_up.fabricate("demo", n=60)
    few = {"fig4": (16, 64, 256), "fig5": (0.002, 0.0051, 0.02), "fig2": (64, 256)}

    def ran(row) -> bool:
        return row.part not in few or row.x in few[row.part]

    redo("ablation_predictions", lambda t: t[[ran(row) for row in t.itertuples()]])
    table = criterion_table("demo")
    for paper, missing in (("F4", "fig4, 1024"), ("F5", "fig5, 0.007"), ("F2", "fig2, 1024")):
        of_paper = table[table["paper"] == paper]
        full, demo = (of_paper[of_paper["column"] == column] for column in ("full", "demo"))
        assert (full["verdict"] == "not measured").all() and full["remark"].str.contains(missing).all()
        assert (demo["verdict"] != "not measured").all()


def test_without_ablations_their_criteria_are_not_measured():
    made_up.fabricate("demo", n=30)
    for name in ("ablation_predictions", "ablation_runs", "ablation_transfer", "transfer"):
        (paths.results("demo") / f"barlow_{name}.parquet").unlink()
    table = table_of()
    measured = set(table.index.get_level_values("paper")[table["verdict"] != "not measured"])
    assert measured == {"T1", "T2"}
    assert table.loc[("F5", "demo", "Best minus worst of 3 values of lambda"), "remark"].endswith(
        "not on disk"
    )


def test_table_is_saved_and_its_picture_has_a_row_for_each_number():
    made_up.fabricate("demo", n=60)
    text = barlow_criteria.criteria("demo").data
    saved = pd.read_csv(paths.figures("demo") / "barlow_criteria.csv")
    assert list(saved.columns) == [
        "paper", "column", "criterion", "value", "low", "high", "unit", "threshold", "limit", "verdict",
        "remark", "n_seeds", "source",
    ]  # fmt: skip
    assert len(saved) == len(CRITERIA) and len(text.splitlines()) == len(CRITERIA) + 2
    figure = verdicts.criteria_sheet(saved, barlow_criteria.AXES)
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert labels == list(barlow_criteria.AXES.values()) and "[points]" in labels[0]
    rows = sum(len(axes.get_yticklabels()) for axes in figure.axes)
    assert rows == (saved["value"].notna() & (saved["unit"] != "variants")).sum()


def test_before_anything_ran_it_says_what_to_run():
    with pytest.raises(results.MissingResult, match="make all PROFILE=demo"):
        criterion_table("demo")
