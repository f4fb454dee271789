"""Train what a notebook would train, on one device or, with torchrun, on many; the notebook then loads it.

    python -m astrolib.train --list
    python -m astrolib.train astromae-pretrain --profile sample --block pcm
    torchrun --nproc_per_node=4 -m astrolib.train astromae-pretrain --profile paper

A run's folder is the same however many processes train it. Each process takes its share of every batch; their
augmentations and masks are drawn separately, so that numbers differ between one process and several as they
do between seeds. An interrupted training goes on where it was when it is asked for again, with as many
processes as before for the same numbers.
"""

import argparse
import inspect
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, get_args

from torch.distributed.elastic.multiprocessing.errors import record

from astrolib import profiles
from astrolib.data.manifest import FetchError
from astrolib.papers import (
    anchor,
    astrom3,
    astromae,
    barlow_networks,
    barlow_twins,
    dual,
    dual_networks,
    radial,
    radial_results,
)
from astrolib.papers.barlow_networks import BARLOW, MAE, SIMCLR
from astrolib.papers.workers import is_first
from astrolib.training.fabric import make_fabric
from astrolib.training.precision import Precision
from astrolib.training.runs import Run, RunError

ALL = "all"
Training = Callable[..., Iterator[Run]]
"""Trains one thing after the other and gives back the run of each when it is done."""


# ---------------------------------------------------------------- what can be trained


def astromae_pretrain(profile: str, number: int, block: Sequence[str]) -> Iterator[Run]:
    """AstroMAE: masked autoencoders without labels (notebooks 10 and 12)."""
    experiment = astromae.Experiment(profile, number)
    for each in block:
        experiment.pretrain(each)
        yield experiment.pretraining_run(each)


def astromae_finetune(
    profile: str, number: int, network: Sequence[str], seed: Sequence[int]
) -> Iterator[Run]:
    """AstroMAE: redshift networks, and the encoders they start from (notebooks 11 and 12)."""
    experiment = astromae.Experiment(profile, number)
    if ALL in network:
        network = tuple(astromae.NETWORKS) if number == 1 else astromae.NETWORKS_FULL_DATA
    for name in network:
        for each in seed or experiment.finetuning.seeds:
            experiment.finetune(name, each)
            yield experiment.finetuning_run(name, each)


def astrom3_clip(profile: str, survey: str, seed: Sequence[int]) -> Iterator[Run]:
    """AstroM3: CLIP on all modalities of the stars (notebook 20)."""
    experiment = _stars(profile, survey)
    for each in seed or experiment.settings.seeds:
        experiment.pretrain(each)
        yield experiment.pretraining_run(each)


def astrom3_classify(
    profile: str,
    survey: str,
    modality: Sequence[str],
    fraction: Sequence[float],
    way: Sequence[str],
    seed: Sequence[int],
) -> Iterator[Run]:
    """AstroM3: classifiers of one or all modalities, and the CLIP they start from (notebook 21)."""
    experiment = _stars(profile, survey)
    known = (astrom3.ALL, *experiment.names)
    if unknown := set(modality) - set(known):
        raise ValueError(f"--modality {', '.join(sorted(unknown))}: this survey has {', '.join(known)}.")
    for share in fraction or experiment.settings.fractions:
        for name in modality or known:
            for start in way:
                for each in seed or experiment.settings.seeds:
                    experiment.classify(name, share, start, each)
                    yield experiment.classifier_run(name, share, start, each)


def barlow_pretrain(
    profile: str, method: Sequence[str], encoder: Sequence[str], seed: Sequence[int]
) -> Iterator[Run]:
    """Barlow Twins, SimCLR and MAE: encoders of galaxy images (notebook 30)."""
    if MAE in method and "resnet" in encoder:
        raise ValueError("A masked autoencoder leaves out patches, which a resnet cannot: add --encoder vit.")
    experiment = barlow_twins.Experiment(profile)
    for name in method:
        for network in encoder:
            for each in seed or experiment.settings.seeds:
                arm = barlow_networks.Arm(name, network, each)
                experiment.pretrain(arm)
                yield experiment.run(arm)


def radial_pretrain(profile: str, seed: Sequence[int]) -> Iterator[Run]:
    """R-MAE: angular sectors hidden about the centre, as the profile has them (notebook 40)."""
    experiment = radial.Experiment(profile)
    for each in seed or experiment.settings.seeds:
        arm = radial_results.default(experiment, each)
        experiment.pretrain(arm)
        yield experiment.run(arm)


def anchor_pretrain(profile: str, seed: Sequence[int]) -> Iterator[Run]:
    """A2-MAE: anchor-aware masking of image sets (notebook 41)."""
    experiment = anchor.Experiment(profile)
    for each in seed or experiment.settings.seeds:
        arm = anchor.Arm(seed=each)
        experiment.pretrain(arm)
        yield experiment.run(arm)


def dual_pretrain(profile: str, backbone: Sequence[str], seed: Sequence[int]) -> Iterator[Run]:
    """STMAE: edges and times hidden in light curves of a detector (notebook 42)."""
    experiment = dual.Experiment(profile)
    for name in backbone:
        for each in seed or experiment.settings.seeds:
            arm = dual_networks.Arm(name, seed=each)
            experiment.pretrain(arm)
            yield experiment.run(arm)


EXPERIMENTS: dict[str, Training] = {
    train.__name__.replace("_", "-"): train
    for train in (
        astromae_pretrain,
        astromae_finetune,
        astrom3_clip,
        astrom3_classify,
        barlow_pretrain,
        radial_pretrain,
        anchor_pretrain,
        dual_pretrain,
    )
}
"""What can be trained, by the name on the command line."""

METHODS, ENCODERS = (BARLOW, SIMCLR, MAE), barlow_networks.ENCODERS
OPTIONS: dict[str, dict[str, Any]] = {
    "number": {"type": int, "choices": (1, 2), "default": 1, "help": "the paper's experiment"},
    "block": {"nargs": "+", "choices": ("plain", "pcm"), "default": ("plain", "pcm")},
    "network": {"nargs": "+", "choices": (*astromae.NETWORKS, ALL), "default": (ALL,), "metavar": "NAME"},
    "survey": {"choices": ("main", "second"), "default": "main", "help": "which of the profile's surveys"},
    "modality": {"nargs": "+", "default": (), "metavar": "NAME", "help": "by default each, and all"},
    "fraction": {"nargs": "+", "type": float, "default": (), "help": "of the labels"},
    "way": {"nargs": "+", "choices": astrom3.WAYS, "default": astrom3.WAYS},
    "method": {"nargs": "+", "choices": METHODS, "default": METHODS[:1]},
    "encoder": {"nargs": "+", "choices": ENCODERS, "default": ENCODERS[:1]},
    "backbone": {"nargs": "+", "choices": dual_networks.BACKBONES, "default": ("AGCRN",)},
    "seed": {"nargs": "+", "type": int, "default": (), "help": "by default those of the profile"},
}
"""Options of the command line: an experiment has those that its function takes."""


# ---------------------------------------------------------------- the command line


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    options = vars(_parser().parse_args(arguments))
    name = options.pop("experiment")
    if options.pop("list") or name is None:
        print("\n".join(f"{each:18s} {_about(train)}" for each, train in EXPERIMENTS.items()))
        return 0
    if options.pop("device") == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before anything asks for a GPU
    if precision := options.pop("precision"):
        os.environ["ASTROLIB_PRECISION"] = precision
    try:
        make_fabric()  # first: every process has its device before it puts a survey there
        for run in EXPERIMENTS[name](**options):
            if is_first():
                history = run.history()
                print(f"{run.folder}: {len(history)} epochs, loss {history['loss'].iloc[-1]:.4g}", flush=True)
    except (ValueError, FloatingPointError, FetchError, RunError) as error:
        print(f"{name}: {error}", file=sys.stderr, flush=True)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m astrolib.train",
        description="Train what a notebook would train; under torchrun with all its processes.",
    )
    parser.add_argument("--list", action="store_true", help="say what can be trained")
    experiments = parser.add_subparsers(dest="experiment", metavar="EXPERIMENT", help="see --list")
    for name, train in EXPERIMENTS.items():
        command = experiments.add_parser(name, description=_about(train))
        command.add_argument("--profile", default="demo", help=f"one of {', '.join(profiles.available())}")
        command.add_argument("--device", choices=("auto", "cpu"), default="auto", help="auto: GPUs if any")
        command.add_argument(
            "--precision", choices=get_args(Precision), help="anything but 32-true makes runs of their own"
        )
        for option in list(inspect.signature(train).parameters)[1:]:
            command.add_argument(f"--{option}", **OPTIONS[option])
    return parser


def _about(train: Training) -> str:
    return inspect.getdoc(train) or ""


def _stars(profile: str, survey: str) -> astrom3.Experiment:
    found = astrom3.experiments(profile)
    if survey == "second" and len(found) == 1:
        raise ValueError(f"Profile {profile} has no second survey of stars: leave --survey out.")
    return found[survey == "second"]


if __name__ == "__main__":
    sys.exit(record(main)())  # torchrun's last words then say what was raised in which process
