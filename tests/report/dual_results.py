"""Small results in the form that the notebook on dual masking keeps, made up to draw every figure."""

import numpy as np
import pandas as pd

from astrolib.report import results
from astrolib.report.dual_evidence import (
    BACKBONES,
    COMPONENTS,
    CONSTANT,
    F_SYS,
    FILL,
    FILL_GRAPH,
    FULL,
    HELD_OUT,
    LINE,
    LONG,
    NEIGHBOURS,
    NETWORK,
    PERSISTENCE,
    REGRESSION,
    RIDGE,
    RIDGE_GRAPH,
    SCRATCH,
    STMAE,
    STRANGERS,
)

SEEDS = (42, 43)
SOURCE = "simulated detector"
N_WINDOWS, N_STARS, N_OUT = 192, 10, 12
LEVEL = {
    SCRATCH: 0.76,
    LONG: 0.74,
    STMAE: 0.72,
    CONSTANT: 0.92,
    PERSISTENCE: 0.9,
    RIDGE: 0.75,
    RIDGE_GRAPH: 0.73,
}
"""Mean absolute errors."""
SINGLE = {
    "edges only": 0.735,
    "times only": 0.73,
    "uniform masks": 0.725,
    "positives only": 0.736,
    "per_node": 0.72,
}


def fabricate(profile: str, *, without: tuple[str, ...] = ()) -> None:
    """Write every result of a profile, except variants named in `without`."""
    tables = {
        "errors": _errors(without),
        "history": _history(),
        "hidden": _hidden(),
        "edges": _edges(),
        "removal": _removal(),
    }
    for name, table in tables.items():
        results.keep(profile, f"dual_{name}", table.assign(source=SOURCE))
    _arrays(profile)


def errors_of(level: float, seed: int, **about) -> pd.DataFrame:
    """An arm whose windows are hard together with those of every other arm of the seed."""
    hard = np.random.default_rng(seed).normal(1, 0.05, N_WINDOWS)
    columns = {"start": np.arange(N_WINDOWS)}
    for step in range(1, N_OUT + 1):
        error = level * hard * (1 + 0.01 * (step - 6.5))
        columns |= {f"abs_{step}": N_STARS * error, f"square_{step}": N_STARS * (1.25 * error) ** 2}
        columns[f"n_{step}"] = np.full(N_WINDOWS, float(N_STARS))
    return _about(pd.DataFrame(columns), seed, **about)


def _errors(without) -> pd.DataFrame:
    found = []
    for seed in SEEDS:
        for number, backbone in enumerate(BACKBONES):
            for training in (SCRATCH, LONG, STMAE):
                level = LEVEL[training] - 0.01 * number * (training != STMAE)
                found.append(errors_of(level, seed, backbone=backbone, training=training))
        for variant, level in SINGLE.items():
            if variant not in without:
                found.append(errors_of(level, seed, variant=variant))
        found.append(errors_of(0.719, seed, changes="time_ratio 0.5"))
        for f_sys, graph in ((0.0, NEIGHBOURS), (F_SYS, STRANGERS)):
            found += [
                errors_of(0.8, seed, training=training, f_sys=f_sys, graph=graph)
                for training in (LONG, STMAE)
            ]
        for f_sys, graph in ((F_SYS, NEIGHBOURS), (0.0, NEIGHBOURS), (F_SYS, STRANGERS)):
            for method in (CONSTANT, PERSISTENCE, RIDGE, RIDGE_GRAPH):
                about = {"backbone": "", "training": method, "variant": "", "f_sys": f_sys, "graph": graph}
                found.append(errors_of(LEVEL[method], seed, **about))
    return pd.concat(found, ignore_index=True)


def _about(table: pd.DataFrame, seed: int, **about) -> pd.DataFrame:
    usual = {"backbone": "AGCRN", "training": STMAE, "variant": FULL, "f_sys": F_SYS, "graph": NEIGHBOURS}
    return table.assign(**usual | {"changes": ""} | about, seed=seed)


def _history() -> pd.DataFrame:
    curve = pd.DataFrame({"epoch": range(4), "loss": [1.0, 0.9, 0.8, 0.75]})
    return pd.concat(
        _about(curve, seed, backbone=b).assign(stage="pre-training") for b in BACKBONES for seed in SEEDS
    )


def _hidden() -> pd.DataFrame:
    level = {STMAE: 0.6, PERSISTENCE: 0.82, LINE: 0.7, FILL: 0.63, FILL_GRAPH: 0.58}
    starts, found = np.arange(0, 16 * 12, 12), []
    for seed in SEEDS:
        hard = 10 * np.random.default_rng(seed).normal(1, 0.02, 16)
        for mode in ("shared", "per_node"):
            for method, value in level.items():
                table = pd.DataFrame({"start": starts, "method": method, "abs": value * hard, "n": 10})
                variant = FULL if mode == "shared" else mode
                found.append(_about(table, seed, variant=variant).assign(mode=mode))
    return pd.concat(found, ignore_index=True)


def _edges() -> pd.DataFrame:
    level = {STMAE: 0.9, "degree product": 0.35, "common neighbours": 0.85, "correlation": 0.8}
    found = []
    for seed in SEEDS:
        noise = np.random.default_rng(seed).normal(0, 0.01, 10)
        for variant, graph in ((FULL, NEIGHBOURS), (FULL, HELD_OUT), ("positives only", NEIGHBOURS)):
            for method, value in level.items():
                auc = (0.5 if variant != FULL and method == STMAE else value) + noise
                table = pd.DataFrame({"draw": range(10), "method": method, "auc": auc})
                found.append(_about(table, seed, variant=variant, graph=graph))
    return pd.concat(found, ignore_index=True)


def _removal() -> pd.DataFrame:
    kept, found = {NETWORK: 0.97, COMPONENTS: 0.6, REGRESSION: 0.9}, []
    for seed in SEEDS:
        noise = np.random.default_rng(seed).normal(0, 0.01, N_STARS)
        into = np.arange(N_STARS) % 5 == seed % 2  # other stars in each seed
        for method, share in kept.items():
            table = pd.DataFrame({"star": range(N_STARS), "method": method, "scatter": 0.8 + noise})
            table["systematics"] = 0.6 + noise
            for signal in ("sinusoid", "dips"):
                table[signal] = np.where(into, share + noise, np.nan)
            found.append(_about(table, seed))
    return pd.concat(found, ignore_index=True)


def _arrays(profile: str) -> None:
    rng = np.random.default_rng(0)
    position = rng.uniform(0, 1000, (N_STARS, 2))
    graph = np.eye(N_STARS) + (np.abs(np.subtract.outer(np.arange(N_STARS), np.arange(N_STARS))) == 1)
    curves = {name: rng.normal(size=(50, 3)) for name in ("flux", "systematics", "intrinsic")}
    curves["observed"] = rng.random((50, 3)) > 0.1
    results.keep_arrays(
        profile,
        "dual_detector",
        position=position,
        kind=np.array(["sinusoid", "dips"] + ["wandering"] * (N_STARS - 2)),
        graph=graph,
        shown=np.arange(3),
        time=np.arange(50),
        source=SOURCE,
        **curves,
    )
    pairs = np.array([[0, 1], [1, 2]])
    modes = {mode: rng.random((2, 12, N_STARS)) < 0.3 for mode in ("shared", "per_sample", "per_node")}
    results.keep_arrays(
        profile,
        "dual_masks",
        position=position,
        graph=graph,
        walks=pairs,
        uniform=pairs,
        source=SOURCE,
        **modes,
    )
    shown = {name: rng.normal(size=(3, 12)) for name in ("x", "y", "forecast_0", "forecast_1")}
    results.keep_arrays(profile, "dual_forecasts", trainings=np.array([LONG, STMAE]), source=SOURCE, **shown)
    names = np.array([NETWORK, COMPONENTS, REGRESSION])
    one = {name: values[:, 0] for name, values in curves.items()}
    one |= {f"left_{k}": rng.normal(size=50) for k in range(3)}
    results.keep_arrays(profile, "dual_removal_example", names=names, source=SOURCE, **one)
