"""What a step cannot do without: its floating-point operations and the bytes it moves."""

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

TRAINED_BYTES = 40
"""Moved in a step for each trained float32 weight: read by the forward and by the backward pass, its gradient
written; weight, gradient and both moments read by Adam, weight and moments written."""
FROZEN_BYTES = 4
"""Moved for each weight that is only read."""


def operations(compute: Callable[[], Tensor]) -> int:
    """Operations of matrix products and convolutions in `compute`; if its result has a gradient, also of the
    backward pass.

    An addition and a multiplication are two. Elementwise work is not counted. Attention is counted as the
    two products that it stands for, whatever kernel makes it (PyTorch does not count the CPU's own kernel).

    Examples
    --------
    >>> import torch
    >>> layer, x = nn.Linear(3, 5), torch.zeros(7, 3)
    >>> operations(lambda: layer(x).sum()) == 2 * (2 * 7 * 3 * 5)  # the input needs no gradient
    True
    """
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        value = compute()
        if value.requires_grad:
            value.backward()
    return counter.get_total_flops()


def traffic(model: nn.Module, input_bytes: int, *, training: bool = True) -> int:
    """Bytes that a step moves at least: its weights and, once, the objects as they are stored.

    Activations are left out: a fused kernel need not write them.
    """
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad and training)
    frozen = sum(p.numel() for p in model.parameters()) - trained
    return TRAINED_BYTES * trained + FROZEN_BYTES * frozen + input_bytes
