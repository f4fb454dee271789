import pytest
import torch

from astrolib.models.star_encoders import DmDtEncoder, MetadataEncoder


def test_metadata_parameters_are_the_cards():
    model = MetadataEncoder()
    assert sum(p.numel() for p in model.parameters()) == 280_576
    assert model.out_features == 512
    features = model(torch.randn(4, 34))
    assert features.shape == (4, 512)
    assert (features >= 0).all()  # the last layer is a ReLU
    assert {name.split(".")[1] for name in model.state_dict()} == {"0", "3"}


@pytest.mark.parametrize("shape", [(20, 10), (23, 24), (4, 2)])
def test_dmdt_features_have_the_announced_size(shape):
    model = DmDtEncoder(2, shape, (4, 6))
    features = model(torch.randn(3, 2, *shape))
    assert features.shape == (3, model.out_features)
    assert model.out_features == 6 * (shape[0] // 2) * (shape[1] // 2)


def test_a_map_too_small_is_refused():
    with pytest.raises(ValueError, match=r"\(20, 1\) is too small for 2"):
        DmDtEncoder(shape=(20, 1))


@pytest.mark.parametrize(
    ("model", "shape"),
    [(MetadataEncoder(5, 64, dropout=0.5), (8, 5)), (DmDtEncoder(dropout=0.5), (8, 1, 20, 10))],
)
def test_dropout_acts_in_training_only(model, shape):
    x = torch.randn(shape)
    assert not torch.equal(model.train()(x), model(x))
    assert torch.equal(model.eval()(x), model(x))
