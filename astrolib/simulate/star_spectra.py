"""LAMOST-like spectra of simulated stars: what leaves the star, and what the spectrograph makes of it."""

import numpy as np

from astrolib.simulate import star_lines as lines
from astrolib.simulate.star_classes import Properties
from astrolib.simulate.star_photometry import extinction_curve

LIGHT = 299_792.458  # km/s
HC_K = 1.438777e8  # second radiation constant [Å K]
BLUE_BLANKETING = np.array([[3.0, 2.2, 0.9, 0.25, 0.1, 0.03, 0.0]])  # optical depth at 3850 Å
IRON = np.array([[0.8, 1.0, 0.75, 0.4, 0.18, 0.08, 0.02]])
#: Emission of hot gas in unusual stars: wavelength [Å] and strength relative to H-alpha.
NEBULAR = ((6562.8, 1.0), (4861.3, 0.35), (4340.5, 0.18), (5875.6, 0.15), (6678.2, 0.08), (4685.7, 0.12))
#: Mira shocks show H-delta brightest because TiO covers the others (e.g. Joy 1926).
MIRA_EMISSION = ((4101.7, 1.0), (4340.5, 0.7), (4861.3, 0.1), (6562.8, 0.1))
CHROMOSPHERE = ((6562.8, 1.0), (4861.3, 0.35), (3933.7, 1.2), (3968.5, 1.0), (8498.0, 0.1), (8542.1, 0.15))
#: Lines of the night sky [Å] with their strength: oxygen, and the brightest of hydroxyl.
OXYGEN_SKY = ((5577.3, 5.0), (6300.3, 3.0), (6363.8, 1.5))
HYDROXYL = (
    7276,
    7316,
    7341,
    7750,
    7794,
    7821,
    7914,
    7964,
    7993,
    8344,
    8399,
    8430,
    8465,
    8504,
    8827,
    8886,
    8920,
)
SKY_LINES = OXYGEN_SKY + tuple((line, 1.0) for line in HYDROXYL)
TELLURIC = (
    (6870.0, 14.0, 1.0),
    (7605.0, 22.0, 2.2),
    (7190.0, 40.0, 0.6),
    (8230.0, 50.0, 0.5),
    (8950.0, 60.0, 0.6),
)


def blackbody(wavelength: np.ndarray, temperature: np.ndarray) -> np.ndarray:
    """Planck's law per wavelength over its value at 5500 Å, (N, L), for (N,) [K] and (L,) [Å]."""
    hot = HC_K / temperature[:, None]
    return (5500 / wavelength) ** 5 * np.expm1(hot / 5500) / np.expm1(hot / wavelength)


def _absorption(wavelength: np.ndarray, s: Properties) -> np.ndarray:
    """Optical depth of lines and bands of oxygen-rich stars at rest, (N, L)."""
    t = s["temperature"]
    metals = 10 ** (0.45 * s["metallicity"])[:, None]
    giant = s["giant"][:, None]

    def depth(group):
        profiles, widths = lines.table(group, wavelength)
        return lines.at_temperature(widths, t), profiles

    tau = np.zeros((len(t), len(wavelength)))
    for group, factor in (
        (lines.METALS, metals),
        (lines.DWARF_LINES, ~giant),
        (lines.GIANT_LINES, giant * metals),
    ):
        strengths, profiles = depth(group)
        tau += (strengths * factor) @ profiles
    # Hot stars: pressure widens hydrogen lines into wings; their share of the equivalent width grows.
    wings = np.interp(t, [5500, 7000, 9500], [0.0, 0.35, 0.7])[:, None]
    core_strength, core = depth({name: (wave, 3.0, w) for name, (wave, w) in lines.BALMER.items()})
    _, wide = depth({name: (wave, 15.0, w) for name, (wave, w) in lines.BALMER.items()})
    tau += ((1 - wings) * core_strength) @ core + (wings * core_strength) @ wide
    strengths, profiles = depth({wave: (wave, 7.0, w) for wave, w in lines.PASCHEN.items()})
    tau += strengths @ profiles
    places, weights = lines.iron_forest(3850.0, 9000.0)
    forest = sum(w * lines.line_profile(wavelength, p, 1.2) for p, w in zip(places, weights, strict=True))
    blue = np.exp(-(wavelength - 3850) / 260)
    tau += metals * (lines.at_temperature(IRON, t) * forest + lines.at_temperature(BLUE_BLANKETING, t) * blue)
    tio = np.interp(t, [2600, 3000, 3200, 3400, 3600, 3850, 4050], [3.4, 2.7, 2.1, 1.5, 0.85, 0.25, 0.0])
    vo = np.interp(t, [2600, 3000, 3400], [1.7, 1.0, 0.0])
    tau += (tio * 10 ** (0.3 * s["metallicity"]))[:, None] * lines.band_profile(wavelength, lines.TIO)
    return tau + vo[:, None] * lines.band_profile(wavelength, lines.VO)


def _carbon_absorption(wavelength: np.ndarray, s: Properties) -> np.ndarray:
    """Optical depth of carbon stars: C2 and CN bands, no metal oxides, little light in the blue."""
    profiles, widths = lines.table(
        {k: lines.METALS[k] for k in ("Na D1", "Na D2", "Ca 8542", "Ca 8662")}, wavelength
    )
    strength = np.interp(s["temperature"], [2500, 3000, 3300], [1.15, 0.9, 0.7])[:, None]
    bands = lines.band_profile(wavelength, lines.C2) + lines.band_profile(wavelength, lines.CN)
    blue = 3.2 * np.exp(-(wavelength - 3850) / 420)
    return lines.at_temperature(widths, s["temperature"]) @ profiles + strength * bands + blue


def _emission(wavelength: np.ndarray, s: Properties) -> np.ndarray:
    """Emission lines relative to the continuum, (N, L)."""
    out = np.zeros((len(s["temperature"]), len(wavelength)))
    for key, width, group in (
        ("chromosphere", 2.5, CHROMOSPHERE),
        ("shock", 2.5, MIRA_EMISSION),
        ("hot_gas", 4.0, NEBULAR),
    ):
        profile = sum(ratio * lines.line_profile(wavelength, wave, width) for wave, ratio in group)
        out += s[key][:, None] * profile
    return out


def _light(wavelength: np.ndarray, s: Properties) -> np.ndarray:
    tau = _absorption(wavelength, s)
    carbon = s["subtype"] == "carbon-rich"
    tau[carbon] = _carbon_absorption(wavelength, {key: values[carbon] for key, values in s.items()})
    flux = np.exp(-tau) + _emission(wavelength, s)
    # The continuum of cool stars is bluer than their effective temperature, since lines take from the blue.
    flux *= blackbody(
        wavelength, s["temperature"] * np.interp(s["temperature"], [3300, 4500, 7500], [1, 1.09, 1])
    )
    velocity = wavelength / (1 + s["radial_velocity"][:, None] / LIGHT)  # where the light was emitted
    place = np.clip(
        np.interp(velocity.ravel(), wavelength, np.arange(len(wavelength))), 0, len(wavelength) - 1.001
    )
    low = place.astype(np.int64).reshape(flux.shape)
    share = place.reshape(flux.shape) - low
    return np.take_along_axis(flux, low, 1) * (1 - share) + np.take_along_axis(flux, low + 1, 1) * share


def starlight(wavelength: np.ndarray, stars: Properties) -> np.ndarray:
    """Spectra as they reach the telescope, without noise.

    Parameters
    ----------
    wavelength : (L,) array
        Grid [Å], within 3030 to 9090.
    stars : dict of (N,) arrays
        `temperature` [K], `metallicity` [dex], `giant`, `subtype`, `extinction` (A_V [mag]),
        `radial_velocity` [km/s]; equivalent widths of emission `chromosphere`, `shock`, `hot_gas` [Å]; and
        `companion`, the temperature of a second star that gives 40 % of the light at 5500 Å [K], 0 where
        there is none.

    Returns
    -------
    (N, L) array
        Flux per wavelength, 1 in the mean over the grid.
    """
    flux = _light(wavelength, stars)
    double = np.flatnonzero(stars["companion"] > 0)
    if len(double):
        second = {key: values[double] for key, values in stars.items()}
        plain = np.zeros(len(double))
        second |= {
            "temperature": second["companion"],
            "chromosphere": plain,
            "shock": plain,
            "hot_gas": plain,
        }
        second |= {"subtype": np.full(len(double), ""), "giant": second["companion"] < 5000}
        flux[double] = 0.6 * flux[double] + 0.4 * _light(wavelength, second)
    interstellar = sum(lines.line_profile(wavelength, wave, 1.0) for wave in (5890.0, 5895.9))
    tau = stars["extinction"][:, None] * (extinction_curve(wavelength) / 1.0857 + 0.25 * interstellar)
    flux *= np.exp(-tau)
    return flux / flux.mean(1, keepdims=True)


def observe(
    wavelength: np.ndarray, light: np.ndarray, brightness: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take spectra with the noise, the air and the imperfect calibration of the survey.

    Parameters
    ----------
    wavelength : (L,) array
    light : (N, L) array
        From `starlight`.
    brightness : (N,) array
        G magnitude, sets the signal-to-noise ratio: about 56 per 2 Å at 12, 11 at 16.
    rng : Generator

    Returns
    -------
    flux, ivar : (N, L) float32 arrays
        Relative flux and its inverse variance. Traces of sky lines are in the flux only.
    expected : (N, L) float32 array
        The flux without noise and without traces of sky lines.
    """
    n, step = len(light), np.gradient(wavelength)
    scale = 2000 * 10 ** (-0.4 * (brightness - 14)) * 10 ** rng.normal(0, 0.1, n)
    x = (wavelength - wavelength.mean()) / np.ptp(wavelength) * 2
    # Relative flux calibration is good to some percent over the range.
    wave = np.exp(0.045 * (rng.normal(0, 1, (n, 3)) @ np.stack([x, x**2 - 1 / 3, np.cos(4 * x)])))
    air = sum(
        depth * np.exp(-0.5 * (np.abs(wavelength - centre) / width) ** 2) for centre, width, depth in TELLURIC
    )
    expected = scale[:, None] * light * wave * np.exp(-0.04 * np.abs(rng.normal(0, 1, (n, 1))) * air)

    ratio = 10 ** (1.75 - 0.18 * (brightness - 12) + rng.normal(0, 0.16, n))  # per 2 Å, on average
    throughput = 0.25 + np.exp(-0.5 * ((wavelength - 6400) / 1500) ** 2)
    sky = sum(strength * lines.line_profile(wavelength, line, 2.0) for line, strength in SKY_LINES)
    photons = expected / scale[:, None] / throughput + 0.25 / throughput + 2.0 * sky
    sigma = scale[:, None] / ratio[:, None] * np.sqrt(photons * 2 / step)
    traces = 10 * rng.normal(0.4, 1, (n, 1)) * (scale / ratio)[:, None] * sky
    flux = expected + traces + sigma * rng.normal(0, 1, light.shape)
    return flux.astype(np.float32), (1 / sigma**2).astype(np.float32), expected.astype(np.float32)
