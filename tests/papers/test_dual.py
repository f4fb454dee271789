"""Dual masking at the smallest size: what an arm trains, what it is judged on, and what is kept."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Generator

from astrolib import profiles
from astrolib.papers import dual, dual_measures, dual_networks, dual_results
from astrolib.papers.dual import Experiment, Scene, error_table
from astrolib.papers.dual_networks import STARS, VARIANTS, Arm, pretext_of
from astrolib.report.dual_evidence import (
    BACKBONES,
    BASELINES,
    COMPONENTS,
    FULL,
    HELD_OUT,
    LONG,
    NETWORK,
    SCRATCH,
    STMAE,
    STRANGERS,
)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("dual")


@pytest.fixture
def experiment(home, monkeypatch):
    for tree in ("BUILD", "FIGURES"):
        monkeypatch.setenv(f"ASTROLIB_{tree}", str(home / tree.lower()))
    return Experiment("smallest")


@pytest.fixture(scope="module")
def scene():
    return Scene(profiles.load("smallest").dual.data, 42, 0.6)


# ---------------------------------------------------------------- arms


def test_variants_change_what_they_say_and_nothing_else():
    settings = profiles.load("demo").dual
    usual = pretext_of(settings, Arm())
    assert usual == dual_networks.Pretext(settings.masking)
    for variant, changes in VARIANTS.items():
        pretext = pretext_of(settings, Arm(variant=variant))
        found = dataclasses.asdict(pretext.masking) | dataclasses.asdict(pretext)
        for name, value in (dataclasses.asdict(usual.masking) | dataclasses.asdict(usual)).items():
            if name != "masking":
                assert found[name] == changes.get(name, value), (variant, name)
    assert pretext_of(settings, Arm(changes=(("p", 4.0),))).masking.p == 4.0


def test_unknown_words_are_refused():
    with pytest.raises(ValueError, match="backbone='GRU': it must be one of AGCRN"):
        Arm(backbone="GRU")
    with pytest.raises(ValueError, match="variant='half'"):
        Arm(variant="half")


def test_every_kind_of_mask_hides_what_it_should(scene):
    settings = profiles.load("smallest").dual
    graph = dual.EdgeGraph(scene.graph("neighbours")[0])
    rng, shape = Generator().manual_seed(0), (3, 12, 24)
    for variant in VARIANTS:
        pretext = pretext_of(settings, Arm(variant=variant))
        edges, times = pretext.hide_edges(graph, rng), pretext.hide_times(shape, rng)
        assert (edges is None) == (VARIANTS[variant].get("edges") == "none")
        assert (times is None) == (variant == "edges only")
        if edges is not None:
            assert len(edges.hidden_edges) == round(settings.masking.edge_ratio * len(graph.edges))
        if variant == STARS:
            assert (times.all(dim=1) == times.any(dim=1)).all()


@pytest.mark.parametrize("backbone", BACKBONES)
def test_a_seed_starts_all_trainings_with_the_same_forecaster(backbone, scene):
    settings, graph = profiles.load("smallest").dual, scene.graph("neighbours")[0]
    one, same, other = (
        dual_networks.forecaster_of(settings, Arm(backbone, training, seed=seed), graph).state_dict()
        for training, seed in ((LONG, 1), (STMAE, 1), (LONG, 2))
    )
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_points_of_a_profile_are_trained_once(experiment):
    arms = [
        *dual_results.compared_arms(experiment),
        *dual_results.variant_arms(experiment),
        *dual_results.null_arms(experiment),
    ]
    n_seeds, ablations = len(experiment.settings.seeds), experiment.settings.ablations
    n_varied = len(ablations.variants) + len(ablations.time_ratios)
    n_null = 2 * (len(ablations.f_sys) + 1)
    assert len(set(arms)) == len(arms) == n_seeds * (9 + n_varied + n_null)
    some = arms[:4] + arms[-2:]
    assert len({experiment.forecast_run(arm).folder for arm in some}) == len(some)
    assert {(a.f_sys, a.graph) for a in arms} == {
        (0.0, "neighbours"),
        (0.6, "neighbours"),
        (0.6, STRANGERS),
    }


# ---------------------------------------------------------------- detectors


def test_windows_of_parts_do_not_overlap_and_gaps_are_marked(scene):
    settings = scene.settings
    length = settings.n_in + settings.n_out
    ends = {part: (starts[0], starts[-1] + length) for part, starts in scene.starts.items()}
    assert ends["train"][1] <= ends["validation"][0] < ends["validation"][1] <= ends["test"][0]
    test = scene.windows("test", 5)
    assert test["x"].shape[1:] == (settings.n_in, settings.n_stars)
    assert (test["x"][~test["x_observed"]] == 0).all() and not test["x_observed"].all()
    train = scene.detector.flux[: scene.n_train]
    seen = np.where(scene.detector.observed[: scene.n_train], train, np.nan)
    assert np.nanmedian(seen, axis=0) == pytest.approx(0, abs=1e-6)


def test_graphs_of_a_scene(scene):
    near, nothing = scene.graph("neighbours")
    strangers, _ = scene.graph(STRANGERS)
    rest, pairs = scene.graph(HELD_OUT)
    assert len(nothing) == 0 and len(pairs) > 0
    assert sorted((near > 0).sum(axis=0)) == sorted((strangers > 0).sum(axis=0))
    assert not np.array_equal(near > 0, strangers > 0)
    assert (near[tuple(pairs.T)] > 0).all() and (rest[tuple(pairs.T)] == 0).all()


def test_errors_count_what_was_observed_only(scene):
    test = scene.windows("test")
    table = error_table(scene, test["y"] + np.where(test["y_observed"], 0.5, 1e6))
    n = test["y_observed"][:, 2].sum(axis=1)
    assert table["n_3"].to_numpy() == pytest.approx(n)
    assert table["abs_3"].to_numpy() == pytest.approx(0.5 * n, rel=1e-4)
    assert table["square_3"].to_numpy() == pytest.approx(0.25 * n, rel=1e-4)
    assert len(table) == len(scene.starts["test"])


# ---------------------------------------------------------------- measurements


def test_fine_tuning_starts_from_the_pretrained_encoder(experiment, monkeypatch):
    arm, starts = Arm(seed=7), {}
    pretrained = experiment.pretrain(arm, progress=False)

    def no_training(run, model, *_, **__):
        starts["model"] = model
        return model

    monkeypatch.setattr(dual, "fit", no_training)
    monkeypatch.setattr(experiment, "pretrain", lambda *_, **__: pretrained)
    experiment.finetune(arm, progress=False)
    tuned = starts["model"].backbone.state_dict()
    assert all(torch.equal(value, tuned[name]) for name, value in pretrained.backbone.state_dict().items())
    scratch = experiment.finetune(Arm(training=LONG, seed=7)).backbone.state_dict()
    assert not all(torch.equal(value, scratch[name]) for name, value in tuned.items())


def test_scratch_has_the_budget_of_both_stages(experiment):
    budgets = {t: experiment._recipe(Arm(training=t)).epochs for t in (SCRATCH, LONG, STMAE)}
    epochs = experiment.settings.training.epochs
    assert budgets == {SCRATCH: epochs, LONG: 2 * epochs, STMAE: epochs}


def test_last_visible_value_is_carried_forward():
    x = np.array([[[1.0], [2.0], [3.0], [4.0]]])
    visible = np.array([[[False], [True], [False], [False]]])
    assert dual_measures._last_visible(x, visible).ravel().tolist() == [0.0, 2.0, 2.0, 2.0]


def test_injected_signals_are_not_shared_between_stars():
    for signal in dual_measures._signals(2000, 40).values():
        into = np.flatnonzero(signal.any(axis=0))
        assert into.tolist() == [0, 8, 16, 24, 32]
        correlation = np.corrcoef(signal[:, into].T) - np.eye(5)
        assert np.abs(correlation).max() < 0.1
        assert np.ptp(signal[:, into], axis=0).min() > 0.9


def test_everything_is_kept_with_its_source_and_arms(experiment):
    for name in ("detector", "masks", "forecasts", "examples", "pretext", "removal"):
        getattr(dual_results, f"keep_{name}")(experiment)
    folder = dual.paths.results("smallest")
    tables = {path.stem: pd.read_parquet(path) for path in folder.glob("dual_*.parquet")}
    assert set(tables) == {f"dual_{n}" for n in ("errors", "history", "hidden", "edges", "removal")}
    assert all((table["source"] == "simulated detector").all() for table in tables.values())
    errors = tables["dual_errors"]
    assert set(errors.loc[errors["backbone"] == "", "training"]) == set(BASELINES)
    assert set(errors.loc[errors["backbone"] == "DCRNN", "training"]) == {SCRATCH, LONG, STMAE}
    ways = ["backbone", "training", "variant", "f_sys", "graph", "changes"]
    assert errors.groupby(ways)["seed"].nunique().eq(2).all()
    edges = tables["dual_edges"]
    assert edges["auc"].between(0, 1).all() and set(edges["graph"]) == {"neighbours", HELD_OUT}
    assert set(tables["dual_hidden"]["mode"]) == {"shared", "per_node"}
    removal = tables["dual_removal"].set_index("method")
    assert removal.loc[NETWORK, "sinusoid"].notna().sum() == 6 and COMPONENTS in removal.index
    assert set(tables["dual_history"]["stage"]) == {"pre-training", "forecast"}
    arm = Arm(seed=42)
    made = experiment.run(arm).folder.stat().st_mtime
    dual_measures.measure_job("smallest", "edges", arm)  # read, not made again
    assert experiment.run(arm).folder.stat().st_mtime == made
    assert FULL in set(errors["variant"])
