"""Embeddings: class centres, outliers and a map; the search itself, `nearest`, comes from `similarity`.

Everywhere an embedding is an (N, D) array with a row for each star; a row of NaN is a star that lacks the
modality.
"""

import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from astrolib.evaluate.similarity import checked, nearest, normalise

_SMALL = (
    4096  # below it umap-learn compares all pairs, one by one in Python; a matrix product does it at once
)
_FEW = 10  # members below which a class has no median and MAD of its own


def cross_modal_nearest(queries: ArrayLike, reference: ArrayLike, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k stars whose embedding in one modality is most similar to the queries in another.

    For example the spectra that fit a light curve. Embeddings of two modalities can be compared if one
    contrastive training made both. A star's own partner may be found: it is what one hopes for
    (`astrolib.evaluate.retrieval.partner_ranks` says how often). Results and errors as for `nearest`.

    Parameters
    ----------
    queries : (Q, D) array_like
        In the one modality.
    reference : (N, D) array_like
        In the other one.
    k : int
        Hits for each query.
    """
    return nearest(queries, reference, k)


def class_centres(x: ArrayLike, labels: ArrayLike, n_classes: int) -> np.ndarray:
    """Mean embedding of each class, scaled to unit length (AstroM3 card, sections 9.4 and 10.4).

    Parameters
    ----------
    x : (N, D) array_like
        Usually training stars; averaged as they are, so longer rows weigh more.
    labels : (N,) int array_like
        Classes, -1 for a star without one. Such stars and rows of NaN do not count.
    n_classes : int
        C.

    Returns
    -------
    (C, D) float64 array
        NaN for a class without members.

    Examples
    --------
    >>> class_centres([[1.0, 0.0], [0.0, 1.0]], [0, 0], 1).round(4)
    array([[0.7071, 0.7071]])
    """
    x, present = checked(x)
    labels = np.where(present, _labels(labels, len(x), n_classes), -1)
    centres = np.full((n_classes, x.shape[1]), np.nan)
    for number in np.unique(labels[labels >= 0]):
        centres[number] = x[labels == number].mean(axis=0, dtype=np.float64)
    return normalise(centres)


def nearest_centre(x: ArrayLike, centres: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Class whose centre is most similar to each star, (N,), and that similarity, (N,).

    -1 and NaN for a row of NaN; a centre of NaN is nobody's nearest.
    """
    x, present = checked(x)
    number, similarity = np.full(len(x), -1), np.full(len(x), np.nan)
    if present.any():
        found, closest = nearest(x[present], centres, 1)
        number[present], similarity[present] = found[:, 0], closest[:, 0]
    return number, similarity


def outlier_scores(x: ArrayLike, labels: ArrayLike, centres: ArrayLike) -> np.ndarray:
    """Distance of each star from the centre of its own class, 1 - cosine (AstroM3 card, section 10.4).

    Parameters
    ----------
    x : (N, D) array_like
        Embeddings.
    labels : (N,) int array_like
        Classes of the catalogue, -1 for none.
    centres : (C, D) array_like
        From `class_centres`.

    Returns
    -------
    (N,) float64 array
        0 at the centre, 1 at right angles to it, 2 opposite; NaN for a star without the modality, without a
        class, or of a class without a centre.

    Examples
    --------
    >>> outlier_scores([[1.0, 0.0], [0.0, 1.0]], [0, 0], [[1.0, 0.0]])
    array([0., 1.])
    """
    x, centres = normalise(x), normalise(centres)
    labels = _labels(labels, len(x), len(centres))
    distance = 1 - np.einsum("nd,nd->n", x, centres[labels], dtype=np.float64)
    return np.where(labels >= 0, distance, np.nan)


def flag_outliers(distances: ArrayLike, labels: ArrayLike, *, share: float = 0.01) -> np.ndarray:
    """Stars farther from their class centre than its median + k 1.4826 MAD (AstroM3 card, section 10.4).

    Median and MAD are those of the star's class, since classes differ in how tightly they cluster: one
    distance for all classes (what labels of zero give) would flag mostly the loosest. k is the same for all
    and such that `share` of the stars are flagged. Classes of fewer than 10 stars, or where more than half of
    the distances are equal, use the median and MAD of all stars.

    Parameters
    ----------
    distances : (N,) array_like
        From `outlier_scores`; a star of NaN is never flagged.
    labels : (N,) int array_like
        Classes.
    share : float
        Between 0 and 1.

    Returns
    -------
    (N,) bool array

    Examples
    --------
    >>> int(flag_outliers(np.linspace(0, 1, 200), np.zeros(200, int)).sum())
    2
    """
    d = np.asarray(distances, np.float64)
    if not 0 < share < 1:
        raise ValueError(f"The share of stars to flag lies between 0 and 1, not at {share}.")
    known = np.isfinite(d)
    labels = np.where(known, _labels(labels, len(d)), -1)
    if not known.any():
        return known
    middle, scale = np.full(len(d), np.median(d[known])), np.full(len(d), _mad(d[known]))
    for number in np.unique(labels[known]):
        members = labels == number
        if members.sum() >= _FEW and (own := _mad(d[members])) > 0:
            middle[members], scale[members] = np.median(d[members]), own
    deviation = (d - middle) / np.maximum(1.4826 * scale, 1e-12)
    return known & (deviation > np.quantile(deviation[known], 1 - share))


def outlier_kinds(
    labels: ArrayLike, nearest_classes: ArrayLike, flagged: ArrayLike
) -> tuple[np.ndarray, np.ndarray]:
    """What a flagged star may be, by the votes of the modalities that flag it.

    Parameters
    ----------
    labels : (N,) int array_like
        Classes of the catalogue.
    nearest_classes : (N, M) int array_like
        From `nearest_centre`, for each of M modalities.
    flagged : (N, M) bool array_like
        From `flag_outliers`.

    Returns
    -------
    kind : (N,) array of str
        "possible misclassification" where at least half of those modalities have another centre nearer,
        "in-class outlier" where its own stays nearest, "" where no modality flags it.
    suggested : (N,) int array
        For the first kind the other class that most of them are nearest to (of equals that of the earlier
        modality), else -1.
    """
    labels, classes = np.asarray(labels), np.asarray(nearest_classes)
    flagged = np.asarray(flagged, bool)
    if classes.shape != flagged.shape or classes.ndim != 2 or labels.shape != classes.shape[:1]:
        raise ValueError("Kinds of outliers need labels (N,), nearest classes (N, M) and flags (N, M).")
    elsewhere = flagged & (classes != labels[:, None]) & (classes >= 0)
    wrong = flagged.any(axis=1) & (2 * elsewhere.sum(axis=1) >= flagged.sum(axis=1))
    votes = ((classes[:, :, None] == classes[:, None, :]) & elsewhere[:, None, :]).sum(axis=2) * elsewhere
    favourite = classes[np.arange(len(labels)), votes.argmax(axis=1)]
    unusual = np.where(flagged.any(axis=1), "in-class outlier", "")
    return np.where(wrong, "possible misclassification", unusual), np.where(wrong, favourite, -1)


def top_in_all(distances: ArrayLike, k: int = 20) -> np.ndarray:
    """Rows of the stars that are among the k farthest in every modality, farthest in the mean first.

    The paper's own rule (AstroM3 card, section 10.4).

    Parameters
    ----------
    distances : (N, M) array_like
        From `outlier_scores` in each modality; a star with a NaN is never among them.
    k : int
        20 or 50 in the paper.
    """
    d = np.asarray(distances, np.float64)
    order = np.argsort(np.where(np.isnan(d), np.inf, -d), axis=0, kind="stable")  # NaN last
    rank = np.argsort(order, axis=0)
    rows = np.flatnonzero((rank < k).all(axis=1) & ~np.isnan(d).any(axis=1))
    return rows[np.argsort(-d[rows].mean(axis=1), kind="stable")]


def map_2d(
    x: ArrayLike,
    *,
    n_neighbors: int = 45,
    min_dist: float = 0.7,
    metric: str = "cosine",
    seed: int = 42,
    fit_rows: Sequence[int] | np.ndarray | None = None,
) -> np.ndarray:
    """UMAP of the embeddings into the plane, with the paper's settings (AstroM3 card, section 10.2).

    The same seed and library give the same map; axes have no meaning, and another seed turns and bends it.

    Parameters
    ----------
    x : (N, D) array_like
        Embeddings.
    n_neighbors, min_dist, metric
        As umap-learn has them; fewer neighbours are used where there are too few stars.
    seed : int
        Of layout and transformation.
    fit_rows : rows or (N,) bool array, optional
        Stars that make the map, for example the training stars; the others are placed on it afterwards.
        All by default.

    Returns
    -------
    (N, 2) float32 array
        NaN where the star lacks the modality.

    Raises
    ------
    ValueError
        If fewer than five stars with the modality make the map.
    """
    from umap import UMAP  # here: its import compiles for some ten seconds

    x, present = checked(x)
    fitting = np.zeros(len(x), bool)
    fitting[slice(None) if fit_rows is None else np.asarray(fit_rows)] = True
    fitting &= present
    n = int(fitting.sum())
    if n < 5:
        raise ValueError(f"A map needs five stars or more to be made from, not {n}.")
    small = metric == "cosine" and n < _SMALL
    umap = UMAP(
        n_neighbors=min(n_neighbors, n - 1),
        min_dist=min_dist,
        metric="precomputed" if small else metric,
        random_state=seed,
        transform_seed=seed,
        n_jobs=1,
    )
    x = normalise(x).astype(np.float32) if small else x.astype(np.float32)

    def seen(rows: np.ndarray) -> np.ndarray:
        """What UMAP is given: distances to the stars that make the map, or the embeddings themselves."""
        return np.clip(1 - x[rows] @ x[fitting].T, 0, 2) if small else x[rows]

    plane, others = np.full((len(x), 2), np.nan, np.float32), present & ~fitting
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*precomputed metric.*")
        plane[fitting] = umap.fit_transform(seen(fitting))
        if others.any():
            plane[others] = umap.transform(seen(others))
    return plane


def _mad(d: np.ndarray) -> float:
    return float(np.median(np.abs(d - np.median(d))))


def _labels(labels: ArrayLike, n: int, n_classes: int | None = None) -> np.ndarray:
    labels = np.asarray(labels)
    top = n_classes if n_classes is not None else labels.max(initial=0) + 1
    if labels.shape != (n,) or labels.dtype.kind not in "iu":
        raise ValueError(f"{n} stars need as many whole numbers as labels, not an array of {labels.shape}.")
    bad = np.flatnonzero((labels < -1) | (labels >= top))
    if bad.size:
        raise ValueError(f"Star {bad[0]} has label {labels[bad[0]]}, but there are {top} classes (and -1).")
    return labels
