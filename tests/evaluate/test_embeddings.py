import numpy as np
import pytest
from sklearn.metrics import silhouette_score
from sklearn.metrics.pairwise import cosine_distances

from astrolib.evaluate.embeddings import (
    class_centres,
    cross_modal_nearest,
    flag_outliers,
    map_2d,
    nearest_centre,
    outlier_kinds,
    outlier_scores,
    top_in_all,
)
from astrolib.evaluate.similarity import nearest, normalise


@pytest.fixture
def clusters():
    """600 stars of 3 classes about random directions, the last class three times as wide."""
    rng = np.random.default_rng(4)
    directions = normalise(rng.standard_normal((3, 24)))
    labels = rng.integers(3, size=600)
    width = np.array([0.05, 0.05, 0.15])[labels]
    return normalise(directions[labels] + width[:, None] * rng.standard_normal((600, 24))), labels, directions


def test_centres_find_the_planted_directions(clusters):
    x, labels, directions = clusters
    centres = class_centres(x, labels, 5)
    assert np.isnan(centres[3:]).all()
    np.testing.assert_allclose(np.linalg.norm(centres[:3], axis=1), 1)
    assert (np.sum(centres[:3] * directions, axis=1) > 0.995).all()


def test_centres_are_means_of_the_rows_as_they_are():
    centres = class_centres([[3.0, 0.0], [0.0, 4.0], [9.0, 9.0]], [0, 0, -1], 1)
    np.testing.assert_allclose(centres, [[0.6, 0.8]])


def test_missing_stars_change_no_centre(clusters):
    x, labels, _ = clusters
    more = np.concatenate([x, np.full((5, 24), np.nan)])
    np.testing.assert_array_equal(
        class_centres(more, np.append(labels, [0] * 5), 3), class_centres(x, labels, 3)
    )


def test_outlier_scores_are_cosine_distances(clusters):
    x, labels, _ = clusters
    centres = class_centres(x, labels, 3)
    expected = cosine_distances(x, centres)[np.arange(600), labels]
    np.testing.assert_allclose(outlier_scores(7 * x, labels, centres), expected, atol=1e-12)


def test_nothing_is_known_of_stars_without_modality_class_or_centre(clusters):
    x, labels, _ = clusters
    centres = class_centres(x, np.where(labels == 2, -1, labels), 3)
    x[0], labels = np.nan, labels.copy()
    labels[:3] = (0, -1, 2)
    scores = outlier_scores(x, labels, centres)
    assert np.isnan(scores[:3]).all() and np.isfinite(scores[labels < 2][5:]).all()
    number, similarity = nearest_centre(x, centres)
    assert number[0] == -1 and np.isnan(similarity[0])
    assert set(number[1:]) == {0, 1}  # the class without a centre attracts nobody
    assert not flag_outliers(scores, labels)[:3].any()


def test_nearest_centre_is_the_largest_cosine(clusters):
    x, labels, _ = clusters
    centres = class_centres(x, labels, 3)
    number, similarity = nearest_centre(5 * x, centres)
    np.testing.assert_array_equal(number, np.argmax(x @ centres.T, axis=1))
    np.testing.assert_allclose(similarity, np.max(x @ centres.T, axis=1), atol=1e-6)
    assert (number == labels).mean() > 0.99


@pytest.mark.parametrize("share", [0.01, 0.05, 0.2])
def test_the_share_flagged_is_the_share_asked_for(clusters, share):
    x, labels, _ = clusters
    flagged = flag_outliers(outlier_scores(x, labels, class_centres(x, labels, 3)), labels, share=share)
    assert flagged.sum() == pytest.approx(600 * share, abs=1)


def test_flags_follow_the_formula_of_the_card(clusters):
    x, labels, _ = clusters
    d = outlier_scores(x, labels, class_centres(x, labels, 3))
    flagged = flag_outliers(d, labels, share=0.05)
    k_inside, k_outside = [], []
    for number in range(3):
        own = d[labels == number]
        k = (own - np.median(own)) / (1.4826 * np.median(np.abs(own - np.median(own))))
        k_outside.append(k[flagged[labels == number]])
        k_inside.append(k[~flagged[labels == number]])
    assert np.concatenate(k_outside).min() > np.concatenate(k_inside).max()


def test_each_class_has_its_own_threshold(clusters):
    x, labels, _ = clusters
    d = outlier_scores(x, labels, class_centres(x, labels, 3))
    own = np.bincount(labels[flag_outliers(d, labels, share=0.1)], minlength=3)
    one = np.bincount(labels[flag_outliers(d, np.zeros(600, int), share=0.1)], minlength=3)
    assert own.min() >= 8
    assert one.tolist()[:2] == [0, 0]


def test_planted_stars_are_flagged_and_told_apart(clusters):
    x, labels, directions = clusters
    centres = class_centres(x, labels, 3)
    labels = labels.copy()
    wrong, strange = np.flatnonzero(labels == 0)[:4], np.flatnonzero(labels == 1)[:3]
    labels[wrong] = 2
    x[strange] = normalise(np.eye(24)[[7]] + 1.2 * directions[[1]])
    d = outlier_scores(x, labels, centres)
    flagged = flag_outliers(d, labels, share=8 / 600)
    assert flagged[wrong].all() and flagged[strange].all()
    kind, suggested = outlier_kinds(labels, nearest_centre(x, centres)[0][:, None], flagged[:, None])
    assert (kind[wrong] == "possible misclassification").all() and (suggested[wrong] == 0).all()
    assert (kind[strange] == "in-class outlier").all() and (suggested[strange] == -1).all()
    assert (kind[~flagged] == "").all()


def test_small_and_stiff_classes_borrow_the_scale_of_all():
    rng = np.random.default_rng(5)
    d = np.concatenate([rng.uniform(0.1, 0.3, 200), [0.9, 0.2, 0.2], np.full(30, 0.2)])
    labels = np.repeat([0, 1, 2], [200, 3, 30])
    assert np.flatnonzero(flag_outliers(d, labels, share=0.004)).tolist() == [200]
    d[200:203] = (0.2, 0.2001, 0.201)  # nine MADs of its own, but of three stars
    assert not flag_outliers(d, labels, share=0.004)[200:203].any()
    assert not flag_outliers(np.full(40, 0.2), np.zeros(40, int)).any()
    assert not flag_outliers(np.full(4, np.nan), np.zeros(4, int)).any()


def test_kinds_by_votes_of_the_flagging_modalities():
    labels = np.array([0, 0, 0, 0, 0, 0])
    near = np.array([[1, 2, 3], [0, 1, 1], [0, 0, 1], [3, 2, 2], [1, 0, -1], [1, 1, 1]])
    flags = np.array([[1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 1], [1, 1, 0], [0, 0, 0]], bool)
    kind, suggested = outlier_kinds(labels, near, flags)
    wrong, inside = "possible misclassification", "in-class outlier"
    assert kind.tolist() == [wrong, wrong, inside, wrong, wrong, ""]
    assert suggested.tolist() == [1, 1, -1, 2, 1, -1]  # all different: the first; else the most frequent
    near[5], flags[5, 2] = (1, 1, 0), True  # only the modality that flags it has a vote
    assert outlier_kinds(labels, near, flags)[0][5] == inside
    near[0], flags[0] = (1, 2, 2), (True, True, False)
    assert outlier_kinds(labels, near, flags)[1][0] == 1


def test_the_papers_rule_is_the_intersection_of_tops():
    rng = np.random.default_rng(6)
    d = rng.uniform(0, 0.5, (200, 3))
    d[[7, 90]], d[11], d[12] = [[0.9, 0.9, 0.9], [0.8, 0.9, 0.95]], (0.9, 0.9, 0), (0.99, 0.99, np.nan)
    assert top_in_all(d, 4).tolist() == [7, 90]
    assert top_in_all(d, 3).tolist() == [7]
    assert top_in_all([[0.1, 0.1], [0.3, 0.2], [0.2, np.nan]], 1).tolist() == [1]  # NaN takes no place
    assert top_in_all([[0.1, 0.1], [0.2, np.nan]], 5).tolist() == [0]
    tops = [set(np.argsort(-np.nan_to_num(column))[:50]) for column in d.T]
    assert set(top_in_all(d, 50)) == set.intersection(*tops) - {12}


def test_search_across_modalities_may_find_the_partner():
    rng = np.random.default_rng(7)
    spectra = normalise(rng.standard_normal((80, 12)))
    curves = spectra + 0.02 * rng.standard_normal((80, 12))
    rows, similarity = cross_modal_nearest(curves, spectra, 3)
    assert (rows[:, 0] == np.arange(80)).all()
    np.testing.assert_array_equal(similarity, nearest(curves, spectra, 3)[1])


@pytest.mark.parametrize(
    ("labels", "words"),
    [([0, 1], "3 stars need as many"), ([0.0, 1.0, 1.0], "whole numbers"), ([0, 2, 1], "Star 1 has label 2"),
     ([0, 1, -2], "Star 2 has label -2")],
)  # fmt: skip
def test_labels_that_cannot_be_are_refused(labels, words):
    with pytest.raises(ValueError, match=words):
        class_centres(np.eye(3), labels, 2)
    with pytest.raises(ValueError, match=words):
        outlier_scores(np.eye(3), labels, np.eye(3)[:2])


def test_faults_of_shares_and_votes():
    for share in (0, 1, 2.0):
        with pytest.raises(ValueError, match="between 0 and 1"):
            flag_outliers(np.ones(3), np.zeros(3, int), share=share)
    with pytest.raises(ValueError, match=r"\(N, M\)"):
        outlier_kinds([0, 1], [[0], [1]], [True, False])


@pytest.mark.slow
def test_maps_repeat_keep_clusters_and_leave_gaps(clusters):
    x, labels, _ = clusters
    x, labels = x[:120].copy(), labels[:120]
    x[5] = np.nan
    known = np.delete(np.arange(120), 5)
    plane = map_2d(x, fit_rows=np.arange(100))
    assert plane.shape == (120, 2) and plane.dtype == np.float32
    assert np.isnan(plane[5]).all() and np.isfinite(plane[known]).all()
    np.testing.assert_array_equal(plane, map_2d(x, fit_rows=np.arange(120) < 100))
    assert silhouette_score(plane[known], labels[known]) > 0.4
    new = np.arange(100, 120)  # placed where their class is
    centres = np.stack(
        [plane[:100][(labels[:100] == c) & (np.arange(100) != 5)].mean(axis=0) for c in range(3)]
    )
    distance = np.linalg.norm(plane[new][:, None] - centres, axis=2)
    assert (distance.argmin(axis=1) == labels[new]).mean() >= 0.9
    assert (map_2d(x, fit_rows=np.arange(100), seed=1)[known] != plane[known]).any()


@pytest.mark.slow
def test_maps_of_few_stars(clusters):
    x, _, _ = clusters
    assert np.isfinite(map_2d(x[:6])).all()
    x[3:] = np.nan
    with pytest.raises(ValueError, match="five stars or more to be made from, not 3"):
        map_2d(x)
