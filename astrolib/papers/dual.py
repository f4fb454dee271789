"""STMAE on stars: dual masking of a graph and of time, for forecasts and for what stars share.

Sun, Fan, Yeh, Zhang & Chowdhary 2024, arXiv:2309.15169. An `Arm` is one way to train one network; an
`Experiment` trains it and measures it. Every step is kept on disk and is made only once:

>>> experiment = Experiment("demo")                                          # doctest: +SKIP
>>> forecaster = experiment.finetune(Arm(seed=42))                           # doctest: +SKIP
>>> errors = experiment.errors(Arm(seed=42))                                 # doctest: +SKIP

All light curves are simulated. What is not a forecast is measured in `astrolib.papers.dual_measures`, tables
and pictures are made in `astrolib.papers.dual_results`.
"""

from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
import pandas as pd
import torch
from torch import nn

from astrolib import paths, profiles
from astrolib.data.batches import Batches
from astrolib.data.detector import (
    Detector,
    cut_windows,
    hold_out_edges,
    knn_graph,
    neighbour_index,
    random_graph,
    split_times,
    standardize,
)
from astrolib.models.dual_masking import EdgeGraph
from astrolib.models.graph_backbones import AGCRN
from astrolib.models.stmae import DualMaskedAutoencoder, Forecaster
from astrolib.papers import dual_networks as networks
from astrolib.papers.dual_networks import STARS, Arm
from astrolib.profiles.dual import DetectorData
from astrolib.report import results
from astrolib.report.dual_evidence import HELD_OUT, LONG, STMAE, STRANGERS
from astrolib.simulate.detector import draw_detector
from astrolib.training.fit import fit
from astrolib.training.optim import Optimization
from astrolib.training.runs import Run

HELD_OUT_SHARE = 0.1
"""Of the edges, that the network never sees."""
SOURCE = "simulated detector"


@dataclass(frozen=True, eq=False)
class Scene:
    """One simulated detector as networks see it: standardised, with the windows of each part."""

    settings: DetectorData
    seed: int
    f_sys: float

    @cached_property
    def drawn(self) -> Detector:
        """As simulated."""
        s = self.settings
        return draw_detector(s.n_stars, s.n_times, self.seed, f_sys=self.f_sys, gaps=s.gaps)

    @cached_property
    def starts(self) -> dict[str, np.ndarray]:
        """First cadences of the windows of each part."""
        return split_times(self.settings.n_times, self.settings.n_in, self.settings.n_out)

    @property
    def n_train(self) -> int:
        """Cadences of the training period."""
        return int(self.starts["validation"][0])

    @cached_property
    def detector(self) -> Detector:
        """In units of each star's scatter in the training period."""
        return standardize(self.drawn, self.n_train)

    def windows(self, part: str, stride: int = 1) -> dict[str, np.ndarray]:
        """`x`, `x_observed` (W, n_in, N) and `y`, `y_observed` (W, n_out, N)."""
        n_in, length = self.settings.n_in, self.settings.n_in + self.settings.n_out
        starts = self.starts[part][::stride]
        flux = cut_windows(self.detector.flux, starts, length)
        seen = cut_windows(self.detector.observed, starts, length)
        return {
            "x": flux[:, :n_in],
            "x_observed": seen[:, :n_in],
            "y": flux[:, n_in:],
            "y_observed": seen[:, n_in:],
        }

    def graph(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Weights (N, N), and the pairs (n, 2) that were taken out of them."""
        position, k = self.detector.position, self.settings.neighbours
        rng = np.random.default_rng(self.seed)
        if name == STRANGERS:
            return random_graph(position, k, rng), np.empty((0, 2), int)
        if name == HELD_OUT:
            return hold_out_edges(knn_graph(position, k), HELD_OUT_SHARE, rng)
        return knn_graph(position, k), np.empty((0, 2), int)

    def neighbours(self, name: str) -> np.ndarray:
        """The stars (N, k) that a regression of each star may use."""
        return neighbour_index(self.graph(name)[0], self.settings.neighbours)


class Experiment:
    """STMAE and what it is compared with, on one profile's simulated detectors.

    Parameters
    ----------
    profile : str
        Name of a profile: sizes, schedules, masks, seeds.
    """

    def __init__(self, profile: str):
        self.profile = profile
        self.settings = profiles.load(profile).dual
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self._scenes: dict[tuple[int, float], Scene] = {}
        self._runs: dict[tuple[str, Arm], Run] = {}

    def scene(self, arm: Arm) -> Scene:
        """The detector of an arm."""
        key = (arm.seed, arm.f_sys)
        if key not in self._scenes:
            self._scenes[key] = Scene(self.settings.data, *key)
        return self._scenes[key]

    def edge_graph(self, arm: Arm) -> EdgeGraph:
        """The graph of an arm, to draw masks from."""
        weights, held_out = self.scene(arm).graph(arm.graph)
        return EdgeGraph(weights, held_out if len(held_out) else None).to(self.device)

    # ---------------------------------------------------------------- training

    def run(self, arm: Arm) -> Run:
        """Where the pre-trained network of an arm is kept."""
        arm = replace(arm, training=STMAE)
        if ("pretrain", arm) not in self._runs:
            parts = {"pretext": networks.pretext_of(self.settings, arm), "training": self.settings.training}
            run = self._run(f"pretrain-{arm.name}", DualMaskedAutoencoder, arm, **parts)
            self._runs["pretrain", arm] = run
        return self._runs["pretrain", arm]

    def pretrain(self, arm: Arm, *, progress: bool = True) -> DualMaskedAutoencoder:
        """Train the encoder of an arm to guess what is hidden, or load it if that has been done."""
        scene, recipe = self.scene(arm), Optimization.of(self.settings.training)
        if arm.variant == STARS:  # nothing is fine-tuned after it
            recipe = replace(recipe, epochs=2 * recipe.epochs)
        return fit(
            self.run(arm),
            networks.autoencoder_of(self.settings, arm, scene.graph(arm.graph)[0]),
            self._batches(scene, "train", shuffle=True),
            networks.pretext_loss(networks.pretext_of(self.settings, arm), self.edge_graph(arm)),
            recipe,
            seed=arm.seed,
            progress=progress,
        )

    def forecast_run(self, arm: Arm) -> Run:
        """Where the forecasting network of an arm is kept."""
        if ("forecast", arm) not in self._runs:
            start = self.run(arm).folder.name if arm.training == STMAE else "scratch"
            parts = {"training": self._recipe(arm), "start": start}
            self._runs["forecast", arm] = self._run(f"forecast-{arm.name}", Forecaster, arm, **parts)
        return self._runs["forecast", arm]

    def finetune(self, arm: Arm, *, progress: bool = True) -> Forecaster:
        """Train a network to forecast, from scratch or from the arm's pre-trained encoder.

        The epoch with the lowest validation error counts, as in the released code.
        """
        run, scene = self.forecast_run(arm), self.scene(arm)
        model = networks.forecaster_of(self.settings, arm, scene.graph(arm.graph)[0])
        if arm.training == STMAE and not run.done:
            pretrained = self.pretrain(arm, progress=progress)
            model.backbone.load_state_dict(pretrained.backbone.state_dict())
            model.embedding.load_state_dict(pretrained.embedding.state_dict())
        return fit(
            run,
            model,
            self._batches(scene, "train", shuffle=True),
            networks.forecast_loss,
            self._recipe(arm),
            validation=self._batches(scene, "validation"),
            keep="best",
            seed=arm.seed,
            progress=progress,
        )

    # ---------------------------------------------------------------- forecasts

    @torch.no_grad()
    def forecast(self, model: nn.Module, scene: Scene) -> np.ndarray:
        """Forecasts (W, n_out, N) of all test windows."""
        batches = Batches(scene.windows("test"), 256).to(self.device)
        found = [model(batch["x"].unsqueeze(3), batch["x_observed"]).squeeze(3) for batch in batches.epoch()]
        return torch.cat(found).float().cpu().numpy()

    def errors(self, arm: Arm, *, progress: bool = True) -> pd.DataFrame:
        """Errors of an arm's forecasts of the test windows.

        Returns
        -------
        DataFrame
            See `error_table`.
        """
        kept = self.forecast_run(arm).folder / "errors.parquet"
        if not kept.exists():
            scene = self.scene(arm)
            forecast = self.forecast(self.finetune(arm, progress=progress), scene)
            results.write_table(error_table(scene, forecast), kept)
        return pd.read_parquet(kept)

    def keep(self, name: str, table: pd.DataFrame) -> None:
        """Keep a table of results under a name, with the source in every row."""
        results.keep(self.profile, f"dual_{name}", table.assign(source=SOURCE))

    def keep_arrays(self, name: str, **arrays: np.ndarray) -> None:
        """Keep arrays under a name, with the source."""
        results.keep_arrays(self.profile, f"dual_{name}", **arrays, source=SOURCE)

    # ---------------------------------------------------------------- shared

    def _recipe(self, arm: Arm) -> Optimization:
        """Of the training with targets."""
        recipe = Optimization.of(self.settings.training)
        return replace(recipe, epochs=2 * recipe.epochs) if arm.training == LONG else recipe

    def _batches(self, scene: Scene, part: str, *, shuffle: bool = False) -> Batches:
        size = self.settings.training.batch_size if shuffle else 256
        return Batches(scene.windows(part, self.settings.data.stride), size, shuffle=shuffle)

    def _run(self, name: str, code: type, arm: Arm, **parts) -> Run:
        about = {"network": self.settings.network, "data": self.settings.data, "arm": arm}
        about["detector"] = self.scene(arm).drawn.fingerprint()
        return Run(
            paths.runs(self.profile),
            f"dual-{name}",
            about | parts,
            code=(code, AGCRN, EdgeGraph, standardize),
        )


def error_table(scene: Scene, forecast: np.ndarray) -> pd.DataFrame:
    """Sums over stars of the errors of forecasts (W, n_out, N) of the test windows.

    Returns
    -------
    DataFrame
        `start` (first cadence of the window); for each step ahead k, from 1, `abs_k` and `square_k`, sums of
        absolute and of squared errors over the stars observed there, and `n_k`, their number.
    """
    test = scene.windows("test")
    error = np.where(test["y_observed"], forecast - test["y"], 0.0)
    values = {"abs": np.abs(error).sum(axis=2), "square": (error**2).sum(axis=2)}
    values["n"] = test["y_observed"].sum(axis=2)
    columns = {
        f"{name}_{step + 1}": each[:, step].astype(np.float32)
        for name, each in values.items()
        for step in range(each.shape[1])
    }
    return pd.DataFrame({"start": scene.starts["test"], **columns})


@cache
def experiment_of(profile: str) -> Experiment:
    """One for all jobs of a worker: each detector is simulated once."""
    return Experiment(profile)


def errors_job(profile: str, arm: Arm) -> pd.DataFrame:
    """Train and forecast an arm in a worker."""
    return experiment_of(profile).errors(arm, progress=False)
