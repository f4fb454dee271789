import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from astrolib.evaluate import similarity
from astrolib.evaluate.similarity import nearest, normalise, similarity_blocks


@pytest.fixture
def stars():
    rng = np.random.default_rng(1)
    return rng.standard_normal((300, 16)) * rng.uniform(0.1, 10, (300, 1))


@pytest.mark.parametrize("block", [1, 700, 2**23])
def test_hits_are_those_of_scikit_learn_whatever_the_block(stars, block, monkeypatch):
    monkeypatch.setattr(similarity, "_BLOCK", block)
    queries = np.random.default_rng(2).standard_normal((40, 16))
    distance, rows = NearestNeighbors(n_neighbors=7, metric="cosine").fit(stars).kneighbors(queries)
    found, cosine = nearest(queries, stars, 7)
    np.testing.assert_array_equal(found, rows)
    np.testing.assert_allclose(cosine, 1 - distance, atol=2e-6)


def test_dot_products_keep_lengths_at_any_scale(stars):
    for scale in (1e-4, 1.0, 1e5):
        rows, value = nearest(stars[:20] * scale, stars * scale, 3, metric="dot product")
        product = stars[:20] @ stars.T
        np.testing.assert_array_equal(rows, np.argsort(-product, axis=1)[:, :3])
        np.testing.assert_allclose(value, scale**2 * np.sort(product, axis=1)[:, :-4:-1], rtol=1e-4)
    assert (rows != nearest(stars[:20], stars, 3)[0]).any()


def test_equals_come_in_the_order_of_their_rows():
    rng = np.random.default_rng(3)
    kinds = rng.standard_normal((4, 33)).astype(np.float32)
    which = rng.integers(4, size=501)
    rows, _ = nearest(kinds, kinds[which], 6)
    for kind in range(4):
        assert rows[kind].tolist() == np.flatnonzero(which == kind)[:6].tolist()


def test_a_collapsed_embedding_is_all_ties():
    rows, value = nearest(np.ones((3, 5)), np.ones((9, 5)), 4, exclude=[0, 5, -1])
    assert rows.tolist() == [[1, 2, 3, 4], [0, 1, 2, 3], [0, 1, 2, 3]]
    np.testing.assert_allclose(value, 1, atol=1e-6)


def test_the_query_itself_can_be_left_out(stars):
    own = np.arange(len(stars))
    assert (nearest(stars, stars, 1)[0][:, 0] == own).all()
    without = nearest(stars, stars, 4, exclude=own)[0]
    assert (without != own[:, None]).all()
    np.testing.assert_array_equal(without, nearest(stars, stars, 5)[0][:, 1:])


def test_stars_without_the_modality_are_never_found(stars):
    stars = stars.astype(np.float16)
    stars[::2] = np.nan
    rows, value = nearest(stars[1:30:2], stars, 150)
    assert (rows % 2 == 1).all() and np.isfinite(value).all()
    with pytest.raises(ValueError, match="Cannot find 151 nearest stars: 150"):
        nearest(stars[1:30:2], stars, 151)
    with pytest.raises(ValueError, match="Cannot find 150 nearest stars: 149"):
        nearest(stars[1:30:2], stars, 150, exclude=np.arange(1, 30, 2))
    nearest(stars[1:30:2], stars, 150, exclude=np.arange(0, 30, 2))  # those were no candidates anyway


def test_blocks_cover_all_queries_in_order(stars, monkeypatch):
    monkeypatch.setattr(similarity, "_BLOCK", 1000)
    blocks = list(similarity_blocks(stars[:10], stars))
    assert [block.start for block, _ in blocks] == [0, 3, 6, 9]
    whole = np.concatenate([values for _, values in blocks])
    np.testing.assert_allclose(whole, normalise(stars[:10]) @ normalise(stars).T, atol=1e-6)


def test_normalise_keeps_directions_and_gaps(stars):
    stars[4] = np.nan
    unit = normalise(stars)
    assert np.isnan(unit[4]).all()
    kept = np.delete(np.arange(300), 4)
    np.testing.assert_allclose(np.linalg.norm(unit[kept], axis=1), 1)
    np.testing.assert_allclose(np.sum(unit[kept] * stars[kept], axis=1), np.linalg.norm(stars[kept], axis=1))


def _spoilt(row, value, column=slice(None)):
    x = np.ones((6, 4))
    x[row, column] = value
    return x


@pytest.mark.parametrize(
    ("queries", "reference", "options", "words"),
    [
        (_spoilt(3, np.nan), np.ones((6, 4)), {}, "1 of 6 queries are NaN, the first is row 3"),
        (np.ones((6, 4)), _spoilt(2, np.nan, 1), {}, "row 2"),
        (_spoilt(5, np.inf, 0), np.ones((6, 4)), {}, "row 5"),
        (np.ones((6, 4)), _spoilt(1, 0.0), {}, "Row 1 of an embedding is zero"),
        (np.ones((6, 4)), np.ones((6, 5)), {}, "width 4 and stars of width 5"),
        (np.ones(4), np.ones((6, 4)), {}, "array"),
        (np.ones((6, 4)), np.ones((6, 4)), {"k": 0}, "Cannot find 0"),
        (np.ones((6, 4)), np.ones((6, 4)), {"metric": "manhattan"}, "Unknown metric 'manhattan'"),
        (np.ones((6, 4)), np.ones((6, 4)), {"exclude": [0, 1]}, "takes 6 numbers"),
        (np.ones((6, 4)), np.ones((6, 4)), {"exclude": [0, 1, 2, 3, 4, 6]}, "takes 6 numbers"),
    ],
)
def test_faults_are_named(queries, reference, options, words):
    with pytest.raises(ValueError, match=words):
        nearest(queries, reference, **{"k": 2} | options)


def test_a_zero_row_is_named_beside_rows_of_nan():
    x = _spoilt(1, np.nan)
    x[4] = 0
    with pytest.raises(ValueError, match="Row 4"):
        normalise(x)
