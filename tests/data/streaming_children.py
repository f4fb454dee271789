"""Work with a survey of 12 GB under a limit of 4 GB, for test_streaming.py. A script: FOLDER.

The limit is RLIMIT_DATA, memory of the process's own: read-only maps of files do not count, as the kernel may
drop their pages at any time.
"""

import json
import resource
import sys
from pathlib import Path

import numpy as np
import torch
from processes import fork, status
from torch import nn

from astrolib.data.batches import Batches
from astrolib.data.shards import open_shards
from astrolib.data.streaming import StreamedBatches
from astrolib.training.fabric import make_fabric
from astrolib.training.fit import fit
from astrolib.training.optim import Optimization
from astrolib.training.runs import Run

LIMIT = 4 * 2**30
SHAPE = (5, 128, 128)
ROWS = [12_500, 12_500, 12_500, 1_822]  # 12 GiB of float32 pixels
BRIGHT = {0: 1.0, 12_499: 2.0, 12_500: 4.0, 30_000: 8.0, sum(ROWS) - 1: 16.0}


def make_sparse(folder: Path) -> None:
    """A survey of empty images, of which the disk stores nothing, but for a few rows of one brightness."""
    for number, n in enumerate(ROWS):
        path = folder / f"{number:05d}" / "images.npy"
        path.parent.mkdir(parents=True)
        header = {"descr": "<f4", "fortran_order": False, "shape": (n, *SHAPE)}
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, header)
            file.truncate(file.tell() + 4 * n * int(np.prod(SHAPE)))
        images = np.load(path, mmap_mode="r+")
        for row, value in BRIGHT.items():
            if 0 <= row - sum(ROWS[:number]) < n:
                images[row - sum(ROWS[:number])] = value
    words = {"format": 1, "arrays": {"images": {"dtype": "<f4", "shape": SHAPE}}, "rows": ROWS, "about": {}}
    (folder / "shards.json").write_text(json.dumps(words))


def own_memory() -> int:
    """Memory of this process that is not pages of files, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssAnon"))


def train_streamed(folder: Path) -> None:
    peak = 0

    def loss(model, batch, generator):
        nonlocal peak
        peak = max(peak, own_memory())
        brightness = batch["images"].mean(dim=(2, 3))
        return {"loss": (model(brightness) - 1).square().mean(), "brightness": brightness.mean()}

    batches = StreamedBatches(open_shards(folder / "survey"), 64, shuffle=True)
    optimization = Optimization(1, 64, 1e-3)
    run = Run(folder, "sparse", {})
    options = {"fabric": make_fabric("cpu"), "progress": False}
    fit(run, nn.Linear(SHAPE[0], 1), batches, loss, optimization, **options)
    print(json.dumps({"peak": peak, "brightness": run.history().brightness[0], "n": batches.n_objects}))


def load_all(folder: Path) -> None:
    try:
        Batches(open_shards(folder / "survey").rows(np.arange(sum(ROWS))), 16)
    except MemoryError:
        print("MemoryError")


def limited(task, folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    task(folder)


if __name__ == "__main__":
    torch.set_num_threads(2)
    place = Path(sys.argv[1])
    make_sparse(place / "survey")
    for each in (load_all, train_streamed):
        assert status(fork(limited, each, place)) == 0, each.__name__
