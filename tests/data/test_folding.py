"""Light curves against phase: a period of the catalogue, or one that was folded in before."""

import numpy as np
import pytest
from astropy.table import Table

from astrolib.data.folding import folded
from astrolib.data.star_scaling import scale_light_curves
from astrolib.data.stars import Modality, StarSurvey


def survey_of(periods, lengths, seed=0, **about) -> StarSurvey:
    """Sinusoids of known periods at irregular times, scaled as the pipeline scales them."""
    rng = np.random.default_rng(seed)
    times = [np.sort(2457000 + rng.uniform(0, 900, n)) for n in lengths]
    flux = [5 + np.sin(2 * np.pi * t / p) for t, p in zip(times, periods, strict=True)]
    points = np.column_stack([np.concatenate(times), np.concatenate(flux), np.full(sum(lengths), 0.1)])
    curves = scale_light_curves(points, np.concatenate([[0], np.cumsum(lengths)]))
    constants = np.stack([curves.log_mad, curves.delta_t], axis=1)
    known = {"constants": constants, "constant_names": ("log_mad", "delta_t")} | about
    photometry = Modality("light curve", curves.values, ("time", "flux", "error"), curves.n_points, **known)
    n = len(lengths)
    catalogue = Table({"id": [f"star {k}" for k in range(n)], "period": periods})
    return StarSurvey({"curve": photometry}, np.zeros(n, int), ("EW",), catalogue, "simulated sinusoids")


def test_a_sinusoid_folds_onto_itself():
    survey = survey_of([0.37, 5.2, 311.0], [150, 200, 120])
    phase, flux, error = folded(survey, "curve", np.arange(3))
    assert phase.shape == flux.shape == error.shape == (3, 200) and phase.dtype == np.float32
    for star, n in enumerate((150, 200, 120)):
        assert np.isfinite(phase[star, :n]).all() and np.isnan(phase[star, n:]).all()
        assert np.isnan(flux[star, n:]).all() and np.isnan(error[star, n:]).all()
        assert ((phase[star, :n] >= 0) & (phase[star, :n] < 1)).all()
        angle = 2 * np.pi * phase[star, :n].astype(float)
        waves = np.column_stack([np.cos(angle), np.sin(angle), np.ones(n)])
        _, left, *_ = np.linalg.lstsq(waves, flux[star, :n], rcond=None)
        assert left[0] / ((flux[star, :n] - flux[star, :n].mean()) ** 2).sum() < 1e-3
    np.testing.assert_allclose(phase[0, 0], 0, atol=1e-6)  # cycles count from the first point


def test_another_period_does_not_fold():
    survey = survey_of([0.37], [200])
    survey.catalogue["period"] = 0.41
    phase, flux, _ = folded(survey, "curve", np.array([0]))
    angle = 2 * np.pi * phase[0].astype(float)
    waves = np.column_stack([np.cos(angle), np.sin(angle), np.ones(200)])
    _, left, *_ = np.linalg.lstsq(waves, flux[0], rcond=None)
    assert left[0] / ((flux[0] - flux[0].mean()) ** 2).sum() > 0.8


def test_rows_come_in_the_order_asked_for():
    survey = survey_of([0.5, 2.0, 9.0], [50, 60, 70])
    everyone = folded(survey, "curve", np.arange(3))
    for some, whole in zip(folded(survey, "curve", np.array([2, 0])), everyone, strict=True):
        np.testing.assert_array_equal(some, whole[[2, 0]])


def test_a_curve_that_was_folded_before_runs_through_two_cycles():
    n_points = np.array([8, 4], np.int32)
    values = np.zeros((2, 8, 3), np.float32)
    values[:, :, 0] = np.arange(8) / 8
    curve = Modality("light curve", values, ("phase", "magnitude", "error"), n_points)
    catalogue = Table({"id": ["a", "b"]})  # no period is needed
    survey = StarSurvey({"curve": curve}, np.zeros(2, int), ("RR",), catalogue, "simulated")
    phase, flux, _ = folded(survey, "curve", np.arange(2))
    assert phase[0].tolist() == pytest.approx((np.arange(8) / 4).tolist())
    assert np.isnan(phase[1, 4:]).all() and np.isfinite(flux[1, :4]).all()
