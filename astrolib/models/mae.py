"""Masked autoencoder (He et al. 2022) around any timm VisionTransformer with a class token."""

from collections.abc import Callable

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from astrolib.models.encoders import LayerNorm, block_factory, initialize_linear, sincos_positions
from astrolib.models.masking import Mask


class MaskedAutoencoder(nn.Module):
    """Encode the visible patches, decode all of them, and compare on the hidden ones.

    Shapes: images (B, C, H, W), N = h*w patches of p*q pixels, encoder width D, decoder width E.
    `masking` makes a `Mask`, see `astrolib.models.masking`. With `norm_pix_loss` the target is each patch
    less its mean, in units of its standard deviation.
    """

    def __init__(
        self,
        encoder: VisionTransformer,
        masking: Callable[..., Mask],
        decoder_embed_dim: int = 192,
        decoder_depth: int = 4,
        decoder_num_heads: int = 3,
        decoder_block: str = "plain",
        norm_pix_loss: bool = False,
    ):
        super().__init__()
        self.encoder = encoder
        self.masking = masking
        self.norm_pix_loss = norm_pix_loss
        self.grid_size = encoder.patch_embed.grid_size
        self.patch_size = encoder.patch_embed.patch_size
        self.in_chans = encoder.patch_embed.proj.in_channels
        patch_dim = self.patch_size[0] * self.patch_size[1] * self.in_chans

        make_block = block_factory(decoder_block, self.grid_size)
        self.decoder_embed = nn.Linear(encoder.embed_dim, decoder_embed_dim)
        self.mask_token = nn.Parameter(torch.empty(1, 1, decoder_embed_dim))
        self.decoder_pos_embed = nn.Parameter(
            sincos_positions(self.grid_size, decoder_embed_dim), requires_grad=False
        )
        self.decoder_blocks = nn.Sequential(
            *(
                make_block(decoder_embed_dim, decoder_num_heads, qkv_bias=True, norm_layer=LayerNorm)
                for _ in range(decoder_depth)
            )
        )
        self.decoder_norm = LayerNorm(decoder_embed_dim)
        self.decoder_pred = nn.Linear(decoder_embed_dim, patch_dim)

        for module in (self.decoder_embed, self.decoder_blocks, self.decoder_pred):
            initialize_linear(module)
        nn.init.normal_(self.mask_token, std=0.02)

    def patchify(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, N, p*q*C), the bands running fastest."""
        (h, w), (p, q) = self.grid_size, self.patch_size
        patches = images.reshape(-1, self.in_chans, h, p, w, q)
        patches = patches.permute(0, 2, 4, 3, 5, 1)  # (B, h, w, p, q, C)
        return patches.reshape(-1, h * w, p * q * self.in_chans)

    def unpatchify(self, patches: Tensor) -> Tensor:
        """(B, N, p*q*C) -> (B, C, H, W)."""
        (h, w), (p, q) = self.grid_size, self.patch_size
        images = patches.reshape(-1, h, w, p, q, self.in_chans)
        images = images.permute(0, 5, 1, 3, 2, 4)  # (B, C, h, p, w, q)
        return images.reshape(-1, self.in_chans, h * p, w * q)

    @torch.compiler.disable  # a generator is nothing for a compiler
    def random_masking(
        self,
        images: Tensor,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
        **geometry: Tensor,
    ) -> Mask:
        """The patches to hide, drawn per image; `noise` (B, ...) replaces the draw, and `geometry` is what
        the masking wants to know of each image."""
        n_patches = self.grid_size[0] * self.grid_size[1]
        about = {"generator": generator, "noise": noise, "device": images.device}
        return self.masking(len(images), n_patches, **about, **geometry)

    def forward_encoder(self, images: Tensor, mask: Mask | None = None) -> Tensor:
        """(B, C, H, W) -> (B, 1 + n_keep, D), class token first; all N patches in order without a mask."""
        positions = self.encoder.pos_embed
        x = self.encoder.patch_embed(images) + positions[:, 1:]  # (B, N, D)
        if mask is not None:
            x = x.gather(1, mask.keep.unsqueeze(2).expand(-1, -1, x.shape[2]))  # (B, n_keep, D)
        class_token = (self.encoder.cls_token + positions[:, :1]).expand(len(x), -1, -1)
        x = torch.cat([class_token, x], dim=1)  # (B, 1 + n_keep, D)
        return self.encoder.norm(self.encoder.blocks(x))

    def forward_decoder(self, latent: Tensor, mask: Mask) -> Tensor:
        """(B, 1 + n_keep, D) -> (B, N, p*q*C)."""
        x = self.decoder_embed(latent)  # (B, 1 + n_keep, E)
        n_hidden = mask.restore.shape[1] + 1 - x.shape[1]
        hidden = self.mask_token.to(x.dtype).expand(len(x), n_hidden, -1)
        patches = torch.cat([x[:, 1:], hidden], dim=1)  # (B, N, E), visible first
        patches = patches.gather(1, mask.restore.unsqueeze(2).expand(-1, -1, x.shape[2]))  # in image order
        x = torch.cat([x[:, :1], patches], dim=1) + self.decoder_pos_embed  # (B, 1 + N, E)
        x = self.decoder_norm(self.decoder_blocks(x))
        return self.decoder_pred(x)[:, 1:]

    def patch_statistics(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over the values of each patch, (B, N, 1) both."""
        patches = self.patchify(images)
        return patches.mean(2, keepdim=True), (patches.var(2, keepdim=True) + 1e-6).sqrt()

    def forward_loss(self, images: Tensor, prediction: Tensor, mask: Mask) -> Tensor:
        """Squared error, averaged over the values of a patch, then over the hidden patches only."""
        target = self.patchify(images)
        if self.norm_pix_loss:
            mean, std = self.patch_statistics(images)
            target = (target - mean) / std
        per_patch = (prediction.float() - target).square().mean(2)  # (B, N)
        return (per_patch * mask.mask).sum() / mask.mask.sum()

    def forward(
        self,
        images: Tensor,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
        **geometry: Tensor,
    ) -> dict[str, Tensor]:
        """The "loss", and what led to it: "latent", "prediction" and "mask" (B, N), True where hidden."""
        mask = self.random_masking(images, generator, noise, **geometry)
        latent = self.forward_encoder(images, mask)
        prediction = self.forward_decoder(latent, mask)
        loss = self.forward_loss(images, prediction, mask)
        return {"loss": loss, "prediction": prediction, "latent": latent, "mask": mask.mask}

    def pixel_mask(self, mask: Tensor) -> Tensor:
        """(B, N) -> (B, 1, H, W), True on every pixel of a hidden patch."""
        (h, w), (p, q) = self.grid_size, self.patch_size
        return mask.reshape(-1, 1, h, w).repeat_interleave(p, 2).repeat_interleave(q, 3)

    @torch.no_grad()
    def reconstruct(
        self,
        images: Tensor,
        generator: torch.Generator | None = None,
        noise: Tensor | None = None,
        **geometry: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The images with hidden patches predicted (B, C, H, W), and which pixels those are (B, 1, H, W).

        Visible patches are the input's own, pixel for pixel. Under `norm_pix_loss` the network predicts
        normalised patches; they are brought back with the mean and standard deviation of the *input's* hidden
        patches. Such a picture has the true brightness and contrast of each patch by construction: judge only
        the structure. Call it in evaluation mode.
        """
        mask = self.random_masking(images, generator, noise, **geometry)
        prediction = self.forward_decoder(self.forward_encoder(images, mask), mask).float()
        if self.norm_pix_loss:
            mean, std = self.patch_statistics(images)
            prediction = prediction * std + mean
        hidden = self.pixel_mask(mask.mask)
        return torch.where(hidden, self.unpatchify(prediction), images), hidden
