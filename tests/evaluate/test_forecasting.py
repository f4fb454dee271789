import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from astrolib.data.detector import (
    cut_windows,
    knn_graph,
    neighbour_index,
    random_graph,
    split_times,
    standardize,
)
from astrolib.evaluate.forecasting import (
    linear_interpolation,
    persistence,
    ridge_fill,
    ridge_forecast,
)
from astrolib.simulate.detector import draw_detector

N_STARS, N_TIMES = 96, 2500


def test_persistence_is_the_last_value_that_was_seen():
    x = np.arange(12.0).reshape(1, 4, 3)
    observed = np.ones((1, 4, 3), bool)
    observed[0, 2:, 1] = False
    observed[0, :, 2] = False
    assert persistence(x, observed, 2).tolist() == [[[9, 4, 0], [9, 4, 0]]]


def test_interpolation_is_numpys():
    rng = np.random.default_rng(0)
    x, visible = rng.standard_normal((5, 12, 7)), rng.random((5, 12, 7)) > 0.4
    visible[0, :, 0] = False
    filled = linear_interpolation(np.where(visible, x, np.nan), visible)
    times = np.arange(12)
    for window in range(5):
        for star in range(7):
            seen = visible[window, :, star]
            expected = np.interp(times, times[seen], x[window, seen, star]) if seen.any() else np.zeros(12)
            assert np.allclose(filled[window, :, star], expected)


def test_ridge_is_least_squares_on_many_windows():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((20_000, 3, 2))
    y = 0.5 + x[:, -1:] - 2 * x[:, :1, ::-1] + 0.1 * rng.standard_normal((20_000, 1, 2))
    observed = np.ones(y.shape, bool)
    observed[::2, 0, 0] = False
    y[::2, 0, 0] = 1e6  # gaps have no part in it
    forecast = ridge_forecast(x, y, observed, x[:9], neighbours=[[1], [0]])
    rows = observed[:, 0, 0]
    flat = x.reshape(len(x), -1)
    exact = LinearRegression().fit(flat[rows], y[rows, 0, 0]).predict(flat[:9])
    assert np.allclose(forecast[:, 0, 0], exact, atol=2e-3)
    alone = ridge_forecast(x, y, observed, x[:9])
    exact = LinearRegression().fit(x[rows, :, 0], y[rows, 0, 0]).predict(x[:9, :, 0])
    assert np.allclose(alone[:, 0, 0], exact, atol=2e-3)


def test_forecasts_use_no_star_but_those_given():
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((100, 4, 3)), rng.standard_normal((100, 2, 3))
    changed = x.copy()
    changed[..., 2] += rng.standard_normal((100, 4))
    first, second = (
        ridge_forecast(each, y, y == y, each, neighbours=[[1], [0], [0]]) for each in (x, changed)
    )
    assert np.array_equal(first[..., :2], second[..., :2])
    assert not np.array_equal(first[..., 2], second[..., 2])


def test_a_fill_is_the_conditional_mean_of_a_gaussian():
    rng = np.random.default_rng(2)
    root = rng.standard_normal((6, 6))
    covariance = root @ root.T + np.eye(6)
    covariance /= covariance.max()
    values = rng.multivariate_normal(np.arange(6), covariance, 200_000)  # two stars of three steps
    series = values.reshape(-1, 2, 3).transpose(0, 2, 1)
    visible = np.ones((1, 3, 2), bool)
    visible[0, 1, 0] = visible[0, 2, 1] = False
    hidden = ~visible.transpose(0, 2, 1).reshape(-1)
    filled = ridge_fill(series, series == series, series[:1], visible, neighbours=[[1], [0]])
    among = covariance[np.ix_(~hidden, ~hidden)] + 0.01 * np.eye(4)
    offset = values[0, ~hidden] - np.arange(6)[~hidden]
    expected = np.arange(6)[hidden] + covariance[np.ix_(hidden, ~hidden)] @ np.linalg.solve(among, offset)
    found = filled.transpose(0, 2, 1).reshape(-1)
    assert np.allclose(found[hidden], expected, atol=0.02)
    assert np.array_equal(found[~hidden], values[0, ~hidden])


def test_fills_do_not_look_at_what_is_hidden():
    rng = np.random.default_rng(3)
    series, visible = rng.standard_normal((300, 4, 2)), rng.random((300, 4, 2)) > 0.3
    spoilt = np.where(visible, series, 1e6)
    one, two = (ridge_fill(series, series == series, x, visible) for x in (series, spoilt))
    assert np.array_equal(one, two)


def test_covariances_survive_gaps():
    rng = np.random.default_rng(4)
    series = rng.standard_normal((4000, 1, 1)).repeat(3, axis=1) + 0.3 * rng.standard_normal((4000, 3, 1))
    observed = rng.random(series.shape) > 0.2
    visible = np.ones((4000, 3, 1), bool)
    visible[:, 1] = False
    full, gappy = (ridge_fill(series, seen, series, visible) for seen in (series == series, observed))
    assert np.abs(full - gappy).mean() < 0.05
    with pytest.raises(ValueError, match="never observed together"):
        ridge_fill(series, np.arange(3)[:, None] > 0 * series, series, visible)


def horizon_errors(f_sys):
    """Mean absolute error at step 3 of own past, with true and with random neighbours; and of fills."""
    detector = standardize(
        draw_detector(N_STARS, N_TIMES, seed=1, f_sys=f_sys, gaps=0.01), round(0.6 * N_TIMES)
    )
    starts = split_times(N_TIMES)
    train, test = (cut_windows(detector.flux, starts[part], 24) for part in ("train", "test"))
    seen, ok = (cut_windows(detector.observed, starts[part], 24) for part in ("train", "test"))
    rng = np.random.default_rng(0)
    graphs = {
        "own": None,
        "true": neighbour_index(knn_graph(detector.position, 6), 6),
        "random": neighbour_index(random_graph(detector.position, 6, rng), 6),
    }
    hidden = rng.random((len(test), N_STARS, 6)).argsort(axis=2) < 2
    hidden = hidden.repeat(2, axis=2).transpose(0, 2, 1)
    x, visible, counts = test[:, :12], ok[:, :12] & ~hidden, ok[:, :12] & hidden
    forecast, fill = {}, {"line": linear_interpolation(x, visible)}
    for name, graph in graphs.items():
        steps = ridge_forecast(train[:, :12], train[:, 12:], seen[:, 12:], x, neighbours=graph)
        forecast[name] = np.abs(steps - test[:, 12:])[:, 2][ok[:, 14]].mean()
        fill[name] = ridge_fill(train[:, :12], seen[:, :12], x[::6], visible[::6], neighbours=graph)
    forecast["last"] = np.abs(persistence(x, ok[:, :12], 3) - test[:, 12:15])[:, 2][ok[:, 14]].mean()
    fill["line"] = fill["line"][::6]
    return forecast, {name: np.abs(each - x[::6])[counts[::6]].mean() for name, each in fill.items()}


def test_neighbours_help_as_the_card_says_and_only_true_ones():
    """Card, section 4.4: at step 3 0.851 / 0.691 / 0.635, random 0.702; hidden 0.709 / 0.625 / 0.571."""
    forecast, fill = horizon_errors(0.6)
    assert forecast["last"] > 1.1 * forecast["own"]
    assert forecast["true"] < 0.98 * forecast["own"]
    assert forecast["random"] > forecast["own"]
    assert 0.6 < forecast["true"] < 0.7 < forecast["last"] < 0.95
    assert fill["true"] < 0.95 * fill["own"] < 0.95 * 0.95 * fill["line"]
    assert fill["random"] > 0.98 * fill["own"]


def test_without_systematics_no_neighbour_helps():
    """Card, section 4.4: 1.031 / 0.764 / 0.787, random 0.782; hidden 0.903 / 0.765 / 0.773."""
    forecast, fill = horizon_errors(0.0)
    for errors in (forecast, fill):
        assert errors["true"] > errors["own"]
        assert errors["true"] == pytest.approx(errors["random"], rel=0.02)
    assert forecast["own"] == pytest.approx(0.764, abs=0.03)
    assert forecast["last"] == pytest.approx(1.031, abs=0.05)
