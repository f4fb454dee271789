"""SDSS colour images with classes of Galaxy Zoo 1 (datasets `galaxy_zoo1`, `galaxy_zoo1_more`)."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
from astropy.table import Table
from PIL import Image
from tqdm import tqdm

from astrolib.data.galaxies import SurveyError, rejects
from astrolib.data.image_survey import ImageSurvey

CLASS_NAMES = ("elliptical", "edge-on", "spiral", "merger")
MEANING = {
    0: "elliptical",
    1: "spiral",  # clockwise
    2: "spiral",  # anti-clockwise: a mirror flip exchanges the two, so that views cannot tell them apart
    3: "edge-on",
    4: "don't know",
    5: "merger",
}
"""Classes by their number in the table."""
SIDE = 423  # pixels of an image
FIELD_BITS = 16  # an SDSS object id ends in the number of the object in its field


def read_galaxy_zoo(
    images: Iterable[Path], table: Path, size: int, crop: int = 212, *, progress: bool = True
) -> ImageSurvey:
    """Decode colour images of 423 x 423 pixels and look their classes up in a table.

    Left out and counted with the reason are images that are not in the table, whose class has no meaning,
    that cannot be read, that have another size, and those of an object that came before.

    Parameters
    ----------
    images : iterable of Path
        Files `<OBJID>.jpeg`, where OBJID is the object id of SDSS DR7.
    table : Path
        CSV file with the columns OBJID and CLASS, see `MEANING`.
    size : int
        Side of the images of the survey [pixels].
    crop : int
        Side of the central square that is kept [pixels of the file] and averaged down to `size` pixels: each
        pixel of the file counts for the one that its middle falls in. 212 pixels hold most of the galaxies.
    progress : bool
        Show a progress bar.

    Returns
    -------
    ImageSurvey
        uint8 RGB. Both windings of spirals are one class; images of class "don't know" have the label -1.
        Groups are survey fields. The catalogue has `id` and `class`, the table's class in words. The angular
        scale differs from image to image and is not known.

    Raises
    ------
    SurveyError
        If the sizes do not fit, the table cannot be used, or no image is left.

    Notes
    -----
    Lintott et al. 2008, MNRAS 389, 1179; Lintott et al. 2011, MNRAS 410, 166. How votes became one class is
    not documented, and classes 0 and 3 are cut by object id: frequencies are not those of nature.
    """
    if not 0 < size <= crop <= SIDE:
        raise SurveyError(f"A crop of {crop} pixels averaged to {size} needs size <= crop <= {SIDE}.")
    class_of = _classes(table)
    paths = list(images)
    with ThreadPoolExecutor() as pool:  # Pillow decodes outside the interpreter's lock
        decoded = pool.map(lambda path: _decode(path, size, crop), paths)
        bar = tqdm(decoded, desc="decoding", total=len(paths), unit="images", disable=not progress)
        pixels = list(bar)

    kept: dict[str, tuple[np.ndarray, int]] = {}
    lost = []
    for path, picture in zip(paths, pixels, strict=True):
        name = path.stem
        if name not in class_of:
            lost.append((name, "not in the table of classes"))
        elif class_of[name] not in MEANING:
            lost.append((name, f"class {class_of[name]} has no meaning"))
        elif isinstance(picture, str):
            lost.append((name, picture))
        elif name in kept:
            lost.append((name, "object came before"))
        else:
            kept[name] = picture, class_of[name]
    if not kept:
        example = f"; {lost[0][0]}: {lost[0][1]}" if lost else ""
        raise SurveyError(f"None of {len(paths)} images can be used with {table}{example}.")

    words = [MEANING[number] for _, number in kept.values()]
    return ImageSurvey(
        images=np.stack([picture for picture, _ in kept.values()]),
        channels=("R", "G", "B"),
        label=np.array([CLASS_NAMES.index(word) if word in CLASS_NAMES else -1 for word in words]),
        class_names=CLASS_NAMES,
        group=np.array([int(name) >> FIELD_BITS for name in kept]),
        targets={},
        catalogue=Table({"id": list(kept), "class": words}),
        source="SDSS colour images with Galaxy Zoo 1 classes",
        noise=None,
        pixel_scale=None,
        rejected=rejects(*zip(*lost, strict=True)) if lost else rejects(),
    )


def _classes(path: Path) -> dict[str, int]:
    """Class by object id."""
    try:
        table = pd.read_csv(path, dtype={"OBJID": np.int64, "CLASS": np.int64})
        ids, classes = table["OBJID"], table["CLASS"]
    except (OSError, ValueError, KeyError) as error:
        raise SurveyError(f"{path} is not a table with whole numbers OBJID and CLASS: {error}.") from None
    if (twice := ids[ids.duplicated()]).size:
        raise SurveyError(f"{path}: object {twice.iloc[0]} has two rows. Keep one of them.")
    return dict(zip(ids.astype(str), classes.tolist(), strict=True))


def _decode(path: Path, size: int, crop: int) -> np.ndarray | str:
    """The central pixels, (3, size, size) uint8, or what is wrong with the file."""
    try:
        with Image.open(path) as image:
            if image.size != (SIDE, SIDE):
                return f"not {SIDE} x {SIDE} pixels"
            first = (SIDE - crop) // 2
            box = (first, first, first + crop, first + crop)
            small = image.convert("RGB").resize((size, size), Image.Resampling.BOX, box)
    except (OSError, SyntaxError, ValueError):  # what Pillow raises on a damaged file
        return "cannot be read as an image"
    return np.asarray(small).transpose(2, 0, 1)
