"""Where things are: the only file that knows a folder.

Three environment variables move whole trees: `ASTROLIB_DATA_DIR` (downloads), `ASTROLIB_BUILD` (runs,
derived arrays, executed notebooks) and `ASTROLIB_FIGURES` (figures and tables).
"""

import os
from pathlib import Path


def project() -> Path:
    """Root of the repository."""
    return Path(__file__).resolve().parent.parent


def data_cache() -> Path:
    """Folder of downloaded files: `ASTROLIB_DATA_DIR`, or the user's cache folder."""
    if folder := os.environ.get("ASTROLIB_DATA_DIR"):
        return Path(folder).expanduser()
    import pooch  # here, so that a machine that only trains needs no pooch

    return Path(pooch.os_cache("astrolib"))


def manifests() -> Path:
    """Folder of the dataset manifests."""
    return project() / "data_manifest"


def _build() -> Path:
    return Path(os.environ.get("ASTROLIB_BUILD") or project() / "build").expanduser()


def arrays() -> Path:
    """Folder of dense arrays derived once from surveys, shared by all profiles."""
    return _build() / "arrays"


def runs(profile: str) -> Path:
    """Folder of training runs."""
    return _build() / profile / "runs"


def results(profile: str) -> Path:
    """Folder of the numbers that figures and tables are drawn from."""
    return _build() / profile / "results"


def figures(profile: str) -> Path:
    """Folder of figures (png) and tables (csv and md)."""
    return Path(os.environ.get("ASTROLIB_FIGURES") or project() / "figures").expanduser() / profile
