import numpy as np
import pytest
from scipy import linalg, stats

from astrolib.evaluate.spectrum import correlation_summary, effective_rank, singular_values


@pytest.fixture
def z():
    rng = np.random.default_rng(0)
    return rng.normal(size=(400, 12)) @ rng.normal(size=(12, 12)) + 7


def test_singular_values_are_the_roots_of_the_covariances_eigenvalues(z):
    eigenvalues = linalg.eigvalsh(np.cov(z.T))[::-1]
    np.testing.assert_allclose(singular_values(z), np.sqrt(eigenvalues / eigenvalues[0]), rtol=1e-9)


def test_rank_counts_directions_of_equal_scatter():
    for rank in (1, 3, 8):
        z = np.zeros((2 * rank, 10))
        z[np.arange(rank), np.arange(rank)] = 1
        z[rank + np.arange(rank), np.arange(rank)] = -1
        assert effective_rank(z) == pytest.approx(rank)


def test_rank_is_the_entropy_of_scipy(z):
    expected = np.exp(stats.entropy(singular_values(z)))
    assert effective_rank(z) == pytest.approx(expected)
    assert 1 < expected < 12


def test_rank_knows_neither_place_nor_unit_nor_axes(z):
    turn = linalg.qr(np.random.default_rng(1).normal(size=(12, 12)))[0]
    assert effective_rank(5 * z @ turn - 100) == pytest.approx(effective_rank(z))


def test_collapse_is_rank_zero_also_with_the_rounding_of_float32(z):
    rng = np.random.default_rng(2)
    constant = np.float32(rng.normal(size=16)) * np.ones((300, 1), np.float32)
    rounded = constant * np.float32(1 + 6e-8 * rng.integers(-1, 2, size=constant.shape))
    assert rounded.std(axis=0).max() > 0
    for collapsed in (np.zeros((5, 3)), constant, rounded):
        assert effective_rank(collapsed) == 0
        np.testing.assert_array_equal(singular_values(collapsed), 0)
    assert effective_rank(constant + 1e-3 * np.float32(rng.normal(size=constant.shape))) > 10, "no collapse"


def test_correlation_is_that_of_numpy(z):
    rng = np.random.default_rng(3)
    z_b = z + rng.normal(size=z.shape)
    matrix = np.corrcoef(z.T, z_b.T)[:12, 12:]
    off = matrix[~np.eye(12, dtype=bool)]
    diagonal, off_square = correlation_summary(z, z_b)
    assert diagonal == pytest.approx(np.diagonal(matrix).mean(), rel=1e-4)
    assert off_square == pytest.approx((off**2).mean(), rel=1e-4)


def test_correlation_of_independent_columns_is_one_over_n():
    rng = np.random.default_rng(4)
    diagonal, off_square = correlation_summary(*rng.normal(size=(2, 500, 100)))
    assert abs(diagonal) < 0.02
    assert off_square == pytest.approx(1 / 500, rel=0.1)


def test_dead_columns_correlate_with_nothing(z):
    dead = z.copy()
    dead[:, :6] = 3.0
    assert correlation_summary(dead, dead)[0] == pytest.approx(0.5, rel=1e-4)
    assert np.isnan(correlation_summary(z[:, :1], z[:, :1])[1])


def test_embeddings_that_say_nothing_are_refused(z):
    with pytest.raises(ValueError, match="not of the same objects"):
        correlation_summary(z, z[:-1])
    with pytest.raises(ValueError, match="two rows or more"):
        effective_rank(z[:1])
    z[4, 2] = np.inf
    with pytest.raises(ValueError, match="1 of 400 rows of an embedding are not finite, the first is row 4"):
        singular_values(z)
