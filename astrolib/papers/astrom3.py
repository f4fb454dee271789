"""AstroM3: one space for the light curve, the spectrum and the catalogue entry of a variable star.

Rizhko & Bloom 2025, doi:10.3847/1538-3881/adcbad (arXiv:2411.08842). An `Experiment` goes the paper's way
from a survey to its tables; every step is kept on disk and is made only once:

>>> experiment = Experiment("demo")                                       # doctest: +SKIP
>>> clip = experiment.pretrain(seed=42)                                   # doctest: +SKIP
>>> predictions = experiment.classify("all", 0.25, "CLIP", seed=42)       # doctest: +SKIP

Pretraining and fine-tuning with one seed share that seed's split, so no test star is ever seen. The paper's
tables are made in `astrolib.papers.astrom3_results`; what the embeddings tell without labels is in
`astrolib.papers.astrom3_discovery`.
"""

import dataclasses
from collections.abc import Sequence
from functools import cache

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from astrolib import paths, profiles
from astrolib.models.multimodal import FusedClassifier, MultimodalCLIP, StarClassifier
from astrolib.papers import star_forest
from astrolib.papers.astrom3_networks import CLIP_PRETRAINING, class_loss, clip_loss, encoder_of, recipe
from astrolib.papers.stars import Stars
from astrolib.papers.workers import side_by_side, write_once
from astrolib.report import results
from astrolib.training.fit import fit
from astrolib.training.optim import Optimization
from astrolib.training.runs import Run

ALL = "all"
WAYS = ("from scratch", "CLIP")
FOREST = "random forest"
SECOND = {"eros": "astrom3_eros1"}
"""Prefix of what is kept of a second survey, by its source."""


def experiments(profile: str) -> list["Experiment"]:
    """The experiments of a profile: its main survey, and the second one if it has one."""
    second = profiles.load(profile).astrom3.second.source
    return [Experiment(profile)] + ([Experiment(profile, SECOND[second])] if second else [])


class Experiment:
    """AstroM3 on one survey of a profile.

    Parameters
    ----------
    profile : str
        Name of a profile: sizes, schedules, surveys.
    prefix : str
        Of everything that is kept: "astrom3" for the profile's main survey, else one of `SECOND`.
    """

    def __init__(self, profile: str, prefix: str = "astrom3"):
        self.profile, self.prefix = profile, prefix
        self.settings = profiles.load(profile).astrom3
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.stars = Stars(self.settings.data if prefix == "astrom3" else self.settings.second, self.device)

    @property
    def names(self) -> tuple[str, ...]:
        """Modalities of the survey."""
        return self.stars.modalities

    @property
    def first_seed(self) -> int:
        """Of the model whose embeddings are looked at."""
        return self.settings.seeds[0]

    # ---------------------------------------------------------------- networks

    def encoder(self, name: str, dropout: float) -> nn.Module:
        """An untrained encoder of one modality, in the sizes of the profile."""
        modality, sizes = self.stars.survey.modalities[name], self.settings.encoders
        return encoder_of(modality, sizes, self.stars.settings.n_points, dropout)

    def clip(self, seed: int) -> MultimodalCLIP:
        """An untrained CLIP model for all modalities."""
        _, dropout = self.recipe(CLIP_PRETRAINING)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            encoders = {name: self.encoder(name, dropout[name]) for name in self.names}
            sizes = self.settings.encoders
            return MultimodalCLIP(encoders, sizes.embed_dim, scale_clamp=sizes.scale_clamp)

    def classifier(self, modality: str, fraction: float, way: str, seed: int) -> nn.Module:
        """An untrained classifier of one modality or of "all"; with `way` "CLIP" it starts pretrained."""
        _, dropout = self.recipe(modality, fraction, way)
        classes = len(self.stars.survey.class_names)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            if modality == ALL:
                encoders = {name: self.encoder(name, dropout[name]) for name in self.names}
                net = FusedClassifier(encoders, classes, self.settings.encoders.embed_dim)
            else:
                net = StarClassifier(modality, self.encoder(modality, dropout[modality]), classes)
        if way == "CLIP":
            net.load_clip(self.pretrain(seed, progress=False))
        return net

    def recipe(
        self, model: str, fraction: float = 1.0, way: str = "from scratch"
    ) -> tuple[Optimization, dict[str, float]]:
        """How a model is optimised, and the dropout of each encoder; see `astrom3_networks.recipe`."""
        return recipe(self.settings, self.names, model, fraction, way)

    # ---------------------------------------------------------------- training

    def pretraining_run(self, seed: int) -> Run:
        """Where the CLIP model of a seed is kept."""
        return self._run(f"clip-seed{seed}", ("encoders", "pretraining"), seed=seed)

    def pretrain(self, seed: int, *, progress: bool = True) -> MultimodalCLIP:
        """Train CLIP on the training split of a seed, without labels, or load it if that has been done."""
        optimization, _ = self.recipe(CLIP_PRETRAINING)
        parts, size = self.stars.parts(seed), optimization.batch_size
        return fit(
            self.pretraining_run(seed),
            self.clip(seed),
            self.stars.batches(parts["train"], self.names, size, seed=seed, training=True, drop_last=True),
            clip_loss(self.inputs),
            optimization,
            validation=self.stars.batches(parts["validation"], self.names, size, seed=seed),
            keep="best",
            monitor="accuracy",
            mode="max",
            seed=seed,
            progress=progress,
        )

    def classifier_run(self, modality: str, fraction: float, way: str, seed: int) -> Run:
        """Where a classifier is kept."""
        extra = {"modality": modality, "fraction": fraction, "way": way, "seed": seed}
        if way == "CLIP":
            extra["pretrained"] = self.pretraining_run(seed).folder.name
        name = f"{modality}-{100 * fraction:.0f}-{way.replace(' ', '-')}-seed{seed}"
        return self._run(name, ("encoders", "finetuning"), **extra)

    def train_classifier(
        self, modality: str, fraction: float, way: str, seed: int, *, progress: bool = True
    ) -> nn.Module:
        """Train a classifier on the labelled stars, or load it if that has been done."""
        names = self.used(modality)
        optimization, _ = self.recipe(modality, fraction, way)
        train, validation = (
            self.labelled_rows(modality, fraction, seed, part) for part in ("train", "validation")
        )
        shared = {"batch_size": optimization.batch_size, "seed": seed, "fraction": fraction}
        return fit(
            self.classifier_run(modality, fraction, way, seed),
            self.classifier(modality, fraction, way, seed),
            self.stars.batches(train, names, training=True, drop_last=self.settings.tuned, **shared),
            class_loss(self.inputs),
            optimization,
            validation=self.stars.batches(validation, names, **shared),
            keep="best",
            monitor="accuracy",
            mode="max",
            seed=seed,
            progress=progress,
        )

    def classify(
        self, modality: str, fraction: float, way: str, seed: int, *, progress: bool = True
    ) -> pd.DataFrame:
        """Train a classifier, or a random forest, and predict the test stars; or load that if it exists.

        Parameters
        ----------
        modality : str
            One of `names`, or "all".
        fraction : float
            Of the labels, as in the paper's subsets.
        way : str
            "from scratch", "CLIP" or "random forest".

        Returns
        -------
        DataFrame
            A row for each test star that has the modality: id, label and prediction (numbers of classes),
            `in_subset` (whether it belongs to the test subset of this fraction, the paper's test set).
        """
        if way == FOREST:
            extra = {"modality": modality, "fraction": fraction, "seed": seed, "trees": self.settings.trees}
            kept = (
                self._run(f"forest-{modality}", (), code=(star_forest.predict,), **extra).folder
                / "predictions.parquet"
            )
        else:
            kept = self.classifier_run(modality, fraction, way, seed).folder / "predictions.parquet"
        if kept.exists():
            return pd.read_parquet(kept)
        if way == FOREST:
            rows, predicted = self.stars.forest(modality, seed, fraction, self.settings.trees)
        else:
            net = self.train_classifier(modality, fraction, way, seed, progress=progress)
            names = self.used(modality)
            rows = self.stars.having(self.stars.parts(seed)["test"], names)
            predicted = self.predict(net, rows, names, seed, fraction)
        subset = self.stars.labelled(seed, fraction)["test"]
        table = pd.DataFrame(
            {
                "id": self.stars.survey.ids[rows],
                "label": self.stars.survey.label[rows],
                "prediction": predicted,
                "in_subset": np.isin(rows, subset),
            }
        )
        write_once(table, kept)
        return table

    @torch.no_grad()
    def predict(
        self,
        net: nn.Module,
        rows: np.ndarray,
        names: Sequence[str],
        seed: int,
        fraction: float,
        use: Sequence[str] | None = None,
    ) -> np.ndarray:
        """Classes (n,) that a classifier gives to some stars; `use` averages only these modalities."""
        net = net.to(self.device).eval()
        options = {} if use is None else {"use": use}
        batches = self.stars.batches(rows, names, 512, seed=seed, fraction=fraction)
        found = [
            net(*self.inputs(batch, names), **options).argmax(dim=1)
            for batch in batches.epoch(torch.Generator(self.device).manual_seed(seed))
        ]
        return torch.cat(found).cpu().numpy()

    def inputs(self, batch: dict[str, Tensor], names: Sequence[str] | None = None) -> tuple:
        """What a model is called with: inputs by modality, and who has them if someone lacks one."""
        names = names or [name for name in self.names if name in batch]
        inputs = {
            name: (batch[name], batch[f"{name}.mask"]) if f"{name}.mask" in batch else (batch[name],)
            for name in names
        }
        present = None if self.stars.complete else {name: batch[f"{name}.present"] for name in names}
        return inputs, present

    # ---------------------------------------------------------------- shared

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the survey."""
        return self.stars.survey.class_names

    def used(self, modality: str) -> tuple[str, ...]:
        """The modalities behind a name: itself, or every one for "all"."""
        return self.names if modality == ALL else (modality,)

    def labelled_rows(self, modality: str, fraction: float, seed: int, part: str) -> np.ndarray:
        """Stars of a part whose labels count and that have the modality."""
        return self.stars.having(self.stars.labelled(seed, fraction)[part], self.used(modality))

    def side_by_side(
        self, jobs: Sequence[tuple[str, tuple]], what: str, costs: Sequence[float] | None = None
    ) -> list:
        """Call methods of this experiment, as many at a time as there are workers, a thread for each.

        Parameters
        ----------
        jobs : sequence of (str, tuple)
            Name of a method and its arguments.
        what : str
            For the progress bar.
        costs : sequence of float, optional
            How much work each job is, so that the time left can be told; by default all the same.
        """
        return side_by_side(
            _work,
            [(self.profile, self.prefix, *job) for job in jobs],
            f"{self.prefix} {what}",
            workers=self.settings.workers,
            costs=costs,
            unit=" passes of a star" if costs else " trainings",
        )

    def keep(self, name: str, table: pd.DataFrame) -> None:
        """Keep a table of results under a name, with the survey's source in every row."""
        table = table.assign(source=self.stars.survey.source)
        results.keep(self.profile, f"{self.prefix}_{name}", table)

    def _run(
        self, name: str, parts: tuple[str, ...], code: tuple[type, ...] = (MultimodalCLIP,), **extra
    ) -> Run:
        settings = {part: dataclasses.asdict(getattr(self.settings, part)) for part in parts}
        settings |= {"data": dataclasses.asdict(self.stars.settings), "tuned": self.settings.tuned, **extra}
        settings["survey"] = self.stars.survey.fingerprint()
        code += tuple({type(self.encoder(each, 0.0)) for each in self.names} if parts else ())
        return Run(paths.runs(self.profile), f"{self.prefix}-{name}", settings, code=code)


@cache
def _experiment(profile: str, prefix: str) -> Experiment:
    """One for all jobs of a worker: the survey is opened once."""
    return Experiment(profile, prefix)


def _work(profile: str, prefix: str, method: str, arguments: tuple) -> pd.DataFrame | None:
    """A job in a worker; models stay on disk and are not sent back."""
    made = getattr(_experiment(profile, prefix), method)(*arguments, progress=False)
    return None if isinstance(made, nn.Module) else made
