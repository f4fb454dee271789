"""What the kept numbers of dual masking say: means over seeds with 95 % intervals over time and seeds.

Each seed has a simulated detector of its own, so an interval covers detectors, too. Test windows overlap and
follow each other, so blocks of them are drawn (`astrolib.evaluate.blocks`).
"""

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import pandas as pd

from astrolib.evaluate.blocks import block_draws
from astrolib.evaluate.intervals import interval
from astrolib.report import results
from astrolib.report.barlow_evidence import Found, NotMeasured

BACKBONES = ("AGCRN", "DCRNN", "MTGNN")
SCRATCH, LONG, STMAE = "from scratch", "from scratch, twice as long", "STMAE"
"""Trainings: E epochs, 2 E epochs, and E epochs of pre-training with E of fine-tuning."""
NEIGHBOURS, STRANGERS, HELD_OUT = "neighbours", "random stars", "neighbours, some edges never seen"
"""Graphs: the nearest stars; the same graph of shuffled stars; the nearest stars without a tenth of the
edges, which the network is asked for in the end."""
F_SYS = 0.6
"""Share of the variance that is systematics, where it is not varied (card, section 4.4)."""
FULL = "full"
CONSTANT, PERSISTENCE, LINE = "constant", "persistence", "linear interpolation"
RIDGE, RIDGE_GRAPH = "ridge, own past", "ridge, own and neighbours' past"
FILL, FILL_GRAPH = "ridge, own", "ridge, own and neighbours"
COMPONENTS, REGRESSION, NETWORK = "8 principal components", "ridge on neighbours", "network, star hidden"
BASELINES = (CONSTANT, PERSISTENCE, RIDGE, RIDGE_GRAPH)

BLOCK = 48
"""Windows drawn together: one starts at every cadence and covers 24 of them."""
HIDDEN_BLOCK = 4
"""The same for windows that do not overlap, 12 cadences each."""
Arms = Sequence[pd.DataFrame]


class Evidence:
    """The kept numbers of a profile, and the comparisons that tables and criteria are made of."""

    def __init__(self, profile: str):
        self.profile = profile

    # ---------------------------------------------------------------- forecasts

    def arm(
        self,
        backbone: str,
        training: str = STMAE,
        variant: str = FULL,
        f_sys: float = F_SYS,
        graph: str = NEIGHBOURS,
        changes: str = "",
    ) -> pd.DataFrame:
        """Errors of one way to train, of all seeds; see `astrolib.papers.dual.error_table`."""
        table = self.errors
        chosen = (table["backbone"] == backbone) & (table["training"] == training)
        chosen &= np.isclose(table["f_sys"], f_sys) & (table["graph"] == graph)
        chosen &= (table["variant"] == variant) & (table["changes"] == changes)
        words = ", ".join(filter(None, (backbone, training, variant, graph, f"f_sys {f_sys:g}", changes)))
        return _some(table[chosen], words)

    def baseline(self, method: str, f_sys: float = F_SYS, graph: str = NEIGHBOURS) -> pd.DataFrame:
        """Errors of a forecast without a network."""
        return self.arm("", method, "", f_sys, graph)

    def gain(self, first: pd.DataFrame, second: pd.DataFrame) -> Found:
        """How far the mean absolute error of the first arm is below that of the second [%]."""
        return self.statistic([first, second], lambda e: 100 * (1 - e[0] / e[1]))

    def statistic(self, arms: Arms, made_of: Callable[[np.ndarray], np.ndarray]) -> Found:
        """Something made of the mean absolute errors (A, ...) of several arms, with its interval."""
        steps = _steps(arms[0])
        return _found(*_stack(arms, [f"abs_{k}" for k in steps], [f"n_{k}" for k in steps]), BLOCK, made_of)

    def error(self, arm: pd.DataFrame, step: int | None = None) -> Found:
        """Mean absolute error of one step ahead, or of all [robust standard deviations]."""
        steps = _steps(arm) if step is None else [step]
        return _found(
            *_stack([arm], [f"abs_{k}" for k in steps], [f"n_{k}" for k in steps]), BLOCK, lambda e: e[0]
        )

    # ---------------------------------------------------------------- pretext

    def hidden(self, mode: str, method: str, backbone: str = "AGCRN") -> pd.DataFrame:
        """Errors of hidden values with one mode of the time mask."""
        table = self._load("hidden")
        chosen = (table["mode"] == mode) & (table["method"] == method) & (table["backbone"] == backbone)
        return _some(table[chosen], f"hidden values, {mode}, {method}, {backbone}")

    def hidden_gain(self, mode: str, method: str) -> Found:
        """How far the network's error of hidden values is below a method's [%]."""
        arms = [self.hidden(mode, STMAE), self.hidden(mode, method)]
        return _found(*_stack(arms, ["abs"], ["n"]), HIDDEN_BLOCK, lambda e: 100 * (1 - e[0] / e[1]))

    def hidden_error(self, table: pd.DataFrame) -> Found:
        """Mean absolute error of one arm's hidden values [robust standard deviations]."""
        return _found(*_stack([table], ["abs"], ["n"]), HIDDEN_BLOCK, lambda e: e[0])

    def edges(
        self, method: str, backbone: str = "AGCRN", variant: str = FULL, graph: str = NEIGHBOURS
    ) -> pd.DataFrame:
        """Areas under the curve of one method, a row for each seed and draw."""
        table = self._load("edges")
        chosen = (table["method"] == method) & (table["backbone"] == backbone)
        chosen &= (table["variant"] == variant) & (table["graph"] == graph)
        return _some(table[chosen], f"edges, {method}, {backbone}, {variant}, {graph}").assign(n=1)

    def area(self, *arms: pd.DataFrame) -> Found:
        """Area under the curve of an arm, less that of a second one if it is given."""
        return _found(
            *_stack(arms, ["auc"], ["n"], place="draw"), 1, lambda e: e[0] - e[1] if len(arms) > 1 else e[0]
        )

    def removed(self, method: str, measure: str) -> Found:
        """Mean over stars of a measure of `astrolib.papers.dual_measures.removal`."""
        table = self._load("removal")
        table = _some(table[table["method"] == method], f"systematics, {method}").dropna(subset=measure)
        return _found(*_stack([table.assign(n=1)], [measure], ["n"], place="star"), 1, lambda e: e[0])

    def loss_fall(self, backbone: str) -> Found:
        """How far the loss of the pre-training fell from its first to its last epoch [%]; range of seeds."""
        table = self._load("history")
        chosen = (table["stage"] == "pre-training") & (table["backbone"] == backbone)
        chosen &= (table["variant"] == FULL) & (table["graph"] == NEIGHBOURS) & (table["changes"] == "")
        chosen &= np.isclose(table["f_sys"], F_SYS)
        runs = (
            _some(table[chosen], f"pre-training of {backbone}").sort_values("epoch").groupby("seed")["loss"]
        )
        fall = 100 * (1 - runs.last() / runs.first())
        if (runs.size() < 2).any():
            raise NotMeasured("the pre-training has one epoch, so no fall of its loss can be seen")
        return Found(fall.mean(), fall.min(), fall.max(), len(fall))

    @property
    def source(self) -> str:
        return self.errors["source"].iloc[0]

    @cached_property
    def errors(self) -> pd.DataFrame:
        """Sums of errors of every arm and test window."""
        return self._load("errors")

    def _load(self, name: str) -> pd.DataFrame:
        try:
            return results.load(self.profile, f"dual_{name}")
        except results.MissingResult as error:
            raise NotMeasured(f"the numbers dual_{name} are not on disk") from error


def rmse(arm: pd.DataFrame, step: int | None = None) -> pd.Series:
    """Root mean square error of each seed."""
    return np.sqrt(by_seed(arm, "square", step))


def by_seed(arm: pd.DataFrame, kind: str = "abs", step: int | None = None) -> pd.Series:
    """Mean error of each seed: "abs" or "square", of one step ahead or of all."""
    steps = _steps(arm) if step is None else [step]
    sums = arm.groupby("seed")[[f"{name}_{k}" for name in (kind, "n") for k in steps]].sum()
    return sums[[f"{kind}_{k}" for k in steps]].sum(axis=1) / sums[[f"n_{k}" for k in steps]].sum(axis=1)


def _steps(arm: pd.DataFrame) -> list[int]:
    """Steps ahead that were forecast."""
    return [int(name[2:]) for name in arm if name.startswith("n_")]


def _some(table: pd.DataFrame, words: str) -> pd.DataFrame:
    if table.empty:
        raise NotMeasured(f"not run: {words}")
    return table


def _stack(
    arms: Arms, columns: list[str], counts: list[str], place: str = "start"
) -> tuple[np.ndarray, np.ndarray]:
    """Sums of errors (A, S, W) and counts (S, W) of the seeds that all arms have."""
    seeds = sorted(set.intersection(*(set(arm["seed"]) for arm in arms)))
    if not seeds:
        raise NotMeasured("the arms have no seed in common")

    def of(arm: pd.DataFrame, names: list[str]) -> np.ndarray:
        wide = arm.assign(total=arm[names].sum(axis=1)).pivot(index="seed", columns=place, values="total")
        return wide.loc[seeds].to_numpy(float)

    if place == "star":  # those that were measured differ from seed to seed
        arms = [arm.assign(star=arm.groupby("seed").cumcount()) for arm in arms]
    return np.stack([of(arm, columns) for arm in arms]), of(arms[0], counts)


def _found(
    errors: np.ndarray, counts: np.ndarray, block: int, made_of: Callable[[np.ndarray], np.ndarray]
) -> Found:
    means, draws = block_draws(errors, counts, block)
    limits = interval(made_of(draws))
    return Found(float(made_of(means)), limits["low"], limits["high"], len(counts))
