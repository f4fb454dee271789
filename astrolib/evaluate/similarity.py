"""Which stars are most similar to a star: exact search over all pairs, a block at a time.

Everywhere an embedding is an (N, D) array with a row for each star, of any length; a row of NaN is a star
that lacks the modality. Similarity is the cosine of two rows, rounded to six decimals: that is about what
float32 carries, and equal rows tie on every machine.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

_BLOCK = 2**23  # similarities held at once: 32 MB, whatever the number of stars


def normalise(x: ArrayLike) -> np.ndarray:
    """Rows divided by their lengths, (N, D); rows of NaN stay.

    Raises
    ------
    ValueError
        If the array is not two-dimensional, or a row is zero or finite in parts only.

    Examples
    --------
    >>> normalise([[3.0, 4.0]])
    array([[0.6, 0.8]])
    """
    x, _ = checked(x)
    length = np.linalg.norm(x, axis=1, keepdims=True)
    zero = np.flatnonzero(length == 0)
    if zero.size:
        raise ValueError(f"Row {zero[0]} of an embedding is zero: it has no direction to compare.")
    return x / length


def nearest(
    queries: ArrayLike,
    reference: ArrayLike,
    k: int,
    *,
    exclude: ArrayLike | None = None,
    metric: str = "cosine",
) -> tuple[np.ndarray, np.ndarray]:
    """The k most similar reference stars of each query, exactly (all pairs are looked at, a block at a time).

    Parameters
    ----------
    queries : (Q, D) array_like
        What is searched with.
    reference : (N, D) array_like
        What is searched; a row of NaN is never found.
    k : int
        Hits for each query.
    exclude : (Q,) int array_like, optional
        A reference row for each query that may not be found, usually itself; -1 for none.
    metric : {"cosine", "dot product"}
        The second one leaves the lengths of the rows in.

    Returns
    -------
    indices : (Q, k) int array
        Rows of the reference, most similar first; of equals the one with the lower row number.
    similarity : (Q, k) float32 array

    Raises
    ------
    ValueError
        If a query is NaN, the widths differ, there are fewer than k stars to find, or the metric is unknown.

    Examples
    --------
    >>> rows, similarity = nearest([[1.0, 0.0]], [[0.0, 2.0], [3.0, 0.0], [1.0, 1.0]], k=2)
    >>> rows, similarity.round(2)
    (array([[1, 2]]), array([[1.  , 0.71]], dtype=float32))
    """
    _, present = checked(reference)
    rows = np.arange(len(queries))
    own = np.full(len(rows), -1) if exclude is None else np.asarray(exclude)
    if own.shape != rows.shape or not ((own >= -1) & (own < len(present))).all():
        raise ValueError(f"To exclude a row for each query takes {len(rows)} numbers from -1 to N - 1.")
    candidates = present.sum() - ((own >= 0) & present[own])
    if k < 1 or (candidates < k).any():
        raise ValueError(f"Cannot find {k} nearest stars: {candidates.min(initial=len(present))} are there.")
    indices, similarity = np.empty((len(rows), k), np.int64), np.empty((len(rows), k), np.float32)
    for block, found in similarity_blocks(queries, reference, metric=metric):
        excluded = np.flatnonzero(own[block] >= 0)
        found[excluded, own[block][excluded]] = -np.inf
        indices[block], similarity[block] = _largest(found, k)
    return indices, similarity


def similarity_blocks(
    queries: ArrayLike, reference: ArrayLike, *, metric: str = "cosine"
) -> Iterator[tuple[slice, np.ndarray]]:
    """Similarities (B, N) of a block of queries after another, with the rows of the block.

    Stars that are NaN in the reference have minus infinity. Parameters and errors as for `nearest`.
    """
    if metric not in ("cosine", "dot product"):
        raise ValueError(f"Unknown metric {metric!r}: choose cosine or dot product.")
    (q, asked), (r, present) = checked(queries), checked(reference)
    if q.shape[1] != r.shape[1]:
        raise ValueError(f"Queries of width {q.shape[1]} and stars of width {r.shape[1]} do not compare.")
    if not asked.all():
        raise ValueError(
            f"{np.sum(~asked)} of {len(asked)} queries are NaN, the first is row {np.argmin(asked)}: a star "
            "that lacks the modality cannot be searched with, so leave it out."
        )
    if metric == "cosine":
        q, r = normalise(q), normalise(r)
    q = q.astype(np.float32, copy=False)
    r = np.where(present[:, None], r, 0).astype(np.float32, copy=False).T
    longest = max(np.linalg.norm(q, axis=1).max(initial=0) * np.linalg.norm(r, axis=0).max(initial=0), 1e-30)
    decimals = 6 - int(np.ceil(np.log10(longest) - 1e-3))  # six where rows are unit vectors
    at_once = max(1, _BLOCK // max(len(present), 1))
    for start in range(0, len(q), at_once):
        block = slice(start, min(start + at_once, len(q)))
        found = np.round(q[block] @ r, decimals)
        found[:, ~present] = -np.inf
        yield block, found


def checked(x: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """As (N, D) of at least float32, and which rows are there, (N,) bool."""
    x = np.asarray(x)
    if x.ndim != 2 or not x.shape[1]:
        raise ValueError(f"An embedding is an array (N, D), not one of shape {x.shape}.")
    x = x.astype(np.result_type(x, np.float32), copy=False)
    finite = np.isfinite(x)
    present = finite.all(axis=1)
    broken = np.flatnonzero(~present & ~np.isnan(x).all(axis=1))
    if broken.size:
        raise ValueError(
            f"{broken.size} of {len(x)} rows of an embedding are infinite or finite in parts only, the first "
            f"is row {broken[0]}: a star that lacks the modality has NaN in all columns, so this is a fault."
        )
    return x, present


def _largest(values: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns and values of the k largest of each row, in order, of equals the first column."""
    least = np.partition(values, values.shape[1] - k, axis=1)[:, -k]
    rows, columns = np.nonzero(values >= least[:, None])  # at least k a row, columns ascending
    order = np.lexsort((-values[rows, columns], rows))  # stable
    first = np.searchsorted(rows, np.arange(len(values)))
    chosen = columns[order[first[:, None] + np.arange(k)]]
    return chosen, np.take_along_axis(values, chosen, axis=1)
