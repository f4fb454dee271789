"""The networks of AstroMAE, untrained, and their losses: what the rows of its tables stand for."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from astrolib.models import encoders
from astrolib.models.density import BinnedDensity
from astrolib.models.distributed import global_batch_norm
from astrolib.models.mae import MaskedAutoencoder
from astrolib.models.masking import Mask, RandomMask
from astrolib.models.redshift import RedshiftNet
from astrolib.profiles import AstroMAE as Settings
from astrolib.profiles import Pretraining, Transformer


@dataclass(frozen=True)
class Network:
    """A row of Table IV: which branches it has and how its transformer starts."""

    name: str
    encoder: str | None  # "plain", "pcm" or none at all
    pretrained: bool
    inception: bool
    magnitudes: bool
    panel: str  # of Figs 9 to 11

    @property
    def init(self) -> str:
        """The paper's two groups of rows."""
        return "fine-tuned" if self.pretrained else "from scratch"


NETWORKS = {
    network.name: network
    for network in (
        Network("from-scratch plain-ViT-magnitude", "plain", False, False, True, "10b"),
        Network("from-scratch pcm-ViT-magnitude", "pcm", False, False, True, "10d"),
        Network("Henghes et al.", None, False, True, True, "9f"),
        Network("from-scratch plain-ViT", "plain", False, False, False, "9b"),
        Network("from-scratch pcm-ViT", "pcm", False, False, False, "9d"),
        Network("Inception-only", None, False, True, False, "9e"),
        Network("plain-ViT-magnitude", "plain", True, False, True, "10a"),
        Network("pcm-ViT-magnitude", "pcm", True, False, True, "10c"),
        Network("plain-AstroMAE", "plain", True, True, True, "11a"),
        Network("pcm-AstroMAE", "pcm", True, True, True, "11b"),
        Network("plain-ViT", "plain", True, False, False, "9a"),
        Network("pcm-ViT", "pcm", True, False, False, "9c"),
        Network("plain-ViT-inception", "plain", True, True, False, "10e"),
        Network("pcm-ViT-inception", "pcm", True, True, False, "10f"),
    )
}
"""The fourteen networks of Table IV, in the order of its rows."""

NETWORKS_FULL_DATA = ("Henghes et al.", "pcm-AstroMAE")
"""The two networks of Table V."""


def vit_of(sizes: Transformer, crop: int, n_bands: int, block: str = "plain") -> VisionTransformer:
    """A transformer with "plain" or "pcm" blocks; every paper's is made here."""
    return encoders.vit(
        crop,
        in_chans=n_bands,
        patch_size=sizes.patch_size,
        embed_dim=sizes.embed_dim,
        depth=sizes.depth,
        num_heads=sizes.num_heads,
        block=block,
    )


def masked(
    encoder: VisionTransformer, masking: Callable[..., Mask], sizes: Transformer, recipe: Pretraining
) -> MaskedAutoencoder:
    """The autoencoder that pretrains a transformer."""
    return MaskedAutoencoder(
        encoder,
        masking,
        decoder_embed_dim=sizes.decoder_embed_dim,
        decoder_depth=sizes.decoder_depth,
        decoder_num_heads=sizes.decoder_num_heads,
        norm_pix_loss=recipe.norm_pix_loss,
    )


def autoencoder_of(settings: Settings, block: str, n_bands: int) -> MaskedAutoencoder:
    """A masked autoencoder with "plain" or "pcm" encoder blocks (Table III)."""
    sizes, recipe = settings.transformer, settings.pretraining
    with torch.random.fork_rng():
        torch.manual_seed(settings.data.seed)
        encoder = vit_of(sizes, settings.data.crop, n_bands, block)
        return global_batch_norm(masked(encoder, RandomMask(recipe.mask_ratio), sizes, recipe))


def redshift_net_of(
    settings: Settings, name: str, seed: int, n_bands: int, *, density: bool = True
) -> RedshiftNet:
    """A row of Table IV; `density` adds the redshift density, which the paper's networks do not have."""
    row, sizes, heads = NETWORKS[name], settings.transformer, settings.heads
    binned = BinnedDensity(heads.density_z_max, heads.density_bins, heads.density_dim) if density else None
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return RedshiftNet(
            encoder=row.encoder,
            inception=row.inception,
            magnitudes=row.magnitudes,
            img_size=settings.data.crop,
            in_chans=n_bands,
            patch_size=sizes.patch_size,
            embed_dim=sizes.embed_dim,
            depth=sizes.depth,
            num_heads=sizes.num_heads,
            head_dim=heads.head_dim,
            fusion_dim=heads.fusion_dim,
            magnitude_dim=heads.magnitude_dim,
            n_magnitudes=n_bands,
            frozen=row.pretrained,
            density=binned,
        )


def reconstruction_loss(
    model: MaskedAutoencoder, batch: dict[str, Tensor], generator: Generator
) -> dict[str, Tensor]:
    """What a masked autoencoder says of a batch of "images"."""
    return {"loss": model(batch["images"], generator=generator)["loss"]}


def redshift_loss(model: nn.Module, batch: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
    """Mean squared error of z (Staylor et al. 2025, eq. 7); beside it the cross entropy of a density."""
    output = model(batch["images"], batch["magnitudes"])
    mse = F.mse_loss(output["redshift"], batch["redshift"])
    if model.density is None:
        return {"loss": mse, "mse": mse}
    entropy = model.density_loss(output["density_logits"], batch["redshift"])
    return {"loss": mse + entropy, "mse": mse, "cross_entropy": entropy}
