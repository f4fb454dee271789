"""What a profile needs is what gets downloaded."""

import os

import pytest

from astrolib.fetch import datasets_of, main

MIRROR = os.environ.get("ASTROLIB_DATA_DIR")  # of the person who runs the tests, before a fixture moves it


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ASTROLIB_DATA_DIR", str(tmp_path))


def test_profiles_and_their_datasets():
    assert datasets_of("demo") == datasets_of("smallest") == []
    galaxies, stars = ["sdss_photometry", "sdss_stamps"], ["gaia_dr3_latents", "eros1"]
    assert datasets_of("sample") == [*galaxies, *stars, "galaxy_zoo1", "galaxy_zoo1_more"]


def test_the_demo_profile_fetches_nothing(capsys):
    assert main(["--profile", "demo"]) == 0
    assert "nothing to download" in capsys.readouterr().out
    assert main(["--profile", "dmeo"]) == 1
    assert "dmeo" in capsys.readouterr().err


def test_the_paper_profile_ends_with_what_to_do_by_hand(capsys):
    assert main(["--profile", "paper"]) == 1
    printed = capsys.readouterr()
    assert "to download by hand from https://deepdip" in printed.out and "pasquet/sdss.npz" in printed.err


@pytest.mark.skipif(MIRROR is None, reason="ASTROLIB_DATA_DIR names no folder with the real data")
def test_the_sample_profile_on_the_real_files(monkeypatch, capsys):
    monkeypatch.setenv("ASTROLIB_DATA_DIR", MIRROR)
    assert main(["--profile", "sample"]) == 0
    assert "nothing" in capsys.readouterr().out
