"""The networks of the R-MAE experiments, what they see, and their losses: what an `Arm` stands for."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Generator, Tensor, nn

from astrolib.models import masking, occupancy
from astrolib.papers.astromae_networks import masked, vit_of
from astrolib.papers.radial_images import OBSERVED
from astrolib.profiles import Radial as Settings

UNIFORM, ANGULAR, RANGE, BOTH = "uniform", "angular", "range", "angular + range"
MASKINGS = (UNIFORM, ANGULAR, RANGE, BOTH)
VIT, OCCUPANCY = "ViT", "occupancy net"
CENTRE_ERROR = 2.0
"""Pixels by which centres are off in the test of robustness (card, section 2.4)."""


@dataclass(frozen=True)
class Arm:
    """One way to pretrain a network.

    `loss` is one of `astrolib.models.occupancy.LOSSES`; the ViT has only "flux". `images` is the state that
    it learns from (`astrolib.papers.radial_images`). An `untrained` arm stays as it was made.
    """

    network: str = VIT
    masking: str = BOTH
    mask_ratio: float = 0.8
    n_sectors: int = 36
    loss: str = "flux"
    images: str = OBSERVED
    centre_error: float = 0.0
    untrained: bool = False
    seed: int = 42

    @property
    def name(self) -> str:
        """For folders."""
        words = f"radial-{self.network}-{self.masking}-seed{self.seed}"
        return words.lower().replace(" + ", "-").replace(" ", "-")


def grid_of(settings: Settings) -> tuple[int, int]:
    """Patches down and across."""
    side = settings.data.crop // settings.transformer.patch_size
    return side, side


def masking_of(settings: Settings, arm: Arm) -> masking.RadialMask:
    """Which patches an arm hides."""
    return masking.RadialMask(
        grid_of(settings),
        arm.n_sectors,
        arm.mask_ratio,
        angular=arm.masking in (ANGULAR, BOTH),
        range_aware=arm.masking in (RANGE, BOTH),
    )


def model_of(settings: Settings, arm: Arm, channels: int) -> nn.Module:
    """The untrained network of an arm."""
    sizes = settings.transformer
    with torch.random.fork_rng():
        torch.manual_seed(arm.seed)
        if arm.network == OCCUPANCY:
            return occupancy.OccupancyNet(channels, settings.channels, flux=arm.loss == "flux")
        encoder = vit_of(sizes, settings.data.crop, channels)
        return masked(encoder, masking_of(settings, arm), sizes, settings.pretraining)


def in_patches(settings: Settings, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """Centre and radii of a batch in patches, as the ViT's masking wants them."""
    side = settings.transformer.patch_size
    return {"centre": (batch["centre"] + 0.5) / side - 0.5, "radii": batch["radii"] / side}


def visible_pixels(settings: Settings, arm: Arm, batch: dict[str, Tensor], generator: Generator) -> Tensor:
    """What the occupancy network sees, (B, 1, H, W) bool: R-MAE's stages, or as much of each at random."""
    size = tuple(batch["images"].shape[2:])
    visible = masking.radial_visibility(
        size,
        batch["centre"],
        arm.mask_ratio,
        arm.n_sectors,
        radii=None if arm.masking == ANGULAR else batch["radii"],
        generator=generator,
    )
    if arm.masking != UNIFORM:
        return visible
    share, cell = visible.float().mean(dim=(1, 2, 3)), settings.transformer.patch_size
    return masking.uniform_visibility(size, share, cell=cell, generator=generator)


def loss_of(settings: Settings, arm: Arm) -> Callable[..., dict[str, Tensor]]:
    """What an arm's pretraining minimises, for `astrolib.training.fit`."""

    def patches(model: nn.Module, batch: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
        geometry = in_patches(settings, batch)
        return {"loss": model(batch["images"], generator=generator, **geometry)["loss"]}

    def pixels(model: nn.Module, batch: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
        visible = visible_pixels(settings, arm, batch, generator)
        target = batch["images"] if arm.loss == "flux" else batch["occupied"]
        loss = occupancy.occupancy_loss(model(batch["images"], visible), target, visible, arm.loss)
        return {"loss": loss, "visible": visible.float().mean()}

    return patches if arm.network == VIT else pixels
