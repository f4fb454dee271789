import sys
import time

import numpy as np
import pytest
import torch
from torch import nn

from astrolib.data.batches import Batches
from astrolib.training import timing
from astrolib.training.optim import Optimization
from astrolib.training.timing import Memory, Mode, Size, library_pass, measure

SIZE = Size(batch_size=5, steps=2, repeats=3)


@pytest.fixture
def clock(monkeypatch):
    """A clock that only passes advance."""
    now = [0.0]
    monkeypatch.setattr(timing.time, "perf_counter", lambda: now[0])

    def taking(*seconds):
        left = iter(seconds)

        def one_pass():
            now[0] += next(left)

        return lambda: one_pass

    return taking


def test_rates_spread_and_gain_by_hand(clock):
    """The first pass of each way (100 s) is no part of it."""
    ways = {"slow": clock(100, 2.0, 4.0, 8.0), "fast": clock(100, 1.0, 4.0, 2.0)}
    table = measure(ways, SIZE, "cpu").set_index("way")
    slow, fast = table.loc["slow"], table.loc["fast"]
    assert (slow["objects_per_second"], slow["slowest"], slow["fastest"]) == (10 / 4, 10 / 8, 10 / 2)
    assert slow["step_ms"] == 1e3 * 4 / 2 and slow["step_ms_iqr"] == 1e3 * (6 - 3) / 2
    assert fast["times_first"] == 2.0  # rounds gain 2, 1 and 4: not the 4 / 2 of the medians by accident
    assert (fast["times_first_low"], fast["times_first_high"]) == (1.0, 4.0)
    assert (slow["times_first_low"], slow["times_first_high"]) == (1.0, 1.0)


def test_the_ways_take_turns():
    order = []

    def way(name):
        def one_pass():
            order.append(name)
            time.sleep(1e-3)

        return lambda: one_pass

    measure({"a": way("a"), "b": way("b")}, Size(1, 1, 2), "cpu")
    assert order == list("ab" + "abab")  # the first pass of each, then rounds


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from Linux's /proc")
def test_memory_is_what_was_held_at_once_and_not_what_an_earlier_way_left():
    def holding(mib):
        def one_pass():
            np.ones(mib * 2**20, np.uint8)

        return lambda: one_pass

    table = measure({"large": holding(200), "small": holding(40)}, Size(1, 1, 1), "cpu").set_index("way")
    assert table.loc["large", "memory_mib"] == pytest.approx(200, abs=10)
    assert table.loc["small", "memory_mib"] == pytest.approx(40, abs=10)


def test_memory_is_left_empty_where_the_system_cannot_tell(monkeypatch):
    monkeypatch.setattr(timing, "_forget_peak", lambda: False)
    assert Memory("cpu").mib() is None


def test_a_library_pass_trains_on_every_row_once():
    torch.manual_seed(0)
    model, seen = nn.Linear(1, 1), []
    before = model.weight.detach().clone()

    def loss(model, batch, generator):
        seen.extend(batch["index"].tolist())
        return {"loss": model(batch["x"]).square().mean()}

    batches = Batches({"x": torch.ones(6, 1)}, 4, shuffle=True)
    library_pass(model, batches, loss, Optimization(1, 4, 0.1), "cpu")()
    assert sorted(seen) == list(range(6)) and not torch.equal(model.weight, before)


@pytest.mark.parametrize("precision, dtype", [("32-true", torch.float32), ("bf16-mixed", torch.bfloat16)])
def test_a_mode_is_what_the_network_computes_in(precision, dtype):
    found = []

    def loss(model, batch, generator):
        found.append(nn.functional.linear(batch["x"], model.module.weight).dtype)
        return {"loss": model(batch["x"]).square().mean()}

    model = nn.Linear(1, 1)
    model.register_forward_hook(lambda module, inputs, output: found.append(output.dtype))
    batches = Batches({"x": torch.ones(4, 1)}, 4)
    library_pass(model, batches, loss, Optimization(1, 4, 0.1), "cpu", Mode(precision))()
    assert found[-1] == dtype


def test_passes_are_counted_for_whoever_waits(capsys):
    makers = {"a": lambda: lambda: time.sleep(1e-3)}
    measure(makers, Size(1, 1, 2), "cpu")
    assert capsys.readouterr().out == ""
    measure(makers, Size(1, 1, 2), "cpu", progress="a stage")
    assert "a stage: 100%" in capsys.readouterr().out.splitlines()[-1]


def test_modes_in_words():
    assert [Mode().words, Mode("bf16-mixed").words, Mode("bf16-mixed", compile=True).words] == [
        "float32",
        "bfloat16",
        "bfloat16, compiled",
    ]
