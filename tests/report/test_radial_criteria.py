"""The criteria of radial masking: each has its interval, and a known difference its verdict."""

import numpy as np
import pandas as pd
import pytest

from astrolib import paths
from astrolib.report import radial_criteria, results
from astrolib.report.barlow_evidence import NotMeasured
from astrolib.report.radial_criteria import CRITERIA, Evidence, criterion_table
from tests.report.radial_results import fabricate


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("radial-criteria")


@pytest.fixture
def table(home, monkeypatch):
    for tree in ("BUILD", "FIGURES"):
        monkeypatch.setenv(f"ASTROLIB_{tree}", str(home / tree.lower()))
    if not paths.results("demo").exists():
        fabricate("demo")
    return criterion_table("demo")


def verdict(table: pd.DataFrame, words: str) -> pd.Series:
    (row,) = [row for _, row in table.iterrows() if row["criterion"] == words]
    return row


def test_every_criterion_is_measured_and_judged(table):
    assert len(table) == len(CRITERIA) and not table.duplicated(["paper", "column", "criterion"]).any()
    assert (table["verdict"] != "not measured").all(), table.loc[table["n_seeds"] == 0, "reason"].tolist()
    assert (table["low"] <= table["value"]).all() and (table["value"] <= table["high"]).all()


def test_planted_differences_have_their_verdicts(table):
    row = verdict(table, "occupancy net minus best fill, all hidden")
    assert row["value"] == pytest.approx(0.07, abs=0.01) and row["verdict"] == "met"
    assert row["reason"] == "best without learning: half turn"
    row = verdict(table, "ViT minus azimuthal profile")
    assert row["value"] == pytest.approx(-0.01, abs=0.005) and row["verdict"] == "met"
    row = verdict(table, "occupancy net, precision above prior")
    assert row["value"] == pytest.approx(0.5) and row["verdict"] == "met"
    assert verdict(table, "10 % of labels: minus from scratch")["verdict"] == "met"
    row = verdict(table, "ViT, last loss over first")
    assert row["value"] == pytest.approx(np.exp(-1.5)) and row["column"] == "demo"


def test_the_best_fill_is_not_the_network_itself(table):
    assert not {"ViT", "occupancy net", "constant"} & set(radial_criteria.RIVALS)
    assert verdict(table, "ViT, squared error over best fill's")["value"] < 1


def test_what_did_not_run_is_not_measured(table, tmp_path, monkeypatch):
    kept = results.load("demo", "radial_predictions")
    monkeypatch.setenv("ASTROLIB_BUILD", str(tmp_path))
    results.keep("demo", "radial_predictions", kept[kept["fraction"] > 0.15])
    results.keep("demo", "radial_visible", pd.DataFrame({"source": ["simulated"]}))
    found = criterion_table("demo")
    row = verdict(found, "10 % of labels: minus uniform masking")
    assert row["verdict"] == "not measured" and "10%" in row["reason"] and row["n_seeds"] == 0
    assert "radial_filling are not on disk" in verdict(found, "occupancy net minus constant")["reason"]
    with pytest.raises(NotMeasured):
        Evidence("demo").half_view()


def test_intervals_of_means_draw_seeds_and_images():
    same = radial_criteria._mean(np.full((3, 50), 0.2))
    assert (same.value, same.low, same.high) == pytest.approx((0.2, 0.2, 0.2))
    rng = np.random.default_rng(0)
    images = rng.normal(0, 1, (1, 400))
    found = radial_criteria._mean(images)
    assert found.high - found.low == pytest.approx(2 * 1.96 / 20, rel=0.15)
    seeds = radial_criteria._mean(np.repeat([[0.0], [1.0]], 50, axis=1))
    assert (seeds.low, seeds.high) == pytest.approx((0.0, 1.0))
