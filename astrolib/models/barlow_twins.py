"""Barlow Twins (Zbontar et al. 2021, arXiv:2103.03230) around any image encoder, with the paper's ablations.

Shapes: views (B, C, H, W), features r (B, d), embeddings z (B, D). Under several processes B is each
process's share, and every statistic is that of the whole batch.
"""

import torch
from torch import Tensor, nn

from astrolib.models.distributed import global_moments, rows_of_all, sum_all
from astrolib.models.image_classifier import PooledEncoder

LOSSES = (
    "both",
    "invariance",
    "redundancy",
    "feature-normalised",
    "no-batch-norm",
    "no-batch-norm-covariance",
    "cross-entropy",
)
"""The rows of Table 5."""


def standardize(z: Tensor, eps: float = 1e-5) -> Tensor:
    """Zero mean and unit variance of each dimension over the batch, (B, D) float32.

    BatchNorm without affine parameters in training mode: the biased variance, so that two equal views have
    C_ii = 1 (card, section 3.4).
    """
    z = z.float()
    mean, variance, _ = global_moments(z)
    return (z - mean) * (variance + eps).rsqrt()


def centre(z: Tensor) -> Tensor:
    """Zero mean of each dimension over the batch, (B, D) float32."""
    z = z.float()
    return z - sum_all(z.sum(dim=0)) / rows_of_all(z)


def product(z_a: Tensor, z_b: Tensor) -> Tensor:
    """Mean over the batch of the outer products of two embeddings, (D, D)."""
    return sum_all(z_a.T @ z_b) / rows_of_all(z_a)


def cross_correlation(z_a: Tensor, z_b: Tensor) -> Tensor:
    """C_ij between dimension i of one view's embeddings (B, D) and j of the other's, (D, D) float32."""
    with torch.autocast(z_a.device.type, enabled=False):
        return product(standardize(z_a), standardize(z_b))


def off_diagonal(c: Tensor) -> Tensor:
    """The elements of (D, D) beside the diagonal, in the order of the rows, (D (D - 1),)."""
    n = len(c)
    return c.flatten()[:-1].view(n - 1, n + 1)[:, 1:].flatten()


class Projector(nn.Sequential):
    """(B, d) -> (B, D): blocks of Linear, BatchNorm and ReLU, then a Linear alone; none has a bias.

    Without batch normalisation the linear layers before a ReLU do have one.
    """

    def __init__(self, n_features: int, width: int, n_layers: int = 3, batch_norm: bool = True):
        layers: list[nn.Module] = []
        for number in range(n_layers - 1):
            layers.append(nn.Linear(width if number else n_features, width, bias=not batch_norm))
            layers += [nn.BatchNorm1d(width)] if batch_norm else []
            layers.append(nn.ReLU())
        layers.append(nn.Linear(width if n_layers > 1 else n_features, width, bias=False))
        super().__init__(*layers)


class BarlowTwins(nn.Module):
    """An encoder and a projector trained to give two views of an image one standardised embedding.

    `loss` is one of `LOSSES`. `stop_gradient` detaches the embedding of view B, `predictor` puts two linear
    layers behind that of view A (Table 6). `temperature` is that of "cross-entropy", for which the paper
    gives none: 0.1 is our choice.
    """

    def __init__(
        self,
        encoder: nn.Module,
        n_features: int,
        width: int = 256,
        *,
        redundancy_weight: float = 0.0051,
        loss: str = "both",
        stop_gradient: bool = False,
        predictor: bool = False,
        temperature: float = 0.1,
    ):
        super().__init__()
        if loss not in LOSSES:
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, not {loss!r}.")
        self.encoder = encoder
        self.projector = Projector(n_features, width, batch_norm=not loss.startswith("no-batch-norm"))
        self.predictor = Projector(width, width, n_layers=2) if predictor else None
        self.redundancy_weight, self.loss = redundancy_weight, loss
        self.stop_gradient, self.temperature = stop_gradient, temperature

    def features(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, d), what later tasks use."""
        return PooledEncoder.pool(self.encoder(images))

    def forward(self, view_a: Tensor, view_b: Tensor) -> dict[str, Tensor]:
        """The "loss" and, detached, what it speaks of.

        "on" is the sum of (1 - C_ii)^2, "off" that of the other C_ij^2, "diagonal" and "off_square" are the
        means of C_ii and of the others' squares; all from the standardised matrix, whatever the loss, so that
        losses can be compared. "r_a", "z_a", "z_b" and "correlation" are for looking at. The views pass
        one after the other: batch normalisation inside the encoder is per view (card, section 3.1).
        """
        r_a, r_b = self.features(view_a), self.features(view_b)
        z_a, z_b = self.projector(r_a), self.projector(r_b)
        p_a = z_a if self.predictor is None else self.predictor(z_a)
        target = z_b.detach() if self.stop_gradient else z_b
        with torch.autocast(z_a.device.type, enabled=False):
            c = cross_correlation(p_a, target)
            on, off = (1 - c.diagonal()).square().sum(), off_diagonal(c).square().sum()
            loss = self.combine(p_a, target, c, on, off)
        n = len(c)
        about = {"on": on, "off": off, "diagonal": c.diagonal().mean(), "off_square": off / (n * (n - 1))}
        about |= {"r_a": r_a, "z_a": z_a, "z_b": z_b, "correlation": c}
        return {"loss": loss, **{name: value.detach() for name, value in about.items()}}

    def combine(self, z_a: Tensor, z_b: Tensor, c: Tensor, on: Tensor, off: Tensor) -> Tensor:
        """The loss of this row of Table 5, in float32."""
        weight = self.redundancy_weight
        if self.loss in ("both", "no-batch-norm"):
            return on + weight * off
        if self.loss == "invariance":
            return on
        if self.loss == "redundancy":
            return weight * off
        if self.loss == "cross-entropy":
            diagonal, others = (
                c.diagonal() / self.temperature,
                off_diagonal(c).clamp(min=0) / self.temperature,
            )
            return -torch.logsumexp(diagonal, dim=0) + weight * torch.logsumexp(others, dim=0)
        if self.loss == "feature-normalised":  # unit vectors, and the sum over the batch, not the mean
            z_a, z_b = (nn.functional.normalize(standardize(z), dim=1) for z in (z_a, z_b))
            c = sum_all(z_a.T @ z_b)
        else:  # "no-batch-norm-covariance": centred, not scaled
            c = product(centre(z_a), centre(z_b))
        return (1 - c.diagonal()).square().sum() + weight * off_diagonal(c).square().sum()
