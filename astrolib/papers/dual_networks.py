"""Arms of the dual-masking experiments: what is trained on which graph, and what is hidden from it."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
from torch import Generator, Tensor, nn

from astrolib.data.batches import Batch
from astrolib.models.dual_masking import (
    EdgeGraph,
    EdgeMask,
    StarMask,
    TimePatchMask,
    biased_walk_mask,
    uniform_edge_mask,
)
from astrolib.models.graph_backbones import AGCRN, DCRNN, MTGNN
from astrolib.models.stmae import DualMaskedAutoencoder, FluxEmbedding, Forecaster, masked_l1
from astrolib.profiles.dual import Dual, DualMasking
from astrolib.report.dual_evidence import (
    BACKBONES,
    F_SYS,
    FULL,
    HELD_OUT,
    LONG,
    NEIGHBOURS,
    SCRATCH,
    STMAE,
    STRANGERS,
)
from astrolib.training.passes import Loss

STARS = "whole stars"

VARIANTS: dict[str, dict[str, object]] = {
    FULL: {},
    "uniform masks": {"edges": "uniform", "patch": 1},
    "edges only": {"times": "none"},
    "times only": {"edges": "none"},
    "positives only": {"negatives": False},
    "per_sample": {"time_mode": "per_sample"},
    "per_node": {"time_mode": "per_node"},
    "long walks": {"walks": 3, "length": 10},
    "long walks, index order": {"walks": 3, "length": 10, "truncation": "index"},
    STARS: {"times": "stars", "edges": "none"},
}
"""What each variant of the pre-training changes. "whole stars" is the one that removes systematics."""


@dataclass(frozen=True)
class Arm:
    """One way to train one network on one detector.

    `seed` draws the detector, the graph of strangers, the weights and the batches. `changes` are settings of
    `DualMasking` that differ from the profile's.
    """

    backbone: str = "AGCRN"
    training: str = STMAE
    variant: str = FULL
    seed: int = 42
    f_sys: float = F_SYS
    graph: str = NEIGHBOURS
    changes: tuple[tuple[str, float], ...] = ()

    def __post_init__(self):
        known = {
            "backbone": BACKBONES,
            "training": (SCRATCH, LONG, STMAE),
            "variant": tuple(VARIANTS),
            "graph": (NEIGHBOURS, STRANGERS, HELD_OUT),
        }
        for name, words in known.items():
            if getattr(self, name) not in words:
                raise ValueError(f"{name}={getattr(self, name)!r}: it must be one of {', '.join(words)}.")

    @property
    def name(self) -> str:
        """For folders and progress bars."""
        words = [self.backbone, {SCRATCH: "scratch", LONG: "long", STMAE: "stmae"}[self.training]]
        words += [self.variant.replace(",", "").replace(" ", "-")] if self.variant != FULL else []
        return "-".join([*words, str(self.seed)]).lower()


@dataclass(frozen=True)
class Pretext:
    """What is hidden in pre-training: `masking` and what a variant says of it.

    `edges` is "walks", "uniform" or "none", `times` "patches", "stars" (all times of some stars) or "none".
    """

    masking: DualMasking
    edges: str = "walks"
    times: str = "patches"
    negatives: bool = True
    truncation: str = "shuffled"

    def hide_edges(self, graph: EdgeGraph, rng: Generator) -> EdgeMask | None:
        m = self.masking
        if self.edges == "none":
            return None
        if self.edges == "uniform":
            return uniform_edge_mask(graph, m.edge_ratio, rng=rng)
        walk = {"walks": m.walks, "length": m.length, "p": m.p, "q": m.q, "truncation": self.truncation}
        return biased_walk_mask(graph, m.edge_ratio, rng=rng, **walk)

    def hide_times(self, shape: tuple[int, int, int], rng: Generator) -> Tensor | None:
        """Of windows (B, T, N)."""
        m = self.masking
        if self.times == "none":
            return None
        if self.times == "stars":
            return StarMask(m.time_ratio)(*shape, generator=rng)
        return TimePatchMask(m.time_ratio, m.patch, m.time_mode)(*shape, generator=rng)


def pretext_of(settings: Dual, arm: Arm) -> Pretext:
    """What an arm hides."""
    changes = VARIANTS[arm.variant] | dict(arm.changes)
    masks = {name for name in changes if hasattr(settings.masking, name)}
    masking = dataclasses.replace(settings.masking, **{name: changes[name] for name in masks})
    return Pretext(masking, **{name: value for name, value in changes.items() if name not in masks})


def backbone_of(settings: Dual, arm: Arm, graph: np.ndarray) -> nn.Module:
    """An untrained encoder; call it under the arm's seed."""
    sizes, width = settings.network, settings.network.width
    if arm.backbone == "AGCRN":
        return AGCRN(graph, width, sizes.layers, sizes.node_dim)
    if arm.backbone == "DCRNN":
        return DCRNN(graph, width, sizes.layers)
    return MTGNN(graph, width, sizes.convolutions, sizes.node_dim, settings.data.n_in)


def autoencoder_of(settings: Dual, arm: Arm, graph: np.ndarray) -> DualMaskedAutoencoder:
    """The untrained network of the pre-training."""
    pretext = pretext_of(settings, arm)
    with torch.random.fork_rng():
        torch.manual_seed(arm.seed)
        backbone = backbone_of(settings, arm, graph)
        return DualMaskedAutoencoder(
            backbone,
            len(graph),
            settings.network.width,
            settings.data.n_in,
            embedding=FluxEmbedding(settings.network.width),
            structure_weight=pretext.masking.structure_weight,
            negatives=pretext.negatives,
        )


def forecaster_of(settings: Dual, arm: Arm, graph: np.ndarray) -> Forecaster:
    """The untrained network that forecasts; a seed starts all trainings of a backbone with the same one."""
    width = settings.network.width
    with torch.random.fork_rng():
        torch.manual_seed(arm.seed)
        backbone = backbone_of(settings, arm, graph)
        return Forecaster(backbone, FluxEmbedding(width), width, settings.data.n_out)


def pretext_loss(pretext: Pretext, graph: EdgeGraph) -> Loss:
    """Hide, and compare what the two decoders say with what was hidden; masks are new in every step."""

    def loss(model: nn.Module, batch: Batch, generator: Generator) -> dict[str, Tensor]:
        times = pretext.hide_times(tuple(batch["x"].shape), generator)
        edges = pretext.hide_edges(graph, generator)
        found = model(batch["x"].unsqueeze(3), batch["x_observed"], times, *(edges or ()))
        return {name: found[name] for name in ("loss", "feature_loss", "structure_loss")}

    return loss


def forecast_loss(model: nn.Module, batch: Batch, generator: Generator) -> dict[str, Tensor]:
    """Mean absolute error of all steps, where observed; the model is fine-tuned without masks."""
    forecast = model(batch["x"].unsqueeze(3), batch["x_observed"])
    return {"loss": masked_l1(forecast, batch["y"].unsqueeze(3), batch["y_observed"])}
