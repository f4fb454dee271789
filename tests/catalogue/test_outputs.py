"""What stands in a catalogue's folder, and that nothing else is taken for it."""

import json

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from astrolib.catalogue.outputs import CatalogueError, CatalogueFolder
from astrolib.data.shards import open_shards, write_shards

SETTINGS = {"weights": "abc", "precision": "32-true"}


@pytest.fixture
def survey(tmp_path):
    x = np.ones((5, 2), np.float32)
    x[3] = np.nan
    block = {"x": x, "image": np.zeros((5, 2, 2), np.float32), "id": np.array(list("abcde"), "S4")}
    block |= {"row": np.arange(5)[::-1], "source": np.array(["mine"] * 5)}
    write_shards(tmp_path / "survey", [block], rows_per_shard=3, about={"source": "simulated"})
    return open_shards(tmp_path / "survey")


def folder_of(survey, tmp_path, settings=SETTINGS, **options) -> CatalogueFolder:
    return CatalogueFolder(tmp_path / "out", survey, settings, **({"inputs": ["x"]} | options))


def filled(folder: CatalogueFolder) -> CatalogueFolder:
    for i in folder.missing():
        arrays = folder.shards.open(i)
        y = np.arange(len(arrays["x"]), dtype=np.float32)
        y[:1] = np.inf
        folder.write(i, arrays, {"y": y, "z": arrays["x"]})
    return folder


def test_bad_rows_are_kept_counted_and_explained(survey, tmp_path):
    folder = filled(folder_of(survey, tmp_path))
    folder.finish()
    table = pd.read_parquet(folder.tables)
    assert table["id"].tolist() == list("abcde") and table["row"].tolist() == list(range(5))
    bad = pd.read_csv(tmp_path / "out" / "bad_rows.csv", dtype={"shard": str})
    assert bad.columns.tolist() == ["shard", "row", "id", "fault"]
    assert bad["shard"].tolist() == ["00000", "00001"] and bad["id"].tolist() == ["a", "d"]
    assert bad["fault"].tolist() == [
        "y not finite, though all inputs are",
        "y and z not finite, so in the survey: x",
    ]
    assert table["fault"].dropna().tolist() == bad["fault"].tolist()
    assert json.loads((tmp_path / "out" / "catalogue.json").read_text()) == folder.summary()
    assert folder.summary() == {
        "source": "simulated",
        "n_seeds": 1,
        "n_objects": 5,
        "n_shards": 2,
        "n_bad": 2,
        "settings": SETTINGS | {"survey": survey.fingerprint(), "columns": ["id"]},
    }


def test_a_catalogue_without_bad_rows_says_so(survey, tmp_path):
    folder = folder_of(survey, tmp_path)
    for i in folder.missing():
        arrays = survey.open(i)
        folder.write(i, arrays, {"y": np.ones(len(arrays["x"]), np.float32)})
    folder.finish()
    assert folder.bad_rows().empty and folder.summary()["n_bad"] == 0
    assert folder.bad_rows().columns.tolist() == ["shard", "row", "id", "fault"]


@pytest.mark.parametrize("change", ["weights", "columns", "survey"])
def test_another_catalogue_in_the_folder_is_an_error(survey, tmp_path, change):
    folder = filled(folder_of(survey, tmp_path))
    before = {path: path.read_bytes() for path in folder.tables.iterdir()}
    if change == "weights":
        other = folder_of(survey, tmp_path, SETTINGS | {"weights": "def"})
    elif change == "columns":
        other = folder_of(survey, tmp_path, columns=["x"])
    else:
        write_shards(tmp_path / "new", [survey.rows(np.arange(4))], rows_per_shard=2, about={})
        other = CatalogueFolder(tmp_path / "out", open_shards(tmp_path / "new"), SETTINGS)
    with pytest.raises(CatalogueError, match=rf"00000.parquet was predicted with other settings \({change}"):
        other.missing()
    assert {path: path.read_bytes() for path in folder.tables.iterdir()} == before


def test_damaged_foreign_and_short_files_are_named(survey, tmp_path):
    folder = filled(folder_of(survey, tmp_path))
    whole = pq.read_table(folder.path(1))
    pq.write_table(whole.slice(1), folder.path(1))
    with pytest.raises(CatalogueError, match="00001.parquet has 1 rows, the survey has 2 there"):
        folder.finish()
    pq.write_table(whole.replace_schema_metadata(None), folder.path(1))
    with pytest.raises(CatalogueError, match="00001.parquet is damaged or no file of a catalogue"):
        folder.missing()
    folder.path(1).write_bytes(folder.path(0).read_bytes()[:-9])
    with pytest.raises(CatalogueError, match="00001.parquet is damaged"):
        folder.missing()
    folder.path(1).unlink()
    assert folder.missing() == [1]
    with pytest.raises(CatalogueError, match="for 1 of 2 shards, the first is 00001"):
        folder.finish()
    assert not (tmp_path / "out" / "catalogue.json").exists()


def test_a_folder_is_for_one_set_of_processes(survey, tmp_path):
    folder = folder_of(survey, tmp_path)
    with folder.held(1):  # of an earlier attempt, whose rank 0 has died
        with pytest.raises(CatalogueError, match="Another process is predicting into .*lock-1"):
            with folder.held(0):
                pass
    with folder.held(0), folder.held(1):
        with pytest.raises(CatalogueError, match="lock-0"):
            with folder_of(survey, tmp_path).held(0):
                pass


def test_a_folder_that_cannot_be_made_is_named(survey, tmp_path):
    (tmp_path / "out").touch()
    with pytest.raises(
        CatalogueError, match=r"out/catalogue.parquet cannot be made .* choose another folder"
    ):
        folder_of(survey, tmp_path)


def test_columns_must_exist_and_be_distinct(survey, tmp_path):
    with pytest.raises(CatalogueError, match="no array colour, name; it has x, image, id, row, source"):
        folder_of(survey, tmp_path, columns=["name"], inputs=["colour"])
    with pytest.raises(
        CatalogueError, match=r"columns row, source, fault of its own: leave row and source out"
    ):
        folder_of(survey, tmp_path, columns=["source", "id", "row"])
    assert folder_of(survey, tmp_path, columns=["id", "x", "id"]).columns == ("id", "x")
    folder, arrays = folder_of(survey, tmp_path), survey.open(0)
    for predictions in ({"id": np.ones(3)}, {}):
        with pytest.raises(CatalogueError, match="a name that no other column has"):
            folder.write(0, arrays, predictions)
    with pytest.raises(CatalogueError, match=r"image has the shape \(2, 2\) for each object"):
        folder_of(survey, tmp_path, columns=["image"]).write(0, arrays, {"y": np.ones(3)})
