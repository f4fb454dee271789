import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from astrolib.models.barlow_twins import (
    LOSSES,
    BarlowTwins,
    Projector,
    cross_correlation,
    off_diagonal,
    standardize,
)
from astrolib.models.encoders import vit
from astrolib.models.resnet import small_resnet


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def pair(n=32, d=6, noise=0.5):
    """Correlated embeddings, of other means and widths in each dimension."""
    z = normal(n, d)
    scale, shift = 1 + torch.arange(d), torch.arange(d) - 2.0
    return tuple((z + noise * normal(n, d, seed=seed)) * scale + shift for seed in (1, 2))


class Given(nn.Module):
    """A network whose embeddings are its inputs."""

    def __new__(cls, **options):
        model = BarlowTwins(nn.Identity(), 6, 6, **options)
        model.projector = nn.Identity()
        return model


def reference(z1, z2, lam, eps=1e-5):
    """The card's own wording of the official loss (section 2)."""
    n = z1.shape[0]
    z1 = (z1 - z1.mean(0)) / torch.sqrt(z1.var(0, unbiased=False) + eps)
    z2 = (z2 - z2.mean(0)) / torch.sqrt(z2.var(0, unbiased=False) + eps)
    c = z1.T @ z2 / n
    on = (torch.diagonal(c) - 1).pow(2).sum()
    off = c.pow(2).sum() - torch.diagonal(c).pow(2).sum()
    return on + lam * off, on, off, c


# ---------------------------------------------------------------- the matrix


def test_off_diagonal_has_the_other_elements_in_row_order():
    found = off_diagonal(torch.arange(16).reshape(4, 4))
    assert found.tolist() == [1, 2, 3, 4, 6, 7, 8, 9, 11, 12, 13, 14]


def test_standardising_is_batch_norm_without_affine_parameters():
    z, _ = pair()
    assert_close(standardize(z), nn.BatchNorm1d(6, affine=False)(z))


def test_cross_correlation_is_pearsons():
    z_a, z_b = pair()
    expected = np.corrcoef(z_a.double(), z_b.double(), rowvar=False)[:6, 6:]  # rows: of view a
    assert_close(cross_correlation(z_a, z_b), torch.tensor(expected).float(), rtol=0, atol=2e-5)


def test_shards_with_global_statistics_add_up_to_the_batch():
    z_a, z_b = pair()
    a, b = standardize(z_a), standardize(z_b)
    shards = sum(x.T @ y for x, y in zip(a.chunk(4), b.chunk(4), strict=True)) / len(a)
    assert_close(shards, cross_correlation(z_a, z_b))


# ---------------------------------------------------------------- the loss


@pytest.mark.parametrize("weight", [0.0051, 0.3])
def test_loss_is_the_reference_and_names_its_parts(weight):
    z_a, z_b = pair()
    found = Given(redundancy_weight=weight)(z_a, z_b)
    loss, on, off, c = reference(z_a, z_b, weight)
    expected = {"loss": loss, "on": on, "off": off, "correlation": c, "diagonal": c.diagonal().mean()}
    expected |= {"off_square": off / 30, "z_a": z_a, "z_b": z_b}
    assert_close({name: found[name] for name in expected}, expected)
    assert all(found[name].shape == () for name in ("loss", "on", "off", "diagonal", "off_square"))


def test_equal_views_have_no_invariance_loss():
    z, _ = pair()
    assert Given()(standardize(z), standardize(z))["on"] < 1e-6


@pytest.mark.parametrize(("n", "d"), [(256, 64), (2048, 512)])
def test_independent_embeddings_have_squared_correlations_of_one_over_n(n, d):
    found = Given()(normal(n, d), normal(n, d, seed=1))
    assert found["off_square"] == pytest.approx(1 / n, rel=0.05)
    # (1 - C_ii)^2 has the mean 1 + 1/n; of d of them, nearly all of the scatter is that of 2 C_ii.
    assert found["on"] == pytest.approx(d * (1 + 1 / n), abs=4 * 2 * math.sqrt(d / n))
    assert_close(found["loss"], found["on"] + 0.0051 * found["off"])


def test_positive_affine_maps_leave_the_loss_and_rotations_do_not():
    model, (z_a, z_b) = Given(redundancy_weight=1.0), pair()
    loss = model(z_a, z_b)["loss"]
    scale, shift = torch.linspace(0.5, 20, 6), torch.linspace(-9, 7, 6)
    assert_close(model(z_a * scale + shift, z_b * scale.flip(0) - shift)["loss"], loss, rtol=1e-4, atol=0)
    rotation = torch.linalg.qr(normal(6, 6)).Q
    assert abs(model(z_a @ rotation, z_b @ rotation)["loss"] / loss - 1) > 0.1


def test_collapse_is_not_a_minimum():
    z_a, z_b = (torch.ones(16, 6, requires_grad=True) for _ in "ab")
    found = Given()(z_a, z_b)
    found["loss"].backward()
    assert found["loss"] == 6 and found["correlation"].abs().max() == 0
    assert z_a.grad.isfinite().all() and z_b.grad.isfinite().all()


def test_exchanging_the_views_transposes_the_matrix():
    z_a, z_b = pair()
    found, other = Given()(z_a, z_b), Given()(z_b, z_a)
    assert_close(found["correlation"], other["correlation"].T)
    assert_close(found["loss"], other["loss"])


def test_the_loss_is_float32_under_autocast():
    model = BarlowTwins(nn.Linear(12, 16), 16, 32, predictor=True)
    x_a, x_b = normal(64, 12), normal(64, 12, seed=1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(x_a, x_b)
        z_a, z_b = pair()
        inside = cross_correlation(z_a, z_b)
    assert found["z_a"].dtype == torch.bfloat16  # else this shows nothing
    assert all(value.dtype == torch.float32 for value in found.values() if value.ndim == 0)
    assert found["correlation"].dtype == torch.float32
    assert torch.equal(inside, cross_correlation(z_a, z_b))
    assert found["loss"].isfinite()


# ---------------------------------------------------------------- Table 5


def by_hand(loss, z_a, z_b, weight=0.3, temperature=0.1):
    """Table 5 (card, section 6) in NumPy, float64."""
    z_a, z_b = z_a.double().numpy(), z_b.double().numpy()
    n, d = z_a.shape
    centred = [z - z.mean(0) for z in (z_a, z_b)]
    scaled = [z / np.sqrt(z.var(0) + 1e-5) for z in centred]
    c = scaled[0].T @ scaled[1] / n
    if loss == "feature-normalised":
        unit = [z / np.linalg.norm(z, axis=1, keepdims=True) for z in scaled]
        c = unit[0].T @ unit[1]
    if loss == "no-batch-norm-covariance":
        c = centred[0].T @ centred[1] / n
    others = c[~np.eye(d, dtype=bool)]
    on, off = ((1 - np.diag(c)) ** 2).sum(), (others**2).sum()
    if loss == "cross-entropy":
        on = -np.log(np.exp(np.diag(c) / temperature).sum())
        off = np.log(np.exp(np.maximum(others, 0) / temperature).sum())
    return {"invariance": on, "redundancy": weight * off}.get(loss, on + weight * off)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_rows_of_table_5(loss):
    z_a, z_b = pair()
    found = Given(loss=loss, redundancy_weight=0.3)(z_a, z_b)
    assert found["loss"].item() == pytest.approx(by_hand(loss, z_a, z_b), rel=1e-4)
    usual = Given()(z_a, z_b)  # what is reported beside the loss does not depend on it
    assert all(torch.equal(found[name], usual[name]) for name in ("on", "off", "diagonal", "off_square"))


def test_only_the_named_rows_go_without_batch_norm_in_the_projector():
    def norms(loss):
        projector = BarlowTwins(nn.Identity(), 6, 8, loss=loss).projector
        return sum(isinstance(layer, nn.BatchNorm1d) for layer in projector)

    without = {"no-batch-norm", "no-batch-norm-covariance"}
    assert {loss: norms(loss) for loss in LOSSES} == {loss: 0 if loss in without else 2 for loss in LOSSES}


def test_the_temperature_is_that_of_the_cross_entropy():
    z_a, z_b = pair()
    found = Given(loss="cross-entropy", redundancy_weight=0.3, temperature=0.5)(z_a, z_b)
    assert found["loss"].item() == pytest.approx(
        by_hand("cross-entropy", z_a, z_b, temperature=0.5), rel=1e-4
    )


def trained(loss, steps=120):
    """A linear map fitted to views of 8 quantities, of which the last 4 are noise; found on fresh views."""
    torch.manual_seed(0)
    model = Given(loss=loss, redundancy_weight=0.1)
    model.projector = nn.Linear(8, 6, bias=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)

    def views(seed):
        kept = normal(256, 4, seed=seed)
        return tuple(torch.cat([kept, normal(256, 4, seed=seed + 1000 * k)], dim=1) for k in (1, 2))

    for step in range(steps):
        optimizer.zero_grad()
        model(*views(step))["loss"].backward()
        optimizer.step()
    with torch.no_grad():
        return model(*views(999))


def test_each_term_alone_does_half_of_the_work():
    both, invariance, redundancy = (trained(loss) for loss in ("both", "invariance", "redundancy"))
    assert both["diagonal"] > 0.6 and both["off_square"] < 0.2
    assert invariance["diagonal"] > 0.95 and invariance["off_square"] > 2 * both["off_square"]
    assert redundancy["off_square"] < 0.02 and redundancy["diagonal"] < 0.6


def test_an_unknown_loss_is_refused():
    with pytest.raises(ValueError, match="loss must be one of both, .*cross-entropy, not 'covariance'"):
        BarlowTwins(nn.Identity(), 6, loss="covariance")


# ---------------------------------------------------------------- Table 6


@pytest.mark.parametrize("predictor", [False, True], ids=["no predictor", "predictor"])
def test_stop_gradient_holds_back_the_branch_of_view_b(predictor):
    x_a, x_b = (normal(16, 6, seed=seed).requires_grad_() for seed in (0, 1))
    model = BarlowTwins(nn.Identity(), 6, 8, stop_gradient=True, predictor=predictor)
    model(x_a, x_b)["loss"].backward()
    assert x_a.grad.abs().max() > 0 and x_b.grad is None
    free = BarlowTwins(nn.Identity(), 6, 8, predictor=predictor)
    free(x_a, x_b)["loss"].backward()
    assert x_b.grad.abs().max() > 0


def test_the_predictor_sees_view_a_only():
    model = BarlowTwins(nn.Identity(), 6, 8, predictor=True)
    kinds = [type(layer) for layer in model.predictor]
    assert kinds == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    seen = []
    model.predictor.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    found = model(normal(16, 6), normal(16, 6, seed=1))
    assert len(seen) == 1 and torch.equal(seen[0], found["z_a"])
    p_a = model.predictor(found["z_a"])
    assert_close(found["correlation"], cross_correlation(p_a, found["z_b"]).detach())
    assert BarlowTwins(nn.Identity(), 6).predictor is None


# ---------------------------------------------------------------- the network


@pytest.mark.parametrize("n_layers", [1, 2, 3])
def test_projector_of_the_paper(n_layers):
    projector = Projector(5, 7, n_layers)
    linear = [layer for layer in projector if isinstance(layer, nn.Linear)]
    assert [layer.weight.shape for layer in linear] == [(7, 5), (7, 7), (7, 7)][:n_layers]
    assert all(layer.bias is None for layer in linear)
    block = [nn.Linear, nn.BatchNorm1d, nn.ReLU]
    assert [type(layer) for layer in projector] == block * (n_layers - 1) + [nn.Linear]
    assert projector(normal(4, 5)).shape == (4, 7)


def test_views_pass_one_after_the_other():
    """Batch normalisation inside the encoder is per view (card, section 3.1)."""
    norm = nn.BatchNorm1d(6, affine=False)
    model = BarlowTwins(norm, 6, 8)
    found = model(normal(32, 6), 5 + normal(32, 6, seed=1))
    assert norm.num_batches_tracked == model.projector[1].num_batches_tracked == 2
    assert_close(found["r_a"].mean(0), torch.zeros(6), rtol=0, atol=1e-6)


def test_features_of_vectors_and_of_tokens():
    images = normal(3, 2, 16, 16)
    resnet, transformer = (
        small_resnet(2, (4, 4, 8, 8)).eval(),
        vit(16, in_chans=2, embed_dim=8, depth=1, num_heads=2),
    )
    assert torch.equal(BarlowTwins(resnet, 8).features(images), resnet(images))
    tokens = transformer(images)  # B, 1 + 4, 8
    assert_close(BarlowTwins(transformer, 8).features(images), tokens[:, 1:].mean(dim=1))


def test_only_the_loss_carries_gradients_and_all_parameters_get_one():
    model = BarlowTwins(small_resnet(2, (4, 4, 8, 8)), 8, 6, predictor=True)
    found = model(normal(8, 2, 16, 16), normal(8, 2, 16, 16, seed=1))
    assert [name for name, value in found.items() if value.requires_grad] == ["loss"]
    found["loss"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
