"""Folders of arrays that are made once from settings and code, and found again ever after."""

import ast
import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path

from filelock import FileLock

from astrolib import paths

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
