"""The optimiser LARS: momentum with the step of each layer scaled to the size of its weights."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn


class LARS(torch.optim.Optimizer):
    r"""Layer-wise adaptive rate scaling, as Barlow Twins uses it.

    Weights are the parameters with two or more dimensions. The others (biases, scales and shifts of
    normalisation layers) are a second group, without weight decay and scaling and with a rate of their own::

        weights:  g <- gradient + weight_decay * w;  q <- trust * |w| / |g|  (1 if either norm is 0)
                  m <- momentum * m + q * g;  w <- w - lr * m
        others:   m <- momentum * m + gradient;  w <- w - lr_bias * m

    Parameters
    ----------
    params : iterable of nn.Parameter
        Of any shape; they are put into the two groups here. Those without a gradient are not moved.
    lr, lr_bias : float
        Rates of the weights and of the others, both above 0. A group's "lr_scale" is its rate over that of
        the weights, so that a schedule of one rate serves both.
    weight_decay : float
    momentum : float
    trust : float
        Length of a first step over the length of the weights, at rate 1.

    Raises
    ------
    ValueError
        If a rate is not above 0, or there are no parameters.

    Notes
    -----
    You et al. 2017 (arXiv:1708.03888) in the form of the code of Barlow Twins (arXiv:2103.03230): the rate
    multiplies the momentum and is no part of it, and there is neither Nesterov's step nor dampening. A step
    never waits for the device.

    Examples
    --------
    >>> optimizer = LARS(nn.Linear(3, 2).parameters(), lr=0.2, lr_bias=0.0048)
    >>> [(group["lr"], group["trust"]) for group in optimizer.param_groups]
    [(0.2, 0.001), (0.0048, None)]
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        lr: float,
        lr_bias: float,
        weight_decay: float = 1e-6,
        momentum: float = 0.9,
        trust: float = 0.001,
    ):
        if not (lr > 0 and lr_bias > 0):
            raise ValueError(f"LARS needs lr and lr_bias above 0, got {lr} and {lr_bias}.")
        params = list(params)
        weights = {"lr": lr, "lr_scale": 1.0, "weight_decay": weight_decay, "trust": trust}
        others = {"lr": lr_bias, "lr_scale": lr_bias / lr, "weight_decay": 0.0, "trust": None}
        weights["params"] = [p for p in params if p.ndim >= 2]
        others["params"] = [p for p in params if p.ndim < 2]
        super().__init__([group for group in (weights, others) if group["params"]], {"momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """Move the parameters once; `closure`, as in torch's optimisers, makes the gradients and returns the
        loss."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._move(params, group)
        return loss

    def _move(self, params: list[nn.Parameter], group: dict) -> None:
        momenta = [self._momentum(p) for p in params]
        steps = [p.grad for p in params]
        if group["weight_decay"]:
            steps = torch._foreach_add(steps, params, alpha=group["weight_decay"])
        if group["trust"] is not None:
            sizes, lengths = (torch.stack(torch._foreach_norm(tensors)) for tensors in (params, steps))
            scales = torch.where((sizes > 0) & (lengths > 0), group["trust"] * sizes / lengths, 1.0)
            steps = torch._foreach_mul(steps, list(scales.unbind()))
        torch._foreach_mul_(momenta, group["momentum"])
        torch._foreach_add_(momenta, steps)
        torch._foreach_add_(params, momenta, alpha=-group["lr"])

    def _momentum(self, param: nn.Parameter) -> Tensor:
        if not self.state[param]:
            self.state[param]["momentum"] = torch.zeros_like(param)
        return self.state[param]["momentum"]
