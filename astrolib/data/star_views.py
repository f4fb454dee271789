"""From the arrays of a star survey to what networks see: crops, constant channels, standardised columns."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Generator, Tensor

from astrolib.data.scaling import Standardizer
from astrolib.data.stars import Modality

Batch = dict[str, Tensor]


def star_tensors(modalities: Mapping[str, Modality], rows: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of some stars, under the names that `StarView` expects in a batch."""
    tensors = {}
    for name, modality in modalities.items():
        tensors[name] = modality.values[rows]
        tensors[f"{name}.n_points"] = modality.n_points[rows].astype(np.int64)
        tensors[f"{name}.constants"] = modality.constants[rows]
    return tensors


class StarView:
    """What the networks see of a batch of stars; made on the device that the batch lives on.

    Light curves are cut to `crop` consecutive points, from a random start in training and from the middle
    otherwise; shorter ones are padded with zeros. Constants become channels that hold the same number at
    every point, padding included. Columns of tables, and the constants and channels that a modality names
    `standardized`, get zero mean and unit variance over the stars the view was fitted to (AstroM3 card,
    sections 3.2 to 3.6).

    Parameters
    ----------
    modalities : mapping of str to Modality
        Only kinds and names are used.
    standardizers : mapping of str to Standardizer
        See `fit`.
    crop : int
        Points of a light curve.
    training : bool
        Random starts.

    Notes
    -----
    Calling it turns a batch with the entries of `star_tensors` into one that holds, for each modality,
    ``name`` (light curve (B, crop, 3 + K), spectrum (B, C + K, L), image (B, C, H, W), table (B, M)),
    ``name.present`` (B,) bool, and for light curves ``name.mask`` (B, crop), 1 at measured points. Other
    entries stay. A star that lacks a modality has zeros there.
    """

    def __init__(
        self,
        modalities: Mapping[str, Modality],
        standardizers: Mapping[str, Standardizer],
        crop: int,
        *,
        training: bool,
    ):
        self.kinds = {name: modality.kind for name, modality in modalities.items()}
        self.crop, self.training, self.standardizers = crop, training, standardizers

    @staticmethod
    def fit(modalities: Mapping[str, Modality], rows: np.ndarray) -> dict[str, Standardizer]:
        """Means and standard deviations (ddof 0) over the stars `rows` that have the modality.

        Returns
        -------
        dict of str to Standardizer
            Under a modality's name that of its constants, under ``name.values`` that of its columns (table)
            or of all elements of a star (spectrum, image). What is not standardised, or constant, has mean 0
            or its own, and deviation 1.
        """
        standardizers = {}
        for name, modality in modalities.items():
            have = rows[modality.present[rows]]
            chosen = np.isin(modality.constant_names, modality.standardized)
            standardizers[name] = _standardizer(modality.constants[have], chosen)
            if modality.kind != "light curve":
                values = modality.values[have]
                every = np.array(
                    [modality.kind == "table" or each in modality.standardized for each in modality.names]
                )
                flat = values.reshape(len(values), -1)
                standardizers[f"{name}.values"] = _standardizer(
                    flat, np.repeat(every, flat.shape[1] // len(every))
                )
        return standardizers

    def __call__(self, batch: Batch, generator: Generator | None = None) -> Batch:
        made = dict(batch)
        for name, kind in self.kinds.items():
            n_points, constants = made.pop(f"{name}.n_points"), made.pop(f"{name}.constants")
            present = made[f"{name}.present"] = n_points > 0
            constants = self.standardizers[name](constants) * present[:, None]  # (B, K)
            if kind != "light curve":
                flat = self.standardizers[f"{name}.values"](batch[name].flatten(1))
                made[name] = (flat * present[:, None]).reshape(batch[name].shape)
            if kind == "light curve":
                points, made[f"{name}.mask"] = self._cropped(batch[name], n_points, generator)
                repeated = constants[:, None, :].expand(-1, self.crop, -1)
                made[name] = torch.cat([points, repeated], dim=2)
            elif kind == "spectrum":
                repeated = constants[:, :, None].expand(-1, -1, batch[name].shape[2])
                made[name] = torch.cat([made[name], repeated], dim=1)
        return made

    def _cropped(
        self, points: Tensor, n_points: Tensor, generator: Generator | None
    ) -> tuple[Tensor, Tensor]:
        """Windows (B, crop, 3) of light curves (B, L, 3), and which of their rows are measured (B, crop)."""
        spare = (n_points - self.crop).clamp(min=0)  # possible starts: 0 to this, both included
        if self.training:
            draw = torch.rand(len(points), generator=generator, device=points.device)
            start = (draw * (spare + 1)).long().clamp(max=spare)
        else:
            start = spare // 2
        steps = torch.arange(self.crop, device=points.device)
        mask = (steps < n_points[:, None]).float()
        where = (start[:, None] + steps).clamp(max=points.shape[1] - 1)
        window = points.gather(1, where[:, :, None].expand(-1, -1, points.shape[2]))
        return window * mask[:, :, None], mask


def _standardizer(values: np.ndarray, chosen: np.ndarray) -> Standardizer:
    """Of the chosen columns of `values` (n, M), and none for the others."""
    values = values.astype(np.float64)
    mean = np.where(chosen, values.mean(axis=0), 0.0)
    std = np.where(chosen, values.std(axis=0), 1.0)
    return Standardizer(tuple(mean.tolist()), tuple(np.where(std > 0, std, 1.0).tolist()))
