"""The slow way and the fast way give the same numbers."""

import numpy as np
import pytest
from astropy.table import Table

from astrolib.data.star_loop import ReferenceStars
from astrolib.data.star_preprocessing import CLASSES, METADATA, PHOTOMETRIC, survey_of
from astrolib.data.stars import RawStars


@pytest.fixture
def raw() -> RawStars:
    rng = np.random.default_rng(0)
    lengths = [120, 200, 333]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    points = rng.normal(10, 1, (offsets[-1], 3)) + [2457000, 0, 0]  # in no order of time
    catalogue = Table({"id": ["a", "b", "c"], "class": ["SR", "EW", "M"]})
    for name in PHOTOMETRIC + METADATA:
        catalogue[name] = rng.uniform(1, 3, 3)
    catalogue["parallax"] = [2.0, -1.0, 0.5]
    flux, ivar = rng.uniform(1, 3, (2, 3, 60)).astype(np.float32)
    return RawStars(catalogue, points, offsets, np.linspace(3850, 8998, 60), flux, ivar, "simulated noise")


def test_one_star_at_a_time_agrees_with_all_at_once(raw):
    mean, std = np.arange(38.0), np.arange(1, 39)
    stars = ReferenceStars(raw, CLASSES, mean, std)
    survey = survey_of(raw, CLASSES, spectrum_error="ivar")
    curves, spectra, table = (survey.modalities[name] for name in ("photometry", "spectra", "metadata"))
    assert len(stars) == 3
    for row, (start, n) in enumerate([(0, 120), (0, 200), (66, 200)]):  # (333 - 200) // 2
        photometry, mask, spectrum, metadata, label = stars[row]
        assert photometry.shape == (200, 9) and mask.sum() == n and label == survey.label[row]
        assert np.allclose(photometry[:n, :3], curves.values[row, start : start + n], atol=1e-5)
        assert not photometry[n:, :3].any()  # padding; the constants go on
        constants = curves.constants[row].copy()
        constants[:4] = (constants[:4] - mean[:4]) / std[:4]
        assert np.allclose(photometry[:, 3:], constants, atol=1e-5)
        assert np.allclose(spectrum[:2], spectra.values[row], atol=1e-4)
        assert np.allclose(spectrum[2], spectra.constants[row], atol=1e-5)
        assert np.allclose(metadata, (table.values[row] - mean[4:]) / std[4:], atol=1e-5)


def test_training_crops_start_anywhere(raw):
    stars = ReferenceStars(raw, CLASSES, rng=np.random.default_rng(0))
    whole = survey_of(raw).modalities["photometry"].values[2]
    first = {round(float(stars[2][0][0, 0]), 5) for _ in range(20)}
    assert len(first) > 5 and first <= {round(float(time), 5) for time in whole[:134, 0]}
