"""Redshifts for a whole survey, from its shards on disk to Parquet files.

python -m astrolib.catalogue shards --profile demo --out build/demo/shards
python -m astrolib.catalogue predict --profile demo --survey build/demo/shards --out build/demo/redshifts
"""

import argparse
import sys
from pathlib import Path

import torch

from astrolib import profiles
from astrolib.catalogue.inference import predict_catalogue
from astrolib.catalogue.outputs import CatalogueError, CatalogueFolder
from astrolib.catalogue.redshifts import INPUTS, PRECISIONS, RedshiftPredictor, survey_shards
from astrolib.data.galaxies import SurveyError
from astrolib.data.manifest import FetchError
from astrolib.data.shards import ShardError, open_shards
from astrolib.papers.astromae import NETWORKS, Experiment
from astrolib.training.fabric import make_fabric
from astrolib.training.runs import RunError


def shards(options: argparse.Namespace) -> None:
    """The profile's own galaxies as shards."""
    survey_shards(options.profile, options.out, rows_per_shard=options.rows_per_shard, dtype=options.dtype)
    made = open_shards(options.out)
    print(f"{made.n_objects:,} galaxies in {len(made)} shards: {options.out} ({made.about['source']}).")


def predict(options: argparse.Namespace) -> None:
    """A catalogue from shards; under torchrun, by all ranks."""
    if options.device == "cuda" and not torch.cuda.is_available():
        raise CatalogueError("--device cuda: torch finds no GPU here. Leave the option out to use the CPU.")
    survey, fabric = open_shards(options.survey), make_fabric(options.device)
    experiment = Experiment(options.profile, options.experiment)
    predictor = RedshiftPredictor(
        experiment,
        options.model,
        options.seed,
        device=fabric.device,
        precision=options.precision,
        density=options.density,
    )
    predictor.check(survey)
    summary = predict_catalogue(
        survey,
        predictor,
        options.out,
        settings=predictor.settings,
        inputs=INPUTS,
        columns=options.columns,
        batch_size=options.batch_size,
        fabric=fabric,
    )
    if not fabric.is_global_zero:
        return
    folder = CatalogueFolder(options.out, survey, predictor.settings, columns=options.columns, inputs=INPUTS)
    print(f"{summary['n_objects']:,} objects in {summary['n_shards']} files: {folder.tables}")
    if summary["n_bad"]:
        counts = folder.bad_rows()["shard"].value_counts().sort_index()
        listed = ", ".join(f"{shard}: {count}" for shard, count in counts.items())
        print(
            f"{summary['n_bad']:,} of them have no finite prediction (by shard: {listed}). They are in the "
            f"catalogue all the same; {options.out / 'bad_rows.csv'} names them and the reasons."
        )


def main(arguments: list[str] | None = None) -> int:
    """Command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m astrolib.catalogue", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="shards|predict")
    known = f"one of {', '.join(profiles.available())}"

    make = commands.add_parser("shards", help="write a profile's own galaxies as shards")
    make.add_argument("--profile", default="demo", help=known)
    make.add_argument("--out", type=Path, required=True, help="folder of shards, which must not exist yet")
    make.add_argument("--rows-per-shard", type=int, default=32768)
    make.add_argument("--dtype", choices=["float16", "float32"], default="float16", help="of the images")
    make.set_defaults(command=shards)

    run = commands.add_parser("predict", help="predict the redshift of every galaxy of a survey in shards")
    run.add_argument("--profile", default="demo", help=f"where the network was trained: {known}")
    run.add_argument("--model", default="pcm-AstroMAE", help=f"one of {', '.join(NETWORKS)}")
    run.add_argument("--seed", type=int, default=42)
    run.add_argument("--experiment", type=int, choices=[1, 2], default=1, help="of the AstroMAE paper")
    run.add_argument("--survey", type=Path, required=True, help="folder of shards")
    run.add_argument(
        "--out", type=Path, required=True, help="folder of the catalogue; an interrupted one goes on"
    )
    run.add_argument("--columns", nargs="*", default=["id"], help="arrays of the survey to carry over")
    run.add_argument("--density", action="store_true", help="predict the redshift's probability density too")
    run.add_argument("--batch-size", type=int, default=4096)
    run.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto")
    run.add_argument("--precision", choices=PRECISIONS, default="32-true")
    run.set_defaults(command=predict)

    options = parser.parse_args(arguments)
    try:
        options.command(options)
    except torch.OutOfMemoryError as error:
        print(
            f"{error}\nRun the same command again with a smaller --batch-size: it goes on.", file=sys.stderr
        )
        return 1
    except (CatalogueError, ShardError, SurveyError, FetchError, RunError, profiles.ProfileError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
