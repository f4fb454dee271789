"""The whole experiment at the smallest size: recipes, what is trained once, predicted, scored and kept."""

import dataclasses
import importlib.util
import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from joblib.externals.loky import get_reusable_executor
from sklearn.metrics import balanced_accuracy_score

from astrolib import paths, profiles
from astrolib.models.galspecnet import GalSpecNet
from astrolib.models.informer import InformerEncoder
from astrolib.models.star_encoders import DmDtEncoder, MetadataEncoder
from astrolib.papers import astrom3, astrom3_networks
from astrolib.papers import astrom3_results as made
from astrolib.report import results
from astrolib.report.tables import published

SPEC = importlib.util.spec_from_file_location("small_stars", Path(__file__).with_name("small_stars.py"))
small_stars = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(small_stars)
small_survey = small_stars.small_survey

MIRROR = os.environ.get("ASTROLIB_DATA_DIR")  # of the person who runs the tests, before a fixture moves it
TRIMODAL = ("photometry", "spectra", "metadata")
FOREST = "random forest"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("astrom3")


@pytest.fixture
def experiment(home, monkeypatch):
    for tree in ("BUILD", "FIGURES"):
        monkeypatch.setenv(f"ASTROLIB_{tree}", str(home / tree.lower()))
    return astrom3.Experiment("smallest")


@pytest.fixture
def incomplete(monkeypatch):
    """An experiment on four modalities, some of which some stars lack."""
    made_up = astrom3.Experiment("smallest")
    made_up.stars.survey = small_survey(240, image=True)
    monkeypatch.setattr(astrom3, "_experiment", lambda *_: made_up)  # of the workers, too
    return made_up


def same(one: torch.nn.Module, other: torch.nn.Module) -> bool:
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


# ---------------------------------------------------------------- recipes


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


def test_dropouts_and_sizes_reach_the_encoders():
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
    monkeypatch.setattr(experiment, "side_by_side", lambda jobs, what: [
        getattr(experiment, method)(*arguments, progress=False) for method, arguments in jobs
    ])  # fmt: skip
    scores = made.scores(experiment)
    assert len(scores) == (len(names) + 1) * 3 and scores["accuracy"].between(0, 100).all()
    assert (results.load("sample", f"{prefix}_scores")["source"] == stars.survey.source).all()


# ---------------------------------------------------------------- tables


def test_stars_and_splits_are_kept(experiment):
    made.keep_stars(experiment)
    stars, survey = results.load("smallest", "astrom3_stars"), experiment.stars.survey
    promised = {"id", "class", "split", "source", *(f"has {name}" for name in TRIMODAL)}
    assert promised <= set(stars.columns) and stars["id"].tolist() == survey.ids.tolist()
    assert (stars["source"] == "simulated").all()
    assert stars["class"].tolist() == [survey.class_names[label] for label in survey.label]
    parts = experiment.stars.parts(42)
    assert all(stars.loc[rows, "split"].eq(part).all() for part, rows in parts.items())
    splits = results.load("smallest", "astrom3_splits")
    assert list(splits) == ["seed", "fraction", "split", "class_name", "label_id", "count", "source"]
    assert len(splits) == 2 * 2 * 3 * len(survey.class_names)
    counts = splits.groupby(["seed", "fraction", "split"])["count"].sum()
    for seed, fraction, part in counts.index:
        assert counts[seed, fraction, part] == len(experiment.stars.labelled(seed, fraction)[part])
    classes = results.load("smallest", "astrom3_classes")
    assert classes["class_name"].tolist() == list(survey.class_names)
    assert classes["label_id"].tolist() == list(range(len(survey.class_names)))


@pytest.mark.filterwarnings("ignore:y_pred contains classes")
def test_the_main_table_has_every_network_and_follows_from_its_predictions(experiment):
    scores = made.scores(experiment)
    kept, predictions = (results.load("smallest", f"astrom3_{name}") for name in ("scores", "predictions"))
    keys = ["modality", "fraction", "way", "seed"]
    numbers = ["accuracy", "balanced_accuracy", "accuracy_whole_test", "n_train", "n_test"]
    assert list(kept) == [*keys, *numbers, "source"] and len(kept) == len(scores) == 4 * 2 * 3 * 2
    assert not kept.duplicated(keys).any() and set(kept["modality"]) == {*TRIMODAL, "all"}
    assert list(predictions) == ["id", "label", "prediction", "in_subset", *keys, "source"]
    tables = dict(tuple(predictions.groupby(keys)))
    for row in kept.itertuples():
        table = tables[row.modality, row.fraction, row.way, row.seed]
        inside = table[table["in_subset"]]
        assert row.accuracy == pytest.approx(100 * (inside["label"] == inside["prediction"]).mean())
        assert row.accuracy_whole_test == pytest.approx(100 * (table["label"] == table["prediction"]).mean())
        assert row.n_test == len(inside)
        assert row.n_train == len(experiment.stars.labelled(row.seed, row.fraction)["train"])
        oracle = balanced_accuracy_score(inside["label"], inside["prediction"])
        assert row.balanced_accuracy == pytest.approx(100 * oracle)
    assert (
        kept.loc[kept["fraction"] == 1, "accuracy"] == kept.loc[kept["fraction"] == 1, "accuracy_whole_test"]
    ).all()
    history = results.load("smallest", "astrom3_pretraining")
    columns = {"epoch", "lr", "loss", "accuracy", "val_loss", "val_accuracy", "seed", "source"}
    assert columns | {f"scale {a}-{b}" for a, b in combinations(TRIMODAL, 2)} <= set(history.columns)
    assert set(history["seed"]) == {42, 0} and history["epoch"].nunique() * 2 == len(history)


def test_the_longest_trainings_come_first(experiment):
    jobs = made.grid(experiment)
    assert [job[1] for job in jobs] == sorted((job[1] for job in jobs), reverse=True) and jobs[0][0] == "all"
    assert len(set(jobs)) == len(jobs) == 48


def test_importance_of_all_modalities_is_the_accuracy_of_the_fused_classifier(experiment):
    table = made.keep_importance(experiment)
    kept = results.load("smallest", "astrom3_importance")
    assert {"class_name", "modalities", "seed", "count", "correct", "accuracy", "source"} == set(kept.columns)
    mixtures = ["+".join(c) for k in (1, 2, 3) for c in combinations(TRIMODAL, k)]
    assert list(dict.fromkeys(table["modalities"])) == mixtures
    for seed in (42, 0):
        predictions = experiment.classify("all", 0.5, "CLIP", seed, progress=False)
        inside = predictions[predictions["in_subset"]]
        right = inside["label"] == inside["prediction"]
        rows = table.query(f"modalities == '{'+'.join(TRIMODAL)}' and seed == {seed}").set_index("class_name")
        assert rows.loc["overall", "accuracy"] == pytest.approx(100 * right.mean())
        assert rows.loc["overall", "count"] == len(inside)
        by_class = 100 * right.groupby(inside["label"]).mean()
        assert rows.loc["class mean", "accuracy"] == pytest.approx(by_class.mean())
        names = [experiment.class_names[label] for label in by_class.index]
        np.testing.assert_allclose(rows.loc[names, "accuracy"], by_class)
        assert rows.loc[names, "correct"].sum() == rows.loc["overall", "correct"]
    photometry = table.query("modalities == 'photometry' and class_name == 'overall'")
    assert len(photometry) == 2


def test_embeddings_are_unit_vectors_and_nan_where_a_star_lacks_the_view(incomplete):
    survey = incomplete.stars.survey
    found = made.embed(incomplete, 42)
    assert list(found) == [*incomplete.names, "all"]
    for name in incomplete.names:
        present = survey.modalities[name].present
        np.testing.assert_allclose(np.linalg.norm(found[name][present], axis=1), 1, rtol=1e-5)
        assert np.isnan(found[name][~present]).all()
    np.testing.assert_allclose(found["all"], np.nanmean([found[name] for name in incomplete.names], axis=0))
    assert np.isfinite(found["all"]).all()
    assert not np.allclose(found["spectra"], made.embed(incomplete, 0)["spectra"], equal_nan=True)


def test_tables_of_an_incomplete_survey_count_only_who_is_there(incomplete):
    incomplete.settings = dataclasses.replace(incomplete.settings, seeds=(42,), fractions=(0.5,))
    scores = made.scores(incomplete).set_index(["modality", "way"])["n_train"]
    labelled = incomplete.stars.labelled(42, 0.5)["train"]
    for name in ("photometry", "spectra", "metadata", "dmdt"):
        n = incomplete.stars.survey.modalities[name].present[labelled].sum()
        assert (scores[name] == n).all()
    assert (scores["all"] == len(labelled)).all()
    assert len(set(made.keep_importance(incomplete)["modalities"])) == 15
    frozen = made.keep_embedding_classifiers(incomplete)
    assert len(frozen) == 5 * 2 and frozen["accuracy"].between(0, 100).all()


def test_frozen_embeddings_classify_with_centres_and_neighbours(experiment):
    table = made.keep_embedding_classifiers(experiment)
    kept = results.load("smallest", "astrom3_embedding_classifiers")
    assert list(kept) == ["fraction", "modality", "classifier", "seed", "accuracy", "source"]
    assert len(table) == 2 * 4 * 2 * 2 and set(table["classifier"]) == {"class centre", "nearest neighbour"}
    x = made.embed(experiment, 42)["metadata"]
    label, rows = experiment.stars.survey.label, experiment.stars.labelled(42, 0.5)
    cosine = x[rows["test"]] @ x[rows["train"]].T
    hits = label[rows["train"]][cosine.argmax(axis=1)] == label[rows["test"]]
    row = "fraction == 0.5 and modality == 'metadata' and classifier == 'nearest neighbour' and seed == 42"
    assert table.query(row)["accuracy"].item() == pytest.approx(100 * hits.mean())
    assert (paths.results("smallest") / "astrom3_embedding_classifiers.parquet").exists()
