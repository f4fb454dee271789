import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import adjusted_rand_score

from astrolib.evaluate.similarity import normalise
from astrolib.evaluate.subclasses import adjusted_rand, separating_columns, two_groups


def _class_with_a_hidden_group(n, minority, gap=0.5, seed=0, width=128):
    """Unit vectors along a broad sequence, as of periods, and a group set off at right angles to it."""
    rng = np.random.default_rng(seed)
    truth = (np.arange(n) < minority * n).astype(int)
    basis = np.linalg.qr(rng.standard_normal((width, 8)))[0].T
    inner = rng.standard_normal((n, 6)) * 0.25 * 0.6 ** np.arange(6)
    inner[:, 0] = rng.uniform(-0.5, 0.5, n)
    x = (
        basis[7]
        + inner @ basis[:6]
        + gap * truth[:, None] * basis[6]
        + 0.02 * rng.standard_normal((n, width))
    )
    return normalise(x), truth


@pytest.mark.parametrize("n, minority", [(216, 16 / 216), (200, 0.3), (60, 0.5)])
def test_planted_groups_are_recovered(n, minority):
    indices = [
        adjusted_rand_score(truth, two_groups(x))
        for x, truth in (_class_with_a_hidden_group(n, minority, seed=seed) for seed in range(4))
    ]
    assert np.median(indices) > 0.8


def test_the_split_is_not_just_the_largest_scatter():
    x, truth = _class_with_a_hidden_group(216, 0.3, gap=0.35)
    first = np.linalg.svd(x - x.mean(axis=0), full_matrices=False)[0][:, 0]
    clusters = two_groups(x)
    assert adjusted_rand_score(truth, clusters) > 0.8 > 0.2 > adjusted_rand_score(first > 0, clusters)


def test_groups_are_named_by_size_and_repeat():
    x, truth = _class_with_a_hidden_group(120, 0.25)
    clusters = two_groups(x, seed=3)
    assert (clusters == 0).sum() >= (clusters == 1).sum()
    np.testing.assert_array_equal(clusters, two_groups(x, seed=3))
    assert (clusters == truth).mean() > 0.95


def test_missing_stars_belong_to_no_group():
    x, truth = _class_with_a_hidden_group(120, 0.25)
    gaps = np.insert(x.astype(np.float32), [0, 60], np.nan, axis=0)
    clusters = two_groups(gaps)
    assert clusters[[0, 61]].tolist() == [-1, -1]
    np.testing.assert_array_equal(np.delete(clusters, [0, 61]), two_groups(x.astype(np.float32)))


def test_few_stars_and_narrow_tables():
    rng = np.random.default_rng(1)
    assert set(two_groups(rng.standard_normal((10, 300)))) <= {0, 1}
    table = np.concatenate([rng.normal(0, 1, (40, 1)), rng.normal(9, 1, (20, 1))])
    assert two_groups(table).tolist() == [0] * 40 + [1] * 20


def test_what_cannot_be_split_is_refused():
    with pytest.raises(ValueError, match="class of 9 stars"):
        two_groups(np.random.default_rng(0).standard_normal((9, 4)))
    with pytest.raises(ValueError, match="same embedding"):
        two_groups(np.ones((50, 4)))


def test_adjusted_rand_takes_names_and_leaves_unclustered_stars_out():
    truth = np.array(["carbon"] * 10 + ["oxygen"] * 30)
    clusters = np.r_[np.ones(9, int), 0, np.zeros(28, int), 1, -1]
    found = adjusted_rand(truth, clusters)
    assert found["ari"] == pytest.approx(adjusted_rand_score(truth[:-1], clusters[:-1]))
    assert found["n"] == 39 and found["low"] < found["ari"] <= found["high"]


def test_interval_of_the_index_is_that_of_its_sampling():
    rng = np.random.default_rng(2)
    truth = rng.integers(2, size=(200, 150))
    clusters = np.where(rng.random(truth.shape) < 0.9, truth, 1 - truth)
    drawn = [adjusted_rand_score(a, b) for a, b in zip(truth, clusters, strict=True)]
    found = adjusted_rand(truth[0], clusters[0])
    assert found["high"] - found["low"] == pytest.approx(2 * 1.96 * np.std(drawn), rel=0.35)


def test_clusters_that_know_nothing_score_zero():
    rng = np.random.default_rng(3)
    found = adjusted_rand(rng.integers(2, size=300), rng.integers(2, size=300))
    assert abs(found["ari"]) < 0.03 and found["low"] < 0.02


def test_an_index_needs_two_true_groups():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for truth, clusters in (["a"] * 5, [0, 0, 1, 1, 1]), ([], []), (["a", "b"], [-1, -1]):
            found = adjusted_rand(np.array(truth, str), np.array(clusters, int))
            assert np.isnan([found["ari"], found["low"], found["high"]]).all()
    with pytest.raises(ValueError, match="same stars"):
        adjusted_rand(["a"], [0, 1])


def test_separating_columns_come_first():
    rng = np.random.default_rng(4)
    clusters = np.repeat([0, 1, -1], [80, 40, 10])
    values = rng.standard_normal((130, 4))
    values[clusters == 1, 2] += 3
    values[clusters == 1, 0] -= 1
    values[clusters == -1] = 1e6  # belongs to no group: must not matter
    values[::7, 2] = np.nan
    table = separating_columns(values, clusters, ["w1_w2", "period", "j_k", "pm"])
    assert table["column"].tolist()[:2] == ["j_k", "w1_w2"]
    assert table["effect"][0] > 0.9 and table["effect"][1] < -0.4
    zero, one = (values[(clusters == k) & np.isfinite(values[:, 2]), 2] for k in (0, 1))
    assert table["effect"][0] == pytest.approx((one[:, None] > zero).mean() - (one[:, None] < zero).mean())
    assert table["p_value"][0] == pytest.approx(stats.mannwhitneyu(zero, one).pvalue)
    assert table["median_0"][0] == np.median(zero) and table["median_1"][0] == np.median(one)
    pd.testing.assert_series_equal(
        table["p_bonferroni"], np.minimum(4 * table["p_value"], 1), check_names=False
    )


def test_columns_that_say_nothing():
    values = np.c_[np.ones(20), np.r_[np.arange(10.0), np.full(10, np.nan)], np.arange(20.0)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = separating_columns(values, np.repeat([0, 1], 10), ["same", "lost", "good"])
    assert table["column"].tolist() == ["good", "same", "lost"]
    assert table["effect"].tolist()[:2] == [1, 0] and np.isnan(table["p_bonferroni"][2])
    assert table["p_bonferroni"][1] == 1


def test_faults_are_named():
    with pytest.raises(ValueError, match="do not belong together"):
        separating_columns(np.ones((4, 2)), [0, 1, 0, 1], ["a"])
    for clusters in ([0, 0, 0, 0], [0, 1, 2, 1]):
        with pytest.raises(ValueError, match="two groups"):
            separating_columns(np.ones((4, 2)), clusters, ["a", "b"])
