import numpy as np
import pytest
from astropy.table import Table
from sklearn.neighbors import KNeighborsRegressor

from astrolib.simulate.population import draw_population, parameters_from_photometry

BANDS = "ugriz"

# Median u-g, g-r, r-i, i-z of the galaxies of sdss_galaxy_colors.npy (all bands below 20) by redshift.
REAL_COLOURS = {
    (0.02, 0.05): (1.352, 0.597, 0.333, 0.244),
    (0.05, 0.08): (1.542, 0.749, 0.401, 0.285),
    (0.08, 0.11): (1.578, 0.813, 0.416, 0.304),
    (0.11, 0.14): (1.534, 0.856, 0.430, 0.319),
    (0.14, 0.17): (1.446, 0.875, 0.440, 0.305),
    (0.17, 0.20): (1.315, 0.879, 0.449, 0.288),
}


@pytest.fixture(scope="module")
def galaxies():
    return draw_population(40_000, seed=42)


def magnitudes(table):
    return np.stack([np.asarray(table[band]) for band in BANDS], -1)


def test_colours_by_redshift_are_those_of_the_real_sample(galaxies):
    m = magnitudes(galaxies)
    colours, redshift = -np.diff(m), np.asarray(galaxies["redshift"])
    complete = (m < 20).all(1)  # the real table is cut at 20 in every band
    for (low, high), real in REAL_COLOURS.items():
        rows = complete & (redshift > low) & (redshift <= high)
        assert rows.sum() > 300
        np.testing.assert_allclose(np.median(colours[rows], 0), real, atol=0.1)


def test_redshifts_have_the_spread_of_the_paper_sample(galaxies):
    redshift = np.asarray(galaxies["redshift"])
    assert redshift.var() == pytest.approx(0.012, abs=0.001)  # MSE / (1 - R2) in every row of its tables
    assert np.median(redshift) == pytest.approx(0.1156, abs=0.01)  # median of 2,001 labels of the real set
    counts, edges = np.histogram(redshift, np.arange(0, 0.72, 0.04))
    assert 0.04 <= edges[counts.argmax()] <= 0.08
    assert counts[8] > counts[6]  # a second clump at 0.32 to 0.36
    assert 0.6 < redshift.max() <= 0.68


def test_magnitude_limits_and_luminosities(galaxies):
    main = galaxies[galaxies["sample"] == "main"]
    assert main["r"].max() <= 17.77 + 1e-9
    assert galaxies["r"].max() <= 19.5 + 1e-9
    # In a flux-limited sample distant galaxies are luminous ones.
    far, near = main["redshift"] > 0.15, main["redshift"] < 0.05
    assert np.median(main["absolute_magnitude"][far]) < np.median(main["absolute_magnitude"][near]) - 1.5
    assert np.median(main["absolute_magnitude"]) == pytest.approx(-21.5, abs=0.4)


def test_redshift_is_as_predictable_from_magnitudes_as_on_real_photometry(galaxies):
    m = magnitudes(galaxies)
    rows = (m < 20).all(1)
    features, z = np.c_[-np.diff(m[rows]), m[rows, 2]], np.asarray(galaxies["redshift"])[rows]
    predicted = KNeighborsRegressor(15).fit(features[:10_000], z[:10_000]).predict(features[10_000:14_000])
    residual = (predicted - z[10_000:14_000]) / (1 + z[10_000:14_000])
    sigma_mad = 1.4826 * np.median(np.abs(residual - np.median(residual)))
    assert sigma_mad == pytest.approx(0.0188, abs=0.003)  # the same regressor on the real table: 0.0188


def test_types_differ_in_colour(galaxies):
    colour = np.asarray(galaxies["u"] - galaxies["r"])
    early = np.asarray(galaxies["type"] == "early")
    assert np.median(colour[early]) > 2.5 > 2.1 > np.median(colour[~early])


def test_a_seed_gives_one_population():
    first, again, other = (draw_population(50, seed) for seed in (1, 1, 2))
    assert all((first[name] == again[name]).all() for name in first.colnames)
    assert (first["redshift"] != other["redshift"]).all()


def test_there_must_be_galaxies():
    with pytest.raises(ValueError, match="0 galaxies"):
        draw_population(0, seed=1)


def real_table():
    rows = [  # a red, a blue and a nearby galaxy, and one with a slightly negative redshift
        (19.34, 17.41, 16.43, 16.00, 15.64, 0.100),
        (18.30, 17.10, 16.60, 16.30, 16.15, 0.080),
        (15.90, 14.60, 14.10, 13.85, 13.70, 0.004),
        (18.00, 16.90, 16.50, 16.30, 16.20, -0.0004),
    ]
    table = Table(rows=rows, names=[*BANDS, "redshift"])
    table["id"] = ["a", "b", "c", "d"]
    return table


def test_real_rows_keep_their_order_magnitudes_and_redshift():
    table = real_table()
    parameters = parameters_from_photometry(table, seed=0)
    for name in ("id", *BANDS, "redshift"):
        assert (parameters[name] == table[name]).all()
    assert list(parameters["type"][:2]) == ["early", "late"]
    assert set(parameters.colnames) == set(draw_population(1, 0).colnames) - {"sample"}
    sizes = parameters["half_light_radius"]
    assert np.isfinite(sizes).all() and (sizes > 0).all()


def test_rows_that_cannot_be_used_are_named():
    table = real_table()
    table["g"][2] = np.nan
    with pytest.raises(ValueError, match="Row 2 "):
        parameters_from_photometry(table, seed=0)
    table.remove_column("u")
    with pytest.raises(ValueError, match="no column u"):
        parameters_from_photometry(table, seed=0)
