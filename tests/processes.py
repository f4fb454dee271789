"""Child processes of tests: scripts, the forks that they make, and ranks of a process group.

A script imports torch once and forks for each piece of work, which is much faster than an interpreter each.
"""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

import torch
from torch.distributed import destroy_process_group, init_process_group


def run_script(script: Path, *arguments, timeout: float = 100, **environment: str) -> str:
    """What a script prints, which has to succeed; it may import this module."""
    path = os.pathsep.join(filter(None, [str(Path(__file__).parent), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": path} | environment
    command = [sys.executable, str(script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---------------------------------------------------------------- in a script


def fork(task: Callable, *arguments, **environment: str) -> int:
    """Process id of a child that does the task; every child draws the same random numbers."""
    pid = os.fork()
    if pid == 0:
        os.environ |= environment
        try:
            torch.manual_seed(0)
            task(*arguments)
            sys.stdout.flush()  # os._exit does not
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return pid


def status(pid: int) -> int:
    """Exit code of a child, once it has ended; -9 of one that was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def suicide(*_) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def two_ranks() -> list[dict[str, str]]:
    """What torchrun would set in the environment of each of two processes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "test", "GROUP_RANK": "0"}
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "GLOO_SOCKET_IFNAME": "lo"}
    return [{"RANK": rank, "LOCAL_RANK": rank, **common} for rank in "01"]


# ---------------------------------------------------------------- worlds: what several ranks find


def work_in_worlds(work: Callable[[int, int], dict], folder: Path, worlds: Iterable[int]) -> None:
    """For each number of processes the ranks of a gloo group keep what `work(rank, world)` returns."""
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    for world in worlds:
        pids = [fork(_work, work, folder, rank, world) for rank in range(world)]
        assert [status(pid) for pid in pids] == [0] * world, world


def _work(work: Callable[[int, int], dict], folder: Path, rank: int, world: int) -> None:
    init_process_group("gloo", init_method=f"file://{folder}/meet-{world}", rank=rank, world_size=world)
    keep(work(rank, world), folder, rank, world)
    destroy_process_group()


def keep(found: dict, folder: Path, rank: int, world: int) -> None:
    torch.save(found, folder / f"{world}-{rank}.pt")


def found_in_worlds(script: Path, folder: Path, worlds: Iterable[int]) -> dict[tuple[int, int], dict]:
    """What the ranks of a script kept, and its process alone: by (world, rank)."""
    run_script(script, folder)
    names = [(1, 0)] + [(world, rank) for world in worlds for rank in range(world)]
    return {name: torch.load(folder / "{}-{}.pt".format(*name), weights_only=True) for name in names}
