"""A survey on disk as plain arrays: written once in blocks, memory-mapped ever after."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

import numpy as np
from astropy.table import Table, vstack

from astrolib.data.galaxies import GalaxySurvey, SurveyError


def save_survey(folder: Path, blocks: Iterable[GalaxySurvey]) -> None:
    """Write consecutive parts of a survey, of which only one at a time needs to be in memory.

    The folder appears under its name when it is complete: an interruption leaves `<folder>.part`, which the
    next attempt replaces.

    Parameters
    ----------
    folder : Path
        Must not exist yet.
    blocks : iterable of GalaxySurvey
        Parts with the same bands, stamp size and source. The noise of the whole is the median of theirs.

    Raises
    ------
    SurveyError
        If no galaxy is left.
    """
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    columns = {name: [] for name in ("magnitudes", "redshift", "noise", "catalogue", "rejected")}
    n = 0
    with (aside / "images.npy").open("wb") as stream:
        for block in blocks:
            if not stream.tell():
                _write_header(stream, block.images.shape)
            stream.write(np.ascontiguousarray(block.images, "<f4").data)
            n += len(block)
            for name, values in columns.items():
                values.append(getattr(block, name))
        if not n:
            raise SurveyError(f"No galaxy is left for {folder}: every row was rejected.")
        stream.seek(0)
        _write_header(stream, (n, *block.images.shape[1:]))
    np.save(aside / "magnitudes.npy", np.concatenate(columns["magnitudes"]))
    np.save(aside / "redshift.npy", np.concatenate(columns["redshift"]))
    np.save(aside / "noise.npy", np.nanmedian(columns["noise"], axis=0).astype(np.float32))
    for name in ("catalogue", "rejected"):
        vstack(columns[name], metadata_conflicts="silent").write(aside / f"{name}.parquet", format="parquet")
    words = {"bands": block.bands, "source": block.source, "pixel_scale": block.pixel_scale}
    (aside / "survey.json").write_text(json.dumps(words, indent=1))
    aside.replace(folder)


def open_survey(folder: Path) -> GalaxySurvey:
    """A survey that `save_survey` wrote; its images stay on disk until they are used.

    Raises
    ------
    SurveyError
        If the folder is damaged; the message says that it may be deleted.
    """
    try:
        words = json.loads((folder / "survey.json").read_text())
        return GalaxySurvey(
            images=np.load(folder / "images.npy", mmap_mode="r"),
            bands=tuple(words["bands"]),
            magnitudes=np.load(folder / "magnitudes.npy"),
            redshift=np.load(folder / "redshift.npy"),
            catalogue=Table.read(folder / "catalogue.parquet", format="parquet"),
            source=words["source"],
            noise=np.load(folder / "noise.npy"),
            pixel_scale=words["pixel_scale"],
            rejected=Table.read(folder / "rejected.parquet", format="parquet"),
        )
    except (OSError, ValueError, KeyError) as error:
        raise SurveyError(
            f"The arrays in {folder} are damaged ({error}). They are derived data: delete that folder and "
            "run the same command again."
        ) from None


def _write_header(stream: BinaryIO, shape: tuple[int, ...]) -> None:
    """Header of an npy file of float32 rows; NumPy pads it, so that the number of rows can change later."""
    header = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
