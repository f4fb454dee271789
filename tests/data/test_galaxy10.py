"""Reading Galaxy10: colours, sizes, twins on the sky, and files that are something else."""

import h5py
import numpy as np
import pytest

from astrolib.data import galaxy10
from astrolib.data.galaxies import SurveyError
from astrolib.data.galaxy10 import CLASS_NAMES, read_galaxy10, sky_block

ARCSEC = 1 / 3600


@pytest.fixture
def columns():
    """Twelve galaxies of 16 x 16 pixels; the last two have no redshift."""
    rng, n = np.random.default_rng(0), 12
    return {
        "images": rng.integers(0, 256, (n, 16, 16, 3), dtype=np.uint8),
        "ans": np.arange(n, dtype=np.uint8) % 10,
        "ra": np.linspace(10, 340, n),
        "dec": np.linspace(-20, 60, n),
        "redshift": np.where(np.arange(n) < 10, 0.1, np.nan),
        "pxscale": np.full(n, 0.262),
    }


@pytest.fixture
def read(tmp_path, columns):
    def read(size=8, **changes):
        path = tmp_path / "Galaxy10.h5"
        with h5py.File(path, "w") as file:
            for name, values in (columns | changes).items():
                if values is not None:
                    file[name] = values
        return read_galaxy10(path, size, progress=False)

    return read


def test_what_is_in_the_file_is_in_the_survey(read, columns, monkeypatch):
    monkeypatch.setattr(galaxy10, "BLOCK", 5)  # three blocks, the last one short
    survey = read()
    expected = columns["images"].reshape(12, 8, 2, 8, 2, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2)
    assert survey.images.shape == (12, 3, 8, 8) and np.abs(survey.images - expected).max() <= 1
    assert survey.label.tolist() == [*range(10), 0, 1] and len(survey.class_names) == 10
    assert survey.pixel_scale == pytest.approx(0.524)
    assert np.isnan(survey.targets["redshift"]).sum() == 2 and survey.targets["redshift"][0] == np.float32(
        0.1
    )
    assert survey.ids[3] == "galaxy10-00003" and np.allclose(survey.catalogue["dec"], columns["dec"])
    assert np.array_equal(survey.group, sky_block(columns["ra"], columns["dec"])) and survey.is_display
    assert np.array_equal(read(16).images, columns["images"].transpose(0, 3, 1, 2))


def test_the_classes_are_those_of_the_documentation():
    assert [CLASS_NAMES[k] for k in (0, 1, 4, 9)] == [
        "disturbed",
        "merging",
        "cigar-shaped smooth",
        "edge-on with bulge",
    ]


def test_scales_that_differ_are_kept_for_each_image(read):
    scale = np.where(np.arange(12) % 2, 0.262, 0.524)
    survey = read(pxscale=scale)
    assert survey.pixel_scale is None and np.array_equal(survey.catalogue["pxscale"], scale)


def test_twins_unknown_classes_and_lost_positions_are_counted(read, columns):
    ra, dec, label = columns["ra"].copy(), columns["dec"].copy(), columns["ans"].astype(int)
    dec[5] = dec[2] + 0.6 * ARCSEC
    ra[5] = ra[2] + 0.6 * ARCSEC / np.cos(np.radians(dec[2]))  # 0.85 arcsec in all
    ra[6], dec[6] = ra[3], dec[3] + 1.2 * ARCSEC  # another galaxy
    ra[11], dec[11] = 360.0 + ra[0], dec[0]  # the same direction by another number
    label[7], ra[8], dec[9] = 10, np.nan, 91.0
    survey = read(ra=ra, dec=dec, ans=label)
    assert dict(zip(survey.rejected["id"], survey.rejected["reason"], strict=True)) == {
        "galaxy10-00005": "same position as one that came before",
        "galaxy10-00011": "same position as one that came before",
        "galaxy10-00007": "unknown class",
        "galaxy10-00008": "no position",
        "galaxy10-00009": "no position",
    }
    kept = [0, 1, 2, 3, 4, 6, 10]
    assert survey.ids.tolist() == [f"galaxy10-{row:05d}" for row in kept]
    assert np.array_equal(survey.label, label[kept])
    expected = columns["images"][kept].reshape(7, 8, 2, 8, 2, 3).mean(axis=(2, 4)).transpose(0, 3, 1, 2)
    assert np.abs(survey.images - expected).max() <= 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"redshift": None}, "no dataset 'redshift'"),
        ({"images": np.zeros((12, 16, 16), np.uint8)}, "are not .N, H, H, 3. uint8"),
        ({"images": np.zeros((12, 16, 16, 3), np.float32)}, "float32 are not"),
        ({"ra": np.zeros(11)}, r"ra has shape \(11,\), but there are 12 images"),
        ({"ans": np.full(12, 10)}, "none of 12 galaxies can be used; the first: unknown class"),
    ],
    ids=["no redshift", "grey", "float", "short column", "no class"],
)
def test_a_file_of_another_format_is_named(read, changes, words):
    with pytest.raises(SurveyError, match="Galaxy10.h5.*" + words):
        read(**changes)


def test_sizes_and_files_that_cannot_be(read, tmp_path):
    for size in (0, 17):
        with pytest.raises(SurveyError, match=f"16 pixels cannot be averaged to {size}"):
            read(size)
    (tmp_path / "other.h5").write_bytes(b"no HDF5")
    with pytest.raises(SurveyError, match="other.h5 cannot be read as HDF5"):
        read_galaxy10(tmp_path / "other.h5", 8)


def test_blocks_of_the_sky_have_equal_area():
    rng = np.random.default_rng(0)  # uniform on the sphere: every block holds 1/768 of it
    ra, dec = rng.uniform(0, 360, 400_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 400_000)))
    counts = np.bincount(sky_block(ra, dec))
    assert len(counts) == 768
    expected = 400_000 / 768
    assert (np.abs(counts - expected) < 5 * np.sqrt(expected)).all()


def test_blocks_know_the_circle_and_the_poles():
    assert sky_block(np.array([359.999, -0.001]), np.zeros(2)).tolist() == [12 * 32 + 31] * 2
    assert sky_block(np.array([0.0, 360.0]), np.zeros(2)).tolist() == [12 * 32] * 2
    assert sky_block(np.zeros(2), np.array([-90.0, 90.0])).tolist() == [0, 23 * 32]
