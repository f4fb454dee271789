"""The door to star surveys: the name of a source in, a `StarSurvey` out."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from astrolib.data import eros, fetch, gaia
from astrolib.data.derived import chosen_rows, dataset_identity, derived_folder, loader_of
from astrolib.data.galaxies import SurveyError
from astrolib.data.star_preprocessing import survey_of
from astrolib.data.star_raw import published_splits, read_raw
from astrolib.data.star_store import open_stars, save_stars
from astrolib.data.stars import StarSurvey
from astrolib.models import gaia_autoencoders
from astrolib.simulate import stars as twin

DATASETS: dict[str, tuple[str, ...]] = {
    "": (),
    "simulated": (),
    "gaia": ("gaia_dr3_latents",),
    "eros": ("eros1",),
    "astrom3": ("astrom3_raw",),
}
"""What has to be fetched for each source."""

LATENTS = {
    "gaia": {
        "photometry": tuple(f"latent_mu_{k}" for k in range(5, 10)),
        "spectra": tuple(f"latent_mu_{k}" for k in range(5)),
        "dmdt": tuple(f"latent_mu_{k}" for k in range(10, 15)),
    }
}
"""Columns of a source's catalogue that say all that there is to say about a modality."""

SCALING = ("data/stars.py", "data/star_scaling.py", "data/star_preprocessing.py", "data/star_store.py")
FIRST, LAST = 3850.0, 9000.0  # of a LAMOST spectrum [Angstrom]; AstroM3 card, section 3.3


@dataclass(frozen=True)
class Wanted:
    """What `load_stars` was asked for."""

    n_stars: int | None
    n_points: int
    spectrum_step: float
    spectrum_error: str
    seed: int
    progress: bool


def load_stars(
    source: str,
    *,
    n_stars: int | None = None,
    n_points: int = 200,
    spectrum_step: float = 2.0,
    spectrum_error: str = "sigma",
    seed: int = 42,
    progress: bool = True,
) -> StarSurvey:
    """Load a survey of stars; it is downloaded, simulated or decoded the first time.

    Dense arrays are kept in `astrolib.paths.arrays()`, under a name that depends on the settings and on the
    code that made them, and are memory-mapped from there.

    Parameters
    ----------
    source : str
        "simulated": a survey twin with the classes of AstroM3, nothing is downloaded.
        "gaia": 42,735 variables of Gaia DR3 with four modalities, smoothed by published autoencoders.
        "eros": 3,641 variables of EROS-1 with light curves in two bands.
        "astrom3": the paper's own 21,440 stars, ASAS-SN and LAMOST.
    n_stars : int, optional
        How many: random ones out of those there are. Default: all. A simulation needs it.
    n_points : int
        Phases of a decoded Gaia light curve; other light curves are cut when they are used.
    spectrum_step : float
        Of the wavelength grid of simulated spectra [Angstrom]; the paper's is 2.
    spectrum_error : {"sigma", "ivar"}
        What the second channel of LAMOST-like spectra is; the reference took the inverse variance.
    seed : int
        Of the simulation and of the choice of stars.
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
    >>> load_stars("simulated", n_stars=1000, spectrum_step=20)  # doctest: +SKIP
    StarSurvey of 1,000 stars: simulated ...
    """
    load = loader_of(source, STAR_SOURCES, "stars", n_stars)
    return load(Wanted(n_stars, n_points, spectrum_step, spectrum_error, seed, progress))


def _simulated(wanted: Wanted) -> StarSurvey:
    if wanted.n_stars is None:
        raise SurveyError("The source 'simulated' has no end: say how many stars with n_stars.")

    def make() -> StarSurvey:
        wavelength = np.arange(FIRST, LAST, wanted.spectrum_step)
        raw = twin.draw_stars(wanted.n_stars, wanted.seed, wavelength=wavelength)
        return survey_of(raw, spectrum_error=wanted.spectrum_error)

    settings = {
        "n_stars": wanted.n_stars,
        "seed": wanted.seed,
        "step": wanted.spectrum_step,
        "error": wanted.spectrum_error,
    }
    code = sorted(path.name for path in Path(twin.__file__).parent.glob("star*.py"))
    return _kept("stars-simulated", settings, [f"simulate/{name}" for name in code], make)


def _gaia(wanted: Wanted) -> StarSurvey:
    files = _fetch("gaia", wanted)

    def make() -> StarSurvey:
        table, rejected = gaia.read_latents(files["latent_vars_plus_metadata_pumap.parquet"])
        decoded = gaia_autoencoders.decode(gaia.latents(table), files, wanted.n_points)
        return gaia.gaia_survey(table, **decoded, rejected=rejected)

    code = ("data/gaia.py", "models/gaia_autoencoders.py")
    settings = {"n_points": wanted.n_points, "data": dataset_identity(*DATASETS["gaia"])}
    return _some(_kept("stars-gaia", settings, code, make), wanted)


def _eros(wanted: Wanted) -> StarSurvey:
    files = _fetch("eros", wanted)
    settings = {"data": dataset_identity(*DATASETS["eros"])}
    return _some(_kept("stars-eros", settings, ("data/eros.py",), lambda: eros.read_eros(files)), wanted)


def _astrom3(wanted: Wanted) -> StarSurvey:
    files = _fetch("astrom3", wanted)
    folder = files["photometry.zip"].parent

    def make() -> StarSurvey:
        raw = read_raw(folder)
        splits = published_splits(folder).reindex(np.asarray(raw.catalogue["id"]), fill_value="")
        for name in splits:
            raw.catalogue[name] = splits[name].to_numpy(str)
        raw = replace(raw, source="AstroM3Dataset (ASAS-SN, LAMOST, Gaia and others)")  # of all its seeds
        return survey_of(raw, spectrum_error=wanted.spectrum_error)

    settings = {"data": dataset_identity(*DATASETS["astrom3"]), "error": wanted.spectrum_error}
    return _some(_kept("stars-astrom3", settings, ("data/star_raw.py",), make), wanted)


STAR_SOURCES: dict[str, Callable[[Wanted], StarSurvey]] = {
    "simulated": _simulated,
    "gaia": _gaia,
    "eros": _eros,
    "astrom3": _astrom3,
}


# ---------------------------------------------------------------- shared by the sources


def _fetch(source: str, wanted: Wanted) -> dict[str, Path]:
    """Files of a source by the last part of their name."""
    (dataset,) = DATASETS[source]
    return {path.name: path for path in fetch.fetch(dataset, progress=wanted.progress).values()}


def _kept(name: str, settings: dict, code: tuple[str, ...] | list[str], make: Callable) -> StarSurvey:
    return open_stars(
        derived_folder(name, settings, (*code, *SCALING), lambda folder: save_stars(folder, make()))
    )


def _some(survey: StarSurvey, wanted: Wanted) -> StarSurvey:
    return survey.subset(chosen_rows(len(survey), wanted.n_stars, wanted.seed, "stars"))
