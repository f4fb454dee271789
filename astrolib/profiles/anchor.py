"""Settings of anchor-aware masking (A2-MAE), see `astrolib.profiles`."""

from dataclasses import dataclass

from astrolib.profiles.astromae import Pretraining, Transformer


@dataclass(frozen=True)
class ImageSetData:
    """Which simulated image sets, and how they are split.

    `held_out` is the share of HEALPix blocks (nside 8) that only the test of distant sky sees; `split` is
    that of the sets of all other blocks. `n_wide` sets are rendered on four times the area, for the test at
    twice the pixel scale.
    """

    n_sets: int
    n_wide: int
    size: int  # pixels of a side
    seed: int  # of the simulation and of the split
    held_out: float
    split: tuple[float, float, float]  # train, validation, nearby


@dataclass(frozen=True)
class Anchor:
    """Everything the notebook on anchor-aware masking needs.

    `null_seeds` are those of the trainings on data without the effect; `orders` are the HEALPix orders at
    which the geographic code is cut off beside the full 29.
    """

    workers: int  # trainings side by side, a thread each; 0: one for each CPU core
    seeds: tuple[int, ...]
    null_seeds: tuple[int, ...]
    orders: tuple[int, ...]
    data: ImageSetData
    transformer: Transformer
    pretraining: Pretraining
