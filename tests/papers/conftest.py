"""What tests of the star papers share: a small made-up survey, and experiments on it."""

import numpy as np
import pytest
from astropy.table import Table

from astrolib.data.stars import Modality, StarSurvey
from astrolib.papers import astrom3

CLASSES = ("EA", "M", "SR")


def make_survey(n: int = 120, *, missing: bool = True, image: bool = False, seed: int = 0) -> StarSurvey:
    """Views in which classes differ; with `missing` many stars lack one of them, and some lack two."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, len(CLASSES), n)
    has = np.ones((3, n), bool)
    if missing:
        has[0, 0::8], has[1, 1::8], has[2, 2::8] = False, False, False
        has[2, 0], has[2, 1] = False, False
    signal = (label - 1.0)[:, None]
    length = rng.integers(10, 20, n)
    curve = rng.normal(size=(n, 20, 3)).astype(np.float32)
    curve[:, :, 0] = np.sort(rng.random((n, 20)), axis=1)
    curve[:, :, 1] += 2 * signal
    n_points = np.where(has[0], length, 0).astype(np.int32)
    curve[np.arange(20) >= n_points[:, None]] = 0
    constants = np.where(has[0][:, None], rng.normal(5, 2, (n, 2)), 0).astype(np.float32)
    spectrum = (rng.normal(size=(n, 2, 24)) + 2 * signal[:, None]).astype(np.float32)
    metadata = (rng.normal(7, 3, (n, 4)) + 6 * signal).astype(np.float32)
    modalities = {
        "photometry": Modality(
            "light curve",
            curve,
            ("time", "flux", "flux error"),
            n_points,
            constants,
            ("period", "log_mad"),
            ("period",),
        ),
        "spectra": Modality(
            "spectrum",
            np.where(has[1][:, None, None], spectrum, 0).astype(np.float32),
            ("flux", "error"),
            has[1].astype(np.int32),
            axis=np.linspace(4000, 9000, 24),
        ),
        "metadata": Modality(
            "table",
            np.where(has[2][:, None], metadata, 0).astype(np.float32),
            ("a", "b", "c", "d"),
            has[2].astype(np.int32),
        ),
    }
    if image:
        pixels = rng.random((n, 1, 6, 4)).astype(np.float32)
        modalities["dmdt"] = Modality("image", pixels, ("share",), np.ones(n, np.int32))
    catalogue = Table({"id": [f"star {k}" for k in range(n)], "period": rng.uniform(0.3, 2, n)})
    return StarSurvey(modalities, label, CLASSES, catalogue, "simulated noise")


@pytest.fixture
def small_survey():
    """``small_survey(n=120, missing=True, image=False)``: noise that knows its class."""
    return make_survey


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Things are trained once for all tests of a file."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def experiment(home, monkeypatch):
    """AstroM3 on simulated stars at the smallest size."""
    for tree in ("BUILD", "FIGURES"):
        monkeypatch.setenv(f"ASTROLIB_{tree}", str(home / tree.lower()))
    return astrom3.Experiment("smallest")


@pytest.fixture
def incomplete(experiment, monkeypatch):
    """AstroM3 on four modalities, some of which some stars lack; nobody knows the truth."""
    experiment.prefix, experiment.stars.survey = "incomplete", make_survey(240, image=True)
    monkeypatch.setattr(astrom3, "_experiment", lambda *_: experiment)  # of the jobs, too
    return experiment
