"""CLIP in several gloo processes, for test_multimodal_distributed.py. A script: FOLDER."""

import sys
from pathlib import Path

import torch
from processes import keep, work_in_worlds
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from astrolib.models import multimodal
from astrolib.models.distributed import gather_all
from astrolib.models.multimodal import MultimodalCLIP
from astrolib.models.star_encoders import MetadataEncoder

NAMES = ("photometry", "spectra", "metadata")
WORLDS = (2, 3)
CASES = [(n_stars, absent) for n_stars in (12, 11) for absent in (False, True)]
"""Eleven stars are shared unevenly; in the second process there is nobody with a spectrum."""


def network() -> nn.Module:
    torch.manual_seed(1)
    encoders = {name: MetadataEncoder(5, 8, dropout=0.0) for name in NAMES}
    return MultimodalCLIP(encoders, 6, init_scale=1.0)


def stars(n_stars: int, absent: bool) -> tuple[dict[str, tuple[Tensor]], dict[str, Tensor] | None]:
    g = torch.Generator().manual_seed(2)
    inputs = {name: (torch.randn(n_stars, 5, generator=g),) for name in NAMES}
    if not absent:
        return inputs, None
    present = {name: torch.rand(n_stars, generator=g) < 0.7 for name in NAMES}
    present["spectra"][1::2], present["spectra"][1::3] = False, False
    return inputs, present


def share(inputs: dict, present: dict | None, rank: int, world: int) -> tuple[dict, dict | None]:
    """As `Batches` gives it to a process: each takes every `world`-th row."""
    mine = {name: tuple(tensor[rank::world] for tensor in tensors) for name, tensors in inputs.items()}
    return mine, present and {name: has[rank::world] for name, has in present.items()}


def step(model: nn.Module, inputs: dict, present: dict | None) -> dict:
    """What one forward and backward pass leaves."""
    found = model(inputs, present)
    found["loss"].backward()
    net = model.module if isinstance(model, DistributedDataParallel) else model
    return {
        "values": {name: value.detach() for name, value in found.items()},
        "gradients": {name: p.grad for name, p in net.named_parameters()},
    }


def plain_gather(tensor: Tensor) -> Tensor:
    """Rows of all, with gradients of the process's own rows only."""
    whole = gather_all(tensor.detach())
    rank, world = torch.distributed.get_rank(), torch.distributed.get_world_size()
    start = rank * len(whole) // world
    return torch.cat([whole[:start], tensor, whole[start + len(tensor) :]])


def work(rank: int, world: int) -> dict:
    def shared(n_stars: int, absent: bool) -> dict:
        model = DistributedDataParallel(network())
        return step(model, *share(*stars(n_stars, absent), rank, world))

    found = {case: shared(*case) for case in CASES}
    multimodal.gather_all = plain_gather
    found["plain gather"] = shared(12, False)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    work_in_worlds(work, folder, WORLDS)
    keep({case: step(network(), *stars(*case)) for case in CASES}, folder, rank=0, world=1)
