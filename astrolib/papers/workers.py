"""Who does what: independent jobs side by side, and what only one of several processes does."""

import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import joblib
import pandas as pd
import torch
from tqdm import tqdm

from astrolib.models.distributed import world_size
from astrolib.report import results


def side_by_side(
    work: Callable,
    jobs: Sequence[tuple],
    what: str,
    *,
    workers: int = 0,
    costs: Sequence[float] | None = None,
    unit: str = " trainings",
) -> list:
    """Results of ``work(*job)`` for every job, in order.

    Two trainings side by side with a thread each are faster on two cores than one after the other with two
    threads. On a GPU, or with one worker, jobs run one after the other in this process. So they do under
    torchrun: all its processes work on one training at a time.

    Parameters
    ----------
    work : callable
        A function that a worker process can import. It should give back little: models stay on disk.
    jobs : sequence of tuple
        Its arguments.
    what : str
        For the progress bar.
    workers : int
        Jobs at a time; 0 means one for each core.
    costs : sequence of float, optional
        How much work each job is, so that the time left can be told; by default all the same.
    unit : str
        What costs are counted in.
    """
    workers = workers or joblib.cpu_count()
    if torch.cuda.is_available() or workers == 1 or world_size() > 1:
        done: Iterable = (work(*job) for job in jobs)
    else:
        parallel = joblib.Parallel(n_jobs=workers, return_as="generator")
        done = parallel(joblib.delayed(_one_thread)(work, job) for job in jobs)
    costs, found = costs or [1] * len(jobs), []
    shape = "{l_bar}{bar}| [{elapsed}<{remaining}, {rate_fmt}]"
    words = {"unit": unit, "unit_scale": True, "file": sys.stdout, "mininterval": 5.0}
    with tqdm(total=sum(costs), desc=what, bar_format=shape, disable=not is_first(), **words) as bar:
        for made, cost in zip(done, costs, strict=True):
            found.append(made)
            bar.update(cost)
    return found


def is_first() -> bool:
    """Whether this is the only process of a training, or the first of those that torchrun started."""
    return world_size() == 1 or torch.distributed.get_rank() == 0


def write_once(table: pd.DataFrame, path: Path) -> None:
    """Write a table that every process of a training has made: the first one does, the others wait for it."""
    if is_first():
        results.write_table(table, path)
    if world_size() > 1:
        torch.distributed.barrier()


def _one_thread(work: Callable, job: tuple) -> object:
    torch.set_num_threads(1)
    return work(*job)
