"""Shapes of light curves: V magnitude against time, relative to the star's mean."""

import numpy as np

from astrolib.simulate.star_classes import Properties

TURN = 2 * np.pi


def eclipse(phase: np.ndarray, width: np.ndarray, exponent: np.ndarray) -> np.ndarray:
    """Profile of an eclipse at phase 0, 1 in the middle (Mikulášek 2015, A&A 584, A8, eq. 11).

    Parameters
    ----------
    phase : (P,) array
        Any real number; the profile repeats with period 1.
    width, exponent : (P,) arrays
        Width [phase] and shape: below 1 pointed, above 1 with a flat bottom.
    """
    away = (phase + 0.5) % 1 - 0.5
    return 1 - (1 - np.exp(1 - np.cosh(np.clip(away / width, -10, 10)))) ** exponent


def pulse(phase: np.ndarray, rise: np.ndarray, sharpness: np.ndarray) -> np.ndarray:
    """Brightness of a pulsating star, 1 at phase 0 (maximum) and 0 at minimum.

    Parameters
    ----------
    phase : (P,) array
    rise : (P,) array
        Share of the cycle between minimum and maximum; 0.5 with `sharpness` 1 is a cosine.
    sharpness : (P,) array
        Above 1 the star is faint for longer than bright.
    """
    phase = phase % 1
    decline = 1 - rise
    warped = np.where(phase < decline, 0.5 * phase / decline, 0.5 + 0.5 * (phase - decline) / rise)
    return ((1 + np.cos(TURN * warped)) / 2) ** sharpness


def _uniform(rng, n, low, high):
    return rng.uniform(low, high, n)


def _eclipsing(kind: str):
    def draw(rng, n):
        if kind == "EA":
            return {
                "ellipsoidal": rng.beta(1, 4, n),
                "ratio": rng.beta(1.3, 1.5, n),
                "width": np.clip(0.030 * 10 ** rng.normal(0, 0.17, n), 0.012, 0.075),
                "exponent": _uniform(rng, n, 0.7, 1.6),
                "second": 0.5 + (rng.random(n) < 0.25) * rng.normal(0, 0.06, n),
                "o_connell": rng.normal(0, 0.01, n),
            }
        if kind == "EB":
            return {
                "ellipsoidal": np.clip(rng.normal(0.50, 0.16, n), 0.1, 0.9),
                "ratio": np.clip(rng.normal(0.63, 0.22, n), 0.1, 1.0),
                "width": np.clip(rng.normal(0.066, 0.017, n), 0.03, 0.11),
                "exponent": _uniform(rng, n, 0.7, 1.2),
                "second": np.full(n, 0.5),
                "o_connell": rng.normal(0, 0.02, n),
            }
        return {
            "ellipsoidal": np.clip(rng.normal(0.65, 0.14, n), 0.3, 0.95),
            "ratio": np.clip(rng.normal(0.83, 0.16, n), 0.35, 1.0),
            "width": np.clip(rng.normal(0.082, 0.014, n), 0.045, 0.12),
            "exponent": _uniform(rng, n, 0.7, 1.1),
            "second": np.full(n, 0.5),
            "o_connell": rng.normal(0, 0.02, n),
        }

    return draw


def _binary_curve(cycles, s):
    """Eclipses of depth 1 and `ratio` over the ellipsoidal wave of two distorted stars; faint is positive."""
    depth = 1 - s["ellipsoidal"]
    dips = eclipse(cycles, s["width"], s["exponent"])
    dips = dips + s["ratio"] * eclipse(cycles - s["second"], s["width"], s["exponent"])
    wave = s["ellipsoidal"] * np.cos(2 * TURN * cycles) / 2
    return depth * dips + wave + s["o_connell"] * np.sin(TURN * cycles)


def _pulsator(rise, sharpness, second_mode=0.0, modulated=0.0):
    def draw(rng, n):
        return {
            "rise": _uniform(rng, n, *rise),
            "sharpness": _uniform(rng, n, *sharpness),
            "second": second_mode * _uniform(rng, n, 0.3, 1.0),
            "second_ratio": rng.normal(0.772, 0.006, n),  # first overtone over fundamental (Petersen 1973)
            "blazhko": (rng.random(n) < modulated) * _uniform(rng, n, 0.1, 0.3),
            "blazhko_cycles": 1 / _uniform(rng, n, 60, 300),  # per pulsation
        }

    return draw


def _pulsating_curve(cycles, s):
    brightness = pulse(cycles, s["rise"], s["sharpness"])
    brightness = brightness * (1 + s["blazhko"] * np.sin(TURN * cycles * s["blazhko_cycles"]))
    return -brightness - s["second"] * np.cos(TURN * cycles / s["second_ratio"]) / 2


def _mira(rng, n):
    return {
        "rise": _uniform(rng, n, 0.38, 0.5),
        "sharpness": _uniform(rng, n, 0.9, 1.3),
        "unequal": _uniform(rng, n, 0.06, 0.22),
        "early": _uniform(rng, n, 0.0, 0.03),
        "start": rng.random(n) * 50,
    }


def _mira_curve(cycles, s):
    """No two maxima alike: height and moment of a cycle wander."""
    slow = TURN * (cycles + s["start"])
    wander = np.sin(0.31 * slow) + np.sin(0.173 * slow + 1.0)
    late = s["early"] * np.sin(0.237 * slow)
    return -pulse(cycles + late, s["rise"], s["sharpness"]) * (1 + s["unequal"] * wander / 2)


def _semi_regular(rng, n):
    return {
        "first": _uniform(rng, n, 0.5, 1.0),
        "second": _uniform(rng, n, 0.2, 0.8),
        "long": (rng.random(n) < 0.35) * _uniform(rng, n, 0.3, 0.9),
        "near": rng.choice([0.52, 0.91, 1.1, 1.85], n) * 10 ** rng.normal(0, 0.02, n),
        "far": _uniform(rng, n, 7, 11),
        "drift": _uniform(rng, n, 0.03, 0.15),
        "start": rng.random(n) * 50,
    }


def _semi_regular_curve(cycles, s):
    """Several periods whose phases wander, and in a third of the stars a long secondary period."""
    slow = TURN * (cycles + s["start"])
    wander = s["drift"] * (np.sin(0.11 * slow) + np.sin(0.047 * slow + 2.0))
    wave = s["first"] * np.cos(TURN * (cycles + wander))
    wave = wave + s["second"] * np.cos(slow * s["near"]) + s["long"] * np.cos(slow / s["far"])
    return wave / 2


def _rotational(rng, n):
    return {
        "second": _uniform(rng, n, 0.05, 0.5),
        "apart": rng.random(n),
        "evolution": _uniform(rng, n, 0.15, 0.5),
        "drift": _uniform(rng, n, 0.02, 0.1),
        "trend": _uniform(rng, n, 0.1, 0.5),
        "life": _uniform(rng, n, 300, 1500),
        "start": rng.random(n),
    }


def _rotational_curve(cycles, s):
    """Two groups of spots that grow, fade and drift, on a star whose mean brightness follows its activity."""
    slow = TURN * (s["days"] / s["life"] + s["start"])
    size = 1 + s["evolution"] * np.sin(slow)
    turn = TURN * (cycles + s["drift"] * np.sin(0.7 * slow))
    spots = np.cos(turn) + s["second"] * np.cos(2 * turn + TURN * s["apart"])
    return (size * spots + s["trend"] * np.cos(0.37 * slow)) / 2


SHAPES = {
    "DSCT": (_pulsator((0.42, 0.5), (0.9, 1.1), second_mode=0.4), _pulsating_curve),
    "EA": (_eclipsing("EA"), _binary_curve),
    "EB": (_eclipsing("EB"), _binary_curve),
    "EW": (_eclipsing("EW"), _binary_curve),
    "HADS": (_pulsator((0.27, 0.4), (1.0, 1.5), second_mode=0.06), _pulsating_curve),
    "M": (_mira, _mira_curve),
    "ROT": (_rotational, _rotational_curve),
    "RRAB": (_pulsator((0.12, 0.22), (1.3, 2.0), modulated=0.25), _pulsating_curve),
    "RRC": (_pulsator((0.38, 0.48), (0.85, 1.15), modulated=0.08), _pulsating_curve),
    "SR": (_semi_regular, _semi_regular_curve),
}


def variation(
    names: np.ndarray,
    stars: Properties,
    times: np.ndarray,
    offsets: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """V magnitude of variable stars relative to their mean over the observed moments.

    Parameters
    ----------
    names : (N,) array of str
        Classes.
    stars : dict of (N,) arrays
        `period` [d] and `amplitude` [mag, peak to peak of an ideal curve].
    times : (P,) array
        [d], one star's after another's.
    offsets : (N + 1,) int array
    rng : Generator
        Draws the shapes and the phases.

    Returns
    -------
    (P,) array
        [mag], positive where the star is fainter than its mean.
    """
    counts = np.diff(offsets)
    star = np.repeat(np.arange(len(names)), counts)
    out = np.empty(len(times))
    start = rng.random(len(names))
    for name, (draw, curve) in SHAPES.items():
        rows = np.flatnonzero(names == name)
        shape = draw(rng, len(rows))
        points = np.flatnonzero((names == name)[star])
        which = np.searchsorted(rows, star[points])
        s = {key: values[which] for key, values in shape.items()}
        s["days"] = times[points] - times[0]
        cycles = times[points] / stars["period"][rows][which] + start[rows][which]
        out[points] = curve(cycles, s) * stars["amplitude"][rows][which]
    mean = np.add.reduceat(out, offsets[:-1]) / counts
    return out - mean[star]
