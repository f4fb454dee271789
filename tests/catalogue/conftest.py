"""One network of the smallest profile, trained once for all tests of a file, and the survey in shards."""

import pytest

from astrolib.catalogue.redshifts import survey_shards
from astrolib.papers import astromae


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("catalogue")


@pytest.fixture
def experiment(home, monkeypatch):
    """Its folder stays for the module; it has trained pcm-AstroMAE with seed 42."""
    monkeypatch.setenv("ASTROLIB_BUILD", str(home / "build"))
    experiment = astromae.Experiment("smallest", 1)
    experiment.finetune("pcm-AstroMAE", seed=42)
    if not (home / "shards").exists():
        survey_shards("smallest", home / "shards", rows_per_shard=128, progress=False)
    return experiment
