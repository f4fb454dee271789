"""What the predictions on disk say about the claims of Barlow Twins: values with 95 % intervals."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from astrolib.evaluate import intervals
from astrolib.report import results
from astrolib.report.barlow_scores import BARLOW


class NotMeasured(Exception):
    """What a criterion needs is not on disk; the message says what, in words."""


class Found(NamedTuple):
    """A measured value, its interval, the number of seeds behind it, and what else is worth saying."""

    value: float
    low: float
    high: float
    n_seeds: int
    remark: str = ""


class Evidence:
    """Predictions and measurements of a profile, and the comparisons that criteria are made of.

    An *arm* is a table with the columns `seed`, `id`, `label` and `prediction` of one way to train. Arms are
    compared on the seeds and test images that all of them have. Intervals of accuracies and R2 are those of
    `astrolib.evaluate.intervals`: they draw seeds and test images. Where a run gives a single number, as an
    effective rank, `low` and `high` are the smallest and the largest of the seeds.
    """

    def __init__(self, profile: str):
        self.profile = profile

    # ---------------------------------------------------------------- arms

    def arm(
        self, method: str, fraction: float = 1.0, protocol: str = "linear", encoder: str = "resnet"
    ) -> pd.DataFrame:
        """An arm of Tables 1 and 2."""
        table = self._predictions
        chosen = (table["method"] == method) & (table["encoder"] == encoder)
        chosen &= (table["protocol"] == protocol) & np.isclose(table["fraction"], fraction)
        return _some(table[chosen], f"{method}, {protocol}, {fraction:.0%} of the labels")

    def point(self, part: str, name: str | float, arm: str = "", fraction: float = 1.0) -> pd.DataFrame:
        """A point of an ablation: by the name of its variant, or by its number `x` to three per cent."""
        table = self._points
        chosen = (table["part"] == part) & (table["arm"] == arm) & np.isclose(table["fraction"], fraction)
        named = table["variant"] == name if isinstance(name, str) else np.isclose(table["x"], name, rtol=0.03)
        shown = name if isinstance(name, str) else f"{name:g}"
        words = f"{part}, {shown}{f', {arm}' if arm else ''}, {fraction:.0%} of the labels"
        return _some(table[chosen & named], words)

    def rungs(self) -> list[tuple[str, pd.DataFrame]]:
        """The ladder of augmentations with all labels, from the full set down."""
        table = self._points
        ladder = table[(table["part"] == "fig3") & np.isclose(table["fraction"], 1.0)]
        if ladder["x"].nunique() < 2:
            raise NotMeasured("the ladder of augmentations (fig3) was not run")
        return [(rows["variant"].iloc[0], rows) for _, rows in ladder.groupby("x")]

    # ---------------------------------------------------------------- accuracies

    def difference(self, first: pd.DataFrame, second: pd.DataFrame) -> Found:
        """Balanced accuracy of the first arm minus that of the second [points]."""
        labels, (a, b) = _aligned(first, second)
        return _found(intervals.balanced_difference(a, b, labels), len(a))

    def error_ratio(self, first: pd.DataFrame, second: pd.DataFrame) -> Found:
        """Balanced error of the first arm over that of the second."""
        labels, (a, b) = _aligned(first, second)
        return _found(intervals.error_ratio(a, b, labels), len(a))

    def contrast(self, first: pd.DataFrame, second: pd.DataFrame, *others: pd.DataFrame) -> Found:
        """How much larger one difference is than another: (first - second) - (the other two) [points]."""
        return self._statistic([first, second, *others], lambda a: (a[0] - a[1]) - (a[2] - a[3]))

    def spread(self, arms: Sequence[tuple[str, pd.DataFrame]]) -> Found:
        """Best minus worst accuracy of several arms [points]: chance makes it larger, never smaller."""
        names, tables = zip(*arms, strict=True)
        means = _accuracies(*_aligned(*tables))
        words = f"best {names[means.argmax()]}, worst {names[means.argmin()]}"
        return self._statistic(tables, lambda a: np.ptp(a, axis=0))._replace(remark=words)

    def largest_rise(self, arms: Sequence[tuple[str, pd.DataFrame]]) -> Found:
        """Largest gain of accuracy from an arm to the next one [points]."""
        names, tables = zip(*arms, strict=True)
        step = int(np.diff(_accuracies(*_aligned(*tables))).argmax())
        return self.difference(tables[step + 1], tables[step])._replace(remark=f"at {names[step + 1]!r}")

    def rank_correlation(self, x: Sequence[float], arms: Sequence[pd.DataFrame]) -> Found:
        """Spearman's correlation of a number with the accuracies."""
        return self._statistic(arms, lambda accuracies: _spearman(np.asarray(x), accuracies))

    def _statistic(
        self, arms: Sequence[pd.DataFrame], statistic: Callable[[np.ndarray], np.ndarray]
    ) -> Found:
        """Something made of the balanced accuracies (K, B) of several arms -> (B,), with its interval."""
        labels, predictions = _aligned(*arms)
        value = statistic(_accuracies(labels, predictions)[:, None])[0]
        drawn = statistic(intervals.balanced_draws(predictions, labels))
        return _found({"value": float(value)} | intervals.interval(drawn), len(labels))

    # ---------------------------------------------------------------- other numbers

    def measure(self, variant: str, name: str, over: str = "") -> Found:
        """A measurement of the runs of Table 5, divided by that of the runs of `over`, seed by seed."""
        values = self._measures(variant, name)
        if over:
            values = (values / self._measures(over, name)).dropna()
        return Found(values.mean(), values.min(), values.max(), len(values))

    def best_regression(self, *controls: str) -> Found:
        """R2 of Barlow Twins minus that of the strongest control, for the target where this is most certain.

        Only targets that all controls have predicted count.
        """
        candidates = []
        for target in self._transfer["target"].unique():
            try:
                gains = [self.regression_gain(BARLOW, control, target) for control in controls]
            except NotMeasured:
                continue
            candidates.append(min(gains, key=lambda gain: gain.low)._replace(remark=f"target: {target}"))
        if not candidates:
            raise NotMeasured(f"no target was predicted by {BARLOW} and by {' and '.join(controls)}")
        return max(candidates, key=lambda gain: gain.low)

    def regression_gain(self, first: str, second: str, target: str) -> Found:
        """R2 of a target from the features of the first method minus that of the second."""
        table = self._transfer
        table = table[table["target"] == target]
        table = table[table["encoder"].isin(["resnet", "none"])]
        arms = [
            _some(table[table["method"] == method], f"{target} from {method}") for method in (first, second)
        ]
        truths, (a, b) = _aligned(*arms, truth="truth")
        return _found(intervals.r2_difference(a, b, truths), len(a))

    def redshift_without(self, variant: str) -> Found:
        """R2 of the redshift at a rung of the ladder of augmentations minus that of the full set."""
        table = self._load("ablation_transfer")
        table = table[(table["part"] == "fig3") & (table["target"] == "redshift")]
        arms = [_some(table[chosen], f"redshift, {words}") for chosen, words in
                ((table["variant"] == variant, variant), (table["x"] == 0, "all augmentations"))]  # fmt: skip
        truths, (a, b) = _aligned(*arms, truth="truth")
        return _found(intervals.r2_difference(a, b, truths), len(a))

    @cached_property
    def _predictions(self) -> pd.DataFrame:
        return self._load("predictions")

    @cached_property
    def _points(self) -> pd.DataFrame:
        return self._load("ablation_predictions")

    @cached_property
    def _transfer(self) -> pd.DataFrame:
        return self._load("transfer")

    def _measures(self, variant: str, name: str) -> pd.Series:
        runs = self._load("ablation_runs")
        chosen = runs[(runs["part"] == "table5") & (runs["variant"] == variant)]
        return _some(chosen, f"table5, {variant}").set_index("seed")[name]

    def _load(self, name: str) -> pd.DataFrame:
        try:
            return results.load(self.profile, f"barlow_{name}")
        except results.MissingResult as error:
            raise NotMeasured(f"the numbers barlow_{name} are not on disk") from error


def _some(table: pd.DataFrame, words: str) -> pd.DataFrame:
    if table.empty:
        raise NotMeasured(f"not run: {words}")
    return table


def _aligned(*arms: pd.DataFrame, truth: str = "label") -> tuple[list[np.ndarray], list[list[np.ndarray]]]:
    """Truths of each seed, and predictions (arm, then seed), of the seeds and images that all arms have."""
    indexed = [arm.set_index(["seed", "id"]) for arm in arms]
    columns = [arm["prediction"].rename(k) for k, arm in enumerate(indexed)]
    both = pd.concat([indexed[0][truth], *columns], axis=1, join="inner").sort_index()
    runs = [run for _, run in both.groupby(level="seed")]
    if not runs:
        raise NotMeasured("the arms have no seed, or no test image, in common")
    predictions = [[run[k].to_numpy() for run in runs] for k in range(len(arms))]
    return [run[truth].to_numpy() for run in runs], predictions


def _accuracies(labels: list[np.ndarray], predictions: list[list[np.ndarray]]) -> np.ndarray:
    """Balanced accuracy of each arm, the mean over seeds, (K,) [per cent]."""
    return np.array(
        [
            np.mean([intervals.balanced_accuracy(*pair) for pair in zip(labels, arm, strict=True)])
            for arm in predictions
        ]
    )


def _spearman(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rank correlation of x (K,) with each column of y (K, B); 0 where y is constant."""
    ranks = rankdata(x) - (len(x) + 1) / 2, rankdata(y, axis=0) - (len(x) + 1) / 2
    size = np.sqrt((ranks[0] ** 2).sum() * (ranks[1] ** 2).sum(axis=0))
    return np.divide(ranks[0] @ ranks[1], size, out=np.zeros(len(size)), where=size > 0)


def _found(interval: dict[str, float], n_seeds: int) -> Found:
    return Found(*interval.values(), n_seeds)  # value, low, high
