import numpy as np
import pytest

from astrolib.simulate.star_sampling import (
    EQUINOX,
    FIRST_NIGHT,
    LUNATION,
    NEW_MOON,
    add_noise,
    draw_times,
    flux_of,
    magnitude_of,
)


@pytest.fixture(scope="module")
def sampled():
    ra = np.random.default_rng(1).uniform(0, 360, 500)
    return ra, *draw_times(ra, np.random.default_rng(0))


def test_magnitude_and_flux_are_inverse():
    v = np.array([10.0, 14.0, 17.0])
    np.testing.assert_allclose(magnitude_of(flux_of(v)), v)
    assert flux_of(0.0) == pytest.approx(3.636e6)  # mJy


def test_number_span_and_order_of_points(sampled):
    _, times, offsets = sampled
    counts = np.diff(offsets)
    assert 150 <= counts.min() <= counts.max() <= 400
    assert 230 < np.median(counts) < 310
    first, last = times[offsets[:-1]], times[offsets[1:] - 1]
    assert first.min() >= FIRST_NIGHT
    assert 700 < (last - first).min()
    assert (last - first).max() < 1900
    steps = np.diff(times)
    steps = np.delete(steps, offsets[1:-1] - 1)  # between stars
    assert (steps > 0).all()  # no moment twice
    assert np.mean(steps % 0.25 > 1e-6) > 0.99  # float64: not the steps of float32


def test_seasons_leave_gaps_around_conjunction(sampled):
    ra, times, offsets = sampled
    star = np.repeat(np.arange(500), np.diff(offsets))
    opposition = EQUINOX + 365.25 * (ra[star] - 180) / 360
    away = np.abs((times - opposition + 182.6) % 365.25 - 182.6)
    assert away.max() < 147
    longest = [np.diff(times[offsets[i] : offsets[i + 1]]).max() for i in range(500)]
    assert np.median(longest) > 75


def test_weather_and_moon_make_gaps(sampled):
    _, times, _ = sampled
    nights, counts = np.unique(np.floor(times), return_counts=True)
    assert len(nights) < 0.85 * (nights[-1] - nights[0])
    moon = (1 - np.cos(2 * np.pi * (times - NEW_MOON) / LUNATION)) / 2
    uniform = np.arange(LUNATION * 100) / 100
    expected = np.mean((1 - np.cos(2 * np.pi * uniform / LUNATION)) / 2 > 0.93)
    assert np.mean(moon > 0.93) < 0.4 * expected


def test_errors_are_those_of_the_noise():
    rng = np.random.default_rng(0)
    v = rng.uniform(10, 18, 40_000)
    flux, error = add_noise(FIRST_NIGHT + 1000 * rng.random(40_000), v, rng)
    pull = (flux - flux_of(v)) / error
    assert np.mean(pull) == pytest.approx(0, abs=0.02)
    for low, high in ((10, 13), (13, 16), (16, 18)):
        assert np.std(pull[(v > low) & (v < high)]) == pytest.approx(1, abs=0.03)
    relative = error / flux_of(v)
    assert np.median(relative[v < 11]) == pytest.approx(0.012, rel=0.05)
    assert 0.15 < np.median(relative[np.abs(v - 17) < 0.1]) < 0.3  # V = 17 is the limit at five sigma
