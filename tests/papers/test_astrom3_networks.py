"""How each model is optimised: the paper's tuned settings, or the profile's; which encoder for what."""

import numpy as np
import pytest
import torch

from astrolib import profiles
from astrolib.models.galspecnet import GalSpecNet
from astrolib.models.informer import InformerEncoder
from astrolib.models.star_encoders import DmDtEncoder, MetadataEncoder
from astrolib.papers import astrom3, astrom3_networks
from astrolib.report.tables import published

TRIMODAL = ("photometry", "spectra", "metadata")


@pytest.mark.parametrize(
    ("model", "fraction", "way", "lr", "beta", "decay", "factor", "clip", "epochs", "dropout"),
    [
        ("clip_pretraining", 1.0, "from scratch", 0.00392103, 0.92619, 4.6701e-3, 0.11251, 45, 100,
         {"photometry": 0.24511, "spectra": 0.33927, "metadata": 0.15953}),
        ("photometry", 1.0, "CLIP", 0.00093377, 0.83477, 4.6581e-4, 0.38534, 5, 50, {"photometry": 0.14904}),
        ("spectra", 0.1, "from scratch", 0.00573356, 0.9706, 8.3115e-3, 0.91436, 5, 50, {"spectra": 0.21925}),
        ("metadata", 0.5, "CLIP", 0.00982973, 0.79471, 1.0548e-4, 0.29291, 0, 50, {"metadata": 0.28553}),
        ("all", 0.25, "CLIP", 0.00174717, 0.72934, 1.2143e-4, 0.34820, 0, 50,
         {"photometry": 0.14351, "spectra": 0.14163, "metadata": 0.30796}),
    ],
)  # fmt: skip
def test_the_paper_profile_takes_the_tuned_settings(
    model, fraction, way, lr, beta, decay, factor, clip, epochs, dropout
):
    settings = profiles.load("paper").astrom3
    optimization, found = astrom3_networks.recipe(settings, TRIMODAL, model, fraction, way)
    assert optimization.lr == pytest.approx(lr, rel=1e-5)
    assert optimization.betas == pytest.approx((beta, 0.999), rel=1e-5)
    assert optimization.weight_decay == pytest.approx(decay, rel=1e-4)
    assert optimization.plateau_factor == pytest.approx(factor, rel=1e-4)
    assert (optimization.grad_clip, optimization.epochs) == (clip, epochs)
    assert (optimization.batch_size, optimization.warmup_epochs, optimization.early_stopping) == (512, 10, 6)
    assert list(found) == list(TRIMODAL)
    assert {name: found[name] for name in dropout} == pytest.approx(dropout, rel=1e-4)


def test_every_tuned_setting_is_reached_and_no_other():
    settings = profiles.load("paper").astrom3
    ways = {0: "from scratch", 1: "CLIP"}
    for row in published("astrom3_hparams").itertuples():
        found, dropout = astrom3_networks.recipe(
            settings, TRIMODAL, row.model, row.fraction, ways[row.init_from_clip]
        )
        assert (found.lr, found.weight_decay) == (row.lr, row.weight_decay)
        printed = [getattr(row, f"{name}_dropout") for name in TRIMODAL]
        known = [name for name, value in zip(TRIMODAL, printed, strict=True) if not np.isnan(value)]
        assert known == (list(TRIMODAL) if row.model in ("all", "clip_pretraining") else [row.model])
        assert [dropout[name] for name in known] == [value for value in printed if not np.isnan(value)]
    assert len(published("astrom3_hparams")) == 33


def test_without_tuned_settings_few_labels_mean_more_epochs():
    settings = profiles.load("sample").astrom3
    assert not settings.tuned

    def epochs(model, fraction):
        return astrom3_networks.recipe(settings, TRIMODAL, model, fraction, "CLIP")[0].epochs

    base = settings.finetuning.epochs
    for fraction in (1.0, 0.5, 0.25, 0.1):
        assert epochs("all", fraction) == round(base / np.sqrt(fraction))
    assert epochs(astrom3_networks.CLIP_PRETRAINING, 1.0) == settings.pretraining.epochs
    optimization, dropout = astrom3_networks.recipe(settings, ("a", "b"), "a", 0.25, "CLIP")
    assert dropout == dict.fromkeys("ab", settings.encoders.dropout)
    assert (optimization.lr, optimization.grad_clip) == (
        settings.finetuning.lr,
        settings.finetuning.grad_clip,
    )


def test_dropouts_and_sizes_reach_the_encoders(small_survey):
    paper = astrom3.Experiment("paper")
    paper.stars.survey = small_survey(image=True)
    kinds = {
        "photometry": InformerEncoder,
        "spectra": GalSpecNet,
        "metadata": MetadataEncoder,
        "dmdt": DmDtEncoder,
    }
    small = astrom3.Experiment("smallest")
    small.stars.survey = paper.stars.survey
    assert {name: type(small.encoder(name, 0.0)) for name in small.names} == kinds
    drops = [m.p for m in small.encoder("metadata", 0.3).modules() if isinstance(m, torch.nn.Dropout)]
    assert drops and set(drops) == {0.3}
    _, dropout = paper.recipe("all", 0.5, "from scratch")
    assert dropout["metadata"] == pytest.approx(0.23714, rel=1e-4) and dropout["dmdt"] == 0.0
