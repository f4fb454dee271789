"""The three modalities of AstroM3 out of raw stars: transforms of the card; bad stars are counted."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table

from astrolib.data.galaxies import SurveyError
from astrolib.data.star_preprocessing import (
    CLASSES,
    MAGNITUDES,
    METADATA,
    PHOTOMETRIC,
    WAVELENGTH,
    metadata_columns,
    photometric_columns,
    survey_of,
)
from astrolib.data.stars import RawStars


def raw_stars(n=12, seed=0, classes=None) -> RawStars:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(150, 260, n)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    star = np.repeat(np.arange(n), lengths)
    time = 2457000 + rng.uniform(0, 1500, offsets[-1])
    time = time[np.lexsort((time, star))]
    points = np.column_stack([time, rng.normal(10, 1, len(time)), rng.uniform(0.1, 0.3, len(time))])
    catalogue = Table(
        {"id": [f"star {i}" for i in range(n)], "class": classes or rng.choice(CLASSES, n).tolist()}
    )
    for name in PHOTOMETRIC + METADATA:
        catalogue[name] = rng.uniform(1, 3, n)
    flux = rng.normal(100, 10, (n, 80)).astype(np.float32)
    ivar = rng.uniform(0.1, 1, flux.shape).astype(np.float32)
    return RawStars(catalogue, points, offsets, np.linspace(3850, 8998, 80), flux, ivar, "simulated noise")


def test_names_are_those_of_the_card():
    assert len(METADATA) == 34 and len(PHOTOMETRIC) == 4 and len(MAGNITUDES) == 11
    assert set(MAGNITUDES) < set(METADATA) and METADATA[-2:] == ("l", "b") and METADATA[8] == "parallax"
    assert list(CLASSES) == sorted(CLASSES) and len(CLASSES) == 10
    assert len(WAVELENGTH) == 2575 and WAVELENGTH[0] == 3850 and WAVELENGTH[-1] == 8998


def test_metadata_become_absolute_magnitudes_and_galactic_directions():
    table = Table({name: np.full(3, 2.0) for name in METADATA})
    table["mean_vmag"] = 14.25
    table["parallax"] = [0.5, 10.0, -0.3]  # 2 kpc, 100 pc, useless
    table["l"], table["b"] = [0.0, 180.0, 60.0], [90.0, -30.0, 0.0]
    values = dict(zip(METADATA, metadata_columns(table).T, strict=True))
    assert np.allclose(values["mean_vmag"], 14.25 - 5 * np.log10([2000 / 10, 100 / 10, 1000 / 10]))
    assert np.allclose(values["parallax"], [0.5, 10, -0.3])  # as it is
    assert np.allclose(values["l"], [1, -1, 0.5]) and np.allclose(values["b"], [1, -0.5, 0])
    assert np.allclose(values["e_j_mag"], 2) and np.allclose(values["pm"], 2)


def test_periods_become_logarithms():
    table = Table(
        {"amplitude": [0.43, 1], "period": [100.0, 0.0], "lksl_statistic": [0.03, 1], "rfr_score": [0.98, 1]}
    )
    values = photometric_columns(table)
    assert np.allclose(values[0], [0.43, 2, 0.03, 0.98])
    assert np.isnan(values[1, 1]) and np.isfinite(values[1, [0, 2, 3]]).all()


def test_a_missing_column_is_named():
    table = raw_stars(2).catalogue
    table.remove_columns(["ruwe", "period"])
    with pytest.raises(SurveyError, match="no column ruwe; it has id, class"):
        metadata_columns(table)
    with pytest.raises(SurveyError, match="no column period"):
        photometric_columns(table)


def test_the_three_modalities():
    raw = raw_stars(12)
    survey = survey_of(raw, CLASSES)
    photometry, spectra, metadata = (
        survey.modalities[name] for name in ("photometry", "spectra", "metadata")
    )
    assert photometry.kind == "light curve" and photometry.channels == 9  # the card's (200, 9)
    assert photometry.constant_names == (*PHOTOMETRIC, "log_mad", "delta_t")
    assert photometry.standardized == PHOTOMETRIC
    assert spectra.channels == 3 and spectra.names == ("flux", "error") and len(spectra.axis) == 80
    assert metadata.names == METADATA and metadata.values.shape == (12, 34)
    assert [survey.class_names[label] for label in survey.label] == list(raw.catalogue["class"])
    assert set(raw.catalogue.colnames) < set(survey.catalogue.colnames) and not len(survey.rejected)
    assert np.allclose(photometry.constants[:, 1], np.log10(raw.catalogue["period"]))
    assert "photometry_fault" not in raw.catalogue.colnames  # the input is left alone


def test_parity_with_the_paper_is_an_option():
    raw = raw_stars(3)
    sane, parity = (
        survey_of(raw).modalities["spectra"],
        survey_of(raw, spectrum_error="ivar").modalities["spectra"],
    )
    mad = 10**sane.constants
    assert np.allclose(parity.values[:, 1], raw.ivar / mad, rtol=1e-5)
    assert np.allclose(sane.values[:, 1], raw.ivar**-0.5 / mad, rtol=1e-5)


def test_other_classes_are_rejected_by_name_and_stars_without_a_class_stay():
    raw = raw_stars(5, classes=["EW", "ZAND", "", "M", "ROT:"])
    survey = survey_of(raw, CLASSES)
    assert list(survey.ids) == ["star 0", "star 2", "star 3"]
    assert survey.label.tolist() == [CLASSES.index("EW"), -1, CLASSES.index("M")]
    assert list(survey.rejected["id"]) == ["star 1", "star 4"]
    assert list(survey.rejected["reason"]) == [
        "class ZAND is not in the survey",
        "class ROT: is not in the survey",
    ]
    alone = survey_of(raw).subset([0, 3])  # all classes of the catalogue, sorted
    assert survey_of(raw).class_names == ("EW", "M", "ROT:", "ZAND") and alone.label.tolist() == [0, 1]
    kept = survey.modalities["photometry"]
    assert np.array_equal(kept.values[2], survey_of(raw).modalities["photometry"].values[3])


def test_stars_that_lack_a_modality_stay_with_the_reason_and_those_that_lack_all_do_not():
    raw = raw_stars(6)
    lengths = np.diff(raw.offsets)
    points = [raw.points[a:b] for a, b in zip(raw.offsets, raw.offsets[1:], strict=False)]
    points[0] = points[5] = points[0][:0]
    lengths[[0, 5]] = 0
    raw.flux[[1, 5]] = np.nan
    raw.catalogue["w3_mag"][2] = raw.catalogue["ruwe"][5] = np.nan
    raw.catalogue["rfr_score"][3] = np.nan
    raw = replace(raw, points=np.concatenate(points), offsets=np.concatenate([[0], np.cumsum(lengths)]))
    survey = survey_of(raw)
    assert list(survey.ids) == [f"star {i}" for i in range(5)]
    assert list(survey.rejected["id"]) == ["star 5"] and list(survey.rejected["reason"]) == ["no modality"]
    faults = survey.catalogue
    assert list(faults["photometry_fault"]) == [
        "its light curve is empty",
        "",
        "",
        "no value of rfr_score",
        "",
    ]
    assert list(faults["spectra_fault"]) == ["", "no spectrum", "", "", ""]
    assert list(faults["metadata_fault"]) == ["", "", "no value of w3_mag", "", ""]
    for name, modality in survey.modalities.items():
        assert np.array_equal(modality.present, faults[f"{name}_fault"] == "")
        assert not modality.constants[~modality.present].any()


def test_a_repeated_id_is_rejected_and_counted():
    raw = raw_stars(3)
    raw.catalogue["id"][2] = "star 0"
    survey = survey_of(raw)
    assert len(survey) == 2 and list(survey.rejected["reason"]) == ["id used before"]
