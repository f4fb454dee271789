import pytest
import torch
from torch import nn

from astrolib.models.galspecnet import GalSpecNet


def test_parameters_and_lengths_are_the_cards():
    model = GalSpecNet()
    assert sum(p.numel() for p in model.parameters()) == 22_272
    assert model.out_features == 1_184
    x, lengths = torch.randn(2, 3, 2575), []
    for layer in model.layers:
        x = layer(x)
        if isinstance(layer, nn.MaxPool1d):
            lengths.append(x.shape[2])
    assert [*lengths, x.shape[2]] == [643, 160, 39, 37]
    assert x.shape[1] == 32
    assert {name.split(".")[1] for name in model.state_dict()} == {"0", "3", "6", "9"}


def test_pooling_before_relu_is_the_references_function_with_its_gradient():
    torch.manual_seed(0)
    model, x = GalSpecNet(length=258, pool=3), torch.randn(4, 3, 258)
    reference = []
    for layer in model.layers:  # convolution, ReLU, pooling: as the paper has it
        reference += [layer, nn.ReLU()] if isinstance(layer, nn.Conv1d) else []
        reference += [layer] if isinstance(layer, nn.MaxPool1d) else []
    found = []
    for network in (model.layers, nn.Sequential(*reference)):
        features = network(x)
        gradients = torch.autograd.grad(features.square().sum(), model.parameters())
        found.append((features, *gradients))
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(*found, strict=True))


@pytest.mark.parametrize(("length", "pool"), [(2575, 4), (258, 3), (258, 2), (100, 2), (61, 2)])
def test_features_have_the_announced_size(length, pool):
    model = GalSpecNet(2, length, pool=pool)
    assert model(torch.randn(3, 2, length)).shape == (3, model.out_features)


def test_features_are_flat_by_channel():
    model = GalSpecNet(length=258, pool=3).eval()
    x = torch.randn(2, 3, 258)
    assert torch.equal(model(x).reshape(2, 32, -1), model.layers(x))


@pytest.mark.parametrize("length", [2, 40, 100])
def test_a_spectrum_too_short_is_refused_with_advice(length):
    with pytest.raises(ValueError, match=rf"{length} points.*fewer channels or a pool smaller than 4"):
        GalSpecNet(length=length)


def test_dropout_acts_in_training_only():
    model, x = GalSpecNet(length=258, pool=3, dropout=0.5), torch.randn(2, 3, 258)
    kept = model.eval()(x)
    assert torch.equal(model(x), kept)
    dropped = model.train()(x)
    alive = dropped != 0
    torch.testing.assert_close(dropped[alive], 2 * kept[alive])
    assert 0.3 < (~alive & (kept != 0)).sum() / (kept != 0).sum() < 0.7
