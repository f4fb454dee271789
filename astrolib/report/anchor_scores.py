"""What the numbers on disk say about A2-MAE: scores of every arm, and differences of arms with intervals.

Arms of one profile are tested on the same sets under the same masks, so every difference is paired: draws
take test sets with replacement, the same for both arms, and seeds with replacement. What learns no image
model has one seed, which is paired with every seed of the other arm.
"""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import pandas as pd

from astrolib.evaluate import intervals
from astrolib.evaluate.dense_probe import f1, jaccard
from astrolib.report import results
from astrolib.report.barlow_evidence import Found, NotMeasured

N_DRAWS = 1000
DEFAULT, ENCODED, RANDOM = "anchor, key epoch", "place and scale", "random"
PATCH, SEGMENT, ALARM = "patch", "seg", "alarm"
NOT_PUBLIC = "not public"
"""What the paper measured on its own data: its tables could not be had."""


class Evidence:
    """Measurements of a profile, and the comparisons that tables and criteria are made of."""

    def __init__(self, profile: str):
        self.profile = profile

    @cached_property
    def objects(self) -> pd.DataFrame:
        return self._load("objects")

    @cached_property
    def filled(self) -> pd.DataFrame:
        return self._load("filled")

    @cached_property
    def source(self) -> str:
        return str(self._load("surveys")["source"].iloc[0])

    @cached_property
    def slots(self) -> list[str]:
        """Surveys of the slots, with the date where there are two."""
        table = self._load("surveys").sort_values("slot")
        twice = table["survey"].duplicated(keep=False)
        dates = np.where(twice, ", date " + table["date"].astype(str), "")
        return (table["survey"] + dates).tolist()

    def arm(self, part: str, variant: str, place: str = "") -> pd.DataFrame:
        """Test sets of an arm, by default of all places."""
        return _some(self.objects, part, variant, place)

    # ---------------------------------------------------------------- differences

    def error_ratio(self, first: pd.DataFrame, second: pd.DataFrame, slots, kind: str = "error") -> Found:
        """Mean squared error of hidden pixels of some slots, of the first arm over that of the second."""
        arms = [errors(arm, slots, kind) for arm in (first, second)]
        return self.compare(*arms, ["error", "known"], lambda sums: sums[..., 0] / sums[..., 1], np.divide)

    def f1_difference(self, first: pd.DataFrame, second: pd.DataFrame, what: str) -> Found:
        """F1 of the first arm minus that of the second [points]."""
        arms = [hits(arm, what) for arm in (first, second)]
        return self.compare(
            *arms, ["tp", "fp", "fn"], lambda sums: 100 * f1(*np.moveaxis(sums, -1, 0)), np.subtract
        )

    def compare(
        self,
        first: pd.DataFrame,
        second: pd.DataFrame,
        columns: list[str],
        score: Callable[[np.ndarray], np.ndarray],
        combine: Callable[[np.ndarray, np.ndarray], np.ndarray],
    ) -> Found:
        """`combine` of the scores of two arms, each made of sums (..., C) of columns over test sets."""
        a, b = _stacked(first, second, columns)  # (S, n, C)
        n_seeds, n_sets = a.shape[:2]
        rng = np.random.default_rng(0)
        weights = rng.multinomial(n_sets, np.full(n_sets, 1 / n_sets), N_DRAWS).astype(float)
        chosen = rng.integers(n_seeds, size=(n_seeds, N_DRAWS))
        means, drawn = [], []
        for arm in (a, b):
            means.append(score(arm.sum(axis=1)).mean())
            found = score(np.einsum("bn,snc->sbc", weights, arm))  # (S, B)
            drawn.append(np.take_along_axis(found, chosen, axis=0).mean(axis=0))
        value = float(combine(*means))
        return Found(value, *intervals.interval(combine(*drawn)).values(), n_seeds)

    def accuracy_difference(self, first: pd.DataFrame, second: pd.DataFrame) -> Found:
        """Balanced accuracy of the class, the first arm minus the second [points]."""
        a, b = _stacked(first, second, ["class_found", "label"])
        found = intervals.balanced_difference(
            list(a[..., 0].astype(int)), list(b[..., 0].astype(int)), a[0, :, 1].astype(int)
        )
        return Found(*found.values(), len(a))

    def r2_difference(self, first: pd.DataFrame, second: pd.DataFrame) -> Found:
        """R^2 of log E(B-V), the first arm minus the second."""
        a, b = _stacked(first, second, ["log_ebv_found", "log_ebv"])
        found = intervals.r2_difference(list(a[..., 0]), list(b[..., 0]), a[0, :, 1])
        return Found(*found.values(), len(a))

    def drop(self, with_code: str, without: str) -> Found:
        """Loss of balanced accuracy at twice the pixel scale with a code, less half the loss without it."""
        table = self._load("wide")
        rows = [
            _some(table[table["scale"] == scale], "encodings", variant, "")
            for variant in (with_code, without)
            for scale in ("as trained", "doubled")
        ]
        pairs = [_stacked(rows[0], row, ["class_found", "label"])[1].astype(int) for row in rows]
        labels, arms = pairs[0][0, :, 1], [list(pair[..., 0]) for pair in pairs]
        drawn = intervals.balanced_draws(arms, labels)
        accuracies = np.array(
            [np.mean([intervals.balanced_accuracy(labels, seed) for seed in arm]) for arm in arms]
        )
        weights = np.array([1, -1, -0.5, 0.5])
        found = intervals.interval(weights @ drawn)
        return Found(float(weights @ accuracies), *found.values(), len(arms[0]))

    def filling_difference(self, first: str, second: str, visible: str, slots) -> Found:
        """Median over test sets of the error above the noise floor, of one variant minus another."""
        table = self.filled[(self.filled["visible"] == visible) & self.filled["slot"].isin(list(slots))]
        arms = [_some(table, part, variant, "") for part, variant in (_place_of(first), _place_of(second))]
        a, b = _stacked(*arms, ["excess"], keys=["id", "slot"])
        rng = np.random.default_rng(0)
        n_seeds, n_sets = a.shape[:2]
        drawn = []
        for _ in range(N_DRAWS // 2):
            rows, seeds = rng.integers(n_sets, size=n_sets), rng.integers(n_seeds, size=n_seeds)
            medians = [np.median(arm[seeds][:, rows, 0], axis=1).mean() for arm in (a, b)]
            drawn.append(medians[0] - medians[1])
        value = np.median(a[..., 0], axis=1).mean() - np.median(b[..., 0], axis=1).mean()
        return Found(float(value), *intervals.interval(drawn).values(), n_seeds)

    def loss_ratio(self, part: str, variant: str) -> Found:
        """Training loss of the last epoch over that of the first, with the range of the seeds."""
        rows = _some(self._load("runs"), part, variant, "")
        values = rows["last_loss"] / rows["first_loss"]
        return Found(values.mean(), values.min(), values.max(), len(values))

    # ---------------------------------------------------------------- scores

    def scores(self, part: str) -> pd.DataFrame:
        """Every score of the arms of a part: mean over seeds, and spread as `..._std`."""
        rows = []
        runs = self._load("runs")
        for (variant, seed), arm in self.objects[self.objects["part"] == part].groupby(
            ["variant", "seed"], sort=False
        ):
            row = {"variant": variant, "seed": seed} | self._score(arm)
            own = runs[(runs["part"] == part) & (runs["variant"] == variant) & (runs["seed"] == seed)]
            row["own_masks"] = own["own_loss"].mean() if len(own) else np.nan
            rows.append(row)
        return over_seeds(pd.DataFrame(rows), ["variant"]).assign(paper=NOT_PUBLIC, source=self.source)

    def _score(self, arm: pd.DataFrame) -> dict[str, float]:
        row = {}
        for slot, name in enumerate(self.slots):
            row[f"error {name}"] = arm[f"error_{slot}"].mean()
        row["error other surveys"] = np.mean([row[f"error {name}"] for name in self.slots[1:]])
        dense = arm[arm["scored"].fillna(False).astype(bool)]
        if arm["class_found"].notna().all():
            for place, some in arm.groupby("place", sort=False):
                row[f"accuracy {place}"] = intervals.balanced_accuracy(
                    some["label"].astype(int), some["class_found"].astype(int)
                )
        if dense["seg_tp"].notna().any():
            counts = hits(dense, SEGMENT)[["tp", "fp", "fn"]].sum()
            row |= {"segmentation F1": 100 * float(f1(*counts)), "IoU": 100 * float(jaccard(*counts))}
        if dense["patch_tp"].notna().any():
            for what, words in ((PATCH, "changes F1, patches"), (ALARM, "changes F1, sets")):
                row[words] = 100 * float(f1(*hits(dense, what)[["tp", "fp", "fn"]].sum()))
        if arm["log_ebv_found"].notna().all():
            for place, some in arm.groupby("place", sort=False):
                error = ((some["log_ebv"] - some["log_ebv_found"]) ** 2).mean()
                row[f"R2 {place}"] = 1 - error / some["log_ebv"].var(ddof=0)
        return row

    def _load(self, name: str) -> pd.DataFrame:
        try:
            table = results.load(self.profile, f"anchor_{name}")
        except results.MissingResult as error:
            raise NotMeasured(f"the numbers anchor_{name} are not on disk") from error
        return table.assign(excess=table["error"] - table["floor"]) if name == "filled" else table


def errors(arm: pd.DataFrame, slots, kind: str) -> pd.DataFrame:
    """Sums over slots of the errors of every test set, and of how many of them are known."""
    values = arm[[f"{kind}_{slot}" for slot in slots]]
    return arm[["seed", "id"]].assign(error=values.sum(axis=1), known=values.notna().sum(axis=1))


def hits(arm: pd.DataFrame, what: str) -> pd.DataFrame:
    """Counts tp, fp and fn of every test set that was scored: of patches, of pixels, or of whole sets."""
    arm = arm[arm["scored"].fillna(False).astype(bool)]
    about = arm[["seed", "id"]]
    if what != ALARM:
        return about.assign(**{name: arm[f"{what}_{name}"] for name in ("tp", "fp", "fn")})
    alarm, true = arm["alarm"].astype(bool), arm["transient"].astype(bool)
    return about.assign(tp=alarm & true, fp=alarm & ~true, fn=~alarm & true)


def over_seeds(table: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Means over seeds with their spread, columns in order, and n_seeds."""
    metrics = [name for name in table if name not in (*keys, "seed")]
    grouped = table.groupby(keys, sort=False)
    means, spreads = grouped[metrics].mean(), grouped[metrics].std(ddof=1)
    columns = {}
    for name in metrics:
        columns |= {name: means[name], f"{name}_std": spreads[name]}
    return pd.DataFrame(columns).assign(n_seeds=grouped["seed"].nunique()).reset_index()


def _place_of(variant: str) -> tuple[str, str]:
    return ("modes" if variant.split(",")[0] in ("anchor", RANDOM) else "baseline"), variant


def _some(table: pd.DataFrame, part: str, variant: str, place: str) -> pd.DataFrame:
    chosen = (table["part"] == part) & (table["variant"] == variant)
    if place:
        chosen &= table["place"] == place
    if not chosen.any():
        raise NotMeasured(f"not run: {part}, {variant}{f', {place}' if place else ''}")
    return table[chosen]


def _stacked(
    first: pd.DataFrame, second: pd.DataFrame, columns: list[str], keys: list[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Columns of both arms (S, n, C), of the seeds and test sets that both have, in the same order."""
    keys = keys or ["id"]
    seeds = [sorted(arm["seed"].unique()) for arm in (first, second)]
    both = [seed for seed in seeds[0] if seed in seeds[1]]
    pairs = [(seed, seed) for seed in both] or [(a, b) for a in seeds[0] for b in seeds[1]]
    if not both and min(map(len, seeds)) != 1:
        raise NotMeasured(f"the arms have no seed in common: {seeds[0]} and {seeds[1]}")
    stacks = []
    for pair in pairs:
        tables = [
            arm[arm["seed"] == seed].set_index(keys)[columns]
            for arm, seed in zip((first, second), pair, strict=True)
        ]
        stacks.append(tables)
    common = stacks[0][0].index
    for tables in stacks:
        for table in tables:
            common = common.intersection(table.index)
    if not len(common):
        raise NotMeasured("the arms have no test set in common")
    arrays = [[t.loc[common].to_numpy(float) for t in tables] for tables in stacks]
    return tuple(np.stack([tables[k] for tables in arrays]) for k in (0, 1))
