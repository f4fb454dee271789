import json
import os
import shutil
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from processes import run_script
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from astrolib.data import streaming
from astrolib.data.batches import Batches
from astrolib.data.shards import ShardError, open_shards, write_shards
from astrolib.data.streaming import StreamedBatches, read_ahead
from astrolib.training.fabric import make_fabric
from astrolib.training.fit import fit
from astrolib.training.optim import Optimization
from astrolib.training.runs import Run


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def survey(n=50) -> dict[str, np.ndarray]:
    random = np.random.default_rng(n)
    return {
        "images": random.normal(size=(n, 2, 4, 4)).astype(np.float16),
        "redshift": random.uniform(size=n).astype(np.float32),
        "id": np.arange(n) + 1000,
    }


def shards(folder, arrays=None, rows_per_shard=7):
    write_shards(folder / "survey", [arrays or survey()], rows_per_shard=rows_per_shard, about={})
    return open_shards(folder / "survey")


def readers():
    return [thread for thread in threading.enumerate() if thread.name.startswith("read-ahead")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    assert not readers()


def noisy(batch, generator):
    return {**batch, "noise": torch.rand(len(batch["redshift"]), generator=generator)}


def assert_same(streamed, batches):
    assert len(streamed) == len(batches) and streamed.n_objects == batches.n_objects
    for one, two in zip(streamed.epoch(generator()), batches.epoch(generator()), strict=True):
        assert one.keys() == two.keys()
        for name in two:
            assert one[name].dtype == two[name].dtype and torch.equal(one[name], two[name]), name


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("options", [{}, {"drop_last": True}, {"transform": noisy}])
def test_the_batches_are_those_in_memory(tmp_path, shuffle, options):
    streamed = StreamedBatches(shards(tmp_path), 8, shuffle=shuffle, **options)
    assert_same(streamed, Batches(survey(), 8, shuffle=shuffle, **options))


@pytest.mark.parametrize("n", [32, 33, 35])
@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_have_the_shares_they_have_in_memory(tmp_path, n, world_size):
    options = {"shuffle": True, "transform": noisy}
    streamed = StreamedBatches(shards(tmp_path, survey(n)), 8, **options)
    for rank in range(world_size):
        whole = Batches(survey(n), 8, **options)
        assert_same(streamed.share(rank, world_size), whole.share(rank, world_size))


def test_a_part_of_the_survey_is_a_survey_of_its_own(tmp_path):
    rows = np.random.default_rng(1).permutation(50)[:23]
    streamed = StreamedBatches(shards(tmp_path), 8, rows=rows, names=["redshift", "images"], shuffle=True)
    part = {name: survey()[name][rows] for name in ("redshift", "images")}
    assert_same(streamed, Batches(part, 8, shuffle=True))
    index = torch.tensor([3, 0, 3])
    for name, values in streamed.rows(index).items():
        np.testing.assert_array_equal(values.numpy(), part[name][index])


def order(batches, seed=0) -> list[int]:
    """Row numbers of an epoch; each row has the values of that number."""
    arrays, seen = survey(batches.n_objects), []
    for batch in batches.epoch(generator(seed)):
        index = batch["index"].numpy()
        np.testing.assert_array_equal(batch["id"].numpy(), arrays["id"][index])
        np.testing.assert_array_equal(batch["images"].numpy(), arrays["images"][index].astype(np.float32))
        seen += index.tolist()
    return seen


def test_blocks_come_in_random_order_mixed_within_windows(tmp_path):
    """62 rows are 12 blocks of 5 and one of 2: whichever window has that one is shorter."""
    batches = StreamedBatches(shards(tmp_path, survey(62)), 8, shuffle=True, block_rows=5, window_blocks=3)
    rows = order(batches)
    assert sorted(rows) == list(range(62)) and rows == order(batches) != order(batches, seed=1)
    sizes, windows, start = {b: min(5, 62 - 5 * b) for b in range(13)}, [], 0
    while start < 62:
        blocks = {row // 5 for row in rows[start : start + 15]}
        if len(blocks) > 3:  # the window with the short block ends three rows earlier
            blocks = {row // 5 for row in rows[start : start + 12]}
        stop = start + sum(sizes[block] for block in blocks)
        assert sorted(rows[start:stop]) == [
            row for b in sorted(blocks) for row in range(5 * b, 5 * b + sizes[b])
        ]
        assert rows[start:stop] != sorted(rows[start:stop]) or len(blocks) == 1
        windows.append(blocks)
        start = stop
    assert [len(window) for window in windows] == [3, 3, 3, 3, 1]
    assert [block for window in windows for block in sorted(window)] != list(range(13))


@pytest.mark.parametrize("seed", range(12))
def test_every_row_once_whatever_the_sizes(tmp_path, seed):
    random = np.random.default_rng(seed)
    n, batch_size, block_rows = random.integers([20, 2, 2], [90, 20, 15])
    options = {"block_rows": int(block_rows), "window_blocks": int(random.integers(1, 5)), "shuffle": True}
    whole = StreamedBatches(shards(tmp_path, survey(n), 9), int(batch_size), **options)
    rows = order(whole, seed)
    assert sorted(rows) == list(range(n))
    by_rank = [order(whole.share(rank, 2), seed) for rank in range(2)]
    assert sorted(by_rank[0] + by_rank[1]) == list(range(n))
    assert by_rank[0][: batch_size // 2] == rows[: batch_size // 2 * 2 : 2]


def test_each_block_is_read_once_as_a_whole_and_evenly(tmp_path):
    """The disk sees runs of consecutive rows: a window to begin with, then as much as the batches use."""
    opened, reads = shards(tmp_path, survey(96), 96), []
    read_into = opened.read_into

    def noted(out, index):
        reads.append(index.copy())
        read_into(out, index)

    opened.read_into = noted
    options = {"shuffle": True, "block_rows": 4, "window_blocks": 3, "prefetch": 1}
    counts = []
    for _ in StreamedBatches(opened, 8, transform=noisy, **options).epoch(generator()):
        counts.append(len(reads))
    assert all((np.diff(read) == 1).all() for read in reads)
    assert sorted(np.concatenate(reads).tolist()) == list(range(96)) and len(reads) == 24
    assert counts[0] <= 3 + 3 * 2  # the first window, two blocks a batch, two batches in the making
    assert counts == sorted(counts)


def line(folder, name, batches, validation) -> Run:
    """A training with all that draws random numbers, on images and redshifts."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Flatten(), nn.Linear(32, 8), nn.BatchNorm1d(8), nn.Dropout(0.2), nn.Linear(8, 1))

    def loss(model, batch, generator):
        images = batch["images"] + 0.1 * torch.randn(batch["images"].shape, generator=generator)
        return {"loss": F.mse_loss(model(images).squeeze(1), batch["redshift"])}

    run, fabric = Run(folder / name, "line", {}), make_fabric("cpu")
    optimization = Optimization(3, batches.batch_size, 0.01)
    fit(run, model, batches, loss, optimization, validation=validation, fabric=fabric, progress=False)
    return run


def test_a_streamed_training_is_the_one_in_memory_bit_by_bit(tmp_path):
    opened, rows = shards(tmp_path), np.arange(50)
    part = {name: values[:40] for name, values in survey().items()}
    rest = {name: values[40:] for name, values in survey().items()}
    one = line(tmp_path, "memory", Batches(part, 8, shuffle=True), Batches(rest, 8))
    two = line(
        tmp_path,
        "streamed",
        StreamedBatches(opened, 8, rows=rows[:40], shuffle=True),
        StreamedBatches(opened, 8, rows=rows[40:]),
    )
    for name in ("history.csv", "done.json"):
        assert (one.folder / name).read_bytes() == (two.folder / name).read_bytes()
    weights, again = (load_file(run.folder / "model.safetensors") for run in (one, two))
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_a_loss_that_is_not_finite_names_the_ids(tmp_path):
    arrays = survey()
    arrays["images"][17, 1, 2, 3] = np.nan
    streamed = StreamedBatches(shards(tmp_path, arrays), 8, shuffle=True)
    with pytest.raises(FloatingPointError, match=r"images is not finite in ids \[1017\]"):
        line(tmp_path, "nan", streamed, None)


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: os.truncate(path, 200)])
def test_a_file_that_goes_during_training_stops_it_by_name(tmp_path, damage):
    opened = shards(tmp_path)
    opened.rows(np.arange(50))  # every shard is mapped
    path = tmp_path / "survey" / "00003" / "images.npy"

    def damaged(batch, generator):
        if path.exists() and path.stat().st_size > 200:
            damage(path)
        return batch

    streamed = StreamedBatches(opened, 4, transform=damaged, prefetch=1)
    with pytest.raises(ShardError, match=f"{path} has vanished or shrunk"):
        line(tmp_path, "damaged", streamed, None)


def test_a_training_that_stopped_for_a_file_goes_on_when_it_is_back(tmp_path):
    opened = shards(tmp_path)
    path, aside = tmp_path / "survey" / "00003" / "images.npy", tmp_path / "aside.npy"
    shutil.copy(path, aside)
    path.unlink()
    with pytest.raises(ShardError, match=str(path)):
        line(tmp_path, "streamed", StreamedBatches(opened, 8, shuffle=True), None)
    shutil.copy(aside, path)
    one = line(tmp_path, "streamed", StreamedBatches(opened, 8, shuffle=True), None)
    two = line(tmp_path, "memory", Batches(survey(), 8, shuffle=True), None)
    assert one.history().equals(two.history())


def test_leaving_early_ends_the_thread(tmp_path):
    batches = StreamedBatches(shards(tmp_path), 4)
    for _ in batches.epoch():
        assert len(readers()) == 1
        break
    assert not readers()
    for error in (ValueError, KeyboardInterrupt):
        with pytest.raises(error):
            for step, _ in enumerate(batches.epoch()):
                if step == 2:
                    raise error
        assert not readers()


def test_reading_goes_on_in_one_other_thread_as_far_ahead_as_asked():
    asked, threads = [], set()
    third = threading.Event()

    def read(item):
        asked.append(item)
        threads.add(threading.current_thread())
        if item == 3:
            third.set()
        return item * 10

    results = read_ahead(read, range(10), 3)
    assert next(results) == 0
    assert third.wait(10)  # nothing more was taken from `results` meanwhile
    assert asked == [0, 1, 2, 3]
    assert list(results) == [10 * i for i in range(1, 10)] and asked == list(range(10))
    assert len(threads) == 1 and threading.current_thread() not in threads


def test_what_is_wrong_is_said_before_training(tmp_path):
    opened = shards(tmp_path, survey() | {"name": np.array(["a"] * 50)})
    with pytest.raises(ValueError, match=r"name of .* is <U1, which is no number: leave it out"):
        StreamedBatches(opened, 8)
    names = ["redshift"]
    with pytest.raises(ValueError, match="no array 'z', it has images, redshift, id, name"):
        StreamedBatches(opened, 8, names=["z"])
    with pytest.raises(IndexError, match="rows are between 0 and 50: .* has 50"):
        StreamedBatches(opened, 8, names=names, rows=np.array([0, 50]))
    with pytest.raises(ValueError, match="np.flatnonzero makes them of a mask"):
        StreamedBatches(opened, 8, names=names, rows=np.ones(50, bool))
    with pytest.raises(ValueError, match="0 rows in batches of 8"):
        StreamedBatches(opened, 8, names=names, rows=np.array([], int))
    with pytest.raises(ValueError, match=r"2 process\(es\)"):
        StreamedBatches(opened, 1, names=names, world_size=2)
    with pytest.raises(ValueError, match="prefetch=0 must be at least 1"):
        StreamedBatches(opened, 8, names=names, prefetch=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("block_rows", [1, 4])
def test_on_a_gpu_the_batches_are_those_of_the_cpu(tmp_path, block_rows):
    """Large enough, and the device busy enough, that a buffer used too early would show."""
    arrays = {"x": np.random.default_rng(0).normal(size=(4096, 4096)).astype(np.float32)}
    opened = shards(tmp_path, arrays, 1000)
    batches = StreamedBatches(opened, 64, shuffle=True, block_rows=block_rows).to("cuda")
    assert batches.device.type == "cuda"
    busy, seen, order = torch.rand(4096, 4096, device="cuda"), [], []
    for batch in batches.epoch(torch.Generator("cuda")):
        for _ in range(4):
            busy = (busy @ busy).clamp(0, 1)
        seen.append(batch["x"].clone())
        order.append(batch["index"])
    order = torch.cat(order).cpu().numpy()
    assert sorted(order) == list(range(4096))
    np.testing.assert_array_equal(torch.cat(seen).cpu().numpy(), arrays["x"][order])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux holds a process to RLIMIT_DATA")
def test_12_gb_are_trained_on_within_4_gb(tmp_path):
    script = Path(__file__).with_name("streaming_children.py")
    environment = {"OMP_NUM_THREADS": "2", "OMP_WAIT_POLICY": "PASSIVE"}
    try:
        at_once, streamed = run_script(script, tmp_path, timeout=300, **environment).splitlines()
        stored = sum(path.stat().st_size for path in (tmp_path / "survey").glob("*/images.npy"))
    finally:
        shutil.rmtree(tmp_path / "survey")  # and with it 12 GB of the machine's cache
    assert at_once == "MemoryError" and stored > 12 * 10**9  # in memory the same limit stops it
    streamed = json.loads(streamed)
    assert streamed["peak"] < 4 * 2**30
    assert streamed["brightness"] * streamed["n"] == pytest.approx(31)  # each of the five bright rows once


def test_half_of_the_free_memory_may_be_taken(monkeypatch):
    monkeypatch.setattr(streaming.psutil, "virtual_memory", lambda: type("Memory", (), {"available": 1000})())
    assert streaming.fits(500, "cpu") and not streaming.fits(501, "cpu")
