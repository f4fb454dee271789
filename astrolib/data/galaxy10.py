"""Galaxy10 DECaLS: colour images of the DESI Legacy Surveys in ten classes (dataset `galaxy10_decals`)."""

from pathlib import Path

import astropy.units as u
import h5py
import numpy as np
from astropy.coordinates import SkyCoord, search_around_sky
from astropy.table import Table
from PIL import Image
from tqdm import tqdm

from astrolib.data.galaxies import SurveyError, rejects
from astrolib.data.image_survey import ImageSurvey

CLASS_NAMES = (
    "disturbed",
    "merging",
    "round smooth",
    "in-between smooth",
    "cigar-shaped smooth",
    "barred spiral",
    "unbarred tight spiral",
    "unbarred loose spiral",
    "edge-on without bulge",
    "edge-on with bulge",
)
"""By the number in the file."""
COLUMNS = ("images", "ans", "ra", "dec", "redshift", "pxscale")
SAME = 1.0  # arcsec; closer positions are the same galaxy
BLOCK = 512  # images read at a time: 100 MB of 256 x 256 pixels


def read_galaxy10(path: Path, size: int, *, progress: bool = True) -> ImageSurvey:
    """Read `Galaxy10_DECals.h5`, a block of images at a time, and average the images down.

    Left out and counted with the reason are galaxies without a position, of an unknown class, and those
    within 1 arcsec of one that came before.

    Parameters
    ----------
    path : Path
        HDF5 file with the datasets `images` (N, H, H, 3) uint8, `ans` (the class), `ra` and `dec` [deg],
        `redshift`, and `pxscale` [arcsec per pixel].
    size : int
        Side of the images of the survey [pixels].
    progress : bool
        Show a progress bar.

    Returns
    -------
    ImageSurvey
        uint8 RGB, stretched as displayed: z, r, g in this order. The target "redshift" is NaN where the file
        has none. Groups are blocks of the sky, see `sky_block`; galaxies on the two sides of a border may
        share pixels. The catalogue has `id` ("galaxy10-00042" is row 42 of the file), `ra`, `dec` and
        `pxscale` of the original pixels.

    Raises
    ------
    SurveyError
        If the file is not of that format, `size` is larger than its images, or no galaxy is left.

    Notes
    -----
    Leung & Bovy, https://astronn.readthedocs.io (Galaxy10 DECaLS), with classes after Walmsley et al. 2022,
    MNRAS 509, 3966.
    """
    try:
        with h5py.File(path) as file:
            if missing := [name for name in COLUMNS if name not in file]:
                raise SurveyError(f"{path} has no dataset {missing[0]!r}; Galaxy10 has {', '.join(COLUMNS)}.")
            columns = {name: file[name][:] for name in COLUMNS[1:]}
            _check(path, file["images"], columns, size)
            faults = _faults(columns["ans"], columns["ra"], columns["dec"])
            rows = np.flatnonzero(faults == "")
            if not len(rows):
                raise SurveyError(
                    f"{path}: none of {len(faults)} galaxies can be used; the first: {faults[0]}."
                )
            images = _shrunk(file["images"], rows, size, progress)
            side = file["images"].shape[1]
    except OSError as error:
        raise SurveyError(f"{path} cannot be read as HDF5: {error}. Fetch it again.") from None

    ids = np.array([f"galaxy10-{row:05d}" for row in range(len(faults))])
    ra, dec, scale = (columns[name][rows].astype(np.float64) for name in ("ra", "dec", "pxscale"))
    return ImageSurvey(
        images=images,
        channels=("R", "G", "B"),
        label=columns["ans"][rows].astype(np.int64),
        class_names=CLASS_NAMES,
        group=sky_block(ra, dec),
        targets={"redshift": columns["redshift"][rows].astype(np.float32)},
        catalogue=Table({"id": ids[rows], "ra": ra, "dec": dec, "pxscale": scale}),
        source="Galaxy10 DECaLS (Legacy Survey colour images, Galaxy Zoo classes)",
        noise=None,
        pixel_scale=float(scale[0] * side / size) if np.ptp(scale) == 0 else None,
        rejected=rejects(ids[faults != ""], faults[faults != ""]),
    )


def sky_block(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Number of the block of sky that a position is in; galaxies of one block belong in one split.

    The sphere is cut into 24 bands of equal height in sin(dec) and each into 32 of equal width in right
    ascension: 768 blocks of 53.7 square degrees, as many and as large as the cells of HEALPix with nside 8.

    Parameters
    ----------
    ra, dec : (N,) array
        Position [deg].

    Returns
    -------
    (N,) int64 array
        0 to 767.

    Examples
    --------
    >>> sky_block(np.array([0.0, 359.0, -1.0]), np.array([-90.0, 90.0, 90.0])).tolist()
    [0, 767, 767]
    """
    bands, columns = 24, 32
    height = np.clip((np.sin(np.radians(dec)) + 1) / 2 * bands, 0, bands - 1).astype(np.int64)
    return height * columns + (np.mod(ra, 360) / 360 * columns).astype(np.int64) % columns


def _check(path: Path, images: h5py.Dataset, columns: dict[str, np.ndarray], size: int) -> None:
    shape = images.shape
    if len(shape) != 4 or shape[3] != 3 or shape[1] != shape[2] or images.dtype != np.uint8:
        raise SurveyError(f"{path}: images {shape} {images.dtype} are not (N, H, H, 3) uint8.")
    for name, values in columns.items():
        if values.shape != shape[:1]:
            raise SurveyError(f"{path}: {name} has shape {values.shape}, but there are {shape[0]} images.")
    if not 0 < size <= shape[1]:
        raise SurveyError(f"{path}: images of {shape[1]} pixels cannot be averaged to {size}.")


def _faults(label: np.ndarray, ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """Why each galaxy cannot be used, "" for a good one; (N,) array of str."""
    faults = np.full(len(label), "", dtype=object)
    faults[(label < 0) | (label >= len(CLASS_NAMES))] = "unknown class"
    faults[~(np.isfinite(ra) & (np.abs(dec) <= 90))] = "no position"
    good = np.flatnonzero(faults == "")
    if len(good) > 1:
        positions = SkyCoord(ra[good], dec[good], unit="deg")
        one, other, *_ = search_around_sky(positions, positions, SAME * u.arcsec)
        faults[good[other[one < other]]] = "same position as one that came before"
    return faults.astype(str)


def _shrunk(images: h5py.Dataset, rows: np.ndarray, size: int, progress: bool) -> np.ndarray:
    """The images of some rows, (n, 3, size, size) uint8."""
    small = np.empty((len(rows), 3, size, size), np.uint8)
    place = 0
    with tqdm(total=len(images), desc="decoding", unit="images", disable=not progress) as bar:
        for start in range(0, len(images), BLOCK):
            block = images[start : start + BLOCK]
            for row in rows[(rows >= start) & (rows < start + BLOCK)]:
                picture = Image.fromarray(block[row - start]).resize((size, size), Image.Resampling.BOX)
                small[place] = np.asarray(picture).transpose(2, 0, 1)
                place += 1
            bar.update(len(block))
    return small
