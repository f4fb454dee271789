"""The ablations of Barlow Twins on galaxies: Tables 5 and 6, Figures 2 to 5, and what the recipe is made of.

Each point is a short pretraining that differs from the baseline in one thing, with every seed. All points of
all tables are trained side by side; those that are equal are trained once.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from astrolib.models.barlow_twins import LOSSES
from astrolib.papers.barlow_networks import BARLOW, SIMCLR, UNTRAINED, Arm, recipe
from astrolib.papers.barlow_results import probe_all
from astrolib.papers.barlow_twins import Experiment

PAPER_WIDTH = 8192
"""Width of the paper's embedding, for which its lambda was chosen."""
ASYMMETRY = {
    "baseline": {},
    "a": {"stop_gradient": True},
    "b": {"predictor": True},
    "c": {"stop_gradient": True, "predictor": True},
}
"""Table 6."""
LADDERS = {
    "physical": (("reddening",), ("noise",), ("psf",), ("size",), ("rotation", "flips")),
    "display": (
        ("grayscale", "channel_gain"),
        ("gain", "gamma"),
        ("noise",),
        ("psf",),
        ("size",),
        ("rotation", "flips"),
    ),
}
"""Figure 3: what is left out at each step, and stays out; a shifted crop is all that remains in the end."""


@dataclass(frozen=True)
class Point:
    """A point of a figure or a row of a table, with one seed. `arm` of the class is its pretraining, `series`
    the line of a figure that it belongs to."""

    part: str
    variant: str
    arm: Arm
    x: float = np.nan
    series: str = ""


def points(experiment: Experiment) -> list[Point]:
    """Every point of every ablation; the baseline in each that it belongs to."""
    found = []
    for seed in experiment.settings.ablations.seeds:
        base = Arm(seed=seed, epochs=experiment.settings.ablations.epochs)
        found += _tables(base) + _batch_sizes(experiment, base) + _ladder(experiment, base)
        found += _widths(experiment, base) + _weights(experiment, base) + _recipes(experiment, base)
    return found


def _tables(base: Arm) -> list[Point]:
    """Tables 5 and 6, and the untrained encoder beside them."""
    found = [Point("table5", loss, replace(base, loss=loss)) for loss in LOSSES]
    found.append(Point("table5", "untrained", replace(base, method=UNTRAINED, epochs=0)))
    return found + [Point("table6", case, replace(base, **changes)) for case, changes in ASYMMETRY.items()]


def _batch_sizes(experiment: Experiment, base: Arm) -> list[Point]:
    """Figure 2, SimCLR beside Barlow Twins, some learning rates for each batch size."""
    settings = experiment.settings
    usual = settings.resnet_pretraining.batch_size
    found = []
    for method in (BARLOW, SIMCLR):
        for size in settings.ablations.batch_sizes:
            for factor in settings.ablations.lr_factors:
                other = 0 if size == usual else size
                arm = replace(base, method=method, batch_size=other, lr_factor=factor)
                found.append(Point("fig2", f"{size}", arm, size, method))
    return found


def _ladder(experiment: Experiment, base: Arm) -> list[Point]:
    """Figure 3: augmentations are left out one after the other."""
    steps = LADDERS["display" if experiment.images.survey.is_display else "physical"]
    found, without = [Point("fig3", "all", base, 0)], ()
    for number, names in enumerate(steps, start=1):
        without += names
        words = "no " + " and ".join(name.replace("_", " ") for name in names)
        words = words if number == 1 else f"and {words}"
        words = "shifted crop only" if number == len(steps) else words
        found.append(Point("fig3", words, replace(base, without=without), number))
    return found


def _widths(experiment: Experiment, base: Arm) -> list[Point]:
    """Figure 4: width of the projector, with the paper's lambda and with lambda x 8192 / width."""
    settings, found = experiment.settings, []
    usual = settings.resnet_pretraining
    for width in settings.ablations.widths:
        arm = replace(base, width=0 if width == usual.width else width)
        scaled = usual.redundancy_weight * PAPER_WIDTH / width
        found.append(Point("fig4", f"{width}", arm, width, "lambda fixed"))
        found.append(
            Point("fig4", f"{width}", replace(arm, redundancy_weight=scaled), width, "lambda x 8192/D")
        )
    return found


def _weights(experiment: Experiment, base: Arm) -> list[Point]:
    """Figure 5: lambda."""
    usual, found = experiment.settings.resnet_pretraining.redundancy_weight, []
    for weight in experiment.settings.ablations.redundancy_weights:
        arm = replace(base, redundancy_weight=0.0 if weight == usual else weight)
        found.append(Point("fig5", f"{weight:g}", arm, weight))
    return found


def _recipes(experiment: Experiment, base: Arm) -> list[Point]:
    """Not in the paper: optimiser, length and, where there are images without a class, these."""
    images, epochs = experiment.images, base.epochs
    found = [
        Point("recipe", "baseline", base),
        Point("recipe", "LARS with the official rates", replace(base, lars=True)),
        Point("recipe", "LARS, five times the rates", replace(base, lars=True, lr_factor=5.0)),
        Point("recipe", "three times the epochs", replace(base, epochs=3 * epochs)),
    ]
    n_all, n_train = len(images.splits["pretraining"]), len(images.splits["train"])
    if n_all > n_train:
        same_steps = round(epochs * n_all / n_train)
        arm = replace(base, images="train", epochs=same_steps)
        found.append(Point("recipe", "labelled images only, as many steps", arm))
    return found


def keep_ablations(experiment: Experiment) -> None:
    """Train every point, and keep the test predictions as "ablation_predictions", correlation and ranks as
    "ablation_runs", and what the points of Figure 3 tell of other quantities as "ablation_transfer".

    Of the learning rates of a point of Figure 2 the one with the best mean accuracy on the validation images
    is kept.
    """
    wanted = points(experiment)
    arms = list(dict.fromkeys(point.arm for point in wanted))
    arms.sort(key=lambda arm: -(arm.epochs or 0) * (arm.width or 1))  # the longest first
    found = dict(zip(arms, probe_all(experiment, arms, "ablations"), strict=True))
    kept = _best_rates(wanted, found)
    predictions, runs, transfer = [], [], []
    for point in kept:
        about = {"part": point.part, "variant": point.variant, "x": point.x, "arm": point.series}
        about["seed"] = point.arm.seed
        tables = found[point.arm]
        linear = tables["predictions"][tables["predictions"]["protocol"] == "linear"]
        predictions.append(linear.drop(columns="protocol").assign(**about))
        if point.part == "fig3":
            transfer.append(tables["transfer"].assign(**about))
        training = recipe(experiment.settings, point.arm)
        trained = point.arm.method != UNTRAINED
        about |= {"epochs": training.epochs if trained else 0, "lr": training.lr}
        runs.append(tables["measures"].assign(**about))
    experiment.keep("ablation_predictions", pd.concat(predictions, ignore_index=True))
    experiment.keep("ablation_runs", pd.concat(runs, ignore_index=True))
    if transfer:
        experiment.keep("ablation_transfer", pd.concat(transfer, ignore_index=True))


def _best_rates(wanted: list[Point], found: dict[Arm, dict[str, pd.DataFrame]]) -> list[Point]:
    """The points without those learning rates that did worse on the validation images."""
    scores: dict[tuple, list[float]] = {}
    for point in wanted:
        key = (point.part, point.variant, point.series, point.arm.lr_factor)
        scores.setdefault(key, []).append(found[point.arm]["measures"]["validation_accuracy"].iloc[0])
    best: dict[tuple, tuple[float, float]] = {}
    for (*place, factor), values in scores.items():
        best[*place] = max(best.get((*place,), (-np.inf, 0.0)), (float(np.mean(values)), factor))
    return [
        point for point in wanted if best[point.part, point.variant, point.series][1] == point.arm.lr_factor
    ]
