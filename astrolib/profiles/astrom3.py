"""Settings of AstroM3, see `astrolib.profiles`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class StarData:
    """Which stars, how they are split, and what a network sees of them.

    `source` is a key of `astrolib.star_surveys.STAR_SOURCES`, or "" for none. `split` is a scheme of
    `astrolib.data.star_splits.split_stars`. The options that name the reference's behaviour: `spectrum_error`
    "ivar" takes the inverse variance for an error; `statistics` "subset" standardises by the labelled subset
    instead of the whole training split.
    """

    source: str
    n_stars: int  # 0: all there are
    fewest_stars: int  # classes with fewer are left out
    seed: int  # of a simulation, or of the choice of stars
    split: str
    n_points: int  # of a light curve, after the crop
    spectrum_step: float  # [Angstrom]
    spectrum_error: str  # "sigma" or "ivar"
    statistics: str  # "split" or "subset"


@dataclass(frozen=True)
class StarEncoders:
    """Sizes of the encoders of AstroM3 and of the space that they share.

    The options that name the reference's behaviour: `attention` "probsparse" and `scale_clamp` "parity".
    """

    attention: str
    d_model: int
    n_heads: int
    n_layers: int
    d_ff: int
    channels: tuple[int, ...]
    pool: int
    image_channels: tuple[int, ...]
    hidden: int
    embed_dim: int
    dropout: float
    scale_clamp: str


@dataclass(frozen=True)
class StarTraining:
    """How CLIP is pretrained, or the classifiers are trained.

    Classifiers with a fraction f of the labels are trained for `epochs` / sqrt(f) epochs: with constant
    `epochs` those with few labels would be far from converged.
    """

    epochs: int
    batch_size: int
    lr: float
    schedule: str
    warmup_epochs: int
    weight_decay: float
    betas: tuple[float, float]
    plateau_factor: float
    plateau_patience: int
    early_stopping: int
    grad_clip: float
    decoupled: bool


@dataclass(frozen=True)
class Discovery:
    """What is looked for in the embeddings without labels."""

    n_mapped: int  # stars on a UMAP
    neighbors: int  # of UMAP
    min_dist: float
    outlier_share: float  # of the stars of each class


@dataclass(frozen=True)
class AstroM3:
    """Everything the AstroM3 notebooks need.

    With `tuned`, classifiers and CLIP take the paper's 33 tuned settings instead of `pretraining`,
    `finetuning` and `encoders.dropout`.
    """

    tuned: bool
    workers: int  # trainings side by side, a thread each; 0: one for each CPU core
    seeds: tuple[int, ...]
    fractions: tuple[float, ...]
    trees: int  # of the random forests
    data: StarData
    second: StarData
    encoders: StarEncoders
    pretraining: StarTraining
    finetuning: StarTraining
    discovery: Discovery
