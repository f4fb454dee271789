"""Profiles: every number that differs between a two-minute demonstration and the paper.

A profile is one TOML file beside this module, read into frozen dataclasses. `load("paper")` holds the
papers' own settings; notebooks show a profile's settings beside those.
"""

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

FOLDER = Path(__file__).parent


class ProfileError(ValueError):
    """A profile that does not exist, or that holds a setting nobody knows."""


@dataclass(frozen=True)
class GalaxyData:
    """Which galaxies, and how they are split.

    `source` is a key of `astrolib.surveys.GALAXY_SOURCES`; `stamps` asks for the real SDSS stamps too.
    Stamps of `image_size` pixels are rotated and then cut to `crop` pixels. A network sees
    `asinh(flux / (softening * sky noise))`, or plain flux where `softening` is 0.
    """

    source: str
    stamps: bool
    n_galaxies: int  # 0: all there are
    image_size: int
    crop: int
    seed: int
    pretraining_fraction: float
    validation_fraction: float  # of pretraining; the rest is the labelled set
    finetuning_split: tuple[float, float, float]  # train, validation, test of the labelled set
    softening: float
    standardize_magnitudes: bool


@dataclass(frozen=True)
class Transformer:
    """Sizes of a vision transformer and of the light decoder that pretrains it."""

    patch_size: int
    embed_dim: int
    depth: int
    num_heads: int
    decoder_embed_dim: int
    decoder_depth: int
    decoder_num_heads: int


@dataclass(frozen=True)
class Heads:
    """Widths of the fine-tuning network outside the encoder, and its redshift density."""

    head_dim: int
    fusion_dim: int
    magnitude_dim: int
    density_bins: int
    density_dim: int
    density_z_max: float


@dataclass(frozen=True)
class Pretraining:
    """Masked autoencoding: Table II of the AstroMAE paper."""

    mask_ratio: float
    norm_pix_loss: bool
    epochs: int
    batch_size: int
    lr: float
    schedule: str
    warmup_epochs: int
    weight_decay: float
    betas: tuple[float, float]


@dataclass(frozen=True)
class Finetuning:
    """Redshift regression: Table I of the AstroMAE paper, or its second experiment."""

    epochs: int
    batch_size: int
    lr: float
    schedule: str
    warmup_epochs: int
    weight_decay: float
    betas: tuple[float, float]
    noise_std: float  # nanomaggies, added to training images
    seeds: tuple[int, ...]


@dataclass(frozen=True)
class AstroMAE:
    """Everything the AstroMAE notebooks need."""

    data: GalaxyData
    transformer: Transformer
    heads: Heads
    pretraining: Pretraining
    finetuning: Finetuning
    full_data: Finetuning


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


@dataclass(frozen=True)
class Profile:
    """One named set of numbers for the whole compendium."""

    name: str
    description: str
    astromae: AstroMAE
    astrom3: AstroM3


def available() -> list[str]:
    """Names that `load` accepts."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Profile:
    """Read a profile.

    Parameters
    ----------
    name : str
        One of `available()`: "demo", "sample", "paper", or a TOML file of your own put beside them.

    Raises
    ------
    ProfileError
        If there is no such profile, or a setting is missing, misspelt or of the wrong kind.

    Examples
    --------
    >>> load("paper").astromae.pretraining.epochs
    2000
    """
    path = FOLDER / f"{name}.toml"
    if not path.is_file():
        raise ProfileError(
            f"There is no profile {name!r}: choose one of {', '.join(available())}, or add {path}."
        )
    try:
        settings = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"Profile {path} is not valid TOML: {error}.") from None
    return _build(Profile, {"name": name, **settings}, where=name)


def _build(cls: type, settings: dict[str, Any], where: str) -> Any:
    """A dataclass from nested tables, refusing unknown, missing and mistyped settings."""
    kinds = get_type_hints(cls)
    names = {field.name for field in dataclasses.fields(cls)}
    for problem, found in (("unknown", settings.keys() - names), ("missing", names - settings.keys())):
        if found:
            raise ProfileError(f"Profile {where}: {problem} setting {', '.join(sorted(found))}.")
    values = {}
    for key, value in settings.items():
        kind = kinds[key]
        if dataclasses.is_dataclass(kind):
            values[key] = _build(kind, value, f"{where}.{key}")
            continue
        value = tuple(value) if isinstance(value, list) else value
        value = float(value) if kind is float and type(value) is int else value
        if not isinstance(value, getattr(kind, "__origin__", kind)) or (kind is int and type(value) is bool):
            raise ProfileError(f"Profile {where}: {key} = {value!r} should be of type {kind}.")
        values[key] = value
    return cls(**values)
