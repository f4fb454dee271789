"""Whether radial masking does on galaxies what R-MAE claims, judged by thresholds set before.

Thresholds are those of the masked-autoencoder card, sections 1.5 and 2.4: a column "full" for real images and
long training, and an easier column "demo". Every criterion is judged wherever its numbers are on disk.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from astrolib import profiles
from astrolib.evaluate import intervals
from astrolib.report import radial_scores as scores
from astrolib.report import results, verdicts
from astrolib.report.barlow_criteria import POINTS, RATIO, Criterion
from astrolib.report.barlow_evidence import Found, NotMeasured
from astrolib.report.radial_scores import (
    CONSTANT,
    DEGRADED,
    NULL,
    OBSERVED,
    OCCUPANCY,
    PROFILE,
    UNIFORM,
    UNLEARNED,
    VIT,
    chosen,
)

OVERLAP, PRECISION = "IoU", "precision"
AXES = {
    POINTS: "difference of balanced accuracy [points], 95 % interval",
    OVERLAP: "difference of intersection over union, 95 % interval",
    PRECISION: "average precision minus its prior, 95 % interval",
    RATIO: "ratio, 95 % interval or range of the seeds",
}
"""Units that are drawn, and what an axis says."""
FEW = 0.1
"""Share of the labels of the card's criterion."""


@dataclass(frozen=True)
class Evidence:
    """What is on disk about one profile."""

    profile: str

    def table(self, name: str, **changes) -> pd.DataFrame:
        """Rows of one arm in a table that was kept."""
        try:
            found = chosen(self.profile, results.load(self.profile, f"radial_{name}"), **changes)
        except results.MissingResult as error:
            raise NotMeasured(f"the numbers radial_{name} are not on disk") from error
        if found.empty:
            raise NotMeasured(f"not run: {changes or 'the default arm'} in radial_{name}")
        return found

    def classes(self, protocol: str, fraction: float, **changes) -> pd.DataFrame:
        """Predictions of classes by one arm."""
        some = self.table("predictions", **changes)
        some = some[(some["protocol"] == protocol) & np.isclose(some["fraction"], fraction)]
        if some.empty:
            raise NotMeasured(f"not run: {protocol} with {fraction:.0%} of the labels, {changes}")
        return some

    def difference(self, first: pd.DataFrame, second: pd.DataFrame) -> Found:
        """Balanced accuracy of the first arm minus that of the second [points]."""
        labels, predictions = _aligned([first, second], "prediction", "label")
        found = intervals.balanced_difference(*predictions, labels)
        return Found(*found.values(), len(predictions[0]))

    def overlap(
        self, network: str, column: str, *, state: str = OBSERVED, unlearned: tuple[str, ...]
    ) -> Found:
        """A network's intersection over union minus that of the best of some fills."""
        learned, others = self.fills(network, state, unlearned)
        best = max(others, key=lambda name: others[name][column].mean())
        (a, b) = _aligned([learned, others[best]], column)[1]
        return _mean(np.array(a) - np.array(b))._replace(remark=f"best without learning: {best}")

    def flux(self, unlearned: tuple[str, ...]) -> Found:
        """The ViT's squared error over that of the best of some fills."""
        learned, others = self.fills(VIT, OBSERVED, unlearned)
        best = min(others, key=lambda name: others[name]["flux_error"].mean())
        a, b = (np.array(rows) for rows in _aligned([learned, others[best]], "flux_error")[1])
        draws = [_draws(each) for each in (a, b)]
        found = intervals.interval(draws[0] / draws[1])
        return Found(a.mean() / b.mean(), *found.values(), len(a), f"best without learning: {best}")

    def precision(self) -> Found:
        """Average precision of the occupancy network's guesses minus the share of occupied pixels."""
        learned, _ = self.fills(OCCUPANCY, OBSERVED, (PROFILE,))
        gain = learned.assign(gain=learned["average_precision"] - learned["prior"]).dropna(subset=["gain"])
        return _mean(np.array(_aligned([gain], "gain")[1][0]))

    def fills(
        self, network: str, state: str, unlearned: tuple[str, ...]
    ) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
        """A network's guesses, and those of fills that saw the same pixels."""
        loss = "dense" if network == OCCUPANCY else "flux"
        table = self.table("filling", network=network, loss=loss, images=state, state=state)
        others = {name: table[table["method"] == name] for name in unlearned}
        return table[table["method"] == network], others

    def half_view(self) -> Found:
        """Accuracy from half of the sectors over that from all of them."""
        table = self.table("observed")
        table = table[table["target"] == "class"].astype({"truth": int, "prediction": int})
        parts = [table[np.isclose(table["observed"], share)] for share in (0.5, 1.0)]
        labels, predictions = _aligned(parts, "prediction", "truth")
        half, full = intervals.balanced_draws(predictions, labels)
        rates = [
            np.mean([intervals.balanced_accuracy(*pair) for pair in zip(labels, part, strict=True)])
            for part in predictions
        ]
        return Found(rates[0] / rates[1], *intervals.interval(half / full).values(), len(labels))

    def loss_falls(self, network: str) -> Found:
        """Last loss of training over the first."""
        loss = "dense" if network == OCCUPANCY else "flux"
        history = self.table("history", network=network, loss=loss)
        losses = [rows["training_loss"].to_numpy() for _, rows in history.groupby("seed")]
        falls = [loss[-1] / loss[0] for loss in losses]
        if history["epoch"].nunique() < 2:
            raise NotMeasured("one epoch has no trend")
        return Found(np.mean(falls), min(falls), max(falls), len(falls))

    def transferred(self, state: str) -> Found:
        """Fine-tuned on one survey after pretraining on the other, minus from scratch."""
        few = profiles.load(self.profile).radial.fractions[1]
        other = DEGRADED if state == OBSERVED else OBSERVED
        first = self.classes("fine-tuned", few, images=other, state=state)
        return self.difference(first, self.classes("fine-tuned", few, untrained=True, state=state))


def _tuned(fraction: float, **other) -> Callable[[Evidence], Found]:
    return lambda e: e.difference(
        e.classes("fine-tuned", fraction), e.classes("fine-tuned", fraction, **other)
    )


def _frozen(**other) -> Callable[[Evidence], Found]:
    return lambda e: e.difference(e.classes("linear", 1.0), e.classes("linear", 1.0, **other))


def _beats(network: str, column: str, state: str = OBSERVED, unlearned: tuple[str, ...] = UNLEARNED):
    return lambda e: e.overlap(network, column, state=state, unlearned=unlearned)


RIVALS = tuple(name for name in UNLEARNED if name != CONSTANT)
HIDDEN = "iou_partner_hidden"
CRITERIA = (
    *(
        Criterion("filling", "full", f"{network} minus best fill, {words}", OVERLAP, ">=", 0.03,
                  _beats(network, column, unlearned=RIVALS))
        for network in (OCCUPANCY, VIT)
        for column, words in (("iou", "all hidden"), (HIDDEN, "opposite hidden"))
    ),
    Criterion("filling", "full", "occupancy net, precision above prior", PRECISION, ">", 0.0,
              Evidence.precision),
    Criterion("filling", "full", "ViT, squared error over best fill's", RATIO, "<", 1.0,
              lambda e: e.flux(RIVALS)),
    Criterion("KITTI", "full", "frozen features minus untrained ones", POINTS, ">", 0.0,
              _frozen(untrained=True)),
    Criterion("Waymo", "full", "10 % of labels: minus from scratch", POINTS, ">=", 1.0,
              _tuned(FEW, untrained=True)),
    Criterion("Waymo", "full", "10 % of labels: minus uniform masking", POINTS, ">=", 0.0,
              _tuned(FEW, masking=UNIFORM)),
    Criterion("masking", "full", "frozen: angular + range minus uniform", POINTS, ">", 0.0,
              _frozen(masking=UNIFORM)),
    Criterion("sense less", "full", "half of the sectors over all", RATIO, ">=", 0.95, Evidence.half_view),
    Criterion("transfer", "full", "to images as observed: minus scratch", POINTS, ">", 0.0,
              lambda e: e.transferred(OBSERVED)),
    Criterion("transfer", "full", "to blurred and noisier: minus scratch", POINTS, ">", 0.0,
              lambda e: e.transferred(DEGRADED)),
    *(
        Criterion("null", "full", f"{network} minus azimuthal profile", OVERLAP, "<=", 0.01,
                  _beats(network, "iou", NULL, (PROFILE,)))
        for network in (OCCUPANCY, VIT)
    ),
    *(
        Criterion("training", "demo", f"{network}, last loss over first", RATIO, "<=", 0.8,
                  lambda e, network=network: e.loss_falls(network))
        for network in (OCCUPANCY, VIT)
    ),
    Criterion("filling", "demo", "occupancy net minus constant", OVERLAP, ">", 0.0,
              _beats(OCCUPANCY, "iou", unlearned=(CONSTANT,))),
    Criterion("filling", "demo", "ViT, squared error over constant's", RATIO, "<", 1.0,
              lambda e: e.flux((CONSTANT,))),
)  # fmt: skip


# ---------------------------------------------------------------- what is made of them


def criteria(profile: str) -> Markdown:
    """Every criterion with its value, interval, threshold and verdict."""
    return results.save_table(profile, "radial_criteria", criterion_table(profile))


def criteria_figure(profile: str) -> Figure:
    """The same as a picture."""
    table = criterion_table(profile).rename(columns={"reason": "remark"})
    sheet = verdicts.criteria_sheet(table, AXES)
    return results.save_figure(profile, "radial_criteria", sheet, scores.source(profile))


def criterion_table(profile: str) -> pd.DataFrame:
    """A row for each criterion.

    Returns
    -------
    DataFrame
        Columns `paper` (part of the card), `column` ("full" or "demo"), `criterion`, `value`, `low`, `high`,
        `unit`, `threshold` (words), `limit`, `verdict` ("met", "not met", "undecided", "not measured"),
        `reason` (why not measured, or what else is worth saying), `n_seeds` and `source`.
    """
    evidence, rows = Evidence(profile), []
    for criterion in CRITERIA:
        try:
            found = criterion.measure(evidence)
            verdict = criterion.judge(found)
        except NotMeasured as error:
            found, verdict = Found(np.nan, np.nan, np.nan, 0, str(error)), "not measured"
        row = {"paper": criterion.paper, "column": criterion.column, "criterion": criterion.words}
        row |= {"value": found.value, "low": found.low, "high": found.high, "unit": criterion.unit}
        row |= {"threshold": criterion.threshold, "limit": criterion.limit, "verdict": verdict}
        rows.append(row | {"reason": found.remark, "n_seeds": found.n_seeds})
    return pd.DataFrame(rows).assign(source=scores.source(profile))


# ---------------------------------------------------------------- bootstrap


def _aligned(arms: list[pd.DataFrame], column: str, truth: str | None = None) -> tuple[list, list[list]]:
    """Truths of each seed, and a column (arm, then seed), of the seeds and images that all arms have."""
    indexed = [arm.set_index(["seed", "id"]) for arm in arms]
    columns = [arm[column].rename(k) for k, arm in enumerate(indexed)]
    columns += [] if truth is None else [indexed[0][truth].rename("truth")]
    both = pd.concat(columns, axis=1, join="inner").sort_index()
    runs = [run.dropna() for _, run in both.groupby(level="seed")]
    if not runs:
        raise NotMeasured("the arms have no seed, or no test image, in common")
    truths = [] if truth is None else [run["truth"].to_numpy() for run in runs]
    return truths, [[run[k].to_numpy() for run in runs] for k in range(len(arms))]


@cache
def _weights(n_seeds: int, n: int, n_draws: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), n_draws) / n_seeds
    return seeds, rng.multinomial(n, np.full(n, 1 / n), n_draws) / n


def _draws(values: np.ndarray) -> np.ndarray:
    """Means (B,) of values (S, n) in draws of seeds and images, the same for all values of one shape."""
    seeds, images = _weights(*values.shape)
    return (seeds @ values * images).sum(axis=1)


def _mean(values: np.ndarray) -> Found:
    return Found(values.mean(), *intervals.interval(_draws(values)).values(), len(values))
