"""Surveys of stars on disk: what comes back, what stays on disk, and what a damaged folder says."""

import numpy as np
import pytest
from astropy.table import Table

from astrolib.data.galaxies import SurveyError, rejects
from astrolib.data.star_store import open_stars, save_stars
from astrolib.data.stars import Modality, StarSurvey


@pytest.fixture
def survey() -> StarSurvey:
    rng = np.random.default_rng(0)
    catalogue = Table({"id": ["a", "b", "c"], "class": ["EW", "", "M"], "period": [0.3, np.nan, 200.0]})
    catalogue.meta["info"] = {"mean": [0.1, 0.2], "classes": ["EW", "M"]}
    catalogue["photometry_fault"] = ["", "", "its light curve is empty"]
    photometry = Modality(
        "light curve",
        rng.normal(size=(3, 7, 3)).astype(np.float32),
        ("time", "flux", "flux error"),
        np.array([7, 3, 0], np.int32),
        rng.normal(size=(3, 2)).astype(np.float32),
        ("period", "log_mad"),
        ("period",),
    )
    spectra = Modality(
        "spectrum",
        rng.normal(size=(3, 2, 9)).astype(np.float32),
        ("flux", "error"),
        np.ones(3, np.int32),
        axis=np.linspace(3850, 8998, 9),
    )
    image = Modality(
        "image", rng.normal(size=(3, 1, 4, 5)).astype(np.float32), ("dm/dt",), np.ones(3, np.int32)
    )
    return StarSurvey(
        {"photometry": photometry, "spectra": spectra, "dmdt": image},
        np.array([0, -1, 1]),
        ("EW", "M"),
        catalogue,
        "simulated noise",
        truth=Table({"subtype": ["", "x", "y"]}),
        rejected=rejects(["d"], ["no modality"]),
    )


def test_a_survey_comes_back_whole(tmp_path, survey):
    save_stars(tmp_path / "stars", survey)
    back = open_stars(tmp_path / "stars")
    assert back.fingerprint() == survey.fingerprint() and repr(back) == repr(survey)
    for name, modality in survey.modalities.items():
        assert back.modalities[name].kind == modality.kind and back.modalities[name].names == modality.names
        assert back.modalities[name].constant_names == modality.constant_names
        assert isinstance(back.modalities[name].values, np.memmap)
    assert np.array_equal(back.modalities["spectra"].axis, survey.modalities["spectra"].axis)
    assert back.modalities["photometry"].axis is None
    assert list(back.catalogue["class"]) == ["EW", "", "M"] and np.isnan(back.catalogue["period"][1])
    assert list(back.catalogue["photometry_fault"]) == ["", "", "its light curve is empty"]
    assert list(back.truth["subtype"]) == ["", "x", "y"] and list(back.rejected["reason"]) == ["no modality"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stars"]
    assert back.subset([2, 0]).ids.tolist() == ["c", "a"]


def test_no_truth_and_nothing_rejected(tmp_path, survey):
    plain = StarSurvey(survey.modalities, survey.label, survey.class_names, survey.catalogue, survey.source)
    save_stars(tmp_path / "stars", plain)
    back = open_stars(tmp_path / "stars")
    assert back.truth is None and len(back.rejected) == 0 and back.rejected.colnames == ["id", "reason"]


def test_what_an_interruption_left_is_replaced(tmp_path, survey):
    (tmp_path / "stars.part").mkdir()
    (tmp_path / "stars.part" / "label.npy").write_text("half")
    save_stars(tmp_path / "stars", survey)
    assert open_stars(tmp_path / "stars").fingerprint() == survey.fingerprint()
    assert not (tmp_path / "stars.part").exists()


@pytest.mark.parametrize("name", ["survey.json", "photometry.values.npy", "label.npy", "catalogue.parquet"])
@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_folder_may_be_deleted(tmp_path, survey, name, damage):
    save_stars(tmp_path / "stars", survey)
    path = tmp_path / "stars" / name
    if damage == "cut":
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    else:
        path.unlink()
    with pytest.raises(SurveyError, match="stars are damaged .*delete that folder"):
        open_stars(tmp_path / "stars")


def test_arrays_that_do_not_fit_each_other_are_damage_too(tmp_path, survey):
    save_stars(tmp_path / "stars", survey)
    np.save(tmp_path / "stars" / "label.npy", np.zeros(2, int))
    with pytest.raises(SurveyError, match="delete that folder"):
        open_stars(tmp_path / "stars")
