import pytest
import torch
from transformers import ViTMAEConfig, ViTMAEModel

from astrolib.models.encoders import PCMBlock, sincos_positions, vit


def n_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_of_the_blocks_are_the_cards():
    plain, pcm = (vit(32, depth=1, block=block).blocks[0] for block in ("plain", "pcm"))
    assert n_parameters(plain) == 444_864
    assert n_parameters(pcm) == 453_312
    assert n_parameters(plain.attn) == 148_224
    assert n_parameters(pcm.attn) == 148_032  # keys have no bias
    assert n_parameters(pcm.mlp) == 295_872
    assert sum(buffer.numel() for buffer in pcm.pcm.buffers()) == 1_537
    assert n_parameters(vit(32, depth=1).patch_embed) == 61_632


@pytest.mark.parametrize(
    ("kernel_size", "groups", "expected"),
    [(1, None, 8_640), (3, 48, 57_792), (3, 192, 16_320), (1, 1, 297_408), (3, 1, 2_656_704)],
)
def test_parameters_of_a_pcm_are_the_cards(kernel_size, groups, expected):
    encoder = vit(32, depth=1, block="pcm", kernel_size=kernel_size, groups=groups)
    assert n_parameters(encoder.blocks[0].pcm) == expected


def test_norms_have_the_papers_epsilon():
    norms = [m for m in vit(32, depth=1, block="pcm").modules() if isinstance(m, torch.nn.LayerNorm)]
    assert [norm.eps for norm in norms] == [1e-6] * 3


def test_positions_equal_those_of_hugging_face():
    config = ViTMAEConfig(
        hidden_size=48, num_hidden_layers=1, num_attention_heads=3, image_size=40, patch_size=8
    )
    embeddings = ViTMAEModel(config).embeddings
    embeddings.patch_embeddings.projection._is_hf_initialized = (
        False  # transformers 5 skips the table otherwise
    )
    embeddings.initialize_weights()
    expected = embeddings.position_embeddings.data
    assert expected.any()
    torch.testing.assert_close(sincos_positions((5, 5), 48), expected, atol=1e-6, rtol=0)


def test_positions_on_an_oblong_grid_depend_on_row_and_column():
    table = sincos_positions((2, 3), 8)[0, 1:].reshape(2, 3, 8)
    assert (table[0, :, :4] == table[1, :, :4]).all()  # first half: x, the same in every row
    assert (table[:, 0, 4:] == table[:, 2, 4:]).all()  # second half: y, the same in every column
    torch.testing.assert_close(table[0, :, 0], torch.arange(3.0).sin())
    torch.testing.assert_close(table[:, 0, 4], torch.arange(2.0).sin())


def test_start_is_that_of_the_mae():
    torch.manual_seed(0)
    encoder = vit(32, depth=1)
    kernel = encoder.patch_embed.proj.weight
    bound = (6 / (320 + 192)) ** 0.5
    assert 0.99 * bound < kernel.abs().max() <= bound
    assert 0.99 * (6 / (192 + 768)) ** 0.5 < encoder.blocks[0].mlp.fc1.weight.abs().max()
    assert not encoder.blocks[0].mlp.fc1.bias.any()
    assert 0.015 < encoder.cls_token.std() < 0.025
    assert not encoder.pos_embed.requires_grad


def test_the_class_token_gets_no_pcm_term_and_each_patch_its_own():
    torch.manual_seed(0)
    block = PCMBlock(16, 2, grid_size=(2, 3), qkv_bias=True).eval()
    tokens = torch.randn(4, 7, 16)
    with torch.no_grad():
        for silent in (block.attn.proj, block.mlp.fc2):  # the PCM is all that is left
            silent.weight.zero_()
            silent.bias.zero_()
        change = block(tokens) - tokens
        image = tokens[:, 1:].transpose(1, 2).reshape(4, 16, 2, 3)
        expected = block.pcm(image).reshape(4, 16, 6).transpose(1, 2)
    assert not change[:, 0].any()
    torch.testing.assert_close(change[:, 1:], expected)
    assert expected.abs().min() > 0


def test_pcm_reads_the_input_before_the_norm():
    block = PCMBlock(16, 2, grid_size=(2, 3), qkv_bias=True)
    seen = []
    block.pcm.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    tokens = torch.randn(4, 7, 16)
    block(tokens)
    assert torch.equal(seen[0].flatten(2).transpose(1, 2), tokens[:, 1:])


def test_a_1x1_pcm_treats_visible_patches_as_it_treats_the_whole_grid():
    block = PCMBlock(16, 2, grid_size=(4, 4)).eval()
    patches = torch.randn(3, 16, 16)
    torch.testing.assert_close(block._local(patches)[:, :5], block._local(patches[:, :5]))


def test_a_3x3_pcm_refuses_a_masked_image():
    block = PCMBlock(16, 2, grid_size=(4, 4), kernel_size=3)
    assert block(torch.randn(1, 17, 16)).shape == (1, 17, 16)
    with pytest.raises(ValueError, match="needs all 4 x 4 of them, but got 4"):
        block(torch.randn(1, 5, 16))


@pytest.mark.parametrize("block", ["plain", "pcm"])
def test_oblong_images_other_bands_and_patch_sizes(block):
    encoder = vit((24, 36), in_chans=3, patch_size=(6, 12), embed_dim=32, depth=2, num_heads=2, block=block)
    assert encoder.patch_embed.grid_size == (4, 3)
    assert encoder(torch.randn(2, 3, 24, 36)).shape == (2, 13, 32)


def test_features_are_the_mean_of_the_patch_tokens_without_the_class_token():
    encoder = vit(16, embed_dim=16, depth=1, num_heads=2, n_features=7).eval()
    images = torch.randn(2, 5, 16, 16)
    tokens = encoder.forward_features(images)
    torch.testing.assert_close(encoder(images), encoder.head(encoder.fc_norm(tokens[:, 1:].mean(1))))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"img_size": 30}, "30 x 30 pixels is not a whole number of patches of 8 x 8"),
        ({"block": "conv"}, 'must be "plain" or "pcm"'),
        ({"embed_dim": 30, "num_heads": 3}, "multiple of 4"),
    ],
)
def test_impossible_encoders_say_why(options, message):
    with pytest.raises(ValueError, match=message):
        vit(**{"img_size": 32, "depth": 1} | options)
