"""Figures and tables of dual masking from numbers on disk: files all there, values and verdicts right."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from astrolib import paths
from astrolib.papers import dual_networks
from astrolib.report import dual, dual_criteria, dual_evidence, dual_tables, results, style
from astrolib.report.barlow_evidence import Found, NotMeasured
from astrolib.report.dual_criteria import Criterion
from astrolib.report.dual_evidence import LONG, RIDGE, STMAE, Evidence
from astrolib.report.tables import published

SPEC = importlib.util.spec_from_file_location("dual_results", Path(__file__).with_name("dual_results.py"))
made_up = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(made_up)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dual")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTROLIB_BUILD", str(folder))
        made_up.fabricate("demo")
    return folder


@pytest.fixture
def demo(kept, monkeypatch):
    monkeypatch.setenv("ASTROLIB_BUILD", str(kept))
    return "demo"


@pytest.fixture
def quick(monkeypatch):
    """Figures are drawn and stamped but not turned into pixels; gives the source of each."""
    stamps = {}

    def save(figure, path, source):
        style.stamp(figure, source)
        assert isinstance(figure, Figure)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        stamps[path.stem] = [text.get_text() for text in figure.texts if text.get_gid() == "source"]

    monkeypatch.setattr(style, "save", save)
    return stamps


def saved(profile: str, name: str) -> pd.DataFrame:
    return pd.read_csv(paths.figures(profile) / f"{name}.csv")


def test_everything_is_drawn_from_what_is_on_disk_and_named_simulated(demo, quick):
    names = dual.redraw(demo)
    made = {file.name for file in paths.figures(demo).iterdir()}
    assert set(names) <= made and len(names) == len(dual.FIGURES) + len(dual.TABLES)
    assert set(quick) == set(dual.FIGURES)
    assert all(words == ["Data: simulated detector"] for words in quick.values())
    for name in dual.TABLES:
        table = saved(demo, name)
        assert table["source"].str.startswith("simulated").all() and "n_seeds" in table


def test_a_profile_without_numbers_says_what_to_run(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("ASTROLIB_BUILD", str(tmp_path))
    with pytest.raises(results.MissingResult, match="make all PROFILE=demo"):
        dual.detector("demo")
    assert dual.main(["--profile", "demo"]) == 1
    assert "make all PROFILE=demo" in capsys.readouterr().err


# ---------------------------------------------------------------- numbers


def test_table_1_has_errors_by_step_and_the_papers_numbers(demo):
    table = dual_tables.table_1_rows(demo).set_index(["backbone", "training", "step"])
    row = table.loc[("AGCRN", STMAE, "mean")]
    assert row["mae"] == pytest.approx(made_up.LEVEL[STMAE], rel=0.01)
    assert row["mae_low"] < row["mae"] < row["mae_high"]
    assert table.loc[("AGCRN", STMAE, "3"), "mae"] == pytest.approx(row["mae"] * 0.965, rel=1e-3)
    assert row["rmse"] == pytest.approx(1.25 * row["mae"], rel=0.01)
    assert row["paper_pems04_mae"] == 19.046
    assert table.loc[("AGCRN", LONG, "mean"), "paper_pems04_mae"] == 19.39
    assert np.isnan(table.loc[("none", RIDGE, "mean"), "paper_pems04_mae"])
    assert (table["n_seeds"] == 2).all()


def test_gain_is_paired_and_in_per_cent(demo):
    known = Evidence(demo)
    found = known.gain(known.arm("AGCRN"), known.arm("AGCRN", LONG))
    assert found.value == pytest.approx(100 * (1 - 0.72 / 0.74))
    assert found.high - found.low < 1e-6  # hard windows are hard for both
    assert known.error(known.arm("AGCRN")).high - known.error(known.arm("AGCRN")).low > 1e-3


def test_table_2_begins_with_the_papers_rows(demo, quick):
    dual_tables.table_2(demo)
    table = saved(demo, "dual_table2").set_index("variant")
    assert list(table.index[:5]) == ["backbone alone", "edges only", "times only", "uniform masks", "full"]
    assert table.loc["full", "gain_percent"] == pytest.approx(100 * (1 - 0.72 / 0.74))
    assert table.loc["edges only", "paper_pems04_mae"] == 19.27  # without temporal masking
    assert np.isnan(table.loc["per_node", "paper_pems08_mae"])


def test_null_table_has_a_row_for_each_control(demo):
    table = dual_tables.null_rows(demo).set_index(["graph", "f_sys"])
    assert set(table.index) == {("neighbours", 0.0), ("neighbours", 0.6), ("random stars", 0.6)}
    assert table.loc[("random stars", 0.6), "stmae_gain_percent"] == pytest.approx(0)


def test_published_tables_have_each_key_once():
    table = published("stmae_table1")
    keys = ["backbone", "training", "dataset", "step"]
    assert not table.duplicated(keys).any() and set(table["step"]) == {"3", "6", "12", "mean"}
    assert not published("stmae_ablation").duplicated(["variant", "dataset"]).any()


def test_names_of_variants_are_those_that_are_trained():
    trained = set(dual_networks.VARIANTS)
    assert set(dual_tables.PAPER_VARIANTS) - {dual_tables.BACKBONE_ALONE} <= trained


# ---------------------------------------------------------------- criteria


def test_criteria_are_judged_by_their_intervals(demo):
    table = dual_criteria.criterion_table(demo).set_index("criterion")
    verdict = table["verdict"]
    assert verdict["AGCRN: STMAE below scratch of as many epochs"] == "met"
    assert table.loc["Backbones of three for which STMAE gains", "value"] == 2  # MTGNN gains nothing
    assert verdict["Backbones of three for which STMAE gains"] == "met"
    assert verdict["Null, random stars: STMAE does not gain"] == "met"
    assert verdict["Hidden patches (per_node) below ridge, own"] == "met"
    assert table.loc["Hidden patches (shared) below linear interpolation", "value"] == pytest.approx(
        100 * (1 - 0.6 / 0.7)
    )
    assert verdict["The same minus common neighbours"] == "met"
    assert verdict["Worse single mask below the backbone"] == "met"
    assert verdict["Dips in a star survive removal"] == "met"
    assert verdict["AGCRN: loss of the pre-training falls"] == "met"
    assert (table["n_seeds"] == 2).all()


def test_what_was_not_run_is_not_measured_and_says_why(monkeypatch, tmp_path):
    monkeypatch.setenv("ASTROLIB_BUILD", str(tmp_path))
    made_up.fabricate("demo", without=("uniform masks",))
    table = dual_criteria.criterion_table("demo").set_index("criterion")
    row = table.loc["Full below uniform masks"]
    assert row["verdict"] == "not measured" and "not run: AGCRN, STMAE, uniform masks" in row["reason"]
    assert row["n_seeds"] == 0


@pytest.mark.parametrize(
    ("sign", "value", "low", "high", "verdict"),
    [
        ("gain", 2.0, 0.5, 3.0, "met"),
        ("gain", 2.0, -0.5, 3.0, "undecided"),
        ("gain", 0.5, 0.2, 0.8, "not met"),
        ("gain", 0.5, 0.2, 1.8, "undecided"),
        (">=", 2.0, 1.0, 3.0, "met"),
        (">=", 0.5, 0.0, 0.9, "not met"),
        (">=", 2.0, 0.9, 3.0, "undecided"),
        ("<", 0.0, -1.0, 0.9, "met"),
        ("<", 2.0, 1.0, 3.0, "not met"),
        ("", 2.0, 1.0, 3.0, "reported"),
    ],
)
def test_verdicts(sign, value, low, high, verdict):
    criterion = Criterion("T1", "full", "words", "%", sign, 1.0, lambda _: None)
    assert criterion.judge(Found(value, low, high, 2)) == verdict


def test_arms_need_a_seed_in_common(demo):
    known = Evidence(demo)
    one, other = known.arm("AGCRN"), known.arm("AGCRN", LONG)
    with pytest.raises(NotMeasured, match="no seed in common"):
        known.gain(one[one["seed"] == 42], other[other["seed"] == 43])
    with pytest.raises(NotMeasured, match="not run: AGCRN, STMAE, per_sample"):
        known.arm("AGCRN", variant="per_sample")


def test_errors_of_one_seed_weigh_steps_by_what_was_observed():
    arm = pd.DataFrame({"seed": [1, 1], "start": [0, 1], "abs_1": [1.0, 1.0], "n_1": [1, 1],
                        "abs_2": [6.0, 0.0], "n_2": [2, 0]})  # fmt: skip
    assert dual_evidence.by_seed(arm).tolist() == [2.0]
    assert dual_evidence.by_seed(arm, step=2).tolist() == [3.0]
