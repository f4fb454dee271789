"""Arrays that are made once from files, settings and code, and found again ever after."""

import ast
import difflib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from filelock import FileLock

from astrolib import paths
from astrolib.data.galaxies import SurveyError
from astrolib.data.manifest import load_manifest

PACKAGE = Path(__file__).parent.parent


def derived_folder(name: str, settings: dict, code: Iterable[str], make: Callable[[Path], None]) -> Path:
    """The folder that `make` fills, made the first time it is asked for with these settings and this code.

    Parameters
    ----------
    name : str
        First part of the folder's name.
    settings : dict
        All that determines the content besides code; what JSON can hold.
    code : iterable of str
        Modules, as paths in the package, whose code decides about the content; comments, docstrings' layout
        and line breaks do not count.
    make : callable
        ``make(folder)`` writes the folder, which does not exist yet, aside and moves it there when complete.

    Returns
    -------
    Path
        A folder below `astrolib.paths.arrays()`. Two processes that ask at once make it once.
    """
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for file in (PACKAGE / path for path in code):
        digest.update(ast.dump(ast.parse(file.read_text())).encode())
    folder = paths.arrays() / f"{name}-{digest.hexdigest()[:10]}"
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if not folder.is_dir():  # unless another process made it while this one waited
                make(folder)
    return folder


def loader_of(source: str, sources: Mapping[str, Callable], what: str, wanted: int | None) -> Callable:
    """The function behind the name of a source.

    Parameters
    ----------
    source, sources : str, mapping
        The name asked for, and all there are.
    what : str
        "galaxies", "stars" or "images", for messages.
    wanted : int, optional
        How many of them are asked for; None means all.

    Raises
    ------
    SurveyError
        If there is no such source, or fewer than one object is wanted.
    """
    one = {"galaxies": "galaxy", "stars": "star", "images": "image"}[what]
    if source not in sources:
        close = difflib.get_close_matches(source, sources, n=2) or sources
        raise SurveyError(f"There is no {one} survey {source!r}. Did you mean {' or '.join(close)}?")
    if wanted is not None and wanted < 1:
        raise SurveyError(f"n_{what} = {wanted}: a survey needs at least one {one}; None means all.")
    return sources[source]


def dataset_identity(dataset: str) -> list:
    """What tells one version of a dataset from another: published hashes, else size and date of the files."""
    identity = []
    for file in load_manifest(dataset).files:
        stat = (paths.data_cache() / file.name).stat()
        identity.append(file.hash or [file.name, stat.st_size, stat.st_mtime_ns])
    return identity


def chosen_rows(n: int, wanted: int | None, seed: int, what: str) -> np.ndarray | slice:
    """Sorted random rows out of `n`, all of them if no number is wanted.

    Raises
    ------
    SurveyError
        If there are not as many; `what` they are, "galaxies", "stars" or "images", is in the
        message.
    """
    if wanted is None or wanted == n:
        return slice(None)
    if wanted > n:
        raise SurveyError(f"n_{what} = {wanted:,}, but this survey has only {n:,} {what} that can be used.")
    return np.sort(np.random.default_rng(seed).choice(n, wanted, replace=False))
