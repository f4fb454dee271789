"""AstroM3Dataset, the paper's data before any scaling: ASAS-SN light curves, LAMOST spectra, split tables."""

import json
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.io import fits
from astropy.table import Table

from astrolib.data.galaxies import SurveyError
from astrolib.data.star_preprocessing import METADATA, PHOTOMETRIC, WAVELENGTH
from astrolib.data.stars import RawStars

FRACTIONS = ("full", "sub50", "sub25", "sub10")
FILES = {"train": "train.csv", "validation": "val.csv", "test": "test.csv"}
WORDS = ("id", "target", "name", "spec_filename")
LARGEST = 20_000_000  # bytes of a light curve once unpacked; real ones have some 20,000


def read_raw(folder: Path, seed: int = 42, fraction: str = "full") -> RawStars:
    """Stars of one published split of AstroM3Dataset (AstroM3 card, sections 3.1, 3.3 and 11).

    Parameters
    ----------
    folder : Path
        With `photometry.zip`, `spectra/<class>/*.fits*` and `splits/<fraction>/<seed>/{train,val,test}.csv`
        and `info.json`.
    seed : int
        42, 0, 66, 12 or 123.
    fraction : {"full", "sub50", "sub25", "sub10"}
        Of the data.

    Returns
    -------
    RawStars
        The catalogue has `id` (Gaia EDR3), `class`, `split` ("train", "validation" or "test"), `name`,
        `spec_filename` and the 38 measured columns; `catalogue.meta["info"]` is the content of `info.json`,
        with the authors' statistics. A star whose light curve or spectrum is missing or cannot be read stays,
        without it, and `photometry_fault` or `spectra_fault` says why.

    Raises
    ------
    SurveyError
        If the archive or a table is missing or damaged, a table lacks a column, or a star is in two parts.
    """
    folder = Path(folder)
    catalogue = _catalogue(folder / "splits" / fraction / str(seed))
    points, offsets, photometry_fault = _light_curves(folder / "photometry.zip", catalogue["name"])
    flux, ivar = np.full((2, len(catalogue), len(WAVELENGTH)), np.nan, np.float32)
    spectra_fault = np.full(len(catalogue), "", dtype=object)
    for row, star in enumerate(catalogue):
        path = folder / "spectra" / star["class"] / Path(star["spec_filename"]).name
        try:
            wavelength, *channels = read_lamost(path)
        except SurveyError as error:
            spectra_fault[row] = str(error).replace(f"{folder}/", "")
        else:
            flux[row], ivar[row] = (np.interp(WAVELENGTH, wavelength, values) for values in channels)
    catalogue["photometry_fault"], catalogue["spectra_fault"] = photometry_fault, spectra_fault.astype(str)
    source = f"AstroM3Dataset {fraction}, seed {seed} (ASAS-SN, LAMOST, Gaia and others)"
    return RawStars(catalogue, points, offsets, WAVELENGTH, flux, ivar, source)


def published_splits(folder: Path) -> pd.DataFrame:
    """Who is in which part of every split and subset that the authors published (AstroM3 card, section 2).

    Parameters
    ----------
    folder : Path
        As for `read_raw`.

    Returns
    -------
    DataFrame
        Index: ids. A column for each pair of seed and fraction whose tables are there, "split 42" for the
        whole and "split 42 0.25" for a subset, with "train", "validation", "test" or "".
    """
    columns = {}
    for share, fraction in zip(("", " 0.5", " 0.25", " 0.1"), FRACTIONS, strict=True):
        for place in sorted(Path(folder).glob(f"splits/{fraction}/*")):
            if all((place / name).is_file() for name in FILES.values()):
                parts = [
                    pd.read_csv(place / name, usecols=["id"], dtype=str)["id"].to_frame().assign(part=part)
                    for part, name in FILES.items()
                ]
                columns[f"split {place.name}{share}"] = pd.concat(parts).set_index("id")["part"]
    return pd.DataFrame(columns).fillna("")


def _catalogue(folder: Path) -> Table:
    """Rows of the three tables of a split."""
    numbers = PHOTOMETRIC + METADATA
    tables = []
    for part, name in FILES.items():
        path = folder / name
        try:
            table = pd.read_csv(path, dtype=dict.fromkeys(WORDS, str), keep_default_na=True)
        except FileNotFoundError:
            raise SurveyError(
                f"{path} is not there. Fetch it, or choose a split that is: splits/<fraction>/<seed>, "
                f"fraction {', '.join(FRACTIONS)}, seed 42, 0, 66, 12 or 123."
            ) from None
        except (OSError, ValueError) as error:
            raise SurveyError(f"{path} is not a table of comma-separated values: {error}") from None
        if missing := [column for column in WORDS + numbers if column not in table]:
            raise SurveyError(f"{path} has no column {', '.join(missing)}; it has {', '.join(table)}.")
        for column in numbers:
            if not pd.api.types.is_numeric_dtype(table[column]):
                raise SurveyError(f"{path}: a value of {column} is not a number.")
        tables.append(table[[*WORDS, *numbers]].assign(split=part))
    table = pd.concat(tables, ignore_index=True)
    parts = table.groupby("id")["split"].unique()
    if len(shared := parts[parts.str.len() > 1]):
        raise SurveyError(
            f"{folder}: star {shared.index[0]} and {len(shared) - 1} more are in both "
            f"{' and '.join(shared.iloc[0])}. No star may be trained on and tested on: fetch the tables "
            "anew, or take the star out of one."
        )
    if len(strange := table["target"].dropna().loc[lambda name: name.str.contains(r"[/\\]|^\.")]):
        raise SurveyError(f"{folder}: class {strange.iloc[0]!r} cannot be the name of a folder of spectra.")
    words = {name: table[name].fillna("").to_numpy(str) for name in (*WORDS, "split")}
    catalogue = Table({"id": words["id"], "class": words["target"], "split": words["split"]})
    for name in ("name", "spec_filename"):
        catalogue[name] = words[name]
    for name in numbers:
        catalogue[name] = table[name].to_numpy(np.float64)
    try:
        catalogue.meta["info"] = json.loads((folder / "info.json").read_text())
    except (OSError, ValueError) as error:
        raise SurveyError(f"{folder / 'info.json'} cannot be read: {error}.") from None
    return catalogue


def _light_curves(path: Path, names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points (P, 3) of all stars, offsets (N + 1,), faults (N,); files are read inside the archive."""
    curves, faults = [], []
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename: member for member in archive.infolist()}
            for name in names:
                curve, fault = _light_curve(archive, members.get(_member(name)))
                curves.append(curve)
                faults.append(fault)
    except (OSError, zipfile.BadZipFile) as error:
        raise SurveyError(f"{path} is not a zip archive, or is cut short: {error}. Fetch it anew.") from None
    offsets = np.concatenate([[0], np.cumsum([len(curve) for curve in curves])]).astype(np.int64)
    return np.concatenate([np.empty((0, 3)), *curves]), offsets, np.array(faults, dtype=str)


def _member(name: str) -> str:
    return f"vardb_files/{name.replace(' ', '')}.dat"


def _light_curve(archive: zipfile.ZipFile, member: zipfile.ZipInfo | None) -> tuple[np.ndarray, str]:
    """Time, flux, flux error (n, 3) float64, or none and the reason."""
    nothing = np.empty((0, 3))
    if member is None:
        return nothing, "its light curve is not in the archive"
    if member.file_size > LARGEST:
        return nothing, f"its light curve has {member.file_size:,} bytes, which none can have"
    try:
        lines = archive.read(member).decode("ascii").splitlines()[2:]  # two lines of heading
        lines = [line for line in lines if line.strip()]
        if not lines:
            return nothing, "its light curve is empty"
        return np.loadtxt(lines, usecols=(0, 3, 4), ndmin=2), ""  # HJD, MAG, MAG_ERR, FLUX, FLUX_ERR
    except (ValueError, zipfile.BadZipFile, zlib.error):
        return nothing, "its light curve cannot be read"


def read_lamost(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One LAMOST low-resolution spectrum, in either of the two layouts of its files (AstroM3 card, 3.3).

    Parameters
    ----------
    path : Path
        `.fits` or `.fits.gz`. If it is not there, the other of the two is tried. One HDU: an image whose rows
        are flux, inverse variance and what else there may be, on logarithmic wavelengths. Two HDUs: a table
        whose first record holds flux, inverse variance and wavelength.

    Returns
    -------
    wavelength, flux, ivar : (n,) float64 arrays
        Wavelength [Å], rising; flux [relative]; inverse variance.

    Raises
    ------
    SurveyError
        If there is no such file, or it is neither.
    """
    other = path.with_suffix("") if path.suffix == ".gz" else path.with_name(f"{path.name}.gz")
    found = next((name for name in (path, other) if name.is_file()), None)
    if found is None:
        raise SurveyError(f"no file {path}")
    try:
        with fits.open(found, memmap=False) as hdus:
            if len(hdus) == 1:
                flux, ivar = hdus[0].data[:2]
                header = hdus[0].header
                wavelength = 10 ** (header["COEFF0"] + header["COEFF1"] * np.arange(header["NAXIS1"]))
            else:
                flux, ivar, wavelength = (hdus[1].data[0][i] for i in range(3))
        spectrum = tuple(np.array(values, np.float64) for values in (wavelength, flux, ivar))
    except (OSError, EOFError, zlib.error, ValueError, TypeError, KeyError, IndexError) as error:
        raise SurveyError(f"{path} is not a LAMOST spectrum, or is cut short ({error})") from None
    if len({values.shape for values in spectrum}) > 1 or not (np.diff(spectrum[0]) > 0).all():
        raise SurveyError(f"{path} is not a LAMOST spectrum: wavelengths do not rise, or do not fit the flux")
    return spectrum
