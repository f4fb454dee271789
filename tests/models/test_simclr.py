import pytest
import torch
from scipy.special import logsumexp
from torch import nn
from torch.testing import assert_close

from astrolib.models.barlow_twins import cross_correlation, off_diagonal
from astrolib.models.resnet import small_resnet
from astrolib.models.simclr import SimCLR


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def given(**options):
    """A network whose embeddings are its inputs."""
    model = SimCLR(nn.Identity(), 6, **options)
    model.projector = nn.Identity()
    return model


def by_hand(z_a, z_b, temperature):
    """Equation 1 of the paper, a sum over all ordered positive pairs; and how many views find theirs."""
    z = torch.cat([z_a, z_b]).double()
    z, n = (z / z.norm(dim=1, keepdim=True)).numpy(), len(z_a)
    total, right = 0.0, 0
    for i in range(2 * n):
        partner = (i + n) % (2 * n)
        others = [k for k in range(2 * n) if k != i]
        s = {k: z[i] @ z[k] / temperature for k in others}
        total += logsumexp(list(s.values())) - s[partner]
        right += max(s, key=s.get) == partner
    return total / (2 * n), right / (2 * n)


@pytest.mark.parametrize("temperature", [0.05, 0.2, 1.0])
def test_loss_and_accuracy_are_those_of_the_paper(temperature):
    z = normal(12, 6)
    z_a, z_b = z + 0.7 * normal(12, 6, seed=1), 3 * (z + 0.7 * normal(12, 6, seed=2))
    found = given(temperature=temperature)(z_a, z_b)
    loss, accuracy = by_hand(z_a, z_b, temperature)
    assert found["loss"].item() == pytest.approx(loss, rel=1e-5)
    assert found["accuracy"].item() == pytest.approx(accuracy) and 0.2 < accuracy < 0.9


def test_equal_views_find_each_other_and_shuffled_ones_do_not():
    z = normal(12, 6)
    assert given()(z, z)["accuracy"] == 1
    assert given()(z, z.roll(1, 0))["accuracy"] == 0


def test_the_correlation_is_that_of_barlow_twins():
    z_a, z_b = normal(16, 6), normal(16, 6, seed=1)
    found, c = given()(z_a, z_b), cross_correlation(z_a, z_b)
    assert_close(found["correlation"], c)
    assert_close(found["diagonal"], c.diagonal().mean())
    assert_close(found["off_square"], off_diagonal(c).square().mean())
    assert torch.equal(found["z_a"], z_a) and torch.equal(found["z_b"], z_b)


def test_the_projector_has_two_layers_and_features_come_before_it():
    encoder = small_resnet(2, (4, 4, 8, 8)).eval()
    model, images = SimCLR(encoder, 8, 6), normal(4, 2, 16, 16)
    assert [type(layer) for layer in model.projector] == [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    assert torch.equal(model.features(images), encoder(images))


def test_views_pass_one_after_the_other():
    """As in Barlow Twins, so that the two differ in the loss alone."""
    model = SimCLR(nn.BatchNorm1d(6), 6, 8)
    model(normal(32, 6), 5 + normal(32, 6, seed=1))
    assert model.encoder.num_batches_tracked == model.projector[1].num_batches_tracked == 2


def test_only_the_loss_carries_gradients_and_all_parameters_get_one():
    model = SimCLR(small_resnet(2, (4, 4, 8, 8)), 8, 6)
    found = model(normal(8, 2, 16, 16), normal(8, 2, 16, 16, seed=1))
    assert [name for name, value in found.items() if value.requires_grad] == ["loss"]
    found["loss"].backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_the_loss_is_float32_under_autocast():
    model = SimCLR(nn.Linear(12, 16), 16, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = model(normal(64, 12), normal(64, 12, seed=1))
    assert found["z_a"].dtype == torch.bfloat16  # else this shows nothing
    assert all(value.dtype == torch.float32 for value in found.values() if value.ndim == 0)
    loss, _ = by_hand(found["z_a"].float(), found["z_b"].float(), 0.2)
    assert found["loss"].item() == pytest.approx(loss, rel=1e-5)


def test_training_brings_partners_together():
    torch.manual_seed(0)
    model = SimCLR(nn.Linear(8, 8), 8, 8)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    kept, accuracy = normal(64, 4), []
    for step in range(60):
        views = (torch.cat([kept, normal(64, 4, seed=2 * step + k)], dim=1) for k in (1, 2))
        found = model(*views)
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
        accuracy.append(found["accuracy"].item())
    assert sum(accuracy[-5:]) > 2 * sum(accuracy[:5])
