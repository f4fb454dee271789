"""Barlow Twins at the smallest size: what is trained once, judged on whom, and what an arm changes."""

import dataclasses

import numpy as np
import pytest
import torch

from astrolib import paths, profiles
from astrolib.models.barlow_twins import BarlowTwins
from astrolib.models.mae import MaskedAutoencoder
from astrolib.models.simclr import SimCLR
from astrolib.papers import barlow_networks as networks
from astrolib.papers import barlow_twins
from astrolib.papers.barlow_networks import BARLOW, MAE, SIMCLR, UNTRAINED, Arm


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("barlow")


@pytest.fixture
def experiment(home, monkeypatch):
    for tree in ("BUILD", "FIGURES"):
        monkeypatch.setenv(f"ASTROLIB_{tree}", str(home / tree.lower()))
    return barlow_twins.Experiment("smallest")


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# ---------------------------------------------------------------- arms


@pytest.mark.parametrize(
    ("method", "encoder", "kind"),
    [(BARLOW, "resnet", BarlowTwins), (BARLOW, "vit", BarlowTwins), (SIMCLR, "resnet", SimCLR),
     (MAE, "vit", MaskedAutoencoder), (UNTRAINED, "resnet", BarlowTwins)],
)  # fmt: skip
def test_a_seed_starts_all_methods_with_the_same_encoder(method, encoder, kind):
    settings = profiles.load("smallest").barlow
    first, other = (networks.model_of(settings, Arm(method, encoder, seed), 5) for seed in (1, 2))
    assert isinstance(first, kind)
    assert same(first.encoder, networks.encoder_of(settings, encoder, 5, 1))
    assert not same(first.encoder, other.encoder)


def test_an_arm_changes_what_it_says_and_nothing_else():
    settings = profiles.load("demo").barlow
    usual = networks.recipe(settings, Arm())
    assert usual == settings.resnet_pretraining
    assert networks.recipe(settings, Arm(encoder="vit")) == settings.vit_pretraining
    assert networks.recipe(settings, Arm(epochs=7)) == dataclasses.replace(usual, epochs=7)
    assert networks.recipe(settings, Arm(width=16)) == dataclasses.replace(usual, width=16)
    assert networks.recipe(settings, Arm(method=MAE)) == settings.autoencoder
    wide = networks.recipe(settings, Arm(batch_size=4 * usual.batch_size, lr_factor=0.5))
    assert wide.lr == pytest.approx(usual.lr)  # twice for the batch, half for the factor


def test_lars_takes_the_official_rates_in_proportion_to_the_batch():
    settings = profiles.load("demo").barlow
    found = networks.recipe(settings, Arm(lars=True, batch_size=512))
    assert (found.lr, found.lr_bias) == (pytest.approx(0.4), pytest.approx(0.0096))
    assert found.optimizer == "lars" and found.weight_decay == 1e-6
    paper = profiles.load("paper").barlow.resnet_pretraining
    assert (paper.optimizer, paper.redundancy_weight, paper.warmup_epochs) == ("lars", 0.0051, 10)
    assert (paper.lr, paper.lr_bias) == (0.2 * paper.batch_size / 256, 0.0048 * paper.batch_size / 256)


def test_augmentations_of_an_arm(experiment):
    usual = experiment.views(Arm())
    assert usual == experiment.images.views
    assert experiment.views(Arm(without=("psf", "noise"))) == usual.without("psf", "noise")
    assert experiment.views(Arm(max_reddening=0.1)) == dataclasses.replace(usual, e_max=0.1)


def test_every_arm_has_a_folder_of_its_own(experiment):
    arms = [Arm(), Arm(seed=1), Arm(encoder="vit"), Arm(SIMCLR), Arm(loss="invariance"), Arm(width=8),
            Arm(without=("psf",)), Arm(max_reddening=0.1), Arm(lars=True), Arm(predictor=True)]  # fmt: skip
    folders = [experiment.run(arm).folder for arm in arms]
    assert len(set(folders)) == len(arms)
    assert folders == [experiment.run(arm).folder for arm in arms]


# ---------------------------------------------------------------- training


@pytest.mark.parametrize("arm", [Arm(), Arm(SIMCLR), Arm(MAE, "vit"), Arm(lars=True)], ids=str)
def test_pretraining_is_done_once_and_changes_the_encoder(experiment, monkeypatch, arm):
    model = experiment.pretrain(arm, progress=False)
    assert not same(model.encoder, experiment.model(arm).encoder)
    monkeypatch.setattr("astrolib.training.fit.train_epoch", None)  # whoever trains again fails
    assert same(experiment.pretrain(arm, progress=False), model)


def test_history_tells_how_many_dimensions_are_in_use(experiment):
    experiment.pretrain(Arm(), progress=False)
    history = experiment.run(Arm()).history()
    width = experiment.settings.resnet_pretraining.width
    assert 1 <= history["val_rank_z"].iloc[-1] <= width
    assert history["val_sv1"].tolist() == [1.0] * len(history)
    assert (history["val_sv2"] <= 1).all() and {"val_on", "val_off", "on", "off"} <= set(history)


def test_no_training_sees_a_test_image(experiment, monkeypatch):
    given = []
    serve = experiment.images._batches

    def batches(rows, *arguments, **options):
        given.append(rows)
        return serve(rows, *arguments, **options)

    monkeypatch.setattr(experiment.images, "_batches", batches)
    monkeypatch.setattr(barlow_twins, "fit", lambda run, model, *_, **__: model)
    for arm in (Arm(seed=9), Arm(MAE, "vit", 9), Arm(SIMCLR, seed=9), Arm(UNTRAINED, seed=9)):
        experiment.pretrain(arm)
    assert len(given) == 7
    test = experiment.images.splits["test"]
    assert not any(np.isin(rows, test).any() for rows in given)


# ---------------------------------------------------------------- what features are worth


def test_probes_predict_every_test_image_for_every_fraction(experiment):
    arm = Arm()
    found = experiment.probe(arm, progress=False)
    test, ids = experiment.images.splits["test"], experiment.images.survey.ids
    for _, table in found["predictions"].groupby(["protocol", "fraction"]):
        assert table["id"].tolist() == ids[test].tolist()
        assert set(table["prediction"]) <= set(range(len(experiment.images.survey.class_names)))
    assert set(found["predictions"]["protocol"]) == {"linear", "k-NN"}
    assert set(found["transfer"]["target"]) == set(experiment.images.targets)
    (measures,) = found["measures"].to_dict("records")
    assert -1 <= measures["diagonal"] <= 1 and 0 <= measures["off_square"] <= 1
    assert 0 <= measures["validation_accuracy"] <= 100 and measures["rank_r"] >= 1


def test_an_untrained_encoder_is_calibrated_and_probed(experiment):
    model = experiment.pretrain(Arm(UNTRAINED))
    fresh = experiment.model(Arm(UNTRAINED))
    assert not torch.equal(model.encoder.bn1.running_mean, fresh.encoder.bn1.running_mean)
    assert torch.equal(model.encoder.conv1.weight, fresh.encoder.conv1.weight)
    assert "diagonal" not in experiment.probe(Arm(UNTRAINED))["measures"]
    assert not experiment.run(Arm(UNTRAINED)).done


def test_finetuning_starts_from_the_pretrained_encoder(experiment, monkeypatch):
    pretrained, started = experiment.pretrain(Arm(), progress=False), []
    monkeypatch.setattr(barlow_twins, "fit", lambda run, net, *_, **__: started.append(net) or net)
    monkeypatch.setattr(experiment, "pretrain", lambda *_, **__: pretrained)
    for arm in (Arm(), Arm(UNTRAINED)):
        experiment.finetune(arm, 0.1)
    tuned, fresh = (net.encoder.encoder for net in started)
    assert same(tuned, pretrained.encoder) and not same(tuned, fresh)
    assert same(fresh, networks.encoder_of(experiment.settings, "resnet", 5, 42))


def test_finetuned_predictions_are_kept(experiment, monkeypatch):
    table = experiment.finetune(Arm(seed=43), 0.1, progress=False)
    assert table["id"].tolist() == experiment.images.survey.ids[experiment.images.splits["test"]].tolist()
    monkeypatch.setattr(barlow_twins, "fit", None)  # whoever trains again fails
    assert experiment.finetune(Arm(seed=43), 0.1).equals(table)
    assert (experiment.classifier_run(Arm(seed=43), 0.1).folder).parent == paths.runs("smallest")


def test_few_labels_train_longer(experiment, monkeypatch):
    asked = []
    monkeypatch.setattr(barlow_twins, "fit", lambda *a, **k: asked.append(a[4]) or a[1])
    experiment.finetune(Arm(UNTRAINED, seed=44), 0.01)
    assert asked[0].epochs == 10 * experiment.settings.finetuning.epochs
    assert asked[0].batch_size == len(experiment.images.labelled(0.01, 44))


def test_every_class_counts_the_same_in_the_loss():
    weight = torch.tensor([0.5, 2.0])
    logits = torch.tensor([[2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0], [2.0, 0.0]])
    batch = {"images": logits, "label": torch.tensor([0, 0, 0, 0, 1])}
    found = networks.class_loss(weight)(torch.nn.Identity(), batch, torch.Generator())
    assert float(found["accuracy"]) == pytest.approx(0.5)
    assert float(found["loss"]) == pytest.approx((np.log1p(np.exp(-2)) + np.log1p(np.exp(2))) / 2)


@pytest.mark.slow
def test_sixty_steps_bring_views_together_and_keep_dimensions_apart(experiment):
    arm = Arm(epochs=60)
    experiment.pretrain(arm, progress=False)
    history, width = experiment.run(arm).history(), experiment.settings.resnet_pretraining.width
    assert (
        len(experiment.images.splits["pretraining"]) // experiment.settings.resnet_pretraining.batch_size == 2
    )
    last = history.iloc[-1]
    assert last["on"] < 0.5 * width < history["on"].iloc[0]
    assert last["off_square"] < 0.7 and last["val_rank_z"] > 3
