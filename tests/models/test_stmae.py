import numpy as np
import pytest
import torch

from astrolib.data.detector import knn_graph
from astrolib.models.dual_masking import EdgeGraph, StarMask, TimePatchMask, biased_walk_mask
from astrolib.models.graph_backbones import AGCRN, DCRNN, MTGNN
from astrolib.models.stmae import (
    DualMaskedAutoencoder,
    FluxEmbedding,
    Forecaster,
    edge_loss,
    masked_l1,
    predict_systematics,
)

N, WIDTH, TIMES = 24, 6, 12
GRAPH = knn_graph(np.random.default_rng(0).uniform(0, 1000, (N, 2)), 4)
EDGES = EdgeGraph(GRAPH)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def autoencoder(backbone=AGCRN, **settings):
    torch.manual_seed(0)
    embedding = FluxEmbedding(WIDTH)
    return DualMaskedAutoencoder(backbone(GRAPH, WIDTH), N, WIDTH, TIMES, embedding=embedding, **settings)


def windows(n=4):
    x = torch.randn(n, TIMES, N, 1, generator=generator(1))
    observed = torch.rand(n, TIMES, N, generator=generator(2)) > 0.1
    return x, observed


backbones = pytest.mark.parametrize("backbone", [AGCRN, DCRNN, MTGNN], ids=lambda backbone: backbone.__name__)


@backbones
def test_nothing_hidden_reaches_the_encoder(backbone):
    model, (x, observed) = autoencoder(backbone), windows()
    hidden = TimePatchMask(0.5, 2, "per_node")(4, TIMES, N, generator=generator())
    edges = biased_walk_mask(EDGES, 0.3, rng=generator())
    x.requires_grad_()
    found = model(x, observed, hidden, *edges)
    found["prediction"].square().sum().backward()
    visible = observed & ~hidden
    assert not x.grad.squeeze(3)[~visible].any()
    assert x.grad.squeeze(3)[visible].any()
    changed = torch.where(visible.unsqueeze(3), x.detach(), 1e3)
    again = model(changed, observed, hidden, *edges)
    assert torch.equal(again["prediction"], found["prediction"])
    assert torch.equal(again["logits"], found["logits"])


@backbones
def test_hidden_edges_carry_no_message(backbone):
    """Star 5 with all its edges hidden is summarised as if it were alone."""
    model, (x, observed) = autoencoder(backbone), windows()
    keep = torch.ones(N, N)
    keep[5] = keep[:, 5] = 0
    keep[5, 5] = 1
    summary = model.summarize(x, observed, keep)
    others = torch.where(torch.arange(N)[:, None] == 5, x, 7.0)
    assert torch.allclose(model.summarize(others, observed, keep)[:, 5], summary[:, 5], atol=1e-6)
    assert not torch.allclose(model.summarize(others, observed, None)[:, 5], summary[:, 5], atol=1e-3)


def test_the_feature_loss_counts_what_is_hidden_and_was_observed():
    model, (x, observed) = autoencoder(), windows()
    hidden = TimePatchMask(0.3, 2, "per_node")(4, TIMES, N, generator=generator())
    found = model(x, observed, hidden)
    counts = (observed & hidden).numpy()
    error = np.abs((found["prediction"] - x).detach().squeeze(3).numpy())
    assert found["feature_loss"].item() == pytest.approx(error[counts].mean(), rel=1e-5)
    assert found["loss"].item() == found["feature_loss"].item()
    assert found["logits"].shape == (4, 0)
    spoilt = torch.where(observed.unsqueeze(3), x, 1e6)
    assert torch.equal(model(spoilt, observed, hidden)["loss"], found["loss"])
    assert masked_l1(x, x + 1, torch.zeros_like(observed)).item() == 0


def test_the_structure_loss_is_that_of_the_inner_products():
    model, (x, observed) = autoencoder(structure_weight=2.0), windows()
    edges = biased_walk_mask(EDGES, 0.3, rng=generator())
    found = model(x, observed, None, *edges)
    summary = model.summarize(x, observed, edges.keep)
    full = summary @ summary.transpose(1, 2)
    i, j = torch.cat([edges.hidden_edges, edges.non_edges]).T
    assert torch.allclose(found["logits"], full[:, i, j], atol=1e-5)
    n = len(edges.hidden_edges)
    likelihood = torch.cat([full[:, i, j][:, :n].sigmoid(), 1 - full[:, i, j][:, n:].sigmoid()], dim=1)
    assert found["structure_loss"].item() == pytest.approx(-likelihood.log().mean().item(), rel=1e-4)
    assert found["loss"].item() == pytest.approx(2 * found["structure_loss"].item())


def test_without_negatives_any_large_logit_is_right():
    """Fault 1 of the released code: the loss of a network that knows nothing."""
    logits = torch.full((3, 40), 10.0)
    assert edge_loss(logits, 20, negatives=False) < 1e-3
    assert edge_loss(logits, 20) > 4
    assert edge_loss(torch.zeros(3, 40), 20).item() == pytest.approx(np.log(2))


@backbones
def test_fine_tuning_is_the_plain_backbone(backbone):
    model, (x, observed) = autoencoder(backbone), windows()
    torch.manual_seed(1)
    forecaster = Forecaster(model.backbone, model.embedding, WIDTH, n_out=5)
    plain = model.backbone(model.embedding.linear(x))
    everything = torch.ones_like(observed)
    nothing = torch.zeros_like(observed)
    assert torch.equal(model.summarize(x, everything & ~nothing, torch.ones(N, N)), plain)
    forecast = forecaster(x, everything)
    assert forecast.shape == (4, 5, N, 1)
    assert torch.equal(forecast.squeeze(3), forecaster.predictor(plain).transpose(1, 2))


@backbones
def test_a_few_steps_lower_the_loss(backbone):
    """Each star is constant in a window. Stars share nothing, so edges can only be learnt by heart."""
    model, rng = autoencoder(backbone), generator()
    common = torch.randn(64, 1, N, 1, generator=rng).expand(-1, TIMES, -1, -1).contiguous()
    observed = torch.ones(64, TIMES, N, dtype=torch.bool)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    history = []
    for _ in range(30):
        hidden = TimePatchMask(0.3, 2, "per_node")(64, TIMES, N, generator=rng)
        found = model(common, observed, hidden, *biased_walk_mask(EDGES, 0.3, rng=rng))
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
        history.append([found["feature_loss"].item(), found["loss"].item()])
    first, last = np.mean(history[:3], axis=0), np.mean(history[-3:], axis=0)
    assert (last < 0.8 * first).all()


def test_systematics_of_a_star_never_come_from_the_star():
    model = autoencoder().eval()
    flux = torch.randn(31, N, generator=generator(5))  # two windows and a rest of seven cadences
    observed = torch.rand(31, N, generator=generator(6)) > 0.05
    found = predict_systematics(model, flux, observed, generator=generator(), n_groups=4)
    assert found.isfinite().all()
    changed = flux.clone()
    changed[:, 3] += 10
    again = predict_systematics(model, changed, observed, generator=generator(), n_groups=4)
    assert torch.equal(again[:, 3], found[:, 3])
    assert not torch.equal(again, found)


def test_systematics_are_learnt_under_a_mask_of_stars():
    """All stars are alike and constant in a window: the others tell everything."""
    rng, model = generator(), autoencoder(DCRNN)
    levels = torch.randn(64, generator=rng).repeat_interleave(TIMES)
    flux = levels[:, None].expand(-1, N).contiguous()
    optimizer = torch.optim.Adam(model.parameters(), 2e-2)
    x = flux.view(64, TIMES, N, 1)
    for _ in range(40):
        hidden = StarMask(0.2)(64, TIMES, N, generator=rng)
        found = model(x, torch.ones_like(hidden), hidden)
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
    left = flux - predict_systematics(model.eval(), flux, flux == flux, generator=rng)
    assert left.abs().mean() < 0.3 * flux.abs().mean()


def test_a_graph_of_other_stars_is_refused():
    with pytest.raises(ValueError, match="graph of 24 stars, not of 25"):
        DualMaskedAutoencoder(AGCRN(GRAPH, WIDTH), 25, WIDTH, TIMES, embedding=FluxEmbedding(WIDTH))
