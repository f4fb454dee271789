from dataclasses import replace

import numpy as np
import pytest

from astrolib.data.detector import (
    Detector,
    cut_windows,
    hold_out_edges,
    knn_graph,
    neighbour_index,
    random_graph,
    split_times,
    standardize,
)


def detector(flux, observed=None):
    flux = np.asarray(flux, np.float32)
    n_stars = flux.shape[1]
    return Detector(
        flux=flux,
        observed=np.ones(flux.shape, bool) if observed is None else observed,
        position=np.zeros((n_stars, 2)),
        systematics=flux,
        intrinsic=flux,
        kind=np.full(n_stars, "still"),
        source="simulated by hand",
    )


def positions(n=60, seed=0):
    return np.random.default_rng(seed).uniform(0, 1000, (n, 2))


def test_the_scale_is_robust_and_from_the_training_period_only():
    rng = np.random.default_rng(0)
    flux = 7 + 3 * rng.standard_normal((4000, 2))
    flux[::50] += 1000  # outliers
    flux[2000:] *= 100  # after the training period
    found = standardize(detector(flux), 2000)
    good = np.delete(found.flux[:2000], np.s_[::50], axis=0)
    assert good.std() == pytest.approx(1, abs=0.05)
    assert np.median(found.flux[:2000]) == pytest.approx(0, abs=1e-3)
    assert np.allclose(found.intrinsic * 3, flux, rtol=0.08)  # the truth is in the same unit


def test_gaps_are_zero_and_have_no_part_in_the_scale():
    flux = np.random.default_rng(1).standard_normal((300, 1))
    observed = np.arange(300)[:, None] % 3 > 0
    spoilt = np.where(observed, flux, 1e6)
    found = standardize(detector(spoilt, observed), 300).flux
    assert (found[~observed] == 0).all()
    assert np.array_equal(found, standardize(detector(np.where(observed, flux, -5), observed), 300).flux)


@pytest.mark.parametrize(
    ("flux", "observed", "message"),
    [(np.ones((9, 1)), None, "does not vary"), (np.eye(9), np.zeros((9, 9), bool), "is not observed")],
    ids=["constant", "unseen"],
)
def test_a_star_without_a_unit_is_named(flux, observed, message):
    with pytest.raises(ValueError, match=f"Star 0 {message}"):
        standardize(detector(flux, observed), 9)


def test_the_graph_joins_the_nearest_and_is_symmetric():
    position = positions()
    graph = knn_graph(position, k=5)
    distance = np.linalg.norm(position[:, None] - position, axis=2)
    nearest = distance.argsort(axis=1)[:, 1:6]
    expected = np.zeros(graph.shape, bool)
    np.put_along_axis(expected, nearest, True, axis=1)
    sigma = np.median(np.take_along_axis(distance, nearest, axis=1))
    assert np.array_equal(graph > 0, expected | expected.T | np.eye(60, dtype=bool))
    assert np.array_equal(graph, graph.T)
    assert np.allclose(graph[graph > 0], np.exp(-((distance / sigma) ** 2))[graph > 0], atol=1e-6)


def test_the_null_graph_has_the_same_degrees_and_weights_between_strangers():
    position = positions()
    true, null = knn_graph(position, 5), random_graph(position, 5, np.random.default_rng(3))
    assert sorted((null > 0).sum(0)) == sorted((true > 0).sum(0))
    assert np.allclose(np.sort(null.ravel()), np.sort(true.ravel()))
    distance = np.linalg.norm(position[:, None] - position, axis=2)
    joined = (null > 0) & ~np.eye(60, dtype=bool)
    assert distance[joined].mean() == pytest.approx(distance[distance > 0].mean(), rel=0.1)


def test_edges_are_held_out_in_both_directions():
    graph = knn_graph(positions(), k=5)
    rest, pairs = hold_out_edges(graph, 0.1, np.random.default_rng(0))
    assert len(pairs) == round(0.1 * ((graph > 0).sum() - 60) / 2)
    i, j = pairs.T
    assert (i < j).all() and (graph[i, j] > 0).all()
    assert not rest[i, j].any() and not rest[j, i].any()
    assert ((graph > 0) & (rest == 0)).sum() == 2 * len(pairs)
    assert np.array_equal(rest[rest > 0], graph[rest > 0])


def test_neighbours_are_listed_by_weight():
    graph = knn_graph(positions(), k=5)
    index = neighbour_index(graph, 5)
    weights = np.take_along_axis(graph, index, axis=1)
    assert (index != np.arange(60)[:, None]).all()
    assert (np.diff(weights, axis=1) <= 0).all()
    with pytest.raises(ValueError, match="has 5 neighbours in this graph, not 60"):
        neighbour_index(graph, 60)


def test_windows_stay_in_their_part_and_share_no_cadence():
    parts = split_times(1000, n_in=10, n_out=5)
    cadences = {name: set(cut_windows(np.arange(1000), starts, 15).ravel()) for name, starts in parts.items()}
    assert [len(cadences[name]) for name in ("train", "validation", "test")] == [600, 200, 200]
    assert max(cadences["train"]) < min(cadences["validation"]) < min(cadences["test"])
    assert len(set.union(*cadences.values())) == 1000
    with pytest.raises(ValueError, match="fewer than one window"):
        split_times(60)


def test_the_fingerprint_follows_what_a_network_sees():
    one = detector(np.random.default_rng(0).standard_normal((20, 3)))
    other = replace(one, flux=one.flux + np.eye(20, 3, dtype=np.float32))
    assert one.fingerprint() == replace(one).fingerprint() != other.fingerprint()


def test_shapes_that_disagree_are_refused():
    with pytest.raises(ValueError, match="arrays of one shape"):
        replace(detector(np.eye(9)), observed=np.ones((9, 8), bool))
