"""The ten classes of variable star: how many there are, and what such a star is.

Ranges, means and relations are rounded from the literature named beside them; those without a source were set
by hand so that the classes overlap about as much as in the paper's tables (AstroM3 card, sections 9.5, 9.6).
"""

import numpy as np

from astrolib.simulate.star_photometry import intrinsic_colour, main_sequence_magnitude

#: Stars of each class in the paper's data (card, section 2.2), in the order of its labels.
CLASS_COUNTS = {
    "DSCT": 255,
    "EA": 2916,
    "EB": 1976,
    "EW": 6168,
    "HADS": 281,
    "M": 268,
    "ROT": 1839,
    "RRAB": 2351,
    "RRC": 796,
    "SR": 4590,
}
CARBON_SHARE = 0.15  # of Miras; 7 % in the paper's UMAP group, too few for a small survey
DWARF_SHARE = 0.4  # of rotational variables

#: Mean and scatter of the apparent V magnitude.
BRIGHTNESS = {
    "DSCT": (12.6, 1.0),
    "EA": (13.5, 1.2),
    "EB": (13.4, 1.2),
    "EW": (13.9, 1.1),
    "HADS": (13.6, 1.1),
    "M": (14.6, 0.9),
    "ROT": (13.2, 1.0),
    "RRAB": (14.9, 1.2),
    "RRC": (14.4, 1.2),
    "SR": (13.2, 1.1),
}

Properties = dict[str, np.ndarray]


def draw_classes(n: int, rng: np.random.Generator) -> np.ndarray:
    """Names of the classes of `n` stars, by the shares of the paper, (n,) array of str.

    From 300 stars on there are at least two of each class.
    """
    names = np.array(list(CLASS_COUNTS))
    share = np.array(list(CLASS_COUNTS.values())) / sum(CLASS_COUNTS.values())
    counts = rng.multinomial(n, share)
    if n >= 300:
        missing = np.clip(2 - counts, 0, None)
        counts += missing
        counts[counts.argmax()] -= missing.sum()
    return rng.permutation(np.repeat(names, counts))


def _normal(rng, n, mean, sigma, low, high):
    return np.clip(rng.normal(mean, sigma, n), low, high)


def _log_normal(rng, n, median, dex, low, high):
    return np.clip(median * 10 ** rng.normal(0, dex, n), low, high)


def _delta_scuti(rng, n, high_amplitude: bool) -> Properties:
    period = _log_normal(rng, n, 0.085 if high_amplitude else 0.095, 0.16, 0.04, 0.24)
    amplitude = rng.uniform(0.25, 0.75, n) if high_amplitude else _log_normal(rng, n, 0.11, 0.2, 0.03, 0.32)
    return {
        "period": period,
        "amplitude": amplitude,
        # Ziaali et al. 2019 (MNRAS 486, 4348)
        "absolute_v": -2.94 * np.log10(period) - 1.34 + rng.normal(0, 0.25, n),
        "temperature": 7450 - 900 * (np.log10(period) + 1.05) + rng.normal(0, 250, n),
        "metallicity": _normal(rng, n, -0.4 if high_amplitude else -0.1, 0.3, -1.5, 0.4),
    }


def _rr_lyrae(rng, n, overtone: bool) -> Properties:
    metallicity = _normal(rng, n, -1.45, 0.4, -2.5, -0.2)
    shift = -0.06 * (metallicity + 1.45)  # metal-poor stars have longer periods (Oosterhoff 1939)
    if overtone:
        period = np.clip(0.325 + 0.4 * shift + rng.normal(0, 0.035, n), 0.21, 0.45)
        amplitude = _normal(rng, n, 0.43, 0.08, 0.18, 0.65)
        temperature = 7050 - 2500 * (period - 0.325) + rng.normal(0, 130, n)
    else:
        period = np.clip(0.565 + shift + rng.normal(0, 0.06, n), 0.40, 0.90)
        amplitude = np.clip(0.9 - 2.6 * (period - 0.565) + rng.normal(0, 0.17, n), 0.25, 1.45)
        temperature = 6480 - 1500 * (period - 0.565) + rng.normal(0, 130, n)
    return {
        "period": period,
        "amplitude": amplitude,
        # Muraveva et al. 2018 (MNRAS 481, 1195): about 0.6 at [Fe/H] = -1.5
        "absolute_v": 0.60 + 0.25 * (metallicity + 1.5) + rng.normal(0, 0.1, n),
        "temperature": temperature,
        "metallicity": metallicity,
    }


def _contact(rng, n) -> Properties:
    period = np.clip(0.24 + rng.gamma(2.4, 0.058, n), 0.22, 1.1)
    return {
        "period": period,
        "amplitude": _log_normal(rng, n, 0.36, 0.17, 0.1, 0.95),
        "absolute_v": -9.15 * np.log10(period)
        - 0.23
        + rng.normal(0, 0.2, n),  # Chen et al. 2018, ApJ 859, 140
        "temperature": 5950 + 5500 * (np.log10(period) + 0.42) + rng.normal(0, 170, n),
        "metallicity": _normal(rng, n, -0.15, 0.25, -1, 0.4),
    }


def _binary(rng, n, detached: bool) -> Properties:
    period = _log_normal(rng, n, 2.1, 0.42, 0.4, 80) if detached else _log_normal(rng, n, 0.6, 0.23, 0.28, 8)
    temperature = (7450 if detached else 7250) + 400 * np.log10(period) + rng.normal(0, 950, n)
    temperature = np.clip(temperature, 3900, 9600)
    evolved = 0.2 + rng.exponential(0.6, n) + 0.5 * rng.random(n)  # brighter than the zero-age main sequence
    return {
        "period": period,
        "amplitude": _log_normal(rng, n, 0.5, 0.22, 0.12, 1.9)
        if detached
        else _log_normal(rng, n, 0.42, 0.18, 0.12, 1.2),
        "absolute_v": main_sequence_magnitude(temperature) - evolved,
        "temperature": temperature,
        "metallicity": _normal(rng, n, -0.15, 0.25, -1, 0.4),
    }


def _rotational(rng, n) -> Properties:
    dwarf = rng.random(n) < DWARF_SHARE
    hot = rng.normal(0, 1, n)
    temperature = np.where(dwarf, 4350 + 450 * hot, 4750 + 170 * hot)
    temperature = np.clip(temperature, 3300, 5600)
    giant_v = 2.4 + rng.normal(0, 0.8, n) - 1.2 * rng.random(n)
    return {
        "period": np.where(
            dwarf, _log_normal(rng, n, 3.2, 0.35, 0.3, 25), _log_normal(rng, n, 17, 0.3, 2.5, 120)
        ),
        "amplitude": np.where(
            dwarf, _log_normal(rng, n, 0.11, 0.15, 0.05, 0.3), _log_normal(rng, n, 0.17, 0.18, 0.06, 0.5)
        ),
        "absolute_v": np.where(
            dwarf, main_sequence_magnitude(temperature) - rng.exponential(0.5, n), giant_v
        ),
        "temperature": temperature,
        "metallicity": _normal(rng, n, -0.1, 0.2, -0.8, 0.4),
        "giant": ~dwarf,
        "subtype": np.where(dwarf, "active dwarf", "active giant"),
    }


def _long_period_k(period: np.ndarray) -> np.ndarray:
    """Absolute K of a Mira (Whitelock, Feast & van Leeuwen 2008, MNRAS 386, 313)."""
    return -3.51 * (np.log10(period) - 2.38) - 7.25


def _semi_regular(rng, n) -> Properties:
    period = _log_normal(rng, n, 82, 0.27, 18, 480)
    temperature = 3500 - 480 * (np.log10(period) - 1.91) + rng.normal(0, 110, n)
    # Overtone pulsators are brighter than Miras of the same period
    k = _long_period_k(period) - rng.choice([0.0, 0.9], n, p=[0.35, 0.65]) + rng.normal(0, 0.25, n)
    giant = np.ones(n, bool)
    return {
        "period": period,
        "amplitude": np.clip(0.38 * (period / 82) ** 0.6 * 10 ** rng.normal(0, 0.2, n), 0.1, 2.4),
        "absolute_v": k + intrinsic_colour("V-K", temperature, giant),
        "temperature": temperature,
        "metallicity": _normal(rng, n, -0.2, 0.25, -1, 0.3),
        "giant": giant,
        "dust": np.clip(0.06 * (period / 100) * rng.exponential(1, n), 0, 0.6),
    }


def _mira(rng, n) -> Properties:
    carbon = rng.random(n) < CARBON_SHARE
    period = np.where(
        carbon, _log_normal(rng, n, 390, 0.08, 220, 600), _log_normal(rng, n, 275, 0.11, 130, 520)
    )
    temperature = 2960 - 900 * (np.log10(period) - 2.44) + rng.normal(0, 90, n) - 150 * carbon
    temperature = np.clip(temperature, 2450, 3300)
    giant = np.ones(n, bool)
    v_k = intrinsic_colour("V-K", temperature, giant) - 0.8 * carbon
    return {
        "period": period,
        "amplitude": np.clip(3.5 + rng.normal(0, 0.6, n) - 0.8 * carbon, 1.9, 5.5),
        "absolute_v": _long_period_k(period) + rng.normal(0, 0.15, n) + v_k,
        "temperature": temperature,
        "metallicity": _normal(rng, n, -0.3, 0.25, -1, 0.3),
        "giant": giant,
        "dust": 0.15 + rng.gamma(3, 0.06, n) + carbon * rng.gamma(4, 0.12, n),
        "subtype": np.where(carbon, "carbon-rich", "oxygen-rich"),
    }


_DRAW = {
    "DSCT": lambda rng, n: _delta_scuti(rng, n, high_amplitude=False),
    "EA": lambda rng, n: _binary(rng, n, detached=True),
    "EB": lambda rng, n: _binary(rng, n, detached=False),
    "EW": _contact,
    "HADS": lambda rng, n: _delta_scuti(rng, n, high_amplitude=True),
    "M": _mira,
    "ROT": _rotational,
    "RRAB": lambda rng, n: _rr_lyrae(rng, n, overtone=False),
    "RRC": lambda rng, n: _rr_lyrae(rng, n, overtone=True),
    "SR": _semi_regular,
}


def draw_properties(names: np.ndarray, rng: np.random.Generator) -> Properties:
    """What stars of known class are, without place and distance.

    Parameters
    ----------
    names : (N,) array of str
        Classes, keys of `CLASS_COUNTS`.
    rng : Generator

    Returns
    -------
    dict of (N,) arrays
        `period` [d], `amplitude` [V mag, peak to peak], `absolute_v` [mag], `temperature` [K], `metallicity`
        [dex], `giant` and `halo` (bool), `dust` (W1 - W2 excess of own dust [mag]), `subtype` (str, "" where
        the class has none), `apparent_v` (the brightness wanted, [mag]).

    Examples
    --------
    >>> stars = draw_properties(np.array(["M", "RRAB"]), np.random.default_rng(0))
    >>> bool(stars["period"][0] > 100 > 1 > stars["period"][1])
    True
    """
    n = len(names)
    out = {
        "giant": np.zeros(n, bool),
        "dust": np.clip(rng.normal(0, 0.01, n), 0, None),
        "subtype": np.full(n, "", dtype="U12"),
        "apparent_v": np.empty(n),
    }
    for name, draw in _DRAW.items():
        rows = np.flatnonzero(names == name)
        for key, values in draw(rng, len(rows)).items():
            out.setdefault(key, np.empty(n))[rows] = values
        out["apparent_v"][rows] = _normal(rng, len(rows), *BRIGHTNESS[name], 10.2, 16.7)
    out["halo"] = np.isin(names, ["RRAB", "RRC"]) & (out["metallicity"] < -0.9)
    return out
