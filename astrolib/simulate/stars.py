"""The twin of the survey of variable stars: light curves, spectra and metadata of simulated stars.

Top to bottom: classes and what such stars are (`star_classes`), what is planted (`star_planted`), where they
are (`star_sky`), when they are seen and with what noise (`star_sampling`), how they vary (`star_curves`), how
clean they fold (`star_folding`), what the catalogues say (`star_catalogue`, `star_photometry`), and their
spectra (`star_spectra`, `star_lines`).

Left out: blends in the large pixels of ASAS-SN, saturation, the ASAS-SN magnitude offsets between cameras,
trends of colour with phase, spectral lines that move with the orbit, correlation of metallicity and place.
"""

import numpy as np
from astropy.table import Table, vstack

from astrolib.data.stars import RawStars
from astrolib.simulate.star_catalogue import metadata, place
from astrolib.simulate.star_classes import Properties, draw_classes, draw_properties
from astrolib.simulate.star_curves import variation
from astrolib.simulate.star_folding import lafler_kinman, regression_score
from astrolib.simulate.star_planted import Planted, event, plant
from astrolib.simulate.star_sampling import add_noise, draw_times, flux_of, magnitude_of
from astrolib.simulate.star_spectra import observe, starlight

WAVELENGTH = np.arange(3850.0, 9000.0, 2.0)
BLOCK = 1024  # stars made at once, so that work arrays stay small
FAINTEST = 18.0  # V magnitude below which a curve's minimum is not measured


def draw_stars(n: int, seed: int, *, wavelength: np.ndarray | None = None) -> RawStars:
    """Draw a simulated survey of variable stars of the ten classes of the AstroM3 paper.

    Classes have the shares of the paper (card, section 2.2); from 300 stars on there are at least two of
    each. Light curves are sampled as by ASAS-SN, spectra look like those of LAMOST, metadata like those of
    Gaia, 2MASS and WISE. Hidden in it, and told by `truth` only: Miras are rich in oxygen or (15 %) in
    carbon, rotational variables are active dwarfs (40 %) or active giants, 1.5 % of the stars carry a wrong
    class and 1 % are unusual.

    Parameters
    ----------
    n : int
        Number of stars.
    seed : int
        Seed of the whole draw. The same `n`, `seed` and `wavelength` give the same numbers; star i of a
        larger draw is another star.
    wavelength : (L,) array, optional
        Grid of the spectra [Å], increasing, between 3800 and 9050. By default the paper's: 3850 to 8998 in
        steps of 2. A spectrum on a coarser grid has wider lines and less noise, as if averaged.

    Returns
    -------
    RawStars
        Its catalogue has `id`, `class`, the 34 columns of metadata (card, section 3.4; magnitudes as
        observed, angles in degrees, parallax in mas), and `amplitude` [mag], `period` [d], `lksl_statistic`,
        `rfr_score` (section 3.5). Light curves: HJD, flux and flux error [mJy]. Its truth has `true_class`,
        `subtype` ("oxygen-rich", "carbon-rich", "active dwarf", "active giant", ""), `planted` ("normal",
        "mislabelled", "outlier"), `what` (which kind of outlier), and the physical quantities the star was
        made of.

    Raises
    ------
    ValueError
        If `n` is not positive, or the grid is not increasing or leaves the range.

    Examples
    --------
    >>> stars = draw_stars(50, seed=0, wavelength=np.arange(3850, 9000, 20.0))
    >>> stars.flux.shape, stars.source
    ((50, 258), 'simulated')
    """
    wavelength = WAVELENGTH if wavelength is None else np.asarray(wavelength, np.float64)
    if n < 1:
        raise ValueError(f"Cannot draw {n} stars: ask for at least one.")
    if (
        wavelength.ndim != 1
        or len(wavelength) < 3
        or not (np.diff(wavelength) > 0).all()
        or wavelength[0] < 3800
        or wavelength[-1] > 9050
    ):
        raise ValueError("The grid of wavelengths must increase and lie within 3800 to 9050 Å.")
    whole, *seeds = np.random.SeedSequence(seed).spawn(1 + -(-n // BLOCK))
    rng = np.random.default_rng(whole)
    names = draw_classes(n, rng)
    planted = plant(names, rng)
    blocks = []
    for start, block_seed in zip(range(0, n, BLOCK), seeds, strict=True):
        rows = slice(start, start + BLOCK)
        part = Planted(
            planted.kind[rows], planted.what[rows], planted.catalogue_class[rows], planted.period_factor[rows]
        )
        blocks.append(_draw_block(names[rows], part, wavelength, np.random.default_rng(block_seed)))
    catalogue = vstack([b["catalogue"] for b in blocks])
    catalogue.add_column([f"twin-{seed}-{i:06d}" for i in range(n)], name="id", index=0)
    truth = vstack([b["truth"] for b in blocks])
    truth.add_column(catalogue["id"], index=0)
    return RawStars(
        catalogue=catalogue,
        points=np.concatenate([b["points"] for b in blocks]),
        offsets=np.append(0, np.cumsum(np.concatenate([b["counts"] for b in blocks]))),
        wavelength=wavelength,
        flux=np.concatenate([b["flux"] for b in blocks]),
        ivar=np.concatenate([b["ivar"] for b in blocks]),
        source="simulated",
        truth=truth,
    )


def _draw_block(
    names: np.ndarray, planted: Planted, wavelength: np.ndarray, rng: np.random.Generator
) -> dict:
    stars = draw_properties(names, rng)
    n, excess = len(names), planted.what == "infrared excess"
    stars["dust"] = np.where(excess, rng.uniform(0.5, 1.1, n), stars["dust"])
    stars |= place(stars, rng)

    times, offsets = draw_times(stars["ra"], rng)
    star = np.repeat(np.arange(n), np.diff(offsets))
    magnitude = stars["apparent_v"][star] + variation(names, stars, times, offsets, rng)
    magnitude += event(planted.what, times, offsets, rng)
    flux, error = add_noise(times, magnitude, rng)
    catalogue = _catalogue(stars, planted, times, flux, magnitude, offsets, rng)
    spectrum, ivar, _ = observe(
        wavelength,
        starlight(wavelength, _at_the_spectrograph(names, stars, planted.what, rng)),
        np.asarray(catalogue["phot_g_mean_mag"]),
        rng,
    )
    truth = Table(
        {"true_class": names, "subtype": stars["subtype"], "planted": planted.kind, "what": planted.what}
    )
    for name in ("period", "amplitude", "absolute_v", "temperature", "metallicity", "distance", "extinction"):
        truth[name] = stars[name]
    truth["apparent_v"], truth["radial_velocity"] = stars["apparent_v"], stars["radial_velocity"]
    return {
        "catalogue": catalogue,
        "truth": truth,
        "points": np.stack([times, flux, error], axis=1),
        "counts": np.diff(offsets),
        "flux": spectrum,
        "ivar": ivar,
    }


def _catalogue(stars, planted, times, flux, magnitude, offsets, rng) -> Table:
    """Class, metadata and the four photometric columns, as measured."""
    n, counts = len(planted.kind), np.diff(offsets)
    mean_flux = np.add.reduceat(flux, offsets[:-1]) / counts
    mean_vmag = magnitude_of(np.maximum(mean_flux, flux_of(FAINTEST)))
    seen = np.minimum(magnitude, FAINTEST)
    span = np.maximum.reduceat(seen, offsets[:-1]) - np.minimum.reduceat(seen, offsets[:-1])
    # The catalogue's period is as good as the span of the observations allows.
    period = stars["period"] * planted.period_factor
    duration = times[offsets[1:] - 1] - times[offsets[:-1]]
    period = period * (1 + rng.normal(0, 0.01, n) * period / duration)
    phase = (times - np.repeat(times[offsets[:-1]], counts)) / np.repeat(period, counts)

    mean = np.add.reduceat(magnitude, offsets[:-1]) / counts
    variance = np.add.reduceat((magnitude - np.repeat(mean, counts)) ** 2, offsets[:-1]) / counts
    out = metadata(stars, mean_vmag, np.sqrt(variance), rng)
    out.add_column(planted.catalogue_class, name="class", index=0)
    out["amplitude"] = span * 10 ** rng.normal(0, 0.03, n)
    out["period"] = period
    out["lksl_statistic"] = lafler_kinman(phase, flux, offsets)
    out["rfr_score"] = regression_score(phase, flux, offsets)
    return out


def _at_the_spectrograph(
    names: np.ndarray, stars: Properties, what: np.ndarray, rng: np.random.Generator
) -> Properties:
    """What else a spectrum shows: a pulsator's temperature at that moment, emission lines, a second star."""
    n = len(names)
    pulsating = np.isin(names, ["RRAB", "RRC", "HADS", "DSCT"])
    swing = np.where(pulsating, 700 * stars["amplitude"], np.where(names == "M", 200.0, 0.0))
    temperature = stars["temperature"] + swing * rng.uniform(-0.5, 0.5, n)
    dwarf, giant = stars["subtype"] == "active dwarf", stars["subtype"] == "active giant"
    cool = np.clip((5200 - stars["temperature"]) / 1000, 0.1, 2)
    chromosphere = dwarf * cool * rng.uniform(1.0, 4.0, n) + giant * rng.uniform(0.4, 2.0, n)
    shock = (names == "M") * (rng.random(n) < 0.6) * rng.exponential(8, n)
    return stars | {
        "temperature": temperature,
        "chromosphere": chromosphere,
        "shock": shock,
        "hot_gas": (what == "emission lines") * rng.uniform(15, 45, n),
        "companion": (what == "composite spectrum") * np.where(temperature < 5500, 9500.0, 3700.0),
    }
