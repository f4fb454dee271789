"""Several processes give what one gives; a process that dies ends the run, and the run goes on when asked."""

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from processes import run_script
from torch.testing import assert_close

from astrolib.training.runs import Run

CASES = ("mae", "clip", "barlow")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the trainings of `scale_children` leave: one, two, killed-0, killed-1."""
    folder = tmp_path_factory.mktemp("scale-out")
    run_script(Path(__file__).with_name("scale_children.py"), folder)
    return folder


def history(folder: Path, case: str) -> pd.DataFrame:
    return Run(folder, case, {}).history()


def watched(folder: Path, case: str, rank: int) -> dict:
    return torch.load(folder / f"{case}-{rank}.pt", weights_only=True)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_share_the_batches_of_one(folder, case):
    one = watched(folder / "one", case, 0)["rows"]
    shares = [watched(folder / "two", case, rank)["rows"] for rank in (0, 1)]
    assert [len(rows) for rows in one] == [16, 16, 16, 9] * 4
    assert [len(rows) for rows in shares[0]] == [8, 8, 8, 5] * 4
    for rows, first, second in zip(one, *shares, strict=True):
        assert rows[0::2] == first and rows[1::2] == second


@pytest.mark.parametrize("case", CASES)
def test_two_processes_take_the_steps_of_one(folder, case):
    one = watched(folder / "one", case, 0)["gradients"]
    for rank in (0, 1):
        two = watched(folder / "two", case, rank)["gradients"]
        assert len(two) == len(one) == 16
        for step in (0, 3):  # the fourth batch is shared unevenly
            for ours, theirs in zip(two[step], one[step], strict=True):
                tolerance = 1e-4 * theirs.abs().max().item() + 1e-7
                assert_close(ours, theirs, rtol=1e-3, atol=tolerance)


@pytest.mark.parametrize("case", CASES)
def test_two_processes_report_the_history_of_one(folder, case):
    one, two = history(folder / "one", case), history(folder / "two", case)
    assert one["loss"].iloc[-1] < one["loss"].iloc[0]
    pd.testing.assert_frame_equal(two, one, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_process_that_dies_ends_the_run_with_a_message_and_leaves_nobody_behind(folder, rank):
    death = json.loads((folder / "deaths.json").read_text())[str(rank)]
    assert "train_killed FAILED" in death["message"]
    assert "Signal 9 (SIGKILL)" in death["message"] and f"(local_rank: {rank})" in death["message"]
    assert death["alive"] == [False, False]
    assert not death["done"]


@pytest.mark.parametrize("rank", [0, 1])
def test_the_run_goes_on_to_the_history_of_an_uninterrupted_one(folder, rank):
    again = watched(folder / f"killed-{rank}", "clip", 0)["rows"]
    assert len(again) == 12  # three of four epochs were left
    whole, resumed = (Run(folder / name, "clip", {}).folder for name in ("two", f"killed-{rank}"))
    assert (resumed / "history.csv").read_bytes() == (whole / "history.csv").read_bytes()
    assert (resumed / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
