"""SDSS stamps: one FITS file per band and position."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from astropy.convolution import Gaussian2DKernel, interpolate_replace_nans
from astropy.io import fits
from astropy.table import Table

from astrolib.data.galaxies import GalaxySurvey, SurveyError, rejects
from astrolib.data.pixels import central_pixels

BANDS = ("u", "g", "r", "i", "z")
NAME = re.compile(r"stamp-([ugriz])-(\d+\.\d+)-(-?\d+\.\d+)\.fits")
APERTURE = 5.0  # arcsec
MOST_INVALID = 0.2  # of the pixels of a band


def read_stamps(source: Path | Iterable[Path], image_size: int | None = None) -> GalaxySurvey:
    """Five-band SDSS FITS stamps, `stamp-<band>-<RA>-<Dec>.fits` (dataset `sdss_stamps`).

    The first exposure of each file is used. Pixels of inverse variance 0 are invalid (mostly dead detector
    columns); they are interpolated from their neighbours with a Gaussian of 1 pixel and counted in the
    catalogue. A position is rejected if a band is missing, if more than a fifth of a band is invalid, or if
    it has no positive flux in a band.

    Parameters
    ----------
    source : Path or iterable of Path
        A folder of stamps, or the files.
    image_size : int, optional
        Cut the centre out. The centre of an odd stamp lies half a pixel beyond the middle of an even one.

    Returns
    -------
    GalaxySurvey
        Images in nanomaggies as stored; magnitudes within 5 arcsec of the centre of the stamp, measured here
        (these are not catalogue magnitudes); redshift NaN; noise from the inverse variances. The catalogue
        has `id` ("187.5469+12.0381"), `ra` and `dec` [deg] and, one number per band, `run`, `field`,
        `exposures` (how many there are) and `filled` (interpolated pixels).

    Raises
    ------
    SurveyError
        If there are no stamps, or a file cannot be read.
    """
    files = sorted(source.glob("stamp-*.fits") if isinstance(source, Path) else map(Path, source))
    positions: dict[tuple[str, str], dict[str, Path]] = defaultdict(dict)
    for path in files:
        if not (name := NAME.fullmatch(path.name)):
            raise SurveyError(f"{path} is not named stamp-<band>-<RA>-<Dec>.fits.")
        positions[name[2], name[3]][name[1]] = path
    if not positions:
        raise SurveyError(f"There are no files stamp-<band>-<RA>-<Dec>.fits in {source}.")

    good, lost = [], []
    for (ra, dec), by_band in sorted(positions.items()):
        row = {"id": f"{ra}{float(dec):+.{len(dec.partition('.')[2])}f}", "ra": float(ra), "dec": float(dec)}
        reason = _read_position(by_band, row)
        good.append(row) if reason is None else lost.append((row["id"], reason))
    if not good:
        raise SurveyError(f"None of the {len(lost)} positions can be used: {lost[0][0]}: {lost[0][1]}, ...")
    if len(sizes := {row["image"].shape[1:] for row in good}) > 1:
        raise SurveyError(
            f"Stamps of different sizes {sorted(sizes)} cannot make one survey: {files[0].parent}."
        )
    images = np.stack([row.pop("image") for row in good])
    magnitudes = np.stack([row.pop("magnitudes") for row in good])
    noise = np.median([row.pop("noise") for row in good], axis=0)
    scale = float(np.median([row.pop("scale") for row in good]))
    if image_size is not None:
        images = images[..., *central_pixels(images.shape, image_size, files[0].parent)]
    return GalaxySurvey.build(
        images,
        BANDS,
        magnitudes,
        np.full(len(good), np.nan),
        Table(good),
        "SDSS imaging stamps",
        noise=noise,
        pixel_scale=scale,
        redshift_range=None,
        rejected=rejects(*zip(*lost, strict=True)) if lost else None,
    )


def _read_position(by_band: dict[str, Path], row: dict) -> str | None:
    """Fill `row` from the five files of a position; returns why it cannot be used, if so."""
    if missing := [band for band in BANDS if band not in by_band]:
        return f"no file in band {missing[0]}"
    bands = [_read_band(by_band[band]) for band in BANDS]
    for band, values in zip(BANDS, bands, strict=True):
        if values["filled"] > MOST_INVALID * values["image"].size:
            return f"{values['filled']} pixels of band {band} are invalid"
        if values["image"].shape != bands[0]["image"].shape:
            return f"band {band} has another size than band u"
    row |= {key: np.array([values[key] for values in bands]) for key in bands[0]}
    row["scale"] = float(row["scale"][0])
    flux = _aperture_flux(row["image"], row["scale"])
    if (flux <= 0).any():
        return f"no positive flux in band {BANDS[int(flux.argmin())]}"
    row["magnitudes"] = 22.5 - 2.5 * np.log10(flux)
    return None


def _read_band(path: Path) -> dict:
    """First exposure of one file, with its invalid pixels filled."""
    try:
        with fits.open(path, memmap=False) as hdus:
            header = hdus[0].header
            image, inverse_variance = (np.asarray(hdus[k].data, dtype=np.float64) for k in (0, 1))
            exposures = len(hdus) // 2
            scale = 3600 * abs(header["CD2_2"])
            run, frame = header["RUN"], header["FIELD"]
    except (OSError, IndexError, KeyError, TypeError, ValueError) as error:
        raise SurveyError(f"{path} is not an SDSS stamp with image and inverse variance: {error}.") from None
    if image.ndim != 2 or image.shape != inverse_variance.shape:
        raise SurveyError(
            f"{path}: image {image.shape} and inverse variance {inverse_variance.shape} differ."
        )
    invalid = ~(inverse_variance > 0) | ~np.isfinite(image)
    if 0 < invalid.sum() <= MOST_INVALID * image.size:
        image[invalid] = np.nan
        image = interpolate_replace_nans(image, Gaussian2DKernel(1.0))
    noise = np.median(inverse_variance[~invalid]) ** -0.5 if not invalid.all() else np.nan
    return {
        "image": image,
        "filled": int(invalid.sum()),
        "noise": noise,
        "exposures": exposures,
        "scale": scale,
        "run": run,
        "field": frame,
    }


def _aperture_flux(image: np.ndarray, scale: float) -> np.ndarray:
    """Flux (C,) within `APERTURE` of the central pixel of an image (C, H, W)."""
    height, width = image.shape[-2:]
    y, x = np.ogrid[:height, :width]
    inside = np.hypot(y - height // 2, x - width // 2) * scale < APERTURE
    return image[:, inside].sum(axis=1)
