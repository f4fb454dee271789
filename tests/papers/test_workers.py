"""Jobs side by side: in order, alone or in processes, with a bar."""

import pytest
import torch

from astrolib.papers.workers import side_by_side


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
