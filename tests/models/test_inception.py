import pytest
import torch
from torch import nn

from astrolib.models.inception import InceptionBlock, InceptionBranch


def n_parameters(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_are_the_cards():
    branch = InceptionBranch()
    blocks = [layer for layer in branch.layers if isinstance(layer, InceptionBlock)]
    assert [n_parameters(block) for block in blocks] == [11_040, 13_088, 4_368, 3_344, 1_128]
    assert n_parameters(branch.layers[1]) == 192
    assert n_parameters(branch) == 33_160
    assert n_parameters(blocks[-1].path_5x5) == 552


def test_shapes_of_the_paper():
    x, shapes = torch.randn(2, 5, 32, 32), []
    for layer in InceptionBranch().layers:
        x = layer(x)
        shapes.append(tuple(x.shape[1:]))
    assert shapes == [
        *[(5, 16, 16), (32, 16, 16), (64, 16, 16), (64, 16, 16), (64, 8, 8)],
        *[(32, 8, 8), (32, 8, 8), (32, 4, 4), (12, 4, 4), (192,)],
    ]


def test_halving_before_the_first_convolution_changes_nothing():
    pool, convolution, *rest = InceptionBranch().eval().layers
    images = torch.randn(2, 5, 32, 32)
    paper = nn.Sequential(convolution, pool, *rest)
    ours = nn.Sequential(pool, convolution, *rest)
    torch.testing.assert_close(ours(images), paper(images))


def test_features_do_not_depend_on_how_the_image_lies_in_memory():
    branch = InceptionBranch().eval()
    images = torch.randn(2, 5, 16, 24)
    torch.testing.assert_close(branch(images), branch.layers(images))


def test_paths_are_concatenated_in_the_papers_order():
    block = InceptionBlock(3, 2).eval()
    x = torch.randn(1, 3, 8, 8)
    paths = [block.path_1x1, block.path_3x3, block.path_5x5, block.path_pool]
    for i, path in enumerate(paths):
        assert torch.equal(block(x)[:, 2 * i : 2 * i + 2], path(x))


@pytest.mark.parametrize(
    ("path", "reach"), [("path_1x1", 0), ("path_3x3", 1), ("path_5x5", 2), ("path_pool", 1)]
)
def test_each_path_sees_as_far_as_its_name_says(path, reach):
    torch.manual_seed(0)
    path = getattr(InceptionBlock(3, 2), path).eval()
    for layer in path.modules():
        if isinstance(layer, nn.ReLU):
            layer.register_forward_hook(lambda _, args, out: args[0])  # let everything through
    x = torch.randn(1, 3, 9, 9, requires_grad=True)
    path(x)[:, :, 4, 4].sum().backward()
    seen = x.grad.ne(0).any(1)[0].nonzero()
    assert (seen - 4).abs().max() == reach


def test_the_fifth_block_owns_a_5x5_path_that_never_learns():
    branch = InceptionBranch()
    branch(torch.randn(2, 5, 32, 32)).sum().backward()
    idle = {name for name, p in branch.named_parameters() if p.grad is None}
    assert idle == {f"layers.8.path_5x5.{name}" for name, _ in branch.layers[8].path_5x5.named_parameters()}


def test_oblong_images():
    assert InceptionBranch(3)(torch.randn(2, 3, 20, 36)).shape == (2, InceptionBranch.n_features((20, 36)))


def test_too_small_an_image_says_so():
    with pytest.raises(ValueError, match="at least 8 x 8 pixels, got 4 x 32"):
        InceptionBranch.n_features((4, 32))
