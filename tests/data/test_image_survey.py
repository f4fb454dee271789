"""Surveys of images: what fits together, what does not, and what changes the fingerprint."""

from dataclasses import replace

import numpy as np
import pytest
from astropy.table import Table

from astrolib.data import image_survey
from astrolib.data.galaxies import SurveyError, rejects
from astrolib.data.image_survey import ImageSurvey


@pytest.fixture
def pictures() -> ImageSurvey:
    """Display images, the last of them without a class."""
    return ImageSurvey(
        images=np.random.default_rng(0).integers(0, 256, (4, 3, 6, 6), dtype=np.uint8),
        channels=("R", "G", "B"),
        label=np.array([1, 0, 1, -1]),
        class_names=("round", "spiral", "merger"),
        group=np.array([5, 5, 6, 7]),
        targets={"redshift": np.array([0.1, np.nan, 0.3, 0.2], np.float32)},
        catalogue=Table({"id": ["a", "b", "c", "d"]}),
        source="made-up pictures",
        noise=None,
        pixel_scale=None,
        rejected=rejects(["e", "f"], ["too dark", "too dark"]),
    )


@pytest.fixture
def flux(pictures) -> ImageSurvey:
    images = np.ones((4, 2, 6, 6), np.float32)
    noise = np.full(2, 0.1, np.float32)
    return replace(pictures, images=images, channels=("g", "r"), noise=noise, pixel_scale=0.396)


def test_what_a_survey_says_of_itself(pictures, flux):
    assert len(pictures) == 4 and pictures.is_display and not flux.is_display
    assert pictures.ids.tolist() == ["a", "b", "c", "d"]
    assert pictures.class_counts() == {"round": 1, "spiral": 2, "merger": 0}
    said = repr(pictures)
    for words in (
        "4 images: made-up pictures",
        "6 x 6 pixels",
        "without a class 1",
        "redshift (3)",
        "2: too dark",
    ):
        assert words in said
    assert "pixels of 0.396 arcsec, nanomaggies" in repr(flux) and "nanomaggies" not in said


def test_a_subset_has_rows_of_everything_in_the_order_asked_for(pictures):
    some = pictures.subset([3, 0])
    assert np.array_equal(some.images, pictures.images[[3, 0]])
    assert (
        some.label.tolist() == [-1, 1] and some.group.tolist() == [7, 5] and some.ids.tolist() == ["d", "a"]
    )
    assert some.targets["redshift"].tolist() == pytest.approx([0.2, 0.1])
    assert len(some.rejected) == 2 and some.class_names == pictures.class_names
    assert np.shares_memory(pictures.subset(slice(1, 3)).images, pictures.images)
    assert pictures.subset(pictures.label == 1).ids.tolist() == ["a", "c"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"images": np.zeros((4, 6, 6), np.uint8)}, "are not .images, channels, height, width"),
        ({"images": np.zeros((4, 3, 6, 6))}, "type float64"),
        ({"channels": ("R", "G")}, "3 channels"),
        ({"channels": ("R", "R", "B")}, "each once"),
        ({"noise": np.ones(3, np.float32)}, "display images have no noise"),
        ({"label": np.array([0, 1, 3, 0])}, "labels from 0 to 3 do not fit 3 classes"),
        ({"label": np.array([0, 1, -2, 0])}, "labels from -2"),
        ({"label": np.zeros(4, np.int32)}, "label, int32"),
        ({"group": np.zeros(3, np.int64)}, r"group, int64 of shape \(3,\)"),
        ({"targets": {"size": np.zeros(4)}}, "target size, float64"),
        ({"catalogue": Table({"name": ["a", "b", "c", "d"]})}, "a column id"),
        ({"catalogue": Table({"id": ["a", "b"]})}, "2 rows, needs 4"),
        ({"catalogue": Table({"id": ["a", "b", "b", "d"]})}, "the id b stands for more than one"),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value)),
)
def test_arrays_that_do_not_fit_are_refused(pictures, change, words):
    with pytest.raises(SurveyError, match=words) as error:
        replace(pictures, **change)
    assert str(error.value).startswith("made-up pictures: ")


def test_flux_needs_finite_noise_and_pixels(flux):
    for noise in (None, np.ones(3, np.float32), np.array([0.1, np.nan], np.float32)):
        with pytest.raises(SurveyError, match="needs the noise of each"):
            replace(flux, noise=noise)
    images = flux.images.copy()
    images[2, 1, 3, 3] = np.inf
    with pytest.raises(SurveyError, match="a pixel of image c is not finite"):
        replace(flux, images=images)


def test_an_empty_survey_can_be_made(pictures, flux):
    assert len(pictures.subset(slice(0))) == len(flux.subset(slice(0))) == 0


def test_the_fingerprint_follows_the_content_and_not_where_it_lies(pictures, flux, tmp_path):
    same = replace(pictures, images=pictures.images.copy())
    assert same.fingerprint() == pictures.fingerprint() and len(same.fingerprint()) == 16
    np.save(tmp_path / "images.npy", pictures.images)
    mapped = replace(pictures, images=np.load(tmp_path / "images.npy", mmap_mode="r"))
    assert mapped.fingerprint() == pictures.fingerprint()
    pixel = pictures.images.copy()
    pixel[3, 2, 5, 5] ^= 1
    others = [
        flux,
        pictures.subset([1, 0, 2, 3]),
        replace(pictures, images=pixel),
        replace(pictures, label=np.array([1, 0, 1, 2])),
        replace(pictures, group=pictures.group + 1),
        replace(pictures, targets={}),
        replace(pictures, targets={"size": pictures.targets["redshift"]}),
        replace(pictures, class_names=("round", "spiral", "ring")),
        replace(pictures, source="others"),
    ]
    assert len({survey.fingerprint() for survey in [pictures, *others]}) == 10


def test_a_large_survey_is_hashed_by_evenly_spaced_images(pictures, monkeypatch):
    monkeypatch.setattr(image_survey, "HASH_WHOLE", 300)  # of 432 bytes: every second image
    fingerprint = pictures.fingerprint()

    def with_other(row):
        images = pictures.images.copy()
        images[row] ^= 1
        return replace(pictures, images=images).fingerprint()

    assert with_other(1) == fingerprint != with_other(2)
