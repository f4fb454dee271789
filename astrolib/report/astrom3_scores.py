"""Scores of AstroM3 over seeds, beside the paper's: what its tables and figures are both made from.

Each function takes the name of a profile and, as `which`, the survey whose results are read: "astrom3" for
the profile's main one, "astrom3_eros1" for the second. Nothing is saved here.
"""

import numpy as np
import pandas as pd

from astrolib import profiles
from astrolib.evaluate import classify
from astrolib.evaluate.subclasses import separating_columns
from astrolib.report import results, tables

SCORE = ["modality", "fraction", "clip"]
CLIP = {"from scratch": 0, "CLIP": 1}
LEADING = [
    *SCORE, "mean", "std", "p_value", "paper_mean", "paper_std", "baseline_mean", "n_seeds", "source",
]  # fmt: skip
"""First columns of the AJ table."""
PAPER_VIEWS = ("photometry", "spectra", "metadata")
PAPER_ORDER = ("DSCT", "EA", "EB", "EW", "HADS", "M", "ROT", "RRAB", "RRC", "SR")


def source(profile: str, which: str = "astrom3") -> str:
    """Where a survey's stars come from, in words."""
    return str(results.load(profile, f"{which}_stars")["source"].iloc[0])


def modalities(profile: str, which: str = "astrom3") -> list[str]:
    """Names of a survey's modalities, in order."""
    columns = results.load(profile, f"{which}_stars").columns
    return [column.removeprefix("has ") for column in columns if column.startswith("has ")]


def class_names(profile: str, which: str = "astrom3") -> list[str]:
    """Names of the classes in the order of their numbers."""
    return results.load(profile, f"{which}_classes").sort_values("label_id")["class_name"].tolist()


def encoder_sizes(profile: str, which: str = "astrom3") -> str:
    """The sizes of a profile's encoders in words."""
    settings = profiles.load(profile).astrom3
    sizes, data = settings.encoders, settings.data if which == "astrom3" else settings.second
    return (
        f"light curve: {data.n_points} points, width {sizes.d_model}, {sizes.n_layers} layers, "
        f"{sizes.attention} attention; spectrum: {', '.join(map(str, sizes.channels))} channels; "
        f"table: width {sizes.hidden}; common space: {sizes.embed_dim}"
    )


def aj_table(profile: str, which: str = "astrom3") -> pd.DataFrame:
    """The paper's main table (card, section 9.1), a row for each modality, fraction and way.

    Returns
    -------
    DataFrame
        Columns of `LEADING`, then others. `mean` and `std` [per cent] are over seeds, `std` of the population
        as in the paper, `std_sample` of the sample; `p_value` of a two-sided paired t-test of CLIP against
        from scratch, on both rows; `baseline_mean` of a random forest with the same labels and test stars.
        `mean` is on the test stars of the same fraction, as in the paper, `whole_test_mean` on all. Rows that
        only the paper has keep `n_seeds` 0; a survey without the paper's three views has no paper values.
    """
    scores = results.load(profile, f"{which}_scores")
    networks = scores[scores["way"].isin(CLIP)].assign(clip=scores["way"].map(CLIP))
    networks = networks.astype({"clip": int})
    forests = scores[scores["way"] == "random forest"].groupby(["modality", "fraction"])["accuracy"].mean()
    sizes, rows = encoder_sizes(profile, which), []
    for (modality, fraction), group in networks.groupby(["modality", "fraction"], sort=False):
        _, _, _, p_value = _paired(group)
        for clip, runs in group.groupby("clip"):
            rows.append(
                {
                    "modality": modality,
                    "fraction": fraction,
                    "clip": clip,
                    "mean": runs["accuracy"].mean(),
                    "std": _spread(runs["accuracy"]),
                    "p_value": p_value,
                    "baseline_mean": forests.get((modality, fraction), np.nan),
                    "n_seeds": runs["seed"].nunique(),
                    "source": runs["source"].iloc[0],
                    "whole_test_mean": runs["accuracy_whole_test"].mean(),
                    "whole_test_std": _spread(runs["accuracy_whole_test"]),
                    "balanced_mean": runs["balanced_accuracy"].mean(),
                    "std_sample": runs["accuracy"].std(ddof=1),
                    "n_train": round(runs["n_train"].mean()),
                    "n_test": round(runs["n_test"].mean()),
                    "encoders": sizes,
                }
            )
    return _beside_paper(pd.DataFrame(rows), "astrom3_table_aj", profile, which, LEADING)


def v1_table(profile: str, which: str = "astrom3") -> pd.DataFrame:
    """Full data only, beside the first arXiv version (card, section 9.3)."""
    ours = aj_table(profile, which)
    ours = ours[(ours["fraction"] == 1.0) & (ours["n_seeds"] > 0)]
    ours = ours[[*SCORE, "mean", "std", "n_seeds", "source"]]
    leading = [*SCORE, "mean", "std", "paper_mean", "paper_std", "n_seeds", "source"]
    return _beside_paper(ours, "astrom3_table_v1", profile, which, leading)


def gain_table(profile: str, which: str = "astrom3") -> pd.DataFrame:
    """CLIP minus from scratch of the same seed, in points, with a 95 % interval of the paired t-test."""
    scores = results.load(profile, f"{which}_scores")
    printed = tables.published("astrom3_table_aj").pivot(index=SCORE[:2], columns="clip", values="mean")
    printed = comparable((printed[1] - printed[0]).rename("gain").reset_index(), profile, which)
    printed = printed.set_index(SCORE[:2])["gain"]
    rows = []
    for key, group in scores[scores["way"].isin(CLIP)].groupby(SCORE[:2], sort=False):
        gain, low, high, p_value = _paired(group)
        rows.append(
            {
                "modality": key[0],
                "fraction": key[1],
                "gain": gain,
                "low": low,
                "high": high,
                "p_value": p_value,
                "paper_gain": round(printed.get(key, np.nan), 3),
                "n_seeds": group["seed"].nunique(),
                "source": group["source"].iloc[0],
            }
        )
    return _in_order(pd.DataFrame(rows), profile, which)


def embedding_table(profile: str, which: str = "astrom3") -> pd.DataFrame:
    """Accuracy of frozen embeddings (card, section 9.4), beside the paper's mean of five splits.

    The paper's embeddings come from one seed: for the other four they have seen test stars in pretraining.
    """
    scores = results.load(profile, f"{which}_embedding_classifiers")
    keys = ["modality", "fraction", "classifier"]
    ours = _over_seeds(scores, keys)
    printed = tables.published("astrom3_embedding_classifiers")
    printed = printed[printed["scope"] == "five_splits"].drop(columns="scope")
    printed["classifier"] = printed["classifier"].str.replace("_", " ")
    printed = printed.rename(columns={"std": "accuracy_std"})
    printed = comparable(printed, profile, which)
    return _in_order(tables.with_paper(ours, printed, on=keys), profile, which)


def importance_table(profile: str, which: str = "astrom3") -> pd.DataFrame:
    """Accuracy of each class with some modalities of a fused classifier (card, section 9.5)."""
    scores = results.load(profile, f"{which}_importance")
    names = modalities(profile, which)
    scores = scores.assign(modalities=[_combination(words, names) for words in scores["modalities"]])
    keys = ["class_name", "modalities"]
    ours = _over_seeds(scores, keys)
    ours["count"] = scores.groupby(keys, sort=False)["count"].mean().round(1).to_numpy()
    printed = comparable(_paper_importance(), profile, which)
    joined = tables.with_paper(ours, printed, on=keys)
    combinations = sorted(joined["modalities"].unique(), key=lambda words: _subset_order(words, names))
    last = {"class mean": 1, "overall": 2}
    classes = list(dict.fromkeys([*class_names(profile, which), *joined["class_name"]]))
    classes.sort(key=lambda name: last.get(name, 0))
    rank = joined["class_name"].map(classes.index) * 1000 + joined["modalities"].map(combinations.index)
    return joined.loc[rank.sort_values(kind="stable").index].reset_index(drop=True)


def confusion_counts(
    profile: str, which: str = "astrom3", modality: str = "all", fraction: float = 0.5, way: str = "CLIP"
) -> tuple[np.ndarray, list[str], float, int]:
    """Confusion of the test stars of a subset, first seed.

    Returns
    -------
    counts : (C, C) int array
        Rows: true class.
    names : list of str
        Of the classes, in the paper's order where they are the paper's.
    fraction : float
        The one asked for, or the largest there is.
    seed : int
    """
    table = results.load(profile, f"{which}_predictions")
    table = table[(table["modality"] == modality) & (table["way"] == way)]
    found = fraction if (table["fraction"] == fraction).any() else float(table["fraction"].max())
    table = table[(table["fraction"] == found) & table["in_subset"]]
    seed = int(table["seed"].iloc[0])
    table = table[table["seed"] == seed]
    names = class_names(profile, which)
    counts = np.zeros((len(names), len(names)), int)
    np.add.at(counts, (table["label"].to_numpy(), table["prediction"].to_numpy()), 1)
    order = range(len(names))
    if set(names) <= set(PAPER_ORDER):
        order = sorted(order, key=lambda k: PAPER_ORDER.index(names[k]))
    return counts[np.ix_(order, order)], [names[k] for k in order], found, seed


def separating_table(profile: str, which: str = "astrom3") -> pd.DataFrame:
    """Metadata in which the two clusters of each group differ, the most different first."""
    stars = results.load(profile, f"{which}_subclasses")
    stars = stars[stars["cluster"] >= 0]
    columns = [c for c in stars.select_dtypes("number").columns if c not in ("cluster", "x", "y")]
    tables_of = []
    for group, members in stars.groupby("group", sort=False):
        found = separating_columns(members[columns], members["cluster"], columns)
        tables_of.append(found.assign(group=group, n_seeds=1, source=members["source"].iloc[0]))
    table = pd.concat(tables_of, ignore_index=True)
    return table[["group", *(column for column in table if column != "group")]]


# ---------------------------------------------------------------- shared


def comparable(printed: pd.DataFrame, profile: str, which: str) -> pd.DataFrame:
    """The paper's rows, none of them for a survey that has not the paper's three views of a star."""
    return printed if set(PAPER_VIEWS) <= set(modalities(profile, which)) else printed.iloc[:0]


def _paired(group: pd.DataFrame) -> tuple[float, float, float, float]:
    """Mean difference CLIP - from scratch over the seeds that have both, its interval, and p."""
    both = group.pivot(index="seed", columns="way", values="accuracy").reindex(columns=list(CLIP)).dropna()
    if both.empty:
        return (np.nan,) * 4
    found = classify.paired_t(both["CLIP"].to_numpy(), both["from scratch"].to_numpy())
    return found["difference"], found["low"], found["high"], found["p_value"]


def _spread(values: pd.Series) -> float:
    return round(float(values.std(ddof=0)), 12)  # no 1e-15 for zero


def _over_seeds(scores: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    rows = []
    for labels, group in scores.groupby(keys, sort=False):
        row = dict(zip(keys, labels, strict=True))
        row |= {"accuracy": group["accuracy"].mean(), "accuracy_std": _spread(group["accuracy"])}
        rows.append(row | {"n_seeds": group["seed"].nunique(), "source": group["source"].iloc[0]})
    return pd.DataFrame(rows)


def _beside_paper(
    ours: pd.DataFrame, name: str, profile: str, which: str, leading: list[str]
) -> pd.DataFrame:
    printed = comparable(tables.published(name), profile, which)
    joined = _in_order(tables.with_paper(ours, printed, on=SCORE), profile, which)
    joined = joined.astype({column: "Int64" for column in ("n_train", "n_test") if column in joined})
    return joined[leading + [column for column in joined if column not in leading]]


def _in_order(table: pd.DataFrame, profile: str, which: str) -> pd.DataFrame:
    """Rows by modality, then by fraction and the rest of the key."""
    place = {name: k for k, name in enumerate([*modalities(profile, which), "all"])}
    keys = [key for key in ("fraction", "classifier", "clip") if key in table]
    ranked = table.assign(place=table["modality"].map(place)).sort_values(["place", *keys], kind="stable")
    return ranked.drop(columns="place").reset_index(drop=True)


def _combination(words: str, names: list[str]) -> str:
    """A set of modalities in one spelling: "photometry+metadata", in the survey's order."""
    parts = names if words == "all" else words.split("+")
    return "+".join(name for name in names if name in parts)


def _subset_order(words: str, names: list[str]) -> tuple:
    parts = [names.index(name) for name in words.split("+")]
    return len(parts), parts


def _paper_importance() -> pd.DataFrame:
    """The paper's accuracies with its class mean, and the overall accuracy from its counts."""
    printed = tables.published("astrom3_modality_importance")
    groups = printed.groupby("modalities", sort=False)
    mean = groups["accuracy"].mean().round(2).reset_index().assign(class_name="class mean")
    overall = (100 * groups["correct"].sum() / groups["count"].sum()).round(2)
    overall = overall.rename("accuracy").reset_index().assign(class_name="overall")
    return pd.concat([printed, mean, overall])[["class_name", "modalities", "accuracy"]]
