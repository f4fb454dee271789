"""Every table of AstroM3 (doi 10.3847/1538-3881/adcbad), ours beside the paper's, from numbers on disk.

Each function takes the name of a profile, reads what `astrolib.papers.astrom3` kept there, saves a table
(csv and md) under `astrolib.paths.figures(profile)`, and returns it for the notebook. `which` names the
survey: "astrom3" is the profile's main one, "astrom3_eros1" the second; file names begin with it.
"""

import dataclasses

import numpy as np
import pandas as pd
from IPython.display import Markdown

from astrolib import paths, profiles
from astrolib.report import astrom3_scores as scores
from astrolib.report import results, tables
from astrolib.report.astrom3_parameters import parameters
from astrolib.report.astrom3_scores import source

LISTED = 40
"""Rows of a listing in its Markdown file; the csv has all."""


def table_aj(profile: str, which: str = "astrom3") -> Markdown:
    """Accuracy of every modality, fraction and way over seeds: the paper's main table."""
    table = scores.aj_table(profile, which)
    rows = []
    for (modality, fraction), pair in table.groupby(["modality", "fraction"], sort=False):
        row = {"modality": modality, "labels": f"{fraction:.0%}"}
        for clip, name in ((0, "from scratch"), (1, "CLIP")):
            one = pair[pair["clip"] == clip]
            row |= {name: np.nan, f"{name}_std": np.nan, f"paper_{name}": None}
            if len(one):
                row |= {name: one["mean"].iloc[0], f"{name}_std": one["std"].iloc[0]}
                row[f"paper_{name}"] = _plus_minus(one["paper_mean"].iloc[0], one["paper_std"].iloc[0])
        row |= {"gain": row["CLIP"] - row["from scratch"], "p": _short(pair["p_value"].iloc[0])}
        row |= {"paper_p": _short(pair["paper_p_value"].iloc[0])}
        row |= {"random forest": pair["baseline_mean"].iloc[0], "n_seeds": pair["n_seeds"].max()}
        rows.append(row | {"source": pair["source"].iloc[0]})
    return _save(profile, f"{which}_table_aj", table, pd.DataFrame(rows).round({"gain": 2}))


def table_v1(profile: str, which: str = "astrom3") -> Markdown:
    """Accuracy with full data beside the first arXiv version."""
    table = scores.v1_table(profile, which)
    reading = table[[*scores.SCORE, "mean", "n_seeds", "source"]].assign(
        mean=[_plus_minus(*values) for values in zip(table["mean"], table["std"], strict=True)],
        paper_mean=[_plus_minus(*v) for v in zip(table["paper_mean"], table["paper_std"], strict=True)],
    )
    return _save(profile, f"{which}_table_v1", table, reading)


def gain(profile: str, which: str = "astrom3") -> Markdown:
    """What CLIP adds, in points, with paired intervals, beside the paper."""
    return results.save_table(profile, f"{which}_gain", scores.gain_table(profile, which))


def embedding_classifiers(profile: str, which: str = "astrom3") -> Markdown:
    """Nearest class centre and nearest neighbour among frozen embeddings, beside the paper's."""
    table = scores.embedding_table(profile, which)
    reading = table.drop(columns="paper_accuracy_std").assign(
        paper_accuracy=[
            _plus_minus(*v) for v in zip(table["paper_accuracy"], table["paper_accuracy_std"], strict=True)
        ]
    )
    return _save(profile, f"{which}_embedding_classifiers", table, reading)


def importance(profile: str, which: str = "astrom3") -> Markdown:
    """Accuracy of each class with each combination of modalities, beside the paper's."""
    table = scores.importance_table(profile, which)
    numbers = table[["accuracy", "accuracy_std", "paper_accuracy"]].to_numpy(float)
    cells = pd.Series(
        [_with_paper(*row) for row in numbers],
        index=pd.MultiIndex.from_frame(table[["class_name", "modalities"]]),
    )
    wide = cells.unstack(sort=False).fillna("").reset_index().rename_axis(columns=None)
    wide = wide.assign(n_seeds=table["n_seeds"].max(), source=table["source"].iloc[0])
    return _save(profile, f"{which}_importance", table, wide)


def class_counts(profile: str, which: str = "astrom3") -> Markdown:
    """Stars of each class in every part and fraction of the first seed, beside the paper's seed 42."""
    splits = results.load(profile, f"{which}_splits")
    splits = splits[splits["seed"] == splits["seed"].iloc[0]]
    keys = ["fraction", "split", "class_name"]
    ours = splits[[*keys, "seed", "label_id", "count", "source"]].assign(n_seeds=1)
    printed = scores.comparable(tables.published("astrom3_class_counts")[[*keys, "count"]], profile, which)
    table = tables.with_paper(ours, printed, on=keys)
    table = table.astype({name: "Int64" for name in ("seed", "label_id", "count", "paper_count")})
    parts = ["train", "validation", "test"]
    reading = {}
    for who, column in (("", "count"), ("paper_", "paper_count")):
        for fraction in sorted(table["fraction"].unique(), reverse=True):
            some = table[table["fraction"] == fraction]
            wide = some.pivot(index="class_name", columns="split", values=column).reindex(columns=parts)
            cells = [None if row.isna().all() else " / ".join(map(str, row)) for _, row in wide.iterrows()]
            reading[f"{who}{fraction:.0%}"] = pd.Series(cells, index=wide.index)
    names = list(dict.fromkeys(table["class_name"]))
    wide = pd.DataFrame(reading).reindex(names).rename_axis("train / validation / test").reset_index()
    wide = wide.assign(n_seeds=1, source=ours["source"].iloc[0])
    return _save(profile, f"{which}_class_counts", table, wide)


def hyperparameters(profile: str, which: str = "astrom3") -> Markdown:
    """The paper's 33 tuned settings and this profile's beside them (card, section 7)."""
    printed = tables.published("astrom3_hparams")
    keys = ["model", "fraction", "init_from_clip"]
    settings = profiles.load(profile).astrom3
    phases = {
        name: _setting_names(dataclasses.asdict(getattr(settings, name)))
        for name in ("pretraining", "finetuning")
    }
    dropouts = [column for column in printed if column.endswith("_dropout")]
    rows = []
    for one in printed.to_dict("records"):
        ours = {key: one[key] for key in keys}
        if settings.tuned:
            rows.append(one)
            continue
        ours |= phases["pretraining" if one["model"] == "clip_pretraining" else "finetuning"]
        for column in dropouts:
            ours[column] = settings.encoders.dropout if pd.notna(one[column]) else np.nan
        ours["max_epochs"] = round(ours["max_epochs"] / one["fraction"] ** 0.5)
        rows.append(ours)
    ours = pd.DataFrame(rows).assign(n_seeds=len(settings.seeds), source=source(profile, which))
    table = tables.with_paper(ours, printed, on=keys)
    shown = table.copy()
    for column in (c for c in printed if c not in keys):
        if (shown[column].fillna(-1) == shown[f"paper_{column}"].fillna(-1)).all():
            shown = shown.drop(columns=f"paper_{column}")
            shown[column] = [_short(value) for value in shown[column]]
        else:
            shown[f"paper_{column}"] = [_short(value) or None for value in shown[f"paper_{column}"]]
    return _save(profile, f"{which}_hyperparameters", table, shown)


def retrieval(profile: str, which: str = "astrom3") -> Markdown:
    """Similarity search within and across modalities: precision and rank beside chance."""
    table = results.load(profile, f"{which}_retrieval").assign(n_seeds=1)
    value = [f"{v:.3g} ± {e:.2g}" for v, e in table[["value", "error"]].to_numpy(float)]
    reading = table.assign(value=value).drop(columns="error")
    return _save(profile, f"{which}_retrieval", table, reading)


def outliers(profile: str, which: str = "astrom3") -> Markdown:
    """Stars far from the centre of their class, candidates first, those flagged in most modalities on top."""
    table = results.load(profile, f"{which}_outliers")
    table = table.assign(
        candidate=table["kind"] != "",
        furthest=table[[c for c in table if c.startswith("distance ")]].mean(axis=1),
    )[(table["n_flagged"] > 0) | (table["kind"] != "")]
    table = table.sort_values(["candidate", "n_flagged", "furthest"], ascending=False, kind="stable")
    table = table.drop(columns=["candidate", "furthest"]).reset_index(drop=True).assign(n_seeds=1)
    reading = table.head(LISTED).drop(columns=[c for c in table if c.startswith("flagged ")])
    return _save(profile, f"{which}_outliers", table, reading)


def truth_is_known(profile: str, which: str = "astrom3") -> bool:
    """Whether a survey is simulated, so that planted stars can be counted."""
    return bool((results.load(profile, f"{which}_outliers")["truth"].fillna("") != "").any())


def planted(profile: str, which: str = "astrom3") -> Markdown:
    """Precision and recall of the search for mislabelled stars and outliers, where they were planted."""
    if not truth_is_known(profile, which):
        return Markdown(
            f"Nobody knows which stars of the profile `{profile}` are mislabelled: candidates are listed in "
            f"`{which}_outliers.csv`, and only the simulated survey of `demo` can score them."
        )
    table = results.load(profile, f"{which}_planted").assign(n_seeds=1)
    first = [c for c in ("rule", "kind", "n_planted", "n_found", "n_flagged") if c in table]
    reading = table[first].assign(
        precision=[_interval(*v) for v in table[["precision", "precision_low", "precision_high"]].to_numpy()],
        recall=[_interval(*v) for v in table[["recall", "recall_low", "recall_high"]].to_numpy()],
        n_seeds=1,
        source=table["source"],
    )
    return _save(profile, f"{which}_planted", table, reading)


def subclasses(profile: str, which: str = "astrom3") -> Markdown:
    """Adjusted Rand index of classes found within a class, against what is known of its stars."""
    table = results.load(profile, f"{which}_subclass_scores").assign(n_seeds=1)
    reading = table.assign(ari=[_interval(*v) for v in table[["ari", "low", "high"]].to_numpy(float)])
    return _save(profile, f"{which}_subclasses", table, reading.drop(columns=["low", "high"]))


def separating(profile: str, which: str = "astrom3") -> Markdown:
    """What tells the clusters within a class apart; the csv has all columns of the metadata."""
    table = scores.separating_table(profile, which)
    reading = table.groupby("group", sort=False).head(6)
    return _save(profile, f"{which}_separating", table, reading)


def throughput(profile: str, which: str = "astrom3") -> Markdown:
    """Objects per second of each way to train and to preprocess, and how much faster than the slowest."""
    table = results.load(profile, f"{which}_throughput")
    slowest = table.groupby(["stage", "device"])["objects_per_second"].transform("min")
    table = table.assign(times_slowest=(table["objects_per_second"] / slowest).round(2), n_seeds=1)
    first = ["stage", "way", "objects_per_second", "times_slowest"]
    return results.save_table(
        profile, f"{which}_throughput", table[first + [column for column in table if column not in first]]
    )


TABLES = {
    "astrom3_class_counts": class_counts,
    "astrom3_hyperparameters": hyperparameters,
    "astrom3_parameters": parameters,
    "astrom3_table_aj": table_aj,
    "astrom3_table_v1": table_v1,
    "astrom3_gain": gain,
    "astrom3_embedding_classifiers": embedding_classifiers,
    "astrom3_importance": importance,
    "astrom3_retrieval": retrieval,
    "astrom3_outliers": outliers,
    "astrom3_subclasses": subclasses,
    "astrom3_separating": separating,
    "astrom3_throughput": throughput,
}
"""File name, without its ending, to the function that makes it for the main survey of every profile."""
SECOND_TABLES = {
    "class_counts": class_counts,
    "table_aj": table_aj,
    "gain": gain,
    "embedding_classifiers": embedding_classifiers,
    "importance": importance,
    "retrieval": retrieval,
}
"""Those that are made for a second survey too."""


# ---------------------------------------------------------------- shared


def _save(profile: str, name: str, table: pd.DataFrame, reading: pd.DataFrame) -> Markdown:
    """Save a table whose Markdown is arranged for reading; the csv has the whole."""
    tables.save_table(table, paths.figures(profile), name, reading=reading)
    return Markdown(tables.markdown(reading))


def _setting_names(settings: dict) -> dict[str, object]:
    """A phase's settings under the names of the published table."""
    beta1, beta2 = settings["betas"]
    kept = {key: settings[key] for key in ("lr", "weight_decay", "plateau_factor", "batch_size")}
    return kept | {
        "beta1": beta1,
        "beta2": beta2,
        "max_epochs": settings["epochs"],
        "warmup_epochs": settings["warmup_epochs"],
        "plateau_patience": settings["plateau_patience"],
        "early_stopping_patience": settings["early_stopping"],
        "grad_clip_norm": settings["grad_clip"],
    }


def _plus_minus(mean: float, std: float) -> str | None:
    return None if pd.isna(mean) else f"{mean:.2f} ± {std:.2f}"


def _with_paper(mean: float, std: float, paper: float) -> str:
    ours = "" if pd.isna(mean) else f"{mean:.1f}" + (f" ± {std:.1f}" if std > 0 else "")
    return " ".join([ours] * bool(ours) + [f"({paper:.1f})"] * bool(pd.notna(paper)))


def _interval(value: float, low: float, high: float) -> str:
    return "" if pd.isna(value) else f"{value:.2f} [{low:.2f}, {high:.2f}]"


def _short(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.3g}"
