"""Scaled dot-product attention by whichever of two equal ways is faster where the tensors are."""

import torch
from torch import Tensor
from torch.nn import functional as F

FEW_TOKENS = 64
"""Up to here plain matrix products are faster than PyTorch's kernel on a CPU, in single precision."""


def products_pay(x: Tensor, n_tokens: int) -> bool:
    """Whether plain products are the faster way for `n_tokens` tokens on the device of `x`.

    PyTorch's CPU kernel works in blocks that the few patches of a stamp do not fill, and it is slow in
    bfloat16 at any length.
    """
    if x.device.type != "cpu":
        return False
    return n_tokens <= FEW_TOKENS or x.dtype == torch.bfloat16 or torch.is_autocast_enabled("cpu")


def attend(q: Tensor, k: Tensor, v: Tensor, keys: Tensor | None = None) -> Tensor:
    """Softmax of q k^T / sqrt(d), times v.

    Queries (B, H, Q, d), keys and values (B, H, K, d) -> (B, H, Q, d); `keys` (B, 1, 1, K) is True where a
    key may be looked at.
    """
    if not products_pay(q, k.shape[2]):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=keys)
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)  # B, H, Q, K
    if keys is not None:
        scores = scores + torch.zeros_like(keys, dtype=scores.dtype).masked_fill_(~keys, -torch.inf)
    return scores.softmax(dim=-1) @ v


class FasterWay:
    """Mixed into an attention of timm's, which knows both ways (`fused_attn`): told at each call which."""

    def forward(self, x: Tensor, *arguments, **options) -> Tensor:
        self.fused_attn = not products_pay(x, x.shape[1])
        return super().forward(x, *arguments, **options)
