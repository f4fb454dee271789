import numpy as np
import pytest

from astrolib.evaluate.claims import judge, judge_paired


def _errors(mean, seeds, n, scatter=0.0, rng=None):
    rng = rng or np.random.default_rng(0)
    return mean + scatter * rng.standard_normal((seeds, 1)) + 0.1 * rng.standard_normal((seeds, n))


def test_clear_differences_are_decided_either_way():
    rng = np.random.default_rng(1)
    better, worse = _errors(0.5, 3, 2000, rng=rng), _errors(0.6, 3, 2000, rng=rng)
    assert judge(better, worse)["verdict"] == "agrees"
    assert judge(worse, better)["verdict"] == "disagrees"


def test_interval_matches_the_normal_theory_of_the_mean():
    rng = np.random.default_rng(2)
    a, b = rng.normal(1.0, 0.3, (1, 4000)), rng.normal(1.0, 0.4, (1, 4000))
    result = judge(a, b, n_resamples=4000)
    expected = 1.96 * np.hypot(0.3, 0.4) / np.sqrt(4000)
    assert (result["high"] - result["low"]) / 2 == pytest.approx(expected, rel=0.08)
    assert result["difference"] == pytest.approx(a.mean() - b.mean())


def test_scatter_between_seeds_widens_the_interval():
    rng = np.random.default_rng(3)
    steady = judge(_errors(0.5, 4, 500, rng=rng), _errors(0.5, 4, 500, rng=rng))
    erratic = judge(_errors(0.5, 4, 500, 0.1, rng), _errors(0.5, 4, 500, 0.1, rng))
    assert erratic["high"] - erratic["low"] > 3 * (steady["high"] - steady["low"])


def test_the_false_alarm_rate_is_about_five_per_cent():
    rng = np.random.default_rng(4)
    verdicts = [
        judge(rng.normal(size=(1, 300)), rng.normal(size=(1, 300)), n_resamples=300)["verdict"]
        for _ in range(200)
    ]
    assert 0.01 <= np.mean([verdict != "undecided" for verdict in verdicts]) <= 0.11


def test_different_objects_are_refused():
    with pytest.raises(ValueError, match="same objects"):
        judge(np.zeros((2, 5)), np.zeros((2, 6)))


def test_paired_interval_is_that_of_the_binomial_for_one_seed():
    gains = np.repeat([1.0, 0.0, -1.0], [60, 320, 20])
    found = judge_paired([gains], n_resamples=4000)
    error = gains.std() / np.sqrt(len(gains))
    assert found["difference"] == pytest.approx(0.1)
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * error, rel=0.08)
    assert found["verdict"] == "agrees"
    assert judge_paired([-gains])["verdict"] == "disagrees"


def test_seeds_that_contradict_each_other_leave_it_undecided():
    assert judge_paired([np.full(50, 1.0), np.full(50, -0.8), np.full(50, 0.1)])["verdict"] == "undecided"


def test_paired_gains_need_objects():
    with pytest.raises(ValueError, match="a row of objects for each seed"):
        judge_paired([np.ones(3), np.ones(0)])
