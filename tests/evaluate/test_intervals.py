import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, r2_score

from astrolib.evaluate.intervals import (
    balanced_accuracy,
    balanced_difference,
    balanced_draws,
    error_ratio,
    interval,
    r2_difference,
)


def _guess(labels, right, rng):
    """Predictions that are right with a probability, else one of the two other classes."""
    wrong = (labels + rng.integers(1, 3, size=len(labels))) % 3
    return np.where(rng.random(len(labels)) < right, labels, wrong)


@pytest.fixture
def labels():
    return np.repeat([0, 1, 2], [300, 200, 40])


def test_balanced_accuracy_is_scikit_learns(labels):
    guess = _guess(labels, 0.7, np.random.default_rng(0))
    assert balanced_accuracy(labels, guess) == pytest.approx(100 * balanced_accuracy_score(labels, guess))
    assert balanced_accuracy([1, 1], [1, 5]) == 50, "a class that only the predictions have is no class"
    with pytest.raises(ValueError, match="not one of 2 classes"):
        balanced_accuracy([0, -1], [0, 1])


def test_scatter_of_the_draws_is_that_of_independent_binomials(labels):
    guess = _guess(labels, 0.7, np.random.default_rng(2))
    (draws,) = balanced_draws([[guess]], labels, n_resamples=4000)
    shares = np.array([(guess[labels == k] == k).mean() for k in range(3)])
    variance = (shares * (1 - shares) / np.bincount(labels)).sum() / 9
    assert draws.mean() == pytest.approx(balanced_accuracy(labels, guess), abs=0.2)
    assert draws.std() == pytest.approx(100 * np.sqrt(variance), rel=0.05)


def test_draws_agree_with_a_plain_loop_over_objects(labels):
    rng = np.random.default_rng(3)
    first = [_guess(labels, 0.75, rng) for _ in range(3)]
    second = [np.where(rng.random(len(labels)) < 0.8, each, _guess(labels, 0.6, rng)) for each in first]
    expected = []
    for _ in range(1500):
        rows = [rng.choice(np.flatnonzero(labels == k), (labels == k).sum()) for k in range(3)]
        rows = np.concatenate(rows)
        seeds, recall = rng.integers(3, size=3), []
        for arm in (first, second):
            right = np.array([(arm[seed] == labels)[rows] for seed in seeds])
            recall.append(np.mean([right[:, labels[rows] == k].mean() for k in range(3)]))
        expected.append(100 * (recall[0] - recall[1]))
    found = np.subtract(*balanced_draws([first, second], labels, n_resamples=4000))
    assert found.mean() == pytest.approx(np.mean(expected), abs=0.2)
    assert found.std() == pytest.approx(np.std(expected), rel=0.07)
    difference = balanced_difference(first, second, labels)
    means = [np.mean([balanced_accuracy(labels, each) for each in arm]) for arm in (first, second)]
    assert difference["difference"] == pytest.approx(means[0] - means[1])
    limits = np.quantile(expected, [0.025, 0.975])
    assert (difference["low"], difference["high"]) == pytest.approx(tuple(limits), abs=0.6)


def test_pairing_makes_the_interval_of_similar_arms_small(labels):
    rng = np.random.default_rng(4)
    first = _guess(labels, 0.7, rng)
    alike = np.where(rng.random(len(labels)) < 0.03, labels, first)  # a few more are right
    other = _guess(labels, 0.7, rng)
    paired, apart = (balanced_difference([each], [first], labels) for each in (alike, other))
    assert paired["high"] - paired["low"] < 0.4 * (apart["high"] - apart["low"])
    assert paired["low"] >= 0


def test_objects_are_drawn_alike_for_seeds_that_share_them(labels):
    guess = _guess(labels, 0.7, np.random.default_rng(5))
    single, shared, listed = (
        balanced_draws([[guess] * n], each, n_resamples=3000).std()
        for n, each in ((1, labels), (3, labels), (3, [labels] * 3))
    )
    assert shared == pytest.approx(single, rel=0.06), "three equal seeds know no more than one"
    assert listed == shared
    own = [np.roll(labels, shift) for shift in (0, 1, 2)]  # each seed has test objects of its own
    apart = balanced_draws([[np.roll(guess, shift) for shift in (0, 1, 2)]], own, n_resamples=3000).std()
    # Seeds drawn with replacement: 5/9 of the variance, (3 x 1 + 6 x 1/3) / 9 of pairs that are the same.
    assert apart == pytest.approx(single * np.sqrt(5 / 9), rel=0.06)


def test_seeds_that_contradict_each_other_widen_the_interval(labels):
    perfect, bad = labels, (labels + 1) % 3
    found = balanced_difference([perfect, perfect, bad], [bad, perfect, bad], labels)
    assert found == {"difference": pytest.approx(100 / 3), "low": 0.0, "high": 100.0}


def test_the_interval_covers_the_truth_about_as_often_as_it_says(labels):
    rng = np.random.default_rng(6)
    covered = 0
    for trial in range(150):
        arms = [[_guess(labels, right, rng)] for right in (0.75, 0.65)]
        found = balanced_difference(*arms, labels, n_resamples=300, level=0.9, seed=trial)
        covered += found["low"] <= 10 <= found["high"]
    assert stats.binomtest(covered, 150, 0.9).pvalue > 0.01


def test_ratio_of_errors(labels):
    rng = np.random.default_rng(7)
    first, second = [_guess(labels, 0.9, rng)], [_guess(labels, 0.6, rng)]
    found = error_ratio(first, second, labels)
    expected = (100 - balanced_accuracy(labels, first[0])) / (100 - balanced_accuracy(labels, second[0]))
    assert found["ratio"] == pytest.approx(expected)
    assert found["low"] < expected < found["high"] < 0.5
    assert error_ratio(first, [labels], labels) == {"ratio": np.inf, "low": np.inf, "high": np.inf}
    assert error_ratio([labels], first, labels) == {"ratio": 0.0, "low": 0.0, "high": 0.0}


def test_interval_copes_with_infinite_draws():
    assert interval([np.inf, 1.0, 2.0, np.inf], level=0.5) == {"low": 1.0, "high": np.inf}
    draws = np.random.default_rng(8).normal(size=5001)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert interval(draws) == {"low": pytest.approx(low, abs=0.01), "high": pytest.approx(high, abs=0.01)}


def test_r2_difference_is_scikit_learns_over_objects_and_seeds():
    rng = np.random.default_rng(9)
    truth = 5 + rng.normal(size=400)
    first = [truth + 0.3 * rng.normal(size=400) for _ in range(2)]
    second = [each + 0.5 * rng.normal(size=400) for each in first]
    found = r2_difference(first, second, truth, n_resamples=2000)
    scores = [[r2_score(truth, each) for each in arm] for arm in (first, second)]
    assert found["difference"] == pytest.approx(np.mean(scores[0]) - np.mean(scores[1]))
    draws = []
    for _ in range(1000):
        rows, seeds = rng.integers(400, size=400), rng.integers(2, size=2)
        a, b = (np.mean([r2_score(truth[rows], arm[s][rows]) for s in seeds]) for arm in (first, second))
        draws.append(a - b)
    low, high = np.quantile(draws, [0.025, 0.975])
    assert (found["low"], found["high"]) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_r2_of_a_draw_is_about_the_mean_of_the_draw():
    """With three objects all draws can be listed; their means are far from the mean of all."""
    truth = np.array([0.0, 1.0, 2.0])
    found = r2_difference([truth], [np.full(3, 1.0)], truth, n_resamples=500)
    rows = np.array(np.meshgrid(*[range(3)] * 3)).reshape(3, -1).T  # all 27 draws
    rows = rows[np.ptp(rows, axis=1) > 0]
    highest = max(1 - r2_score(truth[each], np.full(3, 1.0)) for each in rows)
    assert found["high"] == pytest.approx(highest)


def test_r2_leaves_out_objects_without_a_truth():
    rng = np.random.default_rng(10)
    truth = rng.normal(size=100)
    first, second = truth + 0.1 * rng.normal(size=100), np.zeros(100)
    known = np.arange(100) < 60
    expected = r2_difference([first[known]], [second[known]], truth[known])
    assert r2_difference([first], [second], np.where(known, truth, np.nan)) == expected
    both = r2_difference([first, first], [second, second], [np.where(known, truth, np.nan)] * 2)
    assert both["difference"] == pytest.approx(expected["difference"])
    with pytest.raises(ValueError, match="two different truths"):
        r2_difference([first], [second], np.where(np.arange(100) < 1, truth, np.nan))
    with pytest.raises(ValueError, match="prediction is not finite"):
        r2_difference([np.full(100, np.nan)], [second], truth)


def test_what_does_not_belong_together_is_refused(labels):
    with pytest.raises(ValueError, match="need the same seeds"):
        balanced_difference([labels], [labels, labels], labels)
    with pytest.raises(ValueError, match="need the same seeds"):
        balanced_difference([], [], labels)
    with pytest.raises(ValueError, match="same objects, in the same order"):
        error_ratio([labels[:-1]], [labels], labels)
    with pytest.raises(ValueError, match="Labels of 2 seeds do not belong to predictions of 1 seeds"):
        balanced_draws([[labels]], [labels, labels])
