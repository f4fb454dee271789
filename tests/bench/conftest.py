"""A machine with round rates, so that what is computed from them can be checked by hand."""

import pytest

from astrolib.bench.machine import Machine


@pytest.fixture
def machine():
    """A million operations a second in either precision, a megabyte copied: one mode, float32."""
    return Machine("cpu", "a machine, 1 threads", 1, float32=1e6, bfloat16=1e6, copy=1e6)


@pytest.fixture
def one_worker(monkeypatch):
    """One process of a DataLoader, not four."""
    for module in ("galaxies", "images"):
        monkeypatch.setattr(f"astrolib.bench.{module}.loader_of", _loader)
    monkeypatch.setattr("astrolib.papers.astrom3_speed.WORKERS", 1)
    monkeypatch.setattr("astrolib.bench.inference.WORKERS", 1)


def _loader(dataset, batch_size, device):
    from astrolib.training.plain_loop import loader_of

    return loader_of(dataset, batch_size, device, workers=1)
