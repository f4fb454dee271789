"""EROS-1: files in their own format, which columns are safe, what is left out and counted."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from astrolib.data.eros import CLASS_NAMES, METADATA, SOURCE, read_eros
from astrolib.data.galaxies import SurveyError

MIRROR = Path(os.environ.get("ASTROLIB_DATA_DIR", "")) / "eros1"


def static(ids: list[str], seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    n = len(ids)
    table = pd.DataFrame(index=ids)
    table["patch_id"], table["star_id_b"], table["star_id_r"] = 1, np.arange(n), np.arange(n)
    table["magnitude_b"], table["magnitude_r"] = 19.5, 18.0
    table["asc_d"], table["dec_d"] = 5, -69
    table["period"] = 4.0
    table["frequency"] = 0.25
    table["num_points_good_b"] = table["num_points_good_r"] = 5
    table["asym_b"], table["asym_r"] = rng.uniform(0.5, 2, (2, n))
    table["log_p_not_variable"] = -5.0
    table["sigma_flux_b"], table["sigma_flux_r"] = 10.0, 100.0
    table["type"] = 1.0 + np.arange(n) % 4
    table["quality"], table["div_period"] = 2, 4.0
    return table


def series(ids: list[str], seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(index=ids, dtype=object)
    for band, n in (("b", 5), ("r", 7)):
        for what in ("time", "light", "error", "bkg", "polltn"):
            values = {
                "time": np.sort(rng.uniform(290, 1184, (len(ids), n)), axis=1),
                "light": rng.normal(19, 0.3, (len(ids), n)),
                "error": rng.uniform(0.1, 0.2, (len(ids), n)),
            }.get(what, np.zeros((len(ids), n)))
            table[f"{what}_points_{band}"] = [str(row.round(2).tolist()) for row in values]
    return table


class Files:
    """The four tables, to be spoilt and then written."""

    def __init__(self, folder: Path):
        self.folder = folder
        train, test = [f"1_{i}" for i in range(6)], ["2_7", "2_8"]
        self.tables = {
            "train.csv": static(train, 0),
            "test.csv": static(test, 1),
            "train_varlength_features.csv.gz": series(train, 2),
            "test_varlength_features.csv.gz": series(test, 3),
        }

    def write(self) -> dict[str, Path]:
        for name, table in self.tables.items():
            table.to_csv(self.folder / name)
        return {name: self.folder / name for name in self.tables}

    @property
    def curves(self) -> pd.DataFrame:
        return self.tables["train_varlength_features.csv.gz"]

    def read(self):
        return read_eros(self.write())


@pytest.fixture
def files(tmp_path):
    return Files(tmp_path)


def test_three_modalities_and_the_official_split(files):
    survey = files.read()
    assert survey.source == SOURCE == "EROS-1 photographic light curves"
    assert list(survey.modalities) == ["blue", "red", "metadata"]
    assert survey.modalities["blue"].values.shape == (8, 5, 3)
    assert survey.modalities["red"].values.shape == (8, 7, 3)
    assert survey.catalogue["split"].tolist() == ["train"] * 6 + ["test"] * 2
    assert survey.ids.tolist() == [f"1_{i}" for i in range(6)] + ["2_7", "2_8"]
    assert [survey.class_names[label] for label in survey.label[:4]] == ["ECL", "CEP", "RR", "M"]
    assert survey.modalities["metadata"].names == METADATA
    columns = dict(zip(METADATA, survey.modalities["metadata"].values.T, strict=True))
    np.testing.assert_allclose(columns["b_r"], 1.5)
    np.testing.assert_allclose(columns["log_period"], np.log10(4))  # as measured, not as corrected
    np.testing.assert_allclose(columns["log_sigma_flux_r"], 2)
    np.testing.assert_allclose(survey.catalogue["period"], 1)  # as corrected, for pictures


def test_nothing_that_leaks_reaches_a_modality(files):
    first = files.read()
    table = files.tables["train.csv"]
    for name in ("quality", "div_period", "patch_id", "star_id_b", "star_id_r", "asc_d", "dec_d"):
        table[name] = table[name] + 1
    for name, modality in files.read().modalities.items():
        np.testing.assert_array_equal(modality.values, first.modalities[name].values)
        np.testing.assert_array_equal(modality.constants, first.modalities[name].constants)


def test_light_curves_are_scaled_fluxes(files):
    survey = files.read()
    time, magnitude, error = (
        np.array(numbers_of(files.curves[f"{what}_points_b"].iloc[2])) for what in ("time", "light", "error")
    )
    flux = 10 ** (-0.4 * (magnitude - 20))
    mad = np.median(np.abs(flux - np.median(flux)))
    blue = survey.modalities["blue"]
    found = blue.values[2]
    np.testing.assert_allclose(found[:, 0], (time - time[0]) / (time[-1] - time[0]), rtol=1e-5)
    np.testing.assert_allclose(found[:, 1], (flux - flux.mean()) / mad, rtol=1e-4, atol=1e-4)
    # Error propagation against a finite difference.
    brighter = 10 ** (-0.4 * (magnitude - 1e-4 * error - 20))
    np.testing.assert_allclose(found[:, 2], (brighter - flux) / 1e-4 / mad, rtol=1e-3)
    assert found[magnitude.argmin(), 1] == found[:, 1].max()  # bright is large
    np.testing.assert_allclose(blue.constants[2], [np.log10(mad), (time[-1] - time[0]) / 365], rtol=1e-5)


def numbers_of(cell: str) -> list[float]:
    return [float(word) for word in cell.strip("[]").split(",")]


def test_placeholders_are_left_out_and_counted(files):
    cell = files.curves.loc["1_3", "light_points_r"]
    numbers = numbers_of(cell)
    numbers[2] = numbers[5] = 25.0
    files.curves.loc["1_3", "light_points_r"] = str(numbers)
    survey = files.read()
    assert survey.catalogue["red_placeholders"].tolist() == [0, 0, 0, 2, 0, 0, 0, 0]
    assert survey.modalities["red"].n_points.tolist() == [7, 7, 7, 5, 7, 7, 7, 7]
    assert (survey.modalities["red"].values[3, 5:] == 0).all()
    assert survey.modalities["red"].values[3, :5, 1].min() > -20  # magnitude 25 would be far below


def test_a_star_without_one_curve_stays_with_the_reason(files):
    files.curves.loc["1_0", ["time_points_b", "light_points_b", "error_points_b"]] = "[]"
    files.curves.loc["1_1", "light_points_b"] = "[19.0, 19.5]"
    files.curves.loc["1_2", ["time_points_b", "light_points_b", "error_points_b"]] = None
    files.curves.loc["1_4", "error_points_b"] = "[0.1, 0.1, NaN, 0.1, 0.1]"
    survey = files.read()
    assert len(survey) == 8 and len(survey.rejected) == 0
    assert survey.modalities["blue"].present.tolist() == [False] * 3 + [True, False, True, True, True]
    assert survey.modalities["red"].present.all()
    faults = survey.catalogue["blue_fault"].tolist()
    assert "empty" in faults[0] and "differ in number" in faults[1] and "empty" in faults[2]
    assert "not finite" in faults[4] and faults[3] == ""
    # The stars after a bad one keep their own points.
    fresh = Files(files.folder).read()
    np.testing.assert_array_equal(survey.modalities["blue"].values[3], fresh.modalities["blue"].values[3])


def test_bad_stars_are_rejected_with_their_reason(files):
    train, test = files.tables["train.csv"], files.tables["test.csv"]
    train.loc["1_0", "type"] = 7.0
    train.loc["1_1", "type"] = np.nan
    train.loc["1_2", "sigma_flux_b"] = 0.0
    files.tables["test.csv"] = test.rename(index={"2_7": "1_5"})
    curves = files.tables["test_varlength_features.csv.gz"]
    files.tables["test_varlength_features.csv.gz"] = curves.rename(index={"2_7": "1_5"})
    survey = files.read()
    assert dict(survey.rejected.iterrows()) == {
        "1_0": "unknown class",
        "1_2": "a value of its metadata is not finite",
        "1_5": "id used before",
    }
    assert survey.label[survey.ids == "1_1"] == -1
    assert survey.catalogue["split"][survey.ids == "1_5"] == "train"


def test_files_that_do_not_fit_are_named_with_the_row(files):
    files.tables["train_varlength_features.csv.gz"] = files.curves.iloc[[0, 1, 3, 2, 4, 5]]
    with pytest.raises(SurveyError, match=r"train\.csv .*same order; they differ from star 3 on"):
        files.read()
    files.tables["train_varlength_features.csv.gz"] = series([f"1_{i}" for i in range(5)], 2)
    with pytest.raises(SurveyError, match=r"6 stars.*5 stars.*from star 6 on"):
        files.read()


@pytest.mark.parametrize("cell", ["__import__('os')", '[1.0, "x"]', "3.5", "[1.0, [2.0]]", "[1.0, 2.0"])
def test_a_cell_that_is_no_list_is_named_and_never_run(files, cell):
    files.curves.loc["1_4", "light_points_r"] = cell
    with pytest.raises(SurveyError, match=r"train_varlength.*light_points_r of row 5 is not a list"):
        files.read()


def test_missing_columns_and_files_are_named(files):
    files.tables["test.csv"] = files.tables["test.csv"].drop(columns="asym_r")
    with pytest.raises(SurveyError, match=r"test\.csv.*column asym_r is missing"):
        files.read()
    written = files.write()
    with pytest.raises(SurveyError, match=r"train\.csv"):
        read_eros({name: path for name, path in written.items() if name != "train.csv"})
    written["train_varlength_features.csv.gz"].write_bytes(b"not gzip")
    with pytest.raises(SurveyError, match="train_varlength.*cannot be read"):
        read_eros(written)


@pytest.mark.skipif(not MIRROR.is_dir(), reason="ASTROLIB_DATA_DIR names no folder with the real data")
def test_the_real_stars():
    survey = read_eros({path.name: path for path in MIRROR.iterdir()})
    assert len(survey) == 3641 and len(survey.rejected) == 0
    split = np.asarray(survey.catalogue["split"])
    for part, counts in (("train", [339, 604, 1777, 192]), ("test", [100, 132, 454, 43])):
        assert np.bincount(survey.label[split == part]).tolist() == counts
    placeholders = [survey.catalogue[f"{band}_placeholders"] for band in ("blue", "red")]
    assert sum(column.sum() for column in placeholders) == 51
    train = split == "train"
    assert [column[train].sum() for column in placeholders] == [18, 28]
    period = np.asarray(survey.catalogue["period"])
    medians = [np.median(period[train & (survey.label == label)]) for label in range(4)]
    np.testing.assert_allclose(medians, [1.5, 2.9, 0.55, 182], rtol=0.03)
    assert CLASS_NAMES[2] == "RR" and all(m.present.all() for m in survey.modalities.values())
