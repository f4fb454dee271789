"""What a predicted catalogue leaves on disk: a Parquet file for each shard, and a summary at the end."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from astrolib.data.shards import Shards
from astrolib.training.runs import write_aside

SETTINGS = b"astrolib.catalogue"  # in the metadata of every Parquet file
OWN_COLUMNS = ("row", "source", "fault")


class CatalogueError(ValueError):
    """A catalogue cannot be predicted; the message says why and what to do."""


class CatalogueFolder:
    """A catalogue and its folder; every file is written aside and moved, so a file that is there is whole.

    ``catalogue.parquet/00000.parquet``, and so on, hold the objects of one shard each, in the shard's order:

    - ``row``, the row number in the survey, and the columns carried over from it;
    - the predictions, a column each; vectors are lists of fixed length;
    - ``source``, where the survey comes from, in words;
    - ``fault``, why a prediction is not finite; null for all others.

    When all are there, ``bad_rows.csv`` lists the rows with a fault and, written last, ``catalogue.json``
    says what was predicted from what and how many rows it has.

    Parameters
    ----------
    folder : Path
        Made if need be.
    shards : Shards
        The survey.
    settings : mapping
        All that determines the predictions besides the survey, as plain JSON: network, hash of its weights,
        precision. It stands in every Parquet file, so that predictions of two networks never mix.
    columns : sequence of str
        Arrays of the survey that are carried over.
    inputs : sequence of str
        Arrays of the survey that the network sees; where a prediction is not finite they are looked at too.

    Raises
    ------
    CatalogueError
        If the survey has no such arrays, columns would have the name of one of the catalogue's own, or the
        folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        shards: Shards,
        settings: Mapping[str, Any],
        *,
        columns: Sequence[str] = ("id",),
        inputs: Sequence[str] = (),
    ):
        self.folder, self.shards = Path(folder), shards
        self.columns, self.inputs = tuple(dict.fromkeys(columns)), tuple(inputs)  # each once
        unknown = sorted({*columns, *inputs} - set(shards.names))
        if unknown:
            raise CatalogueError(
                f"The survey {shards.folder} has no array {', '.join(unknown)}; it has "
                f"{', '.join(shards.names)}. Ask for others, or write the survey again with those."
            )
        if taken := sorted({*OWN_COLUMNS} & {*columns}):
            raise CatalogueError(
                f"Every catalogue has columns {', '.join(OWN_COLUMNS)} of its own: leave "
                f"{' and '.join(taken)} out of those to carry over, or rename them in the survey."
            )
        self._settings = dict(settings)
        try:
            self.tables.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CatalogueError(f"{self.tables} cannot be made ({error}): choose another folder.") from None

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What makes this catalogue another one if it changes."""
        about = {"survey": self.shards.fingerprint(), "columns": self.columns}
        return json.loads(json.dumps(self._settings | about))  # as they read back: lists for tuples

    @property
    def source(self) -> str:
        """Where the survey comes from, in words."""
        return str(self.shards.about.get("source", "unknown"))

    @property
    def tables(self) -> Path:
        """The folder of the Parquet files alone, which pandas and pyarrow read as one table."""
        return self.folder / "catalogue.parquet"

    def path(self, i: int) -> Path:
        """The file of shard `i`."""
        return self.tables / f"{i:05d}.parquet"

    @contextmanager
    def held(self, rank: int) -> Iterator[None]:
        """Hold the lock of a rank; it falls free when its process ends, however it ends.

        Rank 0 comes first and looks at the locks of all ranks: one of an earlier attempt may have outlived
        the others.

        Raises
        ------
        CatalogueError
            If another process is at work in the folder.
        """
        own = self.folder / f"lock-{rank}"
        others = set(self.folder.glob("lock-*")) - {own} if rank == 0 else ()
        with ExitStack() as locks:
            try:
                locks.enter_context(filelock.FileLock(own, timeout=0))
                for path in others:
                    with filelock.FileLock(path, timeout=0):
                        pass
            except filelock.Timeout as error:
                raise CatalogueError(
                    f"Another process is predicting into {self.folder} and holds {error.lock_file}. Run this "
                    "again when it has ended, if something is missing then; or choose another folder."
                ) from None
            yield

    def missing(self) -> list[int]:
        """Shards that have no file yet.

        Raises
        ------
        CatalogueError
            If a file in the folder is damaged or belongs to another catalogue.
        """
        expected = {self.path(i): i for i in range(len(self.shards))}
        for path in sorted(self.tables.glob("*.parquet")):
            self._check(path, expected.get(path))
        return [i for path, i in expected.items() if not path.exists()]

    def reopen(self) -> None:
        """Take ``catalogue.json`` away: the catalogue is not whole until `finish`."""
        (self.folder / "catalogue.json").unlink(missing_ok=True)

    def write(self, i: int, arrays: Mapping[str, np.ndarray], predictions: Mapping[str, np.ndarray]) -> None:
        """The file of shard `i` from its `arrays` and from what was predicted for it, (rows, ...) each."""
        taken = sorted({*OWN_COLUMNS, *self.columns} & set(predictions))
        if taken or not predictions:
            raise CatalogueError(
                f"The predictions are called {', '.join(predictions) or 'nothing'}: give each a name that no "
                f"other column has ({', '.join([*OWN_COLUMNS, *self.columns])})."
            )
        start, stop = self.shards.bounds[i : i + 2]
        columns = {"row": pa.array(np.arange(start, stop))}
        columns |= {name: _column(arrays[name], name) for name in self.columns}
        columns |= {name: _column(values, name) for name, values in predictions.items()}
        columns["source"] = pa.repeat(pa.scalar(self.source), stop - start)
        columns["fault"] = pa.array(self._faults(arrays, predictions), pa.string())
        table = pa.table(columns).replace_schema_metadata({SETTINGS: json.dumps(self.settings)})
        few_values = ["source", "fault"]
        write_aside(self.path(i), lambda path: pq.write_table(table, path, use_dictionary=few_values))

    def finish(self) -> None:
        """Look whether every row is there, then write ``bad_rows.csv`` and ``catalogue.json``.

        Raises
        ------
        CatalogueError
            If a shard has no file, or its file is not what it should be.
        """
        if missing := self.missing():
            raise CatalogueError(
                f"{self.folder} has no predictions yet for {len(missing)} of {len(self.shards)} shards, the "
                f"first is {missing[0]:05d}: a process ended early. Run the same command again."
            )
        names, faulty = ["row", *self.columns, "fault"], pc.field("fault").is_valid()
        tables = [self.path(i) for i in range(len(self.shards))]
        bad = pq.read_table(tables, columns=names, filters=faulty).to_pandas()
        shard = np.searchsorted(self.shards.bounds, bad["row"], side="right") - 1
        bad.insert(0, "shard", [f"{i:05d}" for i in shard])
        write_aside(self.folder / "bad_rows.csv", lambda path: bad.to_csv(path, index=False))
        counts = {"n_objects": self.shards.n_objects, "n_shards": len(self.shards), "n_bad": len(bad)}
        words = {"source": self.source, "n_seeds": 1, **counts}
        text = json.dumps(words | {"settings": self.settings}, indent=1) + "\n"
        write_aside(self.folder / "catalogue.json", lambda path: path.write_text(text, encoding="utf-8"))

    def summary(self) -> dict[str, Any]:
        """What ``catalogue.json`` says."""
        return json.loads((self.folder / "catalogue.json").read_text(encoding="utf-8"))

    def bad_rows(self) -> pd.DataFrame:
        """Columns shard, row, those carried over, and fault, of all rows without a finite prediction."""
        return pd.read_csv(self.folder / "bad_rows.csv", dtype={"shard": str})

    def _faults(
        self, arrays: Mapping[str, np.ndarray], predictions: Mapping[str, np.ndarray]
    ) -> list[str | None]:
        faults: list[str | None] = [None] * len(next(iter(predictions.values())))
        finite = {name: _finite(values) for name, values in predictions.items()}
        for row in np.flatnonzero(~np.all(list(finite.values()), axis=0)):
            wrong = [name for name, good in finite.items() if not good[row]]
            causes = [name for name in self.inputs if not _finite(arrays[name][row : row + 1])[0]]
            because = f"so in the survey: {' and '.join(causes)}" if causes else "though all inputs are"
            faults[row] = f"{' and '.join(wrong)} not finite, {because}"
        return faults

    def _check(self, path: Path, i: int | None) -> None:
        """Raise unless a Parquet file is the one of shard `i` in this catalogue."""
        try:
            footer = pq.read_metadata(path)
            found = json.loads(footer.metadata[SETTINGS])
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise CatalogueError(
                f"{path} is damaged or no file of a catalogue ({type(error).__name__}: {error}). Delete that "
                "file and run the same command again: its shard alone is predicted anew."
            ) from None
        names = sorted(found.keys() | self.settings.keys())
        different = [
            f"{name}: {found.get(name)}, now {self.settings.get(name)}"
            for name in names
            if found.get(name) != self.settings.get(name)
        ]
        if different:
            raise CatalogueError(
                f"{path} was predicted with other settings ({'; '.join(different)}). A folder holds one "
                f"catalogue: choose another folder, or delete {self.folder} if it is no longer wanted."
            )
        rows = None if i is None else int(self.shards.bounds[i + 1] - self.shards.bounds[i])
        if footer.num_rows != rows:
            raise CatalogueError(
                f"{path} has {footer.num_rows} rows, the survey has {rows or 'none'} there. Delete that file "
                "and run the same command again."
            )


def _finite(values: np.ndarray) -> np.ndarray:
    """(N, ...) to (N,): whether all numbers of a row are finite; whole numbers and text always are."""
    if values.dtype.kind not in "fc":
        return np.ones(len(values), bool)
    return np.isfinite(values).reshape(len(values), -1).all(axis=1)


def _column(values: np.ndarray, name: str) -> pa.Array:
    """(N,) or (N, M) values as a column; rows of M are lists of fixed length."""
    values = np.ascontiguousarray(values.astype(str) if values.dtype.kind == "S" else values)
    if values.ndim > 2:
        raise CatalogueError(
            f"{name} has the shape {values.shape[1:]} for each object: a column takes a number, a text or a "
            "vector, so flatten it or leave it out."
        )
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
