"""A2-MAE (Zhang et al. 2024, arXiv:2406.08079): one masked autoencoder over all images of a place on the sky.

Shapes: sets B, images M, bands C, N = h*w patches of each image, encoder width D, decoder width E. A batch
holds "images" (B, M, C, S, S), "key" (B, M), "geo" (B, M, 256) bits and "pixel_scale" (B, M) [arcsec].
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from astrolib.models.encoders import Block, LayerNorm, initialize_linear
from astrolib.models.masking import Mask

GEO_BITS = 256
REFERENCE_SCALE = 0.262
"""Pixel scale [arcsec] at which the scaled positions are the plain ones."""


class AnchorAwareAutoencoder(nn.Module):
    """Encode the visible patches of all images together, decode all of them, compare on the hidden ones.

    What a token is told besides its pixels: its position, with `scale` in units of the sky instead of pixels;
    with `geographic` where the set is, from HEALPix bits, in a quarter of the width (else positions take all
    of it, which lets each switch be tried alone: the released code cannot); with `slots` which image it is
    from, which the released code does not tell. With a "wavelength" (B, M, C) [nm] in the batch also that of
    its bands: an extension, needed where bands vary from set to set.

    With `norm_pix_loss` the target is each patch less its mean in units of its standard deviation, of which
    the variance is at least `least_variance`, that of the sky: else a patch of empty sky would be all noise.
    """

    def __init__(
        self,
        img_size: int,
        n_images: int,
        in_chans: int = 3,
        patch_size: int = 8,
        embed_dim: int = 128,
        depth: int = 4,
        num_heads: int = 4,
        decoder_embed_dim: int = 64,
        decoder_depth: int = 2,
        decoder_num_heads: int = 4,
        *,
        masking: Callable[..., Mask],
        geographic: bool = True,
        scale: bool = True,
        slots: bool = True,
        norm_pix_loss: bool = False,
        least_variance: float = 0.1,
    ):
        super().__init__()
        if img_size % patch_size or embed_dim % 16 or decoder_embed_dim % 4:
            raise ValueError(
                f"Images of {img_size} pixels need whole patches of {patch_size}, and positions a width of "
                f"16 times a whole number in the encoder and 4 times one in the decoder, got {embed_dim} and "
                f"{decoder_embed_dim}."
            )
        self.masking, self.scale = masking, scale
        self.norm_pix_loss, self.least_variance = norm_pix_loss, least_variance
        self.n_images, self.in_chans, self.patch_size = n_images, in_chans, patch_size
        self.side = img_size // patch_size
        self.num_features = embed_dim
        patch_dim = patch_size**2 * in_chans

        geo_dim = embed_dim // 4 if geographic else 0
        self.patch_embed = nn.Linear(patch_dim, embed_dim)
        self.position_dim = embed_dim - geo_dim
        self.geo_embed = nn.Linear(GEO_BITS, geo_dim) if geographic else None
        self.band_embed = nn.Linear(in_chans, embed_dim)
        self.slot_embed = nn.Parameter(torch.zeros(n_images, embed_dim)) if slots else None
        self.cls_token = nn.Parameter(torch.zeros(1, 1, embed_dim))
        self.blocks = nn.Sequential(
            *(Block(embed_dim, num_heads, qkv_bias=True, norm_layer=LayerNorm) for _ in range(depth))
        )
        self.norm = LayerNorm(embed_dim)

        self.decoder_embed = nn.Linear(embed_dim, decoder_embed_dim)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, decoder_embed_dim))
        self.decoder_slot_embed = nn.Parameter(torch.zeros(n_images, decoder_embed_dim)) if slots else None
        self.decoder_band_embed = nn.Linear(in_chans, decoder_embed_dim)
        self.decoder_blocks = nn.Sequential(
            *(
                Block(decoder_embed_dim, decoder_num_heads, qkv_bias=True, norm_layer=LayerNorm)
                for _ in range(decoder_depth)
            )
        )
        self.decoder_norm = LayerNorm(decoder_embed_dim)
        self.decoder_pred = nn.Linear(decoder_embed_dim, patch_dim)
        initialize_linear(self)
        for token in (self.cls_token, self.mask_token, self.slot_embed, self.decoder_slot_embed):
            if token is not None:
                nn.init.normal_(token, std=0.02)

    @property
    def n_patches(self) -> int:
        """Of one image."""
        return self.side**2

    # ---------------------------------------------------------------- pixels

    def patchify(self, images: Tensor) -> Tensor:
        """(B, M, C, S, S) -> (B, M * N, p*p*C), the bands running fastest."""
        p, side = self.patch_size, self.side
        x = images.reshape(len(images), -1, self.in_chans, side, p, side, p)
        x = x.permute(0, 1, 3, 5, 4, 6, 2)  # (B, M, h, w, p, p, C)
        return x.reshape(len(images), -1, p * p * self.in_chans)

    def unpatchify(self, patches: Tensor) -> Tensor:
        """(B, M * N, p*p*C) -> (B, M, C, S, S)."""
        p, side = self.patch_size, self.side
        x = patches.reshape(len(patches), -1, side, side, p, p, self.in_chans)
        x = x.permute(0, 1, 6, 2, 4, 3, 5)  # (B, M, C, h, p, w, p)
        return x.reshape(len(patches), -1, self.in_chans, side * p, side * p)

    def pixel_mask(self, mask: Tensor) -> Tensor:
        """(B, M * N) -> (B, M, 1, S, S), True on every pixel of a hidden patch."""
        x = mask.reshape(len(mask), -1, 1, self.side, self.side)
        return x.repeat_interleave(self.patch_size, 3).repeat_interleave(self.patch_size, 4)

    # ---------------------------------------------------------------- encoder

    def embed(self, batch: dict[str, Tensor]) -> Tensor:
        """Tokens of all patches before the encoder, (B, M * N, D)."""
        images = batch["images"]
        x = self.patch_embed(self.patchify(images)).unflatten(1, (images.shape[1], self.n_patches))
        code = self._positions(batch["pixel_scale"], self.position_dim)  # (B, M, N, .)
        if self.geo_embed is not None:
            geo = self.geo_embed(batch["geo"].to(x.dtype) - 0.5).unsqueeze(2)
            code = torch.cat([geo.expand(-1, -1, self.n_patches, -1), code], dim=3)
        x = x + code
        if self.slot_embed is not None:
            x = x + self.slot_embed.unsqueeze(1)
        if "wavelength" in batch:
            x = x + self.band_embed(_colour(batch["wavelength"])).unsqueeze(2)
        return x.flatten(1, 2)

    def encode(self, tokens: Tensor, keep: Tensor | None = None) -> Tensor:
        """(B, M * N, D) -> (B, 1 + n_keep, D), class token first; all tokens without `keep` (B, n_keep)."""
        if keep is not None:
            tokens = tokens.gather(1, keep.unsqueeze(2).expand(-1, -1, tokens.shape[2]))
        x = torch.cat([self.cls_token.expand(len(tokens), -1, -1), tokens], dim=1)
        return self.norm(self.blocks(x))

    def tokens(self, batch: dict[str, Tensor], slots: list[int] | None = None) -> Tensor:
        """Encoded patches (B, len(slots), N, D) of unmasked images, seen together; by default of all."""
        slots = list(range(self.n_images)) if slots is None else slots
        x = self.embed(batch).unflatten(1, (self.n_images, self.n_patches))[:, slots]
        return self.encode(x.flatten(1, 2))[:, 1:].unflatten(1, (len(slots), self.n_patches))

    def features(self, batch: dict[str, Tensor], slots: list[int] | None = None) -> Tensor:
        """Mean of these tokens, (B, D)."""
        return self.tokens(batch, slots).mean(dim=(1, 2))

    # ---------------------------------------------------------------- decoder

    def decode(self, latent: Tensor, mask: Mask, batch: dict[str, Tensor]) -> Tensor:
        """(B, 1 + n_keep, D) -> (B, M * N, p*p*C)."""
        x = self.decoder_embed(latent)
        n_hidden = mask.restore.shape[1] + 1 - x.shape[1]
        hidden = self.mask_token.to(x.dtype).expand(len(x), n_hidden, -1)
        patches = torch.cat([x[:, 1:], hidden], dim=1)  # visible first
        patches = patches.gather(1, mask.restore.unsqueeze(2).expand(-1, -1, x.shape[2]))  # in order
        patches = patches.unflatten(1, (self.n_images, self.n_patches))
        patches = patches + self._positions(batch["pixel_scale"], patches.shape[3])
        if self.decoder_slot_embed is not None:
            patches = patches + self.decoder_slot_embed.unsqueeze(1)
        if "wavelength" in batch:
            patches = patches + self.decoder_band_embed(_colour(batch["wavelength"])).unsqueeze(2)
        x = torch.cat([x[:, :1], patches.flatten(1, 2)], dim=1)
        return self.decoder_pred(self.decoder_norm(self.decoder_blocks(x)))[:, 1:]

    def target(self, images: Tensor) -> Tensor:
        """What each patch is compared with, (B, M * N, p*p*C)."""
        patches = self.patchify(images)
        if not self.norm_pix_loss:
            return patches
        spread = patches.var(dim=2, keepdim=True).clamp(min=self.least_variance).sqrt()
        return (patches - patches.mean(dim=2, keepdim=True)) / spread

    def forward(
        self,
        batch: dict[str, Tensor],
        generator: torch.Generator | None = None,
        mask: Mask | None = None,
    ) -> dict[str, Tensor]:
        """The "loss" over hidden patches, and "prediction", "latent" and "mask" (B, M * N), True if hidden.

        A given `mask` takes the place of a drawn one.
        """
        images = batch["images"]
        if mask is None:
            about = {"generator": generator, "device": images.device}
            mask = self.masking(batch["key"], self.n_patches, **about)
        latent = self.encode(self.embed(batch), mask.keep)
        prediction = self.decode(latent, mask, batch)
        per_patch = (prediction.float() - self.target(images)).square().mean(2)  # (B, M * N)
        loss = (per_patch * mask.mask).sum() / mask.mask.sum()
        return {"loss": loss, "prediction": prediction, "latent": latent, "mask": mask.mask}

    def _positions(self, pixel_scale: Tensor, dim: int) -> Tensor:
        """Sin-cos of row and column, (B, M, N, dim); in units of the sky with `scale`."""
        index = torch.arange(self.side, device=pixel_scale.device, dtype=torch.float32)
        if self.scale:
            step = pixel_scale.unsqueeze(2) / REFERENCE_SCALE  # (B, M, 1)
            index = (index - (self.side - 1) / 2) * step  # from the middle, which all images share
        else:
            index = index.expand(*pixel_scale.shape, -1)
        rates = torch.exp(
            torch.arange(dim // 4, device=index.device) * (-math.log(10_000) / max(1, dim // 4))
        )
        angle = index.unsqueeze(3) * rates  # (B, M, side, dim / 4)
        wave = torch.cat([angle.sin(), angle.cos()], dim=3)  # (B, M, side, dim / 2)
        rows, columns = wave.unsqueeze(3), wave.unsqueeze(2)
        shape = (*wave.shape[:2], self.side, self.side, dim // 2)
        both = torch.cat([rows.expand(shape), columns.expand(shape)], dim=4)
        return both.flatten(2, 3)


def _colour(wavelength: Tensor) -> Tensor:
    """Wavelengths [nm] as numbers of order one."""
    return torch.log(wavelength.float() / 600)
