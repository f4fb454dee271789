"""EROS-1 variable stars: blue and red photographic light curves with the columns that are safe to use."""

import json
from collections.abc import Mapping
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.table import Table

from astrolib.data.galaxies import SurveyError
from astrolib.data.star_scaling import scale_light_curves
from astrolib.data.stars import UNLABELLED, Modality, StarSurvey

SOURCE = "EROS-1 photographic light curves"
CLASS_NAMES = ("ECL", "CEP", "RR", "M")
"""Eclipsing binary, Cepheid, RR Lyrae, Mira: codes 1 to 4 of the column `type`."""
BANDS = {"blue": "b", "red": "r"}
METADATA = (
    "magnitude_b",
    "magnitude_r",
    "b_r",
    "log_period",
    "asym_b",
    "asym_r",
    "log_p_not_variable",
    "log_sigma_flux_b",
    "log_sigma_flux_r",
)
STATIC = (
    "magnitude_b magnitude_r period asym_b asym_r log_p_not_variable "
    "sigma_flux_b sigma_flux_r type quality div_period"
).split()
SERIES = [f"{what}_points_{band}" for band in BANDS.values() for what in ("time", "light", "error")]
PLACEHOLDER = 25.0  # magnitude that stands for no measurement
ZERO_POINT = 20.0  # magnitude of flux 1


def read_eros(files: Mapping[str, Path]) -> StarSurvey:
    """3,641 variable stars of the Large Magellanic Cloud (dataset `eros1`; AstroM3 card, section 14.2).

    Parameters
    ----------
    files : mapping of str to Path
        By file name: `train.csv`, `test.csv`, `train_varlength_features.csv.gz` and
        `test_varlength_features.csv.gz`.

    Returns
    -------
    StarSurvey
        "blue" and "red" (N, L, 3): light curves as in AstroM3 (`star_scaling.scale_light_curves`), of fluxes
        10 ** (-0.4 (m - 20)); constants `log_mad` and `delta_t`. Points at magnitude 25.0 are placeholders
        and left out. "metadata" (N, 9): mean magnitudes, colour, log10 of the raw period, asymmetries,
        probability of no variation, log10 scatter of the fluxes. `quality`, `div_period`, identifiers and
        positions are in no modality: people set them with the light curve in view, or they index the sample.
        The raw period is in the metadata only, lest a contrastive loss pairs the views by it.

        Catalogue: `id`, `split` ("train" or "test", official), `period` [d] as corrected by a person (raw
        period / div_period; for folding a picture, never an input), `raw_period` [d], `div_period`,
        `quality`, and for each band `blue_placeholders` and `blue_duplicates` (points left out) and
        `blue_fault` (why a star has no light curve in that band, "" where it has one).
        A star is rejected if its id has come before (in this order: train, test), its type is unknown or a
        value of its metadata is not finite.

    Raises
    ------
    SurveyError
        If a file or column is missing, the two files of a split do not list the same stars in the same order,
        or a cell is not a list of numbers; the message names file and row.
    """
    parts = [_read_split(files, split) for split in ("train", "test")]
    rows = pd.concat(parts, ignore_index=True)
    catalogue = Table({"id": rows["id"].to_numpy(str), "split": rows["split"].to_numpy(str)})
    with np.errstate(divide="ignore", invalid="ignore"):  # impossible values become counted rejections
        catalogue["period"] = (rows["period"] / rows["div_period"]).to_numpy(float)
        columns = rows[list(STATIC)].to_dict("series") | {
            "b_r": rows["magnitude_b"] - rows["magnitude_r"],
            "log_period": np.log10(rows["period"]),
            "log_sigma_flux_b": np.log10(rows["sigma_flux_b"]),
            "log_sigma_flux_r": np.log10(rows["sigma_flux_r"]),
        }
    catalogue["raw_period"] = rows["period"].to_numpy(float)
    for name in ("div_period", "quality"):
        catalogue[name] = rows[name].to_numpy(float)
    modalities = {name: _light_curves(rows, name, catalogue) for name in BANDS}
    values = np.stack([columns[name].to_numpy(np.float32) for name in METADATA], axis=1)
    modalities["metadata"] = Modality("table", values, METADATA, np.ones(len(rows), np.int32))

    code = rows["type"].to_numpy(float)
    known = np.isin(code, 1.0 + np.arange(len(CLASS_NAMES)))
    label = np.where(np.isnan(code), UNLABELLED, len(CLASS_NAMES))  # the latter has no name: rejected
    label[known] = code[known].astype(int) - 1
    return StarSurvey.build(modalities, label, CLASS_NAMES, catalogue, SOURCE)


def _read_split(files: Mapping[str, Path], split: str) -> pd.DataFrame:
    """Static columns and parsed series of one official split."""
    static = _read_csv(files, f"{split}.csv", STATIC)
    series = _read_csv(files, f"{split}_varlength_features.csv.gz", SERIES)
    if not np.array_equal(static["id"], series["id"]):
        n = min(len(static), len(series))
        row = int(np.append(static["id"].to_numpy()[:n] != series["id"].to_numpy()[:n], True).argmax())
        raise SurveyError(
            f"{split}.csv ({len(static)} stars) and {split}_varlength_features.csv.gz ({len(series)} stars) "
            f"of EROS-1 do not list the same stars in the same order; they differ from star {row + 1} on. "
            "Fetch the dataset eros1 again."
        )
    parsed = {name: _lists(series[name], f"{split}_varlength_features.csv.gz") for name in SERIES}
    return static.assign(split=split, **parsed)


def _read_csv(files: Mapping[str, Path], name: str, columns: list[str]) -> pd.DataFrame:
    if name not in files:
        raise SurveyError(f"EROS-1 needs the file {name}; there are {', '.join(files) or 'none'}.")
    try:
        table = pd.read_csv(files[name], index_col=0)
    except (OSError, EOFError, ValueError) as error:  # pandas' ParserError is a ValueError
        raise SurveyError(f"{files[name]} cannot be read ({error}); fetch the dataset eros1 again.") from None
    if missing := [column for column in columns if column not in table.columns]:
        raise SurveyError(f"{files[name]} is not a table of EROS-1: column {missing[0]} is missing.")
    return table[columns].rename_axis("id").reset_index().astype({"id": str})


def _lists(cells: pd.Series, file: str) -> list[list[float]]:
    """Lists of numbers that are written as text; an empty cell is an empty list."""
    cells = cells.fillna("[]").astype(str)
    try:
        parsed = json.loads(f"[{','.join(cells)}]")  # at once: many times faster than cell by cell
        if len(parsed) == len(cells) and all(isinstance(entry, list) for entry in parsed):
            np.fromiter(chain.from_iterable(parsed), np.float64)
            return parsed
    except (ValueError, TypeError):
        pass
    row = next(row for row, cell in enumerate(cells) if not _is_list(cell))
    raise SurveyError(
        f"{file} of EROS-1: column {cells.name} of row {row + 1} is not a list of numbers but "
        f"{cells.iloc[row][:40]!r}. Fetch the dataset eros1 again."
    )


def _is_list(cell: str) -> bool:
    try:
        entry = json.loads(cell)
        np.fromiter(entry, np.float64)
    except (ValueError, TypeError):
        return False
    return isinstance(entry, list)


def _light_curves(rows: pd.DataFrame, name: str, catalogue: Table) -> Modality:
    """One band of all stars; adds its columns to the catalogue."""
    series = [rows[f"{what}_points_{BANDS[name]}"] for what in ("time", "light", "error")]
    counts = np.stack([column.map(len).to_numpy() for column in series])
    uneven = (counts != counts[0]).any(axis=0)
    n = np.where(uneven, 0, counts[0])
    time, magnitude, error = (
        np.fromiter(chain.from_iterable(column[~uneven]), np.float64, n.sum()) for column in series
    )
    star = np.repeat(np.arange(len(rows)), n)
    measured = magnitude != PLACEHOLDER
    flux = 10 ** (-0.4 * (magnitude - ZERO_POINT))
    points = np.stack([time, flux, 0.4 * np.log(10) * flux * error], axis=1)[measured]
    left = np.bincount(star[measured], minlength=len(rows))
    curves = scale_light_curves(points, np.concatenate([[0], np.cumsum(left)]))
    catalogue[f"{name}_placeholders"] = n - left
    catalogue[f"{name}_duplicates"] = curves.duplicates
    catalogue[f"{name}_fault"] = np.where(
        uneven, "times, magnitudes and errors differ in number", curves.faults
    )
    constants = np.stack([curves.log_mad, curves.delta_t], axis=1).astype(np.float32)
    return Modality(
        "light curve",
        curves.values,
        ("time", "flux", "flux error"),
        curves.n_points,
        constants,
        ("log_mad", "delta_t"),
    )
