"""What a run leaves on disk: a folder named by everything that determines its result."""

import ast
import dataclasses
import hashlib
import inspect
import json
import os
import sys
import textwrap
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

import filelock
import numpy as np
import pandas as pd
import safetensors.torch
import torch
from torch import nn

from astrolib.training.precision import FULL, wanted_precision


class RunError(RuntimeError):
    """A run's folder cannot be used as it is; the message says what to do."""


class Run:
    """A training run and its folder, ``root / f"{experiment}-{hash}"``.

    The hash covers the settings and the named code: a changed setting is another run in another folder, and
    so is another precision than full (see `wanted_precision`).
    Everything is written aside and moved into place: a file that is there is whole.

    Parameters
    ----------
    root : Path
    experiment : str
        A readable name, the first part of the folder's name.
    settings : mapping
        All that determines the result besides code: model and optimisation settings, seed, data fingerprint.
        Numbers, strings, booleans, None, lists, mappings, dataclasses, paths and small arrays.
    code : iterable of classes, functions or modules
        The source of their modules, and of what these import from their own package, is part of the hash;
        comments, docstrings and layout do not count.

    Attributes
    ----------
    folder : Path
        Holds ``settings.json``, ``history.csv`` and ``timing.csv``; before it is done ``state.pt``, to resume
        from; then ``model.safetensors`` and, written last, ``done.json``.

    Raises
    ------
    TypeError
        If a setting is of a kind that cannot be written to settings.json.

    Examples
    --------
    >>> Run(Path("build/demo/runs"), "pretrain", {"lr": 1e-3, "seed": 42}).folder.name
    'pretrain-bd7de07574'
    """

    def __init__(
        self, root: Path, experiment: str, settings: Mapping[str, Any], code: Iterable[Any | ModuleType] = ()
    ):
        self.experiment = experiment
        self.settings = {
            "experiment": experiment,
            "settings": _plain(settings, experiment),
            "code": {name: _digest(source) for name, source in sorted(_sources(code).items())},
        }
        if wanted_precision() != FULL:
            self.settings["precision"] = wanted_precision()
        self.folder = Path(root) / f"{experiment}-{_digest(json.dumps(self.settings, sort_keys=True))}"

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, done={self.done})"

    @property
    def done(self) -> bool:
        """Whether the final weights are there."""
        return (self.folder / "done.json").exists()

    def lock(self) -> filelock.BaseFileLock:
        """The run's lock, not yet taken; it falls free when its process ends, however it ends."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return filelock.FileLock(self.folder / "lock")

    def history(self) -> pd.DataFrame:
        """One row per epoch: epoch, lr, loss, other logged means, val_*.

        Raises
        ------
        RunError
            If the run has not been trained.
        """
        return self._table("history.csv")

    def timing(self) -> pd.DataFrame:
        """One row per epoch: epoch, seconds, objects_per_second (training passes only), processes."""
        return self._table("timing.csv")

    def _table(self, name: str) -> pd.DataFrame:
        if not (self.folder / name).exists():
            raise RunError(f"{self.folder} has no {name} yet: train this run first.")
        return pd.read_csv(self.folder / name)

    def load_model(self, model: nn.Module) -> nn.Module:
        """Fill `model` with the final weights; it comes back in evaluation mode, on the device it was on.

        Raises
        ------
        RunError
            If the run is not done, or its weights cannot be read or belong to another architecture.
        """
        path = self.folder / "model.safetensors"
        if not self.done:
            raise RunError(f"{self.folder} is not done, it has no final weights: train this run first.")
        try:
            safetensors.torch.load_model(model, path)
        except (OSError, RuntimeError, safetensors.SafetensorError) as error:
            raise RunError(
                f"{path} does not fit {type(model).__name__}. If the model is the one of "
                f"{self.folder / 'settings.json'}, the file is damaged: delete the folder {self.folder} "
                f"and the run is made again. ({error})"
            ) from error
        return model.eval()

    # What `fit` writes, in this order. Only the process that holds the lock writes.

    def write_settings(self) -> None:
        self._write_text("settings.json", json.dumps(self.settings, indent=2, sort_keys=True) + "\n")

    def write_state(self, state: Mapping[str, Any]) -> None:
        """Tensors and plain values to resume from; its "history" and "timing" rows also become csv files."""
        write_aside(self.folder / "state.pt", lambda path: torch.save(dict(state), path))
        self._write_tables(state)

    def read_state(self, device: torch.device | str = "cpu") -> dict[str, Any] | None:
        """The state last written, or None.

        Raises
        ------
        RunError
            If the file cannot be read.
        """
        path = self.folder / "state.pt"
        if not path.exists():
            return None
        try:
            return torch.load(path, map_location=device, weights_only=True)
        except Exception as error:  # torch raises whatever its archive reader or unpickler stumbled on
            raise RunError(
                f"The state of an interrupted run in {path} cannot be read: {type(error).__name__}: {error}. "
                "Delete that file and the run starts over."
            ) from error

    def finish(self, model: nn.Module, state: Mapping[str, Any], summary: Mapping[str, Any]) -> None:
        """Final weights, tables, then the marker; the state to resume from is no longer needed."""
        weights = self.folder / "model.safetensors"
        write_aside(weights, lambda path: safetensors.torch.save_model(model, str(path)))
        self._write_tables(state)
        self._write_text("done.json", json.dumps(_plain(summary, "summary"), indent=2, sort_keys=True) + "\n")
        (self.folder / "state.pt").unlink(missing_ok=True)

    def summary(self) -> dict[str, Any]:
        """What `finish` noted: the arguments of the training and the epoch whose weights were kept."""
        return json.loads((self.folder / "done.json").read_text())

    def _write_tables(self, state: Mapping[str, Any]) -> None:
        for name in ("history", "timing"):
            if state[name]:
                self._write_text(f"{name}.csv", pd.DataFrame(state[name]).to_csv(index=False))

    def _write_text(self, name: str, text: str) -> None:
        write_aside(self.folder / name, lambda path: path.write_text(text, encoding="utf-8"))


def write_aside(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a file beside `path`, then move it into place; after a failure `path` is what it was.

    Raises
    ------
    RunError
        If the file cannot be written.
    """
    aside = path.with_name(f".{path.name}.part")
    try:
        write(aside)
        with aside.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(aside, path)
    except (
        OSError,
        RuntimeError,
        safetensors.SafetensorError,
    ) as error:  # torch reports a full disk as RuntimeError
        raise RunError(
            f"{path} could not be written ({error}). What was there before is unharmed: make room on the "
            "disk or check its permissions, and ask again; it goes on from what was saved last."
        ) from error
    finally:
        aside.unlink(missing_ok=True)


def _plain(value: Any, where: str) -> Any:
    """Settings as JSON values; equal settings give equal JSON whatever type they came in."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{where}.{key}") for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic | torch.Tensor):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(
        f"The setting {where} is a {type(value).__name__}, which settings.json cannot hold: "
        "give a number, string, list, mapping or dataclass that stands for it."
    )


def _sources(items: Iterable[Any]) -> dict[str, str]:
    """Source by name: of the modules that define the items and of all they import from their own package."""
    found: dict[str, str] = {}
    waiting = list(items)
    while waiting:
        item = waiting.pop()
        if inspect.ismodule(item):
            source = Path(item.__file__).read_text(encoding="utf-8") if item.__file__ else ""
        elif item.__module__ == "__main__":  # a class or function written in a notebook or script
            source = textwrap.dedent(inspect.getsource(item))
        else:
            waiting.append(sys.modules[item.__module__])
            continue
        if item.__name__ not in found:
            found[item.__name__], names = _parsed(source, getattr(item, "__package__", None) or "")
            waiting += _of_the_same_package(names, item) if inspect.ismodule(item) else []
    return found


def _of_the_same_package(names: Iterable[str], module: ModuleType) -> list[ModuleType]:
    package = module.__name__.partition(".")[0] + "."
    return [sys.modules[name] for name in names if name.startswith(package) and name in sys.modules]


@lru_cache(maxsize=1024)  # every run of a paper asks for the same modules
def _parsed(source: str, package: str) -> tuple[str, frozenset[str]]:
    """The source without comments, docstrings and layout, and the full names of what it imports."""
    tree, names = ast.parse(source), set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if ast.get_docstring(node, clean=False) is not None:
                node.body = node.body[1:] or [ast.Pass()]
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = resolve_name("." * node.level + (node.module or ""), package)
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return ast.unparse(tree), frozenset(names)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:10]
