"""Jobs side by side: in order, alone or in processes, with a bar. And what one of several processes does."""

import os

import pandas as pd
import pytest
import torch

from astrolib.papers import workers
from astrolib.papers.workers import side_by_side, write_once


def threads_and(number: int) -> tuple[int, int]:
    return number, torch.get_num_threads()


def failing(number: int) -> None:
    raise ArithmeticError(f"job {number} failed")


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_jobs(workers, capsys):
    found = side_by_side(threads_and, [(3,), (1,), (2,)], "counting", workers=workers, costs=[3, 1, 2])
    assert [number for number, _ in found] == [3, 1, 2]
    if workers > 1:
        assert {threads for _, threads in found} == {1}  # one for each job
    assert "counting" in capsys.readouterr().out


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failure_is_not_swallowed(workers):
    with pytest.raises(ArithmeticError, match="job 7 failed"):
        side_by_side(failing, [(7,)], "failing", workers=workers)


def process(_) -> int:
    return os.getpid()


@pytest.fixture
def second_of_two(monkeypatch):
    """This process is told that it is the second of two of a training; gives the list of its waits."""
    waits = []
    monkeypatch.setattr(workers, "world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 1)
    monkeypatch.setattr(torch.distributed, "barrier", lambda: waits.append("waited"))
    return waits


def test_processes_of_one_training_do_jobs_together_one_after_the_other(second_of_two, capsys):
    assert side_by_side(process, [(1,), (2,)], "training", workers=2) == [os.getpid()] * 2
    assert "training" not in capsys.readouterr().out  # the first process has the bar


def test_a_table_that_several_processes_made_is_written_by_the_first(tmp_path, second_of_two, monkeypatch):
    table, path = pd.DataFrame({"a": [1, 2]}), tmp_path / "new" / "table.parquet"
    write_once(table, path)
    assert not path.exists() and second_of_two == ["waited"]
    monkeypatch.setattr(torch.distributed, "get_rank", lambda: 0)
    write_once(table, path)
    pd.testing.assert_frame_equal(pd.read_parquet(path), table)
    assert second_of_two == ["waited"] * 2
