"""Every row once, in its place, whatever happens on the way."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from processes import run_script

from astrolib.catalogue.inference import predict_catalogue
from astrolib.catalogue.outputs import CatalogueError
from astrolib.data.shards import ShardError, open_shards, write_shards
from astrolib.training.fabric import make_fabric

SETTINGS = {"weights": "none"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Catalogues of one survey: predicted at once, killed, by two ranks, and by one that outlived another."""
    folder = tmp_path_factory.mktemp("children")
    run_script(Path(__file__).with_name("children.py"), folder)
    return folder


def files(folder: Path) -> dict[str, bytes]:
    """Content by name, without the locks."""
    found = (path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("lock"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.fixture
def survey(tmp_path):
    n = 50
    block = {
        "x": np.arange(3 * n, dtype=np.float16).reshape(n, 3),
        "number": np.arange(n),
        "id": np.array([f"g{row}" for row in range(n)]),
    }
    write_shards(tmp_path / "survey", [block], rows_per_shard=20, about={"source": "an example"})
    return open_shards(tmp_path / "survey")


def catalogue(survey, out, predict, **options) -> pd.DataFrame:
    options = {"settings": SETTINGS, "inputs": ["x"], "batch_size": 3, "progress": False} | options
    predict_catalogue(survey, predict, out, fabric=make_fabric("cpu"), **options)
    return pd.read_parquet(out / "catalogue.parquet")


def test_every_row_is_predicted_in_its_place(survey, tmp_path):
    """The network hands back its very input, whose memory the next batches use again."""
    seen = []

    def predict(batch):
        assert torch.is_inference_mode_enabled() and batch["x"].dtype == torch.float32
        seen.append(len(batch["x"]))
        return {"first": batch["x"][:, 0], "all": batch["x"]}

    table = catalogue(survey, tmp_path / "out", predict, columns=["id", "number"])
    assert seen == [3, 3, 3, 3, 3, 3, 2] * 2 + [3, 3, 3, 1]  # no batch reaches over the end of a shard
    assert table.columns.tolist() == ["row", "id", "number", "first", "all", "source", "fault"]
    assert table["row"].tolist() == table["number"].tolist() == list(range(50))
    assert table["id"].tolist() == [f"g{row}" for row in range(50)]
    np.testing.assert_array_equal(table["first"], 3 * np.arange(50))
    np.testing.assert_array_equal(np.stack(table["all"]), np.arange(150).reshape(50, 3))
    assert (table["source"] == "an example").all() and table["fault"].isna().all()


def test_a_batch_larger_than_the_shards_is_a_shard(survey, tmp_path):
    seen = []
    catalogue(
        survey,
        tmp_path / "out",
        lambda batch: seen.append(len(batch["x"])) or {"y": batch["x"][:, 0].bfloat16()},
        batch_size=4096,
    )
    assert seen == [20, 20, 10]


def test_what_is_there_is_not_predicted_again(survey, tmp_path):
    failing, seen = [True], []

    def predict(batch):
        seen.append(int(batch["x"][0, 0]))
        if failing and seen[-1] >= 3 * 30:
            raise RuntimeError("out of memory")
        return {"y": batch["x"][:, 0]}

    with pytest.raises(RuntimeError, match="out of memory"):
        catalogue(survey, tmp_path / "out", predict, batch_size=10)
    assert [path.name for path in (tmp_path / "out" / "catalogue.parquet").iterdir()] == ["00000.parquet"]
    failing.clear(), seen.clear()
    table = catalogue(survey, tmp_path / "out", predict, batch_size=5)
    assert min(seen) == 3 * 20
    np.testing.assert_array_equal(table["y"], 3 * np.arange(50))
    again = catalogue(survey, tmp_path / "out", None)  # whoever predicts again fails
    pd.testing.assert_frame_equal(again, table)


def test_a_catalogue_that_lost_a_file_is_whole_again_only_when_it_is_finished(survey, tmp_path):
    out = tmp_path / "out"
    catalogue(survey, out, lambda batch: {"y": batch["x"][:, 0]})
    (out / "catalogue.parquet" / "00001.parquet").unlink()
    with pytest.raises(TypeError):
        catalogue(survey, out, None)
    assert not (out / "catalogue.json").exists()
    catalogue(survey, out, lambda batch: {"y": batch["x"][:, 0]})
    assert (out / "catalogue.json").exists()


def test_predictions_must_be_of_the_batch(survey, tmp_path):
    for wrong in (torch.ones(2), torch.tensor(1.0)):
        with pytest.raises(CatalogueError, match=r"y was predicted with the shape .* for 3 objects"):
            catalogue(survey, tmp_path / "out", lambda batch, wrong=wrong: {"y": wrong})
    names = iter("ab")
    with pytest.raises(CatalogueError, match="first batch of a shard gave a, a later one b"):
        catalogue(survey, tmp_path / "out", lambda batch: {next(names): batch["x"]})
    with pytest.raises(CatalogueError, match="at least 1"):
        catalogue(survey, tmp_path / "out", None, batch_size=0)


def test_a_damaged_shard_stops_with_its_name(survey, tmp_path):
    path = survey.path(1, "x")
    os.truncate(path, path.stat().st_size - 8)
    with pytest.raises(ShardError, match="00001/x.npy"):
        catalogue(survey, tmp_path / "out", lambda batch: {"y": batch["x"][:, 0]})


def test_the_whole_catalogue_has_every_row_and_names_the_bad_one(home):
    table = pd.read_parquet(home / "whole" / "catalogue.parquet")
    assert table["row"].tolist() == list(range(183))
    assert table.index[table["fault"].notna()].tolist() == [7]
    assert sorted(files(home / "whole")) == ["bad_rows.csv", "catalogue.json"] + [
        f"catalogue.parquet/0000{i}.parquet" for i in range(5)
    ]


@pytest.mark.parametrize("how", ["killed", "ranks", "bereaved"])
def test_killed_or_shared_it_ends_with_the_same_files(home, how):
    assert files(home / how) == files(home / "whole")
