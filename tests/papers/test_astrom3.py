"""The whole experiment at the smallest size: what is trained once, predicted, and kept."""

import dataclasses
import os

import numpy as np
import pandas as pd
import pytest
import torch
from joblib.externals.loky import get_reusable_executor

from astrolib import profiles
from astrolib.papers import astrom3
from astrolib.papers import astrom3_results as made
from astrolib.report import results

MIRROR = os.environ.get("ASTROLIB_DATA_DIR")  # of the person who runs the tests, before a fixture moves it
TRIMODAL = ("photometry", "spectra", "metadata")
FOREST = "random forest"


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_a_profile_has_its_second_survey_under_a_name_of_its_own():
    assert [each.prefix for each in astrom3.experiments("smallest")] == ["astrom3"]
    main, second = astrom3.experiments("sample")
    assert (main.stars.settings.source, second.stars.settings.source) == ("gaia", "eros")
    assert (main.prefix, second.prefix) == ("astrom3", "astrom3_eros1")


# ---------------------------------------------------------------- training


def test_pretraining_is_done_once_and_feeds_the_classifiers_of_its_seed(experiment, monkeypatch):
    clip, other = experiment.pretrain(42, progress=False), experiment.pretrain(0, progress=False)
    assert not same(clip, other) and not same(clip, experiment.clip(42))
    monkeypatch.setattr("astrolib.training.fit.train_epoch", None)  # whoever trains again fails
    assert same(experiment.pretrain(42, progress=False), clip)
    for name in experiment.names:
        net = experiment.classifier(name, 0.5, "CLIP", 42)
        assert same(net.encoder, clip.encoders[name]) and not same(net.encoder, other.encoders[name])
        assert not same(experiment.classifier(name, 0.5, "from scratch", 42).encoder, clip.encoders[name])
    fused = experiment.classifier("all", 0.5, "CLIP", 42)
    assert same(fused.encoders, clip.encoders) and same(fused.projections, clip.projections)
    untrained = experiment.classifier("all", 0.5, "from scratch", 42)
    assert not same(untrained.projections, clip.projections)


@pytest.mark.parametrize("seed", [42, 0, 66])
def test_no_training_is_given_a_test_star_of_its_seed(incomplete, monkeypatch, seed):
    stars, given = incomplete.stars, []
    serve = stars.batches

    def batches(rows, names, *size, **options):
        given.append((rows, options))
        return serve(rows, names, *size, **options)

    monkeypatch.setattr(stars, "batches", batches)
    monkeypatch.setattr(astrom3, "fit", lambda run, model, train, *_, **__: model)
    incomplete.pretrain(seed)
    for name in (*incomplete.names, "all"):
        for way in astrom3.WAYS:
            incomplete.train_classifier(name, 0.5, way, seed)
    test = stars.parts(seed)["test"]
    assert len(given) > 20 and {options["seed"] for _, options in given} == {seed}
    assert not any(np.isin(rows, test).any() for rows, _ in given)
    trained, validated = ([rows for rows, o in given if o.get("training", False) is t] for t in (True, False))
    assert not np.isin(np.concatenate(trained), np.concatenate(validated)).any()


def test_seeds_start_networks_differently_and_repeatably(experiment):
    first, again, other = (experiment.classifier("all", 1.0, "from scratch", seed) for seed in (1, 1, 2))
    assert same(first, again) and not same(first, other)
    before = torch.random.get_rng_state()
    experiment.clip(1)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("way", ["from scratch", "CLIP", FOREST])
def test_predictions_are_of_the_test_stars_and_kept(experiment, monkeypatch, way):
    predictions = experiment.classify("spectra", 0.5, way, 42, progress=False)
    stars, survey = experiment.stars, experiment.stars.survey
    test = stars.parts(42)["test"]
    assert predictions["id"].tolist() == survey.ids[test].tolist()
    assert predictions["label"].tolist() == survey.label[test].tolist()
    assert set(predictions["prediction"]) <= set(range(len(survey.class_names)))
    inside = set(predictions.loc[predictions["in_subset"], "id"])
    assert inside == set(survey.ids[stars.labelled(42, 0.5)["test"]]) and len(inside) < len(test)
    monkeypatch.setattr(astrom3, "fit", None)
    monkeypatch.setattr(experiment.stars, "forest", None)
    pd.testing.assert_frame_equal(experiment.classify("spectra", 0.5, way, 42), predictions)


def test_the_forest_beats_the_most_frequent_class(experiment):
    predictions = experiment.classify("all", 1.0, FOREST, 42, progress=False)
    right = (predictions["label"] == predictions["prediction"]).mean()
    assert predictions["in_subset"].all() and right > predictions["label"].value_counts(normalize=True).max()


def test_a_changed_setting_is_another_run(experiment):
    def folders(changed):
        runs = [changed.pretraining_run(42)]
        runs += [changed.classifier_run("all", 0.5, way, 42) for way in astrom3.WAYS]
        return [run.folder for run in runs]

    def changed(part, **settings):
        other = astrom3.Experiment("smallest")
        part_settings = dataclasses.replace(getattr(other.settings, part), **settings)
        other.settings = dataclasses.replace(other.settings, **{part: part_settings})
        other.stars = experiment.stars
        return folders(other)

    base = folders(experiment)
    assert len(set(base)) == 3 and folders(astrom3.Experiment("smallest")) == base
    finer = changed("finetuning", epochs=2)
    assert finer[0] == base[0] and finer[1] != base[1] and finer[2] != base[2]
    pretrained = changed("pretraining", lr=0.1)
    assert pretrained[0] != base[0] and pretrained[1] == base[1] and pretrained[2] != base[2]
    assert not set(changed("encoders", hidden=16)) & set(base)
    elsewhere = astrom3.Experiment("smallest")
    elsewhere.stars.survey = experiment.stars.survey.subset(np.arange(300))
    assert not set(folders(elsewhere)) & set(base)
    runs = {
        experiment.classifier_run(name, f, "CLIP", s).folder
        for name in TRIMODAL
        for f in (1, 0.5)
        for s in (1, 2)
    }
    assert len(runs) == 12


@pytest.mark.slow
def test_workers_predict_the_same_as_one_process(tmp_path, monkeypatch):
    jobs = [("classify", ("metadata", 0.5, way, 42)) for way in (*astrom3.WAYS, FOREST)]
    found = []
    for workers in (1, 2):
        monkeypatch.setenv("ASTROLIB_BUILD", str(tmp_path / str(workers)))
        astrom3._experiment.cache_clear()
        experiment = astrom3.Experiment("smallest")
        experiment.settings = dataclasses.replace(experiment.settings, workers=workers)
        found.append(experiment.side_by_side(jobs, "test"))
    get_reusable_executor().shutdown(wait=True)
    astrom3._experiment.cache_clear()
    for one, two in zip(*found, strict=True):
        pd.testing.assert_frame_equal(one, two)


# ---------------------------------------------------------------- missing modalities


def test_stars_that_lack_a_modality_train_what_they_have(incomplete):
    survey, stars = incomplete.stars.survey, incomplete.stars
    clip = incomplete.pretrain(42, progress=False)
    assert len(clip.encoders) == 4 and all(torch.isfinite(p).all() for p in clip.parameters())
    history = incomplete.pretraining_run(42).history()
    assert np.isfinite(history[["loss", "val_loss", "accuracy"]]).all(axis=None)
    test = stars.parts(42)["test"]
    for name in ("photometry", "spectra", "metadata"):
        present = survey.modalities[name].present
        for part in ("train", "validation"):
            rows = incomplete.labelled_rows(name, 0.5, 42, part)
            everyone = stars.labelled(42, 0.5)[part]
            assert present[rows].all() and np.array_equal(rows, everyone[present[everyone]])
        for way in ("CLIP", FOREST):
            predictions = incomplete.classify(name, 0.5, way, 42, progress=False)
            assert predictions["id"].tolist() == survey.ids[test[present[test]]].tolist()
    fused = incomplete.classify("all", 0.5, "CLIP", 42, progress=False)
    assert fused["id"].tolist() == survey.ids[test].tolist()


def test_what_stands_in_for_a_missing_modality_changes_nothing(incomplete):
    net = incomplete.classifier("all", 1.0, "from scratch", 42)
    with torch.no_grad():
        (batch,) = incomplete.stars.batches(np.arange(16), incomplete.names, 16, seed=42).epoch()
        inputs, present = incomplete.inputs(batch)
        logits = net.eval()(inputs, present)
        lacking = ~present["metadata"]
        inputs["metadata"][0][lacking] = 9.0
        assert lacking.any() and torch.equal(net(inputs, present), logits)
        inputs["metadata"][0][~lacking] += 9.0
        assert not torch.allclose(net(inputs, present)[~lacking], logits[~lacking])


# ---------------------------------------------------------------- real stars


@pytest.mark.skipif(MIRROR is None, reason="ASTROLIB_DATA_DIR names no folder with the real data")
@pytest.mark.parametrize(
    ("prefix", "names", "source"),
    [
        ("astrom3", ("photometry", "spectra", "dmdt", "metadata"), "Gaia"),
        ("astrom3_eros1", ("blue", "red", "metadata"), "EROS"),
    ],
)
def test_real_surveys_go_the_same_way(monkeypatch, prefix, names, source):
    monkeypatch.setenv("ASTROLIB_DATA_DIR", MIRROR)
    small, experiment = profiles.load("smallest").astrom3, astrom3.Experiment("sample", prefix)
    parts = {name: getattr(small, name) for name in ("encoders", "pretraining", "finetuning", "trees")}
    experiment.settings = dataclasses.replace(experiment.settings, seeds=(42,), fractions=(0.5,), **parts)
    stars = experiment.stars
    stars.settings = dataclasses.replace(stars.settings, n_stars=1500, n_points=8)
    stars.settings = dataclasses.replace(stars.settings, fewest_stars=30)
    assert experiment.names == names and source in stars.survey.source
    monkeypatch.setattr(experiment, "side_by_side", lambda jobs, what, costs=None: [
        getattr(experiment, method)(*arguments, progress=False) for method, arguments in jobs
    ])  # fmt: skip
    scores = made.scores(experiment)
    assert len(scores) == (len(names) + 1) * 3 and scores["accuracy"].between(0, 100).all()
    assert (results.load("sample", f"{prefix}_scores")["source"] == stars.survey.source).all()
