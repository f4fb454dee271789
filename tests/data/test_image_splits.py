"""Splits of images: whole groups, fair shares of classes, and nothing pretrained that is scored."""

import itertools

import numpy as np
import pytest
from astropy.table import Table

from astrolib.data.galaxies import SurveyError
from astrolib.data.image_splits import PARTS, labelled_subset, split_images
from astrolib.data.image_survey import ImageSurvey

FRACTIONS = (0.7, 0.1, 0.2)


def survey(label, group=None, n_classes=None) -> ImageSurvey:
    label, n = np.asarray(label), len(label)
    return ImageSurvey(
        images=np.zeros((n, 1, 1, 1), np.uint8),
        channels=("R",),
        label=label,
        class_names=tuple(f"class {k}" for k in range(n_classes or label.max() + 1)),
        group=np.arange(n) if group is None else np.asarray(group),
        targets={},
        catalogue=Table({"id": np.arange(n)}),
        source="made-up pictures",
        noise=None,
        pixel_scale=None,
    )


@pytest.fixture
def fields() -> ImageSurvey:
    """Three uneven classes and images without one, in fields of a few."""
    rng = np.random.default_rng(0)
    return survey(rng.choice([-1, 0, 1, 2], 600, p=[0.3, 0.4, 0.25, 0.05]), rng.integers(0, 250, 600))


def test_images_on_their_own_are_shared_out_to_within_one():
    label = np.repeat([0, 1, 2], [700, 200, 30])
    parts = split_images(survey(label), FRACTIONS, seed=1)
    for part, fraction in zip(PARTS, FRACTIONS, strict=True):
        counts = np.bincount(label[parts[part]])
        assert np.abs(counts - fraction * np.array([700, 200, 30])).max() <= 1
    assert np.array_equal(parts["pretraining"], parts["train"]) and not len(parts["held out"])


def test_every_labelled_image_is_in_one_part_and_every_other_one_in_one_place(fields):
    parts = split_images(fields, FRACTIONS, seed=1)
    labelled = np.concatenate([parts[part] for part in PARTS])
    assert sorted(labelled) == np.flatnonzero(fields.label >= 0).tolist()
    assert set(parts["train"]) <= set(parts["pretraining"])
    others = np.concatenate([np.setdiff1d(parts["pretraining"], parts["train"]), parts["held out"]])
    assert sorted(others) == np.flatnonzero(fields.label < 0).tolist()
    assert all((np.diff(rows) > 0).all() and rows.dtype == np.int64 for rows in parts.values())


def test_no_group_is_in_two_parts_and_none_that_is_scored_is_pretrained_on(fields):
    for seed in range(5):
        parts = split_images(fields, FRACTIONS, seed)
        groups = {part: set(fields.group[rows]) for part, rows in parts.items()}
        for one, other in itertools.combinations(PARTS, 2):
            assert not groups[one] & groups[other]
        scored = groups["validation"] | groups["test"]
        assert not groups["pretraining"] & scored
        assert groups["held out"] <= scored and len(parts["held out"]) > 10


def test_groups_leave_the_shares_of_classes_as_they_should_be(fields):
    total = np.bincount(fields.label[fields.label >= 0])
    parts = split_images(fields, FRACTIONS, seed=3)
    for part, fraction in zip(PARTS, FRACTIONS, strict=True):
        counts = np.bincount(fields.label[parts[part]], minlength=3)
        assert np.abs(counts / total - fraction).max() < 0.03


def test_large_groups_are_dealt_out_as_nearly_as_they_allow():
    rng = np.random.default_rng(1)  # blocks of the sky of very different sizes, as of Galaxy10
    group = rng.choice(80, 4000, p=rng.dirichlet(np.ones(80)))
    label = rng.integers(0, 5, 4000)
    parts = split_images(survey(label, group), (0.8, 0.1, 0.1), seed=0)
    shares = [np.bincount(label[parts[part]]) / np.bincount(label) for part in PARTS]
    assert np.abs(np.array(shares) - np.array([[0.8], [0.1], [0.1]])).max() < 0.02


def test_the_seed_decides(fields):
    first, again, other = (split_images(fields, FRACTIONS, seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[part], again[part]) for part in first)
    assert not np.array_equal(first["test"], other["test"])


@pytest.mark.parametrize("fractions", [(0.7, 0.3), (0.7, 0.2, 0.2), (0.8, 0.0, 0.2), (1.2, -0.4, 0.2)])
def test_fractions_that_cannot_be_used(fields, fractions):
    with pytest.raises(SurveyError, match="three positive numbers that add up to 1"):
        split_images(fields, fractions, 0)


def test_too_few_images_or_groups_say_what_is_missing():
    with pytest.raises(SurveyError, match=r"20 images with a class in 2 group\(s\)"):
        split_images(survey(np.zeros(20, int), np.arange(20) % 2), FRACTIONS, 0)
    label, group = np.repeat([0, 1, 0], [21, 9, 30]), np.repeat(np.arange(32), [20, 10, *[1] * 30])
    # The field of 20 trains; that of 10, with all of class 1 and one more of class 0, goes elsewhere.
    with pytest.raises(SurveyError, match="all images of class 'class 1' are in validation or test"):
        split_images(survey(label, group), FRACTIONS, 0)


# ---------------------------------------------------------------- few labels


def test_smaller_fractions_are_among_larger_ones_and_keep_every_class():
    label = np.repeat([0, 1, 2, -1], [500, 300, 7, 50])
    rows = np.random.default_rng(0).permutation(np.flatnonzero(np.arange(857) % 10))
    of_class = np.bincount(label[rows][label[rows] >= 0])
    parts = {f: labelled_subset(label, rows, f, seed=5) for f in (1.0, 0.1, 0.01)}
    assert set(parts[0.01]) <= set(parts[0.1]) <= set(parts[1.0]) == set(rows[label[rows] >= 0])
    for fraction, chosen in parts.items():
        expected = np.maximum(1, np.round(fraction * of_class))
        assert np.array_equal(np.bincount(label[chosen], minlength=3), expected)
        assert (np.diff(chosen) > 0).all()


def test_the_seed_chooses_and_the_order_of_rows_does_not():
    label = np.repeat([0, 1], 100)
    rows = np.arange(200)
    first = labelled_subset(label, rows, 0.1, 0)
    assert np.array_equal(first, labelled_subset(label, rows[::-1], 0.1, 0))
    assert not np.array_equal(first, labelled_subset(label, rows, 0.1, 1))
    assert not np.array_equal(first[:10], first[10:] - 100)  # classes do not draw the same places


def test_wrong_fractions_of_labels():
    for fraction in (0, -0.1, 1.1):
        with pytest.raises(SurveyError, match=r"not in \(0, 1\]"):
            labelled_subset(np.zeros(3, int), np.arange(3), fraction, 0)
    assert labelled_subset(np.full(3, -1), np.arange(3), 0.5, 0).tolist() == []
