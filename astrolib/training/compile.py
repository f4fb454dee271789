"""Kernels fused for the network at hand, where that is asked for: another way to the same numbers."""

import os

import torch
from torch import nn


def wants_compilation() -> bool:
    """Whether `ASTROLIB_COMPILE` is 1.

    It is no setting of a run: the numbers are the same to rounding.

    Raises
    ------
    ValueError
        If the variable holds anything but 0 or 1.

    Examples
    --------
    >>> wants_compilation()
    False
    """
    wanted = os.environ.get("ASTROLIB_COMPILE") or "0"
    if wanted not in ("0", "1"):
        raise ValueError(f"ASTROLIB_COMPILE is {wanted!r}: it must be 1, or 0 or not set for no compilation.")
    return wanted == "1"


def compiled(model: nn.Module, device: torch.device) -> nn.Module:
    """The network as `torch.compile` runs it, with the same parameters; on a GPU its steps are CUDA graphs.

    Shapes are fixed, so an epoch's last, smaller batch is compiled for itself. What cannot be compiled (no
    C++ compiler, a part that the compiler does not know) runs as it is: torch says so in a warning, once.

    Notes
    -----
    It takes its time before the first step; `python -m astrolib.bench` shows what it gains, on a CPU
    with `ASTROLIB_COMPILE=1`. On a GPU it was never run here.
    """
    torch._dynamo.config.suppress_errors = True
    torch._inductor.config.fallback_random = True  # the same dropout and samples as without compilation
    mode = "reduce-overhead" if device.type == "cuda" else "default"
    return torch.compile(model, mode=mode, dynamic=False)
