"""Light curves of the stars on one detector, regularly sampled, and the graph of who is whose neighbour."""

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree


@dataclass(frozen=True, repr=False, eq=False)
class Detector:
    """Fluxes of N stars at T equally spaced times (cadences), with what they are made of where that is known.

    Parameters
    ----------
    flux : (T, N) float32 array
        Any unit; 0 where nothing was observed.
    observed : (T, N) bool array
    position : (N, 2) float array
        Column and row of each star [pixels].
    systematics, intrinsic : (T, N) float32 arrays
        What the instrument added and what the star did, in the unit of `flux`. The rest is white noise.
    kind : (N,) array of str
        What the star does.
    source : str
        Printed on every figure and in every table.
    """

    flux: np.ndarray
    observed: np.ndarray
    position: np.ndarray
    systematics: np.ndarray
    intrinsic: np.ndarray
    kind: np.ndarray
    source: str

    def __post_init__(self):
        shapes = {
            name: getattr(self, name).shape for name in ("flux", "observed", "systematics", "intrinsic")
        }
        n_stars = len(self.position)
        if len(set(shapes.values())) != 1 or self.flux.shape[1:] != (n_stars,) or len(self.kind) != n_stars:
            raise ValueError(
                f"A detector needs arrays of one shape (T, N) and a position for each star, got {shapes}, "
                f"{n_stars} positions and {len(self.kind)} kinds."
            )

    @property
    def n_stars(self) -> int:
        return self.flux.shape[1]

    def __len__(self) -> int:
        """Cadences."""
        return len(self.flux)

    def __repr__(self) -> str:
        kinds, counts = np.unique(self.kind, return_counts=True)
        stars = ", ".join(f"{name} {n}" for name, n in zip(kinds, counts, strict=True))
        return (
            f"Detector of {self.n_stars} stars: {self.source}\n"
            f"  cadences  {len(self):,}, {100 * (1 - self.observed.mean()):.1f} % not observed\n"
            f"  stars     {stars}"
        )

    def fingerprint(self) -> str:
        """Of the contents, for the names of runs."""
        digest = hashlib.sha256(self.source.encode())
        for array in (self.flux, self.observed, self.position):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]


def standardize(detector: Detector, n_train: int) -> Detector:
    """Each star as ``(flux - median) / (1.4826 MAD)``, both of its observed values among the first cadences.

    Parameters
    ----------
    n_train : int
        Cadences that the two numbers are taken from, so that nothing is learnt from later ones.

    Returns
    -------
    Detector
        Systematics and intrinsic variability are divided by the same number; gaps are 0.

    Raises
    ------
    ValueError
        If a star has no scatter, or is never observed, in that period; names it.
    """
    seen = np.where(detector.observed, detector.flux, np.nan)[:n_train]
    never = ~np.isfinite(seen).any(axis=0)
    if never.any():
        raise ValueError(
            f"Star {np.flatnonzero(never)[0]} is not observed in the {n_train} cadences of the training "
            "period: leave it out, or make that period longer."
        )
    median = np.nanmedian(seen, axis=0)
    scatter = 1.4826 * np.nanmedian(np.abs(seen - median), axis=0)
    if (scatter <= 0).any():
        raise ValueError(
            f"Star {np.flatnonzero(scatter <= 0)[0]} does not vary in the {n_train} cadences of the training "
            "period, so it has no unit: leave it out."
        )
    flux = np.where(detector.observed, (detector.flux - median) / scatter, 0)
    return Detector(
        flux=flux.astype(np.float32),
        observed=detector.observed,
        position=detector.position,
        systematics=(detector.systematics / scatter).astype(np.float32),
        intrinsic=(detector.intrinsic / scatter).astype(np.float32),
        kind=detector.kind,
        source=detector.source,
    )


def knn_graph(position: ArrayLike, k: int = 8) -> np.ndarray:
    """Weights between each star and its nearest ones in the focal plane.

    ``exp(-d^2 / sigma^2)`` with sigma the median distance of neighbours, symmetrised (an edge in one
    direction is one in both), with self-loops of weight 1 (card, section 4.4).

    Parameters
    ----------
    position : (N, 2) array_like [pixels]
    k : int
        Neighbours of each star, itself not counted.

    Returns
    -------
    (N, N) float32 array
        0 where there is no edge.

    Raises
    ------
    ValueError
        If there are not more than `k` stars.
    """
    position = np.asarray(position, float)
    n = len(position)
    if n <= k:
        raise ValueError(f"{n} stars do not have {k} neighbours each: lower k.")
    distance, index = cKDTree(position).query(position, k + 1)
    sigma = np.median(distance[:, 1:])
    weight = np.zeros((n, n), np.float32)
    weight[np.arange(n)[:, None], index[:, 1:]] = np.exp(-((distance[:, 1:] / sigma) ** 2))
    weight = np.maximum(weight, weight.T)
    np.fill_diagonal(weight, 1)
    return weight


def random_graph(position: ArrayLike, k: int, rng: np.random.Generator) -> np.ndarray:
    """The null of `knn_graph`: the same graph with the stars shuffled, so that it joins strangers.

    Degrees, weights and triangles are those of `knn_graph`; only who is joined to whom has no meaning. (Two
    graphs of k random partners each, symmetrised, would have more edges: near neighbours are mutual, random
    ones are not.)

    Parameters
    ----------
    position, k
        As for `knn_graph`.
    rng : numpy.random.Generator

    Returns
    -------
    (N, N) float32 array
    """
    return knn_graph(rng.permutation(np.asarray(position, float)), k)


def hold_out_edges(
    graph: np.ndarray, share: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Take random edges out of a graph, in both directions, to ask later whether they can be guessed.

    Parameters
    ----------
    graph : (N, N) array
        Symmetric weights.
    share : float
        Of the edges between two stars.
    rng : numpy.random.Generator

    Returns
    -------
    rest : (N, N) array
        The graph without them.
    pairs : (n, 2) int array
        What was taken out, i < j.

    Examples
    --------
    >>> rest, pairs = hold_out_edges(np.ones((5, 5)), 0.2, np.random.default_rng(0))
    >>> pairs.shape, int((rest == 0).sum())
    ((2, 2), 4)
    """
    pairs = np.argwhere(np.triu(graph, 1) > 0)
    pairs = pairs[rng.permutation(len(pairs))[: round(share * len(pairs))]]
    rest = graph.copy()
    i, j = pairs.T
    rest[i, j] = rest[j, i] = 0
    return rest, pairs


def neighbour_index(graph: ArrayLike, k: int) -> np.ndarray:
    """The `k` stars that each star is joined to most strongly, itself left out.

    Parameters
    ----------
    graph : (N, N) array_like
        Weights, from `knn_graph` or `random_graph`.
    k : int

    Returns
    -------
    (N, k) int array

    Raises
    ------
    ValueError
        If a star has fewer than `k` neighbours.

    Examples
    --------
    >>> neighbour_index(knn_graph([[0, 0], [1, 0], [3, 0]], k=1), 1).ravel().tolist()
    [1, 0, 1]
    """
    weight = np.array(graph, float)
    np.fill_diagonal(weight, 0)
    degree = (weight > 0).sum(axis=1)
    if degree.min() < k:
        raise ValueError(f"Star {degree.argmin()} has {degree.min()} neighbours in this graph, not {k}.")
    return np.argsort(-weight, axis=1, kind="stable")[:, :k]


def split_times(
    n_times: int, n_in: int = 12, n_out: int = 12, fractions: tuple[float, float, float] = (0.6, 0.2, 0.2)
) -> dict[str, np.ndarray]:
    """First cadences of the windows of each part: training, then validation, then test, in time.

    Parameters
    ----------
    n_times : int
    n_in, n_out : int
        Cadences that are read and that are forecast.
    fractions : tuple of float
        Shares of the time of the parts, as PEMS is cut 6:2:2.

    Returns
    -------
    dict of str to (W,) int array
        "train", "validation", "test": start s of ``flux[s : s + n_in + n_out]``. No window leaves its part,
        so no cadence is in two parts.

    Raises
    ------
    ValueError
        If a part is shorter than a window.

    Examples
    --------
    >>> {part: (int(s[0]), int(s[-1])) for part, s in split_times(1000).items()}
    {'train': (0, 576), 'validation': (600, 776), 'test': (800, 976)}
    """
    edges = np.round(np.cumsum([0, *fractions]) * n_times).astype(int)
    names = ("train", "validation", "test")
    parts = {}
    for name, start, stop in zip(names, edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if stop - start < n_in + n_out:
            raise ValueError(
                f"The {name} part has {stop - start} cadences, fewer than one window of {n_in} + {n_out}: "
                "give a longer series."
            )
        parts[name] = np.arange(start, stop - n_in - n_out + 1)
    return parts


def cut_windows(series: np.ndarray, starts: ArrayLike, length: int) -> np.ndarray:
    """Pieces of an array over time, (T, ...) -> (W, length, ...), from each of the first cadences (W,).

    Examples
    --------
    >>> cut_windows(np.arange(6), [0, 3], length=2).tolist()
    [[0, 1], [3, 4]]
    """
    return series[np.asarray(starts)[:, None] + np.arange(length)]
