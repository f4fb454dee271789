"""The device, precision and processes a training runs on."""

import os
from typing import Literal

import torch

try:
    from lightning_fabric import Fabric
except ModuleNotFoundError:  # the full lightning package carries the same Fabric
    from lightning.fabric import Fabric

from astrolib.training.precision import wanted_precision


def make_fabric(device: Literal["auto", "cpu", "cuda"] = "auto", precision: str = "") -> Fabric:
    """A launched Fabric on one device, or on all that torchrun started a process for.

    Parameters
    ----------
    device : {"auto", "cpu", "cuda"}
        "auto" takes a GPU if there is one.
    precision : str
        Fabric's name for it, "32-true" or "bf16-mixed"; by default `wanted_precision`.

    Examples
    --------
    >>> make_fabric("cpu").device
    device(type='cpu')
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    per_node = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    nodes = int(os.environ.get("WORLD_SIZE", per_node)) // per_node
    # A parameter may have no part in the loss: the published Inception branch owns a path it never calls.
    strategy = "ddp_find_unused_parameters_true" if per_node * nodes > 1 else "auto"
    fabric = Fabric(
        accelerator=device,
        devices=per_node,
        num_nodes=nodes,
        strategy=strategy,
        precision=precision or wanted_precision(),
    )
    fabric.launch()
    return fabric
