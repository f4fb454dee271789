"""The door to images: names, classes, what is kept, and the real data."""

import itertools
import os

import numpy as np
import pytest

from astrolib import image_surveys, paths, profiles, surveys
from astrolib.data.galaxies import SurveyError
from astrolib.data.image_splits import split_images
from astrolib.data.manifest import FetchError, load_manifest
from astrolib.image_surveys import DATASETS, IMAGE_SOURCES, load_images

MIRROR = os.environ.get("ASTROLIB_DATA_DIR")  # of the person who runs the tests, before a fixture moves it
SPLIT = (0.7, 0.15, 0.15)


def load(source="simulated", **settings):
    return load_images(source, **{"progress": False, "image_size": 16} | settings)


@pytest.fixture
def real(monkeypatch):
    if MIRROR is None or not os.path.isdir(os.path.join(MIRROR, "galaxy_zoo1_more")):
        pytest.skip("ASTROLIB_DATA_DIR names no folder with the Galaxy Zoo images")
    monkeypatch.setenv("ASTROLIB_DATA_DIR", MIRROR)


def test_every_source_has_its_datasets_and_every_profile_its_source():
    assert IMAGE_SOURCES.keys() == DATASETS.keys()
    for dataset in itertools.chain(*DATASETS.values()):
        load_manifest(dataset)
    for name in profiles.available():
        assert profiles.load(name).barlow.data.source in IMAGE_SOURCES


def test_a_misspelt_source_and_a_wrong_number_are_answered():
    with pytest.raises(SurveyError, match="'galaxy-zo'. Did you mean galaxy-zoo"):
        load("galaxy-zo")
    with pytest.raises(SurveyError, match="say how many images with n_images"):
        load()
    with pytest.raises(SurveyError, match="n_images = 0: a survey needs at least one image"):
        load(n_images=0)


def test_simulated_classes_and_targets_are_the_truth():
    survey = load(n_images=200, seed=3)
    truth = surveys.load_galaxies("simulated", n_galaxies=200, image_size=16, seed=3, progress=False)
    assert np.array_equal(survey.images, truth.images) and np.array_equal(survey.noise, truth.noise)
    assert survey.source == "simulated" and not survey.is_display
    assert survey.class_names == ("elliptical", "edge-on", "spiral") and set(survey.label) == {0, 1, 2}
    early = truth.catalogue["type"] == "early"
    flat = truth.catalogue["disc_axis_ratio"] < 0.35
    assert np.array_equal(survey.label == 0, early)
    assert np.array_equal(survey.label == 1, ~early & flat)
    assert np.array_equal(survey.targets["redshift"], truth.redshift)
    assert np.allclose(survey.targets["magnitude"], truth.magnitudes[:, 2])
    assert set(survey.targets) == {"redshift", "bulge fraction", "axis ratio", "magnitude"}
    assert len(set(survey.group)) == 200
    assert (
        survey.fingerprint() == load(n_images=200, seed=3).fingerprint() != load(n_images=200).fingerprint()
    )


def test_files_that_cannot_be_had_are_the_error_of_the_download(monkeypatch):
    def refuse(name, *_, **__):
        raise FetchError(f"no network for {name}")

    monkeypatch.setattr(image_surveys.fetch, "fetch", refuse)
    for source, dataset in (("galaxy-zoo", "galaxy_zoo1"), ("galaxy10", "galaxy10_decals")):
        with pytest.raises(FetchError, match=dataset):
            load(source)


def test_galaxy10_is_read_and_kept(tmp_path, monkeypatch):
    import h5py

    folder = paths.data_cache() / "galaxy10_decals"
    folder.mkdir(parents=True)
    rng, n = np.random.default_rng(0), 20
    with h5py.File(folder / "Galaxy10_DECals.h5", "w") as file:
        file["images"] = rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
        file["ans"] = np.arange(n) % 10
        file["ra"], file["dec"] = np.linspace(0, 300, n), np.linspace(-10, 60, n)
        file["redshift"], file["pxscale"] = np.full(n, np.nan), np.full(n, 0.262)
    files = {"galaxy10_decals/Galaxy10_DECals.h5": folder / "Galaxy10_DECals.h5"}
    monkeypatch.setattr(image_surveys.fetch, "fetch", lambda name, progress: files)
    survey = load("galaxy10")
    assert len(survey) == n and survey.pixel_scale == pytest.approx(0.524)
    monkeypatch.setattr(image_surveys, "read_galaxy10", None)  # not read again
    some = load("galaxy10", n_images=5, seed=1)
    assert len(some) == 5 and set(some.ids) < set(survey.ids)
    with pytest.raises(SurveyError, match="n_images = 21, but this survey has only 20"):
        load("galaxy10", n_images=21)
    with pytest.raises(TypeError):  # another size is another survey
        load("galaxy10", image_size=8)


def test_the_real_labelled_images(real):
    survey = load("galaxy-zoo")
    assert survey.class_counts() == {"elliptical": 700, "edge-on": 600, "spiral": 850, "merger": 115}
    assert len(survey) == 2265 and not len(survey.rejected) and isinstance(survey.images, np.memmap)
    assert len(survey) - len(np.unique(survey.group)) > 10  # some share a field


@pytest.mark.slow
def test_the_real_images_for_pretraining(real):
    survey, labelled = load("galaxy-zoo-all"), load("galaxy-zoo")
    assert len(survey) == 6664 and (survey.label < 0).sum() == 4399
    known = survey.subset(survey.label >= 0)
    assert np.array_equal(known.ids, labelled.ids) and np.array_equal(known.label, labelled.label)
    assert (survey.catalogue["class"] == "don't know").sum() == 56
    parts, without = split_images(survey, SPLIT, 42), split_images(labelled, SPLIT, 42)
    for part in ("train", "validation", "test"):  # more pretraining images do not move the scored ones
        assert np.array_equal(survey.ids[parts[part]], labelled.ids[without[part]])
    scored = np.concatenate([parts["validation"], parts["test"]])
    assert not set(survey.group[parts["pretraining"]]) & set(survey.group[scored])
    assert 0 < len(parts["held out"]) < 100
    assert len(parts["pretraining"]) == len(parts["train"]) + 4399 - len(parts["held out"])
