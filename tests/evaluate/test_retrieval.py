import warnings

import numpy as np
import pytest

from astrolib.evaluate.retrieval import (
    detection,
    median_rank,
    partner_ranks,
    precision_at_k,
    recall_at_k,
    scores,
)
from astrolib.evaluate.similarity import nearest, normalise


@pytest.fixture
def views():
    """400 stars of four unequal classes, seen twice with noise."""
    rng = np.random.default_rng(0)
    labels = rng.choice(4, 400, p=[0.5, 0.3, 0.15, 0.05])
    stars = 1.5 * normalise(rng.standard_normal((4, 20)))[labels] + 0.3 * rng.standard_normal((400, 20))
    return (*(normalise(stars + 0.1 * rng.standard_normal((400, 20))) for _ in range(2)), labels)


def test_precision_by_hand():
    found = precision_at_k([0, 1, 1], [[0, 0, 1], [1, 0, -1], [1, 1, 1]], [0, 0, 1, 1])
    assert found["value"] == pytest.approx((2 + 1 + 3) / 9)


def test_chance_is_what_a_random_order_gives(views):
    _, _, labels = views
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((400, 8))
    rows, _ = nearest(noise, noise, 10, exclude=np.arange(400))
    found = precision_at_k(labels, labels[rows], labels, own_excluded=True)
    counts = np.bincount(labels)
    assert found["chance"] == pytest.approx(np.sum(counts * (counts - 1)) / (400 * 399))
    assert found["value"] == pytest.approx(found["chance"], abs=4 * found["error"])
    with_self = precision_at_k(labels, labels[rows], labels)
    assert with_self["chance"] == pytest.approx(np.sum((counts / 400) ** 2))


def test_errors_of_means_are_the_standard_errors(views):
    x, _, labels = views
    rows, _ = nearest(x, x, 10, exclude=np.arange(400))
    right = (labels[rows] == labels[:, None]).mean(axis=1)
    found = precision_at_k(labels, labels[rows], labels)
    assert found["error"] == pytest.approx(right.std() / 20, rel=0.1)
    recall = recall_at_k(np.arange(1.0, 401), 100)
    assert recall == {
        "value": 0.25,
        "error": pytest.approx(np.sqrt(0.25 * 0.75 / 400), rel=0.1),
        "chance": 0.25,
    }


def test_error_of_the_median_is_that_of_its_sampling():
    rng = np.random.default_rng(2)
    samples = np.round(rng.exponential(50, (300, 400))) + 1
    assert median_rank(samples[0])["error"] == pytest.approx(np.median(samples, axis=1).std(), rel=0.35)


def test_ranks_are_places_in_the_sorted_list(views):
    x, y, _ = views
    order = np.argsort(-(x @ y.T), axis=1)
    expected = 1 + np.argmax(order == np.arange(400)[:, None], axis=1)
    np.testing.assert_array_equal(partner_ranks(x, 3 * y), expected)
    assert median_rank(expected)["value"] < 20 < median_rank(expected)["chance"] == 200.5


def test_embeddings_that_know_nothing_are_at_chance():
    rng = np.random.default_rng(3)
    ranks = partner_ranks(rng.standard_normal((500, 6)), rng.standard_normal((500, 6)))
    found = median_rank(ranks)
    assert found["value"] == pytest.approx(found["chance"], abs=4 * found["error"])
    collapsed = partner_ranks(np.ones((31, 4)), np.ones((31, 4)))
    np.testing.assert_array_equal(collapsed, 16)  # all equal: no praise for the first place by accident


def test_stars_that_lack_a_view_are_neither_ranked_nor_candidates(views):
    x, y, _ = views
    x, y = x.copy(), y.copy()
    x[:50], y[40:90] = np.nan, np.nan
    ranks = partner_ranks(x, y)
    assert np.isnan(ranks[:90]).all()
    np.testing.assert_array_equal(ranks[90:], partner_ranks(x[90:], y[90:]))
    assert median_rank(ranks)["chance"] == 155.5
    with pytest.raises(ValueError, match="No star has both"):
        median_rank(ranks[:90])


def test_scores_gather_all(views):
    x, y, labels = views
    across, within = scores(x, y, labels, same=False), scores(x, x, labels, same=True)
    assert across["measure"].tolist() == ["precision@5", "precision@10", "median rank", "recall@10"]
    assert within["measure"].tolist() == ["precision@5", "precision@10"]
    rows, _ = nearest(x, x, 5, exclude=np.arange(400))
    assert within["value"][0] == pytest.approx((labels[rows] == labels[:, None]).mean())
    assert across["value"][2] == median_rank(partner_ranks(x, y))["value"]
    assert (across["error"][:2] > 0).all() and (across["value"][:2] > 2 * across["chance"][:2]).all()


def test_scores_of_very_few_stars():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        few = scores(np.eye(4), np.eye(4), [0, 0, 1, 1], same=True)
        one = scores(np.eye(1), np.eye(1), [0], same=False)
    assert few["chance"].tolist() == pytest.approx([1 / 3, 1 / 3])
    assert few["value"].tolist() == pytest.approx([1 / 3, 1 / 3])  # all three others are found
    assert one["error"].isna().all()
    with pytest.raises(ValueError, match="nothing to find"):
        scores(np.eye(1), np.eye(1), [0], same=True)


def test_detection_by_hand_and_by_binomial_error():
    flagged, planted = np.zeros(1000, bool), np.zeros(1000, bool)
    flagged[:100] = planted[20:120] = True
    found = detection(flagged, planted)
    assert (found["n_planted"], found["n_found"], found["n_flagged"]) == (100, 80, 100)
    for name in ("precision", "recall"):
        assert found[name] == pytest.approx(0.8)
        half = (found[f"{name}_high"] - found[f"{name}_low"]) / 2
        assert half == pytest.approx(1.96 * np.sqrt(0.8 * 0.2 / 100), rel=0.12)


def test_detection_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = detection(np.zeros(9, bool), np.arange(9) < 2)
        clean = detection(np.arange(9) < 2, np.zeros(9, bool))
    assert found["recall"] == 0 and np.isnan([found["precision"], found["precision_low"]]).all()
    assert clean["precision"] == 0 and np.isnan([clean["recall"], clean["recall_high"]]).all()


def test_faults_are_named(views):
    x, y, labels = views
    with pytest.raises(ValueError, match="Query 1 has no class"):
        precision_at_k([0, -1], [[0], [1]], [0, 1])
    with pytest.raises(ValueError, match=r"\(Q, k\)"):
        precision_at_k([0, 1], [0, 1], [0, 1])
    with pytest.raises(ValueError, match="400 and 399 rows"):
        partner_ranks(x, y[1:])
    with pytest.raises(ValueError, match="not of one set"):
        scores(x, y, labels[1:], same=False)
    with pytest.raises(ValueError, match="same stars"):
        detection([True], [True, False])
