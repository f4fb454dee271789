"""What the star papers share: a survey cut into parts, served in batches, and plain baselines."""

from collections.abc import Sequence
from functools import cache, cached_property

import numpy as np
import torch
from torch import Tensor

from astrolib import star_surveys
from astrolib.data.batches import Batches
from astrolib.data.scaling import Standardizer
from astrolib.data.star_splits import check_no_leak, split_stars, subset_parts
from astrolib.data.star_views import StarView, star_tensors
from astrolib.data.stars import StarSurvey
from astrolib.papers import star_forest
from astrolib.profiles import StarData


class Stars:
    """A profile's stars, ready for training.

    Parameters
    ----------
    settings : StarData
        Source, splits, crop.
    device : str
        Where batches live.
    """

    def __init__(self, settings: StarData, device: str = "cpu"):
        self.settings = settings
        self.device = device
        self.parts = cache(self._parts)
        self.labelled = cache(self._labelled)
        self.standardizers = cache(self._standardizers)
        self.features = cache(self._features)

    @cached_property
    def survey(self) -> StarSurvey:
        """All stars of the classes that have enough of them."""
        wanted = self.settings
        survey = star_surveys.load_stars(
            wanted.source,
            n_stars=wanted.n_stars or None,
            n_points=wanted.n_points,
            spectrum_step=wanted.spectrum_step,
            spectrum_error=wanted.spectrum_error,
            seed=wanted.seed,
        )
        unlabelled = int((survey.label < 0).any())  # such stars are left out, and counted, too
        fewest = max(wanted.fewest_stars, unlabelled)
        return survey.keep_classes(fewest) if fewest else survey

    @cached_property
    def modalities(self) -> tuple[str, ...]:
        """Names, in the survey's order."""
        return tuple(self.survey.modalities)

    @cached_property
    def complete(self) -> bool:
        """Whether every star has every modality."""
        return all(modality.present.all() for modality in self.survey.modalities.values())

    def _parts(self, seed: int) -> dict[str, np.ndarray]:
        """Row numbers under "train", "validation" and "test", by the profile's scheme.

        Pretraining with this seed sees the training part, fine-tuning with this seed a subset of it: no test
        star is ever seen (checked).
        """
        survey, scheme = self.survey, self.settings.split
        given = f"split {seed}" if f"split {seed}" in survey.catalogue.colnames else "split"
        known = scheme == "given" and given in survey.catalogue.colnames
        split = np.asarray(survey.catalogue[given]).astype(str) if known else None
        parts = split_stars(survey.label, seed, scheme=scheme, split=split)
        check_no_leak(parts, survey.ids, survey.label, survey.class_names)
        return parts

    def _labelled(self, seed: int, fraction: float) -> dict[str, np.ndarray]:
        """The stars of each part whose labels count: large classes are capped (AstroM3 card, section 2.4).

        The authors' own subsets where the catalogue has them, else drawn by their rule.
        """
        parts, published = self.parts(seed), f"split {seed} {fraction:g}"
        if fraction == 1:
            return parts
        if self.settings.split == "given" and published in self.survey.catalogue.colnames:
            names = np.asarray(self.survey.catalogue[published]).astype(str)
            return {part: rows[names[rows] == part] for part, rows in parts.items()}
        return subset_parts(parts, self.survey.label, fraction, seed)

    def _standardizers(self, seed: int, fraction: float) -> dict[str, Standardizer]:
        """Means and deviations of the training split or, as AstroM3 has it, of its labelled subset."""
        fraction = fraction if self.settings.statistics == "subset" else 1.0
        return StarView.fit(self.survey.modalities, self.labelled(seed, fraction)["train"])

    def having(self, rows: np.ndarray, names: Sequence[str]) -> np.ndarray:
        """Those stars of `rows` that have at least one of some modalities."""
        present = [self.survey.modalities[name].present[rows] for name in names]
        return rows[np.any(present, axis=0)]

    def batches(
        self,
        rows: np.ndarray,
        names: Sequence[str],
        batch_size: int,
        *,
        seed: int,
        fraction: float = 1.0,
        training: bool = False,
        drop_last: bool = False,
    ) -> Batches:
        """Batches of some stars: the entries of `StarView` for the modalities `names`, and `label` (B,)."""
        modalities = {name: self.survey.modalities[name] for name in names}
        view = StarView(
            modalities, self.standardizers(seed, fraction), self.settings.n_points, training=training
        )
        tensors: dict[str, np.ndarray | Tensor] = star_tensors(modalities, rows)
        tensors["label"] = torch.as_tensor(self.survey.label[rows])
        drop_last = drop_last and len(rows) >= batch_size
        return Batches(tensors, batch_size, transform=view, shuffle=training, drop_last=drop_last).to(
            self.device
        )

    # ---------------------------------------------------------------- baselines

    def _features(self, name: str) -> np.ndarray:
        """Features of one modality, or of "all" of them, for a model that is no network, (N, F).

        Published latents where the catalogue holds them (Gaia), else `star_forest.features`.
        """
        if name == "all":
            return np.concatenate([self.features(each) for each in self.modalities], axis=1)
        latents = star_surveys.LATENTS.get(self.settings.source, {}).get(name)
        if latents:
            columns = [np.asarray(self.survey.catalogue[column], np.float32) for column in latents]
            return np.stack(columns, axis=1)
        return star_forest.features(self.survey.modalities[name])

    def forest(self, name: str, seed: int, fraction: float, trees: int) -> tuple[np.ndarray, np.ndarray]:
        """A random forest on one modality's features, trained on the labelled stars.

        Returns
        -------
        rows, predictions : (n,) int arrays
            Test stars that have the modality, and the class predicted for each.
        """
        names = self.modalities if name == "all" else (name,)
        train = self.having(self.labelled(seed, fraction)["train"], names)
        test = self.having(self.parts(seed)["test"], names)
        features, label = self.features(name), self.survey.label
        return test, star_forest.predict(features[train], label[train], features[test], trees, seed)
