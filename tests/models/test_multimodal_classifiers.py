"""Classifiers of `astrolib.models.multimodal`: what they take from CLIP, and the mean over modalities."""

import torch

from astrolib.models.galspecnet import GalSpecNet
from astrolib.models.informer import InformerEncoder
from astrolib.models.multimodal import FusedClassifier, MultimodalCLIP, StarClassifier
from astrolib.models.star_encoders import MetadataEncoder

COLUMNS = {"photometry": 4, "spectra": 5, "metadata": 6}


def encoders(dropout=0.0):
    return {name: MetadataEncoder(n, 8 + n, dropout=dropout) for name, n in COLUMNS.items()}


def inputs():
    g = torch.Generator().manual_seed(1)
    return {name: (torch.randn(6, n, generator=g),) for name, n in COLUMNS.items()}


def clip(dropout):
    torch.manual_seed(0)
    return MultimodalCLIP(encoders(dropout), 16)


def absent(**stars):
    """Everyone of six has everything but these."""
    present = {name: torch.ones(6, dtype=torch.bool) for name in COLUMNS}
    for name, rows in stars.items():
        present[name][rows] = False
    return present


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def test_parameters_are_the_cards():
    with torch.device("meta"):
        parts = {"photometry": InformerEncoder(), "spectra": GalSpecNet(), "metadata": MetadataEncoder()}
        model = MultimodalCLIP(parts)
        fused = FusedClassifier(parts, 10)
        single = {name: parameters(StarClassifier(name, part, 10)) for name, part in parts.items()}
    assert [parameters(p) for p in model.projections.values()] == [13_107_712, 606_720, 262_656]
    assert parameters(model) == 15_869_827
    assert parameters(fused) + 3 == 15_874_957  # the reference keeps its three scales, unused
    assert parameters(fused.head) == 5_130
    assert single == {"photometry": 1_845_898, "spectra": 34_122, "metadata": 285_706}


def test_star_classifier_starts_from_clips_encoder_only():
    pretrained = clip(dropout=0.3)
    torch.manual_seed(5)
    model = StarClassifier("spectra", encoders(dropout=0.1)["spectra"], 4)
    head = model.head.weight.clone()
    model.load_clip(pretrained)
    assert model.encoder.layers[2].p == 0.1
    assert torch.equal(model.head.weight, head)
    features = pretrained.eval().encoders["spectra"](*inputs()["spectra"])
    torch.testing.assert_close(model.eval()(inputs()), model.head(features))
    with torch.no_grad():
        model.encoder.layers[0].weight.zero_()
    assert pretrained.encoders["spectra"].layers[0].weight.abs().sum() > 0  # a copy


def test_fused_classifier_starts_from_encoders_and_projections():
    pretrained = clip(dropout=0.3).eval()
    torch.manual_seed(5)
    model = FusedClassifier(encoders(dropout=0.1), 4, 16).eval()
    model.load_clip(pretrained)
    mean = torch.stack(list(pretrained.embed(inputs()).values())).mean(0)
    assert (mean.norm(dim=1) < 0.99).all()  # not made unit length again
    torch.testing.assert_close(model(inputs()), model.head(mean))


def test_fused_classifier_averages_what_a_star_has():
    torch.manual_seed(0)
    model = FusedClassifier(encoders(), 4, 16).eval()
    unit = model.embed(inputs())
    logits = model(inputs(), absent(spectra=[0], metadata=[0, 1]))
    p, s, m = unit.values()
    expected = torch.stack([p[0], (p[1] + s[1]) / 2, *((p + s + m) / 3)[2:]])
    torch.testing.assert_close(logits, model.head(expected))
    torch.testing.assert_close(model(inputs(), absent()), model(inputs()))


def test_fused_classifier_can_use_some_modalities_with_the_same_head():
    torch.manual_seed(0)
    model = FusedClassifier(encoders(), 4, 16).eval()
    unit = model.embed(inputs())
    both = (unit["photometry"] + unit["metadata"]) / 2
    torch.testing.assert_close(model(inputs(), use=["photometry", "metadata"]), model.head(both))
    torch.testing.assert_close(model(inputs(), use=["spectra"]), model.head(unit["spectra"]))
    only = {"spectra": inputs()["spectra"]}
    torch.testing.assert_close(model(only, use=["spectra"]), model.head(unit["spectra"]))
