import math

import pytest
import torch
from torch import nn

from astrolib.models.informer import FullAttention, InformerEncoder, ProbSparseAttention, sincos_positions

POINTS = 40


def encoder(attention="full", dropout=0.0, **sizes):
    torch.manual_seed(0)
    sizes = {"in_channels": 5, "n_points": POINTS, "d_model": 16, "n_layers": 2, "d_ff": 24} | sizes
    return InformerEncoder(**sizes, dropout=dropout, attention=attention)


def curves(n_stars=3, measured=25):
    """Light curves and their mask; the first `measured` points are real."""
    torch.manual_seed(1)
    mask = torch.zeros(n_stars, POINTS)
    mask[:, :measured] = 1
    return torch.randn(n_stars, POINTS, 5), mask


@pytest.mark.parametrize("attention", ["full", "probsparse"])
def test_parameters_are_the_cards(attention):
    with torch.device("meta"):
        model = InformerEncoder(attention=attention)
    count = {name: sum(p.numel() for p in module.parameters()) for name, module in model.named_children()}
    assert count["embedding"] == 3_456
    assert count["layers"] == 8 * 198_272
    assert count["norm"] == 256
    assert sum(count.values()) == 1_589_888
    assert model.out_features == 25_600
    assert "positions" not in model.state_dict()


@pytest.mark.parametrize("attention", ["full", "probsparse"])
def test_features_are_flat_in_order_of_time_and_zero_at_padded_points(attention):
    model = encoder(attention)
    x, mask = curves()
    features = model(x, mask)
    assert features.shape == (3, model.out_features)
    by_point = features.reshape(3, POINTS, 16)
    assert (by_point[:, 25:] == 0).all()
    assert (by_point[:, :25].abs().sum(2) > 0).all()


def test_positions_are_sines_and_cosines():
    table = sincos_positions(50, 8)[0]
    k, i = 37, 2
    angle = k / 10000 ** (2 * i / 8)
    assert table[k, 2 * i].item() == pytest.approx(math.sin(angle), abs=1e-5)
    assert table[k, 2 * i + 1].item() == pytest.approx(math.cos(angle), abs=1e-5)


def test_token_embedding_is_a_circular_convolution():
    model = encoder()
    x, _ = curves()
    expected = model.embedding.conv(x.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(model.embedding(x), expected)
    changed = x.clone()
    changed[:, -1] += 1
    moved = (model.embedding(changed) - model.embedding(x)).abs().sum((0, 2)) > 1e-6
    assert moved.nonzero().flatten().tolist() == [0, POINTS - 2, POINTS - 1]


def test_full_attention_is_pytorchs():
    torch.manual_seed(0)
    ours, oracle = FullAttention(16, 4), nn.MultiheadAttention(16, 4, batch_first=True)
    with torch.no_grad():
        oracle.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key.weight, ours.value.weight]))
        oracle.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key.bias, ours.value.bias]))
        oracle.out_proj.load_state_dict(ours.out.state_dict())
    x, real = torch.randn(3, 20, 16), torch.arange(20) < torch.tensor([[20], [13], [1]])
    expected, _ = oracle(x, x, x, key_padding_mask=~real)
    torch.testing.assert_close(ours(x, real[:, None, None, :]), expected, atol=1e-6, rtol=1e-5)


def test_layers_are_pytorchs_post_norm_layers():
    model = encoder()
    x, mask = curves()
    tokens = model.embedding(x.masked_fill(mask[:, :, None] == 0, 0)) + model.positions
    for layer in model.layers:
        oracle = nn.TransformerEncoderLayer(16, 4, 24, 0.0, "gelu", batch_first=True)
        attention = layer.attention
        projections = (attention.query, attention.key, attention.value)
        oracle.self_attn.in_proj_weight.data = torch.cat([p.weight.data for p in projections])
        oracle.self_attn.in_proj_bias.data = torch.cat([p.bias.data for p in projections])
        oracle.self_attn.out_proj.load_state_dict(attention.out.state_dict())
        for ours, theirs in (("up", "linear1"), ("down", "linear2"), ("norm1", "norm1"), ("norm2", "norm2")):
            getattr(oracle, theirs).load_state_dict(getattr(layer, ours).state_dict())
        tokens = oracle(tokens, src_key_padding_mask=mask == 0)
    expected = (model.norm(tokens) * mask[:, :, None]).flatten(1)
    torch.testing.assert_close(model(x, mask), expected, atol=1e-5, rtol=1e-5)


def slow_probsparse(attention, x, table):
    """Section 5.1 of the card, star by star, head by head and query by query."""
    n_stars, length, width = x.shape
    heads, d = attention.n_heads, width // attention.n_heads
    u = math.ceil(math.log(length))
    contexts = torch.zeros(n_stars, heads, length, d)
    for b in range(n_stars):
        q, k, v = (getattr(attention, name)(x[b]) for name in ("query", "key", "value"))
        for h in range(heads):
            part = slice(h * d, (h + 1) * d)
            score = torch.zeros(length)
            for i in range(length):
                sampled = torch.stack([q[i, part] @ k[j, part] for j in table[i].tolist()])
                score[i] = sampled.max() - sampled.sum() / length
            contexts[b, h] = v[:, part].mean(0)
            for i in score.argsort(descending=True)[:u].tolist():
                weights = (k[:, part] @ q[i, part] / math.sqrt(d)).softmax(0)
                contexts[b, h, i] = weights @ v[:, part]
    return contexts


def test_probsparse_is_the_cards_slow_loop_with_the_same_table():
    torch.manual_seed(0)
    attention = ProbSparseAttention(16, 4)
    attention.table = ProbSparseAttention.draw(24)
    assert attention.table.shape == (24, 4)
    x = torch.randn(2, 24, 16)
    with torch.no_grad():
        contexts = slow_probsparse(attention, x, attention.table)
        expected = attention.out(contexts.reshape(2, 24, 16))
        torch.testing.assert_close(attention(x, None), expected, atol=1e-6, rtol=1e-5)
        merged = attention.out(contexts.transpose(1, 2).reshape(2, 24, 16))
        assert (attention(x, None) - merged).abs().max() > 0.01


def test_probsparse_row_t_holds_four_positions_of_head_t_div_50():
    torch.manual_seed(0)
    attention = ProbSparseAttention(128, 4)
    attention.table = ProbSparseAttention.draw(200)
    assert attention.table.shape == (200, 6)
    attention.out = nn.Identity()
    x = torch.randn(1, 200, 128)
    with torch.no_grad():
        rows = attention(x, None)[0]
        contexts = slow_probsparse(attention, x, attention.table)[0]  # heads, points, 32
    for t in (0, 49, 50, 123, 199):
        first = 4 * (t % 50)
        expected = torch.cat([contexts[t // 50, first + i] for i in range(4)])
        torch.testing.assert_close(rows[t], expected, atol=1e-6, rtol=1e-5)


def test_sampling_is_random_in_evaluation_from_the_cpu_generator_until_it_is_frozen():
    model = encoder("probsparse").eval()
    x, mask = curves()
    torch.manual_seed(3)
    first, second = model(x, mask), model(x, mask)
    assert not torch.equal(first, second)
    torch.manual_seed(3)
    assert torch.equal(model(x, mask), first)
    model.freeze_sampling(torch.Generator().manual_seed(5))
    frozen = model(x, mask)
    assert torch.equal(model(x, mask), frozen)
    assert not torch.equal(model.layers[0].attention.table, model.layers[1].attention.table)
    model.freeze_sampling(torch.Generator().manual_seed(5))
    assert torch.equal(model(x, mask), frozen)
    assert not any("table" in name for name in model.state_dict())
    with pytest.raises(ValueError, match="probsparse"):
        encoder("full").freeze_sampling()


def test_full_attention_ignores_padded_rows_and_the_parity_variant_does_not():
    x, mask = curves()
    changed = x.clone()
    changed[:, 25:] = torch.randn(3, POINTS - 25, 5) * 50
    full, parity = encoder("full"), encoder("probsparse")
    parity.freeze_sampling(torch.Generator().manual_seed(0))
    assert torch.equal(full(changed, mask), full(x, mask))
    changed[:, 25:] = torch.nan
    assert torch.equal(full(changed, mask), full(x, mask))
    changed[:, 25:] = 3.0
    assert (parity(changed, mask) - parity(x, mask)).abs().max() > 0.01


def test_padded_rows_take_no_gradient():
    x, mask = curves()
    x.requires_grad_()
    encoder()(x, mask).square().sum().backward()
    assert (x.grad[:, 25:] == 0).all()
    assert (x.grad[:, :25].abs().sum(2) > 0).all()


@pytest.mark.parametrize("attention", ["full", "probsparse"])
def test_a_star_without_a_light_curve_gives_zeros_and_finite_gradients(attention):
    model = encoder(attention)
    x, mask = curves()
    x[1], mask[1] = 0, 0
    alone = encoder(attention)(x[[0, 2]], mask[[0, 2]])
    features = model(x.requires_grad_(), mask)
    features.square().sum().backward()
    assert (features[1] == 0).all()
    assert torch.isfinite(x.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters())
    if attention == "full":
        torch.testing.assert_close(features[[0, 2]], alone)


def test_dropout_acts_in_training_only():
    model, (x, mask) = encoder(dropout=0.3), curves()
    assert not torch.equal(model(x, mask), model(x, mask))
    model.eval()
    assert torch.equal(model(x, mask), model(x, mask))
    model = encoder(dropout=0.0)
    assert torch.equal(model(x, mask), model(x, mask))


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="probsparse"):
        encoder("sparse")
    with pytest.raises(ValueError, match="multiple of n_heads"):
        encoder(d_model=18)
