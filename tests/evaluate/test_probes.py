import warnings

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from astrolib.evaluate import probes
from astrolib.evaluate.similarity import normalise


def _classes(n, rng, shares=(0.5, 0.3, 0.2), spread=1.0):
    """Features (n, 12) of unequal scales, and classes."""
    centres = np.random.default_rng(9).normal(size=(len(shares), 12))
    y = rng.choice(len(shares), size=n, p=shares)
    x = centres[y] + spread * rng.normal(size=(n, 12))
    return x * np.logspace(-2, 2, 12) + 3, y


@pytest.fixture
def parts():
    rng = np.random.default_rng(0)
    return _classes(240, rng), _classes(150, rng), _classes(300, rng)


def test_linear_probe_is_the_best_of_scikit_learns_pipelines(parts):
    (train, train_y), (validation, validation_y), (x, y) = parts
    candidates = []
    for inverse in (1e-3, 1e-2, 1e-1, 1.0, 10.0):
        model = LogisticRegression(C=inverse, class_weight="balanced", max_iter=5000, tol=1e-6)
        model = make_pipeline(StandardScaler(), model).fit(train, train_y)
        score = balanced_accuracy_score(validation_y, model.predict(validation))
        candidates.append((score, model.predict(x)))
    expected = max(candidates, key=lambda each: each[0])[1]
    found = probes.linear_probe(train, train_y, validation, validation_y, x)
    assert (found == expected).mean() > 0.99
    assert balanced_accuracy_score(y, found) > 0.75


def test_the_penalty_follows_the_validation_rows():
    """Two validation sets that prefer the ends of the grid: a fine boundary, or only the strongest trend."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(400, 2))
    y = (x[:, 0] + 0.02 * x[:, 1] > 0.8).astype(int)
    weak = LogisticRegression(C=10, class_weight="balanced").fit(x, y).predict(x)
    strong = LogisticRegression(C=1e-3, class_weight="balanced").fit(x, y).predict(x)
    assert (weak != strong).sum() > 5
    for wanted in (weak, strong):
        found = probes.linear_probe(x, y, x, wanted, x)
        assert (found == wanted).mean() > 0.99


def test_linear_probe_does_not_neglect_a_rare_class():
    rng = np.random.default_rng(1)
    shares = (0.94, 0.06)
    train, validation, test = (_classes(n, rng, shares, 3.0) for n in (600, 400, 600))
    found = probes.linear_probe(*train, *validation, test[0])
    plain = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(*train).predict(test[0])
    recall = [(guess[test[1] == 1] == 1).mean() for guess in (found, plain)]
    assert recall[0] > recall[1] + 0.15


def test_linear_probe_learns_from_a_few_labels_without_warnings():
    rng = np.random.default_rng(2)
    train, validation, test = _classes(6, rng), _classes(100, rng), _classes(100, rng)
    train = train[0][:3], np.arange(3)  # a row for each class, more columns than rows
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = probes.linear_probe(*train, *validation, test[0])
    assert found.shape == (100,) and set(found) <= {0, 1, 2}


def test_linear_probe_ignores_the_scale_of_features_and_constant_ones(parts):
    train, validation, (x, _) = parts
    expected = probes.linear_probe(*train, *validation, x)

    def changed(x):
        return np.concatenate([1000 * x - 5, np.ones((len(x), 1))], axis=1)

    found = probes.linear_probe(
        changed(train[0]), train[1], changed(validation[0]), validation[1], changed(x)
    )
    assert (found == expected).mean() > 0.99


def test_neighbours_vote_as_in_scikit_learn(parts):
    (train, train_y), _, (x, _) = parts
    oracle = KNeighborsClassifier(
        7, metric="cosine", algorithm="brute", weights=lambda distance: np.exp(-distance / 0.07)
    )
    expected = oracle.fit(train, train_y).predict(x)
    assert (probes.knn_probe(train, train_y, x, k=7) == expected).mean() > 0.99


def test_one_close_neighbour_outvotes_two_far_ones():
    angles = np.radians([1.0, 40.0, 41.0])
    train = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert probes.knn_probe(train, [1, 0, 0], [[5.0, 0.0]], k=3) == [1]
    assert probes.knn_probe(train, [1, 0, 0], [[5.0, 0.0]], k=10) == [1], "k above the number of rows"
    near = np.stack([np.cos(angles[:2] * 0.1), np.sin(angles[:2] * 0.1)], axis=1)
    rows = np.concatenate([near, near[1:]])
    assert probes.knn_probe(rows, [1, 0, 0], [[1.0, 0.0]], k=3) == [0], "two of about the same distance win"


def test_ridge_probe_is_scikit_learns_with_the_penalty_of_the_validation_rows():
    rng = np.random.default_rng(3)
    slope = rng.normal(size=40)
    x = [rng.normal(size=(n, 40)) for n in (60, 80, 200)]
    t = [rows @ slope + 4 * rng.normal(size=len(rows)) + 30 for rows in x]
    found = probes.ridge_probe(x[0], t[0], x[1], t[1], x[2])
    models = [make_pipeline(StandardScaler(), Ridge(10.0**power)).fit(x[0], t[0]) for power in range(-1, 6)]
    best = max(models, key=lambda model: r2_score(t[1], model.predict(x[1])))
    assert best[-1].alpha not in (0.1, 1e5), "the grid should hold the best penalty inside"
    np.testing.assert_allclose(found, best.predict(x[2]))


def test_rows_without_a_target_teach_nothing():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(120, 5))
    t = x[:, 0] + 0.1 * rng.normal(size=120)
    hidden = np.where(np.arange(120) < 60, t, np.nan)
    expected = probes.ridge_probe(x[:60], t[:60], x[:60], t[:60], x)
    np.testing.assert_array_equal(probes.ridge_probe(x, hidden, x, hidden, x), expected)
    expected = probes.forest_regression(x[:60], t[:60], x, seed=0)
    np.testing.assert_array_equal(probes.forest_regression(x, hidden, x, seed=0), expected)


def test_forests_learn_what_no_line_can_and_repeat_with_their_seed():
    rng = np.random.default_rng(5)
    x = rng.uniform(-1, 1, (500, 3))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    found = probes.forest_probe(x[:350], y[:350], x[350:], seed=0)
    assert (found == y[350:]).mean() > 0.85
    np.testing.assert_array_equal(found, probes.forest_probe(x[:350], y[:350], x[350:], seed=0))
    t = np.abs(x[:, 0])
    assert r2_score(t[350:], probes.forest_regression(x[:350], t[:350], x[350:], seed=0)) > 0.8
    others = [probes.forest_regression(x[:350], t[:350], x[350:], seed=seed) for seed in (0, 1)]
    assert not np.array_equal(*others)


@pytest.mark.parametrize("name", ["linear_probe", "knn_probe", "forest_probe"])
def test_faulty_rows_are_named(name):
    x, y = normalise(np.random.default_rng(6).normal(size=(8, 2))), np.array([0, 1] * 4)
    fit = {
        "linear_probe": lambda x, y, q: probes.linear_probe(x, y, q, y, q),
        "knn_probe": probes.knn_probe,
        "forest_probe": lambda x, y, q: probes.forest_probe(x, y, q, 0),
    }[name]
    broken = x.copy()
    broken[3] = np.nan
    with pytest.raises(ValueError, match="1 of 8 rows of features are not finite, the first is row 3"):
        fit(x, y, broken)
    with pytest.raises(ValueError, match="Row 2 has class -1"):
        fit(x, np.array([0, 1, -1, 0, 1, 0, 1, 0]), x)
    with pytest.raises(ValueError, match="a class for each"):
        fit(x, y[:5], x)
    with pytest.raises(ValueError, match=r"not one of shape \(8,\)"):
        fit(x, y, x[:, 0])


def test_a_probe_needs_something_to_tell_apart():
    x = np.ones((4, 2))
    with pytest.raises(ValueError, match="two classes or more: all are 1"):
        probes.linear_probe(x, np.ones(4, int), x, np.ones(4, int), x)
    with pytest.raises(ValueError, match="None of 4 rows has a target"):
        probes.ridge_probe(x, np.full(4, np.nan), x, np.zeros(4), x)
    with pytest.raises(ValueError, match="a target for each row"):
        probes.forest_regression(x, np.zeros(3), x, 0)
