"""What STMAE hides (Sun et al. 2024, arXiv:2309.15169): edges of the graph, and patches of time.

Masks have fixed numbers of edges and of steps, so nothing waits for the device. N stars, T times, B windows.
The released code's faults that card section 4.3 names are mended here: as many negatives as hidden edges,
truncation without a preference, hidden steps that can differ between stars, walks on the graph itself.
"""

import copy
from typing import NamedTuple

import numpy as np
import torch
from torch import Generator, Tensor

MODES = ("shared", "per_sample", "per_node")
TRUNCATIONS = ("shuffled", "index")


class EdgeMask(NamedTuple):
    """A graph with some of its edges hidden. A pair (i, j) has i < j and is hidden in both directions."""

    keep: Tensor  # (N, N) float, 0 where hidden and 1 elsewhere: multiplies a support
    hidden_edges: Tensor  # (n, 2) pairs that are edges
    non_edges: Tensor  # (n, 2) pairs that are not


class EdgeGraph:
    """A symmetric graph, prepared for drawing masks from it many times.

    `adjacency` (N, N) has non-zero entries where two stars are joined. Self-loops stay out of it: a star is
    no relation, and the logit of a self-loop, |S_i|^2, is positive whatever the network learns.

    A pair of `held_out` (n, 2) is neither hidden nor drawn as a negative. Each training edge is a target many
    times, so a network with weights for every star learns edges by heart; only pairs that never were a target
    tell whether it can infer them. Take them out of the backbone's graph too.
    """

    def __init__(self, adjacency: Tensor | np.ndarray, held_out: Tensor | np.ndarray | None = None):
        joined = torch.as_tensor(adjacency) != 0
        never = torch.zeros_like(joined)
        if held_out is not None:
            i, j = torch.as_tensor(held_out, device=joined.device).T
            never[i, j] = never[j, i] = True
        joined = joined & ~never
        self.support = joined & ~torch.eye(len(joined), dtype=torch.bool, device=joined.device)
        if not torch.equal(self.support, self.support.T):
            raise ValueError(
                "Edges are hidden in both directions, so the graph must be symmetric: symmetrise it first, "
                "for example with astrolib.data.detector.knn_graph."
            )
        degree = self.support.sum(dim=1)
        if (degree == 0).any():
            raise ValueError(f"Star {int(degree.argmin())} has no neighbour, so no walk can leave it.")
        upper = torch.ones_like(self.support).triu(diagonal=1)
        self.edges = (self.support & upper).nonzero()  # (E, 2), in index order
        self.non_edges = (~self.support & ~never & upper).nonzero()  # (Z, 2)
        width = int(degree.max())
        ranked = self.support.to(torch.int8).argsort(dim=1, descending=True, stable=True)
        self.neighbours = ranked[:, :width]  # (N, K), of which the first `degree` count
        self.is_neighbour = torch.arange(width, device=joined.device) < degree[:, None]
        number = torch.arange(len(self.edges), device=joined.device)
        self.edge_number = torch.zeros(joined.shape, dtype=torch.long, device=joined.device)
        i, j = self.edges.T
        self.edge_number[i, j] = self.edge_number[j, i] = number

    def to(self, device: torch.device | str) -> "EdgeGraph":
        moved = copy.copy(self)
        moved.__dict__ = {name: tensor.to(device) for name, tensor in vars(self).items()}
        return moved

    def __len__(self) -> int:
        return len(self.support)

    def hide(self, scores: Tensor, ratio: float, rng: Generator) -> EdgeMask:
        """Hide the `round(E * ratio)` edges with the lowest scores (E,), and draw as many negatives."""
        goal = round(len(self.edges) * ratio)
        if not 0 < goal < len(self.edges) or goal > len(self.non_edges):
            raise ValueError(
                f"ratio={ratio} hides {goal} of {len(self.edges)} edges, with {len(self.non_edges)} pairs of "
                "stars that are not joined: at least one edge must be hidden and one left, and there must "
                "be as many such pairs as hidden edges."
            )
        hidden = self.edges[scores.argsort()[:goal]]
        order = _uniform(rng, len(self.non_edges), device=scores.device).topk(goal).indices
        i, j = hidden.T
        keep = torch.ones(self.support.shape, device=scores.device)
        zero = keep.new_zeros(())
        keep = keep.index_put((i, j), zero).index_put((j, i), zero)
        return EdgeMask(keep, hidden, self.non_edges[order])

    def walk(self, roots: Tensor, length: int, p: float, q: float, rng: Generator) -> Tensor:
        """Biased walks (node2vec), all at once: the stars that they visit, (W, length + 1).

        From v, having come from w: weight 1/p to go back to w, 1 to a neighbour of w, 1/q to others.
        """
        # The smallest of exponential clocks with rates w rings first with probability w / sum(w).
        shape = (length, len(roots), self.neighbours.shape[1])
        clocks = torch.empty(shape, device=rng.device).exponential_(generator=rng).to(roots.device)
        visited = [roots]
        for step in range(length):
            here = visited[-1]
            candidates = self.neighbours[here]  # (W, K)
            waits = clocks[step]
            if step:
                before = visited[-2].unsqueeze(1)
                waits = torch.where(self.support[before, candidates], waits, waits * q)
                waits = torch.where(candidates == before, clocks[step] * p, waits)
            waits = waits.masked_fill(~self.is_neighbour[here], torch.inf)
            visited.append(candidates.gather(1, waits.argmin(dim=1, keepdim=True)).squeeze(1))
        return torch.stack(visited, dim=1)


def biased_walk_mask(
    graph: EdgeGraph,
    ratio: float,
    *,
    rng: Generator,
    walks: int = 1,
    length: int = 5,
    p: float = 1.0,
    q: float = 1.0,
    truncation: str = "shuffled",
) -> EdgeMask:
    """Hide the edges along biased walks from `round(N * ratio)` random stars, `walks` from each.

    Exactly `round(E * ratio)` edges are hidden: if the walks took more, some of them stay visible, and if
    they took fewer, others are hidden uniformly. `truncation` says which stay: "shuffled" at random; "index"
    those of high-numbered stars, as in the released code, which never hides them (fault 2).
    """
    if truncation not in TRUNCATIONS or min(p, q) <= 0 or min(walks, length) < 1:
        raise ValueError(
            f"truncation must be one of {', '.join(TRUNCATIONS)}, p and q positive, walks and length at "
            f"least 1; got {truncation!r}, p={p}, q={q}, walks={walks}, length={length}."
        )
    device = graph.support.device
    n_roots = max(1, round(len(graph) * ratio))
    roots = torch.randperm(len(graph), generator=rng, device=rng.device)[:n_roots]
    visited = graph.walk(roots.to(device).repeat_interleave(walks), length, p, q, rng)
    taken = graph.edge_number[visited[:, :-1], visited[:, 1:]].flatten()
    n_edges = len(graph.edges)
    scores = _uniform(rng, n_edges, device=device)
    among = scores if truncation == "shuffled" else torch.arange(n_edges, device=device) / n_edges
    walked = torch.zeros(n_edges, dtype=torch.bool, device=device).index_fill(0, taken, True)
    return graph.hide(torch.where(walked, among - 1, scores), ratio, rng)


def uniform_edge_mask(graph: EdgeGraph, ratio: float, *, rng: Generator) -> EdgeMask:
    """Hide `round(E * ratio)` edges, all alike."""
    return graph.hide(_uniform(rng, len(graph.edges), device=graph.support.device), ratio, rng)


class TimePatchMask:
    """Hide exactly `round(P * ratio)` of the P patches of `patch` steps of each series.

    `mode` says for whom a draw counts: "shared" for all windows and stars (the released code; at a hidden
    time nobody is visible, so no neighbour can help), "per_sample" for all stars of a window, "per_node" for
    one star of one window.
    """

    def __init__(self, ratio: float, patch: int = 2, mode: str = "shared"):
        if mode not in MODES or not 0 < ratio < 1 or patch < 1:
            raise ValueError(
                f"ratio must lie between 0 and 1, patch be at least 1 and mode one of {', '.join(MODES)}; "
                f"got ratio={ratio}, patch={patch}, mode={mode!r}."
            )
        self.ratio, self.patch, self.mode = ratio, patch, mode

    def __call__(self, n_samples: int, n_times: int, n_stars: int, *, generator: Generator) -> Tensor:
        """(B, T, N) bool on the generator's device, True where hidden."""
        n_patches = n_times // self.patch
        n_hidden = round(n_patches * self.ratio)
        if n_times % self.patch or 2 * self.patch > n_times or not 0 < n_hidden < n_patches:
            raise ValueError(
                f"{n_times} steps in patches of {self.patch}, of which a share of {self.ratio} is hidden, do "
                "not work: patches must divide the steps, be half of them at most, and some must be hidden "
                "and some visible."
            )
        draws = {"shared": (1, 1), "per_sample": (n_samples, 1), "per_node": (n_samples, n_stars)}[self.mode]
        ranks = _uniform(generator, *draws, n_patches).argsort(dim=2).argsort(dim=2)
        hidden = (ranks < n_hidden).repeat_interleave(self.patch, dim=2)  # (B or 1, N or 1, T)
        return hidden.transpose(1, 2).expand(n_samples, n_times, n_stars)


class StarMask:
    """Hide all steps of `round(N * ratio)` stars, other ones in each window.

    What a star shares with others can then be predicted from the others only: with it a network learns to
    tell the systematics of a star without having seen the star's own signal.
    """

    def __init__(self, ratio: float):
        if not 0 < ratio < 1:
            raise ValueError(f"ratio must lie between 0 and 1, got {ratio}.")
        self.ratio = ratio

    def __call__(self, n_samples: int, n_times: int, n_stars: int, *, generator: Generator) -> Tensor:
        """(B, T, N) bool on the generator's device, True where hidden."""
        n_hidden = max(1, round(n_stars * self.ratio))
        ranks = _uniform(generator, n_samples, n_stars).argsort(dim=1).argsort(dim=1)
        return (ranks < n_hidden).unsqueeze(1).expand(n_samples, n_times, n_stars)


def _uniform(rng: Generator, *shape: int, device: torch.device | None = None) -> Tensor:
    """Numbers in [0, 1) from `rng`, on its own device or on `device`."""
    return torch.rand(*shape, generator=rng, device=rng.device).to(device or rng.device)
