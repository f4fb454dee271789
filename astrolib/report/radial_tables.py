"""Every table of R-MAE (arXiv:2406.07833), ours on galaxies beside the authors' on LiDAR sweeps.

Each function takes the name of a profile, reads the numbers that are kept on disk, saves a table (csv and md)
under `astrolib.paths.figures(profile)`, and returns it for the notebook. Columns `paper_...` hold what the
authors' read-me prints, on other data and another task: compare signs and order with ours, not values. Their
scatter over seeds is not public.
"""

import numpy as np
import pandas as pd
from IPython.display import Markdown

from astrolib import profiles
from astrolib.report import radial_scores as scores
from astrolib.report import results, tables
from astrolib.report.radial_scores import OBSERVED, SCRATCH, UNIFORM_START, chosen, over_seeds, starts

LIDAR = ("car", "pedestrian", "cyclist")
NOT_PUBLIC = "not public"


def kitti(profile: str) -> Markdown:
    """Average precision of each class for two heads and four starts; the paper's two detectors beside."""
    predictions, rows = results.load(profile, "radial_predictions"), []
    paper = tables.published("rmae_kitti")
    paper = paper[(paper["table"] == "main") & (paper["recall_positions"] == 40)]
    for head, detector in (("linear", "second"), ("fine-tuned", "pv_rcnn")):
        for start, changes in starts(profile).items():
            some = chosen(profile, predictions, **changes)
            some = some[(some["protocol"] == head) & (some["fraction"] == 1)]
            row = {"head": head, "start": _named(start, head)}
            for k, name in enumerate(scores.class_names(profile)):
                found = over_seeds(some, scores.precision_of(k))
                row |= {f"AP {name}": found["value"], f"AP {name}_std": found["std"]}
            row |= {"paper_detector": detector}
            theirs = paper[(paper["detector"] == detector) & _same_start(paper, start, changes)]
            row |= _lidar(theirs.set_index("object_class")["ap_moderate"])
            rows.append(row | {"n_seeds": found["n_seeds"], "source": scores.source(profile)})
    return results.save_table(profile, "radial_table_kitti", pd.DataFrame(rows))


def angles(profile: str) -> Markdown:
    """Width of a sector: linear probe and fills, beside the paper's 1, 5 and 10 degrees."""
    settings, rows = profiles.load(profile).radial, []
    predictions = results.load(profile, "radial_predictions")
    paper = tables.published("rmae_kitti").query("table == 'angular_range' and recall_positions == 40")
    theirs = sorted(paper["angular_range_deg"].dropna().unique())
    for number, n_sectors in enumerate(settings.sectors):
        some = chosen(profile, predictions, n_sectors=n_sectors)
        row = {"sector_deg": 360 / n_sectors, **_accuracies(some[some["protocol"] == "linear"])}
        if number < len(theirs):
            at = paper[paper["angular_range_deg"] == theirs[number]]
            row |= {"paper_sector_deg": theirs[number]} | _lidar(at.set_index("object_class")["ap_moderate"])
        rows.append(row)
    return results.save_table(profile, "radial_table_angles", _about(profile, rows))


def ratios(profile: str) -> Markdown:
    """Mask ratio: linear probe."""
    settings = profiles.load(profile).radial
    predictions = results.load(profile, "radial_predictions")
    predictions = predictions[predictions["protocol"] == "linear"]
    paper = tables.published("rmae_kitti").query("table == 'main' and recall_positions == 40")
    paper = paper[(paper["detector"] == "second") & (paper["pretraining"] == "rmae")]
    rows = []
    for ratio in settings.mask_ratios:
        row = {"mask_ratio": ratio, **_accuracies(chosen(profile, predictions, mask_ratio=ratio))}
        at = paper[np.isclose(paper["mask_ratio"], ratio)]
        rows.append(row | _lidar(at.set_index("object_class")["ap_moderate"]))
    return results.save_table(profile, "radial_table_ratios", _about(profile, rows))


def waymo(profile: str) -> Markdown:
    """Bright and faint halves of the test images with all and with few labels; the paper's two levels of
    difficulty with all and with 20 % of the frames (like-for-like detectors only)."""
    settings, halves = profiles.load(profile).radial, results.load(profile, "radial_halves")
    predictions = results.load(profile, "radial_predictions")
    predictions = predictions[predictions["protocol"] == "fine-tuned"].merge(halves[["id", "half"]], on="id")
    paper, rows = tables.published("rmae_waymo"), []
    detectors = {1.0: "pv_rcnn_centerhead", 0.2: "centerpoint_resnet"}
    for fraction in settings.fractions:
        for level, half in ((1, "bright"), (2, "faint")):
            for start, changes in starts(profile).items():
                some = chosen(profile, predictions, **changes)
                some = some[(some["fraction"] == fraction) & (some["half"] == half)]
                found = over_seeds(some, scores.accuracy)
                row = {"labels": fraction, "half": half, "start": start, "balanced_accuracy": found["value"]}
                row |= {"balanced_accuracy_std": found["std"], "n_seeds": found["n_seeds"]}
                theirs = paper[
                    (paper["difficulty_level"] == level) & np.isclose(paper["training_fraction"], fraction)
                ]
                theirs = theirs[theirs["detector"] == detectors.get(fraction, "")]
                theirs = theirs[_same_start(theirs, start, changes, either_ratio=True)]
                row |= {"paper_detector": detectors.get(fraction, NOT_PUBLIC), "paper_level": f"L{level}"}
                rows.append(row | _lidar(theirs.set_index("object_class")["map"], LIDAR_WAYMO))
    return results.save_table(profile, "radial_table_waymo", _about(profile, rows))


LIDAR_WAYMO = ("vehicle", "pedestrian", "cyclist")


def nuscenes(profile: str) -> Markdown:
    """Errors of what frozen features tell besides the class; the paper's true-positive errors beside."""
    targets, rows = results.load(profile, "radial_targets"), []
    paper = tables.published("rmae_nuscenes")
    paper = paper[paper["model"] == "centerpoint"].set_index("pretraining")
    errors = {"mate": "translation", "mase": "scale", "maoe": "orientation"}
    for start, changes in starts(profile).items():
        some = chosen(profile, targets, **changes)
        row = {"start": _named(start, "linear")}
        for name in targets["target"].unique():
            found = over_seeds(some[some["target"] == name], scores.absolute_error)
            row |= {f"error of {name}": found["value"], f"error of {name}_std": found["std"]}
        theirs = {SCRATCH: "none", UNIFORM_START: ""}.get(start, "rmae" if changes else "")
        for column, words in errors.items():
            row[f"paper_{words}_error"] = paper[column].get(theirs, np.nan)
        rows.append(row | {"n_seeds": found["n_seeds"]})
    return results.save_table(profile, "radial_table_nuscenes", _about(profile, rows))


def transfer(profile: str) -> Markdown:
    """Pretrained on one survey, used on another; the paper's domain adaptation below."""
    settings, predictions = profiles.load(profile).radial, results.load(profile, "radial_predictions")
    few, rows = settings.fractions[1], []
    for tested in (OBSERVED, scores.DEGRADED):
        for words, changes in _domains(tested).items():
            some = chosen(profile, predictions, state=tested, **changes)
            row = {"tested_on": tested, "pretrained_on": words}
            for protocol in ("linear", "fine-tuned"):
                at = some[(some["protocol"] == protocol) & (some["fraction"] == few)]
                found = over_seeds(at, scores.accuracy)
                row |= {f"{protocol} {few:.0%}": found["value"], f"{protocol} {few:.0%}_std": found["std"]}
            rows.append(row | {"n_seeds": found["n_seeds"]})
    ours = _about(profile, rows)
    paper = tables.published("rmae_kitti").query("table == 'domain_adaptation' and recall_positions == 40")
    theirs = []
    for (data, _), some in paper.fillna({"pretraining_data": "nothing"}).groupby(
        ["pretraining_data", "detector"], sort=False
    ):
        row = {"tested_on": "KITTI", "pretrained_on": data, "n_seeds": 0, "source": tables.PAPER_ONLY}
        theirs.append(row | _lidar(some.set_index("object_class")["ap_moderate"]))
    table = pd.concat([ours, pd.DataFrame(theirs)], ignore_index=True)
    last = ["n_seeds", "source"]
    table = table[[name for name in table if name not in last] + last]
    return results.save_table(profile, "radial_table_transfer", table)


def masking(profile: str) -> Markdown:
    """What R-MAE's paper does not isolate: each masking at one visible fraction, and each loss."""
    return results.save_table(profile, "radial_table_masking", scores.masking_table(profile))


def filling(profile: str) -> Markdown:
    """Guesses of hidden pixels beside fills that have not learned, on galaxies and on the null."""
    table = scores.filling_table(profile)
    shown = ["images", "sees", "masking", "method"]
    for name in ("iou", "iou_partner_visible", "iou_partner_hidden", "flux_error"):
        shown += [name, f"{name}_std"]
    tables.save_table(
        table, results.paths.figures(profile), "radial_filling", reading=table[[*shown, "n_seeds", "source"]]
    )
    return Markdown(tables.markdown(table[[*shown, "n_seeds", "source"]]))


def sense_less(profile: str) -> Markdown:
    """Accuracy and error against the fraction of a galaxy that is looked at."""
    return results.save_table(profile, "radial_sense_less", scores.observed_table(profile))


def visible(profile: str) -> Markdown:
    """Visible fractions, nominal and measured."""
    table = results.load(profile, "radial_visible").drop(columns="name").assign(n_seeds=1)
    last = ["n_seeds", "source"]
    return results.save_table(
        profile, "radial_visible", table[[name for name in table if name not in last] + last]
    )


TABLES = {
    "radial_visible": visible,
    "radial_table_kitti": kitti,
    "radial_table_ratios": ratios,
    "radial_table_angles": angles,
    "radial_table_waymo": waymo,
    "radial_table_nuscenes": nuscenes,
    "radial_table_transfer": transfer,
    "radial_table_masking": masking,
    "radial_filling": filling,
    "radial_sense_less": sense_less,
}


# ---------------------------------------------------------------- shared


def _domains(tested: str) -> dict[str, dict]:
    return {
        "nothing": {"untrained": True},
        OBSERVED: {"images": OBSERVED},
        scores.DEGRADED: {"images": scores.DEGRADED},
    }


def _named(start: str, head: str) -> str:
    return "untrained, frozen" if start == SCRATCH and head == "linear" else start


def _accuracies(some: pd.DataFrame) -> dict[str, float]:
    """A column for each fraction of the labels."""
    row: dict[str, float] = {}
    for fraction in sorted(some["fraction"].unique(), reverse=True):
        found = over_seeds(some[some["fraction"] == fraction], scores.accuracy)
        name = f"accuracy, {fraction:.0%} of labels"
        row |= {name: found["value"], f"{name}_std": found["std"], "n_seeds": found["n_seeds"]}
    return row


def _about(profile: str, rows: list[dict]) -> pd.DataFrame:
    table = pd.DataFrame(rows).assign(source=scores.source(profile))
    return table[[name for name in table if name not in ("n_seeds", "source")] + ["n_seeds", "source"]]


def _lidar(values: pd.Series, names: tuple[str, ...] = LIDAR) -> dict[str, float]:
    return {f"paper_{name}": values.get(name, np.nan) for name in names}


def _same_start(paper: pd.DataFrame, start: str, changes: dict, either_ratio: bool = False) -> pd.Series:
    """Rows of the paper that correspond to one of our starts; uniform masking has none."""
    if start == UNIFORM_START:
        return pd.Series(False, index=paper.index)
    if start == SCRATCH:
        return paper["pretraining"] == "none"
    trained = paper["pretraining"] == "rmae"
    if either_ratio:
        return trained & (not changes)
    return trained & np.isclose(paper["mask_ratio"], float(start.split()[-1]))
