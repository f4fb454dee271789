"""AstroM3Processed: files written in its format with pyarrow, whole and damaged."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from astrolib.data.galaxies import SurveyError
from astrolib.data.star_parquet import ROWS, read_processed
from astrolib.data.star_preprocessing import CLASSES, METADATA

LENGTH = 2575


def stars(n, seed=0):
    """Rows as lists, so that a test can spoil them: photometry (k, 9), spectra (3, 2575), metadata, label."""
    rng = np.random.default_rng(seed)
    constants = rng.normal(size=(n, 6))
    curves = []
    for row in range(n):
        points = rng.normal(size=(int(rng.integers(2, 30)), 3))
        curves.append(np.hstack([points, np.tile(constants[row], (len(points), 1))]))
    spectra = rng.normal(size=(n, 3, LENGTH)).astype(np.float32)
    spectra[:, 2] = rng.normal(size=(n, 1))
    return {
        "photometry": [curve.astype(np.float32) for curve in curves],
        "spectra": list(spectra),
        "metadata": list(rng.normal(size=(n, 34)).astype(np.float32)),
        "label": rng.integers(0, 10, n).tolist(),
    }


def write(path, columns, names=CLASSES, drop=(), **kinds):
    path.parent.mkdir(parents=True, exist_ok=True)
    nested = pa.list_(pa.list_(pa.float32()))
    types = {"photometry": nested, "spectra": nested, "metadata": pa.list_(pa.float32()), "label": pa.int64()}
    arrays = {}
    for name, values in columns.items():
        lists = [v.tolist() if isinstance(v, np.ndarray) else v for v in values]
        arrays[name] = pa.array(lists, (types | kinds)[name])
    table = pa.table(arrays).drop_columns(list(drop))
    if names is not None:
        features = {"label": {"names": list(names), "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=7)
    return path


def test_values_come_back_in_their_places(tmp_path):
    columns = stars(ROWS + 10)  # more than one batch
    path = write(tmp_path / "full_66" / "train" / "0000.parquet", columns)
    survey = read_processed([path])
    photometry, spectra, metadata = (
        survey.modalities[name] for name in ("photometry", "spectra", "metadata")
    )
    assert photometry.channels == 9 and photometry.standardized == () and spectra.channels == 3
    assert metadata.names == METADATA and spectra.axis[-1] == 8998
    for row, curve in enumerate(columns["photometry"]):
        assert photometry.n_points[row] == len(curve)
        assert np.array_equal(photometry.values[row, : len(curve)], curve[:, :3])
        assert not photometry.values[row, len(curve) :].any()
        assert np.array_equal(photometry.constants[row], curve[0, 3:])
    assert np.array_equal(spectra.values, np.stack(columns["spectra"])[:, :2])
    assert np.array_equal(spectra.constants[:, 0], np.stack(columns["spectra"])[:, 2, 0])
    assert np.array_equal(metadata.values, np.stack(columns["metadata"]))
    assert survey.label.tolist() == columns["label"] and survey.class_names == CLASSES
    assert survey.ids[17] == "full_66-train-000017" and "full_66" in survey.source


def test_parts_come_from_the_names_and_rows_are_counted_through_files(tmp_path):
    folder = tmp_path / "sub10_42"
    paths = [
        write(folder / "train" / "0000.parquet", stars(3, 1)),
        write(folder / "train" / "0001.parquet", stars(2, 2)),
        write(folder / "val" / "0000.parquet", stars(1, 3)),
        write(folder / "test-00000-of-00001.parquet", stars(1, 4)),
    ]
    survey = read_processed(paths)
    assert list(survey.catalogue["split"]) == ["train"] * 5 + ["validation", "test"]
    assert survey.ids[4] == "sub10_42-train-000004" and survey.ids[6] == "sub10_42-test-000000"
    with pytest.raises(SurveyError, match="does not tell which part"):
        read_processed([write(tmp_path / "other" / "0000.parquet", stars(1))])
    other = write(tmp_path / "full_0" / "train" / "0000.parquet", stars(1))
    with pytest.raises(SurveyError, match="full_0, sub10_42, hold the same stars"):
        read_processed([*paths, other])


def test_labels_are_translated_by_name_and_others_are_rejected(tmp_path):
    columns = stars(5) | {"label": [0, 1, 2, -1, 7]}
    path = write(tmp_path / "x" / "test" / "0.parquet", columns, names=["SR", "ZAND", "EW"])
    survey = read_processed([path])
    assert [survey.class_names[label] if label >= 0 else "" for label in survey.label] == ["SR", "EW", ""]
    assert dict(zip(survey.rejected["id"], survey.rejected["reason"], strict=True)) == {
        "x-test-000001": "class ZAND is not in the survey",
        "x-test-000004": "class number 7, without a name, is not in the survey",
    }
    assert np.array_equal(survey.modalities["metadata"].values[1], columns["metadata"][2])


def test_extension_types_and_fixed_sizes_are_read_as_what_they_store(tmp_path):
    class Array2D(pa.ExtensionType):
        def __init__(self):
            super().__init__(pa.list_(pa.list_(pa.float32())), "test.array2d")

        def __arrow_ext_serialize__(self):
            return b""

        @classmethod
        def __arrow_ext_deserialize__(cls, storage_type, serialized):
            return cls()

    columns = stars(4)
    plain = write(tmp_path / "a" / "train" / "0.parquet", columns)
    table = pq.read_table(plain)
    metadata = table["metadata"].combine_chunks().cast(pa.list_(pa.float32(), 34))
    spectra = pa.ExtensionArray.from_storage(Array2D(), table["spectra"].combine_chunks())
    table = table.set_column(1, "spectra", spectra).set_column(2, "metadata", metadata)
    pa.register_extension_type(Array2D())
    try:
        (tmp_path / "b" / "train").mkdir(parents=True)
        pq.write_table(table, tmp_path / "b" / "train" / "0.parquet")
        assert isinstance(
            pq.read_schema(tmp_path / "b" / "train" / "0.parquet").field("spectra").type, Array2D
        )
        survey = read_processed([tmp_path / "b" / "train" / "0.parquet"])
    finally:
        pa.unregister_extension_type("test.array2d")
    expected = read_processed([plain])
    for name, modality in survey.modalities.items():
        assert np.array_equal(modality.values, expected.modalities[name].values)


def test_stars_that_lack_a_modality_stay_and_are_counted(tmp_path):
    columns = stars(6)
    columns["photometry"][0] = []
    columns["photometry"][1] = None
    columns["spectra"][2] = np.full((3, LENGTH), np.nan)
    columns["spectra"][3] = None
    columns["metadata"][3][4] = np.nan
    columns["metadata"][4] = None
    columns["spectra"][5][0, 7] = np.inf
    survey = read_processed([write(tmp_path / "x" / "train" / "0.parquet", columns)])
    present = {name: modality.present.tolist() for name, modality in survey.modalities.items()}
    assert present["photometry"] == [False, False, True, True, True]
    assert present["spectra"] == [True, True, False, False, True]
    assert present["metadata"] == [True, True, True, False, False]
    assert list(survey.catalogue["spectra_fault"]) == ["", "", "no spectrum", "no spectrum", ""]
    assert list(survey.rejected["id"]) == ["x-train-000005"]
    assert list(survey.rejected["reason"]) == ["a value of its spectra is not finite"]
    assert np.array_equal(survey.modalities["spectra"].values[4], columns["spectra"][4][:2])


def test_a_missing_column_is_named_with_the_file_and_what_it_has(tmp_path):
    path = write(tmp_path / "x" / "train" / "0.parquet", stars(2), drop=["spectra"])
    with pytest.raises(
        SurveyError, match="0.parquet has no column spectra; it has photometry, metadata, label"
    ):
        read_processed([path])


def test_the_first_version_of_the_data_set_is_recognised(tmp_path):
    columns = stars(2)
    curves = columns | {"photometry": [curve[:, :3] for curve in columns["photometry"]]}
    with pytest.raises(SurveyError, match="February 2025"):
        read_processed([write(tmp_path / "x" / "train" / "0.parquet", curves)])
    spectra = columns | {"spectra": [np.zeros((3909, 3), np.float32)] * 2}
    with pytest.raises(SurveyError, match="February 2025"):
        read_processed([write(tmp_path / "x" / "train" / "1.parquet", spectra)])
    kind = pa.struct([("meta_cols", pa.struct([("ruwe", pa.float32())]))])
    nested = columns | {"metadata": [{"meta_cols": {"ruwe": 1.0}}] * 2}
    with pytest.raises(SurveyError, match="February 2025"):
        read_processed([write(tmp_path / "x" / "train" / "2.parquet", nested, metadata=kind)])


def test_other_shapes_and_types_are_named_with_their_row(tmp_path):
    columns = stars(9)
    columns["spectra"][8] = np.zeros((3, 2574))
    with pytest.raises(SurveyError, match=r"row 8: spectra has the shape \(3, 2574\) instead of \(3, 2575\)"):
        read_processed([write(tmp_path / "x" / "train" / "0.parquet", columns)])
    columns = stars(9)
    columns["metadata"][2] = np.zeros(33)
    with pytest.raises(SurveyError, match=r"row 2: metadata has the shape \(33,\)"):
        read_processed([write(tmp_path / "x" / "train" / "1.parquet", columns)])
    columns = stars(2) | {"label": ["EW", "SR"]}
    with pytest.raises(SurveyError, match="column label is of type string"):
        read_processed([write(tmp_path / "x" / "train" / "2.parquet", columns, label=pa.string())])


def test_a_file_without_class_names_or_no_parquet_file_at_all(tmp_path):
    with pytest.raises(SurveyError, match="does not say which class a label is"):
        read_processed([write(tmp_path / "x" / "train" / "0.parquet", stars(2), names=None)])
    page = tmp_path / "x" / "train" / "1.parquet"
    page.write_text("<html>404</html>")
    with pytest.raises(SurveyError, match="1.parquet is not a Parquet file"):
        read_processed([page])
    with pytest.raises(SurveyError, match="hold no star"):
        read_processed([])
