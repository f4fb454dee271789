"""Settings of Barlow Twins, see `astrolib.profiles`."""

from dataclasses import dataclass

from astrolib.profiles.astromae import Pretraining, Transformer


@dataclass(frozen=True)
class ImageData:
    """Which images, how they are split, and what a network sees of them.

    `source` is a key of `astrolib.image_surveys.IMAGE_SOURCES`. Stamps of `image_size` pixels become views of
    `crop` pixels, `zoom` pixels of the view for each of the stamp. A network sees
    `asinh(flux / (softening * sky noise))`; display images, which are stretched already, as they are.
    """

    source: str
    n_images: int  # 0: all there are
    image_size: int
    crop: int
    zoom: float
    jitter: float  # largest shift of a view's centre [pixels of the stamp]
    seed: int  # of a simulation or choice of images, and of the split
    split: tuple[float, float, float]  # train, validation, test
    softening: float


@dataclass(frozen=True)
class ConvNet:
    """Sizes of a ResNet with one block in each stage."""

    channels: tuple[int, ...]
    stem: int  # side of the first kernel
    max_pool: bool


@dataclass(frozen=True)
class TwoViews:
    """Pretraining on pairs of views: Barlow Twins, and SimCLR with the same budget.

    `width` is that of the projector and of the embedding; `redundancy_weight` the paper's lambda.
    """

    epochs: int
    batch_size: int
    optimizer: str
    lr: float
    lr_bias: float  # of one-dimensional parameters, with LARS
    schedule: str
    warmup_epochs: int
    weight_decay: float
    betas: tuple[float, float]
    width: int
    redundancy_weight: float


@dataclass(frozen=True)
class ImageFinetuning:
    """Classifiers, from scratch or from a pretrained encoder.

    With a fraction f of the labels they are trained for `epochs` / sqrt(f) epochs, as in AstroM3: with
    constant `epochs` those with few labels would be far from converged.
    """

    epochs: int
    batch_size: int
    lr: float
    schedule: str
    warmup_epochs: int
    weight_decay: float
    betas: tuple[float, float]


@dataclass(frozen=True)
class Ablations:
    """Short pretrainings that differ from the profile's in one thing each.

    `batch_sizes`, `widths` and `redundancy_weights` are the points of figures 2, 4 and 5; the profile's own
    values should be among them. `lr_factors` are tried for each batch size and the best on the validation
    images is kept.
    """

    epochs: int
    seeds: tuple[int, ...]
    batch_sizes: tuple[int, ...]
    lr_factors: tuple[float, ...]
    widths: tuple[int, ...]
    redundancy_weights: tuple[float, ...]


@dataclass(frozen=True)
class BarlowTwins:
    """Everything the Barlow Twins notebooks need."""

    workers: int  # trainings side by side, a thread each; 0: one for each CPU core
    seeds: tuple[int, ...]
    fractions: tuple[float, ...]  # of the labels
    data: ImageData
    convnet: ConvNet
    transformer: Transformer
    resnet_pretraining: TwoViews
    vit_pretraining: TwoViews
    autoencoder: Pretraining
    finetuning: ImageFinetuning
    ablations: Ablations
