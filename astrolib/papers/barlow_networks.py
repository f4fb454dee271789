"""The networks of the Barlow Twins experiments, their recipes and losses: what an `Arm` stands for."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from astrolib.models.barlow_twins import BarlowTwins
from astrolib.models.distributed import gather_all, global_batch_norm
from astrolib.models.masking import RandomMask
from astrolib.models.resnet import small_resnet
from astrolib.models.simclr import SimCLR
from astrolib.papers.astromae_networks import masked, vit_of
from astrolib.profiles import BarlowTwins as Settings
from astrolib.profiles import Pretraining, TwoViews

BARLOW, SIMCLR, MAE, UNTRAINED = "Barlow Twins", "SimCLR", "MAE", "random init"
SUPERVISED, HANDMADE = "supervised", "hand-made features"
ENCODERS = ("resnet", "vit")
LARS_RATES = {"lr": 0.2, "lr_bias": 0.0048}
"""Of the official code, for a batch of 256 (Barlow Twins card, section 3.3)."""


@dataclass(frozen=True)
class Arm:
    """One way to pretrain an encoder: what it is, and in what it differs from the profile's recipe.

    A number that is 0 stands for the profile's own. `without` names augmentations that are left out,
    `max_reddening` is the largest E(B-V) of a view [mag], `images` the part of the survey it learns from.
    With `lars` it uses the official code's optimiser, whatever the profile says.
    """

    method: str = BARLOW
    encoder: str = "resnet"
    seed: int = 42
    epochs: int = 0
    batch_size: int = 0
    lr_factor: float = 1.0
    width: int = 0
    redundancy_weight: float = 0.0
    loss: str = "both"
    stop_gradient: bool = False
    predictor: bool = False
    without: tuple[str, ...] = ()
    max_reddening: float = 0.5
    images: str = "pretraining"
    lars: bool = False

    @property
    def name(self) -> str:
        """For folders."""
        return f"{self.method}-{self.encoder}-seed{self.seed}".lower().replace(" ", "-")


def n_features(settings: Settings, encoder: str) -> int:
    """Width of an encoder's output."""
    return settings.convnet.channels[-1] if encoder == "resnet" else settings.transformer.embed_dim


def sizes(settings: Settings, encoder: str) -> object:
    """The part of the settings that an encoder depends on."""
    return settings.convnet if encoder == "resnet" else settings.transformer


def encoder_of(settings: Settings, name: str, channels: int, seed: int) -> nn.Module:
    """An untrained encoder for images of some channels: "resnet", or "vit", the transformer of AstroMAE."""
    convnet = settings.convnet
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        if name == "resnet":
            return small_resnet(channels, convnet.channels, convnet.stem, convnet.max_pool)
        return vit_of(settings.transformer, settings.data.crop, channels)


def recipe(settings: Settings, arm: Arm) -> TwoViews | Pretraining:
    """The profile's recipe with what the arm changes.

    The warm-up keeps its share of the epochs. With another batch size the learning rate grows with its square
    root (AdamW) or in proportion to it (LARS, as the paper).
    """
    if arm.method == MAE:
        return dataclasses.replace(settings.autoencoder, epochs=arm.epochs or settings.autoencoder.epochs)
    found = settings.resnet_pretraining if arm.encoder == "resnet" else settings.vit_pretraining
    batch_size, epochs = arm.batch_size or found.batch_size, arm.epochs or found.epochs
    if arm.lars:
        rates = {name: rate * found.batch_size / 256 for name, rate in LARS_RATES.items()}
        found = dataclasses.replace(found, optimizer="lars", weight_decay=1e-6, **rates)
    grown = batch_size / found.batch_size
    factor = arm.lr_factor * (grown if found.optimizer == "lars" else grown**0.5)
    return dataclasses.replace(
        found,
        epochs=epochs,
        warmup_epochs=round(found.warmup_epochs * epochs / found.epochs),
        batch_size=batch_size,
        lr=found.lr * factor,
        lr_bias=found.lr_bias * factor,
        width=arm.width or found.width,
        redundancy_weight=arm.redundancy_weight or found.redundancy_weight,
    )


def model_of(settings: Settings, arm: Arm, channels: int) -> nn.Module:
    """The untrained network of an arm: its encoder with whatever pretraining needs beside it.

    Its batch normalisation sees the batch of all processes, where there are several.
    """
    encoder, wanted = encoder_of(settings, arm.encoder, channels, arm.seed), recipe(settings, arm)
    width = n_features(settings, arm.encoder)
    with torch.random.fork_rng():
        torch.manual_seed(arm.seed)
        if arm.method == MAE:
            return masked(encoder, RandomMask(wanted.mask_ratio), settings.transformer, wanted)
        if arm.method == SIMCLR:
            return global_batch_norm(SimCLR(encoder, width, wanted.width))
        twins = BarlowTwins(
            encoder,
            width,
            wanted.width,
            redundancy_weight=wanted.redundancy_weight,
            loss=arm.loss,
            stop_gradient=arm.stop_gradient,
            predictor=arm.predictor,
        )
        return global_batch_norm(twins)


def pair_loss(model: nn.Module, batch: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
    """The model's own loss; in validation also how many dimensions its embeddings fill."""
    found = model(batch["view_a"], batch["view_b"])
    values = {name: value for name, value in found.items() if value.ndim == 0}
    if not model.training:
        for name in ("r", "z"):
            x = gather_all(found[f"{name}_a"].float())  # how many there are depends on the rows
            sv = torch.linalg.svdvals(x - x.mean(0))
            p = sv / sv.sum()
            values[f"rank_{name}"] = torch.exp(-torch.special.xlogy(p, p).sum())
            if name == "r":
                numbers = [2**k for k in range(len(sv).bit_length())]
                values |= {f"sv{n}": sv[n - 1] / sv[0] for n in numbers if n <= len(sv)}
    return values


def class_loss(weight: Tensor) -> Callable[..., dict[str, Tensor]]:
    """Cross entropy in which every class counts the same, and the accuracy, each class the same, too."""

    def loss(model: nn.Module, batch: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
        logits, label = model(batch["images"]), batch["label"]
        right = (logits.argmax(dim=1) == label).float()
        w = weight[label]
        return {
            "loss": F.cross_entropy(logits, label, weight=weight.to(logits.dtype)),
            "accuracy": (w * right).sum() / w.sum(),
        }

    return loss
