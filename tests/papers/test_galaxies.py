"""Splits of the paper's size, without leaks, and batches as networks see them."""

import dataclasses
import shutil
import tracemalloc

import numpy as np
import pytest
import torch
from astropy.table import Table

from astrolib import profiles
from astrolib.data import derived, streaming
from astrolib.data.galaxies import GalaxySurvey
from astrolib.papers import galaxies
from astrolib.papers.galaxies import Galaxies, split_rows

PAPER = profiles.load("paper").astromae.data
N_PASQUET = 659_857


def test_sizes_of_experiment_1_are_the_papers():
    sizes = {name: len(rows) for name, rows in split_rows(N_PASQUET, PAPER).items()}
    assert sizes == {
        "pretraining": 527_886,
        "pretraining validation": 65_985,
        "train": 46_190,
        "validation": 6_599,
        "test": 13_197,
    }


def test_sizes_of_experiment_2():
    sizes = {name: len(rows) for name, rows in split_rows(N_PASQUET, PAPER, share_all=True).items()}
    assert sizes["pretraining"] == N_PASQUET and sizes["pretraining validation"] == 0
    assert (sizes["train"], sizes["validation"], sizes["test"]) == (461_900, 65_986, 131_971)


def test_experiment_1_has_no_leak_and_loses_nobody():
    parts = list(split_rows(5_003, PAPER).values())
    joined = np.concatenate(parts)
    assert len(np.unique(joined)) == len(joined) == 5_003


def test_experiment_2_keeps_its_test_set_out_of_training():
    parts = split_rows(5_003, PAPER, share_all=True)
    labelled = np.concatenate([parts[name] for name in ("train", "validation", "test")])
    assert len(np.unique(labelled)) == 5_003


def test_another_seed_is_another_split():
    other = split_rows(1000, dataclasses.replace(PAPER, seed=43))
    assert not np.array_equal(split_rows(1000, PAPER)["test"], other["test"])


@pytest.fixture
def lab(monkeypatch):
    """Two hundred galaxies whose central pixel in band g is their redshift."""
    rng = np.random.default_rng(0)
    n, size = 200, 48
    redshift = rng.uniform(0.02, 0.3, n).astype(np.float32)
    images = np.zeros((n, 5, size, size), np.float32)
    images[:, 1, 20:28, 20:28] = redshift[:, None, None]
    magnitudes = (17 + 5 * redshift[:, None] + rng.normal(0, 0.01, (n, 5))).astype(np.float32)
    survey = GalaxySurvey(
        images, tuple("ugriz"), magnitudes, redshift, Table({"id": [f"g{k}" for k in range(n)]}), "a test",
        noise=np.full(5, 0.02, np.float32),
    )  # fmt: skip
    monkeypatch.setattr(galaxies.surveys, "load_galaxies", lambda *args, **kwargs: survey)
    return Galaxies(profiles.load("demo").astromae.data)


def test_images_magnitudes_and_redshift_stay_together(lab):
    batches = lab.batches("train", 16, training=True)
    for batch in batches.epoch(torch.Generator().manual_seed(0)):
        assert batch["images"].shape[1:] == (5, 32, 32)
        flux = lab.scaling.inverse(batch["images"])[:, 1, 16, 16]
        torch.testing.assert_close(flux, batch["redshift"], rtol=2e-3, atol=2e-4)  # float16 pixels
        truth = lab.survey.redshift[lab.splits["train"]][batch["index"].numpy()]
        np.testing.assert_array_equal(batch["redshift"].numpy(), truth)


def test_magnitudes_are_standardised_by_the_training_part_only(lab):
    (batch,) = lab.batches("train", 1000, training=False).epoch(torch.Generator())
    torch.testing.assert_close(batch["magnitudes"].mean(0), torch.zeros(5), atol=1e-4, rtol=0)
    (test,) = lab.batches("test", 1000, training=False).epoch(torch.Generator())
    assert test["magnitudes"].mean(0).abs().max() > 1e-3


def test_test_images_are_only_cut(lab):
    (batch,) = lab.batches("test", 1000, training=False).epoch(torch.Generator())
    expected = lab.survey.images[lab.splits["test"]][:, :, 8:40, 8:40]
    torch.testing.assert_close(
        lab.scaling.inverse(batch["images"]), torch.as_tensor(expected), rtol=2e-3, atol=2e-4
    )


@pytest.mark.parametrize("name", galaxies.BASELINES)
def test_baselines_predict_the_test_part_from_magnitudes(lab, name):
    table = lab.baseline(name, seed=0)
    assert table["id"].tolist() == [f"g{row}" for row in lab.splits["test"]]
    assert table["prediction"].sub(table["redshift"]).abs().mean() < table["redshift"].std()


@pytest.mark.parametrize(("part", "training"), [("train", True), ("test", False)])
def test_a_survey_that_does_not_fit_is_streamed_in_the_same_batches(
    lab, tmp_path, monkeypatch, part, training
):
    monkeypatch.setenv("ASTROLIB_BUILD", str(tmp_path))
    in_memory = lab.batches(part, 16, training=training)
    monkeypatch.setattr(galaxies, "fits", lambda n_bytes, device: False)
    streamed = lab.batches(part, 16, training=training)
    assert not hasattr(streamed, "tensors") and len(streamed) == len(in_memory)
    generators = [torch.Generator().manual_seed(3) for _ in range(2)]
    pairs = zip(in_memory.epoch(generators[0]), streamed.epoch(generators[1]), strict=True)
    for one, other in pairs:
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    assert len(list(tmp_path.glob("arrays/shards-*/shards.json"))) == 1


def test_galaxies_that_just_fit_are_not_in_memory_in_float32(lab, monkeypatch):
    monkeypatch.setattr(galaxies, "BLOCK", 10)
    lab.splits, lab.survey  # noqa: B018
    tracemalloc.start()
    batches = lab.batches("pretraining", 16, training=True)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * batches.tensors["images"].nbytes


def test_processes_of_a_machine_share_its_memory(lab, tmp_path, monkeypatch):
    stored = lab.survey.images[lab.splits["train"]].size * 2
    memory = type("Memory", (), {"available": 3 * stored})
    monkeypatch.setattr(streaming.psutil, "virtual_memory", memory)
    assert hasattr(lab.batches("train", 16, training=True), "tensors")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert not hasattr(lab.batches("train", 16, training=True), "tensors")


def test_gpu_memory_that_an_earlier_training_left_is_free(monkeypatch):
    """PyTorch keeps it for itself, and the GPU calls it taken."""
    for name, found in {"mem_get_info": (100, 1000), "memory_reserved": 900, "memory_allocated": 200}.items():
        monkeypatch.setattr(torch.cuda, name, lambda device, found=found: found)
    assert streaming.fits(400, "cuda") and not streaming.fits(401, "cuda")


def test_shards_that_other_code_made_are_not_taken(lab, tmp_path, monkeypatch):
    """What is stored is decided in `papers/galaxies.py`, too."""
    first = lab.shards.folder
    package = shutil.copytree(
        derived.PACKAGE, tmp_path / "package", ignore=shutil.ignore_patterns("__pycache__")
    )
    with (package / "papers" / "galaxies.py").open("a") as code:
        code.write("CHANGED = True\n")
    monkeypatch.setattr(derived, "PACKAGE", package)
    again = Galaxies(lab.settings).shards.folder
    assert again != first and again.parent == first.parent
