"""SimCLR (Chen et al. 2020, arXiv:2002.05709): the contrastive neighbour of Barlow Twins."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from astrolib.models.barlow_twins import Projector, cross_correlation, off_diagonal
from astrolib.models.distributed import gather_all
from astrolib.models.image_classifier import PooledEncoder


class SimCLR(nn.Module):
    """An encoder and a projector trained so that each view finds its partner among all views of a batch.

    Shapes as in `barlow_twins`. The negatives are the views of all processes.
    """

    def __init__(self, encoder: nn.Module, n_features: int, width: int = 256, *, temperature: float = 0.2):
        super().__init__()
        self.encoder = encoder
        self.projector = Projector(n_features, width, n_layers=2)
        self.temperature = temperature

    def features(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, d), what later tasks use."""
        return PooledEncoder.pool(self.encoder(images))

    def forward(self, view_a: Tensor, view_b: Tensor) -> dict[str, Tensor]:
        """The "loss" (NT-Xent), and "accuracy": the share of views nearest to their partner.

        "diagonal", "off_square", "r_a", "z_a", "z_b" and "correlation" are as in `BarlowTwins`.
        """
        r_a, r_b = self.features(view_a), self.features(view_b)
        z_a, z_b = self.projector(r_a), self.projector(r_b)
        with torch.autocast(z_a.device.type, enabled=False):
            z = F.normalize(torch.cat([gather_all(z_a.float()), gather_all(z_b.float())]), dim=1)  # (2 N, D)
            similarity = z @ z.T / self.temperature
            similarity = similarity.masked_fill(
                torch.eye(len(z), dtype=torch.bool, device=z.device), -torch.inf
            )
            partner = torch.arange(len(z), device=z.device).roll(len(z) // 2)
            loss = F.cross_entropy(similarity, partner)
            with torch.no_grad():
                c = cross_correlation(z_a, z_b)
        about = {"accuracy": (similarity.argmax(dim=1) == partner).float().mean()}
        about |= {"diagonal": c.diagonal().mean(), "off_square": off_diagonal(c).square().mean()}
        about |= {"r_a": r_a, "z_a": z_a, "z_b": z_b, "correlation": c}
        return {"loss": loss, **{name: value.detach() for name, value in about.items()}}
