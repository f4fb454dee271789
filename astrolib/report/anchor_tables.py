"""Every table of A2-MAE on simulated image sets.

Each function takes the name of a profile, reads what `astrolib.papers.anchor_results` kept, saves a table
(csv and md) under `astrolib.paths.figures(profile)`, and returns it for the notebook. The paper's own tables
could not be had: the column `paper` says so.
"""

import numpy as np
import pandas as pd
from IPython.display import Markdown

from astrolib import paths, profiles
from astrolib.evaluate import intervals
from astrolib.report import results, tables
from astrolib.report.anchor_criteria import MISSING, QUARTERS
from astrolib.report.anchor_scores import DEFAULT, ENCODED, NOT_PUBLIC, Evidence, over_seeds

MODE_ORDER = (
    "random", "same", "hybrid", "anchor-visible", "anchor, key epoch", "anchor, key bands",
    "anchor, key survey", "single", "untrained",
)  # fmt: skip
NULLS = {
    "objects": ("masked error: gain over a single survey [%]", "modes", DEFAULT, "single", "single"),
    "reddening": ("R2 nearby: gain from place", "encodings", ENCODED, "no place", "no place"),
    "scale": ("masked error: gain from scale [%]", "encodings", ENCODED, "no scale", "no scale"),
}
"""Of a null: what is compared, and the part and both arms with the effect, and the second arm without it."""
SETTINGS = {
    "sets": "n_sets", "pixels of a side": "size", "blocks held out": "held_out", "patch": "patch_size",
    "width": "embed_dim", "blocks": "depth", "decoder width": "decoder_embed_dim",
    "decoder blocks": "decoder_depth", "hidden": "mask_ratio", "epochs": "epochs", "batch": "batch_size",
    "learning rate": "lr", "weight decay": "weight_decay", "warm-up epochs": "warmup_epochs",
}  # fmt: skip
RELEASED = {
    "sets": "510,000", "pixels of a side": "224", "patch": "16", "width": "1024", "blocks": "24",
    "decoder width": "512", "hidden": "0.75", "epochs": "100, then 130", "batch": "128",
    "learning rate": "1e-5 per 256", "weight decay": "0.05", "warm-up epochs": "40",
}  # fmt: skip
"""The released code's settings, from its own files."""


def surveys(profile: str) -> Markdown:
    """The images of a set: survey, bands, pixels, seeing, depth and field."""
    return results.save_table(
        profile, "anchor_surveys", results.load(profile, "anchor_surveys").assign(n_seeds=1)
    )


def splits(profile: str) -> Markdown:
    """Sets of each class in every part."""
    table = results.load(profile, "anchor_splits").assign(n_seeds=1)
    wide = table.pivot(index="part", columns="class", values="n").loc[table["part"].unique()]
    wide = wide.rename_axis(columns=None).reset_index().assign(source=table["source"].iloc[0], n_seeds=1)
    return results.save_table(profile, "anchor_splits", wide)


def hyperparameters(profile: str) -> Markdown:
    """This profile's settings beside those of the released code."""
    settings, evidence = profiles.load(profile).anchor, Evidence(profile)
    parts = (settings.data, settings.transformer, settings.pretraining)
    values = {k: next(getattr(p, f) for p in parts if hasattr(p, f)) for k, f in SETTINGS.items()}
    table = pd.DataFrame({"setting": list(values), "ours": [f"{v:g}" for v in values.values()]})
    table["released code"] = table["setting"].map(RELEASED).fillna("")
    table = table.assign(n_seeds=len(settings.seeds), source=evidence.source)
    return results.save_table(profile, "anchor_hyperparameters", table)


def table_modes(profile: str) -> Markdown:
    """How tokens are hidden: every score of every mode, and of what is not learned."""
    evidence = Evidence(profile)
    table = pd.concat([evidence.scores("modes"), evidence.scores("baseline")], ignore_index=True)
    order = {name: number for number, name in enumerate(MODE_ORDER)}
    place = table["variant"].map(order).fillna(len(order))
    table = table.iloc[np.argsort(place, kind="stable")]
    return _save(profile, "anchor_table_modes", table.drop(columns=["own_masks_std"]))


def table_encodings(profile: str) -> Markdown:
    """What a token is told: the same scores, and the accuracy at the usual and at twice the pixel scale."""
    evidence = Evidence(profile)
    table = evidence.scores("encodings").drop(columns=["own_masks", "own_masks_std"])
    wide = results.load(profile, "anchor_wide")
    rows = []
    for (variant, seed), arm in wide[wide["part"] == "encodings"].groupby(["variant", "seed"], sort=False):
        found = {
            scale: intervals.balanced_accuracy(some["label"], some["class_found"])
            for scale, some in arm.groupby("scale")
        }
        row = {"variant": variant, "seed": seed, "accuracy, wide sets": found["as trained"]}
        rows.append(row | {"drop at twice the pixels": found["as trained"] - found["doubled"]})
    drops = over_seeds(pd.DataFrame(rows), ["variant"]).drop(columns="n_seeds")
    return _save(profile, "anchor_table_encodings", _last(table.merge(drops, on="variant")))


def table_imputation(profile: str) -> Markdown:
    """Filling in: median error on the source, the noise floor, and what lies between them."""
    evidence = Evidence(profile)
    names = dict(enumerate(evidence.slots))
    rows = []
    keys = ["visible", "slot", "variant", "seed"]
    filled = evidence.filled[evidence.filled["part"].isin(["modes", "baseline"])]
    for (visible, slot, variant, seed), some in filled.groupby(keys, sort=False):
        medians = some[["error", "floor", "excess"]].median()
        about = {"visible": visible, "filled in": names[slot], "variant": variant, "seed": seed}
        rows.append(about | medians.to_dict() | {"n_sets": len(some)})
    table = over_seeds(pd.DataFrame(rows), ["visible", "filled in", "variant"])
    table = table.drop(columns=["floor_std", "n_sets_std"])
    table = table.assign(paper=NOT_PUBLIC, source=evidence.source)
    order = {QUARTERS: 0, MISSING: 1}
    rank = table["visible"].map(order) * 100 + table["filled in"].map(evidence.slots.index)
    table = _last(table.iloc[np.argsort(rank, kind="stable")])
    blocks = [part for _, part in table.groupby(["visible", "filled in"], sort=False)]
    best = pd.concat([part.sort_values("excess") for part in blocks])
    return _save(profile, "anchor_table_imputation", best)


def table_nulls(profile: str) -> Markdown:
    """What each mechanism brings with the effect it exploits, and without it."""
    evidence = Evidence(profile)
    rows = []
    for null, (words, part, first, second, other) in NULLS.items():
        cases = (("with the effect", part, first, second), ("without it", f"null {null}", ENCODED, other))
        for case, where, a, b in cases:
            if null == "reddening":
                arms = [evidence.arm(where, name, "nearby") for name in (a, b)]
                found = evidence.r2_difference(*arms)
                value, low, high = found.value, found.low, found.high
            else:
                arms = [evidence.arm(where, name) for name in (a, b)]
                found = evidence.error_ratio(*arms, range(len(evidence.slots)))
                value, low, high = (100 * (1 - ratio) for ratio in (found.value, found.high, found.low))
            row = {"left out": null, "compared": words, "data": case, "gain": value, "low": low, "high": high}
            rows.append(row | {"n_seeds": found.n_seeds, "source": arms[0]["source"].iloc[0]})
    table = pd.DataFrame(rows).assign(paper=NOT_PUBLIC)
    cells = [f"{v:.3g} [{a:.3g}, {b:.3g}]" for v, a, b in table[["gain", "low", "high"]].to_numpy(float)]
    reading = _last(table.assign(gain=cells).drop(columns=["low", "high"]))
    tables.save_table(_last(table), paths.figures(profile), "anchor_table_nulls", reading=reading)
    return Markdown(tables.markdown(reading))


TABLES = {
    "anchor_surveys": surveys,
    "anchor_splits": splits,
    "anchor_hyperparameters": hyperparameters,
    "anchor_table_modes": table_modes,
    "anchor_table_encodings": table_encodings,
    "anchor_table_imputation": table_imputation,
    "anchor_table_nulls": table_nulls,
}
"""File name, without its ending, to the function that makes it."""


def _save(profile: str, name: str, table: pd.DataFrame) -> Markdown:
    return results.save_table(profile, name, _last(table))


def _last(table: pd.DataFrame) -> pd.DataFrame:
    """With paper, n_seeds and source as the last columns."""
    last = [name for name in ("paper", "n_seeds", "source") if name in table]
    return table[[*table.columns.drop(last), *last]]
