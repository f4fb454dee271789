"""Settings of dual masking (STMAE), see `astrolib.profiles`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DetectorData:
    """Which simulated detectors, and how their light curves are cut into windows.

    Each seed of the profile draws a detector of its own. `stride` counts for training and validation windows
    only; every test window is forecast.
    """

    n_stars: int
    n_times: int
    gaps: float  # share of the points that is missing
    neighbours: int  # of each star in the graph
    n_in: int  # cadences that are read
    n_out: int  # cadences that are forecast
    stride: int  # cadences between the starts of two training windows


@dataclass(frozen=True)
class GraphNetwork:
    """Sizes of the three backbones."""

    width: int
    layers: int  # of the recurrent ones
    convolutions: int  # layers of MTGNN
    node_dim: int  # of the learned embedding of a star


@dataclass(frozen=True)
class DualMasking:
    """What is hidden in pre-training, and what counts: the published method's own settings."""

    edge_ratio: float  # of the edges
    walks: int  # from each root
    length: int  # steps of a walk
    p: float  # return parameter
    q: float  # in-out parameter
    time_ratio: float  # of the patches of time
    patch: int  # cadences in one
    time_mode: str  # "shared", "per_sample" or "per_node"
    structure_weight: float  # the paper's lambda


@dataclass(frozen=True)
class GraphTraining:
    """Pre-training takes `epochs`, fine-tuning as many; from scratch it is once and twice as many."""

    epochs: int
    batch_size: int
    lr: float
    schedule: str
    warmup_epochs: int
    weight_decay: float
    betas: tuple[float, float]
    grad_clip: float
    decoupled: bool


@dataclass(frozen=True)
class DualAblations:
    """What is varied, AGCRN alone: an empty list is not run.

    `variants` are names of `astrolib.papers.dual_networks.VARIANTS`, `f_sys` shares of systematics beside
    the usual one. The others are values of the setting of the same name in `DualMasking`.
    """

    variants: tuple[str, ...]
    f_sys: tuple[float, ...]
    edge_ratios: tuple[float, ...]
    time_ratios: tuple[float, ...]
    patches: tuple[int, ...]
    p: tuple[float, ...]
    q: tuple[float, ...]
    structure_weights: tuple[float, ...]


@dataclass(frozen=True)
class Dual:
    """Everything the notebook on dual masking needs."""

    workers: int  # trainings side by side, a thread each; 0: one for each CPU core
    seeds: tuple[int, ...]
    data: DetectorData
    network: GraphNetwork
    masking: DualMasking
    training: GraphTraining
    ablations: DualAblations
