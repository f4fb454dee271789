"""Informer encoder of light curves (Zhou et al. 2021) as in AstroM3, with full or ProbSparse attention."""

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from astrolib.models.attention import attend


def sincos_positions(length: int, dim: int) -> Tensor:
    """Fixed positions (1, L, D): even channels sine, odd ones cosine, base 10000."""
    position = torch.arange(length, dtype=torch.float32)[:, None]
    rate = torch.exp(-math.log(10000.0) * torch.arange(0, dim, 2) / dim)
    table = torch.zeros(length, dim)
    table[:, 0::2], table[:, 1::2] = torch.sin(position * rate), torch.cos(position * rate)
    return table[None]


class TokenEmbedding(nn.Module):
    """Each point with its two neighbours; the ends of the curve are neighbours too."""

    def __init__(self, in_channels: int, d_model: int):
        super().__init__()
        self.conv = nn.Conv1d(in_channels, d_model, 3, padding=1, padding_mode="circular", bias=False)
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_in", nonlinearity="leaky_relu")

    def forward(self, x: Tensor) -> Tensor:
        # The convolution as one product: several times faster for few channels on a CPU.
        near = torch.cat([x.roll(1, dims=1), x, x.roll(-1, dims=1)], dim=2)  # B, L, 3C
        return F.linear(near, self.conv.weight.permute(0, 2, 1).flatten(1))  # B, L, D


class Attention(nn.Module):
    """Projections that both kinds of attention share."""

    def __init__(self, d_model: int, n_heads: int):
        super().__init__()
        self.n_heads = n_heads
        self.query, self.key, self.value, self.out = (nn.Linear(d_model, d_model) for _ in range(4))

    def heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values (B, H, L, d) of tokens (B, L, D)."""
        weight = torch.cat([self.query.weight, self.key.weight, self.value.weight])
        bias = torch.cat([self.query.bias, self.key.bias, self.value.bias])
        qkv = F.linear(x, weight, bias).unflatten(2, (3, self.n_heads, -1))
        return qkv.permute(2, 0, 3, 1, 4).unbind(0)


class FullAttention(Attention):
    """Scaled dot-product attention among the measured points."""

    def forward(self, x: Tensor, keys: Tensor) -> Tensor:
        """Tokens (B, L, D); `keys` (B, 1, 1, L) is True where a point may be looked at."""
        mixed = attend(*self.heads(x), keys)  # B, H, L, d
        return self.out(mixed.transpose(1, 2).flatten(2))


class ProbSparseAttention(Attention):
    """Attention of the reference code: few active queries, no mask, heads and positions mixed up.

    The ceil(ln L) queries that stand out most by a random sample of as many keys attend to all points,
    padding included; every other position gets the mean of all values. The result (B, H, L, d) is then read
    as (B, L, D) without moving the axis of the heads back: output position t holds head t * H // L only. The
    published weights were trained with this (AstroM3 card, section 5.1).

    The sampled keys of each query are drawn anew in every call, in evaluation too, where the tokens are (the
    reference draws on the CPU and copies), unless `table` (L, u) holds them.
    """

    def __init__(self, d_model: int, n_heads: int):
        super().__init__(d_model, n_heads)
        self.register_buffer("table", None, persistent=False)

    @staticmethod
    def draw(
        length: int, generator: torch.Generator | None = None, device: torch.device | str = "cpu"
    ) -> Tensor:
        """Sampled keys (L, u) of each query, with replacement; the generator, if given, is of the device."""
        size = (length, math.ceil(math.log(length)))
        return torch.randint(length, size, generator=generator, device=device)

    @staticmethod
    def sampled_scores(q: Tensor, k: Tensor, table: Tensor) -> Tensor:
        """Products of queries and keys (B, H, L, d) by the table (L, u), (B, H, L, u)."""
        # All products and a choice among them: one large product is cheaper than to gather u keys a query.
        return (q @ k.transpose(-2, -1)).gather(3, table.expand(*q.shape[:2], -1, -1))

    def forward(self, x: Tensor, keys: Tensor) -> Tensor:
        """Tokens (B, L, D); `keys` is ignored."""
        q, k, v = self.heads(x)  # B, H, L, d
        length, width = q.shape[2:]
        table = self.draw(length, device=x.device) if self.table is None else self.table
        with torch.no_grad():  # which queries are active has no gradient
            sampled = self.sampled_scores(q, k, table)
            stands_out = sampled.amax(-1) - sampled.sum(-1) / length  # B, H, L
            top = stands_out.topk(table.shape[1], dim=-1).indices[..., None].expand(-1, -1, -1, width)
        attended = attend(q.gather(2, top), k, v)  # B, H, u, d
        mixed = v.mean(dim=2, keepdim=True).expand_as(v).scatter(2, top, attended)
        return self.out(mixed.reshape(x.shape))


class EncoderLayer(nn.Module):
    """Attention and a feed-forward network, each added and then normalised."""

    def __init__(self, d_model: int, n_heads: int, d_ff: int, dropout: float, attention: str):
        super().__init__()
        kind = {"full": FullAttention, "probsparse": ProbSparseAttention}[attention]
        self.attention = kind(d_model, n_heads)
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.up, self.down = nn.Linear(d_model, d_ff), nn.Linear(d_ff, d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, keys: Tensor) -> Tensor:
        x = self.norm1(x + self.dropout(self.attention(x, keys)))
        y = self.dropout(F.gelu(self.up(x)))
        return self.norm2(x + self.dropout(self.down(y)))


class InformerEncoder(nn.Module):
    """Light curves (B, L, C) to features (B, L * D), zero at padded points (AstroM3 card, section 4.1).

    Parameters
    ----------
    in_channels, n_points : int
        C and L.
    attention : {"full", "probsparse"}
        "full" looks at measured points only; "probsparse" is the reference's behaviour. Both have the same
        parameters, but the weights of one are no use to the other.
    dropout : float
        Of the layers and the output; that of the embedding is 0.1, as in the reference, unless this is 0.

    Notes
    -----
    What stands in padded rows has no influence with "full": they are set to zero before the embedding, whose
    convolution would carry them into the measured points beside them.
    """

    def __init__(
        self,
        in_channels: int = 9,
        n_points: int = 200,
        d_model: int = 128,
        n_heads: int = 4,
        n_layers: int = 8,
        d_ff: int = 512,
        *,
        dropout: float = 0.1,
        attention: Literal["full", "probsparse"] = "full",
    ):
        super().__init__()
        if attention not in ("full", "probsparse"):
            raise ValueError(f'attention is {attention!r}; it must be "full" or "probsparse".')
        if d_model % n_heads or d_model % 2:
            raise ValueError(f"d_model {d_model} must be even and a multiple of n_heads {n_heads}.")
        self.embedding = TokenEmbedding(in_channels, d_model)
        self.register_buffer("positions", sincos_positions(n_points, d_model), persistent=False)
        self.embedding_dropout = nn.Dropout(0.1 if dropout else 0.0)
        self.layers = nn.ModuleList(
            EncoderLayer(d_model, n_heads, d_ff, dropout, attention) for _ in range(n_layers)
        )
        self.norm = nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)
        self.attention, self.n_points = attention, n_points
        self.out_features = n_points * d_model

    def freeze_sampling(self, generator: torch.Generator | None = None) -> None:
        """Draw the sampled keys of each layer once and keep them, so that evaluation can be repeated.

        Raises
        ------
        ValueError
            If the attention is "full", which samples nothing.
        """
        if self.attention != "probsparse":
            raise ValueError('Only attention="probsparse" samples keys; "full" is the same in every call.')
        for layer in self.layers:
            table = ProbSparseAttention.draw(self.n_points, generator)
            layer.attention.table = table.to(self.positions.device)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """Light curves (B, L, C) and their mask (B, L), 1 at measured points -> (B, L * D)."""
        measured = mask > 0
        if self.attention == "full":
            x = x.masked_fill(~measured[:, :, None], 0.0)
        tokens = self.embedding_dropout(self.embedding(x) + self.positions)  # B, L, D
        # A star without any point looks at all of them, so that nothing is NaN; its output is masked anyway.
        keys = (measured | ~measured.any(dim=1, keepdim=True))[:, None, None, :]
        for layer in self.layers:
            tokens = layer(tokens, keys)
        return (self.dropout(self.norm(tokens)) * mask[:, :, None]).flatten(1)
