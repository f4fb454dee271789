"""R-MAE on galaxies: hide angular sectors about the centre, and more of the inner than of the outer parts.

Tayebati, Tulabandhula & Trivedi 2024, arXiv:2406.07833, made for sweeps of a LiDAR. An `Arm` is one way to
pretrain; an `Experiment` trains it and says what its features and its guesses are worth. Every step is kept
on disk and is made only once:

>>> experiment = Experiment("demo")                                          # doctest: +SKIP
>>> model = experiment.pretrain(Arm(seed=42))                                # doctest: +SKIP
>>> predictions = experiment.probe(Arm(seed=42))["predictions"]              # doctest: +SKIP

How well hidden pixels are filled is measured in `astrolib.papers.radial_filling`; what the tables and
figures need is kept by `astrolib.papers.radial_results`.
"""

from dataclasses import replace
from functools import cache, cached_property
from math import prod
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor, nn

from astrolib import paths, profiles
from astrolib.data import radial as measures
from astrolib.data.batches import Batch
from astrolib.evaluate import probes
from astrolib.models import masking, occupancy
from astrolib.models.image_classifier import ImageClassifier, PooledEncoder
from astrolib.models.mae import MaskedAutoencoder
from astrolib.papers import radial_networks as networks
from astrolib.papers.barlow_networks import class_loss
from astrolib.papers.images import Images
from astrolib.papers.radial_images import OBSERVED, Scene, make_scene
from astrolib.papers.radial_networks import ANGULAR, OCCUPANCY, VIT, Arm
from astrolib.report import results
from astrolib.training.fit import fit
from astrolib.training.optim import Optimization
from astrolib.training.runs import Run


class Experiment:
    """R-MAE and what it is compared with, on one profile's images.

    Parameters
    ----------
    profile : str
        Name of a profile: sizes, schedules, survey.
    """

    def __init__(self, profile: str):
        self.profile = profile
        self.settings = profiles.load(profile).radial
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.images = Images(self.settings.data, self.device)
        self._scenes: dict[str, Scene] = {}

    def scene(self, state: str = OBSERVED) -> Scene:
        """All images in one state; measured once."""
        if state not in self._scenes:
            self._scenes[state] = make_scene(self.images, state, self.settings.threshold)
        return self._scenes[state]

    def model(self, arm: Arm) -> nn.Module:
        """The untrained network of an arm."""
        return networks.model_of(self.settings, arm, len(self.images.survey.channels))

    # ---------------------------------------------------------------- pretraining

    def run(self, arm: Arm) -> Run:
        """Where the pretrained network of an arm is kept."""
        settings, vit = self.settings, arm.network == VIT
        parts = {"recipe": settings.pretraining, "arm": arm, "threshold": settings.threshold}
        parts["network"] = settings.transformer if vit else settings.channels
        return self._run(arm.name, MaskedAutoencoder if vit else occupancy.OccupancyNet, **parts)

    def pretrain(self, arm: Arm, *, progress: bool = True) -> nn.Module:
        """Train the network of an arm without labels, or load it if that has been done."""
        model = self.model(arm)
        if arm.untrained:
            return model.eval()
        return fit(
            self.run(arm),
            model,
            self._batches(arm, "pretraining", training=True),
            networks.loss_of(self.settings, arm),
            Optimization.of(self.settings.pretraining),
            validation=self._batches(arm, "validation"),
            seed=arm.seed,
            progress=progress,
        )

    # ---------------------------------------------------------------- what the features are worth

    @cached_property
    def targets(self) -> dict[str, np.ndarray]:
        """Numbers to predict besides the class, (N,) each."""
        radii = self.scene().radii
        own = {"half-light radius [px]": radii[:, 0]} if self.images.survey.targets else {}
        return {**self.images.targets, **own, "concentration R90/R50": radii[:, 1] / radii[:, 0]}

    def features(
        self, arm: Arm, rows: np.ndarray, *, state: str = OBSERVED, observed: float = 1.0
    ) -> np.ndarray:
        """Frozen features (n, D) of images; of a ViT also if only some sectors of each are `observed`."""
        model = self.pretrain(arm, progress=False).to(self.device).eval()
        generator, found = Generator(self.device).manual_seed(arm.seed), []
        batches = self.scene(state).batches(rows, 256, label=self.images.survey.label, device=self.device)
        for batch in batches.epoch(generator):
            with torch.no_grad():
                found.append(self._batch_features(arm, model, batch, observed, generator))
        return torch.cat(found).float().cpu().numpy()

    def _batch_features(
        self, arm: Arm, model: nn.Module, batch: Batch, observed: float, generator: Generator
    ) -> Tensor:
        images, mask = batch["images"], None
        if arm.network == OCCUPANCY:
            return model.features(images)
        if observed < 1:
            sectors = networks.masking_of(
                self.settings, replace(arm, masking=ANGULAR, mask_ratio=1 - observed)
            )
            about = {"generator": generator, "device": images.device}
            n_patches = prod(networks.grid_of(self.settings))
            mask = sectors(len(images), n_patches, **about, **networks.in_patches(self.settings, batch))
        return PooledEncoder.pool(model.forward_encoder(images, mask))

    def probe(self, arm: Arm, state: str = OBSERVED, *, progress: bool = True) -> dict[str, pd.DataFrame]:
        """Classes, and other quantities, of the test images from frozen features.

        Returns
        -------
        dict of str to DataFrame
            "predictions": fraction, id, label, prediction (logistic regression), and score_0, score_1, ...
            (ridge regression on membership), for each test image. "targets": target, id, truth, prediction.
        """
        kept = {name: self.kept(arm, f"{name}-{state}") for name in ("predictions", "targets")}
        if not all(path.exists() for path in kept.values()):
            self.pretrain(arm, progress=progress)
            parts = self._features(arm, state=state)
            tables = [self._classes(arm, parts, fraction) for fraction in self.settings.fractions]
            results.write_table(pd.concat(tables, ignore_index=True), kept["predictions"])
            results.write_table(self._targets(parts), kept["targets"])
        return {name: pd.read_parquet(path) for name, path in kept.items()}

    def observe(self, arm: Arm, *, progress: bool = True) -> pd.DataFrame:
        """Classes and redshift (or the first target) from some sectors of each image only, in training too.

        Returns
        -------
        DataFrame
            observed, target ("class" or its name), id, truth, prediction, for each test image.
        """
        path = self.kept(arm, "observed")
        if path.exists():
            return pd.read_parquet(path)
        self.pretrain(arm, progress=progress)
        target, tables = next(iter(self.targets)), []
        for observed in self.settings.observed:
            parts = self._features(arm, observed=observed)
            classes = self._classes(arm, parts, 1.0)[["id", "label", "prediction"]]
            classes = (
                classes.rename(columns={"label": "truth"}).assign(target="class").astype({"truth": float})
            )
            tables += [
                table.assign(observed=observed) for table in (classes, self._targets(parts, (target,)))
            ]
        results.write_table(found := pd.concat(tables, ignore_index=True), path)
        return found

    def _features(self, arm: Arm, **how) -> dict[str, np.ndarray]:
        names = ("train", "validation", "test")
        rows = [self.images.splits[name] for name in names]
        found = self.features(arm, np.concatenate(rows), **how)
        return dict(zip(names, np.split(found, np.cumsum([len(some) for some in rows])[:-1]), strict=True))

    def _classes(self, arm: Arm, x: dict[str, np.ndarray], fraction: float) -> pd.DataFrame:
        images = self.images
        y = {part: images.survey.label[images.splits[part]] for part in x}
        chosen = np.isin(images.splits["train"], images.labelled(fraction, arm.seed))
        train = x["train"][chosen], y["train"][chosen]
        table = self._test_table(probes.linear_probe(*train, x["validation"], y["validation"], x["test"]))
        for k in range(len(images.survey.class_names)):
            member = (train[1] == k).astype(float), (y["validation"] == k).astype(float)
            table[f"score_{k}"] = probes.ridge_probe(
                train[0], member[0], x["validation"], member[1], x["test"]
            )
        return table.assign(fraction=fraction)

    def _targets(self, x: dict[str, np.ndarray], names: tuple[str, ...] = ()) -> pd.DataFrame:
        tables = []
        for name in names or self.targets:
            t = {part: self.targets[name][self.images.splits[part]] for part in x}
            found = probes.ridge_probe(x["train"], t["train"], x["validation"], t["validation"], x["test"])
            ids = self.images.survey.ids[self.images.splits["test"]]
            table = {"id": ids, "truth": t["test"], "prediction": found}
            tables.append(pd.DataFrame(table).assign(target=name))
        return pd.concat(tables, ignore_index=True)

    # ---------------------------------------------------------------- with labels

    def finetune(
        self, arm: Arm, fraction: float, state: str = OBSERVED, *, progress: bool = True
    ) -> pd.DataFrame:
        """Train all of a classifier with a fraction of the labels, starting from an arm's encoder.

        An untrained arm makes it "from scratch", and gets the epochs of pretraining on top: the same number
        of passes in all (card, section 0).

        Returns
        -------
        DataFrame
            id, label, prediction and score_0, score_1, ... (probabilities), for each test image.
        """
        recipe, images = self.settings.finetuning, self.images
        start = "scratch" if arm.untrained else self.run(arm).folder.name
        parts = {"finetuning": recipe, "network": self.settings.transformer, "start": start, "state": state}
        extra = self.settings.pretraining.epochs if arm.untrained else 0
        parts |= {"fraction": fraction, "seed": arm.seed, "epochs": extra}
        name = f"radial-classify-{100 * fraction:g}-seed{arm.seed}"
        run = self._run(name, ImageClassifier, **parts)
        kept = run.folder / "predictions.parquet"
        if run.done and kept.exists():
            return pd.read_parquet(kept)
        model = self.model(arm) if arm.untrained else self.pretrain(arm, progress=False)
        label, n_classes = images.survey.label, len(images.survey.class_names)
        with torch.random.fork_rng():
            torch.manual_seed(arm.seed)
            net = ImageClassifier(model.encoder, self.settings.transformer.embed_dim, n_classes)
        rows = images.labelled(fraction, arm.seed)
        batch_size = min(recipe.batch_size, len(rows))
        counts = torch.bincount(torch.as_tensor(label[rows]), minlength=n_classes)
        weight = (len(rows) / (n_classes * counts)).to(self.device)
        epochs = round(recipe.epochs / fraction**0.5) + extra
        scene, about = self.scene(state), {"label": label, "device": self.device}
        net = fit(
            run,
            net,
            scene.batches(rows, batch_size, training=True, **about),
            class_loss(weight),
            replace(Optimization.of(recipe), batch_size=batch_size, epochs=epochs),
            seed=arm.seed,
            progress=progress,
        )
        test = scene.batches(images.splits["test"], 256, **about)
        with torch.no_grad():
            logits = [net(batch["images"]).float() for batch in test.epoch(Generator(self.device))]
        scores = torch.cat(logits).softmax(dim=1).cpu().numpy()
        found = self._test_table(scores.argmax(axis=1))
        found = found.assign(**{f"score_{k}": values for k, values in enumerate(scores.T)})
        results.write_table(found, kept)
        return found

    # ---------------------------------------------------------------- shared

    def keep(self, name: str, table: pd.DataFrame) -> None:
        """Keep a table of results under a name, with the survey's source in every row."""
        results.keep(self.profile, f"radial_{name}", table.assign(source=self.images.survey.source))

    def keep_arrays(self, name: str, **arrays: np.ndarray | str) -> None:
        """Keep arrays under a name, with the survey's source."""
        results.keep_arrays(self.profile, f"radial_{name}", **arrays, source=self.images.survey.source)

    def _batches(self, arm: Arm, part: str, *, training: bool = False):
        about = {"label": self.images.survey.label, "device": self.device, "centre_error": arm.centre_error}
        size = self.settings.pretraining.batch_size
        return self.scene(arm.images).batches(self.images.splits[part], size, training=training, **about)

    def _test_table(self, prediction: np.ndarray) -> pd.DataFrame:
        test, survey = self.images.splits["test"], self.images.survey
        return pd.DataFrame({"id": survey.ids[test], "label": survey.label[test], "prediction": prediction})

    def kept(self, arm: Arm, what: str) -> Path:
        """Where something that was made with an arm is kept."""
        folder = self.run(arm).folder
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{what.replace(' ', '-')}.parquet"

    def _run(self, name: str, code: type, **settings) -> Run:
        settings |= {"data": self.settings.data, "survey": self.images.survey.fingerprint()}
        return Run(paths.runs(self.profile), name, settings, code=(code, masking, measures))


@cache
def experiment_of(profile: str) -> Experiment:
    """One for all jobs of a worker: the survey is opened and measured once."""
    return Experiment(profile)


def probe_job(profile: str, arm: Arm, state: str = OBSERVED) -> dict[str, pd.DataFrame]:
    """Pretrain and probe an arm in a worker."""
    return experiment_of(profile).probe(arm, state, progress=False)


def observe_job(profile: str, arm: Arm) -> pd.DataFrame:
    """Look at sectors of each image with an arm's encoder, in a worker."""
    return experiment_of(profile).observe(arm, progress=False)


def finetune_job(profile: str, arm: Arm, fraction: float, state: str = OBSERVED) -> pd.DataFrame:
    """Fine-tune an arm in a worker."""
    return experiment_of(profile).finetune(arm, fraction, state, progress=False)
