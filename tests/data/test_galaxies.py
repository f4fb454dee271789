"""A survey that exists is a survey that fits together; rows that do not fit are named."""

import numpy as np
import pytest
from astropy.table import Table

from astrolib.data.galaxies import GalaxySurvey, SurveyError, rejects
from astrolib.data.pixels import central_pixels, sky_noise
from astrolib.data.store import open_survey, save_survey

BANDS = ("u", "g", "r", "i", "z")


def parts(n=6, size=8, seed=0) -> dict:
    rng = np.random.default_rng(seed)
    return {
        "images": rng.normal(size=(n, 5, size, size)).astype(np.float32),
        "bands": BANDS,
        "magnitudes": rng.uniform(15, 19, (n, 5)).astype(np.float32),
        "redshift": rng.uniform(0.01, 0.3, n).astype(np.float32),
        "catalogue": Table({"id": [f"galaxy-{seed}-{row}" for row in range(n)], "type": ["late"] * n}),
        "source": "a test",
        "noise": np.full(5, 0.02, np.float32),
    }


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("images", np.zeros((6, 5, 8), np.float32), "bands, height, width"),
        ("images", np.zeros((6, 5, 8, 8)), "images should be float32"),
        ("images", np.zeros((7, 5, 8, 8), np.float32), "magnitudes of shape"),
        ("bands", ("u", "g", "r", "i", "w"), "bands"),
        ("bands", ("u", "g", "r", "i", "i"), "each once"),
        ("redshift", np.zeros((6, 1), np.float32), "redshift of shape"),
        ("noise", np.zeros(4, np.float32), "noise of shape"),
        ("magnitudes", np.full((6, 5), np.nan, np.float32), "magnitudes are not all finite"),
        ("catalogue", Table({"name": range(6)}), "column id"),
        ("catalogue", Table({"id": [1, 2, 3, 4, 5, 5]}), "id 5 stands for more than one"),
    ],
)
def test_parts_that_do_not_fit_are_refused(name, value, fault):
    with pytest.raises(SurveyError, match=f"a test.*{fault}"):
        GalaxySurvey(**parts() | {name: value})


def test_bad_rows_are_left_out_with_their_reason():
    bad = parts(n=8)
    bad["images"][1, 2, 3, 3] = np.nan
    bad["images"][2, 0, 0, 0] = np.inf
    bad["magnitudes"][3, 0] = -9999
    bad["magnitudes"][4, 4] = np.nan
    bad["redshift"][5] = 1.5
    bad["redshift"][6] = np.nan
    survey = GalaxySurvey.build(**bad, rejected=rejects(["before"], ["quasar"]))
    assert list(survey.catalogue["id"]) == ["galaxy-0-0", "galaxy-0-7"]
    assert dict(survey.rejected.iterrows()) == {
        "before": "quasar",
        "galaxy-0-1": "a pixel is not finite",
        "galaxy-0-2": "a pixel is not finite",
        "galaxy-0-3": "no magnitude in band u",
        "galaxy-0-4": "no magnitude in band z",
        "galaxy-0-5": "redshift above 1",
        "galaxy-0-6": "redshift not finite",
    }
    assert np.array_equal(survey.images, bad["images"][[0, 7]])
    assert "2: a pixel is not finite" in repr(survey) and "a test" in repr(survey)


def test_build_converts_types_and_keeps_a_good_memory_map(tmp_path):
    good = parts()
    np.save(tmp_path / "images.npy", good["images"])
    images = np.load(tmp_path / "images.npy", mmap_mode="r")
    survey = GalaxySurvey.build(**good | {"images": images, "magnitudes": good["magnitudes"].astype(float)})
    assert np.shares_memory(survey.images, images)
    assert survey.magnitudes.dtype == np.float32 and len(survey.rejected) == 0


def test_unknown_redshifts_are_allowed_where_there_are_none():
    survey = GalaxySurvey.build(**parts() | {"redshift": np.full(6, np.nan)}, redshift_range=None)
    assert len(survey) == 6 and "redshift  unknown" in repr(survey)


def test_a_subset_keeps_rows_together():
    survey = GalaxySurvey(**parts())
    few = survey.subset([4, 1])
    assert list(few.catalogue["id"]) == ["galaxy-0-4", "galaxy-0-1"]
    for name in ("images", "magnitudes", "redshift"):
        assert np.array_equal(getattr(few, name), getattr(survey, name)[[4, 1]])
    assert len(survey.subset(survey.redshift > 1)) == 0


def test_the_fingerprint_sees_every_number_and_not_where_it_is_kept(tmp_path):
    survey = GalaxySurvey(**parts())
    save_survey(tmp_path / "kept", [survey.subset(slice(0, 4)), survey.subset(slice(4, None))])
    assert open_survey(tmp_path / "kept").fingerprint() == survey.fingerprint()
    for name in ("images", "magnitudes", "redshift", "noise"):
        changed = parts()
        changed[name].flat[-1] += np.float32(1e-3)
        assert GalaxySurvey(**changed).fingerprint() != survey.fingerprint(), name
    assert survey.subset([1, 0, 2, 3, 4, 5]).fingerprint() != survey.fingerprint()
    assert GalaxySurvey(**parts() | {"source": "another test"}).fingerprint() != survey.fingerprint()


def test_the_fingerprint_of_a_large_survey_takes_some_stamps(monkeypatch):
    monkeypatch.setattr("astrolib.data.galaxies.HASH_WHOLE", 2000)
    survey = GalaxySurvey(**parts())  # 7,680 bytes: every fourth stamp
    for row, seen in ((0, True), (1, False), (4, True)):
        changed = parts()
        changed["images"][row] += 1
        assert (GalaxySurvey(**changed).fingerprint() != survey.fingerprint()) is seen


def test_a_survey_written_in_blocks_is_the_survey(tmp_path):
    first, second = GalaxySurvey(**parts(5, seed=1)), GalaxySurvey(**parts(3, seed=2))
    bad = parts(2, seed=3)
    bad["images"][:] = np.nan
    nothing = GalaxySurvey.build(**bad)  # a block may lose all its rows, also the first
    save_survey(tmp_path / "kept", iter([nothing, first, second]))
    survey = open_survey(tmp_path / "kept")
    assert isinstance(survey.images, np.memmap) and survey.bands == BANDS and survey.source == "a test"
    assert np.array_equal(survey.images, np.concatenate([first.images, second.images]))
    assert np.array_equal(survey.redshift, np.concatenate([first.redshift, second.redshift]))
    assert list(survey.catalogue["id"]) == [*first.catalogue["id"], *second.catalogue["id"]]
    assert list(survey.rejected["id"]) == ["galaxy-3-0", "galaxy-3-1"]
    assert np.array_equal(np.load(tmp_path / "kept" / "images.npy"), survey.images)  # a plain npy file


def test_an_interrupted_write_leaves_nothing_under_the_name(tmp_path):
    def interrupted():
        yield GalaxySurvey(**parts(4))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_survey(tmp_path / "kept", interrupted())
    assert not (tmp_path / "kept").exists()
    save_survey(tmp_path / "kept", [GalaxySurvey(**parts(3))])
    assert len(open_survey(tmp_path / "kept")) == 3


def test_a_damaged_folder_says_that_it_may_be_deleted(tmp_path):
    save_survey(tmp_path / "kept", [GalaxySurvey(**parts())])
    with (tmp_path / "kept" / "images.npy").open("r+b") as stream:
        stream.truncate(1000)
    with pytest.raises(SurveyError, match="kept.*delete that folder"):
        open_survey(tmp_path / "kept")


def test_a_survey_without_galaxies_is_not_kept(tmp_path):
    with pytest.raises(SurveyError, match="No galaxy"):
        save_survey(tmp_path / "kept", [GalaxySurvey(**parts(0))])


def test_the_centre_of_64_pixels_is_that_of_the_paper(tmp_path):
    assert central_pixels((3, 5, 64, 64), 32, tmp_path) == (slice(16, 48), slice(16, 48))
    with pytest.raises(SurveyError, match="32 x 32 pixels, fewer than the 48"):
        central_pixels((3, 5, 32, 32), 48, tmp_path)


def test_sky_noise_is_that_of_the_sky_and_not_of_the_galaxy():
    rng = np.random.default_rng(0)
    images = rng.normal(scale=[[[0.02]], [[0.1]]], size=(400, 2, 32, 32)).astype(np.float32)
    images[:, :, 10:22, 10:22] += 50
    images[::10, :, :, 0] += 5  # a neighbour at the rim of some
    assert np.allclose(sky_noise(images), [0.02, 0.1], rtol=0.05)
