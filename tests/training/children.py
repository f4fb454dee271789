"""Trainings in child processes for test_fit.py: killed, side by side, or as ranks. A script: WHAT FOLDER."""

import os
import signal
import sys
from pathlib import Path

import torch
from processes import fork, status, suicide, two_ranks
from torch import nn
from torch.nn import functional as F

from astrolib.data.augment import GalaxyView, centre_crop
from astrolib.data.batches import Batches
from astrolib.training import runs
from astrolib.training.fabric import make_fabric
from astrolib.training.fit import fit
from astrolib.training.optim import Optimization
from astrolib.training.runs import Run

OPTIMIZATION = Optimization(5, 16, 1e-2, schedule="warmup-cosine", warmup_epochs=2)
LARS = Optimization(5, 16, 5.0, 1e-6, schedule="barlow", warmup_epochs=2, optimizer="lars", lr_bias=0.05)


def data(n: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(n)
    images = torch.rand(n, 2, 12, 12, generator=generator)
    return {"images": images, "redshift": images.mean(dim=(1, 2, 3))}


def network() -> nn.Module:
    """Everything that has a state or draws numbers: batch normalisation, dropout."""
    body = [nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.2), nn.Flatten()]
    return nn.Sequential(*body, nn.Linear(4 * 36, 1))


def squared_error(model, batch, generator):
    return {"loss": F.mse_loss(model(batch["images"]).squeeze(1), batch["redshift"])}


def train(root: Path, loss=squared_error, optimization=OPTIMIZATION) -> None:
    view = GalaxyView(crop=8, noise_std=0.05)
    training = Batches(
        data(60),
        16,
        shuffle=True,
        transform=lambda batch, generator: {**batch, "images": view(batch["images"], generator)},
    )
    validation = Batches(
        data(20), 16, transform=lambda batch, _: {**batch, "images": centre_crop(batch["images"], 8)}
    )
    run = Run(root, "small", {"optimization": optimization})
    options = {"validation": validation, "keep": "best", "seed": 3, "progress": False, "save_every": 0.0}
    fit(run, network(), training, loss, optimization, fabric=make_fabric("cpu"), **options)


def killed_at_step(root: Path, step: int, optimization=OPTIMIZATION) -> None:
    """The kill falls between the gradient and the update of a step."""
    steps = 0

    def loss(model, batch, generator):
        nonlocal steps
        steps += model.training
        return suicide() if steps > step else squared_error(model, batch, generator)

    train(root, loss, optimization)


def killed_at_write(root: Path, count: int) -> None:
    """The kill falls between the file written aside and the move into its place."""
    replace, calls = os.replace, 0

    def counted(source, target):
        nonlocal calls
        calls += 1
        return suicide() if calls > count else replace(source, target)

    runs.os.replace = counted
    train(root)


def kill(folder: Path) -> None:
    assert status(fork(train, folder / "whole")) == 0
    # 4 steps an epoch; 2 writes to begin with, 3 for each later state, then weights, 2 tables, marker.
    attempts = [(killed_at_step, 0), (killed_at_step, 2), (killed_at_step, 9), (killed_at_write, 1)]
    attempts += [(killed_at_write, 0), (killed_at_write, 4), (killed_at_write, 1), (killed_at_write, 3)]
    for task, when in attempts:
        assert status(fork(task, folder / "killed", when)) == -signal.SIGKILL, (task.__name__, when)
    assert status(fork(train, folder / "killed")) == 0


def kill_lars(folder: Path) -> None:
    """Before anything moved, on the ramp and after it; each attempt goes on from the last whole epoch."""
    assert status(fork(train, folder / "whole", squared_error, LARS)) == 0
    for step in (2, 5, 9):
        assert status(fork(killed_at_step, folder / "killed", step, LARS)) == -signal.SIGKILL, step
    assert status(fork(train, folder / "killed", squared_error, LARS)) == 0


def together(folder: Path) -> None:
    def counted(model, batch, generator):
        with (folder / "steps").open("a") as file:
            file.write("train\n" if model.training else "validate\n")
        return squared_error(model, batch, generator)

    for pid in [fork(train, folder, counted), fork(train, folder, counted)]:
        assert status(pid) == 0


def train_linear(root: Path) -> None:
    model = nn.Linear(3, 1)
    optimization = Optimization(4, 8, 0.1)
    x = torch.linspace(-1, 1, 60).reshape(20, 3)
    batches = Batches({"x": x, "y": x.sum(dim=1)}, 8, shuffle=True)

    def loss(model, batch, generator):
        return {"loss": F.mse_loss(model(batch["x"]).squeeze(1), batch["y"])}

    run = Run(root, "linear", {})
    fit(
        run, model, batches, loss, optimization, validation=batches, fabric=make_fabric("cpu"), progress=False
    )


def ranks(folder: Path) -> None:
    assert status(fork(train_linear, folder / "one")) == 0
    pids = [fork(train_linear, folder / "two", **rank) for rank in two_ranks()]
    assert [status(pid) for pid in pids] == [0, 0]


if __name__ == "__main__":
    torch.set_num_threads(1)
    {"kill": kill, "kill-lars": kill_lars, "together": together, "ranks": ranks}[sys.argv[1]](
        Path(sys.argv[2])
    )
