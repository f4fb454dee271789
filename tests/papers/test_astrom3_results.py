"""The tables of AstroM3 at the smallest size, against what they are made from."""

import dataclasses
from itertools import combinations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from astrolib import paths
from astrolib.papers import astrom3_results as made
from astrolib.report import results

TRIMODAL = ("photometry", "spectra", "metadata")


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
