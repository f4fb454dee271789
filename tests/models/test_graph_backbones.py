import numpy as np
import pytest
import torch
from torch import nn

from astrolib.data.detector import knn_graph
from astrolib.models.graph_backbones import AGCRN, DCRNN, MTGNN

N, WIDTH, TIMES = 24, 6, 12
POSITION = np.random.default_rng(0).uniform(0, 1000, (N, 2))
GRAPH = knn_graph(POSITION, 3)
BACKBONES = [AGCRN, DCRNN, MTGNN]


@pytest.fixture(params=BACKBONES, ids=lambda backbone: backbone.__name__)
def backbone(request):
    torch.manual_seed(0)
    return request.param(GRAPH, WIDTH, layers=2)


def series(n_samples=3):
    return torch.randn(n_samples, TIMES, N, WIDTH, generator=torch.Generator().manual_seed(1))


def test_every_star_has_a_summary_and_every_parameter_a_gradient(backbone):
    summary = backbone(series())
    assert summary.shape == (3, N, WIDTH)
    (summary * torch.randn(summary.shape, generator=torch.Generator().manual_seed(2))).sum().backward()
    unused = [name for name, p in backbone.named_parameters() if p.grad is None or not p.grad.any()]
    assert unused == []


def test_windows_do_not_mix(backbone):
    x = series()
    assert torch.allclose(backbone(x)[1:2], backbone(x[1:2]), atol=1e-6)


def test_all_visible_is_as_without_a_mask(backbone):
    assert torch.equal(backbone(series()), backbone(series(), torch.ones(N, N)))


@torch.enable_grad()
def influence(backbone, star, keep=None):
    """Which stars' input has a part in the summary of `star`."""
    x = series(1).requires_grad_()
    backbone(x, keep)[0, star].square().sum().backward()
    return x.grad[0].abs().sum(dim=(0, 2)) > 0


def test_information_travels_along_edges_only(backbone):
    """A star in a component of its own knows nothing of the rest, whatever weights are learned."""
    apart = GRAPH.copy()
    apart[:4, 4:] = apart[4:, :4] = 0
    torch.manual_seed(0)
    model = type(backbone)(apart, WIDTH, layers=2)
    assert not influence(model, 2)[4:].any()
    assert influence(model, 2)[:4].any()


def test_a_hidden_edge_carries_nothing(backbone):
    keep = torch.ones(N, N)
    keep[7] = keep[:, 7] = 0
    keep[7, 7] = 1
    seen = influence(backbone, 7, keep)
    assert seen[7] and seen.sum() == 1
    assert influence(backbone, 7).sum() > 1


def test_what_is_earlier_matters(backbone):
    x = series(1).requires_grad_()
    backbone(x)[0, 0].square().sum().backward()
    assert (x.grad[0].abs().sum(dim=(1, 2)) > 0).all()


def test_agcrn_is_its_equations():
    """One layer, star by star and step by step, as card section 4.1 writes them."""
    torch.manual_seed(3)
    model = AGCRN(GRAPH, WIDTH)
    with torch.no_grad():
        (cell,) = model.cells
        nn.init.normal_(cell.bias)
        nodes, x = model.nodes, series(1)
        support = torch.as_tensor(GRAPH > 0) * torch.exp((nodes @ nodes.T).relu())
        support = support / support.sum(1, keepdim=True)
        h = torch.zeros(N, WIDTH)
        weights = torch.einsum("nd,dio->nio", nodes, cell.pool_x)
        gates = torch.einsum("nd,dio->nio", nodes, cell.pool_gates)
        state = torch.einsum("nd,dio->nio", nodes, cell.pool_state)
        bias = torch.einsum("nd,do->no", nodes, cell.bias[:, 0])

        def conv(values, weight):
            both = torch.cat([values, support @ values], dim=1)
            return torch.einsum("ni,nio->no", both, weight)

        for step in range(TIMES):
            from_x = conv(x[0, step], weights) + bias
            z, r = torch.sigmoid(from_x[:, : 2 * WIDTH] + conv(h, gates)).chunk(2, dim=1)
            candidate = torch.tanh(from_x[:, 2 * WIDTH :] + conv(z * h, state))
            h = r * h + (1 - r) * candidate
        assert torch.allclose(model(x)[0], h, atol=1e-5)


def test_dcrnn_diffuses_by_a_random_walk():
    model = DCRNN(GRAPH, WIDTH)
    walk = torch.as_tensor(GRAPH / GRAPH.sum(1, keepdims=True))
    x = torch.randn(N, 2, WIDTH)
    diffused = model.cells[0].diffuse(x, walk)
    twice = torch.einsum("ij,jk,kbf->ibf", walk, walk, x)
    assert torch.allclose(diffused[..., 2 * WIDTH :], twice, atol=1e-6)


def test_mtgnn_gives_each_edge_one_direction():
    outgoing, incoming = MTGNN(GRAPH, WIDTH).supports(None)
    off = ~torch.eye(N, dtype=torch.bool)
    assert not ((outgoing > 0) & (outgoing.T > 0) & off).any()
    assert torch.equal((outgoing > 0) & off, (incoming.T > 0) & off)
    assert torch.equal(((outgoing > 0) | (incoming > 0)), torch.as_tensor(GRAPH > 0))


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_mtgnn_takes_windows_of_any_length(layers):
    model = MTGNN(GRAPH, WIDTH, layers=layers, n_times=6)
    assert model(series()[:, :6]).shape == (3, N, WIDTH)
