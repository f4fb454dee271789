"""Image surveys as their makers publish them: torch datasets, NumPy archives and HDF5 files."""

import pickle
import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np
import torch
from astropy.table import Table
from torch.utils.data import TensorDataset

from astrolib.data.galaxies import GalaxySurvey, SurveyError
from astrolib.data.pixels import central_pixels, sky_noise

UGRIZ = ("u", "g", "r", "i", "z")
GRIZY = ("g", "r", "i", "z", "y")
HSC_TO_NANOMAGGIES = 10 ** ((22.5 - 27.0) / 2.5)  # coadds of Hyper Suprime-Cam have zero point 27 mag


def read_tensor_dataset(path: Path) -> GalaxySurvey:
    """The AstroMAE authors' format: `torch.save(TensorDataset(image, magnitude, redshift))`.

    The file is a pickle. It is read with torch's restricted unpickler, which makes tensors and the one class
    `TensorDataset` and runs nothing else that may be in the file.

    Parameters
    ----------
    path : Path
        For example `resized_inference.pt` of the dataset `authors_inference`: images (N, 5, 32, 32) float32,
        magnitudes (N, 5) float64, redshifts (N,).

    Returns
    -------
    GalaxySurvey
        Pixels are the stored ones, memory-mapped from the file where its format allows.

    Raises
    ------
    SurveyError
        If the file holds anything but those three tensors.
    """
    try:
        with torch.serialization.safe_globals([TensorDataset]):
            dataset = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except pickle.UnpicklingError as error:
        raise SurveyError(
            f"{path} was refused: it holds more than tensors and a TensorDataset, and loading it could run "
            f"code that somebody put there. None of it was run. ({str(error).splitlines()[0]})"
        ) from None
    except (OSError, RuntimeError, EOFError, KeyError) as error:
        raise SurveyError(f"{path} is not a file that torch.save wrote, or is cut short: {error}.") from None
    tensors = getattr(dataset, "tensors", ())
    if len(tensors) != 3:
        raise SurveyError(f"{path} does not hold a TensorDataset of image, magnitude and redshift.")
    images, magnitudes, redshift = (tensor.numpy() for tensor in tensors)
    return GalaxySurvey.build(
        images,
        UGRIZ,
        magnitudes,
        redshift,
        Table({"id": _row_ids(range(len(images)))}),
        f"SDSS cutouts as preprocessed by the AstroMAE authors ({path.name})",
        noise=sky_noise(images),
    )


def read_pasquet(path: Path, image_size: int = 64, rows: slice = slice(None)) -> GalaxySurvey:
    """SDSS DR8 cutouts of Pasquet et al. 2019 (A&A 621, A26): `sdss.npz` (dataset `pasquet`).

    The archive holds `cube` (N, 64, 64, 5) float32, 54 GB, and `labels`, a structured array of 64 columns.
    Both are memory-mapped inside the archive: only the rows and pixels asked for are read.

    Parameters
    ----------
    path : Path
        The archive. `cube.npy` and `labels.npy` beside it, if there, are read in its place.
    image_size : int
        Central pixels to keep.
    rows : slice
        Rows to read; all 659,857 need 54 GB of memory at the full size.

    Returns
    -------
    GalaxySurvey
        Bands u g r i z; pixels as stored (SDSS frames are in nanomaggies); magnitudes are the Petrosian ones
        corrected for extinction, `dered_petro_*`, the only ones in the file. The catalogue has `id`
        ("row-000123", the row number in the file) and those of `specObjID ra dec EBV primtarget` that exist.

    Raises
    ------
    SurveyError
        If the archive is compressed, cut short, or lacks an array or column.
    """
    cube, labels = _npz_member(path, "cube"), _npz_member(path, "labels")
    columns = [f"dered_petro_{band}" for band in UGRIZ]
    if missing := {"z", *columns} - set(labels.dtype.names or ()):
        raise SurveyError(f"{path}: labels have no column {sorted(missing)[0]}.")
    if cube.ndim != 4 or cube.shape[3] != len(UGRIZ) or len(cube) != len(labels):
        raise SurveyError(
            f"{path}: a cube of shape {cube.shape} does not fit {len(labels)} labels in five bands."
        )
    labels = labels[rows]
    y, x = central_pixels(cube.shape[:3], image_size, path)
    images = np.ascontiguousarray(cube[rows, y, x].transpose(0, 3, 1, 2))
    catalogue = Table({"id": _row_ids(range(len(cube))[rows])})
    for name in {"specObjID", "ra", "dec", "EBV", "primtarget"} & set(labels.dtype.names):
        catalogue[name] = labels[name]
    return GalaxySurvey.build(
        images,
        UGRIZ,
        np.stack([labels[column] for column in columns], axis=1),
        labels["z"],
        catalogue,
        "SDSS DR8 cutouts (Pasquet et al. 2019), dereddened Petrosian magnitudes",
        noise=sky_noise(images),
    )


def read_galaxiesml(path: Path, image_size: int = 64, rows: slice = slice(None)) -> GalaxySurvey:
    """Hyper Suprime-Cam cutouts of GalaxiesML (arXiv:2410.00271), HDF5 (dataset `galaxiesml`).

    Parameters
    ----------
    path : Path
        For example `5x64x64_validation_with_morphology.hdf5`.
    image_size : int
        Central pixels to keep.
    rows : slice
        Rows to read.

    Returns
    -------
    GalaxySurvey
        Bands g r i z y at 0.168 arcsec per pixel; pixels turned into nanomaggies with the zero point 27 mag
        of Hyper Suprime-Cam coadds (not checked: no file was at hand); cmodel magnitudes; `id` is the HSC
        object id.

    Raises
    ------
    SurveyError
        If the file is cut short or lacks a dataset.
    """
    try:
        with h5py.File(path, "r") as file:
            y, x = central_pixels(file["image"].shape, image_size, path)
            images = file["image"][rows, :, y, x]
            redshift = file["specz_redshift"][rows]
            ids = file["object_id"][rows]
            magnitudes = np.stack([file[f"{band}_cmodel_mag"][rows] for band in GRIZY], axis=1)
    except SurveyError:
        raise
    except (OSError, KeyError, ValueError) as error:
        raise _not_galaxiesml(path, error) from None
    images = images.astype(np.float32) * np.float32(HSC_TO_NANOMAGGIES)
    return GalaxySurvey.build(
        images,
        GRIZY,
        magnitudes,
        redshift,
        Table({"id": ids.astype(str)}),
        "HSC PDR2 cutouts (GalaxiesML)",
        noise=sky_noise(images),
        pixel_scale=0.168,
        redshift_range=(0.0, 5.0),
    )


def count_rows(path: Path) -> int:
    """Number of galaxies in a file for `read_pasquet` (.npz) or `read_galaxiesml` (.hdf5)."""
    if path.suffix == ".npz":
        return len(_npz_member(path, "labels"))
    try:
        with h5py.File(path, "r") as file:
            return len(file["image"])
    except (OSError, KeyError) as error:
        raise _not_galaxiesml(path, error) from None


def _not_galaxiesml(path: Path, error: Exception) -> SurveyError:
    return SurveyError(
        f"{path} is not a GalaxiesML file, or is cut short: {error}. No published hash could have shown "
        "this before: delete the file and fetch it again."
    )


def _row_ids(rows: range) -> list[str]:
    return [f"row-{row:06d}" for row in rows]


def _npz_member(path: Path, name: str) -> np.ndarray:
    """Memory map of one array inside an uncompressed `.npz`, or of `<name>.npy` beside it."""
    unpacked = path.with_name(f"{name}.npy")
    if unpacked.is_file():
        return np.load(unpacked, mmap_mode="r", allow_pickle=False)
    try:
        with zipfile.ZipFile(path) as archive:
            member = archive.getinfo(f"{name}.npy")
        if member.compress_type != zipfile.ZIP_STORED:
            raise SurveyError(
                f"{path}: {name}.npy is compressed, so it cannot be read in parts. Unpack the archive in its "
                f"own folder (cd {path.parent}; python -m zipfile -e {path.name} .): the reader finds "
                f"{name}.npy there."
            )
        with path.open("rb") as stream:
            # the local header repeats the name and may carry other extra fields than the directory does
            stream.seek(member.header_offset + 26)
            name_length, extra_length = struct.unpack("<HH", stream.read(4))
            stream.seek(name_length + extra_length, 1)
            version = np.lib.format.read_magic(stream)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, fortran_order, dtype = read_header(stream)
            if dtype.hasobject:
                raise SurveyError(f"{path}: {name} holds Python objects, which are not read.")
            return np.memmap(
                path, dtype, mode="r", offset=stream.tell(), shape=shape, order="F" if fortran_order else "C"
            )
    except SurveyError:
        raise
    except (OSError, KeyError, ValueError, struct.error, zipfile.BadZipFile) as error:
        raise SurveyError(f"{path} has no readable array {name}, or is cut short: {error}.") from None
