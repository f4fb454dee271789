"""Splits and subsets: the card's numbers, scikit-learn and pandas as oracles, and leaks that are found."""

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import train_test_split

from astrolib.data.galaxies import SurveyError
from astrolib.data.star_splits import (
    PARTS,
    SEEDS,
    cap,
    check_no_leak,
    split_stars,
    subset_parts,
    subset_rows,
)

COUNTS = {  # card, section 2.2, seed 42
    "train": [206, 2343, 1571, 4890, 226, 216, 1454, 1886, 624, 3647],
    "validation": [25, 272, 207, 597, 29, 30, 189, 231, 93, 479],
    "test": [24, 301, 198, 681, 26, 22, 196, 234, 79, 464],
}
CAPS = {2: (1209, 149, 160), 4: (516, 64, 69), 10: (166, 21, 22)}
SUMS = {2: (8526, 1071, 1111), 4: (4260, 532, 555), 10: (1660, 210, 220)}


@pytest.mark.parametrize("factor", CAPS)
def test_caps_and_sizes_are_those_of_the_paper(factor):
    assert tuple(cap(COUNTS[part], factor) for part in PARTS) == CAPS[factor]
    labels = np.repeat(np.arange(10), COUNTS["test"])
    rows = subset_rows(labels, factor, np.random.default_rng(0))
    assert len(rows) == SUMS[factor][2]
    assert np.bincount(labels[rows]).tolist() == [min(count, CAPS[factor][2]) for count in COUNTS["test"]]
    for part, expected in zip(PARTS, SUMS[factor], strict=True):
        assert sum(min(count, cap(COUNTS[part], factor)) for count in COUNTS[part]) == expected


def test_water_filling_is_the_largest_cap_within_the_goal():
    rng = np.random.default_rng(0)
    for _ in range(200):
        counts = rng.integers(1, 500, rng.integers(1, 12))
        factor = int(rng.integers(2, 11))
        if sum(counts) // factor < len(counts):
            continue
        kept = cap(counts, factor, "water-filling")
        size, more = (np.minimum(counts, largest).sum() for largest in (kept, kept + 1))
        assert size <= counts.sum() // factor < more
        if counts.sum() // factor >= len(counts) * counts.min():
            assert cap(counts, factor) == kept  # the paper's formula is the same there


def test_a_cap_that_keeps_nothing_says_what_to_do():
    assert cap([100] * 10, 10, "water-filling") == 10
    with pytest.raises(SurveyError, match="rule='water-filling'"):
        cap([100] * 10, 10)
    with pytest.raises(SurveyError, match="no stars"):
        cap([0, 0], 2)
    with pytest.raises(SurveyError, match="'upsample'"):
        cap([10, 20], 2, "upsample")


def test_subsets_are_drawn_without_replacement_and_at_random():
    labels = np.random.default_rng(1).permutation(np.repeat([0, 1, 2, -1], [40, 300, 900, 50]))
    one, other = (subset_rows(labels, 4, np.random.default_rng(seed)) for seed in (0, 1))
    assert len(np.unique(one)) == len(one) and (np.diff(one) > 0).all() and (labels[one] >= 0).all()
    assert set(np.flatnonzero(labels == 0)) <= set(one) & set(other)  # a small class is kept whole
    assert not np.array_equal(one, other)
    assert len(subset_rows(labels, 1, np.random.default_rng(0))) == len(labels)
    often = sum(np.isin(np.arange(1290), subset_rows(labels, 4, np.random.default_rng(s))) for s in range(60))
    assert (often[labels == 2] > 0).all()  # no star is always left out


def test_every_part_has_its_own_cap_and_a_subset_depends_on_seed_and_fraction_alone():
    labels = np.concatenate([np.repeat(np.arange(10), COUNTS[part]) for part in PARTS])
    edges = np.cumsum([0, *(sum(COUNTS[part]) for part in PARTS)])
    parts = {part: np.arange(edges[i], edges[i + 1]) for i, part in enumerate(PARTS)}
    small = subset_parts(parts, labels, 0.1, 42)
    assert tuple(len(small[part]) for part in PARTS) == SUMS[10]
    assert all(np.isin(small[part], parts[part]).all() for part in PARTS)
    subset_parts(parts, labels, 0.5, 42)  # drawing another subset between changes nothing
    again, other = subset_parts(parts, labels, 0.1, 42), subset_parts(parts, labels, 0.1, 66)
    assert all(np.array_equal(small[part], again[part]) for part in PARTS)
    assert not np.array_equal(small["train"], other["train"])
    whole = subset_parts(parts, labels, 1.0, 42)
    assert all(np.array_equal(whole[part], parts[part]) for part in PARTS)
    with pytest.raises(SurveyError, match="0.3"):
        subset_parts(parts, labels, 0.3, 42)


def test_the_first_seed_is_the_paper_s_two_calls_of_scikit_learn():
    names = np.arange(435_615)
    train, rest = train_test_split(names, test_size=0.2, random_state=42)
    validation, test = train_test_split(rest, test_size=0.5, random_state=42)
    parts = split_stars(435_615, 42)
    assert [len(parts[part]) for part in PARTS] == [348_492, 43_561, 43_562]  # card, section 2.3
    for part, expected in zip(PARTS, (train, validation, test), strict=True):
        assert np.array_equal(parts[part], np.sort(expected))


def test_other_seeds_shuffle_the_parts_of_the_first_with_pandas():
    first = {part: train_test_split(np.arange(500), test_size=0.2, random_state=42)[0] for part in ["train"]}
    _, rest = train_test_split(np.arange(500), test_size=0.2, random_state=42)
    table = pd.DataFrame(
        {"row": np.concatenate([first["train"], *train_test_split(rest, test_size=0.5, random_state=42)])}
    )
    shuffled = table.sample(frac=1, random_state=66)["row"].to_numpy()
    parts = split_stars(500, 66)
    assert [len(parts[part]) for part in PARTS] == [400, 50, 50]
    assert np.array_equal(parts["train"], np.sort(shuffled[:400]))
    assert np.array_equal(parts["test"], np.sort(shuffled[450:]))


@pytest.mark.parametrize("scheme", ["paper", "stratified"])
@pytest.mark.parametrize("seed", SEEDS)
def test_every_star_is_in_one_part(seed, scheme):
    labels = np.random.default_rng(0).integers(0, 4, 1000)
    parts = split_stars(labels, seed, scheme=scheme)
    assert np.array_equal(np.sort(np.concatenate(list(parts.values()))), np.arange(1000))
    check_no_leak(parts, np.arange(1000), labels)
    again = split_stars(labels, seed, scheme=scheme)
    assert all(np.array_equal(parts[part], again[part]) for part in PARTS)


def test_a_stratified_split_keeps_proportions():
    labels = np.repeat([0, 1, 2], [700, 200, 100])
    parts = split_stars(labels, 42, scheme="stratified")
    for part, share in zip(PARTS, (0.7, 0.1, 0.2), strict=True):
        assert np.allclose(np.bincount(labels[parts[part]]), [share * 700, share * 200, share * 100])
    test = train_test_split(np.arange(1000), test_size=0.2, random_state=42, stratify=labels)[1]
    assert np.array_equal(parts["test"], np.sort(test))
    with pytest.raises(SurveyError, match="keep_classes"):
        split_stars(np.array([0] * 50 + [1]), 42, scheme="stratified")


def test_a_given_split_is_kept():
    labels = np.arange(100) % 2
    names = np.array(["train"] * 70 + ["val"] * 10 + ["test"] * 20)
    parts = split_stars(labels, 0, scheme="given", split=names)
    assert [rows.tolist() for rows in parts.values()] == [
        list(range(70)),
        list(range(70, 80)),
        list(range(80, 100)),
    ]
    names[names == "val"] = "train"
    one, other = (split_stars(labels, seed, scheme="given", split=names) for seed in (0, 1))
    assert [len(rows) for rows in one.values()] == [72, 8, 20] and one["test"].tolist() == list(
        range(80, 100)
    )
    assert np.bincount(labels[one["validation"]]).tolist() == [4, 4]
    assert not np.array_equal(one["validation"], other["validation"])
    names[3] = "other"
    with pytest.raises(SurveyError, match="'other'"):
        split_stars(labels, 0, scheme="given", split=names)
    with pytest.raises(SurveyError, match="name of a part for every star"):
        split_stars(labels, 0, scheme="given")
    with pytest.raises(SurveyError, match="'random'"):
        split_stars(labels, 0, scheme="random")


def test_a_star_in_two_parts_is_found_by_its_id():
    parts = {"train": np.array([0, 1, 2]), "validation": np.array([3]), "test": np.array([4, 5])}
    check_no_leak(parts, list("abcdef"))
    with pytest.raises(SurveyError, match="Star b and 0 more are in both train and test"):
        check_no_leak(parts, list("abcdeb"))
    with pytest.raises(SurveyError, match="both train and validation"):
        check_no_leak(parts | {"validation": np.array([2])}, list("abcdef"))


def test_a_class_that_is_never_trained_on_is_found():
    parts = {"train": np.array([0, 1]), "validation": np.array([2]), "test": np.array([3])}
    check_no_leak(parts, list("abcd"), np.array([0, 1, 1, -1]), ("EW", "SR", "M"))
    with pytest.raises(SurveyError, match="Class M occurs in test but never in train"):
        check_no_leak(parts, list("abcd"), np.array([0, 1, 1, 2]), ("EW", "SR", "M"))
