"""Everything that notebook 30 keeps, at the smallest size: who is in it, and that it can be drawn."""

import numpy as np
import pytest

from astrolib.papers import barlow_results as make
from astrolib.papers import barlow_twins
from astrolib.papers.barlow_networks import BARLOW, HANDMADE, MAE, SIMCLR, SUPERVISED, UNTRAINED, Arm
from astrolib.report import barlow as figures
from astrolib.report import barlow_tables as tables
from astrolib.report import results


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("barlow-results")


@pytest.fixture
def experiment(home, monkeypatch):
    for tree in ("BUILD", "FIGURES"):
        monkeypatch.setenv(f"ASTROLIB_{tree}", str(home / tree.lower()))
    experiment = barlow_twins.Experiment("smallest")
    monkeypatch.setattr(barlow_twins, "experiment_of", lambda _: experiment)  # of the jobs, too
    return experiment


def test_compared_are_all_methods_on_their_encoders(experiment):
    arms = make.compared_arms(experiment)
    pairs = {(arm.method, arm.encoder) for arm in arms}
    resnet, vit = (BARLOW, SIMCLR, UNTRAINED), (BARLOW, MAE, UNTRAINED)
    assert pairs == {(name, "resnet") for name in resnet} | {(name, "vit") for name in vit}
    assert len(arms) == len(pairs) * len(experiment.settings.seeds)
    assert {arm.max_reddening for arm in make.little_reddened(experiment)} == {0.1}


def test_views_are_kept_with_what_was_drawn(experiment):
    make.keep_survey(experiment)
    make.keep_views(experiment)
    shown = results.load_arrays("smallest", "barlow_views")
    assert shown["steps"].tolist() == [*experiment.images.views.STEPS, "view A", "view B"]
    assert shown["draws"].shape[:2] == (len(shown["steps"]), make.N_DRAWS) == shown["texts"].shape
    assert shown["draws"].min() >= 0 and shown["draws"].max() <= 1
    assert all(text.startswith("E(B-V) ") for text in shown["texts"][0])
    pairs = results.load_arrays("smallest", "barlow_pairs")
    assert pairs["a"].shape == pairs["b"].shape and len(pairs["texts_a"]) == len(pairs["a"])
    figures.augmentations("smallest")
    figures.pairs("smallest")


@pytest.mark.slow
def test_tables_have_every_method_fraction_and_seed(experiment):
    make.keep_training(experiment)
    make.keep_tables(experiment)
    found = results.load("smallest", "barlow_predictions")
    settings, n_test = experiment.settings, len(experiment.images.splits["test"])
    keys = ["method", "encoder", "protocol", "fraction", "seed"]
    counts = found.groupby(keys).size()
    assert set(counts) == {n_test}
    each = {
        (method, encoder, protocol)
        for method, encoder in make.COMPARED
        for protocol in ("linear", "k-NN", "fine-tuned")
    }
    each = {(SUPERVISED if m == UNTRAINED and p == "fine-tuned" else m, e, p) for m, e, p in each}
    each.add((HANDMADE, "none", "random forest"))
    assert {key[:3] for key in counts.index} == each
    assert len(counts) == len(each) * len(settings.fractions) * len(settings.seeds)
    ids = experiment.images.survey.ids[experiment.images.splits["test"]]
    assert set(found["id"]) == set(ids) and set(found["source"]) == {"simulated"}

    transfer = results.load("smallest", "barlow_transfer")
    little = transfer[transfer["method"].str.contains("up to 0.1")]
    assert (
        set(little["target"]) == set(transfer.loc[transfer["method"] == "colours", "target"]) == {"redshift"}
    )
    for draw in (
        tables.table_1,
        tables.table_2,
        tables.table_3,
        tables.classes,
        figures.training,
        figures.rank,
    ):
        draw("smallest")


@pytest.mark.slow
def test_embeddings_are_those_of_the_trained_network(experiment):
    make.keep_survey(experiment)
    make.keep_training(experiment)
    make.keep_embeddings(experiment)
    kept = results.load_arrays("smallest", "barlow_correlation")
    arm = Arm(seed=experiment.settings.seeds[0])
    expected = experiment.embeddings(arm, experiment.pretrain(arm, progress=False))[2]
    assert np.array_equal(kept["after"], expected) and not np.array_equal(kept["before"], expected)
    near = results.load_arrays("smallest", "barlow_neighbours")
    assert near["hits"].shape[:2] == near["hit_label"].shape
    table = results.load("smallest", "barlow_map")
    assert len(table) == len(experiment.images.splits["test"]) and "magnitude" in table
    for draw in (figures.correlation, figures.spectrum, figures.neighbours, figures.embedding_map):
        draw("smallest")
