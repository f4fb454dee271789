"""The door to data: names, what is kept, and what is made again."""

import hashlib
import os

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from astrolib import paths, profiles, surveys
from astrolib.data.galaxies import SurveyError
from astrolib.data.manifest import load_manifest
from astrolib.surveys import DATASETS, GALAXY_SOURCES, load_galaxies

MIRROR = os.environ.get(
    "ASTROLIB_DATA_DIR"
)  # of the person who runs the tests, read before a fixture moves it
UGRIZ = ("u", "g", "r", "i", "z")


def load(source, **settings):
    return load_galaxies(source, progress=False, **settings)


@pytest.fixture
def small_blocks(monkeypatch):
    """Several blocks even for a small survey."""
    monkeypatch.setattr(surveys, "BLOCK", 16)


def place(dataset: str, monkeypatch, write) -> None:
    """Put files of one's own in the cache folder and let the manifest of a dataset accept them."""
    manifests = paths.data_cache() / "manifests"
    manifests.mkdir(parents=True)
    files = []
    for file in load_manifest(dataset).files:
        path = paths.data_cache() / file.name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        files.append(f'[[files]]\nname = "{file.name}"\nmanual = "m"\nhash = "sha256:{digest}"\n')
    head = 'description = "d"\nlicence = "l"\ncitations = ["c"]\nrepository = "r"\nnotes = "n"\n'
    (manifests / f"{dataset}.toml").write_text(head + "".join(files))
    monkeypatch.setattr(paths, "manifests", lambda: manifests)


def write_photometry(path):
    rng = np.random.default_rng(0)
    rows = np.zeros(
        60, [(b, "f8") for b in UGRIZ] + [("spec_class", "S6"), ("redshift", "f8"), ("redshift_err", "f8")]
    )
    rows["spec_class"], rows["redshift_err"] = b"GALAXY", 1e-5
    rows["redshift"] = rng.uniform(0.02, 0.3, 60)
    rows["spec_class"][::10] = b"QSO"
    for band, magnitude in zip(UGRIZ, (18.9, 17.4, 16.6, 16.2, 15.9), strict=True):
        rows[band] = magnitude + rng.normal(scale=0.3, size=60)
    np.save(path, rows)


# ---------------------------------------------------------------- names


def test_every_source_has_its_datasets_and_every_profile_its_source():
    assert GALAXY_SOURCES.keys() == DATASETS.keys()
    for datasets in DATASETS.values():
        for dataset in datasets:
            load_manifest(dataset)
    for name in profiles.available():
        assert profiles.load(name).astromae.data.source in GALAXY_SOURCES


def test_a_misspelt_source_and_a_wrong_number_are_answered():
    with pytest.raises(SurveyError, match="Did you mean real-photometry"):
        load("real-fotometry")
    with pytest.raises(SurveyError, match="how many"):
        load("simulated")
    with pytest.raises(SurveyError, match="at least one"):
        load("simulated", n_galaxies=0)


# ---------------------------------------------------------------- simulated pixels


def test_a_simulated_survey_is_rendered_once(small_blocks, monkeypatch):
    survey = load("simulated", n_galaxies=40, image_size=24, seed=1)
    assert survey.images.shape == (40, 5, 24, 24) and survey.source == "simulated"
    assert isinstance(survey.images, np.memmap) and survey.bands == UGRIZ
    assert len(set(survey.catalogue["id"])) == 40 and set(survey.catalogue["type"]) <= {"early", "late"}
    monkeypatch.setattr(surveys.twin, "render", None)  # would fail if it were called again
    assert load("simulated", n_galaxies=40, image_size=24, seed=1).fingerprint() == survey.fingerprint()


def test_settings_and_code_make_another_survey_but_blocks_do_not(small_blocks, monkeypatch, tmp_path):
    first = load("simulated", n_galaxies=20, image_size=24, seed=1)
    assert load("simulated", n_galaxies=20, image_size=24, seed=2).fingerprint() != first.fingerprint()
    assert load("simulated", n_galaxies=20, image_size=32, seed=1).images.shape[-1] == 32
    assert len(list(paths.arrays().glob("simulated-*[0-9a-f]"))) == 3

    monkeypatch.setattr(surveys, "BLOCK", 7)
    monkeypatch.setenv("ASTROLIB_BUILD", str(tmp_path / "elsewhere"))
    assert load("simulated", n_galaxies=20, image_size=24, seed=1).fingerprint() == first.fingerprint()


def test_an_interrupted_rendering_is_not_taken_for_a_survey(small_blocks, monkeypatch):
    render, calls = surveys.twin.render, []

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return render(*args, **kwargs)

    monkeypatch.setattr(surveys.twin, "render", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load("simulated", n_galaxies=40, image_size=24)
    assert len(load("simulated", n_galaxies=40, image_size=24)) == 40


def test_real_photometry_keeps_real_numbers_and_says_so(small_blocks, monkeypatch):
    place("sdss_photometry", monkeypatch, write_photometry)
    rows = np.load(paths.data_cache() / "sdss_photometry" / "sdss_galaxy_colors.npy")
    survey = load("real-photometry", image_size=24)
    assert survey.source == "real photometry and redshift, simulated pixels"
    assert len(survey) == 54 and list(survey.rejected["reason"]) == ["quasar"] * 6
    number = [int(name.removeprefix("row-")) for name in survey.catalogue["id"]]
    for k, band in enumerate(UGRIZ):
        assert np.array_equal(survey.magnitudes[:, k], rows[band][number].astype(np.float32))
    assert np.array_equal(survey.redshift, rows["redshift"][number].astype(np.float32))
    flux = survey.images[:, 2].sum(axis=(1, 2))  # pixels and magnitudes are of the same rows
    assert np.corrcoef(np.log10(flux), survey.magnitudes[:, 2])[0, 1] < -0.7

    some = load("real-photometry", image_size=24, n_galaxies=10, seed=3)
    assert len(some) == 10 and set(some.catalogue["id"]) < set(survey.catalogue["id"])
    with pytest.raises(SurveyError, match="only 54"):
        load("real-photometry", image_size=24, n_galaxies=1000)


# ---------------------------------------------------------------- real pixels


def test_a_file_of_cutouts_is_converted_once(small_blocks, monkeypatch):
    rng = np.random.default_rng(0)
    cube = rng.normal(size=(40, 64, 64, 5)).astype(np.float32)
    labels = np.zeros(40, [("z", "f4")] + [(f"dered_petro_{band}", "f4") for band in UGRIZ])
    labels["z"] = rng.uniform(0.02, 0.3, 40)
    for band in UGRIZ:
        labels[f"dered_petro_{band}"] = 17
    cube[20] = np.nan
    place("pasquet", monkeypatch, lambda path: np.savez(path, cube=cube, labels=labels))
    survey = load("pasquet", image_size=32)
    assert isinstance(survey.images, np.memmap) and len(survey) == 39
    kept = np.delete(np.arange(40), 20)
    assert np.array_equal(survey.images, np.moveaxis(cube[kept, 16:48, 16:48], 3, 1))
    assert list(survey.rejected["id"]) == ["row-000020"]

    monkeypatch.setattr(surveys, "save_survey", None)  # would fail if it were converted again
    some = load("pasquet", image_size=32, n_galaxies=5)
    assert set(some.catalogue["id"]) < set(survey.catalogue["id"]) and len(some) == 5


def test_files_of_one_dataset_make_one_survey(small_blocks, monkeypatch):
    numbers = iter(range(0, 3000, 1000))

    def write(path):
        first = next(numbers)
        with h5py.File(path, "w") as file:
            file["image"] = np.full((20, 5, 64, 64), first, np.float32) + np.random.default_rng(0).normal(
                size=(20, 5, 64, 64)
            )
            file["specz_redshift"] = np.full(20, 0.5)
            file["object_id"] = np.arange(20) + first
            for band in "grizy":
                file[f"{band}_cmodel_mag"] = np.full(20, 20.0)

    place("galaxiesml", monkeypatch, write)
    survey = load("galaxiesml", image_size=32)
    assert len(survey) == 60 and survey.bands == ("g", "r", "i", "z", "y")
    assert [survey.catalogue["id"][k] for k in (0, 20, 59)] == ["0", "1000", "2019"]


def test_the_authors_file(monkeypatch):
    tensors = torch.randn(9, 5, 32, 32), 18 + torch.randn(9, 5).double(), torch.rand(9) / 3
    place("authors_inference", monkeypatch, lambda path: torch.save(TensorDataset(*tensors), path))
    survey = load("authors", n_galaxies=4, seed=0)
    rows = [int(name.removeprefix("row-")) for name in survey.catalogue["id"]]
    assert rows == sorted(set(rows)) and len(rows) == 4
    assert np.array_equal(survey.images, tensors[0][rows].numpy())


@pytest.mark.skipif(MIRROR is None, reason="ASTROLIB_DATA_DIR names no folder with the real data")
def test_the_real_files(monkeypatch):
    monkeypatch.setenv("ASTROLIB_DATA_DIR", MIRROR)
    survey = load("real-photometry", n_galaxies=50, image_size=24)
    assert len(survey) == 50 and (survey.redshift < 0.7).all()
    assert len(load("stamps", image_size=48)) == 20
