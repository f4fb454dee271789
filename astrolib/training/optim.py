"""How a network is optimised: AdamW, Adam or LARS, and the papers' learning-rate schedules."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import torch
from torch import nn

from astrolib.training.lars import LARS

Schedule = Literal["warmup-cosine", "restarts", "constant", "warmup-plateau", "barlow"]
Optimizer = Literal["adam", "lars"]
PLATEAU_THRESHOLD = 1e-4  # relative; PyTorch's default
WARMUP_START = 1e-5  # of the base learning rate, in epoch 0 of "warmup-plateau"
BARLOW_END = 1e-3  # of the base learning rate, where "barlow" ends


@dataclass(frozen=True)
class Optimization:
    """What the optimiser is told: a learning rate for each epoch or step, and what else it needs.

    Parameters
    ----------
    epochs : int
        Passes over the training set.
    batch_size : int
        Objects in one step, over all devices together.
    lr : float
        Base learning rate (the factor in front of the schedule).
    weight_decay : float
        Of all trainable parameters; with LARS only of those with two or more dimensions.
    betas : tuple of float
        Of Adam; LARS always has a momentum of 0.9.
    schedule : {"warmup-cosine", "restarts", "constant", "warmup-plateau", "barlow"}
        See `learning_rate`.
    warmup_epochs : int
        Length of the linear ramp of "warmup-cosine", "warmup-plateau" and "barlow"; 0 for none.
    plateau_factor, plateau_patience : float, int
        Of "warmup-plateau": what the rate is multiplied by after more epochs than these without a lower
        validation loss.
    early_stopping : int
        See `has_stopped`; 0 trains all epochs.
    grad_clip : float
        Largest norm of all gradients together; 0 does not clip.
    decoupled : bool
        AdamW; False is Adam, whose weight decay is an L2 term of the loss.
    optimizer : {"adam", "lars"}
        "adam" is AdamW or Adam, see `decoupled`; "lars" is `astrolib.training.lars.LARS`.
    lr_bias : float
        Base learning rate of LARS for parameters with fewer than two dimensions, which follows the same
        schedule as `lr`; above 0 with LARS and 0 without.

    Raises
    ------
    ValueError
        If a value is not one of those possible, or two contradict each other.

    Examples
    --------
    >>> Optimization(epochs=2000, batch_size=2048, lr=1.2e-3, schedule="warmup-cosine", warmup_epochs=200).lr
    0.0012
    """

    epochs: int
    batch_size: int
    lr: float
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.95)
    schedule: Schedule = "constant"
    warmup_epochs: int = 0
    plateau_factor: float = 0.1
    plateau_patience: int = 3
    early_stopping: int = 0
    grad_clip: float = 0.0
    decoupled: bool = True
    optimizer: Optimizer = "adam"
    lr_bias: float = 0.0

    @property
    def needs_validation(self) -> bool:
        """Whether the schedule looks at validation losses."""
        return self.schedule == "warmup-plateau" or self.early_stopping > 0

    def __post_init__(self):
        for name, possible in (("schedule", get_args(Schedule)), ("optimizer", get_args(Optimizer))):
            if getattr(self, name) not in possible:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(possible)}."
                )
        if (self.lr_bias > 0) != (self.optimizer == "lars"):
            raise ValueError(
                f"lr_bias is {self.lr_bias} with optimizer {self.optimizer!r}: it is a learning rate above 0 "
                'for "lars", and 0 for "adam", which has one rate for all parameters.'
            )
        if self.epochs < 1 or self.batch_size < 1 or self.warmup_epochs < 0:
            raise ValueError(f"epochs and batch_size must be at least 1, warmup_epochs at least 0: {self}.")
        object.__setattr__(self, "betas", tuple(self.betas))

    @classmethod
    def of(cls, settings: Any) -> "Optimization":
        """The part of a profile's settings that speaks of the optimiser; they have other fields too."""
        names = [field.name for field in fields(cls) if hasattr(settings, field.name)]
        return cls(**{name: getattr(settings, name) for name in names})


def learning_rate(optimization: Optimization, epoch: float, val_losses: Sequence[float] = ()) -> float:
    r"""Learning rate of one epoch, or of one step of "barlow".

    Parameters
    ----------
    optimization : Optimization
    epoch : int, or float with "barlow"
        Counted from 0. The rate of "barlow" changes with every step: step ``s`` of the ``S`` in an epoch is
        at ``epoch + s / S``. All other rates are constant within an epoch.
    val_losses : sequence of float
        Validation losses of the epochs before; only "warmup-plateau" looks at them.

    Returns
    -------
    float
        "warmup-cosine": ``lr * min((e + 1) / warmup, (1 + cos(pi e / epochs)) / 2)``. The two branches cross
        before the ramp is over, so the maximum lies below ``lr``;
        "restarts": ``lr`` in every tenth epoch, else ``lr * 0.995**e`` with the global epoch ``e``;
        "constant": ``lr``;
        "warmup-plateau": ``lr * (1e-5 + (1 - 1e-5) e / warmup)`` up to epoch ``warmup``, then what
        `torch.optim.lr_scheduler.ReduceLROnPlateau` makes of the validation losses from that epoch on;
        "barlow": ``lr * e / warmup`` before epoch ``warmup``, then ``lr * (q + 0.001 (1 - q))`` with
        ``q = (1 + cos(pi (e - warmup) / (epochs - warmup))) / 2``.

    Notes
    -----
    AstroMAE (arXiv:2409.01825), figs. 4, 5 and 8. The paper gives no formula; these reproduce its curves.
    "warmup-plateau" is that of AstroM3 (arXiv:2411.08842), read in the authors' configuration. It follows
    from the losses alone, so an interrupted training needs no state of a scheduler to go on.
    "barlow" is that of Barlow Twins (arXiv:2103.03230), read in the authors' code.

    Examples
    --------
    >>> finetuning = Optimization(700, 1024, 1e-4, 0.005, (0.9, 0.999), "restarts")
    >>> f"{learning_rate(finetuning, 1):.3e}"
    '9.950e-05'
    """
    lr = optimization.lr
    if optimization.schedule == "warmup-cosine":
        ramp = (epoch + 1) / optimization.warmup_epochs if optimization.warmup_epochs else 1.0
        return lr * min(ramp, (1 + math.cos(math.pi * epoch / optimization.epochs)) / 2)
    if optimization.schedule == "restarts":
        return lr if epoch % 10 == 0 else lr * 0.995**epoch
    if optimization.schedule == "warmup-plateau":
        warmup = optimization.warmup_epochs
        if epoch <= warmup:
            return lr * (WARMUP_START + (1 - WARMUP_START) * (epoch / warmup if warmup else 1.0))
        return lr * _plateau(optimization, val_losses[warmup:epoch])
    if optimization.schedule == "barlow":
        warmup = optimization.warmup_epochs
        if epoch < warmup:
            return lr * epoch / warmup
        done = (epoch - warmup) / max(optimization.epochs - warmup, 1)
        q = (1 + math.cos(math.pi * done)) / 2
        return lr * (q + BARLOW_END * (1 - q))
    return lr


def step_rates(
    optimization: Optimization, epoch: int, steps: int, val_losses: Sequence[float] = ()
) -> list[float]:
    """Learning rate of each of the `steps` of an epoch; see `learning_rate`.

    Examples
    --------
    >>> step_rates(Optimization(10, 8, 0.4, schedule="barlow", warmup_epochs=1), 0, 4)
    [0.0, 0.1, 0.2, 0.30000000000000004]
    """
    if optimization.schedule == "barlow":
        return [learning_rate(optimization, epoch + step / steps) for step in range(steps)]
    return [learning_rate(optimization, epoch, val_losses)] * steps


def _plateau(optimization: Optimization, losses: Sequence[float]) -> float:
    """Factor that ReduceLROnPlateau has arrived at after these losses."""
    best, waited, factor = math.inf, 0, 1.0
    for loss in losses:
        if loss < best * (1 - PLATEAU_THRESHOLD):
            best, waited = loss, 0
            continue
        waited += 1
        if waited > optimization.plateau_patience:
            factor, waited = factor * optimization.plateau_factor, 0
    return factor


def has_stopped(optimization: Optimization, val_losses: Sequence[float]) -> bool:
    """Whether early stopping ends the training after these validation losses, one for each epoch.

    A counter starts at 1 in the first epoch (as AstroM3's does), falls to 0 with every new lowest loss and
    else grows by 1; the training stops when it reaches ``early_stopping``.

    Examples
    --------
    >>> patient = Optimization(50, 512, 1e-3, early_stopping=6)
    >>> [has_stopped(patient, [1.0] * n) for n in (5, 6)]
    [False, True]
    """
    if not optimization.early_stopping:
        return False
    best, waited = math.inf, 0
    for number, loss in enumerate(val_losses):
        if loss < best:
            best, waited = loss, int(number == 0)
        else:
            waited += 1
        if waited >= optimization.early_stopping:
            return True
    return False


def make_optimizer(model: nn.Module, optimization: Optimization) -> torch.optim.Optimizer:
    """AdamW, Adam or LARS over the parameters that have a gradient; frozen ones are left out. The model is on
    its device.

    Raises
    ------
    ValueError
        If the model has no trainable parameter.
    """
    trainable = [p for p in model.parameters() if p.requires_grad]
    if not trainable:
        raise ValueError(
            f"{type(model).__name__} has no trainable parameter: every one has requires_grad=False."
        )
    if optimization.optimizer == "lars":
        return LARS(trainable, optimization.lr, optimization.lr_bias, optimization.weight_decay)
    return (torch.optim.AdamW if optimization.decoupled else torch.optim.Adam)(
        trainable,
        lr=optimization.lr,
        betas=optimization.betas,
        weight_decay=optimization.weight_decay,
        fused=trainable[0].device.type in ("cpu", "cuda"),
    )
