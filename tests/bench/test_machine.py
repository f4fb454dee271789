from dataclasses import replace

import torch

from astrolib.bench import machine as module
from astrolib.bench.machine import copy_rate, matrix_rate
from astrolib.training.timing import Mode


def test_rates_are_of_this_device():
    assert matrix_rate("cpu", torch.float32, side=64, trials=2) > 0
    assert copy_rate("cpu", n_bytes=2**16, trials=2) > 0


def test_rates_are_operations_over_the_best_time(monkeypatch):
    monkeypatch.setattr(module, "_best", lambda work, device, trials: 0.5)
    assert matrix_rate("cpu", torch.float32, side=10) == 2 * 10**3 / 0.5
    assert copy_rate("cpu", n_bytes=4000) == 2 * 4000 / 0.5


def test_the_best_trial_counts_and_the_first_does_not(monkeypatch):
    ticks = iter([0.0, 0.1, 1.0, 4.0, 10.0, 12.0])  # trials of 0.1 (warms up), 3 and 2 seconds
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(ticks))
    assert module._best(lambda: None, "cpu", trials=2) == 2.0


def test_bfloat16_is_measured_only_where_it_is_faster(machine, monkeypatch):
    monkeypatch.delenv("ASTROLIB_COMPILE", raising=False)
    assert machine.modes == [Mode()]
    faster = replace(machine, bfloat16=4e6)
    assert faster.modes == [Mode(), Mode("bf16-mixed")]
    assert replace(faster, device="cuda").modes[-1] == Mode("bf16-mixed", compile=True)
    monkeypatch.setenv("ASTROLIB_COMPILE", "1")
    assert machine.modes == [Mode(), Mode(compile=True)]


def test_sharpened_keeps_the_better_rates(machine, monkeypatch):
    again = replace(machine, float32=3e6, bfloat16=5e5)
    monkeypatch.setattr(module, "this_machine", lambda device: again)
    assert machine.sharpened() == replace(machine, float32=3e6, bfloat16=1e6)
