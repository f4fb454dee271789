"""How well a search finds what it should: precision, ranks of partners, and planted stars among flagged ones.

Each value comes with the standard error of a bootstrap over queries and with what a random order would give.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

from astrolib.evaluate.embeddings import cross_modal_nearest
from astrolib.evaluate.similarity import checked, nearest, similarity_blocks


def precision_at_k(
    query_labels: ArrayLike,
    hit_labels: ArrayLike,
    candidate_labels: ArrayLike,
    *,
    own_excluded: bool = False,
    n_resamples: int = 1000,
    seed: int = 0,
) -> dict[str, float]:
    """Share of the hits that have the class of their query.

    Parameters
    ----------
    query_labels : (Q,) int array_like
        Classes of the queries.
    hit_labels : (Q, k) int array_like
        Classes of the stars found; -1, a star without a class, is never right.
    candidate_labels : (N,) int array_like
        Classes of all stars that were searched.
    own_excluded : bool
        Whether each query was one of the N stars and could not find itself.
    n_resamples, seed
        Of the bootstrap.

    Returns
    -------
    dict
        `value`, `error` (NaN for a single query), and `chance`: the mean share of the queries' classes
        among the candidates, which is the sum of the squared class shares where all stars search all.

    Raises
    ------
    ValueError
        If shapes disagree, or a query has no class.

    Examples
    --------
    >>> precision_at_k([0, 1], [[0, 0], [0, 1]], [0, 0, 1, 1])["value"]
    0.75
    """
    query, hits, candidates = (np.asarray(x) for x in (query_labels, hit_labels, candidate_labels))
    if query.ndim != 1 or hits.ndim != 2 or len(hits) != len(query) or candidates.ndim != 1:
        raise ValueError(
            f"Precision needs labels (Q,), (Q, k) and (N,), not {query.shape}, {hits.shape} and "
            f"{candidates.shape}."
        )
    if (query < 0).any():
        raise ValueError(f"Query {np.argmax(query < 0)} has no class: no hit of it can be right or wrong.")
    alike = np.bincount(candidates[candidates >= 0], minlength=query.max(initial=0) + 1)[query]
    chance = (alike - own_excluded) / max(len(candidates) - own_excluded, 1)
    right = (hits == query[:, None]).mean(axis=1)
    error = _error(right, np.mean, n_resamples, seed)
    return {"value": float(right.mean()), "error": error, "chance": float(chance.mean())}


def partner_ranks(queries: ArrayLike, reference: ArrayLike) -> np.ndarray:
    """Place of each star's own row of the reference when all are sorted by similarity to it.

    Parameters
    ----------
    queries, reference : (N, D) array_like
        Row by row the same stars in two modalities.

    Returns
    -------
    (N,) float array
        1 is first. Equally similar stars share their mean place, so that embeddings that are all the same
        come out at chance. NaN where a star lacks one of the two; such a star is no candidate either.

    Raises
    ------
    ValueError
        If the two do not hold the same number of stars, and as for `similarity.nearest`.

    Examples
    --------
    >>> partner_ranks([[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.1], [1.0, 0.0]])
    array([2., 2.])
    """
    (q, asked), (r, there) = checked(queries), checked(reference)
    if len(q) != len(r):
        raise ValueError(f"Stars have partners row by row, but there are {len(q)} and {len(r)} rows.")
    both = np.flatnonzero(asked & there)
    ranks = np.full(len(q), np.nan)
    for block, similarity in similarity_blocks(q[both], r[both]):
        rows = np.arange(len(both))[block]
        own = similarity[np.arange(len(rows)), rows][:, None]
        nearer, equal = (similarity > own).sum(axis=1), (similarity == own).sum(axis=1)
        ranks[both[block]] = nearer + (equal + 1) / 2
    return ranks


def median_rank(ranks: ArrayLike, *, n_resamples: int = 1000, seed: int = 0) -> dict[str, float]:
    """Median of `partner_ranks`, NaN left out: `value`, `error` and `chance`, (N + 1) / 2."""
    ranks = _known(ranks)
    error = _error(ranks, np.median, n_resamples, seed)
    return {"value": float(np.median(ranks)), "error": error, "chance": (len(ranks) + 1) / 2}


def recall_at_k(ranks: ArrayLike, k: int, *, n_resamples: int = 1000, seed: int = 0) -> dict[str, float]:
    """Share of stars whose partner is among the first k: `value`, `error` and `chance`, k / N.

    Parameters
    ----------
    ranks : (N,) array_like
        From `partner_ranks`; NaN is left out.
    """
    ranks = _known(ranks)
    found = (ranks <= k).astype(np.float64)
    error = _error(found, np.mean, n_resamples, seed)
    return {"value": float(found.mean()), "error": error, "chance": min(k / len(ranks), 1.0)}


def scores(queries: ArrayLike, reference: ArrayLike, labels: ArrayLike, *, same: bool) -> pd.DataFrame:
    """Precision of the first 5 and 10 hits and, across modalities, rank and recall of the own partner.

    Parameters
    ----------
    queries, reference : (N, D) array_like
        Row by row the same stars, all with both modalities.
    labels : (N,) int array_like
        Their classes.
    same : bool
        Whether both are one modality: then a star may not find itself, and has no partner to find.

    Returns
    -------
    DataFrame
        Columns `measure` ("precision@5", "precision@10", "median rank", "recall@10"), `value`, `error` and
        `chance`. With fewer than k candidates a precision@k is of all of them.
    """
    labels, n = np.asarray(labels), len(labels)
    if not len(queries) == len(reference) == n:
        raise ValueError(f"{len(queries)} queries, {len(reference)} stars and {n} labels are not of one set.")
    most = min(10, n - same)
    if most < 1:
        raise ValueError(f"A search among {n} star(s) has nothing to find.")
    own = np.arange(n)
    rows, _ = (
        nearest(queries, reference, most, exclude=own)
        if same
        else cross_modal_nearest(queries, reference, most)
    )
    found = {
        f"precision@{k}": precision_at_k(labels, labels[rows[:, :k]], labels, own_excluded=same)
        for k in (5, 10)
    }
    if not same:
        ranks = partner_ranks(queries, reference)
        found |= {"median rank": median_rank(ranks), "recall@10": recall_at_k(ranks, 10)}
    return pd.DataFrame.from_dict(found, orient="index").rename_axis("measure").reset_index()


def detection(
    flagged: ArrayLike, planted: ArrayLike, *, n_resamples: int = 2000, level: float = 0.95, seed: int = 0
) -> dict[str, float]:
    """How many of the planted stars are among the flagged ones.

    Parameters
    ----------
    flagged, planted : (N,) bool array_like
        What a search says, and the truth that only a simulation knows.
    n_resamples, level, seed
        Of the bootstrap over stars and its percentile interval.

    Returns
    -------
    dict
        `n_planted`, `n_found`, `n_flagged`; `precision` (found / flagged) and `recall` (found / planted) with
        `_low` and `_high`, from 0 to 1. NaN where nothing is flagged or planted.

    Examples
    --------
    >>> found = detection([True, True, False], [True, False, False])
    >>> found["precision"], found["recall"]
    (0.5, 1.0)
    """
    flagged, planted = np.asarray(flagged, bool), np.asarray(planted, bool)
    if flagged.shape != planted.shape or flagged.ndim != 1 or not len(flagged):
        raise ValueError(f"Flags {flagged.shape} and truth {planted.shape} are not of the same stars.")
    cells = np.bincount(2 * flagged + planted, minlength=4)  # neither, planted, flagged, both
    # Drawing stars with replacement draws the four counts from a multinomial.
    drawn = np.random.default_rng(seed).multinomial(len(flagged), cells / len(flagged), size=n_resamples)
    found: dict[str, float] = {
        "n_planted": int(cells[1] + cells[3]),
        "n_found": int(cells[3]),
        "n_flagged": int(cells[2] + cells[3]),
    }
    for name, missed in (("precision", 2), ("recall", 1)):
        value, draws = (_ratio(counts[..., 3], counts[..., missed]) for counts in (cells, drawn))
        draws = draws[np.isfinite(draws)]  # a draw without any such star has no share
        outside = [(1 - level) / 2, (1 + level) / 2]
        low, high = np.quantile(draws, outside) if draws.size else (np.nan, np.nan)
        found |= {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


def _ratio(found: np.ndarray, missed: np.ndarray) -> np.ndarray:
    total = found + missed
    return np.divide(found, total, out=np.full(np.shape(total), np.nan), where=total > 0)


def _known(ranks: ArrayLike) -> np.ndarray:
    ranks = np.asarray(ranks, np.float64)
    ranks = ranks[np.isfinite(ranks)]
    if not len(ranks):
        raise ValueError("No star has both modalities, so there are no ranks of partners.")
    return ranks


def _error(values: np.ndarray, statistic, n_resamples: int, seed: int) -> float:
    """Standard error of a statistic of values by drawing them with replacement."""
    if len(values) < 2:
        return float("nan")
    batch = max(1, 4_000_000 // len(values))  # bounds the memory to some 100 MB
    made = stats.bootstrap(
        (values,),
        statistic,
        n_resamples=n_resamples,
        batch=batch,
        method="percentile",
        random_state=np.random.default_rng(seed),
    )
    return float(made.standard_error)
