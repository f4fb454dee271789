"""R-MAE on galaxies: fair comparisons, everything trained once, fills that see what the network sees."""

import dataclasses

import numpy as np
import pytest
import torch

from astrolib.papers import radial, radial_filling
from astrolib.papers import radial_networks as networks
from astrolib.papers import radial_results as make
from astrolib.papers.radial_images import DEGRADED
from astrolib.papers.radial_networks import BOTH, OCCUPANCY, UNIFORM, VIT, Arm
from astrolib.report import results


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("radial")


@pytest.fixture
def experiment(home, monkeypatch):
    for tree in ("BUILD", "FIGURES"):
        monkeypatch.setenv(f"ASTROLIB_{tree}", str(home / tree.lower()))
    return radial.Experiment("smallest")


def changed(arm: Arm) -> set[str]:
    """Names of what an arm changes of the default one, besides the seed."""
    base, names = Arm(), {field.name for field in dataclasses.fields(Arm)} - {"seed"}
    return {name for name in names if getattr(arm, name) != getattr(base, name)}


def test_one_thing_is_changed_at_a_time(experiment):
    arms = {arm for arm, _ in make.compared(experiment)}
    vits = [arm for arm in arms if arm.network == VIT]
    assert all(len(changed(arm)) <= 1 for arm in vits)
    nets = [arm for arm in arms if arm.network == OCCUPANCY]
    assert all(changed(arm) <= {"network", "loss", "masking"} for arm in nets)
    assert {arm.masking for arm in vits} == set(networks.MASKINGS)
    assert {arm.loss for arm in nets if arm.masking == BOTH} == {"dense", "hidden", "weighted", "flux"}
    assert len(make.compared(experiment)) == len(set(make.compared(experiment)))


def test_every_masking_of_patches_shows_the_same_number(experiment):
    make.keep_masks(experiment)
    table = results.load("smallest", "radial_visible")
    patches = table[table["network"] == VIT]
    assert (patches["visible_std"] < 1e-9).all()
    assert (patches.groupby("mask_ratio")["visible"].nunique() == 1).all()
    assert patches.groupby("mask_ratio")["visible"].first().tolist() == [19 / 64, 12 / 64, 6 / 64]
    pixels = table[(table["network"] == OCCUPANCY) & (table["masking"] == BOTH)]
    assert (pixels["visible"] < pixels["nominal"]).all()  # the second stage takes some of what the first left
    shown = results.load_arrays("smallest", "radial_masks")
    assert np.allclose(shown["visible"].mean(axis=(1, 2)), shown["fraction"])


def test_uniform_pixels_are_as_many_as_radial_ones(experiment):
    n, generator = 32, torch.Generator()
    batch = {"images": torch.zeros(n, 1, 48, 48), "centre": torch.full((n, 2), 23.5)}
    batch["radii"] = torch.tensor([[6.0, 12.0]]).expand(n, 2)
    arm = Arm(OCCUPANCY, loss="dense")
    seen = [
        networks.visible_pixels(experiment.settings, each, batch, generator.manual_seed(0))
        for each in (arm, dataclasses.replace(arm, masking=UNIFORM))
    ]
    shares = [visible.float().mean(dim=(1, 2, 3)) for visible in seen]
    assert (shares[0] - shares[1]).abs().max() <= 0.5 / 64 + 1e-6  # to half a cell
    assert not torch.equal(seen[1][0], seen[1][1])


def test_patches_and_pixels_agree_about_the_centre(experiment):
    batch = {"centre": torch.tensor([[23.5, 2.5]]), "radii": torch.tensor([[6.0, 12.0]])}
    found = networks.in_patches(experiment.settings, batch)  # patches of six pixels
    assert torch.allclose(found["centre"], torch.tensor([[3.5, 0.0]]))
    assert torch.allclose(found["radii"], torch.tensor([[1.0, 2.0]]))


def test_a_network_and_its_fills_see_the_same(experiment, monkeypatch):
    monkeypatch.setattr(experiment, "pretrain", lambda arm, progress=True: experiment.model(arm))
    rows = radial_filling.filled_rows(experiment)
    seen = [
        radial_filling.guesses(experiment, Arm(OCCUPANCY, loss=loss), rows)[0] for loss in ("dense", "flux")
    ]
    assert np.array_equal(*seen) and seen[0].any() and not seen[0].all()
    visible, guess, score = radial_filling.guesses(experiment, Arm(), rows)
    light = experiment.scene().compressed(rows)
    assert score is None and np.array_equal(guess[visible], light[visible])
    fills = radial_filling.unlearned_fills(experiment.scene(), rows, visible, np.arange(20))
    assert set(fills) == set(radial_filling.UNLEARNED)
    for filled in fills.values():
        assert np.allclose(filled[visible], light[visible]) and np.isfinite(filled).all()


def test_a_perfect_guess_has_a_perfect_score(experiment):
    rows, scene = radial_filling.filled_rows(experiment), experiment.scene()
    visible = np.zeros((len(rows), 48, 48), bool)
    visible[:, :, :10] = True
    judge = radial_filling._Judge(scene, rows, visible, experiment.settings.threshold)
    light = judge.guess(VIT, scene.compressed(rows))
    assert (light["flux_error"] == 0).all() and light["iou"].min() > 0.99
    logit = np.where(scene.occupied[rows], 1.0, -1.0)
    net = judge.guess(OCCUPANCY, logit, logit)
    assert (net["iou"].dropna() == 1).all() and (net["average_precision"].dropna() == 1).all()
    assert net["flux_error"].isna().all() and (net["prior"] <= 1).all()
    assert np.allclose(light["visible"], 10 / 48)


def test_what_was_made_is_not_made_again(experiment, monkeypatch):
    arm = Arm(seed=42)
    first = experiment.probe(arm, progress=False)
    tuned = experiment.finetune(arm, 0.2, progress=False)
    monkeypatch.setattr(radial, "fit", lambda *_, **__: pytest.fail("trained again"))
    again = radial.Experiment("smallest")
    assert again.probe(arm)["predictions"].equals(first["predictions"])
    assert again.finetune(arm, 0.2).equals(tuned)
    table = first["predictions"]
    n_test = len(experiment.images.splits["test"])
    assert (table.groupby("fraction").size() == n_test).all() and len(table["fraction"].unique()) == 3
    assert set(first["targets"]["target"]) == set(experiment.targets)


def test_from_scratch_gets_the_epochs_of_pretraining_too(experiment, monkeypatch):
    asked = []

    def count(run, model, batches, loss, optimization, **_):
        asked.append(optimization.epochs)
        return model.eval()

    monkeypatch.setattr(radial, "fit", count)
    settings = experiment.settings
    experiment.finetune(Arm(untrained=True), 1.0, progress=False)
    experiment.finetune(Arm(untrained=True), 0.1, DEGRADED, progress=False)
    extra = settings.pretraining.epochs
    epochs = settings.finetuning.epochs
    assert asked == [epochs + extra, round(epochs / 0.1**0.5) + extra]


def test_looking_at_less_changes_the_features_of_a_vit(experiment, monkeypatch):
    monkeypatch.setattr(experiment, "pretrain", lambda arm, progress=True: experiment.model(arm))
    rows = np.arange(8)
    whole = experiment.features(Arm(), rows)
    assert np.array_equal(whole, experiment.features(Arm(), rows))
    part = experiment.features(Arm(), rows, observed=0.25)
    assert part.shape == whole.shape and not np.allclose(part, whole)
    assert experiment.features(Arm(OCCUPANCY, loss="dense"), rows).shape == (8, 16)


@pytest.mark.slow
def test_everything_the_report_reads_is_kept(experiment):
    for keep in (make.keep_features, make.keep_filling, make.keep_observed, make.keep_guesses):
        keep(experiment)
    names = ("predictions", "targets", "history", "halves", "filling", "observed")
    for name in names:
        table = results.load("smallest", f"radial_{name}")
        assert len(table) and set(table["source"]) == {"simulated"}
    filling = results.load("smallest", "radial_filling")
    assert set(radial_filling.UNLEARNED) < set(filling["method"])
