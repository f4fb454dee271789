"""Settings of AstroMAE, see `astrolib.profiles`."""

from dataclasses import dataclass


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
