import warnings

import numpy as np
import pytest
import torch

from astrolib.data.batches import Batches


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def rows(batches, seed=0):
    return [batch["index"].tolist() for batch in batches.epoch(generator(seed))]


def numbers(n=10):
    return {"x": torch.arange(n) * 10.0, "y": torch.arange(n).reshape(n, 1, 1).expand(n, 2, 2)}


def test_in_order_without_shuffling():
    batches = Batches(numbers(), 4)
    assert rows(batches) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]] and len(batches) == 3
    for batch in batches.epoch():
        assert torch.equal(batch["x"], batch["index"] * 10.0)
        assert torch.equal(batch["y"][:, 1, 1], batch["index"])


def test_shuffling_follows_from_the_generator_and_shows_every_row_once():
    batches = Batches(numbers(50), 8, shuffle=True)
    order = sum(rows(batches), [])
    assert sorted(order) == list(range(50)) != order
    assert rows(batches) == rows(batches) != rows(batches, seed=1)


def test_drop_last():
    batches = Batches(numbers(), 4, drop_last=True)
    assert rows(batches) == [[0, 1, 2, 3], [4, 5, 6, 7]] and len(batches) == 2
    assert len(Batches(numbers(8), 4, drop_last=True)) == 2


def test_transform_gets_the_batch_and_the_generator():
    def noisy(batch, generator):
        return {**batch, "x": batch["x"] + torch.rand(len(batch["x"]), generator=generator)}

    batches = Batches(numbers(), 4, transform=noisy, shuffle=True)
    for one, two in zip(batches.epoch(generator()), batches.epoch(generator()), strict=True):
        assert torch.equal(one["x"], two["x"])
        assert ((one["x"] - one["index"] * 10 > 0) & (one["x"] - one["index"] * 10 < 1)).all()


def test_half_precision_pixels_come_out_as_float32():
    images = torch.randn(6, 2, 3, 3, generator=generator()).half()
    batches = Batches({"images": images}, 4)
    assert batches.tensors["images"].dtype == torch.float16
    batch = next(batches.epoch())
    assert batch["images"].dtype == torch.float32 and torch.equal(batch["images"], images[:4].float())


def test_rows_come_as_they_are_stored():
    batches = Batches({"half": torch.arange(6).half(), "whole": torch.arange(6)}, 4, transform=lambda *_: {})
    rows = batches.rows(torch.tensor([5, 0, 5]))
    assert rows["half"].dtype == torch.float16 and rows["whole"].tolist() == [5, 0, 5]


def test_memory_maps_and_fits_arrays(tmp_path):
    images = np.random.default_rng(0).normal(size=(10, 5, 4, 4)).astype("float32")
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        batches = Batches({"images": mapped, "fits": images.astype(">f4")}, 4).to("cpu")
    assert np.shares_memory(batches.tensors["images"].numpy(), mapped)  # nothing was read yet
    batch = next(batches.epoch())
    np.testing.assert_array_equal(batch["images"].numpy(), images[:4])
    np.testing.assert_array_equal(batch["fits"].numpy(), images[:4])


@pytest.mark.parametrize("n", [32, 33, 35])
@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_share_every_batch(n, world_size):
    whole = Batches(numbers(n), 8, shuffle=True)
    shares = [rows(whole.share(rank, world_size)) for rank in range(world_size)]
    assert len({len(share) for share in shares}) == 1  # the same number of steps, none empty
    assert all(batch for share in shares for batch in share)
    assert sorted(row for share in shares for batch in share for row in batch) == list(range(n))
    first = sorted(row for share in shares for row in share[0])
    assert first == sorted(rows(whole)[0])
    assert max(len(b) for share in shares for b in share) - 8 // world_size <= 1


def test_ranks_draw_different_augmentations():
    def draw(batch, generator):
        return {**batch, "x": torch.rand(len(batch["x"]), generator=generator)}

    whole = Batches(numbers(8), 8, transform=draw)
    zero, one = (next(whole.share(rank, 2).epoch(generator()))["x"] for rank in (0, 1))
    assert not torch.equal(zero, one)


def test_shape_errors_say_what_is_wrong():
    with pytest.raises(ValueError, match=r"same number of rows, got \{'x': 3, 'y': 4\}"):
        Batches({"x": torch.zeros(3), "y": torch.zeros(4)}, 2)
    with pytest.raises(ValueError, match="0 rows in batches of 2"):
        Batches({"x": torch.zeros(0)}, 2)
    with pytest.raises(ValueError, match="3 rows in batches of 4"):
        Batches({"x": torch.zeros(3)}, 4, drop_last=True)
    with pytest.raises(ValueError, match=r"2 process\(es\)"):
        Batches({"x": torch.zeros(8)}, 1, world_size=2)
    with pytest.raises(ValueError, match=r"3 process\(es\)"):
        Batches({"x": torch.zeros(8)}, 2).share(0, 3)
