"""One pass over a set of objects, with steps or without, that never waits for the device inside a step."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Generator, Tensor, nn

from astrolib.data.batches import Batch, Batches
from astrolib.models.distributed import by_share
from astrolib.training.fabric import Fabric

Loss = Callable[[nn.Module, Batch, Generator], dict[str, Tensor]]

CHECK_EVERY = 50  # steps between two looks at the losses: each look waits for the device


def train_epoch(
    fabric: Fabric,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    loss: Loss,
    generator: Generator,
    where: str = "",
    *,
    rates: Sequence[float] = (),
    grad_clip: float = 0.0,
) -> dict[str, float]:
    """A step per batch; `model` and `optimizer` as `fabric.setup` gives them. Means over the objects.

    `rates` are the learning rates of the steps; without them the optimiser keeps its own. A group of
    parameters may scale them by its "lr_scale".
    """
    model.train()
    means = _Means(batches, where)
    for step, batch in enumerate(batches.epoch(generator)):
        if rates:
            for group in optimizer.param_groups:
                group["lr"] = rates[step] * group.get("lr_scale", 1.0)
        optimizer.zero_grad(set_to_none=True)
        if batches.device.type == "cuda":  # a compiled network may be a CUDA graph
            torch.compiler.cudagraph_mark_step_begin()
        values = loss(model, batch, generator)
        fabric.backward(by_share(values["loss"], batch["index"]))
        if grad_clip:
            fabric.clip_gradients(model, optimizer, max_norm=grad_clip)
        optimizer.step()
        means.add(values, batch["index"])
    return means.result(fabric)


@torch.no_grad()
def validate(
    fabric: Fabric, model: nn.Module, batches: Batches, loss: Loss, generator: Generator, where: str = ""
) -> dict[str, float]:
    """The same pass in evaluation mode, without steps."""
    model.eval()
    means = _Means(batches, where)
    for batch in batches.epoch(generator):
        means.add(loss(model, batch, generator), batch["index"])
    return means.result(fabric)


@contextmanager
def seeded(device: torch.device, *key: int) -> Iterator[Generator]:
    """A generator on `device` that follows from `key` alone; inside, so does torch's own (for dropout)."""
    seed = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0]) >> 1  # torch takes 63 bits
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield torch.Generator(device).manual_seed(seed)


class _Means:
    """Means of what the loss reports, summed on the device; the losses are looked at only now and then."""

    def __init__(self, batches: Batches, where: str):
        self.batches, self.where = batches, where
        self.sums: dict[str, Tensor] = {}
        self.objects, self.steps, self.recent = 0, 0, []

    def add(self, values: dict[str, Tensor], index: Tensor) -> None:
        n = len(index)
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0) + n * value.detach().double()
        self.objects += n
        self.recent.append((values["loss"].detach().clone(), index))  # a CUDA graph writes over its results
        self.steps += 1
        if len(self.recent) == CHECK_EVERY:
            self.check()

    def check(self) -> None:
        losses = torch.stack([loss for loss, _ in self.recent]).tolist() if self.recent else []
        for step, loss in enumerate(losses, start=self.steps - len(losses)):
            if not math.isfinite(loss):
                self.stop(loss, step, self.recent[step - self.steps][1])
        self.recent = []

    def stop(self, loss: float, step: int, index: Tensor) -> None:
        rows = self.batches.rows(index)
        label = "ids" if "id" in rows else "rows"
        names = rows["id"] if label == "ids" else index
        causes = []
        for name, values in rows.items():
            bad = ~values.isfinite().reshape(len(index), -1).all(dim=1)
            if bad.any():
                causes.append(f"{name} is not finite in {label} {_listed(names[bad])}")
        raise FloatingPointError(
            f"The loss is {loss} in {self.where}, step {step}. "
            f"{'; '.join(causes) or 'All its inputs are finite: try a smaller learning rate'}. "
            f"The batch held {label} {_listed(names)}. The run's saved state is from before this epoch."
        )

    def result(self, fabric: Fabric) -> dict[str, float]:
        self.check()
        sums = torch.stack(list(self.sums.values()))
        objects, *totals = fabric.all_reduce(
            torch.cat([sums.new_full((1,), self.objects), sums]), reduce_op="sum"
        ).tolist()
        return {name: total / objects for name, total in zip(self.sums, totals, strict=True)}


def _listed(names: Tensor, most: int = 32) -> str:
    return str(names[:most].tolist()) + (f" and {len(names) - most} more" if len(names) > most else "")
