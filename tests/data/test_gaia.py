"""Gaia DR3 variables: which sources are kept, and what becomes of decoded curves and spectra."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrolib.data.gaia import (
    COLUMNS,
    GROUPS,
    SOURCE,
    cn_index,
    gaia_survey,
    latents,
    metadata_columns,
    read_latents,
    subtypes,
)
from astrolib.data.galaxies import SurveyError

MIRROR = Path(os.environ.get("ASTROLIB_DATA_DIR", "")) / "gaia_dr3_latents"
TABLE = MIRROR / "latent_vars_plus_metadata_pumap.parquet"
LPV = "LPV|LSP|M|OSARG|SARG|SR|SRA|SRB|SRC|SRD"
WAVELENGTH = np.concatenate([np.linspace(1060, 324, 50), np.linspace(587, 1086, 50)])  # BP runs down


def rows() -> pd.DataFrame:
    """Six sources in the columns of the file."""
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: rng.normal(size=6).astype(np.float32) for name in COLUMNS[7:]})
    table["sourceid"] = 4_295_142_633_750_485_632 + np.arange(6)  # float64 could not tell them apart
    table["label"] = ["M", "M|SR", "RRAB", "UV", "CV", "EA"]
    table["macro_class"] = [LPV, LPV, "ARRD|RRAB|RRC|RRD", None, "CV", "EA|EB|ECL|EW"]
    table["frequency"] = [0.01, 0.001, 2.0, 1.0, 0.5, 0.25]
    table["magnitude_mean"], table["magnitude_std"], table["amplitude"] = 15.0, 0.1, np.float32(0.13)
    return table


def write(path: Path, table: pd.DataFrame) -> Path:
    table.to_parquet(path)
    return path


def decoded(n: int, n_points: int = 8) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    phase = np.arange(n_points) / n_points
    folded = 0.5 + 0.5 * np.cos(4 * np.pi * phase) * rng.uniform(0.5, 1, (n, 1))
    return {
        "folded": folded.astype(np.float32),
        "sigma": np.full(n, 0.1, np.float32),
        "spectra": rng.uniform(0, 1, (n, 100)).astype(np.float32),
        "dmdt": rng.uniform(0, 1, (n, 20, 10)).astype(np.float32),
        "wavelength": WAVELENGTH,
    }


@pytest.fixture
def sources(tmp_path):
    table, rejected = read_latents(write(tmp_path / "table.parquet", rows()))
    assert len(rejected) == 0
    return table


def test_ids_stay_exact_and_groups_get_short_names(sources):
    assert sources["id"].tolist() == [str(4_295_142_633_750_485_632 + i) for i in range(6)]
    assert sources["group"].tolist() == ["LPV", "LPV", "RR", "", "CV", "ECL"]
    assert sources["macro_class"][0] == LPV and sources["macro_class"][3] == ""
    assert sources["subtype"].tolist() == ["M", "", "RRAB", "UV", "CV", "EA"]
    np.testing.assert_allclose(sources["period"], [100, 1000, 0.5, 1, 2, 4])
    assert latents(sources).shape == (6, 15) and latents(sources).dtype == np.float32
    expected = [[np.log10(f), 15, -1, np.log10(0.13)] for f in sources["frequency"]]
    np.testing.assert_allclose(metadata_columns(sources), expected, rtol=1e-6)


def test_a_group_without_a_short_name_keeps_its_own(tmp_path):
    table = rows()
    table.loc[0, "macro_class"] = "NEW|ONE"
    sources, _ = read_latents(write(tmp_path / "t.parquet", table))
    assert sources["group"][0] == "NEW|ONE"
    assert len(set(GROUPS.values())) == len(GROUPS)  # no two groups under one name


def test_impossible_rows_are_counted_with_their_reason(tmp_path):
    table = rows()
    table.loc[0, "frequency"] = 0.0
    table.loc[1, "latent_mu_7"] = np.nan
    table.loc[2, "amplitude"] = -0.1
    table.loc[4, "sourceid"] = table.loc[3, "sourceid"]
    sources, rejected = read_latents(write(tmp_path / "t.parquet", table))
    first = 4_295_142_633_750_485_632
    assert dict(rejected.iterrows()) == {
        str(first): "frequency is not positive",
        str(first + 1): "latent_mu_7 is not a finite number",
        str(first + 2): "amplitude is not positive",
        str(first + 3): "id used before",
    }
    assert len(sources) == 2
    survey = gaia_survey(sources, **decoded(2), rejected=rejected)
    assert len(survey.rejected) == 4


def test_a_file_that_is_something_else_is_named(tmp_path):
    with pytest.raises(SurveyError, match=r"t\.parquet .*column latent_mu_14 is missing"):
        read_latents(write(tmp_path / "t.parquet", rows().drop(columns="latent_mu_14")))
    (tmp_path / "text.parquet").write_text("not a table")
    with pytest.raises(SurveyError, match=r"text\.parquet is not a Parquet file"):
        read_latents(tmp_path / "text.parquet")
    with pytest.raises(SurveyError, match="absent"):
        read_latents(tmp_path / "absent")


def test_four_modalities_in_physical_sense(sources):
    given = decoded(6)
    survey = gaia_survey(sources, **given)
    assert survey.source == SOURCE == "Gaia DR3 variables, autoencoder-smoothed"
    assert list(survey.modalities) == ["photometry", "spectra", "dmdt", "metadata"]
    curve = survey.modalities["photometry"]
    phase, flux, error = np.moveaxis(curve.values, 2, 0)
    np.testing.assert_allclose(phase[0], np.arange(8) / 8)
    assert (flux.argmin(axis=1) % 4 == 0).all()  # faintest at phase 0 of either cycle
    np.testing.assert_allclose(flux.mean(axis=1), 0, atol=1e-6)
    np.testing.assert_allclose(flux.std(axis=1), 1, rtol=1e-5)
    # One scale for the curve and its error.
    swing = np.ptp(given["folded"], axis=1)
    np.testing.assert_allclose(error[:, 0] / np.ptp(flux, axis=1), 0.1 / swing, rtol=1e-5)
    assert (curve.n_points == 8).all()
    assert curve.channels == 3  # amplitude and period are those of the metadata
    spectra = survey.modalities["spectra"]
    assert (np.diff(spectra.axis[:50]) > 0).all() and (np.diff(spectra.axis[50:]) > 0).all()
    assert spectra.axis[[0, 49, 50, 99]] == pytest.approx([3240, 10600, 5870, 10860])
    for wavelength, flux in ((3240, given["spectra"][:, 49]), (10600, given["spectra"][:, 0])):
        np.testing.assert_array_equal(spectra.values[:, 0, np.abs(spectra.axis - wavelength).argmin()], flux)
    np.testing.assert_array_equal(spectra.values[:, 0, 50:], given["spectra"][:, 50:])
    np.testing.assert_array_equal(survey.modalities["dmdt"].values[:, 0], given["dmdt"])


def test_classes_come_from_any_column_and_an_empty_one_is_no_class(sources):
    survey = gaia_survey(sources, **decoded(6))
    assert survey.class_counts() == {"CV": 1, "ECL": 1, "LPV": 2, "RR": 1} and survey.label[3] == -1
    assert gaia_survey(sources, **decoded(6), label_column="label").class_counts()["M|SR"] == 1
    assert gaia_survey(sources, **decoded(6), label_column="subtype").label[1] == -1
    with pytest.raises(SurveyError, match="macro"):
        gaia_survey(sources, **decoded(6), label_column="macro")


def test_the_light_curve_can_know_its_amplitude_and_period_too(sources):
    curve = gaia_survey(sources, **decoded(6), constants=True).modalities["photometry"]
    assert curve.constant_names == curve.standardized == ("log_amplitude", "log_period")
    np.testing.assert_allclose(curve.constants[:, 1], np.log10(sources["period"]), rtol=1e-5, atol=1e-7)


def test_a_flat_curve_is_left_out_and_counted(sources):
    given = decoded(6)
    given["folded"][2] = 0.25
    survey = gaia_survey(sources, **given)
    assert len(survey) == 5 and survey.rejected["id"].tolist() == [sources["id"][2]]
    assert "photometry" in survey.rejected["reason"][0]


def test_arrays_of_other_sources_are_an_error(sources):
    with pytest.raises(SurveyError, match="6 sources need"):
        gaia_survey(sources, **decoded(5))


def test_open_labels_are_no_subtypes():
    assert subtypes(["M|SR", "LPV", "CEP", "BY|ROT", "ECL"]).tolist() == [""] * 5
    assert subtypes(["BY", "ROT", "DSCT+GDOR", ""]).tolist() == ["BY", "ROT", "DSCT+GDOR", ""]


def test_cn_and_tio_push_the_index_apart():
    wavelength = np.linspace(5870, 10866, 50)

    def band(centre, width):
        return 1 - 0.5 * np.exp(-(((wavelength - centre) / width) ** 2))

    continuum = 1e-4 * wavelength
    oxygen = continuum * band(7670, 120) * band(8434, 120)
    carbon = continuum * band(8000, 120)
    low, plain, high = cn_index(np.stack([carbon, continuum, oxygen]), wavelength)
    assert low < 0.75 and plain == pytest.approx(1, abs=0.03) and high > 1.5


def test_chemistry_is_said_of_long_period_variables_only(sources):
    given = decoded(6)
    given["spectra"][:, 50:] = 1.0
    near = 50 + np.abs(WAVELENGTH[50:] - 798).argmin()
    given["spectra"][[0, 2], near], given["spectra"][1, near] = 0.6, 1.3
    survey = gaia_survey(sources, **given)
    assert survey.catalogue["chemistry"].tolist() == ["carbon-rich", "oxygen-rich", "", "", "", ""]
    assert "chemistry" not in sources.colnames  # the caller's table is left alone


@pytest.mark.skipif(not TABLE.is_file(), reason="ASTROLIB_DATA_DIR names no folder with the real data")
def test_the_real_table():
    sources, rejected = read_latents(TABLE)
    assert len(sources) == 42_735 and len(rejected) == 0
    names, counts = np.unique(sources["group"], return_counts=True)
    groups = dict(zip(names.tolist(), counts.tolist(), strict=True))
    expected = {"LPV": 10740, "ECL": 6804, "ROT": 5164, "DSCT": 4842, "CEP": 4269, "RR": 4025, "YSO": 1699}
    expected |= {"QSO": 1244, "CP": 996, "RS": 946, "BE": 781, "CV": 256, "ELL": 248, "": 86}
    assert groups | expected == groups
    big = [name for name, count in groups.items() if count >= 200]
    assert sum(groups[name] for name in big) == 42_014 and len(big) == 13
    assert all("|" not in name for name in names)
    assert len(set(np.asarray(sources["label"]).tolist())) == 84
    star = sources[sources["id"] == "150710990829979776"][0]
    assert star["label"] == "RRAB" and star["period"] == pytest.approx(0.445143, abs=1e-6)
