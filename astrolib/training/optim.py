"""How a network is optimised: AdamW and the papers' learning-rate schedules."""

import math
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

import torch
from torch import nn

Schedule = Literal["warmup-cosine", "restarts", "constant"]


@dataclass(frozen=True)
class Optimization:
    """What AdamW is told; one learning rate per epoch, one weight decay for all trainable parameters.

    Parameters
    ----------
    epochs : int
        Passes over the training set.
    batch_size : int
        Objects in one step, over all devices together.
    lr : float
        Base learning rate (the factor in front of the schedule).
    weight_decay : float
    betas : tuple of float
    schedule : {"warmup-cosine", "restarts", "constant"}
        See `learning_rate`.
    warmup_epochs : int
        Length of the linear ramp of "warmup-cosine"; 0 for none.

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

    def __post_init__(self):
        if self.schedule not in get_args(Schedule):
            raise ValueError(
                f"schedule is {self.schedule!r}; it must be one of {', '.join(get_args(Schedule))}."
            )
        if self.epochs < 1 or self.batch_size < 1 or self.warmup_epochs < 0:
            raise ValueError(f"epochs and batch_size must be at least 1, warmup_epochs at least 0: {self}.")
        object.__setattr__(self, "betas", tuple(self.betas))

    @classmethod
    def of(cls, settings: Any) -> "Optimization":
        """The part of a profile's settings that tells AdamW what to do; they have more fields than these."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})


def learning_rate(optimization: Optimization, epoch: int) -> float:
    r"""Learning rate of one epoch, constant within it.

    Parameters
    ----------
    optimization : Optimization
    epoch : int
        Counted from 0.

    Returns
    -------
    float
        "warmup-cosine": ``lr * min((e + 1) / warmup, (1 + cos(pi e / epochs)) / 2)``. The two branches cross
        before the ramp is over, so the maximum lies below ``lr``;
        "restarts": ``lr`` in every tenth epoch, else ``lr * 0.995**e`` with the global epoch ``e``;
        "constant": ``lr``.

    Notes
    -----
    AstroMAE (arXiv:2409.01825), figs. 4, 5 and 8. The paper gives no formula; these reproduce its curves.

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
    return lr


def adamw(model: nn.Module, optimization: Optimization) -> torch.optim.AdamW:
    """AdamW over the parameters that have a gradient; frozen ones are left out. The model is on its device.

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
    return torch.optim.AdamW(
        trainable,
        lr=optimization.lr,
        betas=optimization.betas,
        weight_decay=optimization.weight_decay,
        fused=trainable[0].device.type in ("cpu", "cuda"),
    )
