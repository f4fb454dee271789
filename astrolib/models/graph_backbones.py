"""Three small spatio-temporal encoders: embedded series of all stars in, one summary vector per star out.

Each takes the graph in its constructor and `forward(x (B, T, N, F), keep (N, N) | None) -> (B, N, F)`, where
`keep` is 0 on hidden edges and multiplies the support, which is not normalised again (card, section 4.1).

All weights between stars, learned ones too, live on the edges of the given graph. The published AGCRN and
MTGNN learn them between any two stars; then a hidden edge would be a hole in a full matrix that tells it from
a pair that never was an edge, and a graph of random neighbours would be no null.

Inside, arrays are (N, B, F), so that mixing stars is one product of matrices and weights that differ
between stars are one batched product.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

Adjacency = Tensor | np.ndarray


def mix(support: Tensor, x: Tensor) -> Tensor:
    """Sum over neighbours: (N, N) and (N, ...) -> (N, ...)."""
    return (support @ x.flatten(1)).view_as(x)


def masked(support: Tensor, keep: Tensor | None) -> Tensor:
    """Hidden edges have no weight."""
    return support if keep is None else support * keep


class _Graph(nn.Module):
    """Holds the weights (N, N) of the graph, with self-loops, as a buffer that is not saved."""

    def __init__(self, graph: Adjacency):
        super().__init__()
        weights = torch.as_tensor(graph, dtype=torch.float32).clone()
        self.register_buffer("weights", weights.fill_diagonal_(1.0), persistent=False)

    @property
    def n_stars(self) -> int:
        return len(self.weights)


class AdaptiveCell(nn.Module):
    """One recurrent layer of AGCRN, whose weights differ from star to star.

    Supports are {I, A}; W_n = sum_d E_nd W_d with the stars' embeddings E (N, d).
    """

    def __init__(self, n_in: int, width: int, node_dim: int):
        super().__init__()
        self.width = width
        self.pool_x = nn.Parameter(torch.empty(node_dim, 2 * n_in, 3 * width))  # of [x, A x], for z, r and h~
        self.pool_gates = nn.Parameter(torch.empty(node_dim, 2 * width, 2 * width))
        self.pool_state = nn.Parameter(torch.empty(node_dim, 2 * width, width))
        self.bias = nn.Parameter(torch.zeros(node_dim, 1, 3 * width))
        fan_in = 2 * (n_in + width)
        for pool in (self.pool_x, self.pool_gates, self.pool_state):
            nn.init.normal_(pool, std=1 / math.sqrt(fan_in))

    def forward(self, x: Tensor, support: Tensor, nodes: Tensor) -> Tensor:
        """(T, N, B, F_in) -> (T, N, B, F)."""
        n_times, n_stars, n_samples, n_in = x.shape

        def of_stars(pool: Tensor) -> Tensor:
            return (nodes @ pool.flatten(1)).view(n_stars, *pool.shape[1:])

        by_star = x.transpose(0, 1).reshape(n_stars, n_times * n_samples, n_in)
        from_x = torch.baddbmm(
            of_stars(self.bias), torch.cat([by_star, mix(support, by_star)], dim=2), of_stars(self.pool_x)
        )
        from_x = from_x.view(n_stars, n_times, n_samples, 3 * self.width)
        gates, state = of_stars(self.pool_gates), of_stars(self.pool_state)
        h = x.new_zeros(n_stars, n_samples, self.width)
        history = []
        for step in range(n_times):
            gate_x, candidate_x = from_x[:, step].split([2 * self.width, self.width], dim=2)
            z, r = torch.baddbmm(gate_x, torch.cat([h, mix(support, h)], dim=2), gates).sigmoid().chunk(2, 2)
            z_h = z * h
            candidate = torch.baddbmm(candidate_x, torch.cat([z_h, mix(support, z_h)], dim=2), state).tanh()
            h = torch.lerp(candidate, h, r)  # r h + (1 - r) h~
            history.append(h)
        return torch.stack(history)


class AGCRN(_Graph):
    """Adaptive graph convolutional recurrent network (Bai et al. 2020), A = softmax(relu(E E^T))."""

    def __init__(self, graph: Adjacency, width: int = 64, layers: int = 1, node_dim: int = 8):
        super().__init__(graph)
        self.nodes = nn.Parameter(torch.randn(self.n_stars, node_dim) / math.sqrt(node_dim))
        self.cells = nn.ModuleList(AdaptiveCell(width, width, node_dim) for _ in range(layers))

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        scores = (self.nodes @ self.nodes.T).relu().masked_fill(self.weights == 0, -torch.inf)
        support = masked(scores.softmax(dim=1), keep)
        x = x.permute(1, 2, 0, 3)  # (T, N, B, F)
        for cell in self.cells:
            x = cell(x, support, self.nodes)
        return x[-1].transpose(0, 1)


class DiffusionCell(nn.Module):
    """One recurrent layer of DCRNN: a GRU whose inputs diffuse by 0 to `steps` steps of a walk."""

    def __init__(self, n_in: int, width: int, steps: int):
        super().__init__()
        self.width, self.steps = width, steps
        self.from_x = nn.Linear((steps + 1) * n_in, 3 * width)
        self.gates = nn.Linear((steps + 1) * width, 2 * width, bias=False)
        self.state = nn.Linear((steps + 1) * width, width, bias=False)
        nn.init.ones_(self.from_x.bias[: 2 * width])  # gates open at the start, as in the released code

    def diffuse(self, x: Tensor, support: Tensor) -> Tensor:
        """(N, ..., F) -> (N, ..., (steps + 1) F)."""
        reached = [x]
        for _ in range(self.steps):
            reached.append(mix(support, reached[-1]))
        return torch.cat(reached, dim=-1)

    def forward(self, x: Tensor, support: Tensor) -> Tensor:
        """(T, N, B, F_in) -> (T, N, B, F)."""
        from_x = self.from_x(self.diffuse(x.transpose(0, 1).contiguous(), support))  # (N, T, B, 3 F)
        h = x.new_zeros(x.shape[1], x.shape[2], self.width)
        history = []
        for step in range(len(x)):
            gate_x, candidate_x = from_x[:, step].split([2 * self.width, self.width], dim=2)
            r, u = (gate_x + self.gates(self.diffuse(h, support))).sigmoid().chunk(2, dim=2)
            candidate = (candidate_x + self.state(self.diffuse(r * h, support))).tanh()
            h = torch.lerp(candidate, h, u)  # u h + (1 - u) h~
            history.append(h)
        return torch.stack(history)


class DCRNN(_Graph):
    """Diffusion convolutional recurrent network (Li et al. 2018), its encoder.

    The support is the random walk D^-1 W. The published walks in both directions of each edge are one here,
    because the graph is symmetric.
    """

    def __init__(self, graph: Adjacency, width: int = 64, layers: int = 1, steps: int = 2):
        super().__init__(graph)
        self.cells = nn.ModuleList(DiffusionCell(width, width, steps) for _ in range(layers))

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        support = masked(self.weights / self.weights.sum(dim=1, keepdim=True), keep)
        x = x.permute(1, 2, 0, 3)
        for cell in self.cells:
            x = cell(x, support)
        return x[-1].transpose(0, 1)


class TemporalConvolution(nn.Module):
    """Gated convolution over time, half of the channels over 2 steps and half over 3, `dilation` apart."""

    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.dilation = dilation
        self.short, self.long = nn.Linear(2 * width, width), nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, B, T, F) -> (N, B, T - 2 * dilation, F)."""
        n_times = x.shape[2] - 2 * self.dilation
        lags = [x[:, :, self.dilation * k :][:, :, :n_times] for k in range(3)]  # the present is the last
        short, long = self.short(torch.cat(lags[1:], dim=3)), self.long(torch.cat(lags, dim=3))
        (filter_a, gate_a), (filter_b, gate_b) = short.chunk(2, dim=3), long.chunk(2, dim=3)
        return torch.cat([filter_a, filter_b], dim=3).tanh() * torch.cat([gate_a, gate_b], dim=3).sigmoid()


class MTGNN(_Graph):
    """A light MTGNN (Wu et al. 2020): gated dilated convolutions, and mix-hop propagation both ways.

    The weights of edges are relu(tanh(M1 M2^T - M2 M1^T)), one direction for each pair. Left out: kernels
    longer than 3, drop-out, and the choice of 20 neighbours, which the given graph makes.
    """

    def __init__(
        self, graph: Adjacency, width: int = 32, layers: int = 3, node_dim: int = 8, n_times: int = 12
    ):
        super().__init__(graph)
        self.node_a = nn.Parameter(torch.randn(self.n_stars, node_dim) / math.sqrt(node_dim))
        self.node_b = nn.Parameter(torch.randn(self.n_stars, node_dim) / math.sqrt(node_dim))
        reach = 1 + 2 * (2**layers - 1)  # steps that the last layer looks back
        self.missing = max(0, reach - n_times)  # steps of zeros put before a window that is shorter
        left = [n_times + self.missing - 2 * (2**layer - 1) for layer in range(layers + 1)]
        self.times = nn.ModuleList(TemporalConvolution(width, 2**layer) for layer in range(layers))
        self.hops = nn.ModuleList(nn.Linear(2 * 3 * width, width) for _ in range(layers))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers))
        self.skips = nn.ModuleList(nn.Linear(n * width, width) for n in left)

    def supports(self, keep: Tensor | None) -> list[Tensor]:
        """Rows of outgoing and of incoming edges (N, N), the star itself among them, normalised."""
        difference = self.node_a @ self.node_b.T
        learned = (difference - difference.T).tanh().relu() * (self.weights != 0)
        own = torch.eye(self.n_stars, device=learned.device)
        both = [learned + own, learned.T + own]
        return [masked(each / each.sum(dim=1, keepdim=True), keep) for each in both]

    def forward(self, x: Tensor, keep: Tensor | None = None) -> Tensor:
        supports = self.supports(keep)
        x = x.permute(2, 0, 1, 3).contiguous()  # (N, B, T, F)
        x = functional.pad(x, (0, 0, self.missing, 0))
        summary = self.skips[0](x.flatten(2))
        for time, hop, norm, skip in zip(self.times, self.hops, self.norms, self.skips[1:], strict=True):
            before, x = x[:, :, 2 * time.dilation :], time(x)
            reached = []
            for support in supports:
                h = x
                reached.append(h)
                for _ in range(2):
                    h = 0.05 * x + 0.95 * mix(support, h)
                    reached.append(h)
            x = norm(before + hop(torch.cat(reached, dim=3)))
            summary = summary + skip(x.flatten(2))
        return summary.transpose(0, 1)
