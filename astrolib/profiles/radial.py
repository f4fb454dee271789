"""Settings of R-MAE, radial masking, see `astrolib.profiles`."""

from dataclasses import dataclass

from astrolib.profiles.astromae import Pretraining, Transformer
from astrolib.profiles.barlow_twins import ImageData, ImageFinetuning


@dataclass(frozen=True)
class Radial:
    """Everything the notebook on radial masking needs.

    `pretraining` serves both networks; its `mask_ratio` is the one that all comparisons but that of ratios
    are made at. `mask_ratios` and `sectors` are the points of the paper's two ablations.
    """

    workers: int  # trainings side by side, a thread each; 0: one for each CPU core
    seeds: tuple[int, ...]
    fractions: tuple[float, ...]  # of the labels
    mask_ratios: tuple[float, ...]
    sectors: tuple[int, ...]  # the first is that of all other comparisons
    observed: tuple[float, ...]  # fractions of a galaxy that are looked at
    threshold: float  # of an occupied pixel [smoothed sky noise]
    n_filled: int  # test images whose hidden pixels are filled, at most
    data: ImageData
    transformer: Transformer
    channels: tuple[int, ...]  # of the occupancy network
    pretraining: Pretraining
    finetuning: ImageFinetuning
