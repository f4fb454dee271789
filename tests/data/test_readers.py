"""Image surveys, each read from a small file in the format of its makers."""

import os
import pickle
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from astrolib.data.galaxies import SurveyError
from astrolib.data.readers import _npz_member, count_rows, read_galaxiesml, read_pasquet, read_tensor_dataset

# ---------------------------------------------------------------- the AstroMAE authors' TensorDataset


def authors_tensors(n=7):
    generator = torch.Generator().manual_seed(0)
    return (
        torch.randn(n, 5, 32, 32, generator=generator),
        18 + torch.randn(n, 5, generator=generator, dtype=torch.float64),
        0.3 * torch.rand(n, generator=generator),
    )


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_tensor_dataset_comes_back_bit_by_bit(tmp_path, zipped):
    tensors = authors_tensors()
    path = tmp_path / "resized_inference.pt"
    torch.save(TensorDataset(*tensors), path, _use_new_zipfile_serialization=zipped)
    survey = read_tensor_dataset(path)
    assert np.array_equal(survey.images, tensors[0].numpy())
    assert np.array_equal(survey.magnitudes, tensors[1].float().numpy())
    assert np.array_equal(survey.redshift, tensors[2].numpy())
    assert survey.bands == ("u", "g", "r", "i", "z") and survey.catalogue["id"][6] == "row-000006"
    assert np.allclose(survey.noise, 1, rtol=0.1)


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path, zipped):
    path, trap = tmp_path / "evil.pt", tmp_path / "sprung"
    torch.save(TensorDataset(*authors_tensors()).__dict__ | {"x": Trap(str(trap))}, path,
               _use_new_zipfile_serialization=zipped)  # fmt: skip
    with pytest.raises(SurveyError, match=r"evil\.pt was refused.*None of it was run"):
        read_tensor_dataset(path)
    assert not trap.exists()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_a_plain_pickle_is_refused_and_not_run(tmp_path):
    trap = tmp_path / "sprung"
    (tmp_path / "evil.pt").write_bytes(pickle.dumps(Trap(str(trap))))
    with pytest.raises(SurveyError, match=r"evil\.pt"):
        read_tensor_dataset(tmp_path / "evil.pt")
    assert not trap.exists()


def test_a_tensor_file_that_is_cut_short_or_holds_something_else(tmp_path):
    path = tmp_path / "data.pt"
    torch.save(TensorDataset(*authors_tensors()), path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(SurveyError, match=r"data\.pt"):
        read_tensor_dataset(path)
    torch.save(TensorDataset(*authors_tensors()[:2]), path)
    with pytest.raises(SurveyError, match=r"data\.pt does not hold a TensorDataset of image, magnitude"):
        read_tensor_dataset(path)
    torch.save({"a": torch.zeros(2)}, path)
    with pytest.raises(SurveyError, match="does not hold"):
        read_tensor_dataset(path)


# ---------------------------------------------------------------- Pasquet et al. 2019

LABELS = [("specObjID", "<i8"), ("ra", "<f8"), ("dec", "<f8"), ("z", "<f4"), ("EBV", "<f4")] + [
    (f"dered_petro_{band}", "<f4") for band in "ugriz"
]


def pasquet_arrays(n=9):
    rng = np.random.default_rng(1)
    cube = rng.normal(size=(n, 64, 64, 5)).astype(np.float32)
    labels = np.zeros(n, LABELS)
    labels["specObjID"] = np.arange(n) + 299489677444933632
    labels["z"] = rng.uniform(0.02, 0.4, n)
    for k, band in enumerate("ugriz"):
        labels[f"dered_petro_{band}"] = 19 - 0.5 * k + rng.normal(size=n) / 10
    return cube, labels


def test_pasquet_is_cropped_and_turned_channels_first(tmp_path):
    cube, labels = pasquet_arrays()
    np.savez(tmp_path / "sdss.npz", cube=cube, labels=labels.view(np.recarray))
    survey = read_pasquet(tmp_path / "sdss.npz", 32)
    assert np.array_equal(
        survey.images, np.moveaxis(cube[:, 16:48, 16:48, :], 3, 1)
    )  # section 14.2 of the card
    assert np.array_equal(survey.redshift, labels["z"])
    assert np.array_equal(survey.magnitudes[:, 4], labels["dered_petro_z"])
    assert np.array_equal(survey.catalogue["specObjID"], labels["specObjID"])
    assert count_rows(tmp_path / "sdss.npz") == 9


def test_pasquet_reads_the_rows_asked_for_and_names_them_by_the_file(tmp_path):
    cube, labels = pasquet_arrays()
    cube[4, 0, 0, 0] = np.nan  # a corner, outside the crop
    cube[5, 32, 32, 2] = np.nan
    labels["z"][6] = -1
    np.savez(tmp_path / "sdss.npz", cube=cube, labels=labels)
    survey = read_pasquet(tmp_path / "sdss.npz", 48, slice(4, 100))
    assert list(survey.catalogue["id"]) == ["row-000004", "row-000007", "row-000008"]
    assert list(survey.rejected["id"]) == ["row-000005", "row-000006"]
    assert np.array_equal(survey.images[1], np.moveaxis(cube[7, 8:56, 8:56], 2, 0))


def test_pasquet_is_mapped_inside_the_archive(tmp_path):
    """54 GB of pixels must not be loaded to read a few."""
    cube, labels = pasquet_arrays()
    np.savez(tmp_path / "sdss.npz", labels=labels, cube=cube)
    mapped = _npz_member(tmp_path / "sdss.npz", "cube")
    assert isinstance(mapped, np.memmap) and Path(mapped.filename) == tmp_path / "sdss.npz"
    assert np.array_equal(mapped, cube)


def test_a_compressed_archive_says_how_to_unpack_it_and_is_then_read(tmp_path):
    cube, labels = pasquet_arrays()
    path = tmp_path / "sdss.npz"
    np.savez_compressed(path, cube=cube, labels=labels)
    with pytest.raises(SurveyError, match="compressed.*python -m zipfile -e sdss.npz"):
        read_pasquet(path)
    zipfile.main(["-e", str(path), str(tmp_path)])
    assert np.array_equal(read_pasquet(path).images, np.moveaxis(cube, 3, 1))


def test_a_pasquet_file_that_does_not_fit_is_named(tmp_path):
    cube, labels = pasquet_arrays()
    path = tmp_path / "sdss.npz"
    np.savez(path, cube=cube)
    with pytest.raises(SurveyError, match=r"sdss\.npz has no readable array labels"):
        read_pasquet(path)
    np.savez(path, cube=cube[:5], labels=labels)
    with pytest.raises(SurveyError, match="does not fit 9 labels"):
        read_pasquet(path)
    np.savez(path, cube=cube, labels=labels[["z", "dered_petro_u"]])
    with pytest.raises(SurveyError, match="no column dered_petro_g"):
        read_pasquet(path)
    np.savez(path, cube=cube, labels=labels)
    with pytest.raises(SurveyError, match="fewer than the 96"):
        read_pasquet(path, 96)
    path.write_bytes(path.read_bytes()[:10_000])
    with pytest.raises(SurveyError, match="cut short"):
        read_pasquet(path)


# ---------------------------------------------------------------- GalaxiesML


def write_galaxiesml(path, n=6):
    rng = np.random.default_rng(2)
    with h5py.File(path, "w") as file:
        file["image"] = rng.normal(size=(n, 5, 64, 64)).astype(np.float32)
        file["specz_redshift"] = rng.uniform(0.01, 4, n)
        file["object_id"] = np.arange(n) + 36407037608860000
        for k, band in enumerate("grizy"):
            file[f"{band}_cmodel_mag"] = rng.uniform(20, 21, n) - 0.2 * k
    return path


def test_galaxiesml_in_nanomaggies(tmp_path):
    path = write_galaxiesml(tmp_path / "5x64x64_validation_with_morphology.hdf5")
    survey = read_galaxiesml(path, 32, slice(1, 5))
    with h5py.File(path) as file:
        stored = file["image"][1:5, :, 16:48, 16:48]
        assert np.array_equal(survey.magnitudes[:, 4], file["y_cmodel_mag"][1:5].astype(np.float32))
        assert np.array_equal(survey.redshift, file["specz_redshift"][1:5].astype(np.float32))
    assert np.allclose(survey.images, stored * 10 ** (-0.4 * (27 - 22.5)), rtol=1e-6)
    assert survey.bands == ("g", "r", "i", "z", "y") and survey.pixel_scale == 0.168
    assert survey.catalogue["id"][0] == "36407037608860001" and count_rows(path) == 6


def test_a_galaxiesml_file_that_is_cut_short_is_named(tmp_path):
    path = write_galaxiesml(tmp_path / "data.hdf5")
    path.write_bytes(path.read_bytes()[:20_000])
    for read in (read_galaxiesml, count_rows):
        with pytest.raises(SurveyError, match=r"data\.hdf5 is not a GalaxiesML file, or is cut short"):
            read(path)
    path = write_galaxiesml(tmp_path / "whole.hdf5")
    with pytest.raises(SurveyError, match="fewer than the 127"):
        read_galaxiesml(path, 127)
