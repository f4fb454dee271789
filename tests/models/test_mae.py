import pytest
import torch
from transformers import ViTMAEConfig, ViTMAEForPreTraining

from astrolib.models.encoders import vit
from astrolib.models.mae import MaskedAutoencoder
from astrolib.models.masking import RandomMask


def autoencoder(img_size=(16, 24), in_chans=3, patch_size=4, block="plain", mask_ratio=0.75, **options):
    """A small autoencoder, by default of oblong images with three bands."""
    torch.manual_seed(0)
    encoder = vit(img_size, in_chans, patch_size, embed_dim=32, depth=2, num_heads=2, block=block)
    sizes = {"decoder_embed_dim": 24, "decoder_depth": 1, "decoder_num_heads": 2}
    return MaskedAutoencoder(encoder, RandomMask(mask_ratio), **sizes, **options)


@pytest.mark.parametrize(
    ("encoder_block", "decoder_block", "trainable", "total"),
    [
        ("plain", "plain", 7_279_424, 7_285_952),
        ("pcm", "plain", 7_380_800, 7_387_328),
        ("pcm", "pcm", 7_414_592, 7_421_120),
    ],
)
def test_parameters_are_the_cards(encoder_block, decoder_block, trainable, total):
    model = MaskedAutoencoder(vit(32, block=encoder_block), RandomMask(), decoder_block=decoder_block)
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    assert sum(n for n, trains in counts if trains) == trainable
    assert sum(n for n, _ in counts) == total


@pytest.mark.parametrize("block", ["plain", "pcm"])
def test_shapes_of_the_paper(block):
    model = MaskedAutoencoder(vit(32, block=block), RandomMask(0.75))
    images = torch.randn(2, 5, 32, 32)
    output = model(images)
    assert model.random_masking(images).keep.shape == (2, 4)
    assert output["loss"].shape == ()
    assert output["latent"].shape == (2, 5, 192)
    assert output["prediction"].shape == (2, 16, 320)
    assert (output["mask"].sum(1) == 12).all()


def test_patchify_and_back_is_the_identity():
    model = autoencoder((16, 24), patch_size=(8, 4))
    images = torch.randn(2, 3, 16, 24)
    assert torch.equal(model.unpatchify(model.patchify(images)), images)


def test_a_patch_is_a_rectangle_of_the_image_with_the_bands_running_fastest():
    model = autoencoder((16, 24), patch_size=(8, 4))
    images = torch.randn(2, 3, 16, 24)
    patches = model.patchify(images)
    assert patches.shape == (2, 12, 96)
    expected = images[:, :, 8:16, 4:8].permute(0, 2, 3, 1).flatten(1)  # row 1, column 1 of 2 x 6
    assert torch.equal(patches[:, 7], expected)


def to_hugging_face(model):
    """Hugging Face's autoencoder with the weights of `model`."""
    encoder, patch = model.encoder, model.patch_size[0]
    config = ViTMAEConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=128,
        decoder_hidden_size=24,
        decoder_num_hidden_layers=1,
        decoder_num_attention_heads=2,
        decoder_intermediate_size=96,
        image_size=model.grid_size[0] * patch,
        patch_size=patch,
        num_channels=model.in_chans,
        mask_ratio=model.masking.mask_ratio,
        norm_pix_loss=model.norm_pix_loss,
        layer_norm_eps=1e-6,
        attn_implementation="eager",
    )
    other = ViTMAEForPreTraining(config).eval()
    renamed = {
        "vit.embeddings.cls_token": encoder.cls_token,
        "vit.embeddings.position_embeddings": encoder.pos_embed,
        "vit.embeddings.patch_embeddings.projection.weight": encoder.patch_embed.proj.weight,
        "vit.embeddings.patch_embeddings.projection.bias": encoder.patch_embed.proj.bias,
        "vit.layernorm.weight": encoder.norm.weight,
        "vit.layernorm.bias": encoder.norm.bias,
        "decoder.mask_token": model.mask_token,
        "decoder.decoder_pos_embed": model.decoder_pos_embed,
    }
    for name in ("embed", "norm", "pred"):
        for kind in ("weight", "bias"):
            renamed[f"decoder.decoder_{name}.{kind}"] = getattr(getattr(model, f"decoder_{name}"), kind)
    stacks = {"vit.layers": encoder.blocks, "decoder.decoder_layers": model.decoder_blocks}
    for prefix, blocks in stacks.items():
        for i, block in enumerate(blocks):
            for kind in ("weight", "bias"):
                layers = dict(zip("qkv", getattr(block.attn.qkv, kind).chunk(3), strict=True))
                names = {f"attention.{x}_proj": value for x, value in layers.items()}
                names |= {
                    "attention.o_proj": getattr(block.attn.proj, kind),
                    "layernorm_before": getattr(block.norm1, kind),
                    "layernorm_after": getattr(block.norm2, kind),
                    "mlp.fc1": getattr(block.mlp.fc1, kind),
                    "mlp.fc2": getattr(block.mlp.fc2, kind),
                }
                renamed |= {f"{prefix}.{i}.{name}.{kind}": value for name, value in names.items()}
    other.load_state_dict(renamed, strict=True)
    return other


@pytest.mark.parametrize("norm_pix_loss", [False, True])
@pytest.mark.parametrize("in_chans", [3, 5])
def test_loss_equals_that_of_hugging_face(in_chans, norm_pix_loss):
    model = autoencoder((20, 20), in_chans, norm_pix_loss=norm_pix_loss).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases and norms too must matter
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn_like(parameter))
    images, noise = 3 + torch.randn(4, in_chans, 20, 20), torch.rand(4, 25)
    ours, theirs = model(images, noise=noise), to_hugging_face(model)(images, noise=noise)
    assert torch.equal(ours["mask"].float(), theirs.mask)
    torch.testing.assert_close(ours["prediction"], theirs.logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(ours["loss"], theirs.loss, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm_pix_loss", [False, True])
def test_loss_sees_the_hidden_patches_only(norm_pix_loss):
    model = autoencoder(norm_pix_loss=norm_pix_loss)
    images = torch.randn(2, 3, 16, 24)
    mask = model.random_masking(images)
    prediction = torch.randn(2, 24, 48)
    loss = model.forward_loss(images, prediction, mask)
    disturbance = torch.randn_like(prediction)
    visible, hidden = (disturbance * rows[..., None] for rows in (~mask.mask, mask.mask))
    assert torch.equal(model.forward_loss(images, prediction + visible, mask), loss)
    assert not torch.equal(model.forward_loss(images, prediction + hidden, mask), loss)


@pytest.mark.parametrize("block", ["plain", "pcm"])
def test_nothing_hidden_reaches_the_encoder(block):
    model = autoencoder(block=block)
    images = torch.randn(2, 3, 16, 24, requires_grad=True)
    mask = model.random_masking(images)
    prediction = model.forward_decoder(model.forward_encoder(images, mask), mask)
    prediction.square().sum().backward()
    seen = images.grad.ne(0)
    hidden = model.pixel_mask(mask.mask).expand_as(seen)
    assert not seen[hidden].any()
    assert seen[~hidden].all()


def test_without_a_mask_the_encoder_is_the_transformer_itself():
    model = autoencoder(block="pcm").eval()
    images = torch.randn(2, 3, 16, 24)
    torch.testing.assert_close(model.forward_encoder(images), model.encoder(images))


def test_the_order_of_the_visible_patches_does_not_matter():
    model = autoencoder(block="pcm").eval()
    images = torch.randn(2, 3, 16, 24)
    noise = torch.rand(2, 24)
    mask = model.random_masking(images, noise=noise)
    reordered = noise.clone()
    reordered[~mask.mask] = noise.min() - noise[~mask.mask]  # the same visible patches, last first
    torch.testing.assert_close(
        model(images, noise=noise)["loss"], model(images, noise=reordered)["loss"], atol=1e-5, rtol=1e-5
    )


@pytest.mark.parametrize("norm_pix_loss", [False, True])
def test_reconstruction_error_is_the_loss(norm_pix_loss):
    model = autoencoder(norm_pix_loss=norm_pix_loss).eval()
    images, noise = 5 + 2 * torch.randn(3, 3, 16, 24), torch.rand(3, 24)
    filled, hidden = model.reconstruct(images, noise=noise)
    assert hidden.shape == (3, 1, 16, 24)
    assert torch.equal(filled[~hidden.expand_as(filled)], images[~hidden.expand_as(images)])
    error = model.patchify(filled - images)
    if norm_pix_loss:
        error = error / model.patch_statistics(images)[1]
    output = model(images, noise=noise)
    torch.testing.assert_close(error[output["mask"]].square().mean(), output["loss"])


def test_reconstruction_of_a_perfect_prediction_is_the_image():
    model = autoencoder(norm_pix_loss=True).eval()
    images = 5 + 2 * torch.randn(3, 3, 16, 24)
    patches = model.patchify(images)
    normalised = (patches - patches.mean(2, keepdim=True)) / (patches.var(2, keepdim=True) + 1e-6).sqrt()
    model.forward_decoder = lambda latent, mask: normalised
    torch.testing.assert_close(model.reconstruct(images)[0], images)


@pytest.mark.parametrize("block", ["plain", "pcm"])
def test_bfloat16_autocast_trains(block):
    model = autoencoder(block=block, norm_pix_loss=True)
    images, noise = torch.randn(4, 3, 16, 24), torch.rand(4, 24)
    exact = model(images, noise=noise)["loss"]
    with torch.autocast("cpu", torch.bfloat16):
        loss = model(images, noise=noise)["loss"]
    loss.backward()
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=0.02, atol=0)
    trainable = (p for p in model.parameters() if p.requires_grad)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in trainable)
