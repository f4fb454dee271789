"""The ablations: each point differs from the baseline in one thing, and equal ones are trained once."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from astrolib import profiles
from astrolib.models.barlow_twins import LOSSES
from astrolib.papers import barlow_ablations as ablations
from astrolib.papers import barlow_results, barlow_twins
from astrolib.papers.barlow_ablations import Point
from astrolib.papers.barlow_networks import BARLOW, SIMCLR, UNTRAINED, Arm, recipe
from astrolib.report import results


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("barlow-ablations")


@pytest.fixture
def experiment(home, monkeypatch):
    for tree in ("BUILD", "FIGURES"):
        monkeypatch.setenv(f"ASTROLIB_{tree}", str(home / tree.lower()))
    return barlow_twins.Experiment("smallest")


def changed(arm: Arm) -> set[str]:
    """Names of what an arm changes, besides seed and length."""
    base = Arm()
    names = {field.name for field in dataclasses.fields(Arm)} - {"seed", "epochs"}
    return {name for name in names if getattr(arm, name) != getattr(base, name)}


def test_every_point_differs_in_what_its_part_is_about(experiment):
    allowed = {
        "table5": {"loss", "method"},
        "table6": {"stop_gradient", "predictor"},
        "fig2": {"method", "batch_size", "lr_factor"},
        "fig3": {"without"},
        "fig4": {"width", "redundancy_weight"},
        "fig5": {"redundancy_weight"},
        "recipe": {"lars", "lr_factor", "images"},
    }
    found = ablations.points(experiment)
    assert {point.part for point in found} == set(allowed)
    for point in found:
        assert changed(point.arm) <= allowed[point.part], point
    base = Arm(seed=42, epochs=experiment.settings.ablations.epochs)
    for part in allowed:
        assert base in [point.arm for point in found if point.part == part], f"{part} has no baseline"


def test_tables_have_the_papers_rows(experiment):
    found = ablations.points(experiment)
    rows = [point.variant for point in found if point.part == "table5"]
    assert rows == [*LOSSES, "untrained"]
    cases = {point.variant: point.arm for point in found if point.part == "table6"}
    assert list(cases) == ["baseline", "a", "b", "c"]
    assert cases["a"].stop_gradient and cases["b"].predictor and not cases["b"].stop_gradient
    assert cases["c"].stop_gradient and cases["c"].predictor


@pytest.mark.parametrize("kind", ["physical", "display"])
def test_the_ladder_only_goes_down(experiment, kind):
    steps = ablations.LADDERS[kind]
    names = [name for step in steps for name in step]
    views = experiment.images.views if kind == "physical" else barlow_results.DisplayViews(crop=32)
    assert len(names) == len(set(names)) and set(names) == set(views.STEPS) - {"jitter"}
    ladder = [point.arm.without for point in ablations.points(experiment) if point.part == "fig3"]
    assert all(set(higher) < set(lower) for higher, lower in zip(ladder[:-1], ladder[1:], strict=True))
    assert experiment.views(Arm(without=ladder[-1])) == experiment.images.views.only("jitter")


def test_the_second_line_of_figure_4_keeps_the_papers_weight(experiment):
    settings = experiment.settings
    for point in ablations.points(experiment):
        if point.part == "fig4" and point.series == "lambda x 8192/D":
            found = recipe(settings, point.arm)
            assert found.redundancy_weight * found.width == pytest.approx(0.0051 * 8192)


def test_the_demo_asks_for_what_the_card_asks_of_it():
    wanted = profiles.load("demo").barlow.ablations
    assert {64, 256} <= set(wanted.batch_sizes) and {16, 64, 256} <= set(wanted.widths)
    assert {0.002, 0.0051, 0.02} <= set(wanted.redundancy_weights) and len(wanted.seeds) >= 2
    assert len(profiles.load("sample").barlow.ablations.seeds) >= 3


def test_the_best_learning_rate_is_chosen_on_validation_images_for_each_point():
    arms = [Arm(seed=seed, lr_factor=factor) for factor in (0.5, 1.0, 2.0) for seed in (1, 2)]
    wanted = [Point("fig2", "64", arm, 64, BARLOW) for arm in arms]
    wanted += [Point("fig2", "64", dataclasses.replace(arm, method=SIMCLR), 64, SIMCLR) for arm in arms]
    score = {0.5: (60, 70), 1.0: (66, 66), 2.0: (80, 40)}
    found = {
        point.arm: {
            "measures": pd.DataFrame(
                {
                    "validation_accuracy": [
                        (1 if point.series == BARLOW else -1) * score[point.arm.lr_factor][point.arm.seed - 1]
                    ]
                }
            )
        }
        for point in wanted
    }
    kept = ablations._best_rates(wanted, found)
    assert {(point.series, point.arm.lr_factor) for point in kept} == {(BARLOW, 1.0), (SIMCLR, 2.0)}
    assert len(kept) == 4


@pytest.mark.slow
def test_everything_is_trained_once_and_kept(experiment, monkeypatch):
    few = [point for point in ablations.points(experiment) if point.part in ("table5", "fig5")]
    few = [point for point in few if point.variant in ("both", "invariance", "untrained", "0.002", "0.0051")]
    monkeypatch.setattr(ablations, "points", lambda _: few)
    trained, fit = [], barlow_twins.fit
    monkeypatch.setattr(barlow_twins, "experiment_of", lambda _: experiment)
    monkeypatch.setattr(
        barlow_twins, "fit", lambda run, *a, **k: trained.append(run.folder) or fit(run, *a, **k)
    )
    ablations.keep_ablations(experiment)
    assert len(trained) == len(set(trained)) == 3  # the baseline of both parts is one
    predictions = results.load("smallest", "barlow_ablation_predictions")
    runs = results.load("smallest", "barlow_ablation_runs")
    assert set(predictions["variant"]) == {point.variant for point in few}
    n_test = len(experiment.images.splits["test"])
    for _, table in predictions.groupby(["part", "variant", "fraction", "seed"]):
        assert len(table) == n_test
    base = runs[runs["variant"].isin(["both", "0.0051"])]
    assert len(base) == 2 and np.ptp(base["rank_r"]) == 0
    assert runs.loc[runs["variant"] == "untrained", "diagonal"].isna().all()
    assert UNTRAINED not in set(predictions["variant"]) and set(runs["source"]) == {"simulated"}
