"""What the galaxy papers share: a survey cut into parts and served in batches as networks see it."""

from functools import cached_property, partial
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Generator

from astrolib import surveys
from astrolib.data.augment import GalaxyView, centre_crop
from astrolib.data.batches import Batch, Batches
from astrolib.data.derived import derived_folder
from astrolib.data.galaxies import GalaxySurvey
from astrolib.data.scaling import PixelScaling, Standardizer
from astrolib.data.shards import Shards, open_shards, write_shards
from astrolib.data.streaming import StreamedBatches, fits
from astrolib.profiles import GalaxyData

BASELINES = {
    "k-nearest neighbours": lambda seed: make_pipeline(
        StandardScaler(), KNeighborsRegressor(n_neighbors=20, weights="distance")
    ),
    "gradient boosting": lambda seed: HistGradientBoostingRegressor(
        max_iter=300, learning_rate=0.05, early_stopping=True, random_state=seed
    ),
}
"""Regressions on the five magnitudes alone: what a network must beat to be worth its images."""


PHASES = {
    "pretraining": ("pretraining", "pretraining validation"),
    "fine-tuning": ("train", "validation", "test"),
}
"""Which parts of the data belong to which phase."""

BLOCK = 2048  # galaxies that are in memory in float32 at a time


def split_rows(n: int, settings: GalaxyData, *, share_all: bool = False) -> dict[str, np.ndarray]:
    """Cut `n` galaxies into the parts of the two phases.

    One permutation, then consecutive cuts. The labelled galaxies are those that pretraining and its
    validation leave over (experiment 1 of AstroMAE). With `share_all` every galaxy serves in both phases
    (experiment 2): the test images have then been seen in pretraining, without their redshifts.

    Parameters
    ----------
    n : int
        Number of galaxies.
    settings : GalaxyData
        Fractions and seed.

    Returns
    -------
    dict of str to (n_part,) int64 array
        Sorted row numbers under "pretraining", "pretraining validation" (empty with `share_all`), "train",
        "validation" and "test".
    """
    rows = np.random.default_rng(settings.seed).permutation(n)
    if share_all:
        pretraining, validation, labelled = rows, rows[:0], rows
    else:
        n_labelled = round((1 - settings.pretraining_fraction - settings.validation_fraction) * n)
        n_pretraining = round(settings.pretraining_fraction * n)
        pretraining, validation, labelled = np.split(rows, [n_pretraining, n - n_labelled])
    n_train, n_validation = (round(part * len(labelled)) for part in settings.finetuning_split[:2])
    train, val, test = np.split(labelled, [n_train, n_train + n_validation])
    parts = {
        "pretraining": pretraining,
        "pretraining validation": validation,
        "train": train,
        "validation": val,
        "test": test,
    }
    return {name: np.sort(part) for name, part in parts.items()}


class Galaxies:
    """A profile's galaxies, ready for training.

    Parameters
    ----------
    settings : GalaxyData
        Source, sizes, splits and scaling.
    share_all : bool
        Use every galaxy in both phases, see `split_rows`.
    device : str
        Where batches live.
    """

    def __init__(self, settings: GalaxyData, *, share_all: bool = False, device: str = "cpu"):
        self.settings = settings
        self.share_all = share_all
        self.device = device

    @cached_property
    def survey(self) -> GalaxySurvey:
        """All galaxies."""
        wanted = self.settings
        n_galaxies = wanted.n_galaxies or None
        return surveys.load_galaxies(
            wanted.source, n_galaxies=n_galaxies, image_size=wanted.image_size, seed=wanted.seed
        )

    @cached_property
    def splits(self) -> dict[str, np.ndarray]:
        """Row numbers of each part."""
        return split_rows(len(self.survey), self.settings, share_all=self.share_all)

    @cached_property
    def ids(self) -> np.ndarray:
        """Identifier of every galaxy, as text."""
        return np.asarray(self.survey.catalogue["id"]).astype(str)

    @cached_property
    def scaling(self) -> PixelScaling:
        """From nanomaggies to what the networks see."""
        if not self.settings.softening:
            return PixelScaling("none")
        return PixelScaling("asinh", tuple(self.settings.softening * self.survey.noise))

    @cached_property
    def standardizer(self) -> Standardizer | None:
        """Zero mean and unit variance of the training magnitudes, if the profile wants it."""
        if not self.settings.standardize_magnitudes:
            return None
        return Standardizer.fit(self.survey.magnitudes[self.splits["train"]])

    def catalogue(self) -> pd.DataFrame:
        """Who is in which part: id, magnitudes by band, redshift, source, a column for each of `PHASES`."""
        table = pd.DataFrame(self.survey.magnitudes, columns=list(self.survey.bands))
        table.insert(0, "id", self.ids)
        table["redshift"] = self.survey.redshift
        table["source"] = self.survey.source
        for phase, parts in PHASES.items():
            table[phase] = "not used"
            for part in parts:
                table.loc[self.splits[part], phase] = part
        return table

    @cached_property
    def shards(self) -> Shards:
        """All galaxies as `batches` serves them before its transforms, on disk; made once."""
        survey, code = self.survey, ("papers/galaxies.py", "data/blocks.py", "data/shards.py")

        def make(folder: Path) -> None:
            rows = np.arange(len(survey))
            blocks = (self._stored(rows[start : start + BLOCK]) for start in range(0, len(rows), BLOCK))
            write_shards(folder, blocks, rows_per_shard=8 * BLOCK, about={"source": survey.source})

        return open_shards(derived_folder("shards", {"survey": survey.fingerprint()}, code, make))

    def batches(self, part: str, batch_size: int, *, training: bool, noise_std: float = 0.0) -> Batches:
        """Batches of one part: the same ones from the device's memory or, if they do not fit, from disk.

        Each holds `images` (B, C, crop, crop), scaled and, in training, augmented; `magnitudes` (B, C);
        `redshift` (B,); and `index` (B,), row numbers within the part.
        """
        rows = self.splits[part]
        view = GalaxyView(crop=self.settings.crop, noise_std=noise_std) if training else None
        options = {"transform": partial(self.prepared, view=view), "shuffle": training}
        if fits(2 * len(rows) * self.survey.images[0].size, self.device):
            batches = Batches(self._stored(rows), batch_size, **options)
        else:
            batches = StreamedBatches(self.shards, batch_size, rows=rows, **options)
        return batches.to(self.device)

    def prepared(
        self, batch: Batch, generator: Generator | None = None, *, view: GalaxyView | None = None
    ) -> Batch:
        """Images (B, C, H, W) [nanomaggies] and magnitudes (B, C) as networks see them.

        Images are cut to (B, C, crop, crop) about the centre, or to a view drawn from `generator`.
        """
        crop, standardizer = self.settings.crop, self.standardizer
        images = view(batch["images"], generator) if view else centre_crop(batch["images"], crop)
        magnitudes = standardizer(batch["magnitudes"]) if standardizer else batch["magnitudes"]
        return batch | {"images": self.scaling(images), "magnitudes": magnitudes}

    def _stored(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        survey = self.survey  # float16: half the memory, 5e-4 of the flux
        images = np.empty((len(rows), *survey.images.shape[1:]), np.float16)
        with np.errstate(over="ignore"):  # a pixel above 65504 nanomaggies is infinite: told in training
            for start in range(0, len(rows), BLOCK):
                images[start : start + BLOCK] = survey.images[rows[start : start + BLOCK]]
        return {"images": images, "magnitudes": survey.magnitudes[rows], "redshift": survey.redshift[rows]}

    def baseline(self, name: str, seed: int) -> pd.DataFrame:
        """Predict the test redshifts from the magnitudes alone with one of `BASELINES`.

        Returns
        -------
        DataFrame
            A row for each test galaxy: id, redshift, prediction.
        """
        survey, train, test = self.survey, self.splits["train"], self.splits["test"]
        model = BASELINES[name](seed).fit(survey.magnitudes[train], survey.redshift[train])
        predictions = model.predict(survey.magnitudes[test]).astype(np.float32)
        return pd.DataFrame(
            {"id": self.ids[test], "redshift": survey.redshift[test], "prediction": predictions}
        )
