import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from astrolib.data.detector import knn_graph, neighbour_index, random_graph, standardize
from astrolib.evaluate.cotrending import neighbours_removal, principal_components_removal, signal_kept
from astrolib.simulate.detector import draw_detector


def test_components_are_those_of_the_other_stars():
    rng = np.random.default_rng(5)
    flux = rng.standard_normal((400, 3)) @ rng.standard_normal((3, 12)) + rng.standard_normal((400, 12))
    flux -= flux.mean(axis=0)
    left = principal_components_removal(flux, n=4)
    for star in (0, 7):
        others = np.delete(flux, star, axis=1)
        components = PCA(4).fit_transform(others)
        fit = LinearRegression(fit_intercept=False).fit(components, flux[:, star])
        assert np.allclose(left[:, star], flux[:, star] - fit.predict(components))
    with pytest.raises(ValueError, match="12 components cannot come from 11 other stars"):
        principal_components_removal(flux, n=12)


def test_a_travelling_pattern_is_found_in_a_neighbour_that_saw_it_before():
    rng = np.random.default_rng(0)
    pattern = rng.standard_normal(2000)
    flux = np.stack([pattern, np.roll(pattern, 2), rng.standard_normal(2000)], axis=1)
    neighbours, seen = [[1, 2], [0, 2], [0, 1]], np.ones(flux.shape, bool)
    left = neighbours_removal(flux, seen, neighbours, 1200)
    assert np.abs(left[10:-10, :2]).max() < 0.05
    assert left[:, 2].std() > 0.95
    short = neighbours_removal(flux, seen, neighbours, 1200, reach=1)
    assert short[:, 0].std() > 0.95


def test_removal_learns_from_observed_training_cadences_only():
    rng = np.random.default_rng(1)
    flux = rng.standard_normal((600, 1)) + 0.1 * rng.standard_normal((600, 2))
    observed = rng.random(flux.shape) > 0.2
    spoilt = flux.copy()
    spoilt[400:, 0] = 1e3
    spoilt[~observed[:, 0], 0] = 1e3
    clean, found = (neighbours_removal(each, observed, [[1], [0]], 400)[:, 0] for each in (flux, spoilt))
    rows = observed[:400, 0]
    assert np.allclose(clean[:400][rows], found[:400][rows])
    with pytest.raises(ValueError, match="Star 0 is observed in 0 of the first 400"):
        neighbours_removal(flux, 0 * flux, [[1], [0]], 400)


def test_true_neighbours_take_systematics_away_and_leave_a_planted_signal():
    detector = standardize(draw_detector(96, 2500, seed=2), 1500)
    signal = np.zeros(detector.flux.shape)
    periods = np.array([17, 23, 31, 47, 71, 97])  # one signal in two neighbours would count as systematics
    signal[:, ::16] = np.sin(2 * np.pi * np.arange(2500)[:, None] / periods)
    planted = np.where(detector.observed, detector.flux + signal, 0)
    graphs = knn_graph(detector.position), random_graph(detector.position, 8, np.random.default_rng(0))
    spread = []
    for graph in graphs:
        index = neighbour_index(graph, 8)
        left, with_signal = (
            neighbours_removal(each, detector.observed, index, 1500) for each in (detector.flux, planted)
        )
        kept = signal_kept(left, with_signal, signal, detector.observed)
        assert np.isnan(kept).sum() == 90
        assert np.nanmin(kept) > 0.9
        wrong = np.where(detector.observed, left - detector.flux + detector.systematics, 0)[1500:]
        spread.append(wrong.std())
    assert spread[0] < 0.8 * spread[1]


def test_a_signal_that_is_halved_is_kept_by_half_whatever_the_offset():
    rng = np.random.default_rng(3)
    signal, rest = rng.standard_normal((50, 4)), rng.standard_normal((50, 4))
    observed = rng.random((50, 4)) > 0.3
    after = np.where(observed, rest + 0.5 * signal + 7, 1e6)
    assert np.allclose(signal_kept(rest, after, signal, observed), 0.5)
