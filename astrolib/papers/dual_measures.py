"""What dual masking has learnt besides forecasting: hidden values, edges, and what stars share.

Every measurement is of one arm, on the test windows, beside what needs no network and sees the same.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
import torch
from sklearn.metrics import roc_auc_score
from torch import Generator

from astrolib.evaluate.cotrending import neighbours_removal, principal_components_removal, signal_kept
from astrolib.evaluate.edges import edge_scores
from astrolib.evaluate.forecasting import linear_interpolation, persistence, ridge_fill, ridge_forecast
from astrolib.models.dual_masking import EdgeMask
from astrolib.models.stmae import DualMaskedAutoencoder, predict_systematics
from astrolib.papers.dual import Experiment, Scene, error_table, experiment_of
from astrolib.papers.dual_networks import Arm, pretext_of
from astrolib.report import results
from astrolib.report.dual_evidence import (
    COMPONENTS,
    CONSTANT,
    FILL,
    FILL_GRAPH,
    HELD_OUT,
    LINE,
    NETWORK,
    PERSISTENCE,
    REGRESSION,
    RIDGE,
    RIDGE_GRAPH,
    STMAE,
)

N_DRAWS = 10
"""Masks of edges that a network is asked about."""
INJECTED = 8
"""A signal is put into every so manyth star."""


def baseline_errors(experiment: Experiment, arm: Arm) -> dict[str, pd.DataFrame]:
    """Errors of forecasts without a network on the detector and graph of an arm; see `error_table`."""
    scene = experiment.scene(arm)
    train, test = scene.windows("train"), scene.windows("test")
    seen = train["x"], train["y"], train["y_observed"], test["x"]
    n_out = test["y"].shape[1]
    forecasts = {
        CONSTANT: np.zeros_like(test["y"]),
        PERSISTENCE: persistence(test["x"], test["x_observed"], n_out),
        RIDGE: ridge_forecast(*seen),
        RIDGE_GRAPH: ridge_forecast(*seen, neighbours=scene.neighbours(arm.graph)),
    }
    return {name: error_table(scene, forecast) for name, forecast in forecasts.items()}


# ---------------------------------------------------------------- hidden values


def hidden_errors(experiment: Experiment, arm: Arm) -> pd.DataFrame:
    """Errors where patches of time were hidden as in the arm's pre-training, edges all visible.

    Returns
    -------
    DataFrame
        `start` (first cadence of a window), `method`, `abs` (sum of the absolute errors of what was hidden
        and observed) and `n`.
    """
    scene, masking = experiment.scene(arm), pretext_of(experiment.settings, arm)
    n_in = experiment.settings.data.n_in
    test = {name: values[::n_in] for name, values in scene.windows("test").items()}
    x, observed = test["x"], test["x_observed"]
    hidden = masking.hide_times(x.shape, Generator().manual_seed(arm.seed)).numpy()
    visible, counts = observed & ~hidden, observed & hidden
    train = scene.windows("train")
    seen = train["x"], train["x_observed"], x, visible
    model = experiment.pretrain(arm, progress=False)
    values, shown = torch.from_numpy(x).to(experiment.device), torch.from_numpy(visible).to(experiment.device)
    with torch.no_grad():
        found = model.decode_features(model.summarize(values.unsqueeze(3), shown, None)).squeeze(3)
    fills = {
        STMAE: found.float().cpu().numpy(),
        PERSISTENCE: _last_visible(x, visible),
        LINE: linear_interpolation(x, visible),
        FILL: ridge_fill(*seen),
        FILL_GRAPH: ridge_fill(*seen, neighbours=scene.neighbours(arm.graph)),
    }
    tables = []
    for method, fill in fills.items():
        error = np.where(counts, np.abs(fill - x), 0.0).sum(axis=(1, 2))
        table = {"start": scene.starts["test"][::n_in], "abs": error, "n": counts.sum(axis=(1, 2))}
        tables.append(pd.DataFrame(table).assign(method=method))
    return pd.concat(tables, ignore_index=True)


def _last_visible(x: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Each value (W, T, N) is that of the last visible step before, 0 if there is none."""
    steps = np.where(visible, np.arange(x.shape[1])[:, None], -1)
    last = np.maximum.accumulate(steps, axis=1)
    return np.where(last < 0, 0.0, np.take_along_axis(x, last.clip(0), axis=1))


# ---------------------------------------------------------------- edges


def edge_areas(experiment: Experiment, arm: Arm) -> pd.DataFrame:
    """How well hidden edges are told from as many pairs that are no edges, in draws of both.

    With the graph "neighbours, some edges never seen" the edges are those that were no target in training;
    else they are hidden as in training, in which each of them was a target many times.

    Returns
    -------
    DataFrame
        `draw`, `method`, `auc`: area under the receiver operating characteristic.
    """
    scene, graph, pretext = (
        experiment.scene(arm),
        experiment.edge_graph(arm),
        pretext_of(experiment.settings, arm),
    )
    weights, held_out = scene.graph(arm.graph)
    model, rng = experiment.pretrain(arm, progress=False), Generator(experiment.device).manual_seed(arm.seed)
    n_in = experiment.settings.data.n_in
    test = scene.windows("test", n_in)
    x, observed = (torch.from_numpy(test[k]).to(experiment.device) for k in ("x", "x_observed"))
    flux = scene.detector.flux[: scene.n_train]
    rows = []
    for draw in range(N_DRAWS):
        mask = pretext.hide_edges(graph, rng)
        if arm.graph == HELD_OUT:
            order = torch.randperm(len(graph.non_edges), generator=rng, device=rng.device)[: len(held_out)]
            edges = torch.from_numpy(held_out).to(experiment.device)
            mask = EdgeMask(torch.ones_like(mask.keep), edges, graph.non_edges[order])
        pairs = torch.cat([mask.hidden_edges, mask.non_edges])
        truth = np.arange(len(pairs)) < len(mask.hidden_edges)
        with torch.no_grad():
            summary = model.summarize(x.unsqueeze(3), observed, mask.keep)
            logits = model.edge_logits(summary, pairs).mean(dim=0)
        scores = {STMAE: logits.float().cpu().numpy()}
        scores |= edge_scores(weights * mask.keep.cpu().numpy(), pairs.cpu().numpy(), flux)
        rows += [
            {"draw": draw, "method": method, "auc": roc_auc_score(truth, score)}
            for method, score in scores.items()
        ]
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- systematics


def removal(experiment: Experiment, arm: Arm) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Systematics removed from the light curves of the test period by the network and without one.

    A sinusoid and box dips, one unit large, are put into copies of every eighth star, the one and the other.

    Returns
    -------
    table : DataFrame
        `star`, `method`; `scatter` (of what is left, over that before), `systematics` (rms error of the
        systematics, over their scatter), `sinusoid` and `dips` (how much of them is kept; NaN in stars
        without).
    curves : dict of str to (T, N) array
        What is left of the test period, by method, and `flux`, `intrinsic`, `systematics`, `observed`.
    """
    scene = experiment.scene(arm)
    detector, first = scene.detector, int(scene.starts["test"][0])
    seen, truth = detector.observed[first:], detector.systematics[first:]
    removers = _removers(experiment, arm, scene)
    before = detector.flux[first:]
    left = {method: remove(detector.flux)[first:] for method, remove in removers.items()}
    kept = {method: {} for method in removers}
    for name, signal in _signals(*detector.flux.shape).items():
        changed = np.where(detector.observed, detector.flux + signal, 0).astype(np.float32)
        for method, remove in removers.items():
            with_signal = remove(changed)[first:]
            kept[method][name] = signal_kept(left[method], with_signal, signal[first:], seen)
    tables = []
    for method, curve in left.items():
        table = {
            "star": np.arange(detector.n_stars),
            "scatter": _scatter(curve, seen) / _scatter(before, seen),
            "systematics": _scatter(before - curve - truth, seen) / _scatter(truth, seen),
            **kept[method],
        }
        tables.append(pd.DataFrame(table).assign(method=method))
    curves = {"flux": before, "intrinsic": detector.intrinsic[first:], "systematics": truth, "observed": seen}
    return pd.concat(tables, ignore_index=True), left | curves


def _removers(
    experiment: Experiment, arm: Arm, scene: Scene
) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """Method to a function from light curves (T, N) to what is left of them."""
    model, observed = experiment.pretrain(arm, progress=False), scene.detector.observed
    neighbours = scene.neighbours(arm.graph)
    return {
        NETWORK: lambda flux: flux - _shared(experiment, arm, model, flux, observed),
        COMPONENTS: principal_components_removal,
        REGRESSION: lambda flux: neighbours_removal(flux, observed, neighbours, scene.n_train),
    }


def _shared(
    experiment: Experiment, arm: Arm, model: DualMaskedAutoencoder, flux: np.ndarray, observed: np.ndarray
) -> np.ndarray:
    """What the network makes of each star from the others; as many are hidden at a time as in training."""
    inputs = (torch.from_numpy(each).to(experiment.device) for each in (flux, observed))
    generator = Generator().manual_seed(arm.seed)
    n_groups = round(1 / experiment.settings.masking.time_ratio)
    found = predict_systematics(model, *inputs, n_groups=n_groups, generator=generator)
    return found.float().cpu().numpy()


def _signals(n_times: int, n_stars: int) -> dict[str, np.ndarray]:
    """Each (T, N): what is put into every so manyth star, with another period in each of them.

    One signal in several stars at a time would be a systematic, which removal should take away.
    """
    stars = np.arange(0, n_stars, INJECTED)
    time, number = np.arange(n_times)[:, None], np.arange(len(stars))
    signals = {name: np.zeros((n_times, n_stars)) for name in ("sinusoid", "dips")}
    signals["sinusoid"][:, stars] = np.sin(2 * np.pi * time / (37 + 7 * number))
    signals["dips"][:, stars] = -((time + 17 * number) % (71 + 11 * number) < 6).astype(float)
    return signals


def _scatter(series: np.ndarray, observed: np.ndarray) -> np.ndarray:
    """Standard deviation of what was observed of each star, (N,)."""
    return np.nanstd(np.where(observed, series, np.nan), axis=0)


# ---------------------------------------------------------------- in workers


def measure_job(profile: str, what: str, arm: Arm) -> pd.DataFrame | dict[str, pd.DataFrame]:
    """One measurement of an arm in a worker: "errors", "baselines", "hidden", "edges" or "removal"; kept in
    the folder of the arm's run."""
    experiment = experiment_of(profile)
    if what == "errors":
        return experiment.errors(arm, progress=False)
    if what == "baselines":
        return baseline_errors(experiment, arm)
    kept = experiment.run(arm).folder / f"{what}.parquet"
    if not kept.exists():
        measure = {"hidden": hidden_errors, "edges": edge_areas, "removal": _removal_table}[what]
        results.write_table(measure(experiment, arm), kept)
    return pd.read_parquet(kept)


def _removal_table(experiment: Experiment, arm: Arm) -> pd.DataFrame:
    return removal(experiment, arm)[0]
