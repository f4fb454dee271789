"""How sure a mean error over time is: paired bootstrap over blocks of neighbouring windows, and seeds.

Windows of a series that overlap, or follow each other, err together. Drawing them one by one would make
intervals too narrow, so blocks of them are drawn.
"""

import numpy as np
from numpy.typing import ArrayLike


def block_draws(
    errors: ArrayLike, counts: ArrayLike, block: int, *, n_resamples: int = 1000, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Mean error of each arm, and in bootstrap draws of seeds and blocks that all arms share.

    Parameters
    ----------
    errors : (A, S, W) array_like
        Sums of errors of A arms with S seeds in W windows, in the order of time. A seed may have data of its
        own, so its blocks are drawn apart from those of other seeds.
    counts : (S, W) array_like
        How many values each sum is of.
    block : int
        Windows that are drawn together; 1 where they are independent.
    n_resamples : int
        Draws, B.
    seed : int
        Of the draws.

    Returns
    -------
    means : (A,) float64 array
        Sum of errors over sum of counts, the mean over seeds.
    draws : (A, B) float64 array

    Raises
    ------
    ValueError
        If shapes disagree, `block` is not positive, or a block of a seed has no value.

    Examples
    --------
    >>> means, draws = block_draws([[[2.0, 4.0]]], [[1, 1]], block=2, n_resamples=3)
    >>> means.tolist(), draws.tolist()
    ([3.0], [[3.0, 3.0, 3.0]])
    """
    errors, counts = np.asarray(errors, np.float64), np.asarray(counts, np.float64)
    if errors.ndim != 3 or errors.shape[1:] != counts.shape or not errors.size or block < 1:
        raise ValueError(
            f"errors {errors.shape} must be arms x seeds x windows, counts {counts.shape} seeds x windows "
            f"of the same, and block={block} at least 1."
        )
    n_seeds, n_windows = counts.shape
    edges = np.linspace(0, n_windows, max(1, n_windows // block), endpoint=False).round().astype(int)
    errors, counts = np.add.reduceat(errors, edges, axis=2), np.add.reduceat(counts, edges, axis=1)
    if (counts <= 0).any():
        raise ValueError("A block of windows has no observed value: draw longer blocks.")
    rng = np.random.default_rng(seed)
    n_blocks = len(edges)
    drawn = rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=(n_resamples, n_seeds))  # (B,S,K)
    by_seed = np.einsum("ask,bsk->abs", errors, drawn) / np.einsum("sk,bsk->bs", counts, drawn)
    chosen = rng.integers(n_seeds, size=(1, n_resamples, n_seeds))
    draws = np.take_along_axis(by_seed, chosen, axis=2).mean(axis=2)
    return (errors.sum(axis=2) / counts.sum(axis=1)).mean(axis=1), draws
