"""Comparisons of arms from predictions on disk: by hand, against oracles, and what is absent."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import balanced_accuracy_score, r2_score

from astrolib.report import results
from astrolib.report.barlow_evidence import Evidence, NotMeasured
from astrolib.report.barlow_scores import BARLOW, COLOURS, LITTLE_REDDENING, SIMCLR, SUPERVISED, UNTRAINED

SPEC = importlib.util.spec_from_file_location("barlow_results", Path(__file__).with_name("barlow_results.py"))
made_up = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(made_up)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with made-up results of one profile, for all tests that only read them."""
    folder = tmp_path_factory.mktemp("barlow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTROLIB_BUILD", str(folder))
        made_up.fabricate("demo", n=240)
    return folder


@pytest.fixture
def evidence(kept, monkeypatch):
    monkeypatch.setenv("ASTROLIB_BUILD", str(kept))
    return Evidence("demo")


def arm(wrong: dict[int, int], n=40, seeds=(1, 2)) -> pd.DataFrame:
    """Two classes of n / 2 images; of each class, so many are taken for the other."""
    label = np.repeat([0, 1], n // 2)
    prediction = label.copy()
    for k, number in wrong.items():
        prediction[np.flatnonzero(label == k)[:number]] = 1 - k
    table = pd.DataFrame({"id": [f"g{k}" for k in range(n)], "label": label, "prediction": prediction})
    return pd.concat([table.assign(seed=seed) for seed in seeds], ignore_index=True)


def balanced(table: pd.DataFrame) -> float:
    runs = [run for _, run in table.groupby("seed")]
    return 100 * np.mean([balanced_accuracy_score(run["label"], run["prediction"]) for run in runs])


def test_difference_and_ratio_of_errors_by_hand(evidence):
    good, bad = arm({0: 2}), arm({0: 4, 1: 4})  # errors of 5 % and 20 %
    found = evidence.difference(good, bad)
    assert found.value == pytest.approx(15) and found.low < 15 < found.high and found.n_seeds == 2
    assert evidence.error_ratio(good, bad).value == pytest.approx(0.25)
    nothing = evidence.difference(bad, bad)
    assert (nothing.value, nothing.low, nothing.high) == (0, 0, 0)


def test_contrast_is_a_difference_of_differences(evidence):
    a, b, c, d = arm({}), arm({0: 4}), arm({1: 2}), arm({1: 3})
    found = evidence.contrast(a, b, c, d)
    assert found.value == pytest.approx(10 - 2.5) and found.low < found.value < found.high
    assert evidence.contrast(a, b, a, b)[:3] == (0, 0, 0)  # the same draws for all arms


def test_spread_and_largest_rise_name_their_arms(evidence):
    arms = [("all", arm({0: 1})), ("less", arm({0: 6})), ("least", arm({0: 5}))]
    spread = evidence.spread(arms)
    assert spread.value == pytest.approx(12.5) and spread.remark == "best all, worst less"
    rise = evidence.largest_rise(arms)
    assert rise.value == pytest.approx(2.5) and rise.remark == "at 'least'"
    falling = evidence.largest_rise(arms[:2])
    assert falling.value == pytest.approx(-12.5) and falling.high < 0


def test_rank_correlation_agrees_with_scipy(evidence):
    x, wrong = [16, 64, 256, 1024], [9, 3, 5, 1]
    found = evidence.rank_correlation(x, [arm({0: number}) for number in wrong])
    assert found.value == pytest.approx(spearmanr(x, [-number for number in wrong]).statistic)
    assert -1 <= found.low <= found.value <= found.high <= 1
    assert evidence.rank_correlation(x, [arm({0: 2})] * 4)[:3] == (0, 0, 0)


def test_only_what_all_arms_have_is_compared(evidence):
    first, second = arm({0: 3}, seeds=(1, 2, 3)), arm({}, seeds=(2, 3))
    second = second[second["id"] != "g0"]  # one of the three that the first gets wrong
    found = evidence.difference(first, second)
    assert found.n_seeds == 2 and found.value == pytest.approx(-100 * (2 / 19) / 2)
    shuffled = second.sample(frac=1, random_state=0)
    assert evidence.difference(first, shuffled) == found
    with pytest.raises(NotMeasured, match="in common"):
        evidence.difference(first, arm({}, seeds=(9,)))


def test_arms_of_the_tables(evidence):
    table = evidence.arm(BARLOW, 0.1, "fine-tuned")
    rows = results.load("demo", "barlow_predictions").query(
        "method == 'Barlow Twins' and encoder == 'resnet' and protocol == 'fine-tuned' and fraction == 0.1"
    )
    assert len(table) == len(rows) == 720
    found = evidence.difference(table, evidence.arm(SUPERVISED, 0.1, "fine-tuned"))
    other = results.load("demo", "barlow_predictions").query(
        "method == 'supervised' and encoder == 'resnet' and fraction == 0.1"
    )
    assert found.value == pytest.approx(balanced(rows) - balanced(other))
    with pytest.raises(NotMeasured, match="not run: BYOL, linear, 100% of the labels"):
        evidence.arm("BYOL")


def test_points_are_found_by_name_and_by_number(evidence):
    assert set(evidence.point("table5", "invariance", fraction=0.1)["fraction"]) == {0.1}
    assert set(evidence.point("fig5", 0.005)["variant"]) == {"0.0051"}  # the code's lambda is the paper's
    assert set(evidence.point("fig2", 64.0, SIMCLR)["arm"]) == {SIMCLR}
    with pytest.raises(NotMeasured, match="fig2, 512, SimCLR"):
        evidence.point("fig2", 512.0, SIMCLR)
    assert [name for name, _ in evidence.rungs()] == list(made_up.RUNGS)


def test_measures_span_their_seeds(evidence):
    runs = results.load("demo", "barlow_ablation_runs")
    values = runs.query("part == 'table5' and variant == 'redundancy'")["rank_z"]
    assert evidence.measure("redundancy", "rank_z")[:4] == (values.mean(), values.min(), values.max(), 3)
    both = runs.query("part == 'table5' and variant == 'both'").set_index("seed")["rank_z"]
    ratio = runs.query("part == 'table5' and variant == 'invariance'").set_index("seed")["rank_z"] / both
    assert evidence.measure("invariance", "rank_z", over="both").value == pytest.approx(ratio.mean())


def test_regression_gain_is_that_of_r2(evidence):
    table = results.load("demo", "barlow_transfer").query("target == 'redshift'").dropna(subset="truth")
    means = {
        method: np.mean([r2_score(run["truth"], run["prediction"]) for _, run in rows.groupby("seed")])
        for method, rows in table[table["encoder"] != "vit"].groupby("method")
    }
    found = evidence.regression_gain(LITTLE_REDDENING, BARLOW, "redshift")
    assert found.value == pytest.approx(means[LITTLE_REDDENING] - means[BARLOW])
    best = evidence.best_regression(UNTRAINED, COLOURS)
    weaker = max(means[UNTRAINED], means[COLOURS])
    assert best.remark == "target: redshift" and best.value == pytest.approx(means[BARLOW] - weaker)


def test_a_target_that_a_control_lacks_does_not_count():
    made_up.fabricate("demo", n=60, physical=False)
    evidence = Evidence("demo")
    assert evidence.best_regression(UNTRAINED).remark.startswith("target: measured")
    with pytest.raises(NotMeasured, match="no target was predicted by Barlow Twins and by .* and colours"):
        evidence.best_regression(UNTRAINED, COLOURS)


def test_what_is_not_on_disk_is_not_measured():
    with pytest.raises(NotMeasured, match="barlow_predictions are not on disk"):
        Evidence("demo").arm(BARLOW)
