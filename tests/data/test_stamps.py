"""SDSS stamps: files in the real format, and the real files where they are at hand."""

import os
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from astrolib.data.galaxies import SurveyError
from astrolib.data.stamps import read_stamps

MIRROR = Path(os.environ.get("ASTROLIB_DATA_DIR", "")) / "sdss_stamps"
SKY = 0.02


def gaussian(flux: float, size: int = 51, width: float = 2.0) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size // 2
    return flux * np.exp(-(x**2 + y**2) / (2 * width**2)) / (2 * np.pi * width**2)


def write(
    folder: Path, ra="187.5469", dec="12.0381", bands="ugriz", exposures=1, flux=100.0, **changed
) -> None:
    for band in bands:
        image = changed.get("image", gaussian(flux)).copy()
        weight = np.full(image.shape, SKY**-2)
        if band in changed.get("invalid", {}):
            mask = changed["invalid"][band]
            weight[mask], image[mask] = 0, 1e4
        header = fits.Header(
            {"CD1_1": -0.00011, "CD2_2": 0.00011, "RUN": 3836, "FIELD": 257, "BAND": band, "NMGY": 0.004}
        )
        hdus = [fits.PrimaryHDU(image, header), fits.ImageHDU(weight)]
        hdus += [fits.ImageHDU(image + 7), fits.ImageHDU(weight)] * (exposures - 1)
        fits.HDUList(hdus).writeto(folder / f"stamp-{band}-{ra}-{dec}.fits")


def test_the_first_exposure_in_five_bands(tmp_path):
    write(tmp_path, exposures=3)
    survey = read_stamps(tmp_path)
    assert survey.images.shape == (1, 5, 51, 51) and survey.bands == ("u", "g", "r", "i", "z")
    assert np.allclose(survey.images[0], gaussian(100.0), atol=1e-6)
    assert np.allclose(
        survey.magnitudes, 22.5 - 2.5 * np.log10(100.0), atol=1e-3
    )  # 17.5: all flux in 5 arcsec
    assert np.allclose(survey.noise, SKY) and survey.pixel_scale == pytest.approx(0.396)
    assert np.isnan(survey.redshift).all()
    (row,) = survey.catalogue
    assert row["id"] == "187.5469+12.0381" and row["ra"] == 187.5469 and list(row["exposures"]) == [3] * 5


def test_invalid_pixels_are_filled_from_their_neighbours_and_counted(tmp_path):
    columns = np.zeros((51, 51), bool)
    columns[:, 30:32] = True
    write(tmp_path, invalid={"g": columns})
    survey = read_stamps(tmp_path)
    assert list(survey.catalogue["filled"][0]) == [0, 102, 0, 0, 0]
    peak = gaussian(100.0).max()
    assert np.abs(survey.images[0, 1] - gaussian(100.0)).max() < 0.1 * peak  # of 1e4 nothing is left
    assert survey.magnitudes[0, 1] == pytest.approx(survey.magnitudes[0, 0], abs=0.05)


def test_positions_that_cannot_be_used_are_named(tmp_path):
    half = np.zeros((51, 51), bool)
    half[:20] = True
    write(tmp_path)
    write(tmp_path, ra="187.6000", bands="ugri")
    write(tmp_path, ra="187.7000", invalid={"i": half})
    write(tmp_path, ra="187.8000", dec="-1.5000", flux=-3.0)
    survey = read_stamps(tmp_path)
    assert list(survey.catalogue["id"]) == ["187.5469+12.0381"]
    assert dict(survey.rejected.iterrows()) == {
        "187.6000+12.0381": "no file in band z",
        "187.7000+12.0381": "1020 pixels of band i are invalid",
        "187.8000-1.5000": "no positive flux in band u",
    }


def test_an_even_crop_keeps_the_source_near_the_middle(tmp_path):
    write(tmp_path)
    images = read_stamps(tmp_path, image_size=32).images
    assert images.shape == (1, 5, 32, 32)
    assert np.unravel_index(images[0, 2].argmax(), (32, 32)) == (16, 16)


@pytest.mark.filterwarnings("ignore:File may have been truncated")
def test_files_that_are_no_stamps_are_named(tmp_path):
    with pytest.raises(SurveyError, match="no files stamp-"):
        read_stamps(tmp_path)
    write(tmp_path)
    path = tmp_path / "stamp-g-187.5469-12.0381.fits"
    path.write_bytes(path.read_bytes()[:6000])
    with pytest.raises(SurveyError, match=r"stamp-g-187\.5469-12\.0381\.fits is not an SDSS stamp"):
        read_stamps(tmp_path)
    with pytest.raises(SurveyError, match=r"other\.fits is not named"):
        read_stamps([tmp_path / "other.fits"])


@pytest.mark.skipif(not MIRROR.is_dir(), reason="ASTROLIB_DATA_DIR names no folder with the real data")
def test_the_real_stamps():
    survey = read_stamps(MIRROR, image_size=48)
    assert survey.images.shape == (20, 5, 48, 48) and len(survey.rejected) == 0
    assert survey.catalogue["filled"].max() <= 211 and (survey.catalogue["filled"] > 0).sum() == 41
    g, r = survey.magnitudes[:, 1], survey.magnitudes[:, 2]
    assert (16.5 < r).all() and (r < 19.2).all()
    assert 0.3 < np.median(g - r) < 0.9 and (g - r > -0.1).all()  # the colours of galaxies
    assert np.allclose(survey.noise, [0.053, 0.0194, 0.0287, 0.0406, 0.1325], rtol=0.02)
