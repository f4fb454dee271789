"""Results of the benchmark on disk: new rows replace those of the same machine, stage and way, no others."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from astrolib.report import tables

THROUGHPUT, SCALING, SLOPES, TARGETS = "throughput", "scaling", "slopes", "targets"
"""Names of the tables."""
KEYS = {
    THROUGHPUT: ("machine", "stage", "way"),
    SCALING: ("machine", "stage", "against", "way", "x"),
    SLOPES: ("machine", "stage", "against", "way"),
}


def load(folder: Path, name: str) -> pd.DataFrame:
    """A table of earlier measurements; empty if there is none.

    Raises
    ------
    ValueError
        If the file cannot be read.
    """
    path = Path(folder) / f"{name}.csv"
    if not path.exists():
        return pd.DataFrame()
    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path} cannot be read ({error}). It holds measurements of this and other machines: restore it, "
            "or move it away to begin anew."
        ) from error


def keep(
    folder: Path, name: str, new: pd.DataFrame, reading: Sequence[str], stale: Sequence[str] = ()
) -> pd.DataFrame:
    """Put new rows among those on disk.

    Parameters
    ----------
    folder : Path
    name : str
        Of the table.
    new : DataFrame
        With the columns of ``KEYS[name]``, `source` and `n_seeds`.
    reading : sequence of str
        Columns of the Markdown table.
    stale : sequence of str
        Keys that alone decide which rows on disk go: ("machine", "stage", "against") drops a whole curve of
        this machine, also points that were not measured again. By default all keys.

    Returns
    -------
    DataFrame
        What is now on disk: rows of the same keys replaced, all others as they were.
    """
    old, keys = load(folder, name), list(stale or KEYS[name])
    if len(old):
        replaced = pd.MultiIndex.from_frame(old[keys]).isin(pd.MultiIndex.from_frame(new[keys]))
        old = old[~replaced]
    table = pd.concat([each for each in (old, new) if len(each)], ignore_index=True)
    save(folder, name, table, reading)
    return table


def save(folder: Path, name: str, table: pd.DataFrame, reading: Sequence[str]) -> None:
    """Write a table as csv, and the columns `reading` as Markdown."""
    shown = [column for column in reading if column in table]
    tables.save_table(_rounded(table), folder, name, reading=table[shown])


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    """Six digits: no measurement has more."""
    numbers = table.select_dtypes("float").columns
    return table.assign(**{name: table[name].map(lambda v: float(f"{v:.6g}")) for name in numbers})
