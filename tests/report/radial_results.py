"""Small results in the form that the notebook on radial masking keeps, made up to draw every figure."""

from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pandas as pd

from astrolib import profiles
from astrolib.papers import radial_results as make
from astrolib.papers.radial_filling import CONSTANT, HALF_TURN, UNLEARNED
from astrolib.papers.radial_images import NULL
from astrolib.papers.radial_networks import OCCUPANCY, VIT, Arm
from astrolib.report import results

CLASSES = ("elliptical", "edge-on", "spiral")
SOURCE = "simulated galaxies"
TARGETS = ("redshift", "axis ratio", "half-light radius [px]")


def fabricate(profile: str, *, n: int = 240, side: int = 12, source: str = SOURCE) -> None:
    """Write every result of a profile: R-MAE a little better than uniform masking, and both than scratch."""
    rng, settings = np.random.default_rng(1), profiles.load(profile).radial
    experiment = SimpleNamespace(settings=settings)
    label = np.arange(n) % len(CLASSES)
    ids = np.array([f"galaxy {k}" for k in range(n)])
    predictions, targets = [], []
    for arm, state in make.compared(experiment):
        for fraction in settings.fractions:
            table = _classes(rng, ids, label, _share(arm, fraction))
            predictions.append(_about(table.assign(fraction=fraction), arm, "linear", state))
        targets.append(_about(_numbers(rng, ids, 0.3 + 0.2 * arm.untrained), arm, "linear", state))
    for arm, fraction, state in make._tuned(experiment):
        table = _classes(rng, ids, label, _share(arm, fraction) + 0.02)
        predictions.append(_about(table.assign(fraction=fraction), arm, "fine-tuned", state))
    arms = dict.fromkeys(arm for arm, _ in make.compared(experiment) if not arm.untrained)
    keep = {
        "predictions": pd.concat(predictions),
        "targets": pd.concat(targets),
        "history": pd.concat([_history(arm) for arm in arms]),
        "halves": pd.DataFrame({"id": ids, "half": np.where(np.arange(n) < n // 2, "bright", "faint")}),
        "filling": pd.concat([_filling(rng, ids, *each) for each in make.filled(experiment)]),
        "observed": pd.concat(_observed(rng, ids, label, experiment)),
        "visible": pd.DataFrame(_visible(settings)),
    }
    for name, table in keep.items():
        results.keep(profile, f"radial_{name}", table.assign(source=source))
    for name, arrays in _arrays(rng, settings, side).items():
        results.keep_arrays(profile, f"radial_{name}", **arrays, source=source)


def _share(arm: Arm, fraction: float) -> float:
    base = 0.75 + 0.08 * np.log10(fraction)
    return base - 0.12 * arm.untrained - 0.02 * (arm.masking == "uniform") - 0.05 * (arm.network == OCCUPANCY)


def _about(table: pd.DataFrame, arm: Arm, protocol: str, state: str) -> pd.DataFrame:
    return table.assign(**asdict(arm), protocol=protocol, state=state)


def _classes(rng, ids, label, share) -> pd.DataFrame:
    hard = np.random.default_rng(0).random(len(ids))  # hard images are hard for every arm
    wrong = hard + rng.normal(0, 0.05, len(ids)) > share
    found = (label + wrong * rng.integers(1, len(CLASSES), len(ids))) % len(CLASSES)
    table = pd.DataFrame({"id": ids, "label": label, "prediction": found})
    for k in range(len(CLASSES)):
        table[f"score_{k}"] = (found == k) + rng.normal(0, 0.2, len(ids))
    return table


def _numbers(rng, ids, scatter) -> pd.DataFrame:
    tables = []
    for target in TARGETS:
        truth = rng.gamma(3, 0.05, len(ids))
        found = truth + scatter * truth.std() * rng.normal(0, 1, len(ids))
        tables.append(pd.DataFrame({"target": target, "id": ids, "truth": truth, "prediction": found}))
    return pd.concat(tables)


def _history(arm: Arm) -> pd.DataFrame:
    table = pd.DataFrame({"epoch": range(4), "training_loss": np.exp(-np.arange(4) / 2.0)})
    if arm.network == OCCUPANCY:
        table["visible"] = 0.1
    return _about(table, arm, "", arm.images)


def _filling(rng, ids, arm: Arm, unlearned: bool) -> pd.DataFrame:
    means = {arm.network: 0.60 if arm.images == NULL else 0.70}
    if unlearned:
        means |= dict.fromkeys(UNLEARNED, 0.61) | {CONSTANT: 0.4, HALF_TURN: 0.63}
    tables, hard = [], np.random.default_rng(0).normal(0, 0.1, len(ids))
    for method, mean in means.items():
        iou = mean + hard + rng.normal(0, 0.01, len(ids))
        table = pd.DataFrame(
            {"method": method, "id": ids, "visible": 0.19, "iou": iou, "flux_error": 1 - iou}
        )
        table["iou_partner_visible"], table["iou_partner_hidden"] = iou + 0.03, iou - 0.01
        learned = method == arm.network
        table["average_precision"], table["prior"] = (0.8, 0.3) if learned else (np.nan, np.nan)
        tables.append(table)
    found = _about(pd.concat(tables), arm, "", arm.images)
    if arm.loss != "flux":
        found.loc[found["method"] == OCCUPANCY, "flux_error"] = np.nan
    return found


def _observed(rng, ids, label, experiment) -> list[pd.DataFrame]:
    tables = []
    for seed in experiment.settings.seeds:
        for arm in make.starts(experiment, seed)[:3]:
            for observed in experiment.settings.observed:
                table = _classes(rng, ids, label, _share(arm, 1.0) + 0.02 * np.log(observed))
                table = table.rename(columns={"label": "truth"})[["id", "truth", "prediction"]].astype(
                    {"truth": float, "prediction": float}
                )
                numbers = _numbers(rng, ids, 0.5 - 0.2 * observed)
                both = (table.assign(target="class"), numbers[numbers["target"] == TARGETS[0]])
                tables += [
                    _about(each.assign(observed=observed), arm, "linear", "as observed") for each in both
                ]
    return tables


def _visible(settings) -> list[dict]:
    base = Arm(seed=settings.seeds[0])
    rows = []
    for name, arm in make._masks(base, settings.mask_ratios):
        row = {"network": arm.network, "masking": arm.masking, "mask_ratio": arm.mask_ratio, "name": name}
        share = (1 - arm.mask_ratio) * (1.0 if arm.network == VIT else 0.5)
        rows.append(
            row | {"nominal": 1 - arm.mask_ratio, "visible": share, "visible_std": 0.0, "n_images": 9}
        )
    return rows


def _arrays(rng, settings, side) -> dict[str, dict]:
    names, ratios = zip(
        *[(name, arm.mask_ratio) for name, arm in make._masks(Arm(), settings.mask_ratios)], strict=True
    )
    masks = rng.random((len(names), side, side)) < 0.2
    pictures = {"image": rng.random((side, side, 3)), "visible": masks, "fraction": masks.mean(axis=(1, 2))}
    pictures |= {"names": np.array(names), "ratios": np.array(ratios)}
    pictures |= {"radii": np.array([2.0, 4.0]), "centre": np.array([5.5, 5.5])}
    light = rng.normal(0, 1, (3, side, side))
    visible = rng.random((3, side, side)) < 0.2
    guesses = {"light": light, "visible": visible, "seen": visible, "occupied": light > 0}
    guesses |= dict.fromkeys(("vit", "azimuthal", "half_turn"), light) | {"probability": visible * 0.5}
    return {"masks": pictures, "guesses": guesses, "classes": {"class_names": np.array(CLASSES)}}
