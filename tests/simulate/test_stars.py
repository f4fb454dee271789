import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier

from astrolib.simulate.star_catalogue import METADATA
from astrolib.simulate.star_classes import CLASS_COUNTS
from astrolib.simulate.star_sampling import FLOOR, SKY_ERROR
from astrolib.simulate.stars import WAVELENGTH, draw_stars

GRID = np.arange(3850, 9000, 20.0)
PHOTOMETRY = ["amplitude", "period", "lksl_statistic", "rfr_score"]


@pytest.fixture(scope="module")
def stars():
    return draw_stars(3000, seed=5, wavelength=GRID)


def of(stars, name, table="truth"):
    return np.asarray(getattr(stars, table)[name])


def test_the_catalogue_has_the_columns_of_the_paper_and_no_truth(stars):
    assert stars.catalogue.colnames == ["id", "class", *METADATA, *PHOTOMETRY]
    assert len(METADATA) == 34
    assert not {"true_class", "subtype", "planted", "what"} & set(stars.catalogue.colnames)
    assert stars.source == "simulated"
    assert stars.catalogue["id"][123] == "twin-5-000123"
    assert len(set(stars.catalogue["id"])) == len(stars) == 3000
    assert (stars.truth["id"] == stars.catalogue["id"]).all()


def test_everything_is_finite_and_of_the_right_shape(stars):
    for name in (*METADATA, *PHOTOMETRY):
        assert np.isfinite(of(stars, name, "catalogue")).all(), name
    assert stars.points.shape == (stars.offsets[-1], 3)
    assert stars.points.dtype == np.float64
    assert np.isfinite(stars.points).all()
    assert stars.flux.shape == stars.ivar.shape == (3000, 258)
    assert stars.flux.dtype == stars.ivar.dtype == np.float32
    assert np.isfinite(stars.flux).all()
    assert (stars.ivar > 0).all()


def test_a_seed_gives_one_survey():
    first, again, other = (draw_stars(40, seed, wavelength=GRID) for seed in (1, 1, 2))
    for name in first.catalogue.colnames:
        assert (first.catalogue[name] == again.catalogue[name]).all()
    for name in first.truth.colnames:
        assert (first.truth[name] == again.truth[name]).all()
    for name in ("points", "offsets", "flux", "ivar"):
        np.testing.assert_array_equal(getattr(first, name), getattr(again, name))
    assert not (first.flux[0] == other.flux[0]).any()


def test_a_survey_of_several_blocks_is_one_table():
    stars = draw_stars(1100, seed=0, wavelength=np.array([4000.0, 6000.0, 8000.0]))
    assert len(stars.catalogue) == len(stars.truth) == len(stars.flux) == 1100
    assert len(stars.offsets) == 1101
    assert stars.offsets[-1] == len(stars.points)
    assert (of(stars, "temperature")[:50] != of(stars, "temperature")[1024:1074]).all()


def test_without_a_grid_spectra_are_those_of_the_paper():
    stars = draw_stars(2, seed=0)
    assert stars.flux.shape == (2, 2575)
    assert (stars.wavelength == WAVELENGTH).all()
    assert WAVELENGTH[0] == 3850
    assert WAVELENGTH[-1] == 8998


@pytest.mark.parametrize(
    "grid", [[5000.0], [4000.0, 3900.0, 5000.0], [3000.0, 4000.0, 5000.0], [4000.0, 5000.0, 9500.0]]
)
def test_grids_that_cannot_be_used(grid):
    with pytest.raises(ValueError, match="grid of wavelengths"):
        draw_stars(1, 0, wavelength=np.array(grid))


def test_there_must_be_stars():
    with pytest.raises(ValueError, match="0 stars"):
        draw_stars(0, seed=1)


def test_mean_magnitude_is_distance_modulus_and_extinction(stars):
    expected = of(stars, "absolute_v") + 5 * np.log10(of(stars, "distance") / 10) + of(stars, "extinction")
    np.testing.assert_allclose(of(stars, "apparent_v"), expected, atol=1e-6)
    steady = (of(stars, "amplitude") < 0.5) & (of(stars, "planted") == "normal")
    residual = (of(stars, "mean_vmag", "catalogue") - expected)[steady]
    assert np.abs(np.median(residual)) < 0.02  # the mean of fluxes is a little brighter
    assert np.std(residual) < 0.05


def test_parallax_has_the_stated_error_and_is_sometimes_negative(stars):
    truth = 1e3 / of(stars, "distance") - 0.03
    pull = (of(stars, "parallax", "catalogue") - truth) / of(stars, "parallax_error", "catalogue")
    assert np.std(pull) == pytest.approx(1, abs=0.05)
    share = np.mean(of(stars, "parallax", "catalogue") < 0)
    assert 0.001 < share < 0.05


def test_faint_stars_are_noisier(stars):
    counts = np.diff(stars.offsets)
    relative = (
        np.add.reduceat(stars.points[:, 2] / np.maximum(stars.points[:, 1], 0.1), stars.offsets[:-1]) / counts
    )
    v = of(stars, "mean_vmag", "catalogue")
    bright, faint = relative[v < 12.5], relative[(v > 15.5) & (v < 16.5)]
    assert np.median(bright) == pytest.approx(FLOOR, rel=0.3)
    assert np.median(faint) == pytest.approx(SKY_ERROR / 1.45 * 1.25, rel=0.5)  # V = 16 is 1.45 mJy


def test_folding_scores_tell_clean_curves_from_wrong_periods(stars):
    score, length = of(stars, "rfr_score", "catalogue"), of(stars, "lksl_statistic", "catalogue")
    assert score.min() >= 0
    assert score.max() <= 1
    assert np.corrcoef(score, length)[0, 1] < -0.9
    lyrae = (of(stars, "true_class") == "RRAB") & (of(stars, "planted") == "normal")
    assert np.median(score[lyrae]) > 0.9
    wrong = of(stars, "what") == "wrong period"
    assert wrong.sum() >= 2
    assert np.median(score[wrong]) < 0.5


def test_flares_and_dimmings_are_in_the_curves():
    stars = draw_stars(3000, seed=6, wavelength=np.array([4000.0, 6000.0, 8000.0]))
    for what, sign in (("flare", -1), ("dimming", 1)):
        rows = np.flatnonzero(of(stars, "what") == what)
        rows = rows[of(stars, "amplitude")[rows] < 0.6]
        assert len(rows) >= 2
        for row in rows:
            flux = stars.points[stars.offsets[row] : stars.offsets[row + 1], 1]
            change = -2.5 * np.log10(np.clip(flux, 0.1, None) / np.median(flux)) * sign
            assert change.max() > 0.7


@pytest.mark.slow
def test_modalities_complement_each_other(stars):
    """Order of the paper's table: photometry above metadata above spectra, and all together above each."""
    label, train = of(stars, "class", "catalogue"), np.arange(3000) < 2300
    counts = np.diff(stars.offsets)
    flux = stars.points[:, 1]
    flux = flux - np.repeat(np.add.reduceat(flux, stars.offsets[:-1]) / counts, counts)
    _, second, third = (np.add.reduceat(flux**k, stars.offsets[:-1]) / counts for k in (1, 2, 3))
    mad = np.median(np.abs(stars.flux - np.median(stars.flux, 1, keepdims=True)), 1, keepdims=True)
    columns = {name: of(stars, name, "catalogue") for name in (*METADATA, *PHOTOMETRY)}
    views = {
        "photometry": np.stack([*(columns[name] for name in PHOTOMETRY), third / second**1.5], 1),
        "metadata": np.stack([columns[name] for name in METADATA], 1),
        "spectra": PCA(12, random_state=0).fit_transform(stars.flux / mad),
    }
    views["all"] = np.concatenate(list(views.values()), 1)
    forest, accuracy = RandomForestClassifier(100, random_state=0), {}
    for name, x in views.items():
        answer = forest.fit(x[train], label[train]).predict(x[~train])
        accuracy[name] = np.mean(answer == label[~train])
    assert 0.79 < accuracy["photometry"] < 0.93
    assert 0.72 < accuracy["metadata"] < 0.88
    assert 0.60 < accuracy["spectra"] < 0.79
    assert accuracy["photometry"] > accuracy["metadata"] > accuracy["spectra"]
    assert 0.87 < accuracy["all"] < 0.97
    assert accuracy["all"] > accuracy["photometry"] + 0.01
    wrong = answer != label[~train]
    eclipsing = np.isin(label[~train], ["EA", "EB", "EW"]) & np.isin(answer, ["EA", "EB", "EW"])
    assert np.mean(eclipsing[wrong]) > 0.4  # the main confusion
    assert set(label) == set(CLASS_COUNTS)
