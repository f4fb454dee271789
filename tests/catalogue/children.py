"""Catalogues predicted in child processes for test_inference.py: killed, or as ranks. A script: FOLDER."""

import os
import signal
import sys
from pathlib import Path

import numpy as np
import torch
from processes import fork, status, suicide, two_ranks

from astrolib.catalogue import outputs
from astrolib.catalogue.inference import predict_catalogue
from astrolib.data.shards import open_shards, write_shards
from astrolib.training import runs
from astrolib.training.fabric import make_fabric

WEIGHTS = torch.linspace(-1, 1, 2 * 4 * 4)
SETTINGS = {"weights": "linspace", "precision": "32-true"}


def make_survey(folder: Path, n: int = 183, rows_per_shard: int = 40) -> None:
    """Five shards, the last one shorter; one row has a bad pixel."""
    images = np.random.default_rng(0).normal(size=(n, 2, 4, 4)).astype(np.float16)
    images[7, 0, 0, 0] = np.nan
    block = {
        "images": images,
        "redshift": np.linspace(0, 0.4, n, dtype=np.float32),
        "id": np.array([f"galaxy-{row:04d}" for row in range(n)]),
    }
    write_shards(folder, [block], rows_per_shard=rows_per_shard, about={"source": "simulated"})


def linear(batch):
    flat = batch["images"].flatten(1)
    return {"prediction": flat @ WEIGHTS, "features": flat[:, :3] ** 2}


def predict(folder: Path, out: Path, predict=linear):
    """The catalogue `out` of the survey in `folder`."""
    options = {"settings": SETTINGS, "inputs": ["images"], "fabric": make_fabric("cpu"), "progress": False}
    return predict_catalogue(open_shards(folder / "survey"), predict, out, batch_size=16, **options)


def killed_at_batch(folder: Path, count: int) -> None:
    batches = 0

    def deadly(batch):
        nonlocal batches
        batches += 1
        return suicide() if batches > count else linear(batch)

    predict(folder, folder / "killed", deadly)


def killed_at_move(folder: Path, name: str, moment: str) -> None:
    """The kill falls just before or after a file written aside is moved into its place."""
    replace = os.replace

    def deadly(source, target):
        if target.name == name and moment == "before":
            suicide()
        replace(source, target)
        if target.name == name:
            suicide()

    runs.os.replace = deadly
    predict(folder, folder / "killed")


def killed_in_write(folder: Path, name: str) -> None:
    """Half a file is left aside."""
    write = outputs.pq.write_table

    def deadly(table, path, **options):
        write(table, path, **options)
        if name in path.name:
            os.truncate(path, path.stat().st_size // 2)
            suicide()

    outputs.pq.write_table = deadly
    predict(folder, folder / "killed")


def kill(folder: Path) -> None:
    attempts = [(killed_at_batch, 0), (killed_at_batch, 1), (killed_in_write, "00000")]
    attempts += [(killed_at_move, "00000.parquet", "before"), (killed_at_move, "00001.parquet", "after")]
    attempts += [(killed_at_batch, 2), (killed_at_move, "00004.parquet", "before")]
    moves = [(name, moment) for name in ("bad_rows.csv", "catalogue.json") for moment in ("before", "after")]
    attempts += [(killed_at_move, *move) for move in moves]
    for task, *when in attempts:
        assert status(fork(task, folder, *when)) == -signal.SIGKILL, (task.__name__, when)
    assert status(fork(predict, folder, folder / "killed")) == 0


def predict_as_ranks(folder: Path, out: str, predicts=(linear, linear)) -> list[int]:
    """Exit codes of the two processes."""
    ranks = zip(predicts, two_ranks(), strict=True)
    pids = [fork(predict, folder, folder / out, function, **rank) for function, rank in ranks]
    return [status(pid) for pid in pids]


def dying_rank(folder: Path) -> None:
    rank_0, rank_1 = predict_as_ranks(folder, "bereaved", (linear, lambda batch: suicide()))
    assert rank_1 == -signal.SIGKILL and rank_0 == 1
    assert not (folder / "bereaved" / "catalogue.json").exists()
    assert status(fork(predict, folder, folder / "bereaved")) == 0


if __name__ == "__main__":
    torch.set_num_threads(1)
    home = Path(sys.argv[1])
    make_survey(home / "survey")
    assert status(fork(predict, home, home / "whole")) == 0
    kill(home)
    assert predict_as_ranks(home, "ranks") == [0, 0]
    dying_rank(home)
