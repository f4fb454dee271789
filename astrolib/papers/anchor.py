"""Anchor-aware masking (A2-MAE) on sets of simulated survey images of one sky position.

Zhang, Zhao, Dong et al. 2024, arXiv:2406.08079; card "masked autoencoders", section 3. An `Arm` is one way to
pretrain, an `Experiment` trains it and measures what it is worth. Every step is kept on disk and is made only
once:

>>> experiment = Experiment("demo")                                          # doctest: +SKIP
>>> model = experiment.pretrain(Arm(seed=42))                                # doctest: +SKIP
>>> objects = experiment.measure(Arm(seed=42))["objects"]                    # doctest: +SKIP

Tables and pictures are made in `astrolib.papers.anchor_results`.
"""

import dataclasses
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor, nn

from astrolib import paths, profiles
from astrolib.data.batches import Batches
from astrolib.data.image_sets import ImageSets
from astrolib.evaluate import probes
from astrolib.models.anchor_mae import AnchorAwareAutoencoder
from astrolib.models.anchor_masking import SetMask
from astrolib.papers import anchor_filling as filling
from astrolib.papers.anchor_heads import MOST_DENSE, dense_columns
from astrolib.papers.anchor_sets import Sets
from astrolib.report import results
from astrolib.training.fit import fit
from astrolib.training.optim import Optimization
from astrolib.training.runs import Run

TABLES = ("objects", "wide", "filled")


@dataclass(frozen=True)
class Arm:
    """One way to pretrain.

    `mode` is how tokens are hidden, `key` what makes an image like the anchor; `geographic`, `scale` and
    `slots` are the encodings, `order` the HEALPix order at which the geographic code is cut off. A `single`
    network sees one image at a time; an untrained one keeps its first weights. `null` names the effect that
    the simulation leaves out.
    """

    mode: str = "anchor"
    key: str = "epoch"
    geographic: bool = True
    scale: bool = True
    slots: bool = True
    order: int = 29
    single: bool = False
    trained: bool = True
    null: str = ""
    seed: int = 42

    @property
    def name(self) -> str:
        """For folders."""
        what = "single" if self.single else self.mode
        return f"{what}-seed{self.seed}" if self.trained else f"untrained-seed{self.seed}"


class Experiment:
    """A2-MAE and what it is compared with, on one profile's image sets.

    Parameters
    ----------
    profile : str
        Name of a profile: sizes and schedules.
    """

    def __init__(self, profile: str):
        self.profile = profile
        self.settings = profiles.load(profile).anchor
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        self._data: dict[str, Sets] = {}
        self._runs: dict[Arm, Run] = {}

    def data(self, null: str = "") -> Sets:
        """The image sets, or those of a null."""
        if null not in self._data:
            self._data[null] = Sets(self.settings.data, null, self.device)
        return self._data[null]

    # ---------------------------------------------------------------- pretraining

    def model(self, arm: Arm) -> AnchorAwareAutoencoder:
        """The untrained network of an arm; arms with a seed share all weights that they have in common."""
        sizes, recipe = self.settings.transformer, self.settings.pretraining
        n_images = 1 if arm.single else self.data(arm.null).sets.images.shape[1]
        with torch.random.fork_rng():
            torch.manual_seed(arm.seed)
            return AnchorAwareAutoencoder(
                self.settings.data.size,
                n_images,
                **dataclasses.asdict(sizes),
                masking=SetMask(arm.mode, recipe.mask_ratio),
                geographic=arm.geographic,
                scale=arm.scale,
                slots=arm.slots,
                norm_pix_loss=recipe.norm_pix_loss,
            )

    def run(self, arm: Arm) -> Run:
        """Where the pretrained network of an arm is kept."""
        if arm not in self._runs:  # the hash of the code behind it takes a tenth of a second
            settings = {
                "arm": arm,
                "data": self.settings.data,
                "sets": self.data(arm.null).fingerprint,
                "transformer": self.settings.transformer,
                "recipe": self.settings.pretraining,
            }
            code = (AnchorAwareAutoencoder, SetMask)
            self._runs[arm] = Run(paths.runs(self.profile), f"anchor-{arm.name}", settings, code=code)
        return self._runs[arm]

    def pretrain(self, arm: Arm, *, progress: bool = True) -> nn.Module:
        """Train the network of an arm, or load it if that has been done."""
        model, recipe, data = self.model(arm), self.settings.pretraining, self.data(arm.null)
        if not arm.trained:
            return model.to(self.device).eval()
        rows = data.splits["train"], data.splits["validation"]
        train, validation = (data.sets.subset(part) for part in rows)
        n_images = data.sets.images.shape[1] if arm.single else 1
        optimization = Optimization.of(recipe)
        optimization = dataclasses.replace(optimization, batch_size=recipe.batch_size * n_images)
        return fit(
            self.run(arm),
            model,
            self._batches(arm, train, optimization.batch_size, training=True),
            loss,
            optimization,
            validation=self._batches(arm, validation, 512),
            seed=arm.seed,
            progress=progress,
        )

    def _batches(self, arm: Arm, sets: ImageSets, batch_size: int, *, training: bool = False) -> Batches:
        options = {"key": arm.key, "order": arm.order, "single": arm.single, "training": training}
        return self.data(arm.null).batches(sets, batch_size, **options)

    # ---------------------------------------------------------------- what it is worth

    def measure(self, arm: Arm, *, progress: bool = True) -> dict[str, pd.DataFrame]:
        """Everything that is measured of an arm, on the test sets.

        Returns
        -------
        dict of str to DataFrame
            "objects": a row for each test set: id, place ("nearby" or "held out"), label, class_found,
            log_ebv, log_ebv_found; true positives, false positives and false negatives of its pixels in the
            segmentation (seg_tp, ...) and of its patches in the detection of changes (patch_tp, ...), for the
            sets that these heads were tested on (scored); transient and alarm; error_<slot> and
            source_<slot>, mean squared errors of hidden pixels, all and those of the source, in asinh units,
            under the masks that all arms share.
            "wide": id, scale ("as trained", "doubled"), label, class_found.
            "filled": see `astrolib.papers.anchor_filling.fill`.
        """
        kept = {name: self.run(arm).folder / f"{name}.parquet" for name in TABLES}
        if not all(path.exists() for path in kept.values()):
            model = self.pretrain(arm, progress=progress)
            for name, table in zip(TABLES, self._measure(arm, model), strict=True):
                results.write_table(table, kept[name])
        return {name: pd.read_parquet(path) for name, path in kept.items()}

    def _measure(self, arm: Arm, model: nn.Module) -> tuple[pd.DataFrame, ...]:
        data = self.data(arm.null)
        parts = {name: data.sets.subset(data.splits[name]) for name in ("train", "validation", "test")}
        found = {name: self.encode(arm, model, part) for name, part in parts.items()}
        features = {name: features for name, (features, _) in found.items()}
        tokens = {name: tokens for name, (_, tokens) in found.items()}
        table = self._objects(parts, features, data.splits)
        table |= dense_columns(parts, tokens)
        n_rows = data.sets.images.shape[1] if arm.single else 1
        batches = self._batches(arm, parts["test"], 256 * n_rows)
        errors, source = filling.masked_errors(model, batches, parts["test"], arm.single)
        for slot in range(errors.shape[1]):
            table |= {f"error_{slot}": errors[:, slot], f"source_{slot}": source[:, slot]}
        wide = []
        if not arm.null and not arm.single:
            known = features["train"], parts["train"].label, features["validation"], parts["validation"].label
            for scale, sets in data.wide.items():
                classes = probes.linear_probe(*known, self.encode(arm, model, sets)[0])
                rows = {
                    "id": np.arange(len(sets)),
                    "scale": scale,
                    "label": sets.label,
                    "class_found": classes,
                }
                wide.append(pd.DataFrame(rows))
        filled = pd.DataFrame()
        if dataclasses.replace(arm, mode="", key="", trained=True, seed=0) == Arm(mode="", key="", seed=0):
            filled = filling.fill(model, batches, parts["test"])
        return pd.DataFrame(table), pd.concat(wide) if wide else pd.DataFrame(), filled

    def _objects(
        self, parts: dict[str, ImageSets], features: dict[str, np.ndarray], splits: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        """Classes and dust from pooled features."""
        train, validation, test = (parts[name] for name in ("train", "validation", "test"))
        x = [features[name] for name in ("train", "validation", "test")]
        classes = probes.linear_probe(x[0], train.label, x[1], validation.label, x[2])
        log_ebv = [np.log(part.ebv) for part in (train, validation, test)]
        dust = probes.ridge_probe(x[0], log_ebv[0], x[1], log_ebv[1], x[2])
        place = np.where(np.isin(splits["test"], splits["held out"]), "held out", "nearby")
        return {
            "id": splits["test"],
            "place": place,
            "label": test.label,
            "class_found": classes,
            "log_ebv": log_ebv[2],
            "log_ebv_found": dust,
        }

    @torch.no_grad()
    def encode(self, arm: Arm, model: nn.Module, sets: ImageSets) -> tuple[np.ndarray, np.ndarray]:
        """Features (n, D) and tokens (n, M, N, D) of unmasked sets, tokens of `MOST_DENSE` at most."""
        model = model.to(self.device).eval()
        n, n_images = sets.images.shape[:2]
        features, tokens, seen = [], [], 0
        batches = self._batches(arm, sets, 256 * (n_images if arm.single else 1))
        for batch in batches.epoch(Generator(self.device)):
            found = model.tokens(batch)  # (b, M, N, D)
            found = found.reshape(-1, n_images, *found.shape[2:])
            features.append(found.mean(dim=(1, 2)).float().cpu().numpy())
            if seen < MOST_DENSE:
                tokens.append(found[: MOST_DENSE - seen].float().cpu().numpy())
            seen += len(found)
        return np.concatenate(features), np.concatenate(tokens)

    # ---------------------------------------------------------------- shared

    def keep(self, name: str, table: pd.DataFrame) -> None:
        """Keep a table of results under a name, with the source of the sets in every row that has none."""
        source = table["source"] if "source" in table else pd.Series(np.nan, table.index, object)
        table = table.assign(source=source.fillna(self.data().sets.source))
        results.keep(self.profile, f"anchor_{name}", table)

    def keep_arrays(self, name: str, **arrays: np.ndarray | str) -> None:
        """Keep arrays under a name, with the source of the sets."""
        results.keep_arrays(self.profile, f"anchor_{name}", **arrays, source=self.data().sets.source)


def loss(model: nn.Module, batch: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
    """The model's own."""
    return {"loss": model(batch, generator=generator)["loss"]}


@cache
def experiment_of(profile: str) -> Experiment:
    """One for all jobs of a worker: the sets are opened once."""
    return Experiment(profile)


def measure_job(profile: str, arm: Arm) -> dict[str, pd.DataFrame]:
    """Pretrain and measure an arm in a worker."""
    return experiment_of(profile).measure(arm, progress=False)
