import numpy as np
import pytest

from astrolib.simulate.star_curves import SHAPES, eclipse, pulse, variation

PHASES = np.linspace(0, 1, 400, endpoint=False)


def ideal(name, n=200, period=1.0, cycles=1, seed=0):
    """Curves of n stars of amplitude 1, (n, 400 * cycles) over that many cycles."""
    times = np.tile((np.arange(cycles)[:, None] + PHASES).ravel() * period, n)
    stars = {"period": np.full(n, period), "amplitude": np.ones(n)}
    offsets = np.arange(n + 1) * 400 * cycles
    curve = variation(np.repeat(name, n), stars, times, offsets, np.random.default_rng(seed))
    return curve.reshape(n, -1)


def test_an_eclipse_is_deepest_at_its_middle_and_over_outside():
    width, exponent = np.full(400, 0.03), np.ones(400)
    profile = eclipse(PHASES, width, exponent)
    assert profile[0] == 1
    assert profile[200] < 1e-6
    np.testing.assert_allclose(profile[1:], profile[:0:-1], atol=1e-9)  # both sides alike
    np.testing.assert_allclose(eclipse(PHASES + 3, width, exponent), profile, atol=1e-9)


def test_a_pulse_of_half_a_cycle_is_a_cosine():
    half = np.full(400, 0.5)
    expected = (1 + np.cos(2 * np.pi * PHASES)) / 2
    np.testing.assert_allclose(pulse(PHASES, half, np.ones(400)), expected, atol=1e-12)


@pytest.mark.parametrize("name", SHAPES)
def test_curves_have_mean_zero_and_about_the_amplitude_asked_for(name):
    curves = ideal(name, cycles=8)
    np.testing.assert_allclose(curves.mean(1), 0, atol=1e-9)
    span = np.ptp(curves, axis=1)
    assert 0.7 < np.median(span) < 1.5


def minima(curve):
    """Depths of the separate faint stretches below the half of the range, deepest first."""
    faint = curve > curve.min() + 0.35 * np.ptp(curve)
    if not faint.any():
        return []
    start = np.flatnonzero(~faint)[0]
    rolled, mask = np.roll(curve, -start), np.roll(faint, -start)
    edges = np.flatnonzero(np.diff(np.r_[0, mask.astype(int), 0]))
    return sorted((rolled[a:b].max() - curve.min() for a, b in edges.reshape(-1, 2)), reverse=True)


def test_contact_binaries_have_two_nearly_equal_minima():
    curves = ideal("EW")
    depths = [minima(curve) for curve in curves]
    assert np.mean([len(d) == 2 for d in depths]) > 0.9
    assert np.median([d[1] / d[0] for d in depths if len(d) == 2]) > 0.85


def test_beta_lyrae_stars_have_two_unequal_minima_and_no_flat_part():
    curves = ideal("EB")
    ratio = [d[1] / d[0] for d in map(minima, curves) if len(d) == 2]
    assert len(ratio) > 100
    assert 0.5 < np.median(ratio) < 0.85
    assert np.median(flat_share(curves)) < 0.25


def flat_share(curves):
    """Share of the cycle within 6 % of the range from maximum light."""
    low = curves.min(1, keepdims=True)
    return np.mean(curves < low + 0.06 * np.ptp(curves, axis=1, keepdims=True), axis=1)


def test_detached_binaries_are_flat_between_narrow_eclipses():
    detached = ideal("EA")
    assert np.median(flat_share(detached)) > np.median(flat_share(ideal("EB"))) + 0.1
    deep = np.mean(
        detached > detached.min(1, keepdims=True) + 0.5 * np.ptp(detached, axis=1, keepdims=True), axis=1
    )
    assert np.median(deep) < 0.16


def rise_share(curves):
    """Share of the cycle from minimum to maximum light."""
    brightest, faintest = curves.argmin(1), curves.argmax(1)
    return (brightest - faintest) % 400 / 400


def test_rr_lyrae_rise_faster_than_they_fade():
    rise = rise_share(ideal("RRAB"))
    assert np.mean(rise < 0.4) > 0.95
    assert np.median(rise) < 0.25
    assert 0.35 < np.median(rise_share(ideal("RRC"))) < 0.5
    assert np.median(rise) < np.median(rise_share(ideal("HADS"))) < 0.42


def test_first_overtone_rr_lyrae_are_nearly_sinusoids():
    def harmonics(name):
        power = np.abs(np.fft.rfft(ideal(name), axis=1))
        return np.median(power[:, 2] / power[:, 1])

    assert harmonics("RRC") < 0.15 < 0.3 < harmonics("RRAB")


def test_miras_change_from_cycle_to_cycle_but_keep_their_period():
    curves = ideal("M", period=300.0, cycles=6).reshape(200, 6, 400)
    maxima = curves.min(2)
    assert np.median(np.std(maxima, axis=1)) > 0.03
    power = np.abs(np.fft.rfft(curves.reshape(200, -1), axis=1))[:, 1:]
    assert np.mean(power.argmax(1) + 1 == 6) > 0.9


def test_semi_regular_stars_do_not_repeat_as_miras_do():
    def repeats(name):
        a = ideal(name, period=100.0, cycles=8).reshape(200, 8, 400)
        return np.median(np.var(a.mean(1), axis=1) / np.var(a, axis=(1, 2)))

    assert repeats("SR") < 0.75 < 0.9 < repeats("M")
    assert repeats("RRC") > 0.95


def test_spots_evolve():
    curves = ideal("ROT", period=20.0, cycles=40).reshape(200, 40, 400)
    ranges = np.ptp(curves, axis=2)
    assert np.median(ranges.max(1) / ranges.min(1)) > 1.3
