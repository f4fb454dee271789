"""Point metrics: hand-made numbers, scikit-learn as oracle, and what a bootstrap must know."""

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error, mean_squared_error, r2_score

from astrolib.evaluate.redshift import CONVENTIONS, bootstrap, difference, metrics, scaled_error, score

T = np.array([0.0, 0.0, 0.0, 1.0, 1.0])
P = np.array([0.01, 0.02, 0.10, 1.0, 0.8])
# d = 0.01, 0.02, 0.10, 0.00, -0.10, its median 0.01; sorted |d| = 0, 0.01, 0.02, 0.1, 0.1
# sorted |d - 0.01| = 0, 0.01, 0.01, 0.09, 0.11


@pytest.fixture
def sample():
    rng = np.random.default_rng(1)
    t = rng.gamma(3, 0.04, 4000)
    return t, t + (1 + t) * rng.normal(0.003, 0.02, 4000)


def test_astromae_by_hand():
    found = metrics(T, P)
    assert found["mse"] == pytest.approx((0.0001 + 0.0004 + 0.01 + 0 + 0.04) / 5)
    assert found["mae"] == pytest.approx((0.01 + 0.02 + 0.1 + 0 + 0.2) / 5)
    assert found["bias"] == pytest.approx(0.006)
    assert found["precision"] == pytest.approx(1.48 * 0.01)
    assert found["precision_eq8"] == pytest.approx(1.48 * 0.02)
    assert found["r2"] == pytest.approx(1 - 0.0505 / 1.2)


def test_pasquet_by_hand():
    found = metrics(T, P, "pasquet")
    assert found == pytest.approx({"bias": 0.006, "sigma_mad": 0.014826, "outlier_fraction": 0.4})


def test_rail_by_hand():
    """Quartiles of d are 0.00 and 0.02, so 3 sigma_iqr = 0.0445 and the limit is 0.06."""
    found = metrics(T, P, "rail")
    iqr = 0.02 / 1.349
    assert found == pytest.approx(
        {"bias": 0.01, "sigma_iqr": iqr, "sigma_mad": 0.014826, "outlier_fraction": 0.4}
    )


def test_rail_outliers_follow_a_wide_core():
    d = np.linspace(-0.1, 0.1, 101)
    found = metrics(np.zeros(101), d, "rail")
    assert 3 * found["sigma_iqr"] > 0.1 and found["outlier_fraction"] == 0
    assert metrics(np.zeros(101), d, "pasquet")["outlier_fraction"] == pytest.approx(50 / 101)


def test_agrees_with_sklearn(sample):
    t, p = sample
    found = metrics(t, p)
    assert found["mse"] == pytest.approx(mean_squared_error(t, p), rel=1e-12)
    assert found["mae"] == pytest.approx(mean_absolute_error(t, p), rel=1e-12)
    assert found["r2"] == pytest.approx(r2_score(t, p), rel=1e-12)


def test_mse_and_r2_give_the_variance_of_the_redshifts(sample):
    """Check 7 of the reproduction card; for the paper's test set this variance is 0.012."""
    t, p = sample
    found = metrics(t, p)
    assert found["mse"] / (1 - found["r2"]) == pytest.approx(np.var(t), rel=1e-12)


def test_the_two_precisions_differ_just_by_the_median(sample):
    t, p = sample
    shifted = metrics(t, p + 0.05 * (1 + t))
    assert shifted["precision"] == pytest.approx(metrics(t, p)["precision"])
    assert shifted["precision_eq8"] > 2 * shifted["precision"]
    centred = p - np.median(scaled_error(t, p)) * (1 + t)
    found = metrics(t, centred)
    assert found["precision"] == pytest.approx(found["precision_eq8"])


def test_gaussian_errors_give_their_sigma():
    rng = np.random.default_rng(0)
    t = rng.uniform(0, 0.5, 200_000)
    p = t + (1 + t) * rng.normal(0, 0.015, len(t))
    rail, pasquet = metrics(t, p, "rail"), metrics(t, p, "pasquet")
    for sigma in (rail["sigma_iqr"], rail["sigma_mad"], pasquet["sigma_mad"]):
        assert sigma == pytest.approx(0.015, rel=0.01)


def test_float32_is_computed_in_float64():
    t = np.full(5, 0.3, np.float32) + np.arange(5, dtype=np.float32) * 1e-3
    assert metrics(t, t + np.float32(1e-5))["mse"] == pytest.approx(1e-10, rel=0.05)


@pytest.mark.parametrize(
    ("t", "p", "words"),
    [
        ([0.1, 0.2], [[0.1], [0.2]], "one-dimensional"),
        ([0.1, 0.2], [0.1], "one-dimensional"),
        ([0.1, np.nan], [0.1, 0.2], "true redshifts are not finite, the first in row 1"),
        ([0.1, 0.2], [np.inf, 0.2], "predicted redshifts are not finite, the first in row 0"),
        ([0.1, -1.0], [0.1, 0.2], "row 1 is -1"),
        ([0.1], [0.1], "at least two"),
    ],
)
def test_unusable_redshifts_are_refused(t, p, words):
    with pytest.raises(ValueError, match=words):
        metrics(t, p)


def test_unknown_convention_is_refused():
    with pytest.raises(ValueError, match="astromae, pasquet, rail"):
        metrics(T, P, "euclid")


def test_bootstrap_error_of_a_mean_is_its_standard_error(sample):
    t, p = sample
    row = bootstrap(t, p, n_resamples=2000).loc["bias"]
    standard_error = scaled_error(t, p).std() / np.sqrt(len(t))
    assert row["error"] == pytest.approx(standard_error, rel=0.06)
    assert row["low"] == pytest.approx(row["value"] - 1.96 * standard_error, abs=0.2 * standard_error)
    assert row["high"] == pytest.approx(row["value"] + 1.96 * standard_error, abs=0.2 * standard_error)


def test_bootstrap_repeats_and_its_blocks_do_not_show(sample, monkeypatch):
    t, p = sample
    first = bootstrap(t, p, "rail", n_resamples=50, seed=3)
    monkeypatch.setattr("astrolib.evaluate.redshift._BLOCK", 7 * len(t))
    again = bootstrap(t, p, "rail", n_resamples=50, seed=3)
    assert first.equals(again)
    assert not first.equals(bootstrap(t, p, "rail", n_resamples=50, seed=4))
    assert first["value"].to_dict() == pytest.approx(metrics(t, p, "rail"))


def test_paired_difference_is_sharper_than_two_errors(sample):
    t, p = sample
    better = t + 0.95 * (p - t)
    paired = difference(t, p, better, n_resamples=300).loc["mse"]
    apart = np.hypot(*(bootstrap(t, z, n_resamples=300).loc["mse", "error"] for z in (p, better)))
    assert paired["difference"] == pytest.approx(metrics(t, p)["mse"] - metrics(t, better)["mse"])
    assert paired["error"] < apart / 5
    assert paired["low"] > 0


def test_score_holds_every_metric_of_every_convention(sample):
    table = score(*sample, n_resamples=20)
    assert list(table.columns) == ["convention", "metric", "value", "error"]
    for convention in CONVENTIONS:
        rows = table[table["convention"] == convention].set_index("metric")["value"]
        assert rows.to_dict() == pytest.approx(metrics(*sample, convention))
    assert table.notna().all(axis=None)
