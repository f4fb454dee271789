"""Are two stars joined? Scores that need no network, to hold a network's against."""

import numpy as np
from numpy.typing import ArrayLike


def edge_scores(
    adjacency: ArrayLike, pairs: ArrayLike, flux: ArrayLike | None = None
) -> dict[str, np.ndarray]:
    """How likely pairs of stars are joined, by counts on the visible graph and by their light.

    Parameters
    ----------
    adjacency : (N, N) array_like
        The graph with hidden edges taken out; self-loops do not count.
    pairs : (n, 2) int array_like
    flux : (T, N) array_like, optional
        Visible standardised light curves.

    Returns
    -------
    dict of (n,) array
        `degree product`, `common neighbours` and, with `flux`, `correlation`: the higher, the likelier.

    Examples
    --------
    >>> path = np.array([[0, 1, 0], [1, 0, 1], [0, 1, 0]])
    >>> {name: score.tolist() for name, score in edge_scores(path, [[0, 2], [0, 1]]).items()}
    {'degree product': [1.0, 2.0], 'common neighbours': [1.0, 0.0]}
    """
    joined = np.asarray(adjacency) != 0
    joined = (joined & ~np.eye(len(joined), dtype=bool)).astype(np.float64)
    i, j = np.asarray(pairs).T
    degree = joined.sum(axis=1)
    scores = {"degree product": degree[i] * degree[j], "common neighbours": (joined[i] * joined[j]).sum(1)}
    if flux is not None:
        scores["correlation"] = np.corrcoef(np.asarray(flux, np.float64).T)[i, j]
    return scores
