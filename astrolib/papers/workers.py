"""Independent jobs of one paper, as many at a time as there are cores, with one bar for all."""

import sys
from collections.abc import Callable, Iterable, Sequence

import joblib
import torch
from tqdm import tqdm


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
    threads. On a GPU, or with one worker, jobs run one after the other in this process.

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
    if torch.cuda.is_available() or workers == 1:
        done: Iterable = (work(*job) for job in jobs)
    else:
        parallel = joblib.Parallel(n_jobs=workers, return_as="generator")
        done = parallel(joblib.delayed(_one_thread)(work, job) for job in jobs)
    costs, found = costs or [1] * len(jobs), []
    shape = "{l_bar}{bar}| [{elapsed}<{remaining}, {rate_fmt}]"
    words = {"unit": unit, "unit_scale": True, "file": sys.stdout, "mininterval": 5.0}
    with tqdm(total=sum(costs), desc=what, bar_format=shape, **words) as bar:
        for made, cost in zip(done, costs, strict=True):
            found.append(made)
            bar.update(cost)
    return found


def _one_thread(work: Callable, job: tuple) -> object:
    torch.set_num_threads(1)
    return work(*job)
