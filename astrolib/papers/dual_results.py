"""The tables and pictures of dual masking on stars: what is trained and kept for them.

Each function keeps tables or arrays that `astrolib.report.dual` draws from; the trainings that it needs are
made side by side, equal ones once.
"""

import numpy as np
import pandas as pd
from torch import Generator

from astrolib.models.dual_masking import MODES, EdgeGraph, TimePatchMask, biased_walk_mask, uniform_edge_mask
from astrolib.papers import dual_measures as measures
from astrolib.papers.dual import Experiment
from astrolib.papers.dual_networks import STARS, VARIANTS, Arm
from astrolib.papers.workers import side_by_side
from astrolib.report.dual_evidence import (
    BACKBONES,
    COMPONENTS,
    F_SYS,
    HELD_OUT,
    LONG,
    NEIGHBOURS,
    NETWORK,
    REGRESSION,
    SCRATCH,
    STMAE,
    STRANGERS,
)

SWEPT = {
    "edge_ratio": "edge_ratios",
    "time_ratio": "time_ratios",
    "patch": "patches",
    "p": "p",
    "q": "q",
    "structure_weight": "structure_weights",
}
"""Setting of the masks to the list of its values in the profile."""
ABOUT = ("backbone", "training", "variant", "seed", "f_sys", "graph")


def compared_arms(experiment: Experiment) -> list[Arm]:
    """Table 1: every backbone with every training."""
    seeds = experiment.settings.seeds
    trainings = (STMAE, LONG, SCRATCH)
    return [Arm(b, training, seed=seed) for b in BACKBONES[::-1] for training in trainings for seed in seeds]


def variant_arms(experiment: Experiment) -> list[Arm]:
    """Table 2 and the sensitivities, AGCRN."""
    settings, found = experiment.settings, []
    for seed in settings.seeds:
        found += [Arm(variant=variant, seed=seed) for variant in settings.ablations.variants]
        for setting, values in SWEPT.items():
            for value in getattr(settings.ablations, values):
                found.append(Arm(seed=seed, changes=((setting, value),)))
    return found


def null_arms(experiment: Experiment) -> list[Arm]:
    """Less systematics, and strangers for neighbours: pre-trained and with the same budget from scratch."""
    settings = experiment.settings
    places = [(f_sys, NEIGHBOURS) for f_sys in settings.ablations.f_sys] + [(F_SYS, STRANGERS)]
    return [
        Arm(training=training, seed=seed, f_sys=f_sys, graph=graph)
        for f_sys, graph in places
        for training in (STMAE, LONG)
        for seed in settings.seeds
    ]


def keep_forecasts(experiment: Experiment) -> None:
    """Train everything that forecasts, and keep the errors on the test windows as "errors", the learning
    curves as "history" and the settings of the masks that were varied in the column `changes`."""
    arms = [*compared_arms(experiment), *variant_arms(experiment), *null_arms(experiment)]
    arms = list(dict.fromkeys(arms))
    places = list(dict.fromkeys(Arm(seed=a.seed, f_sys=a.f_sys, graph=a.graph) for a in arms))
    jobs = [("errors", arm) for arm in arms] + [("baselines", place) for place in places]
    found = _measure(experiment, jobs, "forecasts")
    errors = [_about(table, arm) for arm, table in zip(arms, found, strict=False)]
    for place, tables in zip(places, found[len(arms) :], strict=True):
        for method, table in tables.items():
            errors.append(_about(table, place).assign(backbone="", training=method, variant=""))
    experiment.keep("errors", pd.concat(errors, ignore_index=True))
    history = []
    for arm in arms:
        runs = {"forecast": experiment.forecast_run(arm)}
        runs |= {"pre-training": experiment.run(arm)} if arm.training == STMAE else {}
        history += [_about(run.history(), arm).assign(stage=stage) for stage, run in runs.items()]
    experiment.keep("history", pd.concat(history, ignore_index=True))


def keep_pretext(experiment: Experiment) -> None:
    """Keep how well hidden values and hidden edges are guessed as "hidden" and "edges"."""
    settings = experiment.settings
    times = [Arm(b, seed=seed) for b in BACKBONES for seed in settings.seeds]
    others = [mode for mode in MODES if mode != settings.masking.time_mode]
    modes = [mode for mode in others if mode in settings.ablations.variants]
    times += [Arm(variant=mode, seed=seed) for mode in modes for seed in settings.seeds]
    edges = [Arm(b, seed=seed) for b in BACKBONES for seed in settings.seeds]
    kinds = [v for v in settings.ablations.variants if VARIANTS[v].get("edges") != "none"]
    edges += [Arm(variant=v, seed=seed) for v in kinds for seed in settings.seeds]
    edges += [Arm(graph=HELD_OUT, seed=seed) for seed in settings.seeds]
    jobs = [("hidden", arm) for arm in times] + [("edges", arm) for arm in edges]
    found = [
        _about(table, arm)
        for (_, arm), table in zip(jobs, _measure(experiment, jobs, "pretext"), strict=True)
    ]
    modes = [VARIANTS[arm.variant].get("time_mode", settings.masking.time_mode) for arm in times]
    hidden = [table.assign(mode=mode) for table, mode in zip(found, modes, strict=False)]
    experiment.keep("hidden", pd.concat(hidden, ignore_index=True))
    experiment.keep("edges", pd.concat(found[len(times) :], ignore_index=True))


def keep_removal(experiment: Experiment) -> None:
    """Keep what is left of light curves without their systematics as "removal", and one of them, the
    star with the most systematics among those that do not wander, as "removal_example"."""
    arms = [Arm(variant=STARS, seed=seed) for seed in experiment.settings.seeds]
    found = _measure(experiment, [("removal", arm) for arm in arms], "systematics")
    tables = [_about(table, arm) for arm, table in zip(arms, found, strict=True)]
    experiment.keep("removal", pd.concat(tables, ignore_index=True))
    _, curves = measures.removal(experiment, arms[0])
    scene = experiment.scene(arms[0])
    names = [NETWORK, COMPONENTS, REGRESSION]
    star = int(np.argmax(curves["systematics"].std(axis=0) * (scene.detector.kind != "wandering")))
    shown = {f"left_{k}": curves[name][:, star] for k, name in enumerate(names)}
    shown |= {k: curves[k][:, star] for k in ("flux", "intrinsic", "systematics", "observed")}
    experiment.keep_arrays("removal_example", names=np.array(names), **shown)


# ---------------------------------------------------------------- to look at


def keep_detector(experiment: Experiment, n_shown: int = 4) -> None:
    """Keep positions, graphs, and light curves of a star and its nearest neighbours as "detector"."""
    scene = experiment.scene(Arm(seed=experiment.settings.seeds[0]))
    detector = scene.detector
    star = int(np.linalg.norm(detector.position - detector.position.mean(axis=0), axis=1).argmin())
    shown = [star, *scene.neighbours(NEIGHBOURS)[star, : n_shown - 1]]
    first = int(scene.starts["test"][0])
    rows = slice(first, first + 150)
    experiment.keep_arrays(
        "detector",
        position=detector.position,
        kind=detector.kind.astype(str),
        graph=scene.graph(NEIGHBOURS)[0],
        shown=np.array(shown),
        time=np.arange(rows.start, min(rows.stop, len(detector))),
        **{
            name: getattr(detector, name)[rows][:, shown]
            for name in ("flux", "systematics", "intrinsic", "observed")
        },
    )


def keep_masks(experiment: Experiment) -> None:
    """Keep one draw of each kind of mask as "masks": walks and uniform edges, and the modes of time."""
    settings, scene = experiment.settings, experiment.scene(Arm(seed=experiment.settings.seeds[0]))
    masking, graph = settings.masking, EdgeGraph(scene.graph(NEIGHBOURS)[0])
    rng = Generator().manual_seed(settings.seeds[0])
    walk = {"walks": masking.walks, "length": masking.length, "p": masking.p, "q": masking.q}
    drawn = {
        "walks": biased_walk_mask(graph, masking.edge_ratio, rng=rng, **walk),
        "uniform": uniform_edge_mask(graph, masking.edge_ratio, rng=rng),
    }
    edges = {name: mask.hidden_edges.numpy() for name, mask in drawn.items()}
    shape = (2, settings.data.n_in, settings.data.n_stars)
    times = {
        mode: TimePatchMask(masking.time_ratio, masking.patch, mode)(*shape, generator=rng).numpy()
        for mode in MODES
    }
    experiment.keep_arrays(
        "masks", position=scene.detector.position, graph=scene.graph(NEIGHBOURS)[0], **edges, **times
    )


def keep_examples(experiment: Experiment, n_shown: int = 3) -> None:
    """Keep some test windows with their forecasts, AGCRN with each training, as "forecasts"."""
    seed = experiment.settings.seeds[0]
    scene = experiment.scene(Arm(seed=seed))
    test = scene.windows("test")
    complete = test["x_observed"].all(axis=(1, 2)) & test["y_observed"].all(axis=(1, 2))
    whole = np.flatnonzero(complete) if complete.any() else np.arange(len(complete))
    rows = whole[np.linspace(0, len(whole) - 1, n_shown).round().astype(int)]
    stars = np.argsort(-scene.detector.systematics.std(axis=0))[:n_shown]
    trainings = (LONG, STMAE)
    shown = {}
    for number, training in enumerate(trainings):
        model = experiment.finetune(Arm(training=training, seed=seed), progress=False)
        shown[f"forecast_{number}"] = experiment.forecast(model, scene)[rows, :, stars]
    experiment.keep_arrays(
        "forecasts",
        trainings=np.array(trainings),
        x=test["x"][rows, :, stars],
        y=test["y"][rows, :, stars],
        **shown,
    )


# ---------------------------------------------------------------- shared


def _measure(experiment: Experiment, jobs: list[tuple[str, Arm]], what: str) -> list:
    """Measurements of arms, what they need trained side by side."""
    settings = experiment.settings
    factor = {"AGCRN": 1.0, "DCRNN": 1.2, "MTGNN": 1.8}  # time of a step
    length = {"errors": 1.0, "removal": 2.0}
    costs = []
    for name, arm in jobs:
        run = experiment.forecast_run(arm) if name == "errors" else experiment.run(arm)
        epochs = settings.training.epochs * length.get(name, 0.1) * (1 if arm.training == SCRATCH else 2)
        costs.append(0.1 if run.done else epochs * factor[arm.backbone])
    return side_by_side(
        measures.measure_job,
        [(experiment.profile, name, arm) for name, arm in jobs],
        f"dual {what}",
        workers=settings.workers,
        costs=costs,
        unit=" epochs",
    )


def _about(table: pd.DataFrame, arm: Arm) -> pd.DataFrame:
    changes = ", ".join(f"{name} {value:g}" for name, value in arm.changes)
    return table.assign(**{name: getattr(arm, name) for name in ABOUT}, changes=changes)
