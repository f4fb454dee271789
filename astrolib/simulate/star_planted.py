"""What is wrong or odd in the twin on purpose: mislabelled stars and outliers of their own class."""

from dataclasses import dataclass

import numpy as np

MISLABELLED_SHARE, OUTLIER_SHARE = 0.015, 0.01

#: Classes that a star of this class is mistaken for, with weights.
CONFUSIONS = {
    "DSCT": {"EW": 2, "RRC": 1},
    "EA": {"EB": 2, "RRAB": 2, "ROT": 2, "SR": 1},
    "EB": {"EW": 2, "EA": 1, "RRC": 1, "RRAB": 2},
    "EW": {"EB": 2, "RRC": 3, "ROT": 2, "RRAB": 1, "SR": 1},
    "HADS": {"RRC": 2, "EW": 1},
    "M": {"SR": 2, "EA": 1},
    "ROT": {"SR": 2, "EW": 2, "EA": 1},
    "RRAB": {"EA": 2, "EW": 2, "SR": 1},
    "RRC": {"EW": 3, "DSCT": 1},
    "SR": {"ROT": 3, "M": 1, "EA": 2},
}
#: Kinds of outlier, and the classes that never have them because it would not be odd or would not be seen.
OUTLIERS = {
    "wrong period": {"SR", "ROT"},
    "emission lines": {"M", "ROT"},
    "dimming": set(),
    "flare": {"M"},
    "composite spectrum": set(),
    "infrared excess": {"M", "SR"},
}
_TWO_MINIMA = ("EW", "EB")
_PULSATORS = ("RRAB", "RRC", "HADS", "DSCT")


@dataclass(frozen=True)
class Planted:
    """Row by row: `kind` ("normal", "mislabelled", "outlier"), `what` of an outlier, class in the catalogue.

    `period_factor` is the catalogue's period over the true one.
    """

    kind: np.ndarray
    what: np.ndarray
    catalogue_class: np.ndarray
    period_factor: np.ndarray


def plant(names: np.ndarray, rng: np.random.Generator) -> Planted:
    """Choose stars to mislabel and to make odd.

    Of N stars 1.5 % are mislabelled and 1 % are outliers (both rounded); classes with fewer than ten stars
    keep all of theirs. A binary with two alike minima that is taken for a pulsator, or the other way round,
    gets half or twice its period, as in real catalogues.

    Parameters
    ----------
    names : (N,) array of str
        True classes.
    rng : Generator
    """
    n = len(names)
    kind = np.full(n, "normal", dtype="U11")
    what = np.full(n, "", dtype="U18")
    label, factor = names.astype("U4"), np.ones(n)
    found, counts = np.unique(names, return_counts=True)
    able = rng.permutation(np.flatnonzero(np.isin(names, found[counts >= 10])))
    n_wrong, n_odd = round(MISLABELLED_SHARE * n), round(OUTLIER_SHARE * n)
    for row in able[:n_wrong]:
        others = CONFUSIONS[names[row]]
        weights = np.array(list(others.values()))
        label[row] = rng.choice(list(others), p=weights / weights.sum())
        kind[row] = "mislabelled"
        if names[row] in _TWO_MINIMA and label[row] in _PULSATORS:
            factor[row] = 0.5
        if names[row] in _PULSATORS and label[row] in _TWO_MINIMA:
            factor[row] = 2.0
    used = dict.fromkeys(OUTLIERS, 0)  # so that each kind gets its turn
    for row in able[n_wrong : n_wrong + n_odd]:
        kind[row] = "outlier"
        what[row] = min((odd for odd, never in OUTLIERS.items() if names[row] not in never), key=used.get)
        used[what[row]] += 1
        if what[row] == "wrong period":
            factor[row] = rng.choice([0.618, 0.731, 1.37, 1.618, 2.24])
    return Planted(kind, what, label, factor)


def event(what: np.ndarray, times: np.ndarray, offsets: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What a flare or a dimming adds to the V magnitude, (P,): zero for all other stars.

    A flare rises within a day by 1 to 2.5 mag and fades over two to six weeks. A dimming falls by 1.5 to 3.5
    mag within weeks and takes months to recover, as in R Coronae Borealis.

    Parameters
    ----------
    what : (N,) array of str
        From `plant`.
    times : (P,) array
        [d]
    offsets : (N + 1,) int array
    rng : Generator
    """
    out = np.zeros(len(times))
    for row in np.flatnonzero((what == "flare") | (what == "dimming")):
        points = slice(offsets[row], offsets[row + 1])
        t = times[points]
        since = t - t[int(len(t) * rng.uniform(0.2, 0.7))] + 1.0  # a moment that was observed
        if what[row] == "flare":
            height, fall, recovery = -rng.uniform(1.0, 2.5), 0.5, rng.uniform(15, 40)
        else:
            height, fall, recovery = rng.uniform(1.5, 3.5), rng.uniform(5, 12), rng.uniform(80, 200)
        before = np.exp(np.clip(since - 1.0, None, 0) / fall)
        out[points] = height * before * np.exp(-np.clip(since - 1.0, 0, None) / recovery)
    return out
