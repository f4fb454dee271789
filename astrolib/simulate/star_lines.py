"""Lines and bands in the spectra of stars, as functions of temperature.

Equivalent widths were set by hand to look like spectra of types A to M at the resolution of LAMOST; they
are no atmosphere models.
"""

from functools import lru_cache

import numpy as np
from scipy.special import ndtr

RESOLUTION = 1800  # of LAMOST's low-resolution spectra
TEMPERATURES = np.array([3000, 4000, 5000, 6000, 7000, 8000, 9500.0])

#: Balmer lines: wavelength [Å], equivalent width [Å] at `TEMPERATURES`.
BALMER = {
    "H-alpha": (6562.8, [0.0, 0.7, 1.2, 2.3, 4.5, 7.0, 10.0]),
    "H-beta": (4861.3, [0.0, 0.4, 1.2, 3.0, 6.0, 9.5, 13.0]),
    "H-gamma": (4340.5, [0.0, 0.2, 0.8, 2.5, 6.5, 10.5, 14.0]),
    "H-delta": (4101.7, [0.0, 0.2, 0.8, 2.5, 6.5, 10.5, 14.0]),
    "H-epsilon": (3970.1, [0.0, 0.1, 0.5, 2.0, 6.0, 10.0, 13.0]),
    "H-8": (3889.0, [0.0, 0.1, 0.4, 1.6, 5.0, 9.0, 12.0]),
}

#: Metal lines: wavelength, own width (sigma) [Å], equivalent width at `TEMPERATURES` for solar metallicity.
METALS = {
    "Ca K": (3933.7, 5.0, [16.0, 20.0, 20.0, 14.0, 8.0, 3.0, 0.6]),
    "Ca H": (3968.5, 4.8, [13.0, 16.0, 16.0, 11.0, 6.0, 2.2, 0.4]),
    "Ca 4227": (4226.7, 3.5, [9.0, 5.0, 1.3, 0.5, 0.2, 0.1, 0.0]),
    "G band": (4304.0, 10.0, [6.0, 10.0, 11.0, 6.0, 1.3, 0.0, 0.0]),
    "Mg 5167": (5167.3, 2.2, [2.5, 4.5, 2.4, 1.0, 0.5, 0.25, 0.1]),
    "Mg 5173": (5172.7, 2.5, [3.0, 5.5, 2.8, 1.1, 0.6, 0.35, 0.15]),
    "Mg 5184": (5183.6, 2.8, [3.5, 6.5, 3.2, 1.3, 0.7, 0.35, 0.15]),
    "Na D2": (5890.0, 2.2, [3.5, 2.2, 0.8, 0.4, 0.25, 0.15, 0.1]),
    "Na D1": (5895.9, 2.0, [2.8, 1.7, 0.6, 0.3, 0.2, 0.1, 0.05]),
    "Ca 6122": (6122.2, 2.0, [0.8, 0.8, 0.4, 0.2, 0.1, 0.05, 0.0]),
    "Ca 6162": (6162.2, 2.0, [1.0, 1.0, 0.5, 0.25, 0.15, 0.05, 0.0]),
    "Ca 6439": (6439.1, 1.8, [0.8, 0.7, 0.3, 0.15, 0.1, 0.05, 0.0]),
    "Ba 6497": (6497.0, 2.0, [0.9, 0.9, 0.6, 0.3, 0.15, 0.05, 0.0]),
    "O 7774": (7773.5, 3.0, [0.0, 0.0, 0.1, 0.3, 0.7, 1.0, 1.0]),
    "Ca 8498": (8498.0, 2.0, [1.2, 1.5, 1.4, 1.3, 1.1, 0.8, 0.4]),
    "Ca 8542": (8542.1, 3.0, [2.8, 3.6, 3.4, 3.0, 2.6, 1.8, 0.9]),
    "Ca 8662": (8662.1, 2.8, [2.2, 2.9, 2.7, 2.4, 2.0, 1.4, 0.7]),
    "Mg 8807": (8806.8, 1.8, [0.5, 0.6, 0.5, 0.35, 0.2, 0.1, 0.0]),
    "Sr 4077": (4077.7, 2.0, [0.8, 0.9, 0.6, 0.4, 0.3, 0.15, 0.0]),
    "Fe 4045": (4045.8, 2.5, [2.0, 2.2, 1.6, 0.9, 0.4, 0.15, 0.0]),
    "Fe 4383": (4383.5, 3.0, [2.5, 3.0, 2.0, 1.0, 0.5, 0.2, 0.0]),
    "Fe 5270": (5269.5, 3.0, [2.5, 3.0, 2.0, 1.0, 0.5, 0.2, 0.1]),
    "Fe 5328": (5328.0, 2.5, [1.5, 1.8, 1.2, 0.6, 0.3, 0.1, 0.0]),
}
#: Lines of dwarfs only, and of giants only: surface gravity.
DWARF_LINES = {
    "MgH": (5110.0, 60.0, [40.0, 60.0, 14.0, 0.0, 0.0, 0.0, 0.0]),
    "CaH 6385": (6385.0, 12.0, [4.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    "CaH 6830": (6830.0, 55.0, [25.0, 6.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    "K 7699": (7699.0, 2.5, [2.5, 0.8, 0.2, 0.0, 0.0, 0.0, 0.0]),
    "Na 8183": (8183.3, 2.5, [2.0, 0.9, 0.4, 0.1, 0.0, 0.0, 0.0]),
    "Na 8195": (8194.8, 2.5, [2.5, 1.2, 0.5, 0.1, 0.0, 0.0, 0.0]),
    "more Na D": (5892.9, 5.0, [12.0, 9.0, 1.0, 0.0, 0.0, 0.0, 0.0]),
}
GIANT_LINES = {
    "CN 4170": (4170.0, 35.0, [9.0, 12.0, 8.0, 1.0, 0.0, 0.0, 0.0]),
    "more Ca 8542": (8542.1, 3.0, [1.2, 1.4, 1.1, 0.7, 0.4, 0.2, 0.0]),
    "more Ca 8662": (8662.1, 2.8, [1.0, 1.1, 0.9, 0.5, 0.3, 0.1, 0.0]),
    "CN 7900": (7950.0, 60.0, [3.0, 5.0, 4.0, 0.5, 0.0, 0.0, 0.0]),
}
PASCHEN = {
    wave: [0.0, 0.0, 0.0, 0.1, 0.9, 2.2, 4.0] for wave in (8502.5, 8545.4, 8598.4, 8665.0, 8750.5, 8862.8)
}

#: Molecular bands: head [Å], optical depth at unit strength, length [Å]: positive if degraded to the red.
TIO = [
    (4761, 0.45, 110),
    (4954, 0.75, 130),
    (5167, 1.00, 160),
    (5448, 0.65, 150),
    (5759, 0.40, 70),
    (5847, 0.50, 110),
    (6159, 0.85, 160),
    (6651, 0.80, 180),
    (7053, 0.95, 130),
    (7126, 0.45, 120),
    (7589, 0.75, 110),
    (7666, 0.45, 130),
    (8206, 0.30, 90),
    (8432, 0.65, 120),
    (8859, 0.60, 120),
]
VO = [(7334, 0.55, 120), (7851, 0.8, 70), (7919, 0.7, 120), (8521, 0.5, 70), (8600, 0.5, 110)]
C2 = [
    (4383, 0.9, -120),
    (4737, 1.5, -170),
    (5165, 2.0, -230),
    (5636, 1.7, -210),
    (6122, 0.5, -60),
    (6191, 0.6, -90),
]
CN = [
    (5730, 0.30, 70),
    (6206, 0.30, 80),
    (6478, 0.40, 90),
    (6631, 0.35, 90),
    (6926, 0.65, 80),
    (7088, 0.60, 90),
    (7259, 0.60, 110),
    (7437, 0.45, 120),
    (7876, 0.80, 90),
    (8067, 0.80, 100),
    (8270, 0.65, 120),
    (8485, 0.40, 120),
]  # fmt: skip


def _seen(wave: float, own: float) -> float:
    """Width (sigma) of a line behind the spectrograph [Å]."""
    return np.hypot(own, wave / RESOLUTION / 2.355)


def line_profile(wavelength: np.ndarray, wave: float, own: float) -> np.ndarray:
    """A line of equivalent width 1 Å and Gaussian width `own`, averaged over each pixel, (L,) [1/Å]."""
    sigma, pixel = _seen(wave, own), np.gradient(wavelength)
    offset = wavelength - wave
    return (ndtr((offset + pixel / 2) / sigma) - ndtr((offset - pixel / 2) / sigma)) / pixel


def band_profile(wavelength: np.ndarray, bands: list[tuple[float, float, float]]) -> np.ndarray:
    """Optical depth of molecular bands at unit strength, (L,): sharp at the head, fading away from it."""
    tau = np.zeros(len(wavelength))
    for head, depth, length in bands:
        beyond = (wavelength - head) * np.sign(length)
        softness = np.hypot(_seen(head, 9.0), np.gradient(wavelength) / np.sqrt(12))
        edge = 1 / (1 + np.exp(-np.clip(beyond / softness, -50, 50)))
        tau += depth * edge * np.exp(-np.clip(beyond, 0, None) / abs(length))
    return tau


@lru_cache
def iron_forest(first: float, last: float, n_lines: int = 700) -> tuple[np.ndarray, np.ndarray]:
    """Places and strengths of weak metal lines, crowded in the blue: invented, but always the same."""
    rng = np.random.default_rng(26)
    wave = first + np.minimum(rng.exponential(900, n_lines), last - first)
    return wave, rng.gamma(2, 0.45, n_lines) * np.exp(-(wave - first) / 1800)


def table(lines: dict, wavelength: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Profiles (K, L) and equivalent widths (K, 7) of a dictionary of lines."""
    profiles = np.stack([line_profile(wavelength, wave, own) for wave, own, _ in lines.values()])
    return profiles, np.array([widths for _, _, widths in lines.values()])


def at_temperature(widths: np.ndarray, temperature: np.ndarray) -> np.ndarray:
    """Interpolate columns given at `TEMPERATURES`: (K, 7) and (N,) to (N, K)."""
    t = np.clip(temperature, TEMPERATURES[0], TEMPERATURES[-1])
    place = np.interp(t, TEMPERATURES, np.arange(len(TEMPERATURES)))
    low = np.minimum(place.astype(np.int64), len(TEMPERATURES) - 2)
    share = (place - low)[:, None]
    return widths.T[low] * (1 - share) + widths.T[low + 1] * share
