"""AstroM3Processed, the paper's data as its authors publish them: Parquet files of scaled modalities."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from astropy.table import Table

from astrolib.data.galaxies import SurveyError
from astrolib.data.star_preprocessing import (
    CLASSES,
    METADATA,
    PHOTOMETRIC,
    SCALED_CONSTANTS,
    WAVELENGTH,
    known_classes,
)
from astrolib.data.star_splits import OTHER_NAMES, PARTS
from astrolib.data.stars import Modality, StarSurvey

SHAPES = {
    "photometry": (None, 3 + len(PHOTOMETRIC + SCALED_CONSTANTS)),
    "spectra": (3, len(WAVELENGTH)),
    "metadata": (len(METADATA),),
    "label": (),
}
"""Columns of a file and the shape of their arrays; None: of any length."""
WORDS = {"photometry": "an empty light curve", "spectra": "no spectrum", "metadata": "a missing value"}
ROWS = 256  # decoded at a time


def read_processed(paths: Sequence[Path], class_names: Sequence[str] = CLASSES) -> StarSurvey:
    """Stars of one configuration of AstroM3Processed (AstroM3 card, section 11), without any loading script.

    The files hold scaled light curves of any length, scaled spectra, and columns that are standardised by the
    training split of their configuration. The error of a spectrum is the paper's: inverse variance / MAD.

    Parameters
    ----------
    paths : sequence of Path
        For example `full_66/train/0000.parquet`, `full_66/train/0001.parquet`, `full_66/test/0000.parquet`.
        The folder or the beginning of the file's name says which part of the split it is.
    class_names : sequence of str
        Classes to keep, in the order of their label ids. The files' own label ids are translated by name.

    Returns
    -------
    StarSurvey
        Modalities photometry, spectra, metadata. The files have no identifiers, so `id` is
        "<configuration>-<part>-<row>", for example "full_66-train-000017", counted through all files of that
        part in the order given; the same star has another id in another configuration. The catalogue has
        `id`, `class` and `split`, and says in `photometry_fault`, `spectra_fault` and `metadata_fault` why a
        star lacks a modality. Stars of other classes are in `rejected`; label -1 is a star without a class.

    Raises
    ------
    SurveyError
        If a file lacks a column, has arrays of other shapes (the first version of the data set, of February
        2025, had unscaled ones), no class names, or a name that does not tell its part, or if the files are
        of several configurations, which hold the same stars.
    """
    paths = [Path(path) for path in paths]
    catalogue = _catalogue(paths)  # checks the files, before anything long begins
    modalities = {
        "photometry": _light_curves(paths),
        "spectra": _spectra(paths),
        "metadata": _metadata(paths),
    }
    for name, modality in modalities.items():
        catalogue[f"{name}_fault"] = np.where(modality.present, "", WORDS[name])
    kept, label, rejected = known_classes(catalogue, class_names)
    if not kept.all():
        modalities = {name: modality.subset(kept) for name, modality in modalities.items()}
    configuration = str(catalogue["id"][0]).rpartition("-")[0].rpartition("-")[0]
    return StarSurvey.build(
        modalities,
        label,
        class_names,
        catalogue[kept],
        f"AstroM3Processed {configuration} (ASAS-SN, LAMOST, Gaia and others)",
        rejected=rejected,
    )


def _catalogue(paths: Sequence[Path]) -> Table:
    """Identifier, class and part of every row."""
    ids, splits, classes, rows = [], [], [], dict.fromkeys(PARTS, 0)
    configurations = set()
    for path in paths:
        names, n = _checked(path)
        configuration, part = _part(path)
        configurations.add(configuration)
        ids += [f"{configuration}-{part}-{rows[part] + row:06d}" for row in range(n)]
        splits += [part] * n
        rows[part] += n
        labels = pc.fill_null(pq.read_table(path, columns=["label"])["label"], -1).to_pylist()
        classes += [names.get(label, f"number {label}, without a name,") for label in labels]
    if len(configurations) > 1:
        raise SurveyError(
            f"Files of several configurations, {', '.join(sorted(configurations))}, hold the same stars "
            "under other ids. Read one configuration at a time."
        )
    if not ids:
        raise SurveyError("The Parquet files hold no star.")
    return Table({"id": ids, "class": np.array(classes, dtype=str), "split": splits})


def _part(path: Path) -> tuple[str, str]:
    """Configuration and part that a path tells, like `full_66/train/0000.parquet`."""
    for word, folder in ((path.parent.name, path.parent.parent), (path.stem.split("-")[0], path.parent)):
        part = OTHER_NAMES.get(word, word)
        if part in PARTS:
            return folder.name or "processed", part
    raise SurveyError(
        f"{path} does not tell which part of the split it is. Keep the folders of the data set, "
        "as in full_66/train/0000.parquet, with train, validation or test."
    )


def _checked(path: Path) -> tuple[dict[int, str], int]:
    """Names of the label ids of a file, and its rows, if its columns are what they should be."""
    try:
        with pq.ParquetFile(path) as file:
            schema, n = file.schema_arrow, file.metadata.num_rows
    except (OSError, pa.ArrowException) as error:
        raise SurveyError(f"{path} is not a Parquet file, or is cut short: {error}.") from None
    if missing := [name for name in SHAPES if name not in schema.names]:
        raise SurveyError(f"{path} has no column {', '.join(missing)}; it has {', '.join(schema.names)}.")
    for name, shape in SHAPES.items():
        kind = _storage(schema.field(name).type)
        for _ in shape:
            if pa.types.is_struct(kind):
                raise _unscaled(path)
            kind = _storage(kind.value_type) if hasattr(kind, "value_type") else None
        if kind is None or not (pa.types.is_floating(kind) if shape else pa.types.is_integer(kind)):
            raise SurveyError(f"{path}: column {name} is of type {schema.field(name).type}, not as expected.")
    try:
        described = json.loads((schema.metadata or {})[b"huggingface"])
        names = described["info"]["features"]["label"]["names"]
    except (KeyError, TypeError, ValueError):
        raise SurveyError(
            f"{path} does not say which class a label is (schema metadata, key huggingface). The order of "
            "labels is not guaranteed, so it is not guessed. Fetch the file anew."
        ) from None
    return dict(enumerate(names)) | {-1: ""}, n


def _storage(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def _unscaled(path: Path) -> SurveyError:
    return SurveyError(
        f"{path} is of the first version of AstroM3Processed (February 2025), whose arrays are not scaled. "
        "Fetch the present version, or read the raw data set with astrolib.data.star_raw.read_raw."
    )


def _decoded(paths: Sequence[Path], name: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Blocks of a column: values of its rows one after another (.., *shape[1:]), and each row's length."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            row = 0
            for batch in file.iter_batches(ROWS, columns=[name]):
                lists, sizes = batch.column(0), []
                for _ in SHAPES[name]:
                    lists = lists.storage if isinstance(lists, pa.ExtensionArray) else lists
                    sizes.append(pc.fill_null(pc.list_value_length(lists), 0).to_numpy())
                    lists = lists.flatten()
                _check_sizes(path, name, row, *sizes)
                values = np.asarray(lists, np.float32).reshape(-1, *SHAPES[name][1:])
                yield values, sizes[0]
                row += len(batch)


def _check_sizes(path: Path, name: str, row: int, outer: np.ndarray, inner: np.ndarray | None = None) -> None:
    """Rows may lack an array; one of another shape than `SHAPES[name]` is an error."""
    first, *second = SHAPES[name]
    star = np.arange(len(outer)) if inner is None else np.repeat(np.arange(len(outer)), outer)
    wrong = np.flatnonzero((outer != first) & (outer != 0)) if first else np.array([], int)
    if second and not wrong.size:
        wrong = star[inner != second[0]]
    if wrong.size:
        found = [outer[wrong[0]]] if inner is None else [outer[wrong[0]], inner[star == wrong[0]][0]]
        if found[-1] == 3 and name != "metadata":  # time or wavelength, flux, error
            raise _unscaled(path)
        raise SurveyError(
            f"{path}, row {row + wrong[0]}: {name} has the shape {tuple(map(int, found))} instead of "
            f"{tuple('any' if size is None else size for size in SHAPES[name])}."
        )


def _light_curves(paths: Sequence[Path]) -> Modality:
    blocks = list(_decoded(paths, "photometry"))
    n = np.concatenate([lengths for _, lengths in blocks])
    values = np.zeros((len(n), max(n.max(), 1), 3), np.float32)
    constants = np.zeros((len(n), len(PHOTOMETRIC + SCALED_CONSTANTS)), np.float32)
    row = 0
    for points, lengths in blocks:
        rows = slice(row, row + len(lengths))
        values[rows][np.arange(values.shape[1]) < lengths[:, None]] = points[:, :3]
        constants[rows][lengths > 0] = points[(np.cumsum(lengths) - lengths)[lengths > 0], 3:]
        row += len(lengths)
    names = ("time", "flux", "flux error")
    return Modality(
        "light curve", values, names, n.astype(np.int32), constants, PHOTOMETRIC + SCALED_CONSTANTS
    )


def _spectra(paths: Sequence[Path]) -> Modality:
    n = sum(pq.read_metadata(path).num_rows for path in paths)
    values, log_mad = np.zeros((n, 2, len(WAVELENGTH)), np.float32), np.zeros((n, 1), np.float32)
    present, row = np.zeros(n, bool), 0
    for channels, lengths in _decoded(paths, "spectra"):
        channels = channels.reshape(-1, *SHAPES["spectra"])
        empty = np.isnan(channels[:, :2, 0]).all(axis=1)  # a cheap look, then a long one
        empty[empty] = np.isnan(channels[empty, :2]).all(axis=(1, 2))
        rows = row + np.flatnonzero(lengths)
        if len(rows) == len(lengths):
            rows = slice(row, row + len(lengths))  # plain copies are faster
        values[rows], log_mad[rows, 0] = channels[:, :2], channels[:, 2, 0]
        present[rows] = ~empty
        row += len(lengths)
    values[~present], log_mad[~present] = 0.0, 0.0
    return Modality(
        "spectrum",
        values,
        ("flux", "error"),
        present.astype(np.int32),
        log_mad,
        ("log_mad",),
        axis=WAVELENGTH,
    )


def _metadata(paths: Sequence[Path]) -> Modality:
    blocks = []
    for flat, lengths in _decoded(paths, "metadata"):
        columns = np.full((len(lengths), len(METADATA)), np.nan, np.float32)
        columns[lengths > 0] = flat.reshape(-1, len(METADATA))
        blocks.append(columns)
    values = np.concatenate(blocks)
    present = np.isfinite(values).all(axis=1)
    values[~present] = 0.0
    return Modality("table", values, METADATA, present.astype(np.int32))
