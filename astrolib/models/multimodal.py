"""CLIP (Radford et al. 2021) for any number of modalities, and classifiers that start from it: AstroM3."""

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from astrolib.models.distributed import gather_all, world_size

Inputs = Mapping[str, tuple[Tensor, ...]]
"""What each modality's encoder is called with: (light curve, mask), (spectrum,), (columns,)."""
Present = Mapping[str, Tensor]
"""Which stars of a batch have a modality, (B,) bool."""


class MultimodalCLIP(nn.Module):
    """Embeddings of n >= 2 modalities in one space, drawn together pair by pair.

    Parameters
    ----------
    encoders : mapping of str to Module
        Each with `out_features`; called with the modality's tensors.
    embed_dim : int
        D, of the common space.
    init_scale, max_scale : float
        The scale of a pair is exp(theta), clamped to [1, `max_scale`]; theta starts at `init_scale`.
    scale_clamp : {"straight-through", "parity"}
        As the reference clamps ("parity"), float32 puts exp(log 100) just above 100, where no gradient
        reaches theta; "straight-through" lets it pass, and keeps theta itself from running away in training.

    Notes
    -----
    Three modalities are AstroM3, two are CLIP (whose loss is half of this one: AstroM3 adds the two
    directions, CLIP averages them).

    Under several processes the stars of all of them are each other's candidates: every process finds the
    loss and the accuracy of the whole batch, and averaging gradients over processes gives its gradient.
    """

    def __init__(
        self,
        encoders: Mapping[str, nn.Module],
        embed_dim: int = 512,
        *,
        init_scale: float = math.log(100.0),
        max_scale: float = 100.0,
        scale_clamp: Literal["straight-through", "parity"] = "straight-through",
    ):
        super().__init__()
        if len(encoders) < 2:
            raise ValueError(f"CLIP needs at least two modalities, got {list(encoders)}.")
        if scale_clamp not in ("straight-through", "parity"):
            raise ValueError(f'scale_clamp is {scale_clamp!r}; it must be "straight-through" or "parity".')
        self.encoders = nn.ModuleDict(encoders)
        self.projections = _projections(encoders, embed_dim)
        self.pairs = list(combinations(encoders, 2))
        self.log_scales = nn.Parameter(torch.full((len(self.pairs),), float(init_scale)))
        self.max_scale, self.scale_clamp = max_scale, scale_clamp

    def scales(self) -> Tensor:
        """Scale of each pair, (n_pairs,)."""
        if self.scale_clamp == "parity":
            return self.log_scales.exp().clamp(1, self.max_scale)
        inside = self.log_scales.clamp(0, math.log(self.max_scale))
        scale = (self.log_scales + (inside - self.log_scales).detach()).exp()
        return scale + (scale.clamp(1, self.max_scale) - scale).detach()  # exp(log 100) is above 100

    def embed(self, inputs: Inputs) -> dict[str, Tensor]:
        """Unit vectors (B, D) of each modality given."""
        return {
            name: _unit(self.projections[name](self.encoders[name](*tensors)))
            for name, tensors in inputs.items()
        }

    def forward(self, inputs: Inputs, present: Present | None = None) -> dict[str, Tensor]:
        """Loss over all pairs, and how often the views of a star find each other in the batch.

        Returns
        -------
        dict
            "loss", the sum over pairs of both cross entropies; each pair's as "loss a-b"; "accuracy": share
            of stars that are their own best match by the mean of all softmaxes (AstroM3 card, 6.1); "scale
            a-b". A star that lacks a modality drops out of the pairs it lacks.
        """
        if self.training and self.scale_clamp == "straight-through":
            with torch.no_grad():  # otherwise steps beyond the limit pile up, and must be walked back
                self.log_scales.clamp_(0, math.log(self.max_scale))
        unit = {name: each.float() for name, each in self.embed(inputs).items()}
        unit, present = _of_all(unit, present)
        found, probability, counted = {}, 0.0, 0.0
        for (a, b), scale in zip(self.pairs, self.scales(), strict=True):
            both = None if present is None else present[a] & present[b]
            with torch.autocast(scale.device.type, enabled=False):  # bfloat16 would be wrong by 0.25 at 100
                logits = scale * unit[a] @ unit[b].T  # B, B
            found[f"loss {a}-{b}"], mean = _pair(logits, both)
            found[f"scale {a}-{b}"] = scale.detach()
            probability = probability + mean
            counted = counted + (1.0 if both is None else both.float())
        hit = (probability.argmax(dim=1) == torch.arange(len(probability), device=probability.device)).float()
        weight = torch.ones_like(hit) * (counted > 0 if present is not None else 1.0)
        accuracy = (hit * weight).sum() / weight.sum().clamp(min=1)
        loss = sum(found[f"loss {a}-{b}"] for a, b in self.pairs)
        return {"loss": loss, "accuracy": accuracy} | found


def _of_all(unit: dict[str, Tensor], present: Present | None) -> tuple[dict[str, Tensor], Present | None]:
    """Embeddings, and who has them, of the stars of all processes."""
    if world_size() == 1:
        return unit, present
    has = [] if present is None else [present[name].float()[:, None] for name in unit]
    columns = [*unit.values(), *has]
    whole = gather_all(torch.cat(columns, dim=1))  # one exchange for all of them: it waits for the device
    *parts, has = whole.split([each.shape[1] for each in unit.values()] + [len(has)], dim=1)
    if present is not None:
        present = {name: has[:, k] > 0 for k, name in enumerate(unit)}
    return dict(zip(unit, parts, strict=True)), present


def _pair(logits: Tensor, both: Tensor | None) -> tuple[Tensor, Tensor]:
    """Loss of one pair of modalities, and the mean of the softmaxes along rows and along columns (B, B)."""
    own = torch.arange(len(logits), device=logits.device)
    if both is None:
        loss = F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)
        return loss, _softmaxes(logits)
    # Absent stars are no candidates and have no weight; selecting rows would wait for the device.
    absent = ~(both[:, None] & both[None, :])
    absent = absent & ~torch.eye(len(logits), dtype=torch.bool, device=logits.device)  # rows stay finite
    logits = logits.masked_fill(absent, -torch.inf)
    weight = both / both.sum().clamp(min=1)
    rows, columns = (F.cross_entropy(x, own, reduction="none") for x in (logits, logits.T))
    return ((rows + columns) * weight).sum(), _softmaxes(logits) * both[:, None]


def _softmaxes(logits: Tensor) -> Tensor:
    logits = logits.detach()
    return (logits.softmax(dim=1) + logits.T.softmax(dim=1)) / 2


class StarClassifier(nn.Module):
    """A linear layer on the encoder of one modality, without projection (AstroM3 card, section 4.4)."""

    def __init__(self, name: str, encoder: nn.Module, n_classes: int):
        super().__init__()
        self.name, self.encoder = name, encoder
        self.head = nn.Linear(encoder.out_features, n_classes)

    def load_clip(self, clip: MultimodalCLIP) -> None:
        """Take the encoder's weights from a pretrained model."""
        self.encoder.load_state_dict(clip.encoders[self.name].state_dict())

    def forward(self, inputs: Inputs, present: Present | None = None) -> Tensor:
        """Logits (B, n_classes)."""
        return self.head(self.encoder(*inputs[self.name]))


class FusedClassifier(nn.Module):
    """A linear layer on the mean of the unit embeddings of all modalities (AstroM3 card, section 4.4)."""

    def __init__(self, encoders: Mapping[str, nn.Module], n_classes: int, embed_dim: int = 512):
        super().__init__()
        self.encoders = nn.ModuleDict(encoders)
        self.projections = _projections(encoders, embed_dim)
        self.head = nn.Linear(embed_dim, n_classes)

    embed = MultimodalCLIP.embed

    def load_clip(self, clip: MultimodalCLIP) -> None:
        """Take encoders and projections from a pretrained model."""
        self.encoders.load_state_dict(clip.encoders.state_dict())
        self.projections.load_state_dict(clip.projections.state_dict())

    def forward(
        self, inputs: Inputs, present: Present | None = None, use: Sequence[str] | None = None
    ) -> Tensor:
        """Logits (B, n_classes) of the mean over the modalities that a star has.

        Parameters
        ----------
        use : sequence of str, optional
            Average only these modalities; the head stays as it is.
        """
        names = list(use or self.encoders)
        unit = self.embed({name: inputs[name] for name in names})
        stacked = torch.stack([unit[name] for name in names])  # n, B, D
        if present is None:
            return self.head(stacked.mean(dim=0))
        weight = torch.stack([present[name] for name in names]).to(stacked)[:, :, None]  # n, B, 1
        return self.head((stacked * weight).sum(dim=0) / weight.sum(dim=0).clamp(min=1))


def _projections(encoders: Mapping[str, nn.Module], embed_dim: int) -> nn.ModuleDict:
    return nn.ModuleDict(
        {name: nn.Linear(encoder.out_features, embed_dim) for name, encoder in encoders.items()}
    )


def _unit(x: Tensor) -> Tensor:
    """Rows of length one; a row of zeros stays one, with a finite gradient."""
    return F.normalize(x, dim=-1)
