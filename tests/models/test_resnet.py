import pytest
import torch
from timm.models.resnet import BasicBlock, ResNet
from torch import nn
from torch.testing import assert_close

from astrolib.models.resnet import calibrate_batch_norm, small_resnet


def n_parameters(model):
    return sum(p.numel() for p in model.parameters())


def images(n=4, channels=2, size=32, seed=0):
    return torch.randn(n, channels, size, size, generator=torch.Generator().manual_seed(seed))


def by_hand(in_chans, channels, stem):
    """Weights of convolutions without biases, and two numbers of each batch normalisation per channel."""
    n, width = in_chans * channels[0] * stem**2 + 2 * channels[0], channels[0]
    for wide in channels:
        n += 9 * width * wide + 9 * wide**2 + 4 * wide
        n += 0 if wide == width and wide == channels[0] else width * wide + 2 * wide  # shortcut
        width = wide
    return n


@pytest.mark.parametrize(
    ("in_chans", "channels", "stem"),
    [(5, (32, 64, 128, 256), 3), (3, (32, 64, 128, 256), 7), (5, (16, 32, 64, 128), 3)],
    ids=["five bands", "colour", "demo"],
)
def test_parameters_by_hand(in_chans, channels, stem):
    assert n_parameters(small_resnet(in_chans, channels, stem)) == by_hand(in_chans, channels, stem)


def test_the_cards_1_24_million_parameters_have_timms_stem_of_64():
    """Ours has 1.23 million: its stem is as wide as the first stage, which then needs no shortcut layer."""
    ours = n_parameters(small_resnet(5))
    assert ours == 1_226_976
    stem = 5 * 9 * (64 - 32) + 2 * (64 - 32)
    first_stage = 9 * 32 * (64 - 32) + 64 * 32 + 2 * 32  # wider input, and a layer in the shortcut
    assert round((ours + stem + first_stage) / 1e6, 2) == 1.24
    timm = ResNet(BasicBlock, [1] * 4, in_chans=5, num_classes=0, channels=(32, 64, 128, 256), avg_down=True)
    assert n_parameters(timm) == ours + stem + first_stage + 5 * 64 * (49 - 9)  # its stem is 7 x 7


@pytest.mark.parametrize(
    ("stem", "max_pool", "side"), [(3, True, 8), (3, False, 16), (7, True, 8), (7, False, 16)]
)
def test_sizes(stem, max_pool, side):
    net = small_resnet(3, (4, 8, 8, 16), stem, max_pool)
    sides = {}
    for name in ("conv1", "layer1", "layer4"):
        getattr(net, name).register_forward_hook(
            lambda _, __, y, name=name: sides.update({name: y.shape[2:]})
        )
    assert net(images(channels=3)).shape == (4, 16)
    assert net.num_features == 16
    assert sides == {"conv1": (16, 16), "layer1": (side, side), "layer4": (side // 8, side // 8)}


def seen(net):
    """Share of the pixels that an untrained network's features depend on."""
    x = images(1).requires_grad_()
    net.eval()(x).sum().backward()
    return (x.grad.abs().amax(dim=1) > 0).float().mean().item()


def test_an_untrained_network_sees_the_whole_image():
    """Without averaged shortcuts it sees a corner, since its blocks start as their shortcuts (card, 9.2)."""
    torch.manual_seed(0)
    options = {"in_chans": 2, "num_classes": 0, "channels": (32, 64, 128, 256)}
    strided = ResNet(BasicBlock, [1] * 4, avg_down=False, **options)
    strided.maxpool = nn.Identity()
    assert seen(small_resnet(2, max_pool=False)) > 0.95
    assert seen(strided) < 0.3


def test_every_block_starts_as_its_shortcut():
    net = small_resnet(2)
    blocks = [module for module in net.modules() if isinstance(module, BasicBlock)]
    assert len(blocks) == 4
    assert all(block.bn2.weight.abs().max() == 0 and block.bn1.weight.min() == 1 for block in blocks)


# ---------------------------------------------------------------- calibration


def test_calibration_averages_the_statistics_of_the_batches():
    net = small_resnet(2)
    batches = [images(seed=seed) + seed for seed in range(3)]
    calibrate_batch_norm(net, iter(batches))
    x = [net.conv1(batch).detach().transpose(0, 1).flatten(1) for batch in batches]  # C, pixels
    assert_close(net.bn1.running_mean, sum(each.mean(1) for each in x) / 3, rtol=1e-4, atol=1e-5)
    assert_close(net.bn1.running_var, sum(each.var(1) for each in x) / 3, rtol=1e-4, atol=1e-5)
    assert net.bn1.num_batches_tracked == 3


def test_calibration_forgets_what_was_before_and_changes_no_weight():
    net, other = small_resnet(2), small_resnet(2)
    other.load_state_dict(net.state_dict())
    other.train()(100 * images(seed=9))
    weights = [p.clone() for p in net.parameters()]
    for each in (net, other):
        calibrate_batch_norm(each, [images(), images(seed=1)])
    assert all(torch.equal(a, b) for a, b in zip(net.buffers(), other.buffers(), strict=True))
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(weights, net.parameters(), strict=True))


def test_calibration_restores_momentum_and_mode_of_each_module():
    net = small_resnet(2)
    net.bn1.momentum, net.layer1[0].bn1.momentum = 0.3, None
    net.train()
    net.layer2.eval()
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [(m.training, getattr(m, "momentum", 0)) for m in net.modules()]
    assert calibrate_batch_norm(net, [images()]) is net
    assert [(m.training, getattr(m, "momentum", 0)) for m in net.modules()] == before
    assert all(norm.num_batches_tracked == 1 for norm in norms)


def test_calibrated_features_have_the_scale_of_the_training_images():
    """What it is for: far from the statistics BatchNorm starts with, frozen features are far off, too."""
    net = small_resnet(2)
    x = 50 + 20 * images(64)
    raw = net.eval()(x)
    usual = net.train()(x).detach()
    calibrated = calibrate_batch_norm(net.eval(), [x])(x).detach()
    assert_close(calibrated, usual, rtol=0.05, atol=0.02)
    assert (raw - usual).abs().mean() > 10 * (calibrated - usual).abs().mean()
