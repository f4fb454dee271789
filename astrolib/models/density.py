"""Redshift probability density: a classifier over redshift bins (Pasquet et al. 2019)."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class BinnedDensity:
    """`n_bins` equal bins over [0, z_max], by default those of Pasquet et al., and the width of the head."""

    z_max: float = 0.4
    n_bins: int = 180
    hidden_dim: int = 1024

    def __post_init__(self):
        if self.n_bins < 2 or self.z_max <= 0:
            raise ValueError(
                f"A density needs n_bins >= 2 and z_max > 0, got n_bins={self.n_bins}, z_max={self.z_max}."
            )

    @property
    def edges(self) -> Tensor:
        """Edges of the bins, (n_bins + 1,)."""
        return torch.linspace(0, self.z_max, self.n_bins + 1)


class DensityHead(nn.Module):
    """p(z) read off the features of a point estimator, (B, F) -> logits (B, K).

    The features are detached: training the density changes nothing else, so a network's point estimate is the
    same with and without it.
    """

    def __init__(self, in_features: int, bins: BinnedDensity):
        super().__init__()
        self.register_buffer("edges", bins.edges, persistent=False)  # (K + 1,)
        self.mlp = nn.Sequential(
            nn.Linear(in_features, bins.hidden_dim), nn.ReLU(), nn.Linear(bins.hidden_dim, bins.n_bins)
        )

    def forward(self, features: Tensor) -> Tensor:
        return self.mlp(features.detach())

    def bin_index(self, redshift: Tensor) -> Tensor:
        """(B,) -> (B,): bin k holds edges[k] <= z < edges[k + 1], the end bins whatever lies outside."""
        return torch.bucketize(redshift, self.edges[1:-1], right=True)

    def density_loss(self, logits: Tensor, redshift: Tensor) -> Tensor:
        """Mean cross entropy of the bins that hold the true redshifts."""
        return F.cross_entropy(logits.float(), self.bin_index(redshift))

    def normalized(self, logits: Tensor) -> Tensor:
        """(B, K) logits -> (B, K) probability per unit redshift: density times bin width sums to one."""
        return logits.float().softmax(dim=1) / self.edges.diff()
