"""Scores of Barlow Twins over seeds, beside the paper's: what its tables and figures are both made from.

Each function takes the name of a profile and reads what `astrolib.papers.barlow_results` and
`astrolib.papers.barlow_ablations` kept. Nothing is saved here. Accuracies are in per cent; `_std` is the
standard deviation over seeds (of the sample, so a single seed has none).
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from sklearn.metrics import r2_score

from astrolib.evaluate import classify
from astrolib.evaluate.redshift import metrics
from astrolib.report import results, tables

BARLOW, SIMCLR, MAE, UNTRAINED = "Barlow Twins", "SimCLR", "MAE", "random init"
SUPERVISED, HANDMADE, COLOURS = "supervised", "hand-made features", "colours"
LITTLE_REDDENING = "Barlow Twins, E(B-V) up to 0.1"
ORDER = (SUPERVISED, BARLOW, SIMCLR, MAE, UNTRAINED, HANDMADE, LITTLE_REDDENING, COLOURS)
"""Order of methods in tables; the paper's others follow."""
ARM = ["method", "encoder", "protocol"]
ROWS = {
    "table5": {
        "both": "both terms (baseline)",
        "invariance": "invariance term only",
        "redundancy": "redundancy term only",
        "feature-normalised": "normalised along features",
        "no-batch-norm": "no BatchNorm in the projector",
        "no-batch-norm-covariance": "no BatchNorm, covariance",
        "cross-entropy": "cross-entropy, temperature",
        "untrained": "untrained encoder",
    },
    "table6": {
        "baseline": "baseline",
        "a": "a: stop-gradient",
        "b": "b: predictor",
        "c": "c: stop-gradient, predictor",
    },
}
"""Rows of the paper's tables of variants, in words."""
REMOVED = {
    "baseline": "all",
    "no grayscale": "no grayscale",
    "no colour jitter, no grayscale": "and no colour jitter",
    "crop and blur only": "crop and blur only",
    "crop only": "crop only",
}
"""Augmentation sets of figure 3 on ImageNet, in the paper's order, and their names on our axis."""


def class_names(profile: str) -> list[str]:
    """Names of the classes in the order of their numbers."""
    return results.load_arrays(profile, "barlow_examples")["class_names"].tolist()


def source(profile: str) -> str:
    """Where the images come from, in words."""
    return str(results.load(profile, "barlow_splits")["source"].iloc[0])


def comparison_table(profile: str) -> pd.DataFrame:
    """Accuracy of every method, encoder, protocol and fraction of the labels.

    Returns
    -------
    DataFrame
        Columns `method`, `encoder`, `protocol`, `fraction`; `accuracy` and `balanced_accuracy`, each with
        its `_std`; `n_test`, `n_seeds`, `source`.
    """
    predictions = results.load(profile, "barlow_predictions")
    table = _over_seeds(predictions, [*ARM, "fraction"], _accuracies)
    return _in_order(table, ["fraction"], ascending=False)


def table_1(profile: str) -> pd.DataFrame:
    """All labels, beside the paper's Table 1 (top-1 on ImageNet) as `paper_top1`."""
    ours = comparison_table(profile)
    ours = ours[ours["fraction"] == 1.0].drop(columns="fraction")
    printed = tables.published("barlow_table1").assign(encoder="resnet", protocol="linear")
    printed.loc[printed["method"] == SUPERVISED, "protocol"] = "fine-tuned"  # all of it learns, as ours
    return _in_order(_beside(ours, printed, ARM), [])


def table_2(profile: str) -> pd.DataFrame:
    """All fractions of the labels, beside the paper's Table 2, which fine-tunes with 1 % and 10 %."""
    printed = tables.published("barlow_table2").assign(encoder="resnet", protocol="fine-tuned")
    joined = _beside(comparison_table(profile), printed, [*ARM, "fraction"])
    return _in_order(joined, ["fraction"], ascending=True)


def table_3(profile: str) -> pd.DataFrame:
    """Other quantities read off frozen features, then the paper's transfer (its data sets are not ours).

    Returns
    -------
    DataFrame
        Columns `method`, `encoder`, `target`; `r2` and, for redshift, `sigma_nmad` of (p - t) / (1 + t),
        each with its `_std`; `paper_score` [per cent]; `n_test`, `n_seeds`, `source`. Objects whose truth is
        unknown are left out.
    """
    transfer = results.load(profile, "barlow_transfer")
    transfer = transfer[np.isfinite(transfer["truth"])]
    keys = ["method", "encoder", "target"]
    columns = [*keys, "r2", "r2_std", "sigma_nmad", "sigma_nmad_std", "n_test", "n_seeds", "source"]
    ours = _over_seeds(transfer, keys, _regression).reindex(columns=columns)
    printed = tables.published("barlow_table3").assign(encoder="resnet")
    printed["target"] = printed.pop("dataset") + ", " + printed.pop("metric") + " [%]"
    joined = _beside(ours, printed.rename(columns={"value": "score"}), keys)
    place = {name: k for k, name in enumerate(dict.fromkeys(joined["target"]))}
    return _in_order(joined.assign(place=joined["target"].map(place)), ["place"]).drop(columns="place")


def class_table(profile: str) -> pd.DataFrame:
    """Recall of each class with all labels, and its 95 % interval for so many test images (Wilson).

    Seeds share the test images, so that they add nothing to their number: the interval is that of the mean
    recall on the images of one seed.
    """
    predictions = results.load(profile, "barlow_predictions")
    predictions = predictions[predictions["fraction"] == 1.0].assign(fraction=1.0)
    names = class_names(profile)
    predictions["class"] = np.array(names)[predictions["label"]]

    def recall(run: pd.DataFrame) -> dict[str, float]:
        return {"recall": 100 * (run["label"] == run["prediction"]).mean(), "n_test": len(run)}

    table = _over_seeds(predictions, [*ARM, "class"], recall)
    counts = table[["recall", "n_test"]].to_numpy()
    limits = [classify.wilson(round(share / 100 * n), round(n)) for share, n in counts]
    table[["low", "high"]] = limits
    table["place"] = table["class"].map(names.index)
    table = _in_order(table, ["place"]).drop(columns="place")
    return table[[*ARM, "class", "recall", "recall_std", "low", "high", "n_test", "n_seeds", "source"]]


def ablation_table(profile: str, part: str) -> pd.DataFrame:
    """Accuracy of every point of an ablation, in the order in which they were made.

    Parameters
    ----------
    part : str
        "table5", "table6", "fig2" to "fig5" or "recipe".

    Returns
    -------
    DataFrame
        Columns `variant`, `x`, `arm`, `fraction`, then as `comparison_table`.
    """
    found = results.load(profile, "barlow_ablation_predictions")
    found = found[found["part"] == part]
    if found.empty:
        raise results.MissingResult(
            f"The ablations of the profile {profile!r} on disk have no {part!r}: run notebook 31 again, with "
            "a value for it in the profile."
        )
    return _over_seeds(found, ["variant", "x", "arm", "fraction"], _accuracies)


def variant_table(profile: str, part: str) -> pd.DataFrame:
    """Table 5 or 6: `ablation_table` with the paper's scores of the same variants, all labels only."""
    ours = ablation_table(profile, part).drop(columns=["x", "arm"])
    printed = tables.published(f"barlow_{part}").rename(columns={"case": "variant"})
    printed = printed[["variant", "top1", "top5"]].assign(fraction=1.0)
    joined = _beside(ours, printed, ["variant", "fraction"])
    place = {name: k for k, name in enumerate(ROWS[part])}
    rank = joined["variant"].map(place).fillna(len(place))
    joined = joined.assign(place=rank).sort_values(["place", "fraction"], ascending=[True, False])
    return joined.drop(columns="place").reset_index(drop=True)


def ladder_table(profile: str) -> pd.DataFrame:
    """Figure 3: `ablation_table` with the `change` from the full set, paired by seed, and its `_std`."""
    found = results.load(profile, "barlow_ablation_predictions")
    runs = _per_seed(found[found["part"] == "fig3"], ["variant", "x", "fraction", "seed"], _accuracies)
    start = runs[runs["x"] == 0].set_index(["fraction", "seed"])["balanced_accuracy"]
    base = start.reindex(pd.MultiIndex.from_frame(runs[["fraction", "seed"]])).to_numpy()
    runs["change"] = runs["balanced_accuracy"] - base
    changes = runs.groupby(["x", "fraction"])["change"].agg(["mean", "std"]).reset_index()
    changes = changes.rename(columns={"mean": "change", "std": "change_std"})
    table = ablation_table(profile, "fig3").merge(changes, on=["x", "fraction"], how="left")
    last = ["n_test", "n_seeds", "source"]
    return table[[*table.columns.drop(last), *last]]


def with_reference(table: pd.DataFrame, printed: pd.DataFrame) -> pd.DataFrame:
    """Our points of a figure followed by the published ones, whose columns are called `paper_...`."""
    values = [name for name in ("top1", "top1_low", "top1_high", "change") if name in printed]
    rows = printed.rename(columns={name: f"paper_{name}" for name in values} | {"point": "variant"})
    rows = rows[["method", "variant", "x", *(f"paper_{name}" for name in values), "remark", "origin"]]
    rows = rows.assign(n_seeds=0, source=tables.PAPER_ONLY)
    both = pd.concat([table.assign(method="ours"), rows], ignore_index=True).astype({"n_test": "Int64"})
    last = ["n_seeds", "source"]
    return both[["method", *both.columns.drop(["method", *last]), *last]]


def reference(figure: str) -> pd.DataFrame:
    """Published points of "fig2" to "fig5", with their place `x` on the axis (NaN for words)."""
    table = tables.published("barlow_figures")
    table = table[table["figure"] == figure]
    return table.assign(x=pd.to_numeric(table["point"], errors="coerce"))


def reference_ladder() -> pd.DataFrame:
    """Published points of figure 3: change of top-1 from the full set, `rung` by `rung` as the paper."""
    table = reference("fig3")
    table = table[table["point"].isin(REMOVED)]
    order = table["point"].map(list(REMOVED).index)
    table = table.loc[order.sort_values(kind="stable").index]
    full = table[table["point"] == "baseline"].set_index("method")["top1"]
    change = (table["top1"] - table["method"].map(full)).round(1)
    return table.assign(rung=table["point"].map(REMOVED), change=change)


# ---------------------------------------------------------------- shared


def _accuracies(run: pd.DataFrame) -> dict[str, float]:
    label, prediction = run["label"].to_numpy(), run["prediction"].to_numpy()
    n_classes = int(max(label.max(), prediction.max())) + 1
    return classify.scores(label, prediction, n_classes) | {"n_test": len(run)}


def _regression(run: pd.DataFrame) -> dict[str, float]:
    truth, prediction = run["truth"].to_numpy(), run["prediction"].to_numpy()
    found = {"r2": float(r2_score(truth, prediction)), "n_test": len(run)}
    if run["target"].iloc[0] == "redshift":
        found["sigma_nmad"] = metrics(truth, prediction, "pasquet")["sigma_mad"]
    return found


def _per_seed(table: pd.DataFrame, keys: list[str], score: Callable) -> pd.DataFrame:
    """A row for each run: `keys`, which name the seed too, its scores and its source."""
    rows = []
    for labels, run in table.groupby(keys, sort=False, dropna=False):
        rows.append(dict(zip(keys, labels, strict=True)) | score(run) | {"source": run["source"].iloc[0]})
    return pd.DataFrame(rows)


def _over_seeds(table: pd.DataFrame, keys: list[str], score: Callable) -> pd.DataFrame:
    """Mean scores over seeds with their spread; rows in the order of their first appearance."""
    runs = _per_seed(table, [*keys, "seed"], score)
    metrics_of = [column for column in runs if column not in (*keys, "seed", "source", "n_test")]
    rows = []
    for labels, group in runs.groupby(keys, sort=False, dropna=False):
        row = dict(zip(keys, labels, strict=True))
        for metric in metrics_of:
            row |= {metric: group[metric].mean(), f"{metric}_std": round(group[metric].std(ddof=1), 12)}
        row |= {"n_test": round(group["n_test"].mean()), "n_seeds": group["seed"].nunique()}
        rows.append(row | {"source": group["source"].iloc[0]})
    return pd.DataFrame(rows)


def _beside(ours: pd.DataFrame, printed: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    joined = tables.with_paper(ours, printed, on=keys)
    return joined.astype({"n_test": "Int64"})


def _in_order(table: pd.DataFrame, first: list[str], *, ascending: bool = True) -> pd.DataFrame:
    """Rows by `first`, then by method, ours before those of the paper alone."""
    place = table["method"].map({name: k for k, name in enumerate(ORDER)}).fillna(len(ORDER))
    ranked = table.assign(_alone=table["n_seeds"] == 0, _method=place)
    keys = [*first, "_alone", "_method"]
    ranked = ranked.sort_values(keys, ascending=[ascending] * len(first) + [True, True], kind="stable")
    return ranked.drop(columns=["_alone", "_method"]).reset_index(drop=True)
