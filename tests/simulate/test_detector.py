import numpy as np
import pytest

from astrolib.simulate import detector as twin
from astrolib.simulate.detector import draw_detector


@pytest.fixture(scope="module")
def detector():
    return draw_detector(100, 3000, seed=3)


def distances(position):
    distance = np.linalg.norm(position[:, None] - position, axis=2)
    return distance, ~np.eye(len(position), dtype=bool)


def test_it_says_that_it_is_simulated_and_repeats(detector):
    again = draw_detector(100, 3000, seed=3)
    assert detector.source.startswith("simulated")
    assert detector.fingerprint() == again.fingerprint()
    assert detector.fingerprint() != draw_detector(100, 3000, seed=4).fingerprint()


def test_variances_have_the_shares_asked_for(detector):
    white = detector.flux - detector.systematics - detector.intrinsic
    assert np.allclose(detector.systematics.var(axis=0), 0.6, atol=1e-3)
    assert np.allclose(detector.intrinsic.var(axis=0), 0.2, atol=1e-3)
    assert white[detector.observed].var() == pytest.approx(0.2, rel=0.02)


def test_neighbours_share_systematics_and_strangers_do_not(detector):
    correlation = np.corrcoef(detector.systematics.T)
    distance, other = distances(detector.position)
    bins = [(0, 60), (60, 150), (150, 300), (500, 1500)]
    means = [correlation[other & (distance >= low) & (distance < high)].mean() for low, high in bins]
    assert means[0] > 0.4
    assert means[0] > means[1] > means[2] > abs(means[3])
    assert abs(means[3]) < 0.03  # no mode of the whole detector


def test_without_systematics_stars_share_nothing():
    null = draw_detector(40, 3000, seed=5, f_sys=0.0, gaps=0.0)
    white = (null.flux - null.intrinsic).T
    assert not null.systematics.any()
    assert np.abs(np.corrcoef(white)[np.triu_indices(40, 1)]).max() < 0.1


def test_the_smooth_part_falls_as_a_gaussian_of_distance():
    position = np.stack([np.linspace(0, 600, 40), np.full(40, 500.0)], axis=1)
    draws = np.concatenate(
        [twin._smooth(position, 400, np.random.default_rng(seed)) for seed in range(40)]
    )  # over many detectors
    correlation = np.corrcoef(draws.T)[0]
    assert np.allclose(correlation, np.exp(-(position[:, 0] ** 2) / (2 * 180**2)), atol=0.1)


def test_the_pattern_travels_one_cell_a_cadence_to_the_right():
    position = np.array([[100.0, 50.0], [250.0, 50.0], [250.0, 350.0]])  # ten cells apart; another strip
    left, right, elsewhere = twin._travelling(position, 20_000, np.random.default_rng(0)).T
    lags = np.arange(-20, 21)
    correlation = [np.mean(left[50:-50] * np.roll(right, -lag)[50:-50]) for lag in lags]
    assert lags[np.argmax(correlation)] == 10
    assert max(correlation) == pytest.approx(0.95**10, abs=0.05)
    assert abs(np.mean(left * elsewhere)) < 0.05


def test_stars_of_a_tile_share_its_level():
    position = np.array([[10.0, 10.0], [240.0, 240.0], [260.0, 10.0]])
    a, b, c = twin._regions(position, 500, np.random.default_rng(0)).T
    assert np.array_equal(a, b)
    assert not np.allclose(a, c)


def test_gaps_are_as_many_as_asked_and_partly_of_the_whole_detector(detector):
    missing = ~detector.observed
    assert missing.mean() == pytest.approx(0.03, abs=0.01)
    assert 0 < missing.all(axis=1).mean() < missing.mean()
    assert (detector.flux[missing] == 0).all()
    assert draw_detector(8, 500, seed=0, gaps=0.0).observed.all()


@pytest.mark.parametrize("f_sys", [0.0, 0.3, 0.8])
def test_all_shares_of_systematics_give_finite_light_curves(f_sys):
    drawn = draw_detector(60, 100, seed=1, f_sys=f_sys)  # so short that some stars never dip
    assert np.isfinite(drawn.flux).all()


def test_shares_above_one_are_refused():
    with pytest.raises(ValueError, match="at most 1"):
        draw_detector(8, 100, f_sys=0.9, f_star=0.2)
