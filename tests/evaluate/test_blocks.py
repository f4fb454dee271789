"""Block bootstrap: right mean, intervals as wide as the data are uncertain, shared draws."""

import numpy as np
import pytest

from astrolib.evaluate.blocks import block_draws
from astrolib.evaluate.intervals import interval


def test_means_weight_windows_by_their_counts_and_seeds_alike():
    errors = np.array([[[2.0, 6.0], [1.0, 1.0]]])
    means, _ = block_draws(errors, [[1, 3], [1, 1]], block=1)
    assert means == pytest.approx([(8 / 4 + 2 / 2) / 2])


def test_width_of_independent_windows_is_the_standard_error():
    rng = np.random.default_rng(0)
    errors = rng.normal(5, 1, (1, 1, 400))
    _, draws = block_draws(errors, np.ones((1, 400)), block=1, n_resamples=4000)
    assert draws.std() == pytest.approx(errors.std() / 20, rel=0.06)


def test_blocks_widen_what_windows_that_err_together_make_too_narrow():
    rng = np.random.default_rng(1)
    errors = np.repeat(rng.normal(5, 1, 40), 10)[None, None]
    counts = np.ones((1, 400))
    narrow, wide = (block_draws(errors, counts, block, n_resamples=2000)[1].std() for block in (1, 10))
    assert wide == pytest.approx(errors.std() / np.sqrt(40), rel=0.1)
    assert narrow < wide / 2.5


def test_arms_share_draws_so_that_a_constant_ratio_has_no_width():
    errors = np.random.default_rng(2).random((1, 3, 60)) + 1
    means, draws = block_draws(np.concatenate([errors, 0.9 * errors]), np.ones((3, 60)), block=7)
    assert means[1] / means[0] == pytest.approx(0.9)
    assert interval(draws[1] / draws[0]) == pytest.approx({"low": 0.9, "high": 0.9})


def test_seeds_are_drawn_too():
    errors = np.repeat([[0.0], [1.0]], 50, axis=1)[None]
    _, draws = block_draws(errors, np.ones((2, 50)), block=5)
    assert set(np.unique(draws.round(6))) == {0.0, 0.5, 1.0}


@pytest.mark.parametrize(
    ("errors", "counts", "block", "words"),
    [
        (np.ones((2, 3, 4)), np.ones((3, 5)), 1, "arms x seeds x windows"),
        (np.ones((2, 3, 4)), np.ones((3, 4)), 0, "block=0"),
        (np.ones((1, 1, 4)), np.array([[0, 0, 1, 1]]), 2, "no observed value"),
    ],
    ids=["shapes", "block", "empty"],
)
def test_errors_say_what_is_wrong(errors, counts, block, words):
    with pytest.raises(ValueError, match=words):
        block_draws(errors, counts, block)
