import warnings

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import balanced_accuracy_score, confusion_matrix
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid

from astrolib.evaluate.classify import (
    centre_classifier,
    confusion,
    mean_std,
    nearest_neighbour_classifier,
    paired_t,
    per_class_accuracy,
    scores,
    wilson,
)
from astrolib.evaluate.similarity import normalise

CORRECT = {42: (2084, 2225), 0: (2068, 2240), 66: (2114, 2234), 12: (2087, 2231), 123: (2091, 2240)}
"""AstroM3, all modalities, 100 %, CLIP: recognised test stars of each seed (card, section 9.1)."""


@pytest.fixture
def guesses():
    rng = np.random.default_rng(0)
    labels = rng.choice(4, 500, p=[0.6, 0.25, 0.1, 0.05])
    return labels, np.where(rng.random(500) < 0.7, labels, rng.integers(4, size=500))


@pytest.fixture
def embedded():
    rng = np.random.default_rng(1)
    labels = rng.integers(3, size=400)
    centres = normalise(rng.standard_normal((3, 10)))
    return normalise(centres[labels] + 0.35 * rng.standard_normal((400, 10))), labels


def test_the_papers_five_seeds_give_the_papers_row():
    per_seed = [100 * right / total for right, total in CORRECT.values()]
    found = mean_std(per_seed)
    assert f"{found['mean']:.3f} ± {found['std']:.3f}" == "93.501 ± 0.737"
    assert f"{found['sample_std']:.3f}" == "0.824" and found["n_seeds"] == 5


def test_a_single_seed_has_no_scatter():
    found = mean_std([93.0])
    assert found["mean"] == 93 and np.isnan(found["std"]) and np.isnan(found["sample_std"])


def test_confusion_and_accuracies_are_those_of_scikit_learn(guesses):
    labels, predictions = guesses
    counts = confusion(labels, predictions, 4)
    np.testing.assert_array_equal(counts, confusion_matrix(labels, predictions))
    found = scores(pd.Series(labels), pd.Series(predictions), 4)
    assert found["accuracy"] == pytest.approx(100 * (labels == predictions).mean())
    assert found["balanced_accuracy"] == pytest.approx(100 * balanced_accuracy_score(labels, predictions))


def test_confusion_of_the_paper_gives_its_accuracies():
    """Main confusion of card 9.6 folded to three classes: EA, EB and all others."""
    labels = np.repeat([0, 1, 2], [160, 160, 791])
    predictions = np.repeat([0, 1, 2, 0, 1, 2, 0, 1, 2], [137, 16, 7, 21, 123, 16, 1, 17, 773])
    np.testing.assert_array_equal(confusion(labels, predictions, 3)[:2], [[137, 16, 7], [21, 123, 16]])
    np.testing.assert_allclose(per_class_accuracy(labels, predictions, 3)[:2], [85.62, 76.88], atol=0.006)


def test_a_class_without_test_stars_has_no_accuracy_and_no_weight():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        each = per_class_accuracy([0, 0, 2, 2], [0, 1, 2, 2], 4)
        found = scores([0, 0, 2, 2], [0, 1, 2, 2], 4)
    np.testing.assert_array_equal(each, [50, np.nan, 100, np.nan])
    assert found == {"accuracy": 75.0, "balanced_accuracy": 75.0}


def test_wilson_is_the_root_of_its_equation():
    """The ends are the shares p whose normal test just does not refuse the observation."""
    z = stats.norm.ppf(0.975)
    for correct, total in ((7, 10), (95, 100), (2084, 2225)):
        for end in wilson(correct, total):
            p = end / 100
            assert abs(correct / total - p) == pytest.approx(z * np.sqrt(p * (1 - p) / total))
    assert wilson(0, 20)[0] == pytest.approx(0, abs=1e-9) and wilson(20, 20)[1] == pytest.approx(100)


def test_wilson_covers_as_often_as_it_says():
    drawn = np.random.default_rng(2).binomial(200, 0.9, size=400)
    held = [low <= 90 <= high for low, high in (wilson(k, 200) for k in drawn)]
    assert np.mean(held) == pytest.approx(0.95, abs=0.035)


def test_paired_t_is_scipys_and_follows_its_definition():
    a, b = np.array([91.3, 90.2, 92.8, 91.1, 91.7]), np.array([84.4, 88.3, 82.5, 85.1, 82.2])
    found, d = paired_t(a, b), a - b
    assert found["p_value"] == pytest.approx(stats.ttest_rel(a, b).pvalue)
    t = d.mean() / (d.std(ddof=1) / np.sqrt(5))
    assert found["p_value"] == pytest.approx(2 * stats.t.sf(abs(t), df=4))
    half = stats.t.ppf(0.975, 4) * d.std(ddof=1) / np.sqrt(5)
    assert (found["low"], found["high"]) == pytest.approx((d.mean() - half, d.mean() + half))
    assert found["difference"] == pytest.approx(d.mean())
    assert paired_t(b, a)["p_value"] == pytest.approx(found["p_value"])


@pytest.mark.parametrize(
    "a, b", [([91.0], [90.0]), ([80.1, 91.4, 1.7], [80.0, 91.3, 1.6]), ([5.0, 5.0], [5.0, 5.0])]
)
def test_no_scatter_no_p_value_and_no_warning(a, b):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = paired_t(a, b)
    assert np.isnan([found["p_value"], found["low"], found["high"]]).all()
    assert found["difference"] == pytest.approx(np.mean(a) - np.mean(b))


def test_nearest_neighbour_of_unit_vectors_is_scikit_learns(embedded):
    x, labels = embedded
    oracle = KNeighborsClassifier(1, metric="cosine").fit(x[:300], labels[:300])
    found = nearest_neighbour_classifier(x[:300], labels[:300], x[300:])
    np.testing.assert_array_equal(found, oracle.predict(x[300:]))


def test_lengths_of_training_stars_count_for_neighbours_only():
    train, labels = np.array([[1.0, 0.0], [1.5, 1.5]]), np.array([0, 1])
    assert nearest_neighbour_classifier(train, labels, [[1.0, 0.3]]).tolist() == [1]  # 1.0 < 1.95
    assert centre_classifier(train, labels, [[1.0, 0.3]]).tolist() == [0]


def test_centre_classifier_is_the_nearest_centroid_of_unit_vectors(embedded):
    x, labels = embedded
    oracle = NearestCentroid().fit(x[:300], labels[:300])
    oracle.centroids_ = normalise(oracle.centroids_)
    found = centre_classifier(x[:300], labels[:300], 3 * x[300:])
    np.testing.assert_array_equal(found, oracle.predict(x[300:]))
    assert (found == labels[300:]).mean() > 0.8


@pytest.mark.parametrize("classifier", [centre_classifier, nearest_neighbour_classifier])
def test_missing_stars_and_classes(embedded, classifier):
    x, labels = embedded
    expected = classifier(x[:300], labels[:300], x[300:])
    train, taught = np.concatenate([x[:300], [[np.nan] * 10], x[:1]]), np.append(labels[:300], [1, -1])
    asked = np.concatenate([x[300:], [[np.nan] * 10]])
    np.testing.assert_array_equal(classifier(train, taught, asked), np.append(expected, -1))
    assert set(classifier(x[labels != 1], labels[labels != 1], x)) == {
        0,
        2,
    }  # never a class it was not taught
    with pytest.raises(ValueError, match="No training star"):
        classifier(train[-2:], taught[-2:], asked)
    with pytest.raises(ValueError, match="302 training stars need as many labels"):
        classifier(train, labels[:5], asked)


@pytest.mark.parametrize(
    "labels, predictions, words",
    [
        ([], [], "needs stars"),
        ([0, 1], [0], "label and a prediction each"),
        ([0, -1], [0, 1], "label of star 1 is -1"),
        ([0, 1, 1], [0, 1, 2], "prediction of star 2 is 2"),
    ],
)
def test_what_cannot_be_scored_is_refused(labels, predictions, words):
    with pytest.raises(ValueError, match=words):
        scores(np.array(labels, int), np.array(predictions, int), 2)


def test_lost_seeds_are_refused():
    with pytest.raises(ValueError, match="finite number"):
        mean_std([93.0, np.nan])
    with pytest.raises(ValueError, match="pairs of the same seeds"):
        paired_t([1.0, 2.0], [1.0])
