"""What every test stands on: no test writes into the checkout, and no figure opens a window."""

import os

import pytest

os.environ["MPLBACKEND"] = "Agg"
os.environ.setdefault("OMP_NUM_THREADS", "1")  # networks of tests are too small to share among cores


@pytest.fixture(autouse=True)
def folders_aside(tmp_path, monkeypatch):
    """Runs, arrays, figures and downloads of a test stay in its own folder."""
    for tree in ("BUILD", "FIGURES", "DATA_DIR"):
        monkeypatch.setenv(f"ASTROLIB_{tree}", str(tmp_path / tree.lower()))
