"""Losses and gradients of twin networks in several processes, for test_distributed.py. A script: FOLDER."""

import sys
from pathlib import Path

import torch
from processes import keep, work_in_worlds
from torch import Tensor, nn
from torch.distributed import all_reduce
from torch.nn.parallel import DistributedDataParallel

from astrolib.models import barlow_twins
from astrolib.models.barlow_twins import BarlowTwins
from astrolib.models.distributed import gather_all, global_batch_norm, sum_all
from astrolib.models.resnet import small_resnet
from astrolib.models.simclr import SimCLR

CASES = {
    "both": (BarlowTwins, {}),
    "stop-gradient-predictor": (BarlowTwins, {"stop_gradient": True, "predictor": True}),
    "feature-normalised": (BarlowTwins, {"loss": "feature-normalised"}),
    "covariance": (BarlowTwins, {"loss": "no-batch-norm-covariance"}),
    "cross-entropy": (BarlowTwins, {"loss": "cross-entropy"}),
    "simclr": (SimCLR, {}),
}
RUNS = {2: [(case, 15) for case in CASES] + [("both", 16), ("simclr", 16)], 4: [("both", 15), ("simclr", 15)]}
"""Which cases with how many rows, for each number of processes; 15 rows are shared unevenly."""


def network(case: str) -> nn.Module:
    """Batch normalisation in encoder and projector, none of it at the zeros that would hide its gradients."""
    kind, options = CASES[case]
    torch.manual_seed(1)
    model = kind(small_resnet(2, (4, 4, 8, 8), max_pool=False), 8, 6, **options)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    model.encoder.bn1.momentum = None  # a plain average, as calibrate_batch_norm asks for
    return model


def views(n: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(2)
    image = torch.randn(n, 2, 16, 16, generator=g)
    return tuple(image + 0.3 * torch.randn(image.shape, generator=g) for _ in "ab")


def step(model: nn.Module, view_a: Tensor, view_b: Tensor) -> dict:
    """What one forward and backward pass leaves."""
    found = model(view_a, view_b)
    found["loss"].backward()
    net = model.module if isinstance(model, DistributedDataParallel) else model
    return {
        "values": {name: value.detach() for name, value in found.items() if value.ndim == 0},
        "correlation": found["correlation"],
        "gradients": {name: p.grad for name, p in net.named_parameters()},
        "buffers": dict(net.named_buffers()),
    }


def plain_sum(tensor: Tensor) -> Tensor:
    """As in the official code: right values, and gradients of the process's own share only."""
    total = tensor.detach().clone()
    all_reduce(total)
    return tensor + (total - tensor).detach()


def sums(rank: int) -> dict[str, Tensor]:
    """What `sum_all` and `gather_all` do with numbers that can be followed by hand."""
    a = torch.tensor([1.0, 2.0]) * (rank + 1)
    a.requires_grad_()
    (sum_all(a).square().sum() * (rank + 1)).backward()
    rows = torch.full((rank + 1, 2), float(rank), requires_grad=True)
    whole = gather_all(rows)
    (whole[:, 0] * (rank + 1)).sum().backward()
    return {
        "sum": sum_all(a).detach(),
        "gradient": a.grad,
        "rows": whole.detach(),
        "rows gradient": rows.grad,
    }


def work(rank: int, world: int) -> dict:
    def shared(case: str, n: int, convert=global_batch_norm) -> dict:
        model = DistributedDataParallel(convert(network(case)))
        return step(model, *(view[rank::world] for view in views(n)))

    found = {(case, n): shared(case, n) for case, n in RUNS[world]}
    found["local batch norm"] = shared("both", 15, convert=lambda model: model)
    barlow_twins.sum_all = plain_sum  # the matrix only: statistics go on as they were
    found["plain sum"] = shared("both", 15)
    found["sums"] = sums(rank)
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    work_in_worlds(work, folder, RUNS)
    alone = {(case, n): step(network(case), *views(n)) for case, n in RUNS[2]}
    keep(alone, folder, rank=0, world=1)
