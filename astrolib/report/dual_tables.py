"""Every table of STMAE (arXiv:2309.15169), ours on simulated stars beside the paper's on traffic.

Each function takes the name of a profile, reads the numbers that are kept on disk, saves a table (csv and md)
under `astrolib.paths.figures(profile)`, and returns it for the notebook. Columns `paper_...` hold what is
known of the paper's numbers, in vehicles in five minutes: compare their order with ours, not their values.
Ours are in robust standard deviations of each star.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from IPython.display import Markdown

from astrolib import paths
from astrolib.report import dual_evidence as evidence
from astrolib.report import results, tables
from astrolib.report.barlow_evidence import Found
from astrolib.report.dual_evidence import (
    BACKBONES,
    BASELINES,
    FULL,
    HELD_OUT,
    LONG,
    RIDGE,
    RIDGE_GRAPH,
    SCRATCH,
    STMAE,
    Evidence,
)

STEPS = (3, 6, 12)
"""Steps ahead that Table 1 prints, beside the mean."""
BACKBONE_ALONE = "backbone alone"
PAPER_VARIANTS = {
    BACKBONE_ALONE: "backbone_alone",
    "edges only": "without_temporal_masking",
    "times only": "without_spatial_masking",
    "uniform masks": "uniform_masks_both",
    FULL: "full",
}
"""Rows of the paper's ablation."""


def table_1(profile: str) -> Markdown:
    """Table 1: errors at 3, 6 and 12 steps and their mean, of each backbone and training."""
    table = table_1_rows(profile)
    wide = table.assign(step=[f"step {s}" if s != "mean" else "mean" for s in table["step"]])
    wide = wide.assign(cell=[_spread(*row) for row in table[["mae", "mae_std"]].to_numpy(float)])
    keys = ["backbone", "training"]
    order = wide.drop_duplicates(keys)[keys]
    cells = wide.pivot(index=keys, columns="step", values="cell")[[*(f"step {s}" for s in STEPS), "mean"]]
    cells = cells.add_prefix("MAE, ").reset_index()
    means = table[table["step"] == "mean"].assign(
        rmse_=lambda t: [_spread(*row) for row in t[["rmse", "rmse_std"]].to_numpy(float)]
    )
    means = means.rename(columns={"rmse_": "RMSE, mean"})
    paper = [f"paper_pems{d}_mae" for d in ("03", "04", "07", "08")]
    reading = order.merge(cells, on=keys).merge(
        means[[*keys, "RMSE, mean", *paper, "n_seeds", "source"]], on=keys
    )
    return _save(profile, "dual_table1", table, reading)


def table_1_rows(profile: str) -> pd.DataFrame:
    """A row for each backbone, training and step (3, 6, 12, "mean"): `mae`, `rmse` and their scatter over
    seeds, the interval `mae_low` to `mae_high`, and the paper's numbers by data set."""
    known, rows = Evidence(profile), []
    for backbone, training in [*((b, t) for b in BACKBONES for t in (SCRATCH, LONG, STMAE)),
                               *(("", method) for method in BASELINES)]:  # fmt: skip
        arm = known.arm(backbone, training, FULL if backbone else "")
        for step in (*STEPS, None):
            mae, square = evidence.by_seed(arm, "abs", step), evidence.rmse(arm, step)
            found = known.error(arm, step)
            rows.append(
                {
                    "backbone": backbone or "none",
                    "training": training,
                    "step": "mean" if step is None else str(step),
                    "mae": mae.mean(),
                    "mae_std": mae.std(),
                    "mae_low": found.low,
                    "mae_high": found.high,
                    "rmse": square.mean(),
                    "rmse_std": square.std(),
                    **_paper_errors(backbone, training, "mean" if step is None else str(step)),
                    "n_seeds": len(mae),
                    "source": known.source,
                }
            )
    return pd.DataFrame(rows)


def _paper_errors(backbone: str, training: str, step: str) -> dict[str, float]:
    """What is known of the paper's table; its backbones alone stand beside those trained as long."""
    printed = tables.published("stmae_table1")
    named = {LONG: BACKBONE_ALONE, STMAE: STMAE}.get(training)
    chosen = printed[(printed["backbone"] == backbone) & (printed["training"] == named)]
    chosen = chosen[chosen["step"] == step].set_index("dataset")
    return {
        f"paper_{data.lower()}_{name}": chosen[name].get(data, np.nan)
        for data in ("PEMS03", "PEMS04", "PEMS07", "PEMS08")
        for name in ("mae", "rmse")
    }


def table_2(profile: str) -> Markdown:
    """Table 2: what is left out of the masks, and how the released code hides."""
    known, rows = Evidence(profile), []
    alone = known.arm("AGCRN", LONG)
    printed = tables.published("stmae_ablation").pivot(index="variant", columns="dataset", values="mae")
    for variant in variants(known):
        arm = alone if variant == BACKBONE_ALONE else known.arm("AGCRN", variant=variant)
        mae, gain = evidence.by_seed(arm), known.gain(arm, alone)
        paper = printed.reindex([PAPER_VARIANTS.get(variant, "")]).iloc[0]
        rows.append(
            {
                "variant": variant,
                "mae": mae.mean(),
                "mae_std": mae.std(),
                **_limits("gain_percent", None if variant == BACKBONE_ALONE else gain),
                "paper_pems04_mae": paper["PEMS04"],
                "paper_pems08_mae": paper["PEMS08"],
                "n_seeds": len(mae),
                "source": known.source,
            }
        )
    return _save(profile, "dual_table2", pd.DataFrame(rows))


def variants(known: Evidence) -> list[str]:
    """The backbone alone, then variants of the pre-training that were run, those of the paper first."""
    made = list(dict.fromkeys(known.errors.loc[known.errors["backbone"] == "AGCRN", "variant"]))
    paper = [name for name in PAPER_VARIANTS if name == BACKBONE_ALONE or name in made]
    return [*paper, *(name for name in made if name not in paper)]


def sensitivity(profile: str) -> Markdown:
    """Settings of the masks that were varied one at a time; the paper's curves are not known as numbers."""
    known = Evidence(profile)
    varied = list(dict.fromkeys(known.errors["changes"]))
    rows = []
    for changes in [c for c in varied if c] or [""]:
        arm = known.arm("AGCRN", changes=changes)
        mae = evidence.by_seed(arm)
        rows.append(
            {
                "setting": changes or "none varied in this profile",
                "mae": mae.mean(),
                "mae_std": mae.std(),
                **_limits("gain_percent", known.gain(arm, known.arm("AGCRN", LONG))),
                "n_seeds": len(mae),
                "source": known.source,
            }
        )
    return _save(profile, "dual_sensitivity", pd.DataFrame(rows))


def edges(profile: str) -> Markdown:
    """Hidden edges against as many pairs that are none: area under the curve, with scores that need none."""
    table = results.load(profile, "dual_edges")
    known = Evidence(profile)
    rows = []
    keys = ["graph", "backbone", "variant"]
    for (graph, backbone, variant), some in table.groupby(keys, sort=False):
        for method in dict.fromkeys(some["method"]):
            if method != STMAE and (backbone, variant) != ("AGCRN", FULL):
                continue  # what needs no network is the same for all of them
            found = known.area(known.edges(method, backbone, variant, graph))
            named = {"backbone": backbone, "pre-training": variant} if method == STMAE else {}
            rows.append(
                {
                    "edges": "never a target" if graph == HELD_OUT else "hidden again and again in training",
                    "score": "S S^T" if method == STMAE else method,
                    "backbone": named.get("backbone", "none"),
                    "pre-training": named.get("pre-training", "none"),
                    **_limits("auc", found),
                    "n_seeds": found.n_seeds,
                    "source": known.source,
                }
            )
    return _save(profile, "dual_edges", pd.DataFrame(rows))


def hidden(profile: str) -> Markdown:
    """Hidden patches of time: mean absolute error of the network and of fills without one."""
    table = results.load(profile, "dual_hidden")
    known, rows = Evidence(profile), []
    for (mode, backbone, method), some in table.groupby(["mode", "backbone", "method"], sort=False):
        if method != STMAE and backbone != "AGCRN":
            continue
        found = known.hidden_error(some)
        rows.append(
            {
                "mode": mode,
                "method": "feature decoder" if method == STMAE else method,
                "backbone": backbone if method == STMAE else "none",
                **_limits("error", found),
                "n_seeds": found.n_seeds,
                "source": known.source,
            }
        )
    return _save(profile, "dual_hidden", pd.DataFrame(rows))


def systematics(profile: str) -> Markdown:
    """Light curves without their systematics: what is left, and what of a star's own signal is kept."""
    known, rows = Evidence(profile), []
    names = {
        "scatter": "scatter_left",
        "systematics": "systematics_left",
        "sinusoid": "sinusoid_kept",
        "dips": "dips_kept",
    }
    for method in (evidence.NETWORK, evidence.COMPONENTS, evidence.REGRESSION):
        found = {name: known.removed(method, name) for name in names}
        limits = [_limits(words, found[name]) for name, words in names.items()]
        about = {"n_seeds": found["scatter"].n_seeds, "source": known.source}
        rows.append({"method": method} | {k: v for each in limits for k, v in each.items()} | about)
    return _save(profile, "dual_systematics", pd.DataFrame(rows))


def null(profile: str) -> Markdown:
    """What the graph and pre-training are worth as the systematics go away, and among strangers."""
    return _save(profile, "dual_null", null_rows(profile))


def null_rows(profile: str) -> pd.DataFrame:
    """A row for each share of systematics and graph: mean absolute errors, and gains [%] of the ridge
    regression by its neighbours and of AGCRN by its pre-training."""
    known, rows = Evidence(profile), []
    table = known.errors[(known.errors["backbone"] == "AGCRN") & (known.errors["training"] == LONG)]
    for (graph, f_sys), _ in table.groupby(["graph", "f_sys"]):
        place = {"f_sys": f_sys, "graph": graph}
        scratch = known.arm("AGCRN", LONG, **place)
        pretrained = known.arm("AGCRN", STMAE, **place)
        own, both = (known.baseline(method, **place) for method in (RIDGE, RIDGE_GRAPH))
        rows.append(
            {
                "f_sys": f_sys,
                "graph": graph,
                "ridge_own": evidence.by_seed(own).mean(),
                "ridge_neighbours": evidence.by_seed(both).mean(),
                **_limits("neighbours_gain_percent", known.gain(both, own)),
                "scratch": evidence.by_seed(scratch).mean(),
                "stmae": evidence.by_seed(pretrained).mean(),
                **_limits("stmae_gain_percent", known.gain(pretrained, scratch)),
                "n_seeds": scratch["seed"].nunique(),
                "source": known.source,
            }
        )
    return pd.DataFrame(rows)


TABLES: dict[str, Callable[[str], Markdown]] = {
    "dual_table1": table_1,
    "dual_table2": table_2,
    "dual_sensitivity": sensitivity,
    "dual_edges": edges,
    "dual_hidden": hidden,
    "dual_systematics": systematics,
    "dual_null": null,
}
"""File name, without its ending, to the function that makes it."""


# ---------------------------------------------------------------- shared


def _limits(name: str, found: Found | None) -> dict[str, float]:
    """A value and its interval as three columns."""
    value = found or Found(np.nan, np.nan, np.nan, 0)
    return {name: value.value, f"{name}_low": value.low, f"{name}_high": value.high}


def _spread(value: float, std: float) -> str:
    return f"{value:.4f}" if np.isnan(std) else f"{value:.4f} ± {std:.4f}"


def _save(profile: str, name: str, table: pd.DataFrame, reading: pd.DataFrame | None = None) -> Markdown:
    """Save the table; for reading, a value and its interval make one cell."""
    reading = _with_intervals(table) if reading is None else reading
    tables.save_table(table, paths.figures(profile), name, reading=reading)
    return Markdown(tables.markdown(reading))


def _with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    reading = table.copy()
    for name in [column for column in table if f"{column}_low" in table]:
        values = table[[name, f"{name}_low", f"{name}_high"]].to_numpy(float)
        reading[name] = ["" if np.isnan(v) else f"{v:.3f} [{low:.3f}, {high:.3f}]" for v, low, high in values]
        reading = reading.drop(columns=[f"{name}_low", f"{name}_high"])
    return reading
