"""Decoding Galaxy Zoo images: classes, crops, and what happens to files that are not as they should be."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from astrolib.data.galaxies import SurveyError
from astrolib.data.galaxy_zoo import SIDE, read_galaxy_zoo

MIRROR = os.environ.get("ASTROLIB_DATA_DIR")  # of the person who runs the tests, before a fixture moves it
FIRST = 587722983350861954  # a field is what is left of an object id without its last 16 bits


@pytest.fixture
def zoo(tmp_path):
    """Write images and a table of classes; the name of an image is its place after the first."""

    class Zoo:
        table = tmp_path / "classes.csv"
        paths: list[Path] = []

        def picture(self, place: int, pixels=None, name: str | None = None, **options) -> Path:
            pixels = np.full((SIDE, SIDE, 3), 90, np.uint8) if pixels is None else pixels
            path = tmp_path / (name or f"{FIRST + place}.jpeg")
            Image.fromarray(pixels).save(path, "PNG" if options.pop("exact", False) else "JPEG", **options)
            self.paths.append(path)
            return path

        def classes(self, *rows: tuple[int, int], header="OBJID,CLASS") -> None:
            lines = [header, *(f"{FIRST + place},{number}" for place, number in rows)]
            self.table.write_bytes("\r\n".join(lines).encode() + b"\r\n")

        def read(self, size=6, **options):
            return read_galaxy_zoo(self.paths, self.table, size, progress=False, **options)

    Zoo.paths = []
    return Zoo()


def test_the_windings_are_one_class_and_dont_know_is_none(zoo):
    zoo.classes(*enumerate([0, 1, 2, 3, 4, 5]), (99, 0))
    for place in range(6):
        zoo.picture(place)
    survey = zoo.read()
    assert survey.class_names == ("elliptical", "edge-on", "spiral", "merger")
    assert survey.label.tolist() == [0, 2, 2, 1, -1, 3]
    assert list(survey.catalogue["class"])[3:] == ["edge-on", "don't know", "merger"]
    assert survey.ids.tolist() == [str(FIRST + place) for place in range(6)]
    assert survey.is_display and survey.channels == ("R", "G", "B") and survey.pixel_scale is None
    assert survey.targets == {} and len(survey.rejected) == 0


def test_a_group_is_a_survey_field(zoo):
    in_next_field = (((FIRST >> 16) + 1) << 16) - FIRST
    places = [0, 1, in_next_field, in_next_field + 3]
    zoo.classes(*((place, 0) for place in places))
    for place in places:
        zoo.picture(place)
    group = zoo.read().group
    assert group.tolist() == [FIRST >> 16] * 2 + [(FIRST >> 16) + 1] * 2


def test_the_central_square_is_averaged_channel_by_channel(zoo):
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    zoo.classes((0, 0))
    zoo.picture(0, pixels, exact=True)
    first = (SIDE - 212) // 2
    centre = pixels[first : first + 212, first : first + 212].astype(float)
    expected = centre.reshape(53, 4, 53, 4, 3).mean(axis=(1, 3)).transpose(2, 0, 1)
    (image,) = zoo.read(53).images
    assert image.shape == (3, 53, 53) and np.abs(image - expected).max() <= 1  # rounded once each way
    (whole,) = zoo.read(100, crop=100).images
    first = (SIDE - 100) // 2
    assert np.array_equal(whole, pixels[first : first + 100, first : first + 100].transpose(2, 0, 1))


def test_what_cannot_be_used_is_counted_with_its_reason(zoo):
    zoo.classes((0, 0), (1, 1), (2, 3), (3, 7), (4, 5), (6, 5))
    zoo.picture(0)
    zoo.picture(1).write_bytes(b"<html>not a picture</html>")
    cut = zoo.picture(2)
    cut.write_bytes(cut.read_bytes()[:1500])
    zoo.picture(3)  # its class has no meaning
    zoo.picture(4, np.zeros((SIDE - 1, SIDE, 3), np.uint8))
    zoo.picture(5)  # not in the table
    zoo.paths.append(zoo.paths[0])
    zoo.picture(6, np.full((SIDE, SIDE), 7, np.uint8))  # grey: not three channels, and still a picture
    zoo.picture(7, name="readme.jpeg")
    survey = zoo.read()
    assert survey.ids.tolist() == [str(FIRST), str(FIRST + 6)] and (survey.images[1] == 7).all()
    assert dict(zip(survey.rejected["id"], survey.rejected["reason"], strict=True)) == {
        str(FIRST + 1): "cannot be read as an image",
        str(FIRST + 2): "cannot be read as an image",
        str(FIRST + 3): "class 7 has no meaning",
        str(FIRST + 4): "not 423 x 423 pixels",
        str(FIRST + 5): "not in the table of classes",
        str(FIRST): "object came before",
        "readme": "not in the table of classes",
    }


def test_nothing_left_and_impossible_sizes_are_errors(zoo):
    zoo.classes((0, 0))
    with pytest.raises(SurveyError, match="None of 0 images"):
        zoo.read()
    zoo.picture(1)
    with pytest.raises(SurveyError, match=f"None of 1 images .*{FIRST + 1}: not in the table"):
        zoo.read()
    for size, crop in ((100, 50), (0, 50), (48, 500)):
        with pytest.raises(SurveyError, match="needs size <= crop <= 423"):
            zoo.read(size, crop=crop)


def test_a_table_that_cannot_be_used_is_named(zoo):
    zoo.picture(0)
    with pytest.raises(SurveyError, match="classes.csv is not a table with whole numbers OBJID and CLASS"):
        zoo.read()
    zoo.classes((0, 0), header="ID,KIND")
    with pytest.raises(SurveyError, match="classes.csv is not a table"):
        zoo.read()
    zoo.table.write_text("OBJID,CLASS\n12,spiral\n")
    with pytest.raises(SurveyError, match="classes.csv is not a table"):
        zoo.read()
    zoo.classes((0, 0), (0, 1))
    with pytest.raises(SurveyError, match=f"object {FIRST} has two rows"):
        zoo.read()


@pytest.mark.skipif(MIRROR is None, reason="ASTROLIB_DATA_DIR names no folder with the real data")
def test_real_images():
    folder = Path(MIRROR) / "galaxy_zoo1"
    if not folder.is_dir():
        pytest.skip("no Galaxy Zoo images there")
    pictures = sorted((folder / "images").iterdir())[:40]
    survey = read_galaxy_zoo(pictures, folder / "smallCSV_class.csv", 48, progress=False)
    assert len(survey) == 40 and len(survey.rejected) == 0
    rim = np.ones((48, 48), bool)
    rim[6:-6, 6:-6] = False
    brightness = survey.images.mean(axis=1)
    centre = brightness[:, 21:27, 21:27].mean(axis=(1, 2))
    assert np.median(centre / (brightness[:, rim].mean(axis=1) + 1)) > 3  # the galaxy is in the middle
