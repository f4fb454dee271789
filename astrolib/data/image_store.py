"""A survey of images on disk as plain arrays: made once, memory-mapped ever after."""

import json
import shutil
from pathlib import Path

import numpy as np
from astropy.table import Table

from astrolib.data.galaxies import SurveyError
from astrolib.data.image_survey import ImageSurvey


def save_images(folder: Path, survey: ImageSurvey) -> None:
    """Write a survey as npy files, Parquet tables and a little JSON.

    The folder appears under its name when it is complete: an interruption leaves `<folder>.part`, which the
    next attempt replaces.

    Parameters
    ----------
    folder : Path
        Must not exist yet.
    survey : ImageSurvey
        Any.
    """
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    arrays = {name: getattr(survey, name) for name in ("images", "label", "group", "noise")}
    for name, values in arrays.items():
        if values is not None:
            np.save(aside / f"{name}.npy", values)
    Table(dict(survey.targets)).write(aside / "targets.parquet", format="parquet")
    for name in ("catalogue", "rejected"):
        getattr(survey, name).write(aside / f"{name}.parquet", format="parquet")
    words = {name: getattr(survey, name) for name in ("channels", "class_names", "source", "pixel_scale")}
    (aside / "survey.json").write_text(json.dumps(words, indent=1))
    aside.replace(folder)


def open_images(folder: Path) -> ImageSurvey:
    """A survey that `save_images` wrote; its images stay on disk until they are used.

    Raises
    ------
    SurveyError
        If the folder is damaged; the message says that it may be deleted.
    """
    try:
        words = json.loads((folder / "survey.json").read_text())
        targets = Table.read(folder / "targets.parquet", format="parquet")
        return ImageSurvey(
            images=np.load(folder / "images.npy", mmap_mode="r"),
            channels=tuple(words["channels"]),
            label=np.load(folder / "label.npy"),
            class_names=tuple(words["class_names"]),
            group=np.load(folder / "group.npy"),
            targets={name: np.asarray(targets[name]) for name in targets.colnames},
            catalogue=Table.read(folder / "catalogue.parquet", format="parquet"),
            source=words["source"],
            noise=np.load(folder / "noise.npy") if (folder / "noise.npy").is_file() else None,
            pixel_scale=words["pixel_scale"],
            rejected=Table.read(folder / "rejected.parquet", format="parquet"),
        )
    except (OSError, ValueError, KeyError) as error:
        raise SurveyError(
            f"The arrays in {folder} are damaged ({error}). They are derived data: delete that folder and "
            "run the same command again."
        ) from None
