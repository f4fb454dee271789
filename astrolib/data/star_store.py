"""A survey of stars on disk as plain arrays: made once, memory-mapped ever after."""

import json
import shutil
from pathlib import Path

import numpy as np
from astropy.table import Table

from astrolib.data.galaxies import SurveyError
from astrolib.data.stars import Modality, StarSurvey

TUPLES = ("names", "constant_names", "standardized")


def save_stars(folder: Path, survey: StarSurvey) -> None:
    """Write a survey as one npy file per array, Parquet tables and a little JSON.

    The folder appears under its name when it is complete: an interruption leaves `<folder>.part`, which the
    next attempt replaces.

    Parameters
    ----------
    folder : Path
        Must not exist yet.
    survey : StarSurvey
        Any. Modalities need names that can be file names.
    """
    aside = folder.with_name(folder.name + ".part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    words = {"source": survey.source, "class_names": survey.class_names, "modalities": {}}
    for name, modality in survey.modalities.items():
        words["modalities"][name] = {"kind": modality.kind} | {key: getattr(modality, key) for key in TUPLES}
        for key in ("values", "n_points", "constants", "axis"):
            if getattr(modality, key) is not None:
                np.save(aside / f"{name}.{key}.npy", getattr(modality, key))
    np.save(aside / "label.npy", survey.label)
    for name in ("catalogue", "truth", "rejected"):
        if (table := getattr(survey, name)) is not None:
            table.write(aside / f"{name}.parquet", format="parquet")
    (aside / "survey.json").write_text(json.dumps(words, indent=1))
    aside.replace(folder)


def open_stars(folder: Path) -> StarSurvey:
    """A survey that `save_stars` wrote; values of its modalities stay on disk until they are used.

    Raises
    ------
    SurveyError
        If the folder is damaged; the message says that it may be deleted.
    """
    try:
        words = json.loads((folder / "survey.json").read_text())
        return StarSurvey(
            modalities={name: _modality(folder, name, known) for name, known in words["modalities"].items()},
            label=np.load(folder / "label.npy"),
            class_names=tuple(words["class_names"]),
            catalogue=_table(folder / "catalogue.parquet"),
            source=words["source"],
            truth=_table(folder / "truth.parquet") if (folder / "truth.parquet").is_file() else None,
            rejected=_table(folder / "rejected.parquet"),
        )
    except (OSError, ValueError, KeyError, SurveyError) as error:
        raise SurveyError(
            f"The arrays in {folder} are damaged ({error}). They are derived data: delete that folder and "
            "run the same command again."
        ) from None


def _modality(folder: Path, name: str, words: dict) -> Modality:
    axis = folder / f"{name}.axis.npy"
    return Modality(
        kind=words["kind"],
        values=np.load(folder / f"{name}.values.npy", mmap_mode="r"),
        n_points=np.load(folder / f"{name}.n_points.npy"),
        constants=np.load(folder / f"{name}.constants.npy"),
        axis=np.load(axis) if axis.is_file() else None,
        **{key: tuple(words[key]) for key in TUPLES},
    )


def _table(path: Path) -> Table:
    return Table.read(path, format="parquet")
