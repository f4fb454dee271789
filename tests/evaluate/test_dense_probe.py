"""Linear heads on tokens: oracles for the direction, the threshold and the counts."""

import numpy as np
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import f1_score, jaccard_score

from astrolib.evaluate.dense_probe import best_threshold, counts, dense_probe, f1, jaccard


@pytest.fixture
def cloud():
    rng = np.random.default_rng(3)
    y = rng.random(600) < 0.3
    x = rng.normal(size=(600, 5)) @ rng.normal(size=(5, 5)) + 1.5 * y[:, None] * rng.normal(size=5)
    return x, y[:, None]


def test_the_direction_is_that_of_linear_discriminants(cloud):
    x, y = cloud
    _, scores = dense_probe(x, y, x, y, x)
    oracle = LinearDiscriminantAnalysis().fit(x, y[:, 0]).decision_function(x)
    assert np.corrcoef(scores[:, 0], oracle)[0, 1] > 0.999


def test_every_column_has_its_own_answer(cloud):
    x, y = cloud
    both = np.concatenate([y, ~y], axis=1)
    _, scores = dense_probe(x, both, x, both, x)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-4)
    _, one = dense_probe(x, y, x, y, x)
    assert np.corrcoef(one[:, 0], scores[:, 0])[0, 1] > 0.999


def test_scale_of_features_does_not_matter(cloud):
    x, y = cloud
    _, scores = dense_probe(x, y, x, y, x)
    _, scaled = dense_probe(1000 * x + 7, y, 1000 * x + 7, y, 1000 * x + 7)
    np.testing.assert_allclose(scores, scaled, atol=1e-3)


def test_nothing_is_chosen_on_the_rows_that_are_scored(cloud):
    x, y = cloud
    validation, scores = dense_probe(x[:300], y[:300], x[300:400], y[300:400], x[400:])
    again, shuffled = dense_probe(x[:300], y[:300], x[300:400], y[300:400], x[400:][::-1])
    np.testing.assert_allclose(validation, again)
    np.testing.assert_allclose(scores, shuffled[::-1], atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_no_threshold_is_better(seed):
    rng = np.random.default_rng(seed)
    truth = rng.random(80) < 0.3
    scores = np.round(rng.normal(size=80) + truth, 1)  # with ties
    found = best_threshold(scores, truth)
    tried = [f1_score(truth, scores >= t) for t in np.unique(scores)]
    assert f1_score(truth, scores >= found) == pytest.approx(max(tried))
    assert found not in scores  # it lies between two


def test_scores_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    truth, found = rng.random((2, 300)) < 0.4
    numbers = counts(found, truth)
    assert f1(*numbers) == pytest.approx(f1_score(truth, found))
    assert jaccard(*numbers) == pytest.approx(jaccard_score(truth, found))
    rows = counts(found.reshape(30, 10), truth.reshape(30, 10), axis=(1,))
    assert [row.sum() for row in rows] == [int(n) for n in numbers]


def test_nothing_found_scores_nothing():
    assert f1(0, 0, 0) == 0 and jaccard(0, 0, 0) == 0 and f1(0, 3, 4) == 0


def test_nothing_to_learn_is_an_error(cloud):
    x, y = cloud
    with pytest.raises(ValueError, match="No training row has the answer yes"):
        dense_probe(x, 0 * y, x, y, x)
    with pytest.raises(ValueError, match="No validation row has the answer yes"):
        dense_probe(x, y, x, 0 * y, x)
    with pytest.raises(ValueError, match="none has the answer yes"):
        best_threshold([0.0, 1.0], [False, False])
    with pytest.raises(ValueError, match="not finite"):
        dense_probe(x * np.nan, y, x, y, x)
