"""Scores of R-MAE on galaxies over seeds: what its tables, figures and criteria are all made from.

Each function takes the name of a profile and reads what `astrolib.papers.radial_results` kept. Nothing is
saved here. Accuracies and average precisions are in per cent; `_std` is the standard deviation over seeds (of
the sample, so a single seed has none).
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from astrolib import profiles
from astrolib.evaluate.filling import average_precision_per_class
from astrolib.evaluate.intervals import balanced_accuracy
from astrolib.report import results

VIT, OCCUPANCY = "ViT", "occupancy net"
UNIFORM, ANGULAR, RANGE, BOTH = "uniform", "angular", "range", "angular + range"
MASKINGS = (UNIFORM, ANGULAR, RANGE, BOTH)
LOSSES = ("dense", "hidden", "weighted", "flux")
OBSERVED, DEGRADED, NULL = "as observed", "blurred and noisier", "angles shuffled"
PROFILE, CONSTANT = "azimuthal profile", "constant"
UNLEARNED = (
    PROFILE,
    "half turn",
    "elliptical profile",
    "visible neighbours",
    "principal components",
    CONSTANT,
)
SCRATCH, UNIFORM_START = "from scratch", "uniform masking"


def starts(profile: str) -> dict[str, dict]:
    """Where a classifier begins, in words, and in what that arm differs from the default one."""
    settings = profiles.load(profile).radial
    usual, most = settings.pretraining.mask_ratio, settings.mask_ratios[-1]
    return {
        SCRATCH: {"untrained": True},
        UNIFORM_START: {"masking": UNIFORM},
        f"R-MAE {usual:g}": {},
        f"R-MAE {most:g}": {"mask_ratio": most},
    }


def chosen(profile: str, table: pd.DataFrame, **changes) -> pd.DataFrame:
    """Rows of one arm: the default one, but for `changes` (columns and their values)."""
    settings = profiles.load(profile).radial
    wanted = {
        "network": VIT,
        "masking": BOTH,
        "mask_ratio": settings.pretraining.mask_ratio,
        "n_sectors": settings.sectors[0],
        "loss": "flux",
        "images": OBSERVED,
        "centre_error": 0.0,
        "untrained": False,
        "state": OBSERVED,
    }
    wanted |= changes
    rows = np.ones(len(table), bool)
    for name, value in wanted.items():
        if name in table:
            rows &= (table[name] == value).to_numpy()
    return table[rows]


def over_seeds(table: pd.DataFrame, score: Callable[[pd.DataFrame], float]) -> dict[str, float]:
    """`value`, `std` and `n_seeds` of a score of each seed's rows; NaN and 0 without any."""
    values = [score(rows) for _, rows in table.groupby("seed")]
    if not values:
        return {"value": np.nan, "std": np.nan, "n_seeds": 0}
    std = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
    return {"value": float(np.mean(values)), "std": std, "n_seeds": len(values)}


def accuracy(rows: pd.DataFrame) -> float:
    """Balanced accuracy [per cent]."""
    return balanced_accuracy(rows["label"].to_numpy(), rows["prediction"].to_numpy())


def precision_of(k: int) -> Callable[[pd.DataFrame], float]:
    """Average precision of class k against all others [per cent]."""

    def score(rows: pd.DataFrame) -> float:
        columns = [name for name in rows if name.startswith("score_")]
        found = average_precision_per_class(rows["label"].to_numpy(), rows[columns].to_numpy())
        return 100 * float(found[k])

    return score


def absolute_error(rows: pd.DataFrame) -> float:
    """Mean absolute error, in the unit of the target."""
    return float((rows["prediction"] - rows["truth"]).abs().mean())


def mean_of(column: str) -> Callable[[pd.DataFrame], float]:
    """Mean of a column over images."""
    return lambda rows: float(rows[column].mean())


def class_names(profile: str) -> list[str]:
    """Names of the classes in the order of their numbers."""
    return results.load_arrays(profile, "radial_classes")["class_names"].tolist()


def source(profile: str) -> str:
    """Where the images come from, in words."""
    return str(results.load(profile, "radial_visible")["source"].iloc[0])


# ---------------------------------------------------------------- what both tables and figures show


def masking_table(profile: str) -> pd.DataFrame:
    """What each masking and each loss is worth, at equal visible fraction: a row for each arm.

    Returns
    -------
    DataFrame
        Columns `network`, `masking`, `loss`, `visible` (measured in training, of the occupancy network; of
        the ViT by construction), `accuracy_<f>` and `_std` for each fraction f of the labels (linear probe),
        `redshift_error` (or of the first target), `n_seeds`, `source`.
    """
    predictions = results.load(profile, "radial_predictions")
    predictions = predictions[predictions["protocol"] == "linear"]
    targets, history = (results.load(profile, f"radial_{name}") for name in ("targets", "history"))
    first, shown = targets["target"].iloc[0], results.load(profile, "radial_visible")
    rows = []
    for words, changes in _masked(profile).items():
        some, t = (chosen(profile, table, **changes) for table in (predictions, targets))
        row = {"network": changes.get("network", VIT), "masking": words, "loss": changes.get("loss", "flux")}
        row["visible"] = _visible(chosen(profile, history, **changes), shown, changes)
        for fraction in sorted(predictions["fraction"].unique(), reverse=True):
            found = over_seeds(some[some["fraction"] == fraction], accuracy)
            name = f"accuracy_{100 * fraction:g}"
            row |= {name: found["value"], f"{name}_std": found["std"]}
        error = over_seeds(t[t["target"] == first], absolute_error)
        name = f"{first.split(' [')[0].replace(' ', '_')}_error"
        row |= {name: error["value"], f"{name}_std": error["std"], "n_seeds": found["n_seeds"]}
        rows.append(row | {"source": source(profile)})
    return pd.DataFrame(rows)


def filling_table(profile: str) -> pd.DataFrame:
    """How well hidden pixels are guessed: a row for each state of the images, masking and method.

    Returns
    -------
    DataFrame
        Columns `images`, `sees` ("patches" or "pixels"), `masking`, `visible`, `method`, then `iou`,
        `iou_partner_visible`, `iou_partner_hidden`, `flux_error`, `average_precision`, `prior` with `_std`,
        `n_seeds`, `source`.
    """
    table = results.load(profile, "radial_filling")
    network = table["method"] == table["network"]
    method = table["method"].where(table["method"] != OCCUPANCY, OCCUPANCY + ", " + table["loss"])
    table = table.assign(method=method, sees=np.where(table["network"] == VIT, "patches", "pixels"))
    table = table[network | (table["loss"].isin(["flux", "dense"]))]  # bring the fills that have not learned
    metrics = ("iou", "iou_partner_visible", "iou_partner_hidden", "flux_error", "average_precision", "prior")
    rows = []
    for (images, sees, masking, method), some in table.groupby(
        ["images", "sees", "masking", "method"], sort=False
    ):
        row = {"images": images, "sees": sees, "masking": masking, "visible": some["visible"].mean()}
        row["method"] = method
        for name in metrics:
            found = over_seeds(some, mean_of(name))
            row |= {name: found["value"], f"{name}_std": found["std"]}
        rows.append(row | {"n_seeds": found["n_seeds"], "source": some["source"].iloc[0]})
    return pd.DataFrame(rows)


def observed_table(profile: str) -> pd.DataFrame:
    """Accuracy and error against the fraction of a galaxy that is looked at.

    Returns
    -------
    DataFrame
        Columns `start`, `observed`, `accuracy`, `error` (of `target`), both with `_std`, `target`, `n_seeds`,
        `source`.
    """
    table = results.load(profile, "radial_observed")
    target = next(name for name in table["target"].unique() if name != "class")
    rows = []
    for name, changes in list(starts(profile).items())[:3]:
        some = chosen(profile, table, **changes)
        for observed in sorted(some["observed"].unique()):
            at = some[some["observed"] == observed]
            classes = at[at["target"] == "class"].astype({"truth": int, "prediction": int})
            found = over_seeds(classes.rename(columns={"truth": "label"}), accuracy)
            error = over_seeds(at[at["target"] == target], absolute_error)
            row = {"start": "untrained" if name == SCRATCH else name, "observed": observed}
            row |= {"accuracy": found["value"], "accuracy_std": found["std"], "error": error["value"]}
            row |= {"error_std": error["std"], "target": target, "n_seeds": found["n_seeds"]}
            rows.append(row | {"source": source(profile)})
    return pd.DataFrame(rows)


def _masked(profile: str) -> dict[str, dict]:
    found: dict[str, dict] = {"no training": {"untrained": True}}
    found |= {name: {"masking": name} for name in MASKINGS}
    wrong = results.load(profile, "radial_predictions")["centre_error"].max()
    found[f"{BOTH}, centre off by up to {wrong:g} px"] = {"centre_error": wrong}
    net = {"network": OCCUPANCY}
    found |= {f"{BOTH} ({loss})": {**net, "loss": loss} for loss in LOSSES}
    return found | {"uniform, as much (dense)": {**net, "loss": "dense", "masking": UNIFORM}}


def _visible(history: pd.DataFrame, shown: pd.DataFrame, changes: dict) -> float:
    if "visible" in history and history["visible"].notna().any():
        return float(history["visible"].mean())
    if changes.get("untrained"):
        return np.nan
    same = (shown["network"] == VIT) & (shown["masking"] == changes.get("masking", BOTH))
    ratio = history["mask_ratio"].iloc[0] if len(history) else np.nan
    return float(shown.loc[same & np.isclose(shown["mask_ratio"], ratio), "visible"].mean())
