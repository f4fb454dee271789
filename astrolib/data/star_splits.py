"""Which stars train, validate and test: the AstroM3 splits, its subsets, and a guard against leaks."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from astrolib.data.galaxies import SurveyError

SEEDS = (42, 0, 66, 12, 123)
"""Seeds of the paper's five splits."""
PARTS = ("train", "validation", "test")
FACTORS = {1.0: 1, 0.5: 2, 0.25: 4, 0.1: 10}
"""Fraction of the data and the whole number that the card's formula divides by."""
OTHER_NAMES = {"val": "validation"}  # as in the published file names


def cap(counts: Sequence[int], factor: int, rule: str = "paper") -> int:
    """Largest number of stars that a class keeps in a subset (AstroM3 card, section 2.4).

    Parameters
    ----------
    counts : sequence of int
        Stars of each class. Classes without any are ignored.
    factor : int
        Goal: the total divided by this.
    rule : {"paper", "water-filling"}
        "water-filling" is the idea: the largest cap with which the sum of min(count, cap) is at most the
        goal. "paper" is what the paper's code computes: the same, unless the goal is below (number of
        classes) x (smallest class); then it comes out lower, and below 1 for classes of nearly equal size.

    Raises
    ------
    SurveyError
        If the cap is below 1, which leaves nothing.

    Examples
    --------
    >>> train = [206, 2343, 1571, 4890, 226, 216, 1454, 1886, 624, 3647]
    >>> [cap(train, factor) for factor in (2, 4, 10)], cap(train, 10, "water-filling")
    ([1209, 516, 166], 170)
    """
    if rule not in ("paper", "water-filling"):
        raise SurveyError(f"The rule for a cap is 'paper' or 'water-filling', not {rule!r}.")
    c = sorted(int(count) for count in counts if count > 0)
    n, goal = len(c), sum(c) // factor
    if not n:
        raise SurveyError("A subset of no stars was asked for.")
    if n == 1 or (rule == "water-filling" and goal < n * c[0]):
        largest = goal // n
    else:
        have, i = n * c[0], 1
        while i < n - 1 and have + (n - i) * (c[i] - c[i - 1]) < goal:
            have += (n - i) * (c[i] - c[i - 1])
            i += 1
        largest = (goal - have) // (n - i) + c[i - 1]  # floor division, negative numbers too: as the paper
    if largest < 1:
        raise SurveyError(
            f"A subset of 1/{factor} of {sum(c)} stars in {n} classes would keep {largest} of each by the "
            f"rule {rule!r}. Use rule='water-filling', a larger fraction, or more stars."
        )
    return largest


def subset_rows(labels: np.ndarray, factor: int, rng: np.random.Generator, rule: str = "paper") -> np.ndarray:
    """Rows of a nearly balanced subset: classes larger than the cap are sampled to it without replacement.

    Parameters
    ----------
    labels : (N,) int array
        Class of each star. Stars without a class (-1) are left out, unless all are wanted (`factor` 1).
    factor, rule : int, str
        See `cap`.
    rng : numpy Generator
        Draws the stars.

    Returns
    -------
    rows : sorted int64 array
    """
    labels = np.asarray(labels)
    if factor == 1:
        return np.arange(len(labels))
    order = rng.permutation(np.flatnonzero(labels >= 0))
    order = order[np.argsort(labels[order], kind="stable")]  # a class after another, each in random order
    counts = np.bincount(labels[order])
    rank = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(order[rank < cap(counts, factor, rule)])


def subset_parts(
    parts: Mapping[str, np.ndarray], labels: np.ndarray, fraction: float, seed: int, rule: str = "paper"
) -> dict[str, np.ndarray]:
    """A fraction of train, validation and test, each by its own cap (AstroM3 card, section 2.4).

    The paper drew all its subsets from one global stream of random numbers, so the membership of one cannot
    be drawn again: these are re-split (published CSV files have the paper's own). Here a subset depends on
    the split's seed and the fraction alone. Test sets of different fractions differ, and are nearly balanced:
    their accuracies are not comparable with each other.

    Parameters
    ----------
    parts : mapping of str to int array
        Rows of train, validation and test, of `split_stars`.
    labels : (N,) int array
        Of all stars.
    fraction : {1.0, 0.5, 0.25, 0.1}
        Of the data.
    seed : int
        Of the split.
    rule : str
        See `cap`.

    Raises
    ------
    SurveyError
        If the paper has no such fraction, or a part would be empty.
    """
    if fraction not in FACTORS:
        raise SurveyError(f"Fractions are {', '.join(map(str, FACTORS))}, not {fraction}.")
    factor, labels = FACTORS[fraction], np.asarray(labels)
    rng = np.random.default_rng((seed, factor))
    return {name: rows[subset_rows(labels[rows], factor, rng, rule)] for name, rows in parts.items()}


def split_stars(
    labels: np.ndarray | int, seed: int, *, scheme: str = "paper", split: Sequence[str] | None = None
) -> dict[str, np.ndarray]:
    """Rows of the stars that train, validate and test.

    Parameters
    ----------
    labels : (N,) int array, or int
        Class of each star; for the scheme "paper" their number is enough.
    seed : int
        The paper's are `SEEDS`.
    scheme : {"paper", "stratified", "given"}
        ============ ==================================================================================
        "paper"      80/10/10 without regard to class (card, section 2.3). Seed 42: two calls of
                     `train_test_split`. Another seed: the parts of seed 42 one after another, shuffled,
                     cut at the same sizes
        "stratified" a test set of 20 % and a validation set of 10 % with the classes in proportion
        "given"      by the names in `split`. Where no star validates, a stratified tenth of the
                     training stars does, drawn by the seed; the test set is fixed
        ============ ==================================================================================
    split : sequence of str, optional
        "train", "validation" (or "val") or "test" for every star; for the scheme "given".

    Returns
    -------
    dict of str to sorted int64 array
        Keys "train", "validation", "test".

    Raises
    ------
    SurveyError
        If there are too few stars, or the scheme or a name in `split` is unknown.

    Examples
    --------
    >>> parts = split_stars(21440, 42)
    >>> [len(parts[name]) for name in PARTS]
    [17152, 2144, 2144]
    """
    labels = np.zeros(labels, int) if np.ndim(labels) == 0 else np.asarray(labels)
    rows = np.arange(len(labels))
    try:
        if scheme == "paper":
            parts = _paper(rows, seed)
        elif scheme == "stratified":
            rest, test = train_test_split(rows, test_size=0.2, random_state=seed, stratify=labels)
            parts = [*_stratified(rest, labels, 0.125, seed), test]
        elif scheme == "given":
            parts = _given(rows, labels, seed, split)
        else:
            raise SurveyError(f"Schemes are 'paper', 'stratified' and 'given', not {scheme!r}.")
    except SurveyError:
        raise
    except ValueError as error:  # of scikit-learn, on too few stars
        raise SurveyError(
            f"{len(labels)} stars cannot be split by the scheme {scheme!r}: {error} Use more stars, or leave "
            "small classes out (StarSurvey.keep_classes)."
        ) from None
    return {name: np.sort(part) for name, part in zip(PARTS, parts, strict=True)}


def _paper(rows: np.ndarray, seed: int) -> list[np.ndarray]:
    train, rest = train_test_split(rows, test_size=0.2, random_state=SEEDS[0])
    validation, test = train_test_split(rest, test_size=0.5, random_state=SEEDS[0])
    if seed == SEEDS[0]:
        return [train, validation, test]
    shuffled = pd.Series(np.concatenate([train, validation, test])).sample(frac=1, random_state=seed)
    return np.split(shuffled.to_numpy(), [len(train), len(train) + len(validation)])


def _stratified(rows: np.ndarray, labels: np.ndarray, share: float, seed: int) -> list[np.ndarray]:
    return train_test_split(rows, test_size=share, random_state=seed, stratify=labels[rows])


def _given(rows: np.ndarray, labels: np.ndarray, seed: int, split: Sequence[str] | None) -> list[np.ndarray]:
    if split is None or len(split) != len(rows):
        raise SurveyError("The scheme 'given' needs one name of a part for every star, in `split`.")
    names = np.array([OTHER_NAMES.get(str(name), str(name)) for name in split])
    if unknown := sorted(set(names.tolist()) - set(PARTS)):
        raise SurveyError(f"Parts are {', '.join(PARTS)}; a star has {unknown[0]!r}.")
    train, validation, test = (rows[names == name] for name in PARTS)
    if not len(validation):
        train, validation = _stratified(train, labels, 0.1, seed)
    return [train, validation, test]


def check_no_leak(
    parts: Mapping[str, np.ndarray],
    ids: Sequence,
    labels: np.ndarray | None = None,
    class_names: Sequence[str] = (),
) -> None:
    """Make sure that no star is in two parts, and that training sees every class that is scored.

    Parameters
    ----------
    parts : mapping of str to int array
        Rows of each part, one of them "train".
    ids : sequence
        Identifiers of all stars. Two rows with the same identifier are the same star.
    labels, class_names : (N,) int array, sequence of str, optional
        Classes of all stars. Stars without a class (-1) are not scored.

    Raises
    ------
    SurveyError
        Naming the first star that is in two parts, or the class that is never trained on.
    """
    ids = np.asarray(ids).astype(str)
    names = list(parts)
    members = {name: np.unique(ids[rows]) for name, rows in parts.items()}
    for i, one in enumerate(names):
        for other in names[i + 1 :]:
            if len(shared := np.intersect1d(members[one], members[other])):
                raise SurveyError(
                    f"Star {shared[0]} and {len(shared) - 1} more are in both {one} and {other}: a network "
                    "would be scored on stars that it has seen. Give every star to one part."
                )
    if labels is None:
        return
    seen = np.unique(np.asarray(labels)[parts["train"]])
    for name, rows in parts.items():
        scored = np.unique(np.asarray(labels)[rows])
        for label in np.setdiff1d(scored[scored >= 0], seen):
            words = class_names[label] if label < len(class_names) else f"number {label}"
            raise SurveyError(
                f"Class {words} occurs in {name} but never in train, so no classifier can learn it. Leave it "
                "out (StarSurvey.keep_classes) or split anew."
            )
