import pytest
import torch

from astrolib.bench.stage import Stage, Way
from astrolib.training.timing import Size


def stage(**ways):
    return Stage("a stage", Size(batch_size=10, steps=2, repeats=2), ways, "a shape", "random pixels")


def test_a_row_says_all_that_a_reader_needs(machine):
    slow = Way(lambda: lambda: None, "32-true", operations=10**6, traffic=10**3, notes="a note")
    table = stage(slow=slow).measured(machine)
    row = table.iloc[0]
    assert (row["stage"], row["way"], row["machine"]) == ("a stage", "slow", machine.name)
    assert (row["source"], row["n_seeds"], row["torch"]) == ("random pixels", 1, torch.__version__)
    assert (row["batch_size"], row["precision"], row["notes"]) == (10, "32-true", "a note")
    assert row["gigaoperations_per_step"] == 1e-3 and row["megabytes_per_step"] == 1e-3
    assert row["share_of_float32"] == pytest.approx(1.0 / (row["step_ms"] / 1e3))  # 1 s at the machine's rate


def test_the_floor_is_the_slower_of_operations_and_bytes(machine):
    computing = Way(lambda: lambda: None, "32-true", operations=2 * 10**6, traffic=10**6, notes="")
    moving = Way(lambda: lambda: None, "32-true", operations=0, traffic=5 * 10**6, notes="")
    table = stage(computing=computing, moving=moving).measured(machine).set_index("way")
    assert table["floor_per_second"].to_dict() == {"computing": 10 / 2, "moving": 10 / 5}
    assert table["floor_is"].to_dict() == {"computing": "operations", "moving": "bytes"}
