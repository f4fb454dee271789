"""The network that predicts occupied pixels: no leak, its losses, and that it learns what it should."""

import pytest
import torch
from torch.nn import functional as F

from astrolib.models.masking import radial_visibility
from astrolib.models.occupancy import LOSSES, OccupancyNet, occupancy_loss


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(6, 5, 32, 32, generator=generator)
    visible = radial_visibility((32, 32), torch.full((6, 2), 15.5), 0.7, 12, generator=generator)
    return images, visible


def _net(**options):
    torch.manual_seed(0)
    return OccupancyNet(5, (4, 8, 8, 8), **options)


@pytest.mark.parametrize("training", [True, False])
def test_nothing_hidden_reaches_the_output(batch, training):
    images, visible = batch
    net = _net().train(training)
    images = images.clone().requires_grad_()
    (net(images, visible).square().sum() + net.features(images, visible).sum()).backward()
    hidden = (~visible).expand_as(images)
    assert (images.grad[hidden] == 0).all() and (images.grad[~hidden] != 0).all()


def test_features_hold_where_nothing_was_seen_at_zero(batch):
    images, visible = batch
    features, shown = _net().encode(images, visible)
    assert features.shape == (6, 16, 4, 4) and shown.shape == (6, 1, 4, 4)
    expected = F.max_pool2d(visible.float(), 8)
    assert torch.equal(shown, expected)
    assert (features[(shown == 0).expand_as(features)] == 0).all()


def test_the_whole_image_is_the_same_as_no_mask(batch):
    images, _ = batch
    net = _net().eval()
    everything = torch.ones_like(images[:, :1], dtype=torch.bool)
    assert torch.equal(net.features(images), net.features(images, everything))
    assert net(images, everything).shape == (6, 1, 32, 32)
    assert _net(flux=True)(images, everything).shape == images.shape


def test_losses_by_hand(batch):
    images, visible = batch
    target = images[:, :1] > 0.5
    logits = torch.randn(6, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    each = F.binary_cross_entropy_with_logits(logits, target.float(), reduction="none")
    hidden = ~visible
    found = {kind: occupancy_loss(logits, target, visible, kind) for kind in ("dense", "hidden", "weighted")}
    assert torch.allclose(found["dense"], each.mean())
    assert torch.allclose(found["hidden"], each[hidden].mean())
    balanced = (each[hidden & target].mean() + each[hidden & ~target].mean()) / 2
    assert torch.allclose(found["weighted"], balanced)
    guess = torch.zeros_like(images)
    wrong = images.square()[hidden.expand_as(images)].mean()
    assert torch.allclose(occupancy_loss(guess, images, visible, "flux"), wrong)


@pytest.mark.parametrize("kind", LOSSES)
def test_losses_of_images_without_a_hidden_or_occupied_pixel_are_finite(kind):
    images, everything = torch.zeros(2, 1, 8, 8), torch.ones(2, 1, 8, 8, dtype=torch.bool)
    target = images if kind == "flux" else images > 1
    assert occupancy_loss(torch.zeros(2, 1, 8, 8), target, everything, kind).isfinite()


def test_an_unknown_loss_is_refused(batch):
    images, visible = batch
    with pytest.raises(ValueError, match="must be one of dense, hidden, weighted, flux"):
        occupancy_loss(images[:, :1], visible, visible, "sparse")


@pytest.mark.slow
def test_it_learns_to_continue_a_disc():
    """Discs of many sizes: a few sectors tell the radius, and with it every hidden pixel."""
    generator = torch.Generator().manual_seed(0)
    torch.manual_seed(0)
    net, centre = OccupancyNet(1, (8, 16, 16, 16)), torch.full((64, 2), 15.5)
    y, x = torch.meshgrid(torch.arange(32.0) - 15.5, torch.arange(32.0) - 15.5, indexing="ij")
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)

    def draw():
        radius = 4 + 10 * torch.rand(64, 1, 1, 1, generator=generator)
        target = torch.hypot(x, y) < radius
        return target, radial_visibility((32, 32), centre, 0.7, 12, generator=generator)

    for _ in range(60):
        target, visible = draw()
        loss = occupancy_loss(net(target.float(), visible), target, visible, "hidden")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    target, visible = draw()
    with torch.no_grad():
        found = net.train()(target.float(), visible) > 0
    right = (found == target)[~visible].float().mean()
    assert right > 0.93 > 0.85 > 1 - target[~visible].float().mean()
