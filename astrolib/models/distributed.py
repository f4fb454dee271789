"""Sums and batch statistics over all processes that carry their gradients."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm


def world_size() -> int:
    """Processes that train together; 1 outside torch.distributed."""
    distributed = torch.distributed
    return distributed.get_world_size() if distributed.is_available() and distributed.is_initialized() else 1


class _SumAll(torch.autograd.Function):
    """Sum over processes whose gradient is summed, too: every process's loss depends on every summand."""

    @staticmethod
    def forward(ctx, tensor: Tensor) -> Tensor:
        total = tensor.clone(memory_format=torch.contiguous_format)  # the same layout in every process
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        total = gradient.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(total)
        return total


def sum_all(tensor: Tensor) -> Tensor:
    """Sum over processes; the tensor itself where there is one.

    A plain all-reduce leaves autograd out: each process would send gradients through its own share only, and
    data-parallel averaging would then apply 1/W of the gradient (Barlow Twins card, section 3.5).
    """
    return tensor if world_size() == 1 else _SumAll.apply(tensor)


def gather_all(tensor: Tensor) -> Tensor:
    """Rows (B, ...) of all processes, in their order, (sum of B, ...).

    Processes may have different numbers of rows, which they tell each other first: that waits for the device.
    """
    if world_size() == 1:
        return tensor
    rank = torch.distributed.get_rank()
    counts = torch.zeros(world_size(), dtype=torch.long, device=tensor.device)
    counts[rank] = len(tensor)
    counts = sum_all(counts).tolist()
    around = (sum(counts[:rank]), sum(counts[rank + 1 :]))
    return sum_all(F.pad(tensor, (0, 0) * (tensor.ndim - 1) + around))


def rows_of_all(tensor: Tensor) -> int | Tensor:
    """How many rows all processes have together; where there are several a tensor (): nobody waits."""
    if world_size() == 1:
        return len(tensor)
    return sum_all(torch.full((), float(len(tensor)), device=tensor.device))


def by_share(loss: Tensor, rows: Tensor) -> Tensor:
    """A process's loss as it should enter the average of gradients over processes: weighted by its rows.

    A mean over the process's own rows then counts by how many they are, so that the average is that of the
    whole batch. The loss of the whole batch, found in every process, stays what it is: the weights average 1.
    """
    return loss if world_size() == 1 else loss * (len(rows) * world_size() / rows_of_all(rows.float()))


def global_moments(x: Tensor) -> tuple[Tensor, Tensor, int | Tensor]:
    """Mean and biased variance (C,) of (B, C, ...) over the batch of all processes, and how many values.

    Two sums, of the values and of their squared distances from the mean: the difference of two large sums
    would lose digits.
    """
    other = [dim for dim in range(x.ndim) if dim != 1]
    n = rows_of_all(x) * x.shape[2:].numel()
    mean = sum_all(x.sum(dim=other)) / n
    shape = [1, -1] + [1] * (x.ndim - 2)
    variance = sum_all((x - mean.view(shape)).square().sum(dim=other)) / n
    return mean, variance, n


class GlobalBatchNorm(_BatchNorm):
    """BatchNorm over the batch of all processes, on any device (torch's SyncBatchNorm needs GPUs).

    (B, C, ...) -> the same shape. With one process, and in evaluation mode, it is BatchNorm itself.
    """

    def _check_input_dim(self, x: Tensor) -> None:
        if x.ndim < 2:
            raise ValueError(f"Batch normalisation needs (B, C, ...), got {tuple(x.shape)}.")

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or world_size() == 1:
            return super().forward(x)
        self._check_input_dim(x)
        mean, variance, n = global_moments(x.float())
        if self.track_running_stats:
            with torch.no_grad():
                self.num_batches_tracked.add_(1)
                momentum = 1 / self.num_batches_tracked if self.momentum is None else self.momentum
                self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
                self.running_var.lerp_((variance * n / (n - 1)).to(self.running_var.dtype), momentum)
        shape = [1, -1] + [1] * (x.ndim - 2)
        scale = (variance + self.eps).rsqrt()
        normed = (x - mean.view(shape)) * scale.view(shape)
        if self.affine:
            normed = normed * self.weight.view(shape) + self.bias.view(shape)
        return normed.to(x.dtype)


def global_batch_norm(module: nn.Module) -> nn.Module:
    """Let every BatchNorm inside a module use the statistics of all processes; in place, and returned.

    Parameters, buffers and their names stay: weights trained either way fit the other.
    """
    for child in module.modules():
        if type(child) in (nn.BatchNorm1d, nn.BatchNorm2d):
            child.__class__ = GlobalBatchNorm
    return module
