"""AstroM3Dataset: an archive, spectra and tables written in its formats, whole and damaged."""

import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits

from astrolib.data.galaxies import SurveyError
from astrolib.data.star_preprocessing import CLASSES, METADATA, PHOTOMETRIC, WAVELENGTH, survey_of
from astrolib.data.star_raw import published_splits, read_lamost, read_raw

MIRROR = Path(os.environ.get("ASTROLIB_DATA_DIR", "")) / "lamost_stars"
HEADING = "### ASAS-SN\nHJD MAG MAG_ERR FLUX FLUX_ERR\n"
PARTS = {"train": ["101", "102", "103"], "val": ["201"], "test": ["301"]}


def spectrum(seed):
    rng = np.random.default_rng(seed)
    wavelength = 10 ** (3.5682 + 1e-4 * np.arange(3909))
    return wavelength, rng.normal(100, 10, 3909), rng.uniform(0.1, 1, 3909)


def write_image(path, seed):
    _, flux, ivar = spectrum(seed)
    header = fits.Header({"COEFF0": 3.5682, "COEFF1": 1e-4})
    fits.PrimaryHDU(np.stack([flux, ivar, flux, flux, flux]).astype(np.float32), header).writeto(path)


def write_table(path, seed):
    wavelength, flux, ivar = spectrum(seed)
    record = np.array(
        [(flux, ivar, wavelength)], dtype=[(n, "f4", 3909) for n in ("FLUX", "IVAR", "WAVELENGTH")]
    )
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU(record)]).writeto(path)


def curve(seed, n=30):
    rng = np.random.default_rng(seed)
    points = np.column_stack(
        [2457000.0 + np.sort(rng.uniform(0, 1500, n)), rng.normal(9, 1, n), rng.random(n)]
    )
    return points, "".join(f"{t!r} 14.2 0.02 {f!r} {e!r}\n" for t, f, e in points.tolist())


@pytest.fixture
def folder(tmp_path):
    """Five stars: two layouts of spectra, plain and compressed; one with '>' in a column that is not read."""
    rng = np.random.default_rng(0)
    splits = tmp_path / "splits" / "full" / "42"
    splits.mkdir(parents=True)
    (tmp_path / "spectra" / "EW").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "photometry.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for part, ids in PARTS.items():
            rows = []
            for star in ids:
                text = curve(int(star))[1]
                archive.writestr(f"vardb_files/ASASSN-V{star}.dat", HEADING + text.replace("14.2", ">17", 1))
                write = write_table if star == "102" else write_image
                write(
                    tmp_path / "spectra" / "EW" / f"spec-{star}.fits{'.gz' if star == '103' else ''}",
                    int(star),
                )
                words = {
                    "id": star,
                    "target": "EW",
                    "name": f"ASASSN-V {star}",
                    "spec_filename": f"spec-{star}.fits",
                }
                rows.append(words | {name: rng.uniform(1, 3) for name in PHOTOMETRIC + METADATA})
            pd.DataFrame(rows).to_csv(splits / f"{part}.csv", index=False)
    (splits / "info.json").write_text(json.dumps({"mean": [0.0] * 38}))
    return tmp_path


def change(folder, part, **columns):
    path = folder / "splits" / "full" / "42" / f"{part}.csv"
    table = pd.read_csv(path)
    pd.DataFrame(table.assign(**columns)).to_csv(path, index=False)


def test_everything_comes_back_in_its_place(folder):
    raw = read_raw(folder)
    assert list(raw.catalogue["id"]) == ["101", "102", "103", "201", "301"]
    assert list(raw.catalogue["split"]) == ["train"] * 3 + ["validation", "test"]
    assert raw.catalogue.meta["info"]["mean"] == [0.0] * 38
    for row, star in enumerate(raw.catalogue["id"]):
        assert np.array_equal(raw.points[raw.offsets[row] : raw.offsets[row + 1]], curve(int(star))[0])
        wavelength, flux, ivar = spectrum(int(star))
        assert np.allclose(raw.flux[row], np.interp(WAVELENGTH, wavelength, flux), rtol=2e-4)
        assert np.allclose(raw.ivar[row], np.interp(WAVELENGTH, wavelength, ivar), rtol=2e-3)
    survey = survey_of(raw, CLASSES)
    assert len(survey) == 5 and all(modality.present.all() for modality in survey.modalities.values())


def test_published_splits_say_who_is_where_in_each_of_them(folder):
    (folder / "splits/sub50/42").mkdir(parents=True)
    for part in PARTS:  # a subset of one star a part
        table = pd.read_csv(folder / f"splits/full/42/{part}.csv").head(1)
        table.to_csv(folder / f"splits/sub50/42/{part}.csv", index=False)
    (folder / "splits/sub25/42").mkdir(parents=True)  # tables that were not fetched: no column
    splits = published_splits(folder)
    assert list(splits) == ["split 42", "split 42 0.5"]
    raw = read_raw(folder).catalogue
    assert splits["split 42"].loc[list(raw["id"])].tolist() == list(raw["split"])
    chosen = splits.index[splits["split 42 0.5"] != ""]
    assert sorted(chosen) == sorted(ids[0] for ids in PARTS.values())


def test_times_keep_their_precision(folder):
    raw = read_raw(folder)
    steps = np.diff(raw.points[:30, 0])
    assert raw.points.dtype == np.float64 and (steps % 0.25 != 0).any()


@pytest.mark.filterwarnings("ignore:File may have been truncated")
def test_stars_whose_files_are_missing_or_damaged_stay_with_the_reason(folder):
    with zipfile.ZipFile(folder / "photometry.zip", "a") as archive:
        archive.writestr("vardb_files/empty.dat", HEADING)
        archive.writestr("vardb_files/words.dat", HEADING + "1 2 3 four 5\n")
    change(folder, "train", name=["nowhere", "empty", "words"])
    change(folder, "val", spec_filename="nowhere.fits")
    broken = folder / "spectra" / "EW" / "spec-301.fits"
    broken.write_bytes(broken.read_bytes()[:3000])
    survey = survey_of(read_raw(folder))
    assert len(survey) == 5
    assert list(survey.catalogue["photometry_fault"][:4]) == [
        "its light curve is not in the archive",
        "its light curve is empty",
        "its light curve cannot be read",
        "",
    ]
    faults = list(survey.catalogue["spectra_fault"])
    assert faults[:4] == ["", "", "", "no file spectra/EW/nowhere.fits"]
    assert faults[4].startswith("spectra/EW/spec-301.fits is not a LAMOST spectrum, or is cut short")
    assert survey.modalities["photometry"].present.tolist() == [False] * 3 + [True] * 2
    assert survey.modalities["spectra"].present.tolist() == [True] * 3 + [False] * 2


def test_names_in_a_table_cannot_lead_out_of_the_folder(folder):
    change(folder, "train", spec_filename="../../../outside.fits", name="../../outside")
    raw = read_raw(folder)
    assert list(raw.catalogue["spectra_fault"][:3]) == ["no file spectra/EW/outside.fits"] * 3
    change(folder, "train", target="../..")
    with pytest.raises(SurveyError, match="class"):
        read_raw(folder)


def test_a_light_curve_that_unpacks_to_too_much_is_not_read(folder):
    with zipfile.ZipFile(folder / "photometry.zip", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("vardb_files/bomb.dat", b"0" * 30_000_000)
    change(folder, "test", name="bomb")
    assert "30,000,000 bytes" in read_raw(folder).catalogue["photometry_fault"][4]


def test_a_star_in_two_parts_is_an_error_and_a_class_of_its_own_a_counted_rejection(folder):
    change(folder, "val", target="ZAND")
    survey = survey_of(read_raw(folder), CLASSES)
    assert list(survey.rejected["id"]) == ["201"]
    assert list(survey.rejected["reason"]) == ["class ZAND is not in the survey"]
    change(folder, "test", id="102")
    with pytest.raises(SurveyError, match="star 102 and 0 more are in both train and test"):
        read_raw(folder)


def test_tables_that_are_missing_or_wrong_are_named(folder):
    with pytest.raises(SurveyError, match=r"splits/sub10/66/train.csv is not there"):
        read_raw(folder, seed=66, fraction="sub10")
    change(folder, "test", ruwe="much")
    with pytest.raises(SurveyError, match="test.csv: a value of ruwe is not a number"):
        read_raw(folder)
    path = folder / "splits" / "full" / "42" / "val.csv"
    pd.read_csv(path).drop(columns="lksl_statistic").to_csv(path, index=False)
    with pytest.raises(SurveyError, match="val.csv has no column lksl_statistic; it has id, target"):
        read_raw(folder)


def test_a_missing_archive_is_named(folder):
    (folder / "photometry.zip").write_bytes(b"PK cut short")
    with pytest.raises(SurveyError, match="photometry.zip is not a zip archive"):
        read_raw(folder)


def test_a_file_that_is_no_spectrum_is_named(tmp_path):
    fits.PrimaryHDU(np.zeros((2, 50), np.float32)).writeto(tmp_path / "no_wavelength.fits")
    with pytest.raises(SurveyError, match="no_wavelength.fits is not a LAMOST spectrum"):
        read_lamost(tmp_path / "no_wavelength.fits")
    fits.PrimaryHDU().writeto(tmp_path / "nothing.fits")
    with pytest.raises(SurveyError, match="nothing.fits is not a LAMOST spectrum"):
        read_lamost(tmp_path / "nothing.fits")


@pytest.mark.skipif(not MIRROR.is_dir(), reason="ASTROLIB_DATA_DIR has no LAMOST spectra")
def test_the_real_spectra_are_of_the_stars_they_are_said_to_be():
    paths = sorted(MIRROR.glob("*.fits"))
    assert len(paths) == 20
    for path in paths:
        wavelength, flux, ivar = read_lamost(path)
        assert len(wavelength) == 3904 and 3699 < wavelength[0] < 3701 and 9088 < wavelength[-1] < 9089
        assert np.isfinite(flux).all() and (ivar >= 0).all()
    _, hot, _ = read_lamost(MIRROR / "spec-55862-B6212_sp06-125.fits")  # A1
    wavelength, cool, _ = read_lamost(MIRROR / "spec-55862-B6212_sp06-025.fits")  # M2
    blue, red = (np.abs(wavelength - centre) < 200 for centre in (4400, 8000))
    assert np.median(hot[blue]) > np.median(hot[red]) and np.median(cool[blue]) < np.median(cool[red])
