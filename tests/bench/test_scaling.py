from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from astrolib.bench import scaling
from astrolib.bench.galaxies import AstroMAE
from astrolib.bench.images import BarlowTwins
from astrolib.bench.scaling import BATCH, COUNT, SUBJECTS, WEIGHTS, slopes
from astrolib.bench.sizes import Curves, Sizes, sizes
from astrolib.bench.stage import LIBRARY, PLAIN
from astrolib.papers import astrom3_speed
from astrolib.papers.astrom3_speed import Speed
from astrolib.training.timing import Mode, Size


def law(slope, scatter=0.0, way="astrolib", n=6):
    x = 2.0 ** np.arange(n)
    noise = np.random.default_rng(0).normal(0, scatter, n) if scatter else 0.0
    made = pd.DataFrame({"x": x, "cost_ms": 3 * x**slope * np.exp(noise)})
    return made.assign(machine="a machine", stage="a stage", against="batch size", way=way, source="made up")


@pytest.mark.parametrize("slope", [-0.3, 0.7, 1.0, 1.9])
def test_slopes_of_power_laws_are_recovered(slope):
    found = slopes(law(slope)).iloc[0]
    assert found["slope"] == pytest.approx(slope, abs=1e-9) and found["standard_error"] < 1e-6
    assert (found["n_points"], found["x_low"], found["x_high"]) == (6, 1, 32)


def test_the_standard_error_is_that_of_least_squares():
    points = law(1.0, scatter=0.1, n=12)
    x, y = np.log(points["x"]), np.log(points["cost_ms"])
    _, covariance = np.polyfit(x, y, 1, cov="unscaled")
    residual = y - np.polyval(np.polyfit(x, y, 1), x)
    expected = np.sqrt(covariance[0, 0] * (residual**2).sum() / (len(x) - 2))
    found = slopes(points).iloc[0]
    assert found["standard_error"] == pytest.approx(expected)
    assert abs(found["slope"] - 1.0) < 4 * found["standard_error"]


def test_each_machine_curve_and_way_has_a_slope_and_two_points_have_no_error():
    points = pd.concat([law(1.0), law(2.0, way="plain loop"), law(0.5, n=2).assign(machine="another")])
    found = slopes(points).set_index(["machine", "way"])
    assert found["slope"].round(6).to_dict() == {
        ("a machine", "astrolib"): 1.0,
        ("a machine", "plain loop"): 2.0,
        ("another", "astrolib"): 0.5,
    }
    assert np.isnan(found.loc[("another", "astrolib"), "standard_error"])


@pytest.mark.parametrize("stage", SUBJECTS)
def test_every_point_of_a_stage_is_measured_by_both_ways(stage, machine, monkeypatch):
    """What is timed is a stand-in whose cost is known: a millisecond for each object of a pass."""
    monkeypatch.setattr(scaling, "measure", _measured)
    monkeypatch.setattr(astrom3_speed, "STEP", 40.0)
    few = Size(4, steps=1, repeats=1)
    curves = {stage: Curves((2, 4, 8), (4, 8, 16), (64, 128), 4)}
    batch, count, weights = scaling.measured(Sizes("smallest", few, few, few, few, few, curves), machine)
    for table, against, x in ((batch, BATCH, [2, 4, 8]), (count, COUNT, [4, 8, 16])):
        assert set(table["against"]) == {against} and set(table["stage"]) == {stage}
        for way in (PLAIN, LIBRARY):
            mine = table[table["way"] == way]
            assert mine["x"].tolist() == x
            np.testing.assert_allclose(mine["cost_ms"], x)  # of a step, or of an epoch
            assert (mine["cost_ms_low"] <= mine["cost_ms"]).all()
            assert (mine["cost_ms"] <= mine["cost_ms_high"]).all()
    assert set(weights["against"]) == {WEIGHTS} and weights["x"].nunique() == 2
    make, subject_of = SUBJECTS[stage]
    wide = subject_of(make("smallest", few, "cpu", 128), machine.modes[-1]).network
    assert weights["x"].max() == sum(p.numel() for p in wide.parameters())


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("stage", SUBJECTS)
def test_what_is_timed_is_the_stage(stage, machine, one_worker, monkeypatch):
    monkeypatch.setattr(astrom3_speed, "STEP", 40.0)
    make, subject_of = SUBJECTS[stage]
    subject = subject_of(make("smallest", Size(4, steps=1, repeats=1), "cpu", 32), machine.modes[-1])
    kind, seen = type(subject.network), []
    forward = kind.forward

    def watched(self, *arguments, **options):
        seen.append(sum(p.numel() for p in self.parameters()))
        return forward(self, *arguments, **options)

    monkeypatch.setattr(kind, "forward", watched)
    for way in (subject.plain, subject.library):
        seen.clear()
        way()()
        assert set(seen) == {subject.n_weights}  # the network of that width, and no other


def test_curves_are_of_the_fastest_precision_and_nothing_is_compiled_for_them(machine, monkeypatch):
    monkeypatch.setattr(scaling, "measure", _measured)
    monkeypatch.setenv("ASTROLIB_COMPILE", "1")
    faster, few, asked = replace(machine, bfloat16=2e6), Size(4, steps=1, repeats=1), []
    assert faster.modes[-1].compile
    make, subject_of = SUBJECTS["pretraining"]
    watched = (make, lambda parts, mode: asked.append(mode) or subject_of(parts, mode))
    monkeypatch.setitem(SUBJECTS, "pretraining", watched)
    curves = {"pretraining": Curves((2,), (4,), (64,), 4)}
    tables = list(scaling.measured(Sizes("smallest", few, few, few, few, few, curves), faster))
    assert asked == [Mode("bf16-mixed")] * 3
    assert all(table["precision"].tolist() == ["32-true", "bf16-mixed"] for table in tables)


def test_widths_are_those_of_the_network():
    size = Size(4, steps=1, repeats=1)
    assert AstroMAE("smallest", size, "cpu", 128).autoencoder().encoder.embed_dim == 128
    assert BarlowTwins("smallest", size, "cpu", 8).settings.convnet.channels[:2] == (8, 16)
    encoders = Speed("smallest", size, "cpu", 64).settings.encoders
    assert (encoders.d_model, encoders.n_heads, encoders.d_ff) == (64, 2, 256)


def test_every_stage_has_curves():
    for name, device in (("paper", "cpu"), ("paper", "cuda"), ("small", "cpu")):
        assert set(sizes(name, device).curves) == set(SUBJECTS)


def _measured(makers, size, device):
    rates = {"objects_per_second": 1e3, "slowest": 800.0, "fastest": 1250.0, "step_ms": size.batch_size}
    return pd.DataFrame([{"way": name, **rates} for name in makers])
