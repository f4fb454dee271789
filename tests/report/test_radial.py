"""Figures and tables of radial masking from numbers on disk: all there, each row with its source."""

import numpy as np
import pandas as pd
import pytest

from astrolib import paths
from astrolib.papers import radial_networks
from astrolib.papers.radial_filling import UNLEARNED
from astrolib.report import radial, radial_scores, radial_tables, results, tables
from tests.report.radial_results import SOURCE, fabricate


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("radial-report")


@pytest.fixture
def made(home, monkeypatch):
    for tree in ("BUILD", "FIGURES"):
        monkeypatch.setenv(f"ASTROLIB_{tree}", str(home / tree.lower()))
    if not paths.results("demo").exists():
        fabricate("demo")
    return "demo"


def read(profile: str, name: str) -> pd.DataFrame:
    return pd.read_csv(paths.figures(profile) / f"{name}.csv")


def test_everything_is_drawn_and_says_where_it_comes_from(made):
    names = radial.redraw(made)
    assert set(names) == {f"{n}.png" for n in radial.FIGURES} | {f"{n}.csv" for n in radial.TABLES}
    for name in names:
        path = paths.figures(made) / name
        assert path.exists() and path.stat().st_size < 200_000
    for name in radial.TABLES:
        table = read(made, name)
        assert table["source"].isin([SOURCE, tables.PAPER_ONLY]).all(), name
        assert table["n_seeds"].notna().all() and (paths.figures(made) / f"{name}.md").exists()


def test_names_are_those_of_the_experiment():
    for name in ("VIT", "OCCUPANCY", "MASKINGS", "BOTH"):
        assert getattr(radial_scores, name) == getattr(radial_networks, name)
    assert radial_scores.UNLEARNED == UNLEARNED


def test_the_papers_numbers_stand_beside_their_starts(made):
    radial_tables.kitti(made)
    table = read(made, "radial_table_kitti").set_index(["head", "start"])
    assert table.loc[("linear", "untrained, frozen"), "paper_car"] == 79.08
    assert table.loc[("linear", "R-MAE 0.8"), "paper_pedestrian"] == 47.33
    assert table.loc[("fine-tuned", "R-MAE 0.9"), "paper_cyclist"] == 73.82
    assert np.isnan(table.loc[("linear", "uniform masking"), "paper_car"])
    radial_tables.waymo(made)
    table = read(made, "radial_table_waymo").set_index(["labels", "half", "start"])
    assert table.loc[(0.2, "bright", "from scratch"), "paper_vehicle"] == 72.76  # the residual detector
    assert table.loc[(1.0, "faint", "R-MAE 0.8"), "paper_cyclist"] == 69.32
    assert table.xs(0.1, level="labels")["paper_vehicle"].isna().all()
    radial_tables.angles(made)
    table = read(made, "radial_table_angles")
    assert table["sector_deg"].tolist() == [10, 30, 45] and table["paper_sector_deg"].tolist() == [1, 5, 10]
    assert table["paper_cyclist"].tolist() == [65.65, 63.62, 65.18]
    radial_tables.transfer(made)
    theirs = read(made, "radial_table_transfer").query("tested_on == 'KITTI'").set_index("pretrained_on")
    assert theirs["paper_pedestrian"].to_dict() == {"nothing": 44.52, "waymo": 48.61, "nuscenes": 46.05}
    assert (theirs["n_seeds"] == 0).all()


def test_published_copies_are_whole():
    assert len(tables.published("rmae_nuscenes")) == 7
    assert tables.published("mae_ablation")["finetune_top1"].max() == 87.8
    assert set(tables.published("rmae_waymo")["training_fraction"]) == {0.2, 1.0}


def test_scores_are_means_over_seeds(made):
    predictions = results.load(made, "radial_predictions")
    some = radial_scores.chosen(made, predictions, masking="uniform")
    some = some[(some["protocol"] == "linear") & (some["fraction"] == 1)]
    found = radial_scores.over_seeds(some, radial_scores.accuracy)
    each = [100 * (rows["label"] == rows["prediction"]).mean() for _, rows in some.groupby("seed")]
    assert found["value"] == pytest.approx(np.mean(each)) and found["n_seeds"] == 2  # classes are as many
    assert found["std"] == pytest.approx(np.std(each, ddof=1))
    table = radial_scores.masking_table(made)
    row = table[(table["masking"] == "uniform") & (table["network"] == "ViT")].iloc[0]
    assert row["accuracy_100"] == pytest.approx(found["value"]) and row["visible"] == pytest.approx(0.2)
    assert table["n_seeds"].eq(2).all() and table["visible"].notna().sum() == len(table) - 1


def test_fills_are_scored_once_for_each_masking(made):
    table = radial_scores.filling_table(made)
    keys = ["images", "sees", "masking", "method"]
    assert not table.duplicated(keys).any()
    counts = table[table["method"].isin(UNLEARNED)].groupby(keys[:3])["method"].nunique()
    assert (counts == len(UNLEARNED)).all()


def test_without_numbers_it_says_which_notebook_to_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ASTROLIB_BUILD", str(tmp_path))
    assert radial.main(["--profile", "demo"]) == 1
    assert "radial_masks.npz do not exist yet" in capsys.readouterr().err
