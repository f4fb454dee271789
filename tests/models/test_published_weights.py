import pytest
import torch
from torch import nn
from torch.nn import functional as F

from astrolib.models.galspecnet import GalSpecNet
from astrolib.models.informer import InformerEncoder
from astrolib.models.multimodal import FusedClassifier, MultimodalCLIP
from astrolib.models.published_weights import from_published
from astrolib.models.star_encoders import MetadataEncoder

SHAPES = {
    "photometry_encoder.enc_embedding.value_embedding.tokenConv.weight": (128, 9, 3),
    "photometry_encoder.encoder.norm.weight": (128,),
    "photometry_encoder.encoder.norm.bias": (128,),
    "photometry_proj.weight": (512, 25600),
    "spectra_proj.weight": (512, 1184),
    "metadata_proj.weight": (512, 512),
    "metadata_encoder.model.0.weight": (512, 34),
    "metadata_encoder.model.3.weight": (512, 512),
    "spectra_encoder.layers.0.weight": (64, 3, 3),
    "spectra_encoder.layers.3.weight": (64, 64, 3),
    "spectra_encoder.layers.6.weight": (32, 64, 3),
    "spectra_encoder.layers.9.weight": (32, 32, 3),
} | {f"{name}_proj.bias": (512,) for name in ("photometry", "spectra", "metadata")}
SHAPES |= {f"metadata_encoder.model.{i}.bias": (512,) for i in (0, 3)}
SHAPES |= {f"spectra_encoder.layers.{i}.bias": (n,) for i, n in ((0, 64), (3, 64), (6, 32), (9, 32))}
for number in range(8):
    layer = f"photometry_encoder.encoder.attn_layers.{number}."
    for part in ("query", "key", "value", "out"):
        SHAPES[f"{layer}attention.{part}_projection.weight"] = (128, 128)
        SHAPES[f"{layer}attention.{part}_projection.bias"] = (128,)
    SHAPES |= {f"{layer}conv1.weight": (512, 128, 1), f"{layer}conv1.bias": (512,)}
    SHAPES |= {f"{layer}conv2.weight": (128, 512, 1), f"{layer}conv2.bias": (128,)}
    SHAPES |= {f"{layer}norm{i}.{part}": (128,) for i in (1, 2) for part in ("weight", "bias")}


@pytest.fixture(scope="module")
def published():
    """Made-up weights under the names and in the shapes of AstroM3's files (card, section 4.4)."""
    g = torch.Generator().manual_seed(0)
    state = {name: 0.05 * torch.randn(shape, generator=g) for name, shape in SHAPES.items()}
    state["photometry_encoder.enc_embedding.position_embedding.pe"] = torch.zeros(1, 5000, 128)
    return state | {
        f"logit_scale_{pair}": torch.tensor(i) for pair, i in (("ps", 1.0), ("sm", 2.0), ("mp", 3.0))
    }


def parts():
    photometry = InformerEncoder(attention="probsparse", dropout=0.0)
    return {"photometry": photometry, "spectra": GalSpecNet(), "metadata": MetadataEncoder()}


def test_a_published_file_has_the_cards_number_of_values(published):
    assert sum(value.numel() for value in published.values()) == 15_869_827 + 640_000


def test_every_weight_of_clip_is_found(published):
    model = MultimodalCLIP(parts(), scale_clamp="parity")
    model.load_state_dict(from_published(published))  # strict: no name is missing or left over
    scale = dict(zip(model.pairs, model.log_scales.tolist(), strict=True))
    assert scale == {
        ("photometry", "spectra"): 1.0,
        ("photometry", "metadata"): 3.0,
        ("spectra", "metadata"): 2.0,
    }
    layer, prefix = model.encoders["photometry"].layers[5], "photometry_encoder.encoder.attn_layers.5."
    x = torch.randn(2, 128, 10)
    conv = {name: published[prefix + name] for name in ("conv1.weight", "conv1.bias")}
    expected = F.conv1d(x, conv["conv1.weight"], conv["conv1.bias"])
    torch.testing.assert_close(layer.up(x.transpose(1, 2)).transpose(1, 2), expected, atol=1e-5, rtol=1e-4)
    for ours, theirs in (("query", "query"), ("key", "key"), ("value", "value"), ("out", "out")):
        weight = published[f"{prefix}attention.{theirs}_projection.weight"]
        assert torch.equal(getattr(layer.attention, ours).weight, weight)
    assert torch.equal(layer.norm2.weight, published[f"{prefix}norm2.weight"])
    assert isinstance(layer.down, nn.Linear)
    assert torch.equal(layer.down.weight, published[f"{prefix}conv2.weight"][:, :, 0])


def test_a_fused_classifier_takes_the_head_and_leaves_the_scales(published):
    state = published | {"fc.weight": torch.randn(10, 512), "fc.bias": torch.randn(10)}
    model = FusedClassifier(parts(), 10)
    model.load_state_dict(from_published(state))
    assert torch.equal(model.head.weight, state["fc.weight"])


def test_other_weights_are_refused(published):
    with pytest.raises(ValueError, match="'transformer.weight' is not a weight"):
        from_published(published | {"transformer.weight": torch.zeros(1)})
    with pytest.raises(ValueError, match="lack logit_scale_mp"):
        from_published({name: value for name, value in published.items() if name != "logit_scale_mp"})
