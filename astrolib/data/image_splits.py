"""Which images train, validate, test and pretrain, with whole groups in one part."""

from collections.abc import Sequence

import numpy as np

from astrolib.data.galaxies import SurveyError
from astrolib.data.image_survey import ImageSurvey

PARTS = ("train", "validation", "test")


def split_images(survey: ImageSurvey, fractions: Sequence[float], seed: int) -> dict[str, np.ndarray]:
    """Split the labelled images of a survey, and say which may be pretrained on.

    Groups are dealt out one after another, large ones first and in random order otherwise, each to the part
    that lacks most of its classes. Groups of one image thus give each part its share of each class to within
    an image or two; large groups as nearly as they allow.

    Parameters
    ----------
    survey : ImageSurvey
        With a class for some or all of the images.
    fractions : (float, float, float)
        Of labelled images that train, validate and test; they add up to 1.
    seed : int
        Of the order in which groups are dealt out.

    Returns
    -------
    dict of str to sorted int64 array
        Row numbers. "train", "validation" and "test" have classes. "pretraining" is "train" and every image
        without a class whose group has none of "validation" and "test"; "held out" are the other images
        without a class.

    Raises
    ------
    SurveyError
        If the fractions cannot be used, a part would be empty, or a class would not be trained on.

    Examples
    --------
    >>> from astropy.table import Table
    >>> label = np.tile([0, 0, 1], 20)
    >>> survey = ImageSurvey(np.zeros((60, 1, 2, 2), np.uint8), ("R",), label, ("a", "b"), np.arange(60), {},
    ...                      Table({"id": range(60)}), "an example", None, None)
    >>> parts = split_images(survey, (0.5, 0.2, 0.3), seed=0)
    >>> [np.bincount(label[parts[part]]).tolist() for part in PARTS]
    [[20, 10], [8, 4], [12, 6]]
    """
    if len(fractions) != len(PARTS) or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise SurveyError(
            f"Fractions {tuple(fractions)} are not three positive numbers that add up to 1: train, "
            "validation, test."
        )
    labelled = np.flatnonzero(survey.label >= 0)
    groups, member = np.unique(survey.group[labelled], return_inverse=True)
    if len(groups) < len(PARTS):
        raise SurveyError(
            f"{survey.source}: {len(labelled)} images with a class in {len(groups)} group(s) cannot be split "
            "into three parts."
        )
    counts = np.zeros((len(groups), len(survey.class_names)))
    np.add.at(counts, (member, survey.label[labelled]), 1)
    part_of_group = _deal(counts, np.asarray(fractions), np.random.default_rng(seed))
    parts = {name: labelled[part_of_group[member] == number] for number, name in enumerate(PARTS)}
    _check(survey, parts)

    unlabelled = np.flatnonzero(survey.label < 0)
    scored = np.concatenate([survey.group[parts[name]] for name in ("validation", "test")])
    shares = np.isin(survey.group[unlabelled], scored)
    parts["pretraining"] = np.sort(np.concatenate([parts["train"], unlabelled[~shares]]))
    parts["held out"] = unlabelled[shares]
    return parts


def labelled_subset(label: np.ndarray, rows: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Some of the training images: the same fraction of every class, and at least one of each.

    With one seed, those of a smaller fraction are among those of a larger one.

    Parameters
    ----------
    label : (N,) int array
        Classes of the whole survey.
    rows : int array
        Rows to choose from.
    fraction : float
        In (0, 1].
    seed : int
        Of the choice.

    Returns
    -------
    sorted int64 array
        Row numbers of the survey; images without a class are never among them.

    Raises
    ------
    SurveyError
        If the fraction is not in (0, 1].

    Examples
    --------
    >>> label = np.repeat([0, 1], [40, 3])
    >>> label[labelled_subset(label, np.arange(43), 0.1, seed=0)].tolist()
    [0, 0, 0, 0, 1]
    """
    if not 0 < fraction <= 1:
        raise SurveyError(f"A fraction of {fraction:g} of the labels is not in (0, 1].")
    rows = np.sort(rows)
    chosen = []
    for number in np.unique(label[rows]):
        if number >= 0:
            members = np.random.default_rng((seed, number)).permutation(rows[label[rows] == number])
            chosen.append(members[: max(1, round(fraction * len(members)))])
    return np.sort(np.concatenate(chosen)) if chosen else np.zeros(0, np.int64)


def _deal(counts: np.ndarray, fractions: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Part (G,) of each group, from its images of each class (G, K) and the share of each part (P,).

    An image of a rare class counts more: by its share of the images of the class.
    """
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(1), kind="stable")]
    shares = counts / np.maximum(counts.sum(0), 1)  # of the images of each class
    lacking = np.ones((len(fractions), counts.shape[1]))  # 1: a part has nothing yet, 0: what it should have
    part_of_group = np.empty(len(counts), np.int64)
    for group in order:
        part = int((lacking @ shares[group]).argmax())
        lacking[part] -= shares[group] / fractions[part]
        part_of_group[group] = part
    return part_of_group


def _check(survey: ImageSurvey, parts: dict[str, np.ndarray]) -> None:
    """Every part has an image, and every class is trained on."""
    if empty := [name for name, rows in parts.items() if not len(rows)]:
        raise SurveyError(f"{survey.source}: no image is left for {empty[0]}. Use more images.")
    seen = np.unique(survey.label[parts["train"]])
    missing = np.setdiff1d(np.unique(survey.label[survey.label >= 0]), seen)
    if len(missing):
        raise SurveyError(
            f"{survey.source}: all images of class {survey.class_names[missing[0]]!r} are in validation or "
            "test, so it could not be learnt. Use more images, or leave the class out."
        )
