"""The door to galaxy images with classes: the name of a source in, an `ImageSurvey` out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from astrolib import surveys
from astrolib.data import fetch
from astrolib.data.derived import chosen_rows, dataset_identity, derived_folder, loader_of
from astrolib.data.galaxies import SurveyError
from astrolib.data.galaxy10 import read_galaxy10
from astrolib.data.galaxy_zoo import read_galaxy_zoo
from astrolib.data.image_store import open_images, save_images
from astrolib.data.image_survey import ImageSurvey

DATASETS: dict[str, tuple[str, ...]] = {
    "simulated": (),
    "galaxy-zoo": ("galaxy_zoo1",),
    "galaxy-zoo-all": ("galaxy_zoo1", "galaxy_zoo1_more"),
    "galaxy10": ("galaxy10_decals",),
}
"""What has to be fetched for each source."""

STORING = ("data/image_survey.py", "data/image_store.py")
SIMULATED_CLASSES = ("elliptical", "edge-on", "spiral")
EDGE_ON = 0.35  # axis ratio of the disc, below which a simulated late type is called edge-on
SIMULATED_TARGETS = {
    "redshift": "redshift",
    "bulge fraction": "bulge_fraction",
    "axis ratio": "disc_axis_ratio",
    "magnitude": "r",
}
"""Columns of the simulated catalogue that a network can be asked to predict."""
GALAXY_ZOO_FIELD = 240
"""Side of what is kept of a Galaxy Zoo image [pixels of the file]: two thirds of it hold most galaxies,
the rest is room for turning and shifting them."""


@dataclass(frozen=True)
class Wanted:
    """What `load_images` was asked for."""

    n_images: int | None
    image_size: int
    seed: int
    progress: bool


def load_images(
    source: str,
    *,
    n_images: int | None = None,
    image_size: int = 48,
    seed: int = 42,
    progress: bool = True,
) -> ImageSurvey:
    """Load a survey of galaxy images; it is downloaded, rendered or decoded the first time.

    Dense arrays are kept in `astrolib.paths.arrays()`, under a name that depends on the settings and on the
    code that made them, and are memory-mapped from there.

    Parameters
    ----------
    source : str
        "simulated": the survey twin in five bands, nothing is downloaded. The catalogue knows the classes:
        "elliptical" is an early type, "edge-on" a late type with a disc of axis ratio below 0.35, "spiral"
        any other late type.
        "galaxy-zoo": 2,265 SDSS colour images with classes of Galaxy Zoo 1.
        "galaxy-zoo-all": these, and 4,399 more that are meant for pretraining and have no label. (Their class
        is known, and stays in the catalogue.)
        "galaxy10": Galaxy10 DECaLS, 17,736 colour images of the Legacy Surveys in ten classes.
    n_images : int, optional
        How many: random ones out of those there are, in the order of the file. Default: all. A simulation
        needs it.
    image_size : int
        Side of the images [pixels].
    seed : int
        Of the simulation and of the choice of images.
    progress : bool
        Show progress bars.

    Raises
    ------
    SurveyError
        If there is no such source, or its data cannot be used.
    FetchError
        If its files cannot be had.

    Examples
    --------
    >>> load_images("simulated", n_images=1000)  # doctest: +SKIP
    ImageSurvey of 1,000 images: simulated ...
    """
    load = loader_of(source, IMAGE_SOURCES, "images", n_images)
    return load(Wanted(n_images, image_size, seed, progress))


def _simulated(wanted: Wanted) -> ImageSurvey:
    if wanted.n_images is None:
        raise SurveyError("The source 'simulated' has no end: say how many images with n_images.")
    survey = surveys.load_galaxies(
        "simulated",
        n_galaxies=wanted.n_images,
        image_size=wanted.image_size,
        seed=wanted.seed,
        progress=wanted.progress,
    )
    catalogue = survey.catalogue
    late = np.asarray(catalogue["type"]).astype(str) == "late"
    edge_on = np.asarray(catalogue["disc_axis_ratio"]) < EDGE_ON
    return ImageSurvey(
        images=survey.images,
        channels=survey.bands,
        label=np.select([~late, edge_on], [0, 1], 2),
        class_names=SIMULATED_CLASSES,
        group=np.arange(len(survey)),
        targets={
            name: np.asarray(catalogue[column], np.float32) for name, column in SIMULATED_TARGETS.items()
        },
        catalogue=catalogue,
        source=survey.source,
        noise=survey.noise,
        pixel_scale=survey.pixel_scale,
        rejected=survey.rejected,
    )


def _galaxy_zoo(wanted: Wanted, source: str) -> ImageSurvey:
    files, *further = (fetch.fetch(dataset, progress=wanted.progress) for dataset in DATASETS[source])

    def make() -> ImageSurvey:
        (table,) = (path for path in files.values() if path.suffix == ".csv")
        pictures = [path for path in files.values() if path != table]
        more = [path for dataset in further for path in dataset.values()]
        survey = read_galaxy_zoo(
            pictures + more, table, wanted.image_size, GALAXY_ZOO_FIELD, progress=wanted.progress
        )
        unlabelled = np.isin(survey.ids, [path.stem for path in more])
        return replace(survey, label=np.where(unlabelled, -1, survey.label))

    return _kept(source, "data/galaxy_zoo.py", wanted, make, field=GALAXY_ZOO_FIELD)


def _galaxy10(wanted: Wanted) -> ImageSurvey:
    (path,) = fetch.fetch("galaxy10_decals", progress=wanted.progress).values()

    def make() -> ImageSurvey:
        return read_galaxy10(path, wanted.image_size, progress=wanted.progress)

    return _kept("galaxy10", "data/galaxy10.py", wanted, make)


IMAGE_SOURCES: dict[str, Callable[[Wanted], ImageSurvey]] = {
    "simulated": _simulated,
    "galaxy-zoo": partial(_galaxy_zoo, source="galaxy-zoo"),
    "galaxy-zoo-all": partial(_galaxy_zoo, source="galaxy-zoo-all"),
    "galaxy10": _galaxy10,
}


def _kept(
    source: str, reader: str, wanted: Wanted, make: Callable[[], ImageSurvey], **settings: int
) -> ImageSurvey:
    """Images of the survey that `make` reads, made once for its size, settings, data and code."""
    data = [dataset_identity(dataset) for dataset in DATASETS[source]]
    folder = derived_folder(
        f"images-{source}",
        {"image_size": wanted.image_size, "data": data, **settings},
        (reader, *STORING),
        lambda folder: save_images(folder, make()),
    )
    survey = open_images(folder)
    return survey.subset(chosen_rows(len(survey), wanted.n_images, wanted.seed, "images"))
