"""Both ways of attention are the same function; which one is taken follows from where the tensors are."""

import pytest
import torch
from torch.nn import functional as F

from astrolib.models import attention
from astrolib.models.attention import attend, products_pay
from astrolib.models.encoders import vit


def tensors(n_queries, n_keys, dtype=torch.float32):
    generator = torch.Generator().manual_seed(n_queries)
    made = [torch.randn(3, 2, n, 16, generator=generator) for n in (n_queries, n_keys, n_keys)]
    keys = torch.rand(3, 1, 1, n_keys, generator=generator) < 0.6
    keys[..., 0] = True
    return [each.to(dtype).requires_grad_() for each in made], keys


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 2e-2)])
@pytest.mark.parametrize("sizes", [(5, 5), (17, 17), (6, 100), (100, 100)])
def test_attention_is_pytorchs(sizes, dtype, tolerance, masked):
    (q, k, v), keys = tensors(*sizes, dtype)
    keys = keys if masked else None
    found = attend(q, k, v, keys)
    gradients = torch.autograd.grad(found.float().square().sum(), (q, k, v))
    exact = [each.detach().double().requires_grad_() for each in (q, k, v)]
    expected = F.scaled_dot_product_attention(*exact, attn_mask=keys)
    expected_gradients = torch.autograd.grad(expected.square().sum(), exact)
    for one, other in zip((found, *gradients), (expected, *expected_gradients), strict=True):
        error = (one.double() - other).norm() / other.norm()
        assert error < tolerance


def test_products_are_for_few_tokens_or_bfloat16_on_a_cpu():
    x = torch.zeros(1)
    assert products_pay(x, 17) and not products_pay(x, 200)
    assert products_pay(x.bfloat16(), 200)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert products_pay(x, 200)
    assert not products_pay(torch.zeros(1, device="meta"), 17)


@pytest.mark.parametrize("block", ["plain", "pcm"])
def test_a_transformer_gives_the_same_either_way(monkeypatch, block):
    torch.manual_seed(0)
    encoder, images = (
        vit(32, embed_dim=64, depth=2, num_heads=2, block=block).eval(),
        torch.randn(2, 5, 32, 32),
    )
    products, taken = encoder(images), []
    kernel = F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda *given, **named: taken.append(1) or kernel(*given, **named)
    )
    monkeypatch.setattr(attention, "FEW_TOKENS", 0)
    torch.testing.assert_close(products, encoder(images), rtol=1e-4, atol=1e-5)
    assert len(taken) == 2  # the second time PyTorch's kernel, in each of two blocks
