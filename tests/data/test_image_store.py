"""Images on disk: what comes back, what stays there, and what a damaged folder says."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table

from astrolib.data.galaxies import SurveyError, rejects
from astrolib.data.image_store import open_images, save_images
from astrolib.data.image_survey import ImageSurvey


@pytest.fixture
def survey() -> ImageSurvey:
    rng = np.random.default_rng(0)
    return ImageSurvey(
        images=rng.normal(size=(3, 2, 5, 5)).astype(np.float32),
        channels=("g", "r"),
        label=np.array([0, -1, 1]),
        class_names=("elliptical", "spiral"),
        group=np.array([1 << 40, 2, 3]),
        targets={"redshift": np.array([0.1, np.nan, 0.3], np.float32), "axis ratio": np.ones(3, np.float32)},
        catalogue=Table({"id": ["a", "b", "c"], "class": ["elliptical", "don't know", "spiral"]}),
        source="simulated noise",
        noise=np.array([0.1, 0.2], np.float32),
        pixel_scale=0.396,
        rejected=rejects(["d"], ["cannot be read as an image"]),
    )


def test_a_survey_comes_back_whole(tmp_path, survey):
    save_images(tmp_path / "flux", survey)
    back = open_images(tmp_path / "flux")
    assert back.fingerprint() == survey.fingerprint() and repr(back) == repr(survey)
    assert isinstance(back.images, np.memmap) and np.array_equal(back.noise, survey.noise)
    assert list(back.targets) == list(survey.targets) and np.isnan(back.targets["redshift"][1])
    assert list(back.catalogue["class"]) == list(survey.catalogue["class"])
    assert list(back.rejected["reason"]) == ["cannot be read as an image"]


def test_so_do_pictures_without_noise_scale_targets_or_rejections(tmp_path, survey):
    images = np.arange(150, dtype=np.uint8).reshape(3, 2, 5, 5)
    pictures = replace(survey, images=images, noise=None, pixel_scale=None, targets={}, rejected=rejects())
    save_images(tmp_path / "pictures", pictures)
    back = open_images(tmp_path / "pictures")
    assert back.is_display and np.array_equal(back.images, images)
    assert back.noise is None and back.pixel_scale is None and back.targets == {} and len(back.rejected) == 0


def test_what_an_interruption_left_is_replaced(tmp_path, survey):
    (tmp_path / "flux.part").mkdir()
    (tmp_path / "flux.part" / "old.npy").write_bytes(b"old")
    save_images(tmp_path / "flux", survey)
    assert not (tmp_path / "flux.part").exists() and not (tmp_path / "flux" / "old.npy").exists()


@pytest.mark.parametrize("file", ["images.npy", "label.npy", "targets.parquet", "survey.json"])
def test_a_damaged_folder_says_that_it_may_be_deleted(tmp_path, survey, file):
    save_images(tmp_path / "flux", survey)
    (tmp_path / "flux" / file).write_bytes(b"{")
    with pytest.raises(SurveyError, match=r"flux are damaged .*delete that folder"):
        open_images(tmp_path / "flux")
