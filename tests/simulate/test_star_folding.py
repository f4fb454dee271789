import numpy as np
import pytest

from astrolib.simulate.star_folding import lafler_kinman, regression_score


def by_loop(phase, values, offsets):
    out = []
    for a, b in zip(offsets[:-1], offsets[1:], strict=True):
        v = values[a:b][np.argsort(phase[a:b] % 1)]
        out.append(np.sum((np.roll(v, -1) - v) ** 2) / np.sum((v - v.mean()) ** 2) / 2)
    return np.array(out)


def test_string_length_star_by_star():
    rng = np.random.default_rng(0)
    offsets = np.array([0, 50, 53, 200])
    phase, values = rng.normal(0, 5, 200), rng.normal(3, 1, 200)
    np.testing.assert_allclose(lafler_kinman(phase, values, offsets), by_loop(phase, values, offsets))


def test_noise_is_near_one_and_a_clean_curve_near_zero():
    rng = np.random.default_rng(0)
    phase, offsets = rng.random(6000), np.arange(0, 6001, 300)
    noise, clean = rng.normal(0, 1, 6000), np.cos(2 * np.pi * phase)
    assert np.mean(lafler_kinman(phase, noise, offsets)) == pytest.approx(1, abs=0.05)
    assert np.max(lafler_kinman(phase, clean, offsets)) < 0.01
    assert np.mean(regression_score(phase, noise, offsets)) < 0.06
    assert np.min(regression_score(phase, clean, offsets)) > 0.97


def test_score_is_the_share_of_explained_variance():
    rng = np.random.default_rng(0)
    phase, offsets = rng.random(40_000), np.array([0, 40_000])
    values = np.sqrt(2) * np.cos(2 * np.pi * phase) + rng.normal(0, 1, 40_000)  # half signal, half noise
    assert regression_score(phase, values, offsets)[0] == pytest.approx(0.5, abs=0.02)
