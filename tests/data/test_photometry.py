"""The SDSS photometry table: which rows are galaxies that can be used."""

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from astrolib.data.galaxies import SurveyError
from astrolib.data.photometry import read_photometry

MIRROR = Path(os.environ.get("ASTROLIB_DATA_DIR", "")) / "sdss_photometry" / "sdss_galaxy_colors.npy"
FORMAT = [(band, "<f8") for band in "ugriz"] + [
    ("spec_class", "S6"),
    ("redshift", "<f8"),
    ("redshift_err", "<f8"),
]


def write(path: Path, rows: list[tuple]) -> Path:
    np.save(path, np.array(rows, dtype=FORMAT))
    return path


def row(offset=0.0, kind=b"GALAXY", redshift=0.1, error=1e-5, u=19.0):
    return (u + offset, 17.5, 16.8, 16.4, 16.1, kind, redshift, error)


def test_quasars_failures_stars_and_repetitions_are_left_out(tmp_path):
    path = write(
        tmp_path / "table.npy",
        [
            row(0.0),
            row(0.1, kind=b"QSO", redshift=1.3),
            row(0.2, redshift=0.0, error=0.0),
            row(0.3, redshift=-0.0004),
            row(0.4, redshift=0.0001),
            row(0.5, redshift=0.71),
            row(0.0, redshift=0.1001),  # the first galaxy again
            row(0.6, u=-9999.0),
            row(0.7, redshift=0.7),
            row(0.1, redshift=0.2),  # shares its magnitudes with a quasar only
        ],
    )
    galaxies, rejected = read_photometry(path)
    assert list(galaxies["id"]) == ["row-000000", "row-000008", "row-000009"]
    assert list(galaxies["redshift"]) == [0.1, 0.7, 0.2]
    assert dict(rejected.iterrows()) == {
        "row-000001": "quasar",
        "row-000002": "redshift not measured (0, error 0)",
        "row-000003": "redshift below 0.001",
        "row-000004": "redshift below 0.001",
        "row-000005": "redshift above 0.7",
        "row-000006": "same magnitudes as an earlier row",
        "row-000007": "no magnitude in band u",
    }


def test_a_file_that_is_something_else_is_named(tmp_path):
    np.save(tmp_path / "plain.npy", np.zeros(3))
    with pytest.raises(SurveyError, match=r"plain\.npy.*column g is missing"):
        read_photometry(tmp_path / "plain.npy")
    (tmp_path / "short.npy").write_bytes(write(tmp_path / "t.npy", [row()] * 5).read_bytes()[:-50])
    with pytest.raises(SurveyError, match=r"short\.npy is not a NumPy table"):
        read_photometry(tmp_path / "short.npy")
    np.save(tmp_path / "objects.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(SurveyError, match=r"objects\.npy is not a NumPy table"):
        read_photometry(tmp_path / "objects.npy")


@pytest.mark.skipif(not MIRROR.is_file(), reason="ASTROLIB_DATA_DIR names no folder with the real data")
def test_the_real_table():
    galaxies, rejected = read_photometry(MIRROR)
    assert len(galaxies) + len(rejected) == 50_000
    counts = Counter(rejected["reason"])
    assert counts["quasar"] == 8_525 and counts["redshift above 0.7"] == 29
    assert counts["same magnitudes as an earlier row"] == 1
    assert np.median(galaxies["redshift"]) == pytest.approx(0.083, abs=0.001)
    assert galaxies["redshift"].min() > 0.001
