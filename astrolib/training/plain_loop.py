"""The slow way, for comparison: a training loop as scripts usually write it, which waits at every step."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

WORKERS = 4


def loader_of(dataset: Dataset, batch_size: int, device: str, workers: int = WORKERS) -> DataLoader:
    """Single objects, shuffled and put together by worker processes that stay alive between passes."""
    return DataLoader(
        dataset,
        batch_size,
        shuffle=True,
        num_workers=workers,
        persistent_workers=True,
        pin_memory=device == "cuda",
    )


def plain_pass(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loader: Iterable[list[Tensor]],
    loss: Callable[..., Tensor],
    device: str,
    *,
    mixed: bool = False,
    grad_clip: float = 0.0,
) -> Callable[[], float]:
    """A pass of a benchmark's baseline. Use `astrolib.training.fit.fit` for work.

    Parameters
    ----------
    model, optimizer
        The model on its device.
    loader : iterable of list of Tensor
    loss : callable
        ``loss(model, *batch) -> Tensor``.
    mixed : bool
        float16 autocast with scaled gradients, as reference codes have it on a GPU.
    grad_clip : float
        Largest norm of all gradients together; 0 does not clip.

    Returns
    -------
    callable
        Makes a pass and returns the mean of the losses of its steps. The wait for the loader's first batch
        is part of it, as of every epoch.
    """
    scaler = torch.amp.GradScaler(device, enabled=mixed)
    model.train()

    def one_pass() -> float:
        losses = []
        with _default_products():
            for batch in loader:
                batch = [each.to(device) for each in batch]
                with torch.autocast(device, torch.float16, enabled=mixed):
                    value = loss(model, *batch)
                optimizer.zero_grad()
                scaler.scale(value).backward()
                if grad_clip:
                    scaler.unscale_(optimizer)
                    nn.utils.clip_grad_norm_(model.parameters(), grad_clip)
                scaler.step(optimizer)
                scaler.update()
                losses.append(value.item())
                if device == "cuda":
                    torch.cuda.synchronize()
        return sum(losses) / len(losses)

    return one_pass


@contextmanager
def _default_products() -> Iterator[None]:
    """Float32 products as PyTorch makes them unasked: what the library chose for itself is no gift."""
    chosen = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(chosen)
