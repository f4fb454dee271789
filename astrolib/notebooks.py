"""Execute one notebook so that only a complete run counts as made.

The Makefile decides which notebook to run and calls

    python -m astrolib.notebooks notebooks/00_start_here.ipynb build/demo/notebooks/00_start_here.ipynb demo

The copy is written to `running/` beside the target's folder while cells run, and is moved from there: to its
target after the last cell, to `failed/`, with the traceback in it, after a cell that raised.
"""

import os
import signal
import sys
import time
from pathlib import Path

import nbformat
import papermill
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from astrolib import paths


def execute(source: Path, target: Path, profile: str) -> None:
    """Run `source` with a profile and leave the executed copy at `target`.

    Parameters
    ----------
    source : Path
        A notebook with a cell tagged `parameters` that sets `profile`.
    target : Path
        Where the executed copy goes, `<folder>/notebooks/<name>.ipynb`; a copy from before is removed first.
    profile : str
        Replaces the value of `profile` in the notebook.

    Raises
    ------
    SystemExit
        If a cell raised, the kernel died or the run was interrupted; the message names the copy to look at.

    Examples
    --------
    >>> execute(Path("notebooks/01_data.ipynb"), Path("build/demo/notebooks/01_data.ipynb"), "demo")
    """
    running, failed = (target.parent.parent / state / target.name for state in ("running", "failed"))
    for path in (target, running, failed):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
    started = time.time()
    print(f"{source.stem}: running with profile {profile}", flush=True)
    try:
        papermill.execute_notebook(
            source,
            running,
            {"profile": profile},
            kernel_name="python3",
            cwd=paths.project(),
            progress_bar=sys.stderr.isatty(),
            config=Config(KernelManager={"transport_encryption": "auto"}),  # nobody else may read or steer it
        )
    except KeyboardInterrupt:
        running.unlink(missing_ok=True)
        raise SystemExit(f"{source.stem}: interrupted, nothing was kept of this notebook's copy") from None
    except Exception as error:
        look_at = failed if running.exists() else source
        if look_at is failed:
            _tidy(running)
            os.replace(running, failed)
        seconds = time.time() - started
        raise SystemExit(
            f"{source.stem}: failed after {seconds:.0f} s, see {look_at}: {_last_line(error)}"
        ) from None
    _tidy(running)
    # Dated by its start: what was edited while the cells ran is newer than the copy, so it runs again.
    os.utime(running, (started, started))
    os.replace(running, target)
    print(f"{source.stem}: made in {time.time() - started:.0f} s, see {target}", flush=True)


def _tidy(copy: Path) -> None:
    """Leave of a progress bar what a terminal would: its last state."""
    notebook = nbformat.read(copy, as_version=4)
    for number, cell in enumerate(notebook.cells):
        CoalesceStreamsPreprocessor().preprocess_cell(cell, {}, number)
    nbformat.write(notebook, copy)


def _last_line(error: Exception) -> str:
    """What a traceback would end with."""
    if isinstance(error, PapermillExecutionError):
        return f"{error.ename}: {error.evalue}".splitlines()[-1]
    return f"{type(error).__name__}: {error}".strip().splitlines()[-1]


def _interrupt(*_) -> None:
    """Tidy up when killed as at Ctrl-C, and only once: make passes on what the terminal has sent already."""
    for sent in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sent, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    for sent in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sent, _interrupt)
    execute(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
