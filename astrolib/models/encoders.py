"""Vision transformers for multi-band images: timm's, with fixed positions and plain or PCM blocks."""

from collections.abc import Callable
from functools import partial

import torch.nn.functional as F
from timm.layers import build_sincos2d_pos_embed, to_2tuple
from timm.models import beit, vision_transformer
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from astrolib.models.attention import FasterWay

LayerNorm = partial(nn.LayerNorm, eps=1e-6)


def sincos_positions(grid_size: tuple[int, int], embed_dim: int) -> Tensor:
    """Fixed 2-D sin-cos positions with a row of zeros for the class token, (1, 1 + h*w, D).

    The columns are [sin x, cos x, sin y, cos y], the order of the published MAE weights.
    """
    if embed_dim % 4:
        raise ValueError(f"embed_dim must be a multiple of 4 for sin-cos positions, got {embed_dim}.")
    table = build_sincos2d_pos_embed(list(grid_size), embed_dim, interleave_sin_cos=True)  # (h*w, D), y first
    table = table.roll(embed_dim // 2, dims=1)
    return F.pad(table, (0, 0, 1, 0)).unsqueeze(0)


class Attention(FasterWay, vision_transformer.Attention):
    """timm's, the faster way."""


class KeyBiasFreeAttention(FasterWay, beit.Attention):
    """timm's of BEiT, the faster way."""


class Block(vision_transformer.Block):
    """timm's transformer block; its attention takes the faster way."""

    def __init__(self, dim: int, num_heads: int, **options):
        super().__init__(dim, num_heads, **options)
        self.attn.__class__ = Attention  # the same parameters; timm's constructors differ between versions


class PCMBlock(Block):
    """Transformer block with a parallel convolution module (PCM) beside the attention (Wang et al. 2022).

    The PCM reads the block's input before the norm and adds to the patch tokens only: the class token gets no
    PCM term. Queries and values have a learned bias, keys have none.

    A 1x1 kernel treats each token alone, so it also takes the visible patches of a masked image. A larger
    kernel mixes neighbours and therefore needs every patch of the grid, in order.
    """

    def __init__(
        self,
        dim: int,
        num_heads: int,
        *,
        grid_size: tuple[int, int],
        kernel_size: int = 1,
        groups: int | None = None,
        **block_options,
    ):
        super().__init__(dim, num_heads, **block_options)
        self.attn = KeyBiasFreeAttention(dim, num_heads, qkv_bias=True)
        self.grid_size = grid_size
        self.kernel_size = kernel_size
        convolution = partial(
            nn.Conv2d, kernel_size=kernel_size, padding=kernel_size // 2, groups=groups or dim // 4
        )
        self.pcm = nn.Sequential(
            convolution(dim, 4 * dim), nn.BatchNorm2d(4 * dim), nn.SiLU(), convolution(4 * dim, dim)
        )

    def forward(self, x: Tensor) -> Tensor:
        y = x + self.drop_path1(self.ls1(self.attn(self.norm1(x))))  # (B, 1 + n, D)
        y = y + F.pad(self._local(x[:, 1:]), (0, 0, 1, 0))
        return y + self.drop_path2(self.ls2(self.mlp(self.norm2(y))))

    def _local(self, patches: Tensor) -> Tensor:
        n, (height, width) = patches.shape[1], self.grid_size
        if n != height * width:
            if self.kernel_size > 1:
                raise ValueError(
                    f"A PCM with kernel_size={self.kernel_size} mixes neighbouring patches and needs all "
                    f"{height} x {width} of them, but got {n}: masked images need kernel_size=1."
                )
            height, width = n, 1  # any shape will do: a 1x1 kernel sees no neighbours
        image = patches.transpose(1, 2).unflatten(2, (height, width))  # (B, D, h, w)
        return self.pcm(image).flatten(2).transpose(1, 2)  # (B, n, D)


def block_factory(
    block: str, grid_size: tuple[int, int], kernel_size: int = 1, groups: int | None = None
) -> Callable[..., nn.Module]:
    """The class that makes the blocks named "plain" or "pcm"; usable as timm's `block_fn`."""
    if block == "plain":
        return Block
    if block == "pcm":
        return partial(PCMBlock, grid_size=grid_size, kernel_size=kernel_size, groups=groups)
    raise ValueError(f'block must be "plain" or "pcm", got {block!r}.')


def initialize_linear(module: nn.Module) -> None:
    """The MAE start of every linear layer in `module`: Xavier uniform weights, zero biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def vit(
    img_size: int | tuple[int, int],
    in_chans: int = 5,
    patch_size: int | tuple[int, int] = 8,
    embed_dim: int = 192,
    depth: int = 12,
    num_heads: int = 3,
    block: str = "plain",
    kernel_size: int = 1,
    groups: int | None = None,
    n_features: int = 0,
) -> VisionTransformer:
    """A timm `VisionTransformer` with a class token, fixed sin-cos positions and the MAE start.

    `block` is "plain" or "pcm"; `kernel_size` and `groups` (default `embed_dim // 4`) are the PCM's.
    With `n_features = 0` the output is the normed tokens (B, 1 + N, D). Else the mean of the patch tokens
    goes through `fc_norm` and a linear `head`, (B, n_features); both keep PyTorch's own start.
    """
    img_size, patch_size = to_2tuple(img_size), to_2tuple(patch_size)
    if img_size[0] % patch_size[0] or img_size[1] % patch_size[1]:
        raise ValueError(
            f"An image of {img_size[0]} x {img_size[1]} pixels is not a whole number of patches of "
            f"{patch_size[0]} x {patch_size[1]} pixels: crop the images or change patch_size."
        )
    grid_size = (img_size[0] // patch_size[0], img_size[1] // patch_size[1])
    encoder = VisionTransformer(
        img_size=img_size,
        patch_size=patch_size,
        in_chans=in_chans,
        num_classes=n_features,
        global_pool="avg" if n_features else "",
        embed_dim=embed_dim,
        depth=depth,
        num_heads=num_heads,
        norm_layer=LayerNorm,
        block_fn=block_factory(block, grid_size, kernel_size, groups),
        weight_init="skip",
    )
    initialize_linear(encoder.blocks)
    nn.init.xavier_uniform_(encoder.patch_embed.proj.weight.view(embed_dim, -1))  # a linear layer
    nn.init.normal_(encoder.cls_token, std=0.02)
    encoder.pos_embed = nn.Parameter(sincos_positions(grid_size, embed_dim), requires_grad=False)
    return encoder
