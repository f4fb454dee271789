"""What notebooks leave behind: numbers on disk, and figures and tables drawn from them without training."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from astrolib import paths, profiles
from astrolib.report import style, tables


class MissingResult(FileNotFoundError):
    """A figure was asked for before its numbers were made."""


def keep(profile: str, name: str, table: pd.DataFrame) -> None:
    """Keep a table of a profile's results under a name."""
    write_table(table, paths.results(profile) / f"{name}.parquet")


def load(profile: str, name: str) -> pd.DataFrame:
    """Read a table that was kept.

    Raises
    ------
    MissingResult
        If the notebook that makes it has not run in this profile.
    """
    return pd.read_parquet(_existing(profile, f"{name}.parquet"))


def keep_arrays(profile: str, name: str, **arrays: np.ndarray | str) -> None:
    """Keep arrays of a profile's results under a name."""
    path = paths.results(profile) / f"{name}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.part")
    with open(aside, "wb") as file:
        np.savez_compressed(file, **arrays)
    os.replace(aside, path)


def load_arrays(profile: str, name: str) -> dict[str, np.ndarray]:
    """Read arrays that were kept; raises as `load`."""
    with np.load(_existing(profile, f"{name}.npz"), allow_pickle=False) as file:
        return dict(file)


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write Parquet aside, then move it into place: a reader never meets half a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.part")
    table.to_parquet(aside, index=False)
    os.replace(aside, path)


def save_figure(profile: str, name: str, figure: Figure, source: str) -> Figure:
    """Save a figure among the profile's, stamped with its source, and hand it back for display."""
    style.save(figure, paths.figures(profile) / f"{name}.png", str(source))
    return figure


def save_table(profile: str, name: str, table: pd.DataFrame) -> Markdown:
    """Save a table among the profile's as csv and md, and hand it back for display."""
    tables.save_table(table, paths.figures(profile), name)
    return Markdown(tables.markdown(table))


def redraw_command(module: str, description: str, redraw: Callable, arguments: Sequence[str] | None) -> int:
    """Command line of a module that draws a paper's figures again; returns the exit code.

    Parameters
    ----------
    module, description : str
        For its help.
    redraw : callable
        ``redraw(profile)`` draws everything and returns the names.
    arguments : sequence of str, optional
        Of the command line; by default those of the process.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    parser.add_argument("--profile", default="demo", help=f"one of {', '.join(profiles.available())}")
    try:
        names = redraw(parser.parse_args(arguments).profile)
    except (MissingResult, profiles.ProfileError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Drew {len(names)} figures and tables.")
    return 0


def _existing(profile: str, file: str) -> Path:
    path = paths.results(profile) / file
    if not path.exists():
        raise MissingResult(
            f"The numbers {path} do not exist yet. Run `make all PROFILE={profile}` or the notebook that "
            "makes them (notebooks build on each other in the order of their numbers), then draw again."
        )
    return path
