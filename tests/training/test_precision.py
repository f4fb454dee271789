"""One place says the precision, and a training remembers it."""

import json

import pytest
import torch
from torch import nn

from astrolib.data.batches import Batches
from astrolib.training.fabric import make_fabric
from astrolib.training.fit import fit
from astrolib.training.optim import Optimization
from astrolib.training.precision import wanted_precision
from astrolib.training.runs import Run, RunError

BF16 = "bf16-mixed"


@pytest.fixture
def ask(monkeypatch):
    """``ask(precision)``: as the command line does."""
    return lambda precision: monkeypatch.setenv("ASTROLIB_PRECISION", precision)


class Watched(nn.Linear):
    """Notes what its products are computed in."""

    def forward(self, x):
        product = super().forward(x)
        self.found.append(product.dtype)
        return product


def train(run: Run, precision: str = "") -> list[torch.dtype]:
    """What the network's products were computed in."""
    model, x = Watched(1, 1), torch.linspace(0, 1, 16).unsqueeze(1)
    model.found = []

    def loss(model, batch, generator):
        return {"loss": (model(batch["x"]) - batch["x"]).square().mean()}

    fabric, optimization = make_fabric("cpu", precision), Optimization(1, 8, 0.1)
    fit(run, model, Batches({"x": x}, 8), loss, optimization, fabric=fabric, progress=False)
    return model.found


def test_full_precision_is_the_default_and_leaves_a_runs_name_alone(ask, tmp_path):
    names = [Run(tmp_path, "line", {}).folder.name]
    assert wanted_precision() == "32-true"
    for precision in ("", "32-true", BF16):
        ask(precision)
        names.append(Run(tmp_path, "line", {}).folder.name)
    assert names[0] == names[1] == names[2] != names[3]


def test_a_training_computes_in_the_wanted_precision_and_remembers_it(ask, tmp_path):
    for precision, dtype in (("32-true", torch.float32), (BF16, torch.bfloat16)):
        ask(precision)
        run = Run(tmp_path, "line", {})
        assert train(run) == [dtype, dtype]
        assert run.summary()["arguments"]["precision"] == precision
        assert run.load_model(nn.Linear(1, 1)).weight.dtype == torch.float32


def test_a_run_of_one_precision_is_not_taken_for_one_of_another(tmp_path):
    run = Run(tmp_path, "line", {})
    train(run, BF16)
    with pytest.raises(RunError, match="precision: bf16-mixed, now 32-true"):
        train(run)


def test_a_run_from_before_precisions_were_noted_had_the_full_one(tmp_path):
    run = Run(tmp_path, "line", {})
    train(run)
    summary = run.summary()
    del summary["arguments"]["precision"]
    (run.folder / "done.json").write_text(json.dumps(summary))
    assert train(run) == []  # loaded
    with pytest.raises(RunError, match="precision: 32-true, now bf16-mixed"):
        train(run, BF16)


def test_an_unknown_precision_is_refused(ask, tmp_path):
    ask("half")
    with pytest.raises(
        ValueError, match="ASTROLIB_PRECISION is 'half': it must be one of 32-true, bf16-mixed"
    ):
        Run(tmp_path, "line", {})
