"""Every table of Barlow Twins (arXiv:2103.03230), ours on galaxies beside the paper's on ImageNet.

Each function takes the name of a profile, reads the numbers that are kept on disk, saves a table (csv and md)
under `astrolib.paths.figures(profile)`, and returns it for the notebook. Columns `paper_...` hold what the
paper printed, on other data: compare their order with ours, not their values.
"""

import numpy as np
import pandas as pd
from IPython.display import Markdown

from astrolib import paths, profiles
from astrolib.report import barlow_scores as scores
from astrolib.report import results, tables

NOT_HERE = {
    "barlow_table4": "not applicable here: our images hold one galaxy each, in the middle, and no survey of "
    "this compendium marks the outlines of several objects",
    "barlow_table7": "not run here: it varies BYOL, which this compendium does not train",
}
"""Why a table of the paper has no numbers of ours."""


def splits(profile: str) -> Markdown:
    """Images of each class in every part of the survey."""
    table = results.load(profile, "barlow_splits").assign(n_seeds=1)
    wide = table.pivot(index="class", columns="part", values="n").fillna(0).astype(int)
    parts, classes = (list(dict.fromkeys(table[name])) for name in ("part", "class"))
    wide = wide.reindex(index=classes, columns=parts)
    wide.loc["all"] = wide.sum()
    wide = wide.rename_axis(index="class", columns=None).reset_index()
    return _save(profile, "barlow_splits", table, wide.assign(source=table["source"].iloc[0]))


def hyperparameters(profile: str) -> Markdown:
    """The paper's settings and this profile's beside them; rows for the ViT where its recipe differs."""
    settings = profiles.load(profile).barlow
    resnet, vit = settings.resnet_pretraining, settings.vit_pretraining
    convnet, transformer = settings.convnet, settings.transformer
    ours: dict[str, object] = {
        "encoder": f"ResNet, one block a stage, channels {', '.join(map(str, convnet.channels))}",
        "crop": settings.data.crop,
        "projector_layers": 3,
    }
    named = {field: getattr(resnet, field) for field in resnet.__dataclass_fields__}
    ours |= {key: value for key, value in named.items() if key != "betas"}
    if resnet.optimizer == "adam":
        ours |= {"beta1": resnet.betas[0], "beta2": resnet.betas[1]}
        del ours["lr_bias"]
    else:
        ours["momentum"] = 0.9
    ours |= {"ablation_epochs": settings.ablations.epochs, "seeds": len(settings.seeds)}
    ours["vit: encoder"] = (
        f"ViT, patches of {transformer.patch_size}, width {transformer.embed_dim}, {transformer.depth} blocks"
    )
    ours |= {f"vit: {key}": getattr(vit, key) for key in named if getattr(vit, key) != named[key]}
    table = tables.hyperparameters(
        ours, "barlow_hparams", source=scores.source(profile), n_seeds=len(settings.seeds)
    )
    return results.save_table(profile, "barlow_hyperparameters", table)


def table_1(profile: str) -> Markdown:
    """Table 1: what frozen features are worth with all labels, beside training with labels."""
    table = scores.table_1(profile)
    shown = ["balanced_accuracy", "balanced_accuracy_std", "accuracy", "accuracy_std", "paper_top1"]
    reading = table[[*scores.ARM, *shown, "n_test", "n_seeds", "source"]]
    return _save(profile, "barlow_table1", table, reading)


def table_2(profile: str) -> Markdown:
    """Table 2: few labels, balanced accuracy beside the paper's top-1."""
    table = scores.table_2(profile)
    reading = table[scores.ARM].drop_duplicates()
    for fraction, rows in table.groupby("fraction"):
        name = f"{fraction:.0%} of the labels"
        values = {"balanced_accuracy": name, "balanced_accuracy_std": f"{name}_std"}
        values["paper_top1"] = f"paper_{name}"
        rows = rows[[*scores.ARM, *values]].rename(columns=values)
        reading = reading.merge(rows, on=scores.ARM, how="left")
    about = table.groupby(scores.ARM, sort=False)[["n_seeds", "source"]].first().reset_index()
    return _save(profile, "barlow_table2", table, reading.merge(about, on=scores.ARM))


def table_3(profile: str) -> Markdown:
    """Table 3: other quantities read off the same frozen features."""
    table = scores.table_3(profile)
    return _save(profile, "barlow_table3", table, _as_printed(table))


def table_4(profile: str) -> Markdown:
    """Table 4, detection and segmentation: the paper's numbers, and why there are none of ours."""
    return _published_only(profile, "barlow_table4")


def table_5(profile: str) -> Markdown:
    """Table 5: the terms of the loss."""
    return _variants(profile, "table5")


def table_6(profile: str) -> Markdown:
    """Table 6: stop-gradient and predictor."""
    return _variants(profile, "table6")


def table_7(profile: str) -> Markdown:
    """Table 7, BYOL with larger heads: the paper's numbers, and why there are none of ours."""
    return _published_only(profile, "barlow_table7")


def classes(profile: str) -> Markdown:
    """Recall of each class with all labels, with what a finite test set leaves open."""
    table = scores.class_table(profile)
    values = table[["recall", "low", "high"]].to_numpy(float)
    cells = table.assign(cell=[f"{value:.1f} [{low:.1f}, {high:.1f}]" for value, low, high in values])
    order = cells.drop_duplicates(scores.ARM)[scores.ARM]
    wide = cells.pivot(index=scores.ARM, columns="class", values="cell")
    wide = wide.reindex(columns=scores.class_names(profile)).fillna("")
    wide = order.merge(wide.reset_index(), on=scores.ARM)
    counts = table.groupby("class")["n_test"].max()
    wide = wide.rename(columns={name: f"{name} (n = {n})" for name, n in counts.items()})
    wide = wide.assign(n_seeds=table["n_seeds"].max(), source=table["source"].iloc[0])
    return _save(profile, "barlow_classes", table, wide)


def collapse(profile: str) -> Markdown:
    """What each loss and asymmetry makes of the embeddings: diagonal, off-diagonal, effective ranks."""
    runs = results.load(profile, "barlow_ablation_runs")
    runs = runs[runs["part"].isin(scores.ROWS)]
    measures = [name for name in ("diagonal", "off_square", "rank_z", "rank_r") if name in runs]
    rows = []
    for (part, variant), group in runs.groupby(["part", "variant"], sort=False):
        row = {"table": int(part.removeprefix("table")), "variant": scores.ROWS[part].get(variant, variant)}
        for name in measures:
            row |= {name: group[name].mean(), f"{name}_std": round(group[name].std(ddof=1), 12)}
        row |= {"epochs": int(group["epochs"].iloc[0]), "n_seeds": group["seed"].nunique()}
        rows.append(row | {"source": group["source"].iloc[0]})
    return results.save_table(profile, "barlow_collapse", pd.DataFrame(rows))


def figure_2(profile: str) -> Markdown:
    """Figure 2: batch size."""
    return _points(profile, "fig2", ["x", "arm"], {"x": "batch size", "arm": "method"})


def figure_3(profile: str) -> Markdown:
    """Figure 3: augmentations left out one after the other, change from the full set [points]."""
    table, printed = scores.ladder_table(profile), scores.reference_ladder()
    reading = _wide(table, ["variant"], "change").rename(columns={"variant": "left out"})
    changes = printed["method"] + " " + printed["change"].map("{:+.1f}".format)
    reading = _append(reading, printed["rung"].rename("left out"), changes)
    return _save(profile, "barlow_fig3", scores.with_reference(table, printed), reading)


def figure_4(profile: str) -> Markdown:
    """Figure 4: width of the embedding."""
    return _points(profile, "fig4", ["x", "arm"], {"x": "width", "arm": "lambda"})


def figure_5(profile: str) -> Markdown:
    """Figure 5: lambda."""
    return _points(profile, "fig5", ["x"], {"x": "lambda"})


def recipe(profile: str) -> Markdown:
    """Optimiser, length of training and unlabelled images: not in the paper."""
    table = scores.ablation_table(profile, "recipe").drop(columns=["x", "arm"])
    return _save(profile, "barlow_recipe", table, _wide(table, ["variant"]))


TABLES = {
    "barlow_splits": splits,
    "barlow_hyperparameters": hyperparameters,
    "barlow_table1": table_1,
    "barlow_table2": table_2,
    "barlow_table3": table_3,
    "barlow_table4": table_4,
    "barlow_table5": table_5,
    "barlow_table6": table_6,
    "barlow_table7": table_7,
    "barlow_classes": classes,
    "barlow_collapse": collapse,
    "barlow_fig2": figure_2,
    "barlow_fig3": figure_3,
    "barlow_fig4": figure_4,
    "barlow_fig5": figure_5,
    "barlow_recipe": recipe,
}
"""File name, without its ending, to the function that makes it."""


# ---------------------------------------------------------------- shared


def _save(profile: str, name: str, table: pd.DataFrame, reading: pd.DataFrame) -> Markdown:
    """Save a table whose Markdown is arranged for reading; the csv has the whole."""
    tables.save_table(table, paths.figures(profile), name, reading=reading)
    return Markdown(tables.markdown(reading))


def _published_only(profile: str, name: str) -> Markdown:
    printed = tables.published(name)
    numbers = printed.select_dtypes("number").columns
    table = printed.rename(columns={column: f"paper_{column}" for column in numbers})
    table = table.assign(ours=NOT_HERE[name], n_seeds=0, source=tables.PAPER_ONLY)
    return _save(profile, name, table, _as_printed(table).assign(ours=NOT_HERE[name].split(":")[0]))


def _as_printed(table: pd.DataFrame) -> pd.DataFrame:
    """Percentages of the paper with the one decimal that it prints, 54.0 and not 54."""
    printed = [column for column in table if column.startswith("paper_")]
    words = {c: ["" if pd.isna(value) else f"{value:.1f}" for value in table[c]] for c in printed}
    return table.assign(**words)


def _variants(profile: str, part: str) -> Markdown:
    table = scores.variant_table(profile, part)
    wide = _wide(table, ["variant"])
    printed = table[table["fraction"] == 1.0].set_index("variant")["paper_top1"]
    wide.insert(len(wide.columns) - 2, "paper_top1", wide["variant"].map(printed))
    wide["variant"] = wide["variant"].map(lambda name: scores.ROWS[part].get(name, name))
    return _save(profile, f"barlow_{part}", table, wide)


def _points(profile: str, part: str, keys: list[str], names: dict[str, str]) -> Markdown:
    table, printed = scores.ablation_table(profile, part), scores.reference(part)
    reading = _wide(table, keys)
    reading["x"] = [f"{x:g}" for x in reading["x"]]
    known = printed.dropna(subset="x").dropna(subset=["top1", "top1_low"], how="all")
    numbers = known[["top1", "top1_low", "top1_high"]].to_numpy()
    words = [f"{low} to {high}" if np.isnan(value) else f"{value}" for value, low, high in numbers]
    reading = _append(
        reading.rename(columns=names), known["point"].rename(names["x"]), known["method"] + " " + words
    )
    return _save(profile, f"barlow_{part}", scores.with_reference(table, printed), reading)


def _append(reading: pd.DataFrame, points: pd.Series, words: pd.Series) -> pd.DataFrame:
    """Published values in words below ours, those of one point in one row."""
    rows = words.groupby(points, sort=False).agg(", ".join).rename("published, ImageNet").reset_index()
    rows = rows.assign(n_seeds=0, source=tables.PAPER_ONLY)
    both = pd.concat([reading, rows], ignore_index=True).fillna("")
    last = ["n_seeds", "source"]
    return both[[*both.columns.drop(last), *last]]


def _wide(table: pd.DataFrame, keys: list[str], value: str = "balanced_accuracy") -> pd.DataFrame:
    """A row for each of `keys`, a column "mean ± spread" for each fraction of the labels."""
    rows = []
    for labels, group in table.groupby(keys, sort=False):
        row = dict(zip(keys, labels, strict=True))
        for one in group.sort_values("fraction", ascending=False).itertuples():
            mean, spread = getattr(one, value), getattr(one, f"{value}_std")
            row[f"{one.fraction:.0%} of the labels"] = f"{mean:.1f}" + (
                f" ± {spread:.1f}" if spread > 0 else ""
            )
        rows.append(row | {"n_seeds": group["n_seeds"].max(), "source": group["source"].iloc[0]})
    wide = pd.DataFrame(rows)
    last = ["n_seeds", "source"]
    return wide[[*wide.columns.drop(last), *last]]
