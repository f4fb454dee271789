"""Binned densities against numeric integration, closed forms and simulated truths."""

import numpy as np
import pytest
from scipy import integrate, stats

from astrolib.evaluate import density

EDGES = np.array([0.0, 0.1, 0.3, 0.4, 0.8])
P = np.array([[0.1, 0.4, 0.0, 0.5], [0.7, 0.1, 0.1, 0.1]])


@pytest.fixture
def random_densities():
    """Uneven bins, some of them empty."""
    rng = np.random.default_rng(2)
    edges = np.sort(rng.uniform(0, 1, 13))
    p = rng.dirichlet(np.full(12, 0.5), 40)
    p[:10, 3:5] = 0
    return edges, p / p.sum(axis=1, keepdims=True)


def test_moments_by_hand():
    assert density.mean(EDGES, P) == pytest.approx([0.005 + 0.08 + 0.3, 0.035 + 0.02 + 0.035 + 0.06])
    assert density.median(EDGES, P) == pytest.approx([0.3, 0.5 / 7])
    assert density.mode(EDGES, P) == pytest.approx(
        [0.2, 0.05]
    )  # densities 1, 2, 0, 1.25: not the largest share


def test_cdf_by_hand():
    assert density.cdf(EDGES, P, [0.2, 0.2]) == pytest.approx([0.3, 0.75])
    assert density.cdf(EDGES, P, [-1, 5]) == pytest.approx([0, 1])
    assert density.cdf(EDGES, P, [0.8, 0.0]) == pytest.approx([1, 0])


@pytest.mark.parametrize("q", [0.0, 0.05, 0.5, 0.93, 1.0])
def test_quantile_inverts_the_cdf(random_densities, q):
    edges, p = random_densities
    z = density.quantile(edges, p, q)
    assert density.cdf(edges, p, z) == pytest.approx(np.full(len(p), q), abs=1e-12)


@pytest.mark.parametrize("where", ["inside", "below", "above", "on an edge"])
def test_crps_is_its_integral(random_densities, where):
    edges, p = random_densities
    z = {"inside": 0.5 * (edges[3] + edges[8]), "below": -0.3, "above": 1.7, "on an edge": edges[5]}[where]
    start, stop = min(edges[0], z), max(edges[-1], z)
    exact = density.crps(edges, p, np.full(len(p), z))
    for row in (0, 17, 39):
        cumulative = np.concatenate([[0], np.cumsum(p[row])])
        value, _ = integrate.quad(
            lambda x, c=cumulative: (np.interp(x, edges, c) - (x >= z)) ** 2,
            start,
            stop,
            points=np.unique(np.clip([*edges, z], start, stop)),
            limit=200,
        )
        assert exact[row] == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("y", [0.18, 0.2, 0.31])
def test_crps_of_a_gaussian_is_the_closed_form(y):
    """Gneiting & Raftery 2007, for a gaussian on bins much narrower than it."""
    mu, sigma = 0.2, 0.02
    edges = np.linspace(0, 0.4, 4001)
    p = np.diff(stats.norm.cdf(edges, mu, sigma))[None]
    w = (y - mu) / sigma
    closed = sigma * (w * (2 * stats.norm.cdf(w) - 1) + 2 * stats.norm.pdf(w) - 1 / np.sqrt(np.pi))
    assert density.crps(edges, p, [y])[0] == pytest.approx(closed, rel=1e-5)


def test_crps_of_a_sharp_density_is_the_absolute_error():
    edges = np.array([0.0, 0.3, 0.3 + 1e-9, 1.0])
    assert density.crps(edges, [[0, 1, 0]], [0.45])[0] == pytest.approx(0.15)


def test_log_score():
    assert density.log_score(EDGES, P, [0.2, 0.05]) == pytest.approx([-np.log(2), -np.log(7)])
    assert density.log_score(EDGES, P, [0.35, 0.9]).tolist() == [np.inf, np.inf]


def test_calibrated_densities_look_calibrated():
    """Truths drawn from the densities themselves; then from the same ones, stretched and moved."""
    rng = np.random.default_rng(5)
    edges, n = np.linspace(0, 1, 201), 4000
    centre = rng.uniform(0.3, 0.7, n)
    p = np.diff(stats.norm.cdf(edges, centre[:, None], 0.05), axis=1)
    p /= p.sum(axis=1, keepdims=True)
    levels = np.array([0.1, 0.5, 0.68, 0.95])
    good = density.pit(edges, p, centre + 0.05 * rng.normal(size=n))
    assert density.pit_uniformity(good)[1] > 0.01
    binomial_error = np.sqrt(levels * (1 - levels) / n)
    assert (np.abs(density.coverage(good, levels) - levels) < 4 * binomial_error).all()
    narrow = density.pit(edges, p, np.clip(centre + 0.1 * rng.normal(size=n), 0, 1))
    expected = 2 * stats.norm.cdf(stats.norm.ppf(0.5 + levels / 2) / 2) - 1
    assert density.coverage(narrow, levels) == pytest.approx(expected, abs=0.03)
    moved = density.pit(edges, p, centre + 0.03 + 0.05 * rng.normal(size=n))
    assert density.pit_uniformity(moved)[1] < 1e-6 and moved.mean() > 0.6


def test_scores_gather_all():
    found = density.scores(EDGES, P, [0.2, 0.9])
    assert found["outside"] == 0.5 and found["log_score"] == np.inf
    assert found["crps"] == pytest.approx(density.crps(EDGES, P, [0.2, 0.9]).mean())
    assert set(found) >= {"pit_distance", "pit_p_value", "coverage_68", "coverage_95"}


@pytest.mark.parametrize(
    ("edges", "p", "words"),
    [
        (EDGES, P[:, :3], "edges"),
        (EDGES[::-1], P, "increase"),
        (EDGES, P * 1.1, "row 0"),
        (EDGES, np.array([[0.5, 0.5, 0, 0], [1.5, -0.5, 0, 0]]), "row 1"),
    ],
)
def test_broken_densities_are_refused(edges, p, words):
    with pytest.raises(ValueError, match=words):
        density.mean(edges, p)


def test_redshifts_must_match_the_densities():
    with pytest.raises(ValueError, match="2 densities"):
        density.pit(EDGES, P, [0.1, 0.2, 0.3])
