"""Scaling of light curves and spectra: against a star-by-star calculation, and on every kind of bad star."""

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

from astrolib.data.galaxies import SurveyError
from astrolib.data.star_scaling import BLOCK, ERROR_CAP, scale_light_curves, scale_spectra


def ragged(rng, lengths):
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    points = np.column_stack(
        [
            2457000 + rng.uniform(0, 1500, offsets[-1]),
            rng.normal(8, 3, (offsets[-1])),
            rng.random(offsets[-1]),
        ]
    )
    return points, offsets


def test_many_ragged_curves_agree_with_one_star_at_a_time():
    rng = np.random.default_rng(1)
    points, offsets = ragged(rng, rng.integers(2, 60, BLOCK + 200))  # more than one block, unsorted
    curves = scale_light_curves(points, offsets)
    for star in range(0, len(offsets) - 1, 7):
        time, flux, error = points[offsets[star] : offsets[star + 1]].T
        order = np.argsort(time)
        mad = median_abs_deviation(flux)
        expected = np.stack(
            [(time - time.min()) / np.ptp(time), (flux - flux.mean()) / mad, error / mad], axis=1
        )
        n = len(time)
        assert np.allclose(curves.values[star, :n], expected[order], rtol=1e-5, atol=1e-6)
        assert not curves.values[star, n:].any() and curves.n_points[star] == n
        assert curves.log_mad[star] == pytest.approx(np.log10(mad), abs=1e-6)
        assert curves.delta_t[star] == pytest.approx(np.ptp(time) / 365)
    assert (curves.faults == "").all() and not curves.duplicates.any()


def test_a_scaled_curve_has_mean_0_mad_1_and_times_from_0_to_1():
    rng = np.random.default_rng(2)
    points, offsets = ragged(rng, rng.integers(200, 400, 20))
    curves = scale_light_curves(points, offsets)
    for values, n in zip(curves.values, curves.n_points, strict=True):
        time, flux, _ = values[:n].T.astype(float)
        assert time[0] == 0 and time[-1] == 1 and (np.diff(time) >= 0).all()
        assert abs(flux.mean()) < 1e-6 and median_abs_deviation(flux) == pytest.approx(1, abs=1e-5)
        assert not values[n:].any()


def test_order_of_points_and_repeated_rows_change_nothing_and_are_counted():
    rng = np.random.default_rng(3)
    points, offsets = ragged(rng, [50, 40, 60])
    points = points[np.lexsort((points[:, 0], np.repeat(np.arange(3), [50, 40, 60])))]
    clean = scale_light_curves(points, offsets)
    repeated = np.concatenate([points[:90], points[55:60], points[90:]])  # five rows of the second star again
    moved = np.concatenate([rng.permutation(repeated[:50]), rng.permutation(repeated[50:95]), repeated[95:]])
    messy = scale_light_curves(moved, np.array([0, 50, 95, 155]))
    assert messy.duplicates.tolist() == [0, 5, 0]
    for name in ("values", "n_points", "log_mad", "delta_t"):
        assert np.array_equal(getattr(clean, name), getattr(messy, name))


def test_two_different_measurements_at_one_time_both_stay():
    points = np.array([[1.0, 5.0, 0.1], [1.0, 6.0, 0.1], [2.0, 8.0, 0.1]])
    curves = scale_light_curves(points, np.array([0, 3]))
    assert curves.n_points.tolist() == [3] and curves.duplicates.tolist() == [0]


def test_only_the_middle_of_a_long_curve_is_kept_but_all_of_it_counts():
    rng = np.random.default_rng(4)
    points, offsets = ragged(rng, [301, 30])
    whole, cut = scale_light_curves(points, offsets), scale_light_curves(points, offsets, longest=200)
    assert cut.values.shape == (2, 200, 3) and cut.n_points.tolist() == [200, 30]
    assert np.array_equal(cut.values[0], whole.values[0, 50:250])  # (301 - 200) // 2
    assert np.array_equal(cut.values[1], whole.values[1, :200])
    assert np.array_equal(cut.delta_t, whole.delta_t)


def test_every_bad_curve_is_named_and_leaves_its_neighbours_alone():
    good = np.array([[1.0, 2.0, 0.1], [2.0, 3.0, 0.1], [4.0, 6.0, 0.1]])
    constant = good * [1, 0, 1] + [0, 7, 0]
    broken = good.copy()
    broken[1, 2] = np.nan
    instant = good * [0, 1, 1]
    empty = np.empty((0, 3))
    stars = [empty, good, constant, broken, instant, good, empty]
    offsets = np.concatenate([[0], np.cumsum([len(star) for star in stars])])
    curves = scale_light_curves(np.concatenate(stars), offsets)
    assert curves.faults.tolist() == [
        "its light curve is empty",
        "",
        "the MAD of its light curve is 0",
        "a value of its light curve is not finite",
        "its light curve has no time span",
        "",
        "its light curve is empty",
    ]
    assert curves.n_points.tolist() == [0, 3, 0, 0, 0, 3, 0]
    assert np.array_equal(curves.values[1], curves.values[5])
    assert not curves.values[curves.n_points == 0].any() and np.isfinite(curves.log_mad).all()


def test_no_star_has_a_point():
    curves = scale_light_curves(np.empty((0, 3)), np.zeros(4, int))
    assert curves.n_points.tolist() == [0, 0, 0] and curves.values.shape == (3, 1, 3)


def test_times_that_were_stored_as_float32_are_refused():
    points, offsets = ragged(np.random.default_rng(5), [10])
    with pytest.raises(SurveyError, match="float64"):
        scale_light_curves(points.astype(np.float32), offsets)
    with pytest.raises(SurveyError, match="do not fit 10 points"):
        scale_light_curves(points, np.array([0, 9]))


def test_spectra_agree_with_one_star_at_a_time():
    rng = np.random.default_rng(6)
    flux = rng.normal(50, 9, (BLOCK // 4 + 3, 301)).astype(np.float32)
    flux[rng.random(flux.shape) < 0.1] = 0
    ivar = rng.uniform(0.01, 2, flux.shape).astype(np.float32)
    values, log_mad, faults = scale_spectra(flux, ivar)
    parity, _, _ = scale_spectra(flux, ivar, error="ivar")
    assert (faults == "").all()
    for star in range(len(flux)):
        wide = flux[star].astype(float)
        mad = median_abs_deviation(wide[wide != 0])
        assert np.allclose(values[star, 0], (wide - wide.mean()) / mad, atol=1e-5)
        assert np.allclose(values[star, 1], np.minimum(ivar[star] ** -0.5 / mad, ERROR_CAP), rtol=1e-5)
        assert np.allclose(parity[star, 1], ivar[star] / mad, rtol=1e-5)
        assert log_mad[star] == pytest.approx(np.log10(mad), abs=1e-6)
    assert np.array_equal(values[:, 0], parity[:, 0])


def test_a_pixel_of_which_nothing_is_known_has_the_largest_error():
    flux = np.random.default_rng(7).normal(10, 1, (1, 99))
    ivar = np.full((1, 99), 4.0)
    ivar[0, :3] = 0, -1, 1e-12
    error = scale_spectra(flux, ivar)[0][0, 1]
    assert (error[:3] == ERROR_CAP).all() and (error[3:] < 1).all()


def test_scaling_of_spectra_does_not_depend_on_the_unit_of_flux():
    rng = np.random.default_rng(8)
    flux, ivar = rng.normal(10, 1, (5, 400)), rng.uniform(1, 2, (5, 400))
    values, log_mad, faults = scale_spectra(flux, ivar)
    tiny, log_tiny, tiny_faults = scale_spectra(flux * 1e-17, ivar * 1e34)
    assert np.allclose(values, tiny, rtol=1e-4, atol=1e-5) and np.allclose(log_mad - 17, log_tiny, atol=1e-4)
    assert (faults == "").all() and (tiny_faults == "").all()
    assert (scale_spectra(flux, ivar, smallest_mad=1.0)[2] != "").all()  # MAD of unit noise is 0.67


def test_every_bad_spectrum_is_named():
    rng = np.random.default_rng(9)
    flux = np.tile(rng.normal(10, 1, 100), (6, 1))
    flux[1] = np.nan
    flux[2, 5] = np.inf
    flux[3, :51] = 0
    flux[4] = 10 + 1e-4 * rng.normal(size=100)
    flux[5, :50] = 0
    values, log_mad, faults = scale_spectra(flux, np.ones_like(flux))
    assert faults.tolist() == [
        "",
        "no spectrum",
        "a value of its spectrum is not finite",
        "more than half of its spectrum is zero",
        "its spectrum is constant (MAD too small)",
        "",
    ]
    bad = faults != ""
    assert not values[bad].any() and np.isfinite(values).all() and not log_mad[bad].any()
    with pytest.raises(SurveyError, match="variance"):
        scale_spectra(flux, flux, error="variance")
