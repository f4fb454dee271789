"""STMAE (Sun et al. 2024, arXiv:2309.15169): pre-train with hidden edges and hidden times, then forecast.

Any encoder of `astrolib.models.graph_backbones` serves. Shapes: windows B, steps T, stars N, width F; the
input x (B, T, N, 1) is standardised flux.
"""

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional


class FluxEmbedding(nn.Module):
    """(B, T, N, 1) -> (B, T, N, F): a linear map, and a learned token where a value is hidden or missing."""

    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Linear(1, width)
        self.mask_token = nn.Parameter(torch.empty(width))
        nn.init.normal_(self.mask_token, std=0.02)

    def forward(self, x: Tensor, visible: Tensor) -> Tensor:
        return torch.where(visible.unsqueeze(3), self.linear(x), self.mask_token)


class DualMaskedAutoencoder(nn.Module):
    """A backbone with two light decoders: logits of edges S_i . S_j, and a linear map to the T steps.

    loss = structure_weight * binary cross-entropy of the hidden edges + mean |error| of the hidden values
    that were observed. With `negatives` as many pairs that are no edges count in the first; without them, as
    in the released code, any large logit minimises it (card, section 4.3, fault 1).
    """

    def __init__(
        self,
        backbone: nn.Module,
        n_stars: int,
        width: int,
        n_in: int,
        *,
        embedding: FluxEmbedding,
        structure_weight: float = 1.0,
        negatives: bool = True,
    ):
        super().__init__()
        if backbone.n_stars != n_stars:
            raise ValueError(f"The backbone has a graph of {backbone.n_stars} stars, not of {n_stars}.")
        self.embedding, self.backbone = embedding, backbone
        self.feature_decoder = nn.Linear(width, n_in)
        self.structure_weight, self.negatives = structure_weight, negatives

    def summarize(self, x: Tensor, visible: Tensor, keep: Tensor | None) -> Tensor:
        """(B, N, F)."""
        return self.backbone(self.embedding(x, visible), keep)

    def decode_features(self, summary: Tensor) -> Tensor:
        """(B, N, F) -> (B, T, N, 1)."""
        return self.feature_decoder(summary).transpose(1, 2).unsqueeze(3)

    def edge_logits(self, summary: Tensor, pairs: Tensor) -> Tensor:
        """Elements of S S^T at pairs (n, 2): (B, n)."""
        return (summary[:, pairs[:, 0]] * summary[:, pairs[:, 1]]).sum(dim=2)

    def forward(
        self,
        x: Tensor,
        observed: Tensor,
        hidden_time: Tensor | None = None,
        keep: Tensor | None = None,
        hidden_edges: Tensor | None = None,
        non_edges: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """The "loss", its parts, the "prediction" (B, T, N, 1) and the "logits" (B, 2 n), edges first.

        `observed` and `hidden_time` are (B, T, N) bool, the others a mask of `astrolib.models.dual_masking`.
        What is None is not hidden, and has no part in the loss.
        """
        visible = observed if hidden_time is None else observed & ~hidden_time
        summary = self.summarize(x, visible, keep)
        prediction = self.decode_features(summary)
        feature_loss = structure_loss = summary.new_zeros(())
        logits = summary.new_zeros(len(x), 0)
        if hidden_time is not None:
            feature_loss = masked_l1(prediction, x, observed & hidden_time)
        if hidden_edges is not None:
            logits = self.edge_logits(summary, torch.cat([hidden_edges, non_edges]))
            structure_loss = edge_loss(logits, len(hidden_edges), self.negatives)
        return {
            "loss": feature_loss + self.structure_weight * structure_loss,
            "feature_loss": feature_loss,
            "structure_loss": structure_loss,
            "prediction": prediction,
            "logits": logits,
        }


class Forecaster(nn.Module):
    """A backbone, pre-trained or not, with two linear layers per star that forecast the next steps.

    The published predictors differ between backbones (two 1 x 1 convolutions for AGCRN and MTGNN, a recurrent
    decoder for DCRNN). Here all have the same, so that backbones differ in the encoder alone.
    """

    def __init__(self, backbone: nn.Module, embedding: FluxEmbedding, width: int, n_out: int = 12):
        super().__init__()
        self.embedding, self.backbone = embedding, backbone
        self.predictor = nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, n_out))

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        """(B, T, N, 1) and where it was observed (B, T, N) -> (B, n_out, N, 1)."""
        summary = self.backbone(self.embedding(x, observed), None)
        return self.predictor(summary).transpose(1, 2).unsqueeze(3)


def masked_l1(prediction: Tensor, target: Tensor, counts: Tensor) -> Tensor:
    """Mean absolute error of (B, T, N, 1) where `counts` (B, T, N); 0 if nothing counts."""
    error = (prediction - target).squeeze(3).abs().float() * counts
    return error.sum() / counts.sum().clamp(min=1)


def edge_loss(logits: Tensor, n_edges: int, negatives: bool = True) -> Tensor:
    """Binary cross-entropy of logits (B, n), the first `n_edges` of edges, the others of `negatives`."""
    logits = logits.float()
    target = (torch.arange(logits.shape[1], device=logits.device) < n_edges).float().expand_as(logits)
    if not negatives:
        logits, target = logits[:, :n_edges], target[:, :n_edges]
    return functional.binary_cross_entropy_with_logits(logits, target)


@torch.no_grad()
def predict_systematics(
    model: DualMaskedAutoencoder,
    flux: Tensor,
    observed: Tensor,
    *,
    n_groups: int = 8,
    generator: Generator,
    batch_size: int = 64,
) -> Tensor:
    """What the other stars say about each star, (T, N), its own light curve hidden from the network.

    The stars are divided into `n_groups` random groups; one after the other all stars of a group are hidden
    over whole windows of the model's length, and predicted. `flux` (T, N) is standardised; the last window
    may overlap the one before. Call it in evaluation mode, with a model trained under `StarMask`.
    """
    n_in, (n_times, n_stars) = model.feature_decoder.out_features, flux.shape
    starts = torch.arange(0, n_times - n_in + 1, n_in, device=flux.device)
    if n_times % n_in:
        starts = torch.cat([starts, starts.new_tensor([n_times - n_in])])
    times = starts[:, None] + torch.arange(n_in, device=flux.device)  # (W, T_in)
    order = torch.randperm(n_stars, generator=generator, device=generator.device).to(flux.device)
    systematics = torch.empty_like(flux)
    for group in order.tensor_split(n_groups):
        visible = observed.index_fill(1, group, False)
        for rows in times.split(batch_size):
            summary = model.summarize(flux[rows].unsqueeze(3), visible[rows], None)
            predicted = model.decode_features(summary).squeeze(3)[:, :, group]
            systematics[rows.unsqueeze(2), group] = predicted
    return systematics
