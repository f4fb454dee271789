"""Measure every stage on this machine, the library beside a plain loop, and keep and draw what was found."""

import argparse
import logging
import sys
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import torch

from astrolib import paths
from astrolib.bench import datapath, keep, scaling, targets
from astrolib.bench.galaxies import PCM, PLAIN_VIT, AstroMAE
from astrolib.bench.images import BarlowTwins
from astrolib.bench.inference import Inference
from astrolib.bench.machine import Machine, this_machine
from astrolib.bench.sizes import Sizes, sizes
from astrolib.bench.stage import Stage
from astrolib.bench.stars import astrom3
from astrolib.report import bench as report


def _pretraining(wanted: Sizes, machine: Machine) -> list[Stage]:
    parts = AstroMAE(wanted.profile, wanted.pretraining, machine.device)
    return [parts.pretraining(machine, block) for block in (PLAIN_VIT, PCM)]


def _finetuning(wanted: Sizes, machine: Machine) -> list[Stage]:
    return [AstroMAE(wanted.profile, wanted.finetuning, machine.device).finetuning(machine)]


def _inference(wanted: Sizes, machine: Machine) -> list[Stage]:
    return [Inference(AstroMAE(wanted.profile, wanted.inference, machine.device)).stage(machine)]


def _astrom3(wanted: Sizes, machine: Machine) -> list[Stage]:
    return [astrom3(wanted.profile, wanted.astrom3, machine)]


def _barlow(wanted: Sizes, machine: Machine) -> list[Stage]:
    return [BarlowTwins(wanted.profile, wanted.barlow, machine.device).stage(machine)]


def _data(wanted: Sizes, machine: Machine) -> list[Stage]:
    parts = AstroMAE(wanted.profile, wanted.pretraining, machine.device)
    return datapath.DataPath(parts).stages(machine)


STAGES: dict[str, Callable[[Sizes, Machine], list[Stage]]] = {
    "pretraining": _pretraining,
    "finetuning": _finetuning,
    "inference": _inference,
    "astrom3": _astrom3,
    "barlow": _barlow,
    "data": _data,
}
"""What `--only` can name, besides "scaling"."""


def run(names: list[str], wanted: Sizes, machine: Machine, folder: Path) -> None:
    """Measure stages and keep each as soon as it is done, with figures and verdicts drawn anew."""
    started = datetime.now(UTC).isoformat(timespec="seconds")
    about = {"profile": wanted.profile, "run": started, "date": started[:10]}
    for name in names:
        machine = machine.sharpened()
        print(f"{name} on {machine.name}", flush=True)
        if name == "scaling":
            for points in scaling.measured(wanted, machine):
                points, curve = points.assign(**about), ("machine", "stage", "against")
                keep.keep(folder, keep.SCALING, points, report.SCALING_READING, stale=curve)
                slopes = scaling.slopes(points).assign(**about)
                keep.keep(folder, keep.SLOPES, slopes, report.SLOPES_READING, stale=curve)
        else:
            for stage in STAGES[name](wanted, machine):
                table = stage.measured(machine).assign(**about)
                keep.keep(folder, keep.THROUGHPUT, table, report.THROUGHPUT_READING)
                print(report.summary(table), flush=True)
        verdicts = targets.judged(keep.load(folder, keep.THROUGHPUT))
        keep.save(folder, keep.TARGETS, verdicts, list(verdicts))
        report.draw(folder)


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    every = [*STAGES, "scaling"]
    parser = argparse.ArgumentParser(prog="python -m astrolib.bench", description=__doc__)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument(
        "--out",
        type=Path,
        help="folder of the results: figures/bench, or for small sizes build/bench/results",
    )
    parser.add_argument(
        "--size", choices=["paper", "small"], default="paper", help="the papers' networks, or demo's"
    )
    parser.add_argument(
        "--only", default=",".join(every), metavar="STAGE,STAGE", help=f"any of {', '.join(every)}"
    )
    options = parser.parse_args(arguments)
    out = options.out or (paths.figures("bench") if options.size == "paper" else paths.results("bench"))
    names = options.only.split(",")
    if unknown := [name for name in names if name not in every]:
        parser.error(f"there is no stage {', '.join(unknown)}: choose from {', '.join(every)}")
    if options.device == "cuda" and not torch.cuda.is_available():
        parser.error("PyTorch finds no GPU here: leave --device out to measure the CPU")
    warnings.filterwarnings("ignore", message="This DataLoader will create")  # more workers than cores
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # says which precision, at every fabric
    try:
        keep.load(out, keep.THROUGHPUT)  # what cannot be read shows before anything is measured
        run(names, sizes(options.size, options.device), this_machine(options.device), out)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"written to {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
