"""The door to galaxies: the name of a source in, a survey out.

Stars have theirs in `astrolib.star_surveys`, images with classes in `astrolib.image_surveys`. What a profile
needs is downloaded by `astrolib.fetch`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from astropy.table import Table
from tqdm import tqdm

from astrolib.data import fetch
from astrolib.data.derived import chosen_rows, dataset_identity, derived_folder, loader_of
from astrolib.data.galaxies import GalaxySurvey, SurveyError
from astrolib.data.photometry import read_photometry
from astrolib.data.readers import UGRIZ, count_rows, read_galaxiesml, read_pasquet, read_tensor_dataset
from astrolib.data.stamps import read_stamps
from astrolib.data.store import open_survey, save_survey
from astrolib.simulate import galaxies as twin

TWIN = tuple(
    f"simulate/{module}.py"
    for module in ("arms", "galaxies", "mixtures", "population", "sdss", "spectra", "structure")
)
"""Code that decides about simulated pixels."""
BLOCK = 2048  # galaxies rendered or converted at a time: 94 MB at 48 x 48 pixels

DATASETS: dict[str, tuple[str, ...]] = {
    "simulated": (),
    "real-photometry": ("sdss_photometry",),
    "stamps": ("sdss_stamps",),
    "authors": ("authors_inference",),
    "pasquet": ("pasquet",),
    "galaxiesml": ("galaxiesml",),
}
"""What has to be fetched for each source."""


def load_galaxies(
    source: str,
    *,
    n_galaxies: int | None = None,
    image_size: int = 48,
    seed: int = 42,
    progress: bool = True,
) -> GalaxySurvey:
    """Load a survey of galaxies, downloading, rendering or converting it the first time.

    Rendered and converted pixels are kept as dense arrays in `astrolib.paths.arrays()`, under a name that
    depends on the settings and on the code that made them, and are memory-mapped from there.

    Parameters
    ----------
    source : str
        "simulated": a survey twin, nothing is downloaded.
        "real-photometry": SDSS magnitudes and spectroscopic redshifts, pixels simulated to match.
        "stamps": 20 SDSS galaxies in five bands, without redshift.
        "authors": 1,253 galaxies preprocessed by the AstroMAE authors (32 pixels, whatever `image_size`).
        "pasquet": the paper's own sample, 659,857 SDSS cutouts of 64 pixels.
        "galaxiesml": 286,401 Hyper Suprime-Cam cutouts of 64 pixels in g r i z y.
    n_galaxies : int, optional
        How many: random ones out of those there are, in the order of the file. Default: all. A simulation
        needs it.
    image_size : int
        Side of the stamps in pixels.
    seed : int
        Of the simulation and of the choice of galaxies.
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
    >>> load_galaxies("simulated", n_galaxies=1000, image_size=32)  # doctest: +SKIP
    GalaxySurvey of 1,000 galaxies: simulated ...
    """
    load = loader_of(source, GALAXY_SOURCES, "galaxies", n_galaxies)
    return load(n_galaxies=n_galaxies, image_size=image_size, seed=seed, progress=progress)


# ---------------------------------------------------------------- simulated pixels


def _simulated(n_galaxies: int | None, image_size: int, seed: int, progress: bool) -> GalaxySurvey:
    if n_galaxies is None:
        raise SurveyError("The source 'simulated' has no end: say how many galaxies with n_galaxies.")

    def blocks() -> Iterator[GalaxySurvey]:
        parameters = twin.draw_population(n_galaxies, seed)
        parameters["id"] = [f"twin-{seed}-{row:06d}" for row in range(n_galaxies)]
        yield from _render(parameters, "simulated", image_size, seed, progress)

    settings = {"n_galaxies": n_galaxies, "image_size": image_size, "seed": seed}
    return _cached("simulated", settings, (*TWIN, "data/galaxies.py"), blocks)


def _real_photometry(n_galaxies: int | None, image_size: int, seed: int, progress: bool) -> GalaxySurvey:
    source = "real photometry and redshift, simulated pixels"
    (path,) = _fetch("real-photometry", progress)

    def blocks() -> Iterator[GalaxySurvey]:
        table, rejected = read_photometry(path)
        table = table[chosen_rows(len(table), n_galaxies, seed, "galaxies")]
        parameters = twin.parameters_from_photometry(table, seed)
        parameters["id"] = table["id"]
        yield from _render(parameters, source, image_size, seed, progress, rejected)

    settings = {
        "n_galaxies": n_galaxies,
        "image_size": image_size,
        "seed": seed,
        "data": dataset_identity("sdss_photometry"),
    }
    code = (*TWIN, "data/galaxies.py", "data/photometry.py")
    return _cached("real-photometry", settings, code, blocks)


def _render(
    parameters: Table, source: str, image_size: int, seed: int, progress: bool, rejected: Table | None = None
) -> Iterator[GalaxySurvey]:
    """Survey blocks with simulated pixels; a galaxy's pixels depend on its own row and the seed only."""
    magnitudes = np.stack([np.asarray(parameters[band]) for band in UGRIZ], axis=1)
    with tqdm(total=len(parameters), desc="rendering", unit="galaxies", disable=not progress) as bar:
        for start in range(0, len(parameters), BLOCK):
            rows = slice(start, start + BLOCK)
            images = twin.render(parameters[rows], image_size=image_size, seed=seed)
            yield GalaxySurvey.build(
                images.numpy(),
                UGRIZ,
                magnitudes[rows],
                np.asarray(parameters["redshift"][rows]),
                parameters[rows],
                source,
                noise=twin.SDSS_SKY_NOISE,
                rejected=rejected if start == 0 else None,
            )
            bar.update(len(images))


# ---------------------------------------------------------------- real pixels


def _stamps(n_galaxies: int | None, image_size: int, seed: int, progress: bool) -> GalaxySurvey:
    return _some(read_stamps(_fetch("stamps", progress), image_size), n_galaxies, seed)


def _authors(n_galaxies: int | None, image_size: int, seed: int, progress: bool) -> GalaxySurvey:
    (path,) = _fetch("authors", progress, files=["authors/resized_inference.pt"])
    return _some(read_tensor_dataset(path), n_galaxies, seed)


def _converted(
    source: str, read: Callable, n_galaxies: int | None, image_size: int, seed: int, progress: bool
) -> GalaxySurvey:
    """A survey that may be larger than the memory, made into dense arrays in one pass through its files."""
    files = _fetch(source, progress)

    def blocks() -> Iterator[GalaxySurvey]:
        counts = [count_rows(path) for path in files]
        with tqdm(total=sum(counts), desc="converting", unit="galaxies", disable=not progress) as bar:
            for path, count in zip(files, counts, strict=True):
                for start in range(0, count, BLOCK):
                    yield (block := read(path, image_size, slice(start, start + BLOCK)))
                    bar.update(len(block) + len(block.rejected))

    settings = {"image_size": image_size, "data": dataset_identity(*DATASETS[source])}
    code = ("data/galaxies.py", "data/readers.py")
    return _some(_cached(source, settings, code, blocks), n_galaxies, seed)


GALAXY_SOURCES: dict[str, Callable[..., GalaxySurvey]] = {
    "simulated": _simulated,
    "real-photometry": _real_photometry,
    "stamps": _stamps,
    "authors": _authors,
    "pasquet": partial(_converted, "pasquet", read_pasquet),
    "galaxiesml": partial(_converted, "galaxiesml", read_galaxiesml),
}


# ---------------------------------------------------------------- shared by the sources


def _fetch(source: str, progress: bool, files: list[str] | None = None) -> list[Path]:
    (dataset,) = DATASETS[source]
    return list(fetch.fetch(dataset, files, progress).values())


def _some(survey: GalaxySurvey, n_galaxies: int | None, seed: int) -> GalaxySurvey:
    return survey.subset(chosen_rows(len(survey), n_galaxies, seed, "galaxies"))


def _cached(
    source: str, settings: dict, code: tuple[str, ...], blocks: Callable[[], Iterator[GalaxySurvey]]
) -> GalaxySurvey:
    """The survey that `blocks` yields, made once for its settings and `code` (paths in astrolib)."""
    folder = derived_folder(source, settings, code, lambda folder: save_survey(folder, blocks()))
    return open_survey(folder)
