import pytest
import torch
import torch.nn.functional as F

from astrolib.models.density import BinnedDensity
from astrolib.models.encoders import vit
from astrolib.models.mae import MaskedAutoencoder
from astrolib.models.masking import RandomMask
from astrolib.models.redshift import RedshiftNet

SMALL = {
    "img_size": (16, 24),
    "in_chans": 3,
    "embed_dim": 32,
    "depth": 2,
    "num_heads": 2,
    "head_dim": 24,
    "fusion_dim": 20,
    "magnitude_dim": 28,
    "n_magnitudes": 4,
}
BRANCHES = [
    (encoder, inception, magnitudes)
    for encoder in ("plain", "pcm", None)
    for inception in (False, True)
    for magnitudes in (False, True)
    if encoder or inception
]


def small(encoder="pcm", inception=True, magnitudes=True, **options):
    torch.manual_seed(0)
    return RedshiftNet(encoder, inception, magnitudes, **SMALL | options)


def inputs(n=4):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(n, 3, 16, 24, generator=generator)
    return images, 17 + torch.randn(n, 4, generator=generator)


def counts(net):
    """Trainable, frozen without class token and positions, and all parameters."""
    tokens = {"encoder.cls_token", "encoder.pos_embed"}
    rows = [(name, p.numel(), p.requires_grad) for name, p in net.named_parameters()]
    trainable = sum(n for _, n, trains in rows if trains)
    frozen = sum(n for name, n, trains in rows if not trains and name not in tokens)
    return trainable, frozen, sum(n for _, n, _ in rows)


@pytest.mark.parametrize(
    ("encoder", "inception", "magnitudes", "trainable", "frozen", "everything"),
    [
        ("plain", False, False, 1_452_377, 5_400_000, 6_855_833),
        ("plain", False, True, 7_828_753, 5_400_000, 13_232_209),
        ("plain", True, False, 5_144_937, 5_400_000, 10_548_393),
        ("plain", True, True, 10_398_057, 5_400_000, 15_801_513),
        ("pcm", False, False, 1_452_377, 5_501_376, 6_957_209),
        ("pcm", False, True, 7_828_753, 5_501_376, 13_333_585),
        ("pcm", True, False, 5_144_937, 5_501_376, 10_649_769),
        ("pcm", True, True, 10_398_057, 5_501_376, 15_902_889),
    ],
)
def test_parameters_of_the_pretrained_networks(encoder, inception, magnitudes, trainable, frozen, everything):
    assert counts(RedshiftNet(encoder, inception, magnitudes, frozen=True)) == (trainable, frozen, everything)
    assert everything - trainable - frozen == 192 + 3_264  # class token and positions


@pytest.mark.parametrize(
    ("encoder", "inception", "magnitudes", "trainable", "everything"),
    [
        (None, True, False, 1_448_097, 1_448_097),
        (None, True, True, 7_824_473, 7_824_473),
        ("plain", False, False, 6_852_569, 6_855_833),
        ("plain", False, True, 13_228_945, 13_232_209),
        ("pcm", False, False, 6_953_945, 6_957_209),
        ("pcm", False, True, 13_330_321, 13_333_585),
    ],
)
def test_parameters_of_the_networks_from_scratch(encoder, inception, magnitudes, trainable, everything):
    assert counts(RedshiftNet(encoder, inception, magnitudes)) == (trainable, 0, everything)


def test_shapes_of_the_paper():
    net = RedshiftNet("pcm", frozen=True)
    images, magnitudes = torch.randn(2, 5, 32, 32), torch.randn(2, 5)
    assert net.encoder(images).shape == (2, 192)
    assert net.inception(images).shape == (2, 192)
    assert net.magnitude_mlp(magnitudes).shape == (2, 1024)
    output = net(images, magnitudes)
    assert output["fused"].shape == (2, 3216)
    assert output["redshift"].shape == (2,)


@pytest.mark.parametrize(
    ("encoder", "inception", "magnitudes", "n_fused"),
    [("plain", False, True, 2120), (None, True, True, 2120), ("plain", True, False, 2192)],
)
def test_widths_of_the_fusion(encoder, inception, magnitudes, n_fused):
    net = RedshiftNet(encoder, inception, magnitudes, depth=1)
    assert net(torch.randn(2, 5, 32, 32), torch.randn(2, 5))["fused"].shape == (2, n_fused)


def test_branches_are_fused_in_the_papers_order():
    net = small().eval()
    images, magnitudes = inputs()
    parts = [
        net.encoder_mlp(net.encoder(images)),  # no ReLU before the MLP
        net.inception_mlp(net.inception(images)),
        net.magnitude_mlp(magnitudes),
    ]
    output = net(images, magnitudes)
    torch.testing.assert_close(output["fused"], torch.cat(parts, 1))
    first, last = net.head[0], net.head[2]
    torch.testing.assert_close(output["redshift"], last(first(output["fused"]).relu())[:, 0])


@pytest.mark.parametrize(("encoder", "inception"), [("plain", False), (None, True)])
def test_a_lone_branch_has_a_relu_before_every_linear(encoder, inception):
    net = small(encoder, inception, magnitudes=False).eval()
    images, _ = inputs()
    branch, layers = (net.encoder, net.encoder_mlp) if encoder else (net.inception, net.inception_mlp)
    x = branch(images)
    for linear in (layers[0], layers[2], net.head[1]):
        x = linear(x.relu())
    torch.testing.assert_close(net(images)["redshift"], x[:, 0])


@pytest.mark.parametrize(("encoder", "inception", "magnitudes"), BRANCHES)
def test_every_network_trains_on_oblong_images_with_a_density(encoder, inception, magnitudes):
    net = small(encoder, inception, magnitudes, density=BinnedDensity(0.7, 70, 16))
    output = net(*inputs())
    assert output["density_logits"].shape == (4, 70)
    loss = output["redshift"].square().mean() + net.density_loss(output["density_logits"], torch.rand(4))
    loss.backward()
    idle = {name for name, p in net.named_parameters() if p.requires_grad and p.grad is None}
    assert all(name.startswith("inception.layers.8.path_5x5.") for name in idle)


def test_the_density_changes_no_weight_and_no_prediction():
    step = {}
    for density in (None, BinnedDensity(0.7, 70, 16)):
        net = small(density=density)
        optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
        for _ in range(2):
            output = net(*inputs())
            loss = F.mse_loss(output["redshift"], torch.full((4,), 0.1))
            if density:
                loss = loss + net.density_loss(output["density_logits"], torch.full((4,), 0.1))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        step[density] = net(*inputs())["redshift"]
    with_density, without = step.values()
    assert torch.equal(with_density, without)


def train_a_step(net):
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2, weight_decay=0.1)
    net.train()
    net(*inputs())["redshift"].sum().backward()
    optimizer.step()


def test_a_frozen_encoder_does_not_move():
    net = small(frozen=True)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    train_a_step(net)
    after = net.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    trains = ("encoder.fc_norm.", "encoder.head.")
    assert not {name for name in moved if name.startswith("encoder.") and not name.startswith(trains)}
    assert {"encoder.fc_norm.weight", "encoder.head.weight"} <= moved
    assert any("running_mean" in name and name.startswith("inception.") for name in moved)
    assert not any(module.training for module in net.encoder.blocks.modules())


def test_an_encoder_from_scratch_moves_with_its_statistics():
    net = small()
    before = {name: value.clone() for name, value in net.encoder.blocks.state_dict().items()}
    train_a_step(net)
    after = net.encoder.blocks.state_dict()
    assert not [name for name in before if torch.equal(before[name], after[name])]


def pretrained(block):
    torch.manual_seed(2)
    sizes = {"in_chans": 3, "embed_dim": 32, "depth": 2, "num_heads": 2, "block": block}
    model = MaskedAutoencoder(vit((16, 24), **sizes), RandomMask(0.5), 24, 1, 2)
    model(torch.randn(8, 3, 16, 24))  # moves the batch-norm statistics away from their start
    return model.eval()


@pytest.mark.parametrize("block", ["plain", "pcm"])
def test_pretrained_weights_give_the_same_features_in_the_redshift_network(block):
    model, net = pretrained(block), small(block, frozen=True)
    fresh = {
        name: value.clone() for name, value in net.encoder.state_dict().items() if name.startswith("fc_")
    }
    net.load_encoder(model.encoder.state_dict())
    model.encoder.norm = torch.nn.Identity()
    images, _ = inputs()
    assert torch.equal(net.encoder.forward_features(images), model.forward_encoder(images))
    assert all(torch.equal(net.encoder.state_dict()[name], value) for name, value in fresh.items())


def test_loaded_batch_norm_statistics_are_those_of_pretraining():
    model, net = pretrained("pcm"), small("pcm", frozen=True)
    net.load_encoder(model.encoder.state_dict())
    norm = net.encoder.blocks[0].pcm[1]
    assert torch.equal(norm.running_mean, model.encoder.blocks[0].pcm[1].running_mean)
    assert norm.running_mean.any()


@pytest.mark.parametrize(
    ("options", "entry"),
    [({"encoder": "plain"}, "attn"), ({"depth": 1}, "blocks.1"), ({"embed_dim": 16}, "blocks.0")],
)
def test_weights_of_another_encoder_are_refused(options, entry):
    with pytest.raises(ValueError, match=f"weights are of another encoder.*{entry}"):
        small(**options).load_encoder(pretrained("pcm").encoder.state_dict())


def test_autocast_keeps_magnitudes_and_redshift_in_single_precision():
    net = small(density=BinnedDensity(0.7, 70, 16)).eval()
    images, magnitudes = inputs()
    exact = net(images, magnitudes)
    with torch.autocast("cpu", torch.bfloat16):
        output = net(images, magnitudes)
        shift = net(images, magnitudes + 1e-3)["fused"] - output["fused"]
    assert {value.dtype for value in output.values()} == {torch.float32}
    torch.testing.assert_close(output["redshift"], exact["redshift"], atol=0.02, rtol=0)
    assert shift[:, -28:].abs().min() > 0  # a thousandth of a magnitude is seen by every feature


def test_impossible_networks_say_why():
    with pytest.raises(ValueError, match="An image branch is needed"):
        RedshiftNet(None, inception=False, magnitudes=True)
    with pytest.raises(ValueError, match="nothing to freeze"):
        RedshiftNet(None, frozen=True)
    with pytest.raises(ValueError, match='must be "plain" or "pcm"'):
        RedshiftNet("vit")
    with pytest.raises(ValueError, match="call it with magnitudes too"):
        small()(inputs()[0])
    with pytest.raises(ValueError, match="no encoder to load"):
        small(None).load_encoder({})
