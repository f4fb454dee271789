import json
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
from processes import run_script
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from astrolib.data.batches import Batches
from astrolib.training.fabric import make_fabric
from astrolib.training.fit import fit
from astrolib.training.lars import LARS
from astrolib.training.optim import Optimization, learning_rate
from astrolib.training.runs import Run, RunError

OPTIMIZATION = Optimization(3, 8, 0.05)


def children(what: str, folder: Path) -> str:
    return run_script(Path(__file__).with_name("children.py"), what, folder)


def line(n=20) -> dict[str, torch.Tensor]:
    x = torch.linspace(-1, 1, 3 * n).reshape(n, 3)
    return {"x": x, "y": x.sum(dim=1)}


def squared_error(model, batch, generator):
    residual = model(batch["x"]).squeeze(1) - batch["y"]
    return {"loss": residual.square().mean(), "mae": residual.abs().mean()}


def linear() -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(3, 1)


def trained(
    root, settings=None, model=None, optimization=OPTIMIZATION, loss=squared_error, tensors=None, **options
):
    run = Run(root, "linear", settings or {})
    batches = Batches(tensors or line(), optimization.batch_size, shuffle=True)
    options = {"fabric": make_fabric("cpu"), "progress": False} | options
    return run, fit(run, model or linear(), batches, loss, optimization, **options)


@pytest.mark.parametrize("what", ["kill", "kill-lars"])
def test_killed_at_any_moment_ends_like_an_uninterrupted_run(tmp_path, what):
    children(what, tmp_path)
    (whole,), (killed,) = (list((tmp_path / name).iterdir()) for name in ("whole", "killed"))
    assert (whole / "history.csv").read_bytes() == (killed / "history.csv").read_bytes()
    weights, again = (load_file(folder / "model.safetensors") for folder in (whole, killed))
    assert weights.keys() == again.keys() and any("running_var" in name for name in weights)
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert (whole / "done.json").read_bytes() == (killed / "done.json").read_bytes()


def test_two_processes_asking_at_the_same_time_train_once(tmp_path):
    said = children("together", tmp_path)
    assert said.count("waiting for it") == 1
    steps = (tmp_path / "steps").read_text().split()
    assert (steps.count("train"), steps.count("validate")) == (5 * 4, 5 * 2)


def test_two_ranks_give_the_numbers_of_one(tmp_path):
    children("ranks", tmp_path)
    (one,), (two,) = (list((tmp_path / name).iterdir()) for name in ("one", "two"))
    pd.testing.assert_frame_equal(
        pd.read_csv(one / "history.csv"), pd.read_csv(two / "history.csv"), rtol=1e-6, check_exact=False
    )
    weights, again = (load_file(folder / "model.safetensors") for folder in (one, two))
    for name in weights:
        torch.testing.assert_close(weights[name], again[name], rtol=1e-5, atol=1e-6)


def test_the_loop_is_plain_adamw(tmp_path):
    """Oracle: the same steps written out, unshuffled."""
    data, optimization = line(), Optimization(3, 8, 0.05, schedule="warmup-cosine", warmup_epochs=2)
    run = Run(tmp_path, "linear", {})
    batches = Batches(data, 8)
    model = fit(
        run, linear(), batches, squared_error, optimization, fabric=make_fabric("cpu"), progress=False
    )

    plain, history = linear(), []
    optimizer = torch.optim.AdamW(plain.parameters(), betas=(0.9, 0.95), weight_decay=0.05)
    for epoch in range(3):
        optimizer.param_groups[0]["lr"] = learning_rate(optimization, epoch)
        total = 0.0
        for rows in torch.arange(20).split(8):
            optimizer.zero_grad()
            loss = F.mse_loss(plain(data["x"][rows]).squeeze(1), data["y"][rows])
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        history.append(total / 20)
    torch.testing.assert_close(model.weight, plain.weight)
    table = run.history()
    assert list(table.columns) == ["epoch", "lr", "loss", "mae"]
    assert table.loss.tolist() == pytest.approx(history, rel=1e-6)
    assert table.lr.tolist() == [learning_rate(optimization, epoch) for epoch in range(3)]
    assert list(run.timing().columns) == ["epoch", "seconds", "objects_per_second", "processes"]


def test_a_done_run_is_loaded_fast_and_not_trained_again(tmp_path):
    _, model = trained(tmp_path)
    started = time.perf_counter()
    _, again = trained(tmp_path, model=nn.Linear(3, 1), loss=None)
    assert time.perf_counter() - started < 0.5
    assert torch.equal(model.weight, again.weight) and not again.training


def test_a_changed_setting_is_a_new_run_and_touches_no_other(tmp_path):
    run, _ = trained(tmp_path, {"lr": 1})
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.folder.iterdir()}
    other, _ = trained(tmp_path, {"lr": 2})
    assert other.folder != run.folder and len(list(tmp_path.iterdir())) == 2
    assert before == {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in run.folder.iterdir()}


def test_arguments_that_are_not_among_the_settings_are_noticed(tmp_path):
    trained(tmp_path)
    with pytest.raises(RunError, match=r"trained with other arguments \(seed: 0, now 1\)"):
        trained(tmp_path, seed=1)


def recorded_before(path: Path, file) -> None:
    """Take the fields that older runs do not have out of recorded arguments."""
    for field in ("optimizer", "lr_bias"):
        del file["arguments"]["optimization"][field]
    path.write_text(json.dumps(file)) if path.suffix == ".json" else torch.save(file, path)


def test_a_run_recorded_before_a_field_existed_had_its_default(tmp_path):
    run, model = trained(tmp_path)
    recorded_before(run.folder / "done.json", run.summary())
    assert "lr_bias" not in (run.folder / "done.json").read_text()
    _, again = trained(tmp_path, model=nn.Linear(3, 1), loss=None)
    assert torch.equal(model.weight, again.weight)
    lars = Optimization(3, 8, 0.05, optimizer="lars", lr_bias=0.01)
    with pytest.raises(RunError, match=r"optimization: .*'optimizer': 'adam'.* now .*'optimizer': 'lars'"):
        trained(tmp_path, optimization=lars)


def test_an_interrupted_run_recorded_before_a_field_existed_goes_on(tmp_path):
    with pytest.raises(TypeError):
        trained(tmp_path, loss=None)  # stops in its first step, the initial state is saved
    run = Run(tmp_path, "linear", {})
    recorded_before(run.folder / "state.pt", run.read_state())
    run, _ = trained(tmp_path)
    clean, _ = trained(tmp_path / "clean")
    assert run.history().equals(clean.history())


def test_barlow_sets_the_rates_of_both_groups_before_every_step(tmp_path):
    """Oracle: the same steps written out, unshuffled."""
    shared = {"warmup_epochs": 1, "optimizer": "lars", "lr_bias": 0.02}
    optimization = Optimization(3, 8, 0.4, 1e-6, schedule="barlow", **shared)
    data, run, fabric = line(), Run(tmp_path, "linear", {}), make_fabric("cpu")
    model = fit(run, linear(), Batches(data, 8), squared_error, optimization, fabric=fabric, progress=False)

    plain, rates = linear(), [learning_rate(optimization, step / 3) for step in range(9)]
    optimizer = LARS(plain.parameters(), 0.4, 0.02)
    for rate, rows in zip(rates, 3 * torch.arange(20).split(8), strict=True):
        for group, lr in zip(optimizer.param_groups, (rate, rate / 20), strict=True):
            group["lr"] = lr
        optimizer.zero_grad()
        F.mse_loss(plain(data["x"][rows]).squeeze(1), data["y"][rows]).backward()
        optimizer.step()
    torch.testing.assert_close((model.weight, model.bias), (plain.weight, plain.bias))
    assert run.history().lr.tolist() == pytest.approx([rates[2], rates[5], rates[8]])


def test_a_loss_that_is_not_finite_names_the_rows(tmp_path):
    tensors = line()
    tensors["x"][17, 1] = torch.nan
    with pytest.raises(
        FloatingPointError, match=r"nan in run linear-\w+, epoch 0, step \d.*x is not finite in rows \[17\]"
    ):
        trained(tmp_path, tensors=tensors)
    tensors["id"] = torch.arange(20) + 1000
    with pytest.raises(FloatingPointError, match=r"in ids \[1017\]"):
        trained(tmp_path, tensors=tensors)


def test_a_diverged_training_stops_before_the_state_is_lost(tmp_path):
    calls = 0

    def diverging(model, batch, generator):
        nonlocal calls
        calls += 1
        values = squared_error(model, batch, generator)
        return values | {"loss": values["loss"] * (torch.inf if calls == 5 else 1)}

    with pytest.raises(
        FloatingPointError, match=r"inf in run .* epoch 1, step 1\. All its inputs are finite"
    ):
        trained(tmp_path, loss=diverging, save_every=0.0)
    run, _ = trained(tmp_path)  # the cause removed, it goes on from epoch 1
    clean, _ = trained(tmp_path / "clean")
    assert run.history().equals(clean.history())


def test_keep_best_keeps_the_weights_of_the_lowest_validation_loss(tmp_path):
    """A rate far too large: the loss rises after some epoch."""
    validation = Batches(line(), 20)
    optimization = Optimization(7, 8, 0.9)
    run, model = trained(tmp_path, optimization=optimization, validation=validation, keep="best")
    history = run.history()
    assert run.summary()["kept_epoch"] == history.val_loss.idxmin() < 6
    with torch.no_grad():
        assert squared_error(model, line(), None)["loss"].item() == pytest.approx(
            history.val_loss.min(), rel=1e-5
        )
    with pytest.raises(ValueError, match="together with validation"):
        trained(tmp_path, keep="best")


def test_validation_draws_the_same_numbers_each_epoch_and_leaves_the_model_alone(tmp_path):
    seen = []

    def loss(model, batch, generator):
        if not model.training:
            seen.append(torch.rand(1, generator=generator).item())
            assert not torch.is_grad_enabled()
        return squared_error(model, batch, generator)

    run, model = trained(tmp_path, loss=loss, validation=Batches(line(), 20))
    without, alone = trained(tmp_path / "without")
    assert len(seen) == 3 and len(set(seen)) == 1
    assert torch.equal(model.weight, alone.weight)
    assert run.history()[without.history().columns].equals(without.history())


def test_training_leaves_the_global_random_numbers_alone(tmp_path):
    model = linear()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    trained(tmp_path, model=model)
    assert torch.equal(torch.rand(3), expected)


def test_frozen_parameters_do_not_change(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1))
    model[0].requires_grad_(False)
    before = model[0].weight.clone()
    trained(tmp_path, model=model)
    assert torch.equal(model[0].weight, before)


def test_batch_size_must_be_said_once(tmp_path):
    run = Run(tmp_path, "linear", {})
    with pytest.raises(ValueError, match="16 objects, optimization says 8"):
        fit(run, linear(), Batches(line(), 16), squared_error, OPTIMIZATION)


def test_bfloat16_autocast_reaches_the_model(tmp_path):
    dtypes = set()

    class Probe(nn.Linear):
        def forward(self, x):
            dtypes.add(F.linear(x, self.weight).dtype)
            return super().forward(x)

    _, model = trained(tmp_path, model=Probe(3, 1), fabric=make_fabric("cpu", "bf16-mixed"))
    assert dtypes == {torch.bfloat16} and model.weight.dtype == torch.float32


def test_progress_is_short_and_can_be_silent(tmp_path, capsys):
    trained(tmp_path, optimization=Optimization(200, 8, 0.05), progress=True)
    shown = capsys.readouterr().out
    assert "200/200" in shown and "objects/s" in shown and "loss" in shown
    assert shown.count("\r") < 6
    trained(tmp_path / "silent")
    assert capsys.readouterr().out == ""


def test_early_stopping_ends_the_training(tmp_path):
    validation = Batches(line() | {"y": torch.full((20,), 9.0)}, 8)  # of other targets: its loss soon rises
    optimization = Optimization(200, 8, 0.05, early_stopping=3)
    run, _ = trained(tmp_path, optimization=optimization, validation=validation, keep="best")
    losses = run.history().val_loss
    lowest = int(losses.idxmin())
    assert len(losses) < 200 and len(losses) == max(lowest + 4, 3)
    assert run.summary()["kept_epoch"] == lowest


def test_the_best_may_be_the_highest(tmp_path):
    validation = Batches(line(), 8)
    run, _ = trained(tmp_path, validation=validation, keep="best", monitor="mae", mode="max")
    assert run.summary()["kept_epoch"] == int(run.history().val_mae.idxmax())


def test_gradients_are_clipped_by_their_norm(tmp_path):
    unclipped, first = trained(tmp_path, {"clip": 0}, optimization=Optimization(1, 20, 0.1, 0.0, (0.0, 0.0)))
    small = Optimization(1, 20, 0.1, 0.0, (0.0, 0.0), grad_clip=1e-9)
    clipped, second = trained(tmp_path, {"clip": 1}, optimization=small)
    moved = [(model.weight - linear().weight).abs().max().item() for model in (first, second)]
    assert moved[0] == pytest.approx(0.1, rel=1e-3) and moved[1] < 0.02  # Adam's eps is 1e-8


def test_a_schedule_by_validation_needs_validation(tmp_path):
    with pytest.raises(ValueError, match="needs validation batches"):
        trained(tmp_path, optimization=Optimization(3, 8, 0.05, schedule="warmup-plateau"))
    with pytest.raises(ValueError, match='must be "min" or "max"'):
        trained(tmp_path, mode="highest")
