import torch
from torch import nn
from torch.nn import functional as F

from astrolib.bench.operations import operations, traffic


def test_operations_of_a_linear_layer_by_hand():
    """7 rows of 3 to 5: forward, the weight's gradient and, if it is wanted, the input's."""
    layer, forward = nn.Linear(3, 5), 2 * 7 * 3 * 5
    x = torch.randn(7, 3)
    with torch.no_grad():
        assert operations(lambda: layer(x)) == forward
    assert operations(lambda: layer(x).sum()) == 2 * forward
    assert operations(lambda: layer(x.requires_grad_()).sum()) == 3 * forward


def test_operations_of_a_convolution_by_hand():
    layer = nn.Conv2d(2, 4, 3, bias=False)
    with torch.no_grad():
        assert operations(lambda: layer(torch.zeros(1, 2, 5, 5))) == 2 * (3 * 3) * (2 * 4 * 9)


def test_attention_is_counted_on_a_cpu_too():
    """Two products of 6 x 8 by 8 x 6 and 6 x 6 by 6 x 8 for each of 2 heads."""
    q, k, v = (torch.randn(1, 2, 6, 8) for _ in range(3))
    assert operations(lambda: F.scaled_dot_product_attention(q, k, v)) == 2 * 2 * (2 * 6 * 6 * 8)


def test_traffic_counts_frozen_weights_once():
    model = nn.Sequential(nn.Linear(3, 5, bias=False), nn.Linear(5, 2, bias=False))
    assert traffic(model, 100) == 40 * 25 + 100
    model[0].weight.requires_grad_(False)
    assert traffic(model, 0) == 4 * 15 + 40 * 10
    assert traffic(model, 0, training=False) == 4 * 25
