"""The one training loop: content-addressed, resumable, on whatever device Fabric gives it."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any, Literal

import filelock
from torch import nn
from tqdm import tqdm

from astrolib.data.batches import Batches
from astrolib.training.compile import compiled, wants_compilation
from astrolib.training.fabric import Fabric, make_fabric
from astrolib.training.memory import memory_kept
from astrolib.training.optim import Optimization, has_stopped, make_optimizer, step_rates
from astrolib.training.passes import Loss, seeded, train_epoch, validate
from astrolib.training.precision import FULL
from astrolib.training.runs import Run, RunError


def fit(
    run: Run,
    model: nn.Module,
    batches: Batches,
    loss: Loss,
    optimization: Optimization,
    *,
    validation: Batches | None = None,
    keep: Literal["last", "best"] = "last",
    monitor: str = "loss",
    mode: Literal["min", "max"] = "min",
    seed: int = 0,
    fabric: Fabric | None = None,
    progress: bool = True,
    save_every: float = 20.0,
) -> nn.Module:
    """Train a model, or load it if this run is done, or go on with it if it was interrupted.

    All that is random in an epoch (order, augmentation, masks, dropout) follows from `seed` and the epoch's
    number, so an interrupted run ends with the same weights and the same history as an uninterrupted one.

    Parameters
    ----------
    run : Run
        Where it is kept. Two processes asking for the same run train it once: the second waits and loads.
    model : nn.Module
        Initialised by the caller, under a seed of its own. Trained in place.
    batches : Batches
        The training set; `fit` moves it to the device and gives every rank its share. `StreamedBatches`
        stay on disk, and only their batches are moved.
    loss : callable
        ``loss(model, batch, generator) -> {"loss": 0-dim Tensor, ...}``; the other entries are logged.
        It must call the `model` it is given (not a captured one), which adds autocast and gradient averaging.
    optimization : Optimization
    validation : Batches, optional
        Passed through after every epoch in evaluation mode, each time with the same random numbers.
    keep : {"last", "best"}
        Which weights are the result: of the last epoch, or of the one with the best validation value.
    monitor : str
        The entry of `loss` whose validation value decides what is best.
    mode : {"min", "max"}
        Whether a low or a high value is good; the first of equal ones is kept.
    seed : int
    fabric : Fabric, optional
        Device, precision and strategy; launched. By default `make_fabric()`.
    progress : bool
        Show a bar with loss, objects per second and time left.
    save_every : float
        Least time between two saved states [s].

    Returns
    -------
    nn.Module
        `model` in evaluation mode with the kept weights, on the device of `fabric`.

    Raises
    ------
    FloatingPointError
        If a loss is not finite; names the run, the epoch, the step and the rows of the batch.
    RunError
        If the run's folder cannot be read or written, or belongs to other arguments than these.
    ValueError
        If arguments contradict each other, or nothing is trainable.

    Notes
    -----
    Under torchrun every rank has its share of each batch of ``optimization.batch_size`` objects and batch
    normalisation sees that share, unless the caller made it global with
    `astrolib.models.distributed.global_batch_norm`; logged values are means over all objects, of what every
    rank's `loss` returns. Steps follow the mean over all objects, too, where ranks have different numbers of
    them. A loss that is no mean over objects should return the whole batch's in every rank, as those of
    `astrolib.models` that compare objects with each other do.

    Column lr of history.csv is the learning rate of the epoch's last step, of the group of weights. Only
    the schedule "barlow", whose first step has the rate 0, has others within an epoch.

    Examples
    --------
    >>> import tempfile, torch
    >>> x = torch.linspace(0, 1, 64).unsqueeze(1)
    >>> def loss(model, batch, generator):
    ...     return {"loss": nn.functional.mse_loss(model(batch["x"]), 2 * batch["x"])}
    >>> optimization = Optimization(epochs=3, batch_size=16, lr=0.1)
    >>> run = Run(tempfile.mkdtemp(), "line", {"lr": optimization.lr})
    >>> batches = Batches({"x": x}, batch_size=16, shuffle=True)
    >>> model = fit(run, nn.Linear(1, 1), batches, loss, optimization, progress=False)
    >>> run.done, len(run.history())
    (True, 3)
    """
    if keep not in ("last", "best") or (keep == "best" and validation is None):
        raise ValueError(f'keep={keep!r}: it must be "last", or "best" together with validation batches.')
    if optimization.needs_validation and validation is None:
        raise ValueError(f"{optimization.schedule} or early stopping needs validation batches.")
    if mode not in ("min", "max"):
        raise ValueError(f'mode={mode!r}: it must be "min" or "max".')
    if batches.batch_size != optimization.batch_size:
        raise ValueError(
            f"The batches hold {batches.batch_size} objects, optimization says {optimization.batch_size}."
        )
    fabric = fabric or make_fabric()
    arguments = {"optimization": asdict(optimization), "keep": keep, "monitor": monitor, "seed": seed}
    arguments |= {"mode": mode, "precision": fabric.strategy.precision.precision}
    arguments |= {"n_objects": batches.n_objects, "n_validation": validation.n_objects if validation else 0}
    arguments = json.loads(json.dumps(arguments))  # as they read back: lists for tuples
    with _alone(run, fabric):
        if run.done:
            _check_same(run, arguments, run.summary()["arguments"])
        else:
            with memory_kept():
                _Training(
                    run,
                    model,
                    batches,
                    loss,
                    optimization,
                    validation,
                    keep,
                    monitor,
                    mode,
                    seed,
                    fabric,
                    arguments,
                ).go(progress, save_every)
    return run.load_model(model.to(fabric.device))


@dataclass
class _Training:
    """One `fit` at work."""

    run: Run
    model: nn.Module
    batches: Batches
    loss: Loss
    optimization: Optimization
    validation: Batches | None
    keep: str
    monitor: str
    mode: str
    seed: int
    fabric: Fabric
    arguments: dict[str, Any]

    def __post_init__(self):
        fabric = self.fabric
        self.model.to(fabric.device)
        self.batches = self.batches.share(fabric.global_rank, fabric.world_size).to(fabric.device)
        if self.validation is not None:
            self.validation = self.validation.share(fabric.global_rank, fabric.world_size).to(fabric.device)
        self.optimizer = make_optimizer(self.model, self.optimization)
        self.state = self.run.read_state(fabric.device)
        if self.state is None:
            self.state = {"epoch": 0, "history": [], "timing": [], "best": None}
        else:
            _check_same(self.run, self.arguments, self.state["arguments"])
            self.model.load_state_dict(self.state.pop("model"))
            self.optimizer.load_state_dict(self.state.pop("optimizer"))
        faster = compiled(self.model, fabric.device) if wants_compilation() else self.model
        self.wrapped = fabric.setup(faster, self.optimizer)

    def go(self, progress: bool, save_every: float) -> None:
        epochs, first, writer = self.optimization.epochs, self.state["epoch"], self.fabric.is_global_zero
        if writer and first == 0:
            self.run.write_settings()
            self.save()  # the initial weights: a run killed in its first epoch starts from the same ones
        saved = time.monotonic()
        with tqdm(
            total=epochs,
            initial=first,
            desc=self.run.experiment,
            unit="epoch",
            disable=not (progress and writer),
            file=sys.stdout,
            mininterval=0.5 if sys.stdout.isatty() else 5.0,  # every refresh stays in a notebook's output
        ) as bar:
            for epoch in range(first, epochs):
                if has_stopped(self.optimization, self.val_losses):
                    break
                row, timing = self.epoch(epoch)
                self.state["history"].append(row)
                self.state["timing"].append(timing)
                self.state["epoch"] = epoch + 1
                rate = f"{timing['objects_per_second']:,.0f} objects/s"
                bar.set_postfix_str(f"loss {row['loss']:.4g}, {rate}", refresh=False)
                bar.update()
                if writer and epoch + 1 < epochs and time.monotonic() - saved >= save_every:
                    self.save()
                    saved = time.monotonic()
        if self.state["best"]:
            self.model.load_state_dict(self.state["best"]["weights"])
        if writer:
            kept = self.state["best"]["epoch"] if self.state["best"] else self.state["epoch"] - 1
            self.run.finish(self.model, self.state, {"kept_epoch": kept, "arguments": self.arguments})

    def save(self) -> None:
        tensors = {"model": self.model.state_dict(), "optimizer": self.optimizer.state_dict()}
        self.run.write_state(self.state | tensors | {"arguments": self.arguments})

    @property
    def val_losses(self) -> list[float]:
        """Of the epochs so far."""
        return [row["val_loss"] for row in self.state["history"]] if self.validation is not None else []

    def epoch(self, epoch: int) -> tuple[dict[str, float], dict[str, float]]:
        """A training and a validation pass: a row of history.csv and one of timing.csv."""
        rates = step_rates(self.optimization, epoch, len(self.batches), self.val_losses)
        started = time.perf_counter()
        where = f"run {self.run.folder.name}, epoch {epoch}"
        with seeded(self.fabric.device, self.seed, 0, epoch) as generator:
            means = train_epoch(
                self.fabric,
                *self.wrapped,
                self.batches,
                self.loss,
                generator,
                where,
                rates=rates,
                grad_clip=self.optimization.grad_clip,
            )
        seconds = time.perf_counter() - started
        row = {"epoch": epoch, "lr": rates[-1], **means}
        if self.validation is not None:
            with seeded(self.fabric.device, self.seed, 1) as generator:
                model, where = self.wrapped[0], f"{where}, validation"
                means = validate(self.fabric, model, self.validation, self.loss, generator, where)
            row |= {f"val_{name}": value for name, value in means.items()}
            best, value = self.state["best"], row[f"val_{self.monitor}"]
            better = best is None or (value < best["value"] if self.mode == "min" else value > best["value"])
            if self.keep == "best" and better:
                weights = {name: tensor.clone() for name, tensor in self.model.state_dict().items()}
                self.state["best"] = {"epoch": epoch, "value": value, "weights": weights}
        rate = self.batches.n_objects / seconds
        timing = {"epoch": epoch, "seconds": seconds, "objects_per_second": rate}
        return row, timing | {"processes": self.fabric.world_size}


@contextmanager
def _alone(run: Run, fabric: Fabric) -> Iterator[None]:
    """Hold the run's lock while all ranks work on it; say so if that means waiting for another process."""
    lock = run.lock()
    if fabric.is_global_zero:
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            print(f"{run.folder.name} is in use by another process: waiting for it.", flush=True)
            lock.acquire()
    try:
        fabric.barrier()
        yield
        fabric.barrier()
    finally:
        lock.release()


def _check_same(run: Run, asked: dict[str, Any], found: dict[str, Any]) -> None:
    # A run recorded before an argument or a field of Optimization existed had what is now the default.
    defaults = {field.name: field.default for field in fields(Optimization) if field.default is not MISSING}
    found = {"precision": FULL} | found | {"optimization": defaults | found["optimization"]}
    different = [
        f"{name}: {found[name]}, now {value}" for name, value in asked.items() if found[name] != value
    ]
    if different:
        raise RunError(
            f"{run.folder} was trained with other arguments ({'; '.join(different)}). Put all that "
            "determines the result into the settings of the Run, so that it becomes a run of its own."
        )
