from pathlib import Path

import pytest
import torch
from processes import found_in_worlds
from torch import nn
from torch.testing import assert_close

from astrolib.models.distributed import (
    GlobalBatchNorm,
    by_share,
    gather_all,
    global_batch_norm,
    global_moments,
    sum_all,
)
from astrolib.models.resnet import small_resnet

CASES = ("both", "stop-gradient-predictor", "feature-normalised", "covariance", "cross-entropy", "simclr")
WORLDS = (2, 4)


# ---------------------------------------------------------------- one process


def test_sums_in_one_process_are_the_tensor_itself():
    tensor = torch.arange(6.0).reshape(3, 2)
    assert sum_all(tensor) is tensor and gather_all(tensor) is tensor and by_share(tensor, tensor) is tensor


@pytest.mark.parametrize("shape", [(7, 3), (7, 3, 4), (7, 3, 4, 5)], ids=str)
def test_moments_are_torchs(shape):
    x = 3 + 2 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
    mean, variance, n = global_moments(x)
    flat = x.transpose(0, 1).flatten(1)
    assert_close(mean, flat.mean(1))
    assert_close(variance, flat.var(1, unbiased=False))
    assert n == flat.shape[1]


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.BatchNorm2d], ids=["1d", "2d"])
@pytest.mark.parametrize("momentum", [0.1, None], ids=str)
def test_global_batch_norm_in_one_process_is_batch_norm(kind, momentum):
    g = torch.Generator().manual_seed(0)
    usual, ours = kind(3, momentum=momentum), global_batch_norm(kind(3, momentum=momentum))
    assert type(ours) is GlobalBatchNorm
    results = []
    for norm in (usual, ours):
        nn.init.constant_(norm.weight, 1.5)
        x = torch.randn(6, 3, *(4, 5)[: kind is nn.BatchNorm2d and 2], generator=g.manual_seed(1))
        x.requires_grad_()
        y = norm(x)
        norm(2 * x).square().sum().backward()
        results.append((y, x.grad, norm.weight.grad, *norm.buffers(), norm.eval()(x)))
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_conversion_keeps_parameters_and_names_and_leaves_other_layers():
    net = nn.ModuleDict(
        {"a": small_resnet(2, (4, 4, 8, 8)), "b": nn.Sequential(nn.LayerNorm(4), nn.BatchNorm1d(4))}
    )
    state, parameters = net.state_dict(), list(net.parameters())
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    assert global_batch_norm(net) is net
    assert [type(m) for m in norms] == [GlobalBatchNorm] * len(norms) and len(norms) == 13
    assert type(net["b"][0]) is nn.LayerNorm
    assert net.state_dict().keys() == state.keys()
    assert all(a is b for a, b in zip(net.parameters(), parameters, strict=True))


def test_batch_norm_of_single_numbers_is_refused():
    with pytest.raises(ValueError, match=r"needs \(B, C, ...\), got \(3,\)"):
        GlobalBatchNorm(3)(torch.zeros(3))


# ---------------------------------------------------------------- several processes


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What one process, two and four found: (world, rank) -> case -> values, gradients, buffers."""
    script, folder = Path(__file__).with_name("children.py"), tmp_path_factory.mktemp("ranks")
    return found_in_worlds(script, folder, WORLDS)


@pytest.mark.parametrize(
    ("world", "case", "rows"),
    [(2, case, 15) for case in CASES]
    + [(2, "both", 16), (2, "simclr", 16), (4, "both", 15), (4, "simclr", 15)],
)
def test_processes_give_the_loss_and_the_gradients_of_one(found, world, case, rows):
    alone = found[1, 0][case, rows]
    assert all(gradient.abs().max() > 1e-6 for gradient in alone["gradients"].values())
    for rank in range(world):
        shared = found[world, rank][case, rows]
        assert_close(shared["values"], alone["values"], rtol=1e-4, atol=1e-5)
        assert_close(shared["correlation"], alone["correlation"], rtol=1e-4, atol=1e-5)
        assert_close(shared["buffers"], alone["buffers"], rtol=1e-4, atol=1e-5)
        for name, gradient in alone["gradients"].items():
            tolerance = 1e-4 * gradient.abs().max().item()
            assert_close(shared["gradients"][name], gradient, rtol=1e-3, atol=tolerance, msg=name)


@pytest.mark.parametrize("world", WORLDS)
def test_a_plain_sum_of_the_matrix_applies_a_fraction_of_the_gradient(found, world):
    """Not a wish but the fault that `sum_all` avoids (card, section 3.5): right loss, gradient / W."""
    alone, plain = found[1, 0]["both", 15], found[world, 0]["plain sum"]
    assert_close(plain["values"]["loss"], alone["values"]["loss"], rtol=1e-4, atol=1e-5)
    for name, gradient in alone["gradients"].items():
        ratio = (plain["gradients"][name] * gradient).sum() / gradient.square().sum()
        assert ratio == pytest.approx(1 / world, rel=1e-3), name


@pytest.mark.parametrize("world", WORLDS)
def test_batch_norm_that_is_not_global_changes_the_loss(found, world):
    loss, local = found[1, 0]["both", 15]["values"]["loss"], found[world, 0]["local batch norm"]
    assert abs(local["values"]["loss"] / loss - 1) > 1e-3


@pytest.mark.parametrize("world", WORLDS)
def test_sums_and_their_gradients_by_hand(found, world):
    total = world * (world + 1) / 2  # 1 + 2 + ... + W, of the factors and of the losses' weights
    for rank in range(world):
        sums = found[world, rank]["sums"]
        assert sums["sum"].tolist() == [total, 2 * total]
        # The loss of process k is (k + 1) |s|^2 of the sum s: all of them together give 2 s (1 + ... + W).
        assert sums["gradient"].tolist() == [2 * total * total, 4 * total * total]
        order = [float(k) for k in range(world) for _ in range(k + 1)]  # k + 1 rows of process k
        assert sums["rows"].tolist() == [[k, k] for k in order]
        assert sums["rows gradient"].tolist() == [[total, 0.0]] * (rank + 1)
