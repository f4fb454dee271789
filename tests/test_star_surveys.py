"""The door to star surveys: names, what is kept, what is made again, and the real data."""

import ast
import dataclasses
import itertools
import os
import zipfile

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astrolib import fetch, paths, profiles, star_surveys, surveys
from astrolib.data import derived
from astrolib.data.galaxies import SurveyError
from astrolib.data.manifest import load_manifest
from astrolib.data.star_preprocessing import METADATA, PHOTOMETRIC
from astrolib.data.star_splits import SEEDS
from astrolib.papers.stars import Stars
from astrolib.star_surveys import DATASETS, LATENTS, STAR_SOURCES, load_stars

MIRROR = os.environ.get("ASTROLIB_DATA_DIR")  # of the person who runs the tests, before a fixture moves it
SIMULATE = derived.PACKAGE / "simulate"
NAMES = ("photometry", "spectra", "metadata")


def load(source="simulated", **settings):
    return load_stars(source, progress=False, **settings)


def simulated(**settings):
    return load(**{"n_stars": 30, "spectrum_step": 200.0} | settings)


# ---------------------------------------------------------------- names


def test_every_source_has_its_datasets_and_every_profile_its_sources():
    assert {*STAR_SOURCES, ""} == set(DATASETS) and set(LATENTS) <= set(STAR_SOURCES)
    for datasets in DATASETS.values():
        for dataset in datasets:
            load_manifest(dataset)
    for name in profiles.available():
        settings = profiles.load(name).astrom3
        assert settings.data.source in STAR_SOURCES and settings.second.source in DATASETS
        expected = DATASETS[settings.data.source] + DATASETS[settings.second.source]
        assert set(expected) <= set(fetch.datasets_of(name))
    assert fetch.datasets_of("smallest") == []


def test_a_misspelt_source_and_a_wrong_number_are_answered():
    with pytest.raises(SurveyError, match="no star survey 'gaja'. Did you mean gaia"):
        load("gaja")
    with pytest.raises(SurveyError, match="Did you mean simulated or gaia or eros or astrom3"):
        load("zzz")
    with pytest.raises(SurveyError, match="say how many stars with n_stars"):
        load("simulated")
    with pytest.raises(SurveyError, match="at least one star"):
        load("simulated", n_stars=0)


# ---------------------------------------------------------------- simulated stars


def test_a_simulated_survey_is_drawn_once(monkeypatch):
    survey = simulated()
    assert len(survey) + len(survey.rejected) == 30 and survey.source == "simulated"
    assert tuple(survey.modalities) == NAMES and survey.truth is not None
    assert all(isinstance(m.values, np.memmap) for m in survey.modalities.values())
    assert survey.modalities["spectra"].axis.tolist() == np.arange(3850.0, 9000.0, 200.0).tolist()
    monkeypatch.setattr(star_surveys.twin, "draw_stars", None)  # would fail if it were called again
    again = simulated()
    assert again.fingerprint() == survey.fingerprint() and again.truth.colnames == survey.truth.colnames


def test_settings_make_another_survey(monkeypatch):
    found = [simulated(), simulated(seed=1), simulated(spectrum_step=400.0), simulated(spectrum_error="ivar")]
    found.append(simulated(n_stars=31))
    assert len({survey.fingerprint() for survey in found}) == 5
    assert np.array_equal(
        found[0].modalities["spectra"].values[:, 0], found[3].modalities["spectra"].values[:, 0]
    )
    monkeypatch.setattr(star_surveys.twin, "draw_stars", None)
    simulated(n_points=7)  # of a decoded curve only: nothing is drawn again


def test_code_of_the_twin_makes_another_survey_and_its_comments_do_not(monkeypatch, tmp_path):
    first = simulated().fingerprint()
    package = tmp_path / "package"
    for folder in ("simulate", "data"):
        (package / folder).mkdir(parents=True)
        for path in (derived.PACKAGE / folder).glob("star*.py"):
            (package / folder / path.name).write_text(path.read_text() + "\n# a remark\n")
    monkeypatch.setattr(derived, "PACKAGE", package)
    monkeypatch.setattr(star_surveys.twin, "draw_stars", None)
    assert simulated().fingerprint() == first
    for changed in ("simulate/star_spectra.py", "data/star_scaling.py"):
        path = package / changed
        path.write_text((text := path.read_text()) + "\nNEW = 1\n")
        with pytest.raises(TypeError):  # it is drawn again
            simulated()
        path.write_text(text)


def test_an_interrupted_drawing_is_not_taken_for_a_survey(monkeypatch):
    save = star_surveys.save_stars

    def interrupted(folder, survey):
        save(folder.with_name(folder.name + ".part"), survey)
        raise KeyboardInterrupt

    monkeypatch.setattr(star_surveys, "save_stars", interrupted)
    with pytest.raises(KeyboardInterrupt):
        simulated()
    monkeypatch.setattr(star_surveys, "save_stars", save)
    assert len(simulated()) > 0
    assert [path.suffix for path in paths.arrays().glob("stars-simulated-*") if path.is_dir()] == [""]


# ---------------------------------------------------------------- what counts as code of a twin


def closure(module: str) -> set[str]:
    """Modules of astrolib.simulate behind one of them, itself included."""
    found, waiting = set(), [module]
    while waiting:
        if (name := waiting.pop()) in found:
            continue
        found.add(name)
        for node in ast.walk(ast.parse((SIMULATE / f"{name}.py").read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("astrolib.simulate"):
                rest = node.module.split(".")[2:]
                waiting += rest[:1] or [alias.name for alias in node.names]
            elif isinstance(node, ast.Import):
                waiting += [
                    a.name.split(".")[2] for a in node.names if a.name.startswith("astrolib.simulate.")
                ]
    return found


def test_each_twin_depends_on_all_of_its_own_code_and_on_none_of_the_other():
    galaxies, stars = closure("galaxies"), closure("stars")
    assert {f"simulate/{name}.py" for name in galaxies} == set(surveys.TWIN)
    assert not any("star" in name for name in galaxies)
    assert stars <= {path.stem for path in SIMULATE.glob("star*.py")} and len(stars) > 5


# ---------------------------------------------------------------- the real data


@pytest.fixture
def mirror(monkeypatch):
    if MIRROR is None:
        pytest.skip("ASTROLIB_DATA_DIR names no folder with the real data")
    monkeypatch.setenv("ASTROLIB_DATA_DIR", MIRROR)


def test_gaia_is_decoded_once_and_says_so(mirror, monkeypatch):
    survey = load("gaia", n_stars=500, n_points=8)
    assert tuple(survey.modalities) == ("photometry", "spectra", "dmdt", "metadata") and len(survey) == 500
    assert "autoencoder" in survey.source
    assert all(modality.present.all() for modality in survey.modalities.values())
    assert survey.modalities["photometry"].values.shape[1] == 8
    for columns in LATENTS["gaia"].values():
        assert set(columns) <= set(survey.catalogue.colnames)
    monkeypatch.setattr(star_surveys.gaia_autoencoders, "decode", None)  # would fail if it were called again
    whole = load("gaia", n_points=8)
    assert set(survey.ids) < set(whole.ids) and len(whole) + len(whole.rejected) == 42_735


def test_eros_keeps_its_official_split(mirror):
    survey = load("eros")
    assert len(survey) == 3641 and tuple(survey.modalities) == ("blue", "red", "metadata")
    assert (np.asarray(survey.catalogue["split"]) == "test").sum() == 729
    with pytest.raises(SurveyError, match="only 3,641"):
        load("eros", n_stars=5000)


def test_the_papers_own_stars_come_through_the_door_with_all_their_splits(monkeypatch, tmp_path):
    """Files in the published form: a zip of light curves, LAMOST spectra, tables of every split."""
    folder, rng = tmp_path / "data" / "astrom3_raw", np.random.default_rng(0)
    monkeypatch.setenv("ASTROLIB_DATA_DIR", str(tmp_path / "data"))
    parts = {"train": ["1", "2", "3"], "val": ["4"], "test": ["5"]}
    (folder / "spectra" / "EW").mkdir(parents=True)
    with zipfile.ZipFile(folder / "photometry.zip", "w") as archive:
        for star in "12345":
            times = np.sort(rng.uniform(2457000, 2458500, 20))
            fluxes = rng.normal(9, 1, 20).tolist()
            lines = [f"{t!r} 14.2 0.02 {f!r} 0.1" for t, f in zip(times.tolist(), fluxes, strict=True)]
            archive.writestr(f"vardb_files/star{star}.dat", "\n".join(["#", "#", *lines]))
            header = fits.Header({"COEFF0": 3.5682, "COEFF1": 1e-4})
            image = rng.uniform(1, 2, (2, 3909)).astype(np.float32)
            fits.PrimaryHDU(image, header).writeto(folder / f"spectra/EW/spec-{star}.fits")
    columns = dict.fromkeys(PHOTOMETRIC + METADATA, 1.5)
    for fraction, seed in itertools.product(("full", "sub50", "sub25", "sub10"), SEEDS):
        place = folder / "splits" / fraction / str(seed)
        place.mkdir(parents=True)
        (place / "info.json").write_text("{}")
        for part, ids in parts.items():
            rows = [
                {"id": i, "target": "EW", "name": f"star{i}", "spec_filename": f"spec-{i}.fits"} | columns
                for i in (ids if fraction == "full" else ids[:1])
            ]
            pd.DataFrame(rows).to_csv(place / f"{part}.csv", index=False)
    survey = load_stars("astrom3", progress=False)
    assert len(survey) == 5 and survey.source.startswith("AstroM3Dataset (ASAS-SN")
    assert [m.values.shape[1:] for m in survey.modalities.values()] == [(20, 3), (2, 2575), (34,)]
    assert survey.catalogue["split 123"].tolist() == ["train"] * 3 + ["validation", "test"]
    assert survey.catalogue["split 66 0.25"].tolist() == ["train", "", "", "validation", "test"]
    stars = Stars(dataclasses.replace(profiles.load("paper").astrom3.data, fewest_stars=0))
    assert {part: len(rows) for part, rows in stars.labelled(12, 0.1).items()} == {
        "train": 1, "validation": 1, "test": 1
    }  # fmt: skip
