"""A2-MAE experiments: arms, what is measured of them, and what learns no image model."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from astrolib.models.anchor_masking import SetMask
from astrolib.papers import anchor, anchor_baselines, anchor_filling, anchor_heads, anchor_results
from astrolib.papers.anchor import Arm, Experiment
from astrolib.report import results


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("anchor")


@pytest.fixture
def experiment(home, monkeypatch):
    for tree in ("BUILD", "FIGURES"):
        monkeypatch.setenv(f"ASTROLIB_{tree}", str(home / tree.lower()))
    return anchor.experiment_of("smallest")


def changed(arm: Arm) -> set[str]:
    names = {field.name for field in dataclasses.fields(Arm)} - {"seed"}
    return {name for name in names if getattr(arm, name) != getattr(Arm(), name)}


# ---------------------------------------------------------------- arms


def test_every_row_differs_in_what_its_table_is_about(experiment):
    allowed = {"modes": {"mode", "key", "single", "trained"}}
    allowed["encodings"] = {"geographic", "scale", "order", "slots"}
    found = anchor_results.points(experiment)
    for point in found:
        if point.part in allowed:
            assert changed(point.arm) <= allowed[point.part], point
        else:
            assert point.part == f"null {point.arm.null}"
    for part in allowed:
        assert Arm() in [point.arm for point in found if point.part == part]
    assert {p.arm.null for p in found} == {"", "objects", "reddening", "scale"}


def test_a_null_changes_one_thing_between_its_arms(experiment):
    found = [p for p in anchor_results.points(experiment) if p.part.startswith("null")]
    different = {
        "null objects": {"mode", "single"},
        "null reddening": {"geographic"},
        "null scale": {"scale"},
    }
    for part, names in different.items():
        first, second = (p.arm for p in found if p.part == part)
        assert changed(first) ^ changed(second) == names


def test_with_the_survey_as_key_the_anchor_mode_is_the_same_mode(experiment):
    sets = experiment.data().sets.subset(np.arange(20))
    key = torch.from_numpy(anchor_results.keys_of(sets, "survey"))
    masks = [
        SetMask(mode)(key, 16, generator=torch.Generator().manual_seed(5)).mask for mode in ("anchor", "same")
    ]
    assert torch.equal(*masks)


def test_arms_with_a_seed_share_their_weights(experiment):
    full, other = (experiment.model(arm).state_dict() for arm in (Arm(), Arm(mode="random", key="bands")))
    assert all(torch.equal(full[name], other[name]) for name in full)
    assert experiment.run(Arm()).folder != experiment.run(Arm(key="bands")).folder


# ---------------------------------------------------------------- what is measured


@pytest.fixture
def measured(experiment):
    return experiment.measure(Arm(), progress=False)


def test_every_test_set_is_measured_once(experiment, measured):
    objects, data = measured["objects"], experiment.data()
    assert objects["id"].tolist() == data.splits["test"].tolist()
    assert (objects["label"] == data.sets.label[objects["id"]]).all()
    assert (objects["transient"] == data.sets.transient[objects["id"]]).all()
    far = np.isin(objects["id"], data.splits["held out"])
    assert ((objects["place"] == "held out") == far).all()
    pixels = data.sets.source_mask[objects["id"]].sum(axis=(1, 2, 3))
    assert (objects["seg_tp"] + objects["seg_fn"] == pixels).all()
    patches = anchor_heads.changed_patches(data.sets.subset(data.splits["test"]), 16).sum(axis=1)
    assert (objects["patch_tp"] + objects["patch_fn"] == patches).all()


def test_measures_are_made_once(experiment, measured, monkeypatch):
    monkeypatch.setattr(anchor, "fit", None)
    monkeypatch.setattr(Experiment, "_measure", None)
    again = experiment.measure(Arm())
    pd.testing.assert_frame_equal(again["filled"], measured["filled"])


def test_wide_sets_are_the_same_galaxies_at_both_scales(measured):
    wide = measured["wide"].pivot(index="id", columns="scale", values="label")
    assert (wide["as trained"] == wide["doubled"]).all()


def test_errors_are_those_of_pixels_under_the_shared_masks(experiment, measured):
    data, model = experiment.data(), experiment.pretrain(Arm(), progress=False)
    test = data.sets.subset(data.splits["test"])
    hidden = anchor_filling.shared_mask(len(test), 4, 16)
    assert (hidden.sum(axis=2) == 12).all()
    (batch,) = data.batches(test, 1000).epoch()
    with torch.no_grad():
        made = model(batch, mask=anchor_filling.as_mask(hidden, "cpu"))
    assert (made["mask"].numpy().reshape(hidden.shape) == hidden).all()
    columns = [f"error_{slot}" for slot in range(4)]
    assert measured["objects"][columns].mean().mean() == pytest.approx(made["loss"].item(), rel=1e-4)


def test_a_single_network_is_judged_under_the_same_masks(experiment):
    data, arm = experiment.data(), Arm(mode="random", single=True)
    few = data.sets.subset(data.splits["test"][:7])
    model = experiment.model(arm).eval()
    errors, _ = anchor_filling.masked_errors(model, data.batches(few, 100, single=True), few, True)
    (batch,) = data.batches(few, 100, single=True).epoch()
    hidden = anchor_filling.shared_mask(7, 4, 16).reshape(28, 1, 16)
    with torch.no_grad():
        loss = model(batch, mask=anchor_filling.as_mask(hidden, "cpu"))["loss"].item()
    assert errors.shape == (7, 4) and errors.mean() == pytest.approx(loss, rel=1e-4)


def test_a_missing_survey_is_not_seen(experiment):
    data, model = experiment.data(), experiment.model(Arm()).eval()
    sets = data.sets.subset(np.arange(3))
    hidden = anchor_filling.missing_mask(sets, "ZTF-like", 16)
    assert hidden.all(axis=1).tolist() == [False, False, True, True]
    hidden = np.repeat(hidden[None], 3, axis=0)
    (batch,) = data.batches(sets, 9).epoch()
    other = batch | {"images": batch["images"].clone()}
    other["images"][:, 2:] = 9.0
    with torch.no_grad():
        a, b = (anchor_filling.predicted(model, part, hidden) for part in (batch, other))
    assert torch.equal(a, b)


def test_a_perfect_fill_leaves_the_noise_floor(experiment):
    """Predicting the truth leaves nothing; noise of one sigma on it leaves the floor."""
    sets = experiment.data().sets.subset(np.arange(40))
    hidden = np.ones((40, 4, 16), bool)
    exact = anchor_filling.normalised(sets.images, sets, hidden, range(4))
    assert (exact["error"] == 0).all() and (exact["floor"] > 0).all()
    rng = np.random.default_rng(0)
    noisy = anchor_filling.normalised(sets.images + rng.normal(size=sets.images.shape), sets, hidden, [0])
    assert noisy["error"].mean() == pytest.approx(noisy["floor"].mean(), rel=0.1)


def test_patches_are_in_the_order_of_tokens(experiment):
    pixels = torch.arange(2 * 4 * 3 * 32 * 32.0).reshape(2, 4, 3, 32, 32)
    ours = anchor_heads.patches(pixels[:, :, 0].numpy(), 16)  # (2, 4, 16, 64)
    theirs = experiment.model(Arm()).patchify(pixels).reshape(2, 4, 16, 64, 3)[..., 0]
    assert (ours == theirs.numpy()).all()
    hidden = np.arange(16) % 3 == 0
    assert (anchor_heads.patches(anchor_filling.pixels_of(hidden, 32), 16) == hidden[:, None]).all()


def test_thresholds_of_changes_are_chosen_elsewhere():
    truth = np.zeros((6, 4), bool)
    truth[:3, 1] = True
    scores = np.where(truth, 2.0, 0.0)
    found = anchor_heads.change_columns(scores, truth, scores - 10, truth, truth.any(axis=1))
    assert (
        found["patch_tp"].sum() == 0 and not found["alarm"].any()
    )  # all below what validation sets asked for
    found = anchor_heads.change_columns(scores, truth, scores, truth, truth.any(axis=1))
    assert found["patch_fp"].sum() == found["patch_fn"].sum() == 0
    assert (found["alarm"] == truth.any(axis=1)).all()


# ---------------------------------------------------------------- what learns no image model


@pytest.fixture(scope="module")
def rivals():
    return {name: pd.concat(t) for name, t in anchor_baselines.measure(Experiment("smallest")).items()}


def test_a_missing_survey_is_nearly_filled_in_by_regression(rivals):
    filled = rivals["filled"]
    missing = filled[(filled["visible"] == anchor_filling.MISSING) & filled["slot"].isin([1, 2])]
    medians = missing.groupby("slot")[["error", "floor"]].median()
    assert (medians["error"] < 0.5).all() and (medians["error"] > 0.7 * medians["floor"]).all()


def test_rivals_are_ranked_as_they_see_more(rivals):
    objects = rivals["objects"].set_index("variant")
    errors = objects[[f"error_{slot}" for slot in range(4)]].dropna().mean(axis=1).groupby(level=0).mean()
    assert errors[anchor_baselines.REGRESSION] < errors[anchor_baselines.MEAN]
    assert errors[anchor_baselines.TYPICAL] < errors[anchor_baselines.CONSTANT]


def test_the_difference_image_finds_transients(rivals):
    found = rivals["objects"].query("variant == 'difference image'")
    alarm, true = found["alarm"].astype(bool), found["transient"].astype(bool)
    assert (alarm == true).mean() > 0.85


def test_sets_with_bands_that_no_training_set_has_are_filled_in_too(experiment):
    sets = experiment.data().sets.subset(np.arange(12))
    groups = anchor_baselines.same_bands(sets.subset(np.arange(6)), sets.subset(np.arange(6, 12)))
    asked = np.sort(np.concatenate([asked for _, asked in groups]))
    assert asked.tolist() == list(range(6)) and all(len(taught) for taught, _ in groups)


def test_hidden_pixels_of_another_image_are_not_used(experiment):
    sets = experiment.data().sets.subset(np.arange(4))
    shown = np.zeros((4, 32, 32), bool)
    shown[:, :, :16] = True
    changed_sets = dataclasses.replace(sets, images=np.where(shown[:, None, None], sets.images, 1e6))
    a, b = (anchor_baselines.seen(s, 0, 1, shown) for s in (sets, changed_sets))
    assert np.array_equal(a, b, equal_nan=True) and np.isfinite(a).any() and np.isnan(a).any()


# ---------------------------------------------------------------- all of it


def test_pictures_are_kept_with_their_source(experiment, measured):
    anchor_results.keep_sets(experiment)
    anchor_results.keep_masks(experiment)
    anchor_results.keep_pictures(experiment)
    for name in ("sets", "masks", "reconstruction", "changes"):
        assert str(results.load_arrays("smallest", f"anchor_{name}")["source"]).startswith("simulated")
    masks = results.load_arrays("smallest", "anchor_masks")["hidden"]
    assert (masks.sum(axis=(1, 2, 3)) == 48).all()


@pytest.mark.slow
def test_everything_is_trained_once_and_kept(experiment, monkeypatch):
    trained, fit = [], anchor.fit
    monkeypatch.setattr(
        anchor, "fit", lambda run, *a, **k: (trained.append(run.folder), fit(run, *a, **k))[1]
    )
    anchor_results.keep_measures(experiment)
    assert len(trained) == len(set(trained))
    objects = results.load("smallest", "anchor_objects")
    wanted = {(p.part, p.variant, p.arm.seed) for p in anchor_results.points(experiment)}
    assert wanted <= set(map(tuple, objects[["part", "variant", "seed"]].drop_duplicates().to_numpy()))


def test_rows_of_a_null_say_so(experiment):
    null = experiment.data("objects").sets.source
    experiment.keep("some", pd.DataFrame({"part": ["modes", "null objects"], "source": [None, null]}))
    kept = results.load("smallest", "anchor_some")["source"].tolist()
    assert kept == ["simulated image sets", "simulated image sets, null: objects"]
