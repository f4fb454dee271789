"""Barlow Twins on galaxies: redundancy reduction between two views of an image.

Zbontar, Jing, Misra, LeCun & Deny 2021, arXiv:2103.03230. An `Arm` is one way to pretrain an encoder; an
`Experiment` trains it and says what its features are worth. Every step is kept on disk and is made only once:

>>> experiment = Experiment("demo")                                          # doctest: +SKIP
>>> encoder = experiment.pretrain(Arm(seed=42))                              # doctest: +SKIP
>>> predictions = experiment.probe(Arm(seed=42))["predictions"]              # doctest: +SKIP

The tables and pictures are made in `astrolib.papers.barlow_results`, the ablations in
`astrolib.papers.barlow_ablations`.
"""

import dataclasses
from functools import cache

import numpy as np
import pandas as pd
import torch
from torch import Generator, nn

from astrolib import paths, profiles
from astrolib.evaluate import probes, spectrum
from astrolib.evaluate.intervals import balanced_accuracy
from astrolib.models.distributed import global_batch_norm
from astrolib.models.image_classifier import ImageClassifier, PooledEncoder
from astrolib.models.resnet import calibrate_batch_norm, small_resnet
from astrolib.papers import barlow_networks as networks
from astrolib.papers.astromae_networks import reconstruction_loss
from astrolib.papers.barlow_networks import BARLOW, MAE, SIMCLR, UNTRAINED, Arm
from astrolib.papers.images import Images, Views
from astrolib.report import results
from astrolib.training.fit import fit
from astrolib.training.optim import Optimization
from astrolib.training.runs import Run

MOST_PAIRS = 1000
"""Test images that the cross-correlation is measured on: its noise is 1 / sqrt(n), 0.03."""


class Experiment:
    """Barlow Twins and what it is compared with, on one profile's images.

    Parameters
    ----------
    profile : str
        Name of a profile: sizes, schedules, survey.
    """

    def __init__(self, profile: str):
        self.profile = profile
        self.settings = profiles.load(profile).barlow
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self.images = Images(self.settings.data, self.device)

    def model(self, arm: Arm) -> nn.Module:
        """The untrained network of an arm."""
        return networks.model_of(self.settings, arm, len(self.images.survey.channels))

    # ---------------------------------------------------------------- pretraining

    def views(self, arm: Arm) -> Views:
        """The augmentations of an arm."""
        views = self.images.views
        if arm.max_reddening != Arm.max_reddening:
            views = dataclasses.replace(views, e_max=arm.max_reddening)
        return views.without(*arm.without) if arm.without else views

    def run(self, arm: Arm) -> Run:
        """Where the pretrained network of an arm is kept."""
        parts = {
            "recipe": networks.recipe(self.settings, arm),
            "encoder": networks.sizes(self.settings, arm.encoder),
            "arm": arm,
            "views": self.views(arm),
        }
        return self._run(arm.name, type(self.model(arm)), **parts)

    def pretrain(self, arm: Arm, *, progress: bool = True) -> nn.Module:
        """Train the network of an arm without labels, or load it if that has been done.

        An untrained arm is given the BatchNorm statistics of the training images, without which a frozen
        random network would be judged too harshly (card, section 9.2).
        """
        model, recipe, images = self.model(arm), networks.recipe(self.settings, arm), self.images
        if arm.method == UNTRAINED:
            batches = images.single(images.splits["train"], 256)
            calibrate_batch_norm(
                model.encoder.to(self.device),
                (batch["images"] for batch in batches.epoch(Generator(self.device))),
            )
            return model.eval()
        rows, shown = images.splits[arm.images], images.splits["validation"]
        if arm.method == MAE:
            batches = images.single(rows, recipe.batch_size, views=images.views.only("rotation", "flips"))
            validation, loss = images.single(shown, 512), reconstruction_loss
        else:
            batches = images.pairs(rows, recipe.batch_size, views=self.views(arm))
            validation = images.pairs(shown, len(shown), views=self.views(arm), training=False)
            loss = networks.pair_loss
        return fit(
            self.run(arm),
            model,
            batches,
            loss,
            Optimization.of(recipe),
            validation=validation,
            seed=arm.seed,
            progress=progress,
        )

    # ---------------------------------------------------------------- what the features are worth

    def features(self, arm: Arm, rows: np.ndarray) -> np.ndarray:
        """Frozen features (n, D) of some images."""
        encoder = PooledEncoder(self.pretrain(arm, progress=False).encoder)
        return self.images.features(encoder, rows)

    def probe(self, arm: Arm, *, progress: bool = True) -> dict[str, pd.DataFrame]:
        """Classes, and other quantities, of the test images from frozen features.

        Returns
        -------
        dict of str to DataFrame
            "predictions": protocol ("linear", "k-NN"), fraction, id, label, prediction, for each test image.
            "transfer": target, id, truth, prediction.
            "measures": one row: validation_accuracy (balanced, linear, all labels) [percent]; mean C_ii as
            diagonal and mean square of the others as off_square, on views of the test images; rank_z, rank_r.
        """
        folder = self.run(arm).folder
        names = ("predictions", "transfer", "measures")
        kept = {name: folder / f"{name}.parquet" for name in names}
        if not all(path.exists() for path in kept.values()):
            model = self.pretrain(arm, progress=progress)
            for name, table in zip(names, self._probe(arm, model), strict=True):
                results.write_table(table, kept[name])
        return {name: pd.read_parquet(path) for name, path in kept.items()}

    def _probe(self, arm: Arm, model: nn.Module) -> tuple[pd.DataFrame, ...]:
        images, encoder = self.images, PooledEncoder(model.encoder)
        label, ids = images.survey.label, images.survey.ids
        splits = {part: images.splits[part] for part in ("train", "validation", "test")}
        x = {part: images.features(encoder, rows) for part, rows in splits.items()}
        y = {part: label[rows] for part, rows in splits.items()}
        test, predictions, accuracy = ids[splits["test"]], [], np.nan
        for fraction in self.settings.fractions:
            chosen = np.isin(splits["train"], images.labelled(fraction, arm.seed))
            train = x["train"][chosen], y["train"][chosen]
            both = np.concatenate([x["validation"], x["test"]])
            linear = probes.linear_probe(*train, x["validation"], y["validation"], both)
            validated, linear = np.split(linear, [len(y["validation"])])
            if fraction == 1:
                accuracy = balanced_accuracy(y["validation"], validated)
            for protocol, found in (("linear", linear), ("k-NN", probes.knn_probe(*train, x["test"]))):
                table = {"id": test, "label": y["test"], "prediction": found}
                predictions.append(pd.DataFrame(table).assign(protocol=protocol, fraction=fraction))
        transfer = []
        for name, values in images.targets.items():
            t = {part: values[rows] for part, rows in splits.items()}
            found = probes.ridge_probe(x["train"], t["train"], x["validation"], t["validation"], x["test"])
            table = {"id": test, "truth": t["test"], "prediction": found}
            transfer.append(pd.DataFrame(table).assign(target=name))
        measures = {"validation_accuracy": accuracy, "rank_r": spectrum.effective_rank(x["test"])}
        measures |= self._twins(arm, model) if arm.method in (BARLOW, SIMCLR) else {}
        return pd.concat(predictions), pd.concat(transfer), pd.DataFrame([measures])

    @torch.no_grad()
    def _twins(self, arm: Arm, model: nn.Module) -> dict[str, float]:
        """How the embeddings of two views of the test images go together."""
        z_a, z_b, _ = self.embeddings(arm, model)
        diagonal, off_square = spectrum.correlation_summary(z_a, z_b)
        return {"diagonal": diagonal, "off_square": off_square, "rank_z": spectrum.effective_rank(z_a)}

    @torch.no_grad()
    def embeddings(self, arm: Arm, model: nn.Module) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Embeddings z of two views of test images, (n, D) each, and their cross-correlation (D, D)."""
        rows = self.images.splits["test"][:MOST_PAIRS]
        batches = self.images.pairs(rows, len(rows), views=self.views(arm), training=False)
        (batch,) = batches.epoch(Generator(self.device).manual_seed(0))
        found = model.to(self.device).eval()(batch["view_a"], batch["view_b"])
        return tuple(found[name].float().cpu().numpy() for name in ("z_a", "z_b", "correlation"))

    # ---------------------------------------------------------------- with labels

    def classifier_run(self, arm: Arm, fraction: float) -> Run:
        """Where a classifier that starts from an arm is kept."""
        parts = {
            "finetuning": self.settings.finetuning,
            "encoder": networks.sizes(self.settings, arm.encoder),
        }
        start = "scratch" if arm.method == UNTRAINED else self.run(arm).folder.name
        name = f"classify-{100 * fraction:g}-{arm.name}"
        return self._run(name, ImageClassifier, **parts, start=start, fraction=fraction, seed=arm.seed)

    def finetune(self, arm: Arm, fraction: float, *, progress: bool = True) -> pd.DataFrame:
        """Train all of a classifier with a fraction of the labels, starting from an arm's encoder (an
        untrained one makes it "supervised from scratch"), and predict the test images.

        All epochs are trained and the last weights count, as in the paper.

        Returns
        -------
        DataFrame
            id, label, prediction, for each test image.
        """
        run, recipe, images = self.classifier_run(arm, fraction), self.settings.finetuning, self.images
        kept = run.folder / "predictions.parquet"
        if run.done and kept.exists():
            return pd.read_parquet(kept)
        label, n_classes = images.survey.label, len(images.survey.class_names)
        encoder = networks.encoder_of(self.settings, arm.encoder, len(images.survey.channels), arm.seed)
        if arm.method != UNTRAINED:
            encoder.load_state_dict(self.pretrain(arm, progress=False).encoder.state_dict())
        with torch.random.fork_rng():
            torch.manual_seed(arm.seed)
            width = networks.n_features(self.settings, arm.encoder)
            net = global_batch_norm(ImageClassifier(encoder, width, n_classes))
        rows = images.labelled(fraction, arm.seed)
        batch_size = min(recipe.batch_size, len(rows))
        counts = torch.bincount(torch.as_tensor(label[rows]), minlength=n_classes)
        weight = (len(rows) / (n_classes * counts)).to(self.device)
        optimization = dataclasses.replace(
            Optimization.of(recipe), batch_size=batch_size, epochs=round(recipe.epochs / fraction**0.5)
        )
        net = fit(
            run,
            net,
            images.single(rows, batch_size, views=images.views),
            networks.class_loss(weight),
            optimization,
            seed=arm.seed,
            progress=progress,
        )
        test = images.splits["test"]
        predicted = images.features(net, test).argmax(axis=1)
        table = {"id": images.survey.ids[test], "label": label[test], "prediction": predicted}
        results.write_table(found := pd.DataFrame(table), kept)
        return found

    # ---------------------------------------------------------------- shared

    def keep(self, name: str, table: pd.DataFrame) -> None:
        """Keep a table of results under a name, with the survey's source in every row."""
        results.keep(self.profile, f"barlow_{name}", table.assign(source=self.images.survey.source))

    def keep_arrays(self, name: str, **arrays: np.ndarray | str) -> None:
        """Keep arrays under a name, with the survey's source."""
        results.keep_arrays(self.profile, f"barlow_{name}", **arrays, source=self.images.survey.source)

    def _run(self, name: str, code: type, **settings) -> Run:
        settings |= {"data": self.settings.data, "survey": self.images.survey.fingerprint()}
        return Run(paths.runs(self.profile), f"barlow-{name}", settings, code=(code, small_resnet))


@cache
def experiment_of(profile: str) -> Experiment:
    """One for all jobs of a worker: the survey is opened once."""
    return Experiment(profile)


def probe_job(profile: str, arm: Arm) -> dict[str, pd.DataFrame]:
    """Pretrain and probe an arm in a worker."""
    return experiment_of(profile).probe(arm, progress=False)


def finetune_job(profile: str, arm: Arm, fraction: float) -> pd.DataFrame:
    """Fine-tune an arm in a worker."""
    return experiment_of(profile).finetune(arm, fraction, progress=False)
