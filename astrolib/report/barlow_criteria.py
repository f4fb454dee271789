"""Whether Barlow Twins does on galaxies what its paper claims for ImageNet, judged by thresholds set before.

Thresholds are those of the Barlow Twins card, section 9.5: a column "full" for real images and long training,
and an easier column "demo". Every criterion is judged wherever the numbers that it needs are on disk.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from astrolib import paths
from astrolib.report import results, tables, verdicts
from astrolib.report.barlow_evidence import Evidence, Found, NotMeasured
from astrolib.report.barlow_scores import (
    BARLOW,
    COLOURS,
    HANDMADE,
    LITTLE_REDDENING,
    SIMCLR,
    SUPERVISED,
    UNTRAINED,
    source,
)

POINTS, RATIO, R2, CORRELATION, COUNT = "points", "ratio", "R2", "correlation", "variants"
AXES = {
    POINTS: "difference of balanced accuracy [points], 95 % interval",
    RATIO: "ratio, 95 % interval or range of the seeds",
    R2: "difference of $R^2$, 95 % interval",
    CORRELATION: "correlation (95 % interval), or mean of $C_{ii}$ and $C_{ij}^2$ (range of the seeds)",
}
"""Units that are drawn, and what an axis says."""
SCRATCH = {"method": SUPERVISED, "protocol": "fine-tuned"}
WIDTHS = {"full": (16, 64, 256, 1024, 2048), "demo": (16, 64, 256)}
LAMBDAS = {"full": (0.002, 0.005, 0.007, 0.010, 0.015, 0.020), "demo": (0.002, 0.0051, 0.020)}
BATCHES = {"full": (256, 1024), "demo": (64, 256)}
"""Points of figures 4, 5 and 2 that a criterion needs."""


@dataclass(frozen=True)
class Criterion:
    """A claim about galaxies that can fail.

    `paper` is the table (T) or figure (F) of the paper, `sign` one of ">", ">=", "<", "<=", "within" (plus or
    minus the limit), or "" for a number that is reported without a threshold.
    """

    paper: str
    column: str
    words: str
    unit: str
    sign: str
    limit: float
    measure: Callable[[Evidence], Found]

    @property
    def threshold(self) -> str:
        if not self.sign:
            return "reported only"
        unit = "" if self.unit in (RATIO, CORRELATION) else f" {self.unit}"
        return f"{self.sign.replace('within', 'within ±')} {self.limit:g}{unit}".replace("± ", "±")

    def judge(self, found: Found) -> str:
        """Whether the whole interval is on the right side of the threshold ("met"), on the wrong one ("not
        met"), or holds it ("undecided")."""
        low, high, limit = found.low, found.high, self.limit
        right, wrong = {
            ">": (low > limit, high <= limit),
            ">=": (low >= limit, high < limit),
            "<": (high < limit, low >= limit),
            "<=": (high <= limit, low > limit),
            "within": (-limit <= low and high <= limit, low > limit or high < -limit),
            "": (False, False),
        }[self.sign]
        if not self.sign:
            return "reported"
        return "met" if right else "not met" if wrong else "undecided"


# ---------------------------------------------------------------- measures


def _gain(method: str, fraction: float, protocol: str, other: dict) -> Callable[[Evidence], Found]:
    return lambda e: e.difference(e.arm(method, fraction, protocol), e.arm(fraction=fraction, **other))


def _shrinks(protocol: str) -> Callable[[Evidence], Found]:
    """Advantage over training from scratch with 1 % of the labels minus that with 10 %."""

    def measure(e: Evidence) -> Found:
        few, more = ((e.arm(BARLOW, f, protocol), e.arm(fraction=f, **SCRATCH)) for f in (0.01, 0.1))
        return e.contrast(*few, *more)

    return measure


def _losses(first: str, second: str, fraction: float = 1.0) -> Callable[[Evidence], Found]:
    return lambda e: e.difference(
        e.point("table5", first, fraction=fraction), e.point("table5", second, fraction=fraction)
    )


def _cases(first: str, second: str) -> Callable[[Evidence], Found]:
    return lambda e: e.difference(e.point("table6", first), e.point("table6", second))


def _worst(e: Evidence) -> Found:
    """The next worst case of Table 6 minus case c."""
    others = [
        e.difference(e.point("table6", case), e.point("table6", "c")) for case in ("baseline", "a", "b")
    ]
    return min(others, key=lambda found: found.value)


def _ran(e: Evidence) -> Found:
    seeds = [e.point("table6", case)["seed"].nunique() for case in ("baseline", "a", "b", "c")]
    return Found(4, 4, 4, min(seeds))


def _drop(e: Evidence, column: str, method: str) -> Found:
    small, large = (e.point("fig2", float(size), method) for size in BATCHES[column])
    return e.difference(small, large)


def _drops_more(e: Evidence, column: str) -> Found:
    """How much more SimCLR loses with the small batch than Barlow Twins."""
    arms = [e.point("fig2", float(s), m) for m in (SIMCLR, BARLOW) for s in BATCHES[column][::-1]]
    return e.contrast(*arms)


def _widths(e: Evidence, column: str, arm: str) -> Found:
    return e.rank_correlation(WIDTHS[column], [e.point("fig4", float(d), arm) for d in WIDTHS[column]])


def _lambdas(e: Evidence, column: str) -> Found:
    return e.spread([(f"{value:g}", e.point("fig5", value)) for value in LAMBDAS[column]])


def _fall(e: Evidence) -> Found:
    """The full set of augmentations minus the last rung of the ladder."""
    rungs = e.rungs()
    return e.difference(rungs[0][1], rungs[-1][1])._replace(remark=f"down to {rungs[-1][0]!r}")


def _first_step(e: Evidence) -> Found:
    rungs = e.rungs()
    return e.difference(rungs[1][1], rungs[0][1])._replace(remark=rungs[1][0])


def _never(reason: str) -> Callable[[Evidence], Found]:
    def measure(e: Evidence) -> Found:
        raise NotMeasured(reason)

    return measure


def _error(e: Evidence) -> Found:
    return e.error_ratio(e.arm(BARLOW), e.arm(UNTRAINED))


# ---------------------------------------------------------------- criteria


def _batch_criteria(column: str) -> tuple[Criterion, ...]:
    small, large = BATCHES[column]
    return (
        Criterion("F2", column, f"Batch {small} minus batch {large}", POINTS, "within", 1.5,
                  lambda e: _drop(e, column, BARLOW)),
        Criterion("F2", column, f"SimCLR loses more from {large} to {small}", POINTS, ">", 0,
                  lambda e: _drops_more(e, column)),
    )  # fmt: skip


def _width_criteria(column: str) -> tuple[Criterion, ...]:
    words = f"Spearman(width, accuracy) up to {WIDTHS[column][-1]}"
    return (
        Criterion("F4", column, f"{words}, lambda fixed", CORRELATION, ">", 0.8,
                  lambda e: _widths(e, column, "lambda fixed")),
        Criterion("F4", column, f"{words}, lambda x 8192/D", CORRELATION, "", np.nan,
                  lambda e: _widths(e, column, "lambda x 8192/D")),
    )  # fmt: skip


def _lambda_criteria(column: str) -> tuple[Criterion, ...]:
    words = f"Best minus worst of {len(LAMBDAS[column])} values of lambda"
    return (Criterion("F5", column, words, POINTS, "<=", 2, lambda e: _lambdas(e, column)),)


CRITERIA = (
    Criterion("T1", "full", "Error / error of the untrained encoder", RATIO, "<=", 0.6, _error),
    Criterion("T1", "full", "Barlow Twins minus hand-made features", POINTS, ">=", 0,
              _gain(BARLOW, 1.0, "linear",
                    {"method": HANDMADE, "protocol": "random forest", "encoder": "none"})),
    Criterion("T1", "full", "Linear probe minus training with all labels", POINTS, "", np.nan,
              _gain(BARLOW, 1.0, "linear", SCRATCH)),
    *(Criterion("T1", "full", f"{fraction:.0%} of labels, linear, minus untrained", POINTS, "", np.nan,
                _gain(BARLOW, fraction, "linear", {"method": UNTRAINED})) for fraction in (1.0, 0.1)),
    *(Criterion("T2", "full", f"{fraction:.0%} of labels, fine-tuned, minus from scratch", POINTS, "", np.nan,
                _gain(BARLOW, fraction, "fine-tuned", SCRATCH)) for fraction in (1.0, 0.1)),
    Criterion("T1", "demo", "Error / error of the untrained encoder", RATIO, "<=", 0.6, _error),
    Criterion("T2", "full", "1 % of labels, linear, minus from scratch", POINTS, ">", 0,
              _gain(BARLOW, 0.01, "linear", SCRATCH)),
    Criterion("T2", "full", "1 % of labels, fine-tuned, minus from scratch", POINTS, ">", 0,
              _gain(BARLOW, 0.01, "fine-tuned", SCRATCH)),
    Criterion("T2", "full", "Linear: this gap at 1 % minus at 10 %", POINTS, ">", 0, _shrinks("linear")),
    Criterion("T2", "full", "Fine-tuned: this gap at 1 % minus at 10 %", POINTS, ">", 0,
              _shrinks("fine-tuned")),
    Criterion("T2", "demo", "1 % of labels, minus the untrained encoder", POINTS, ">=", 5,
              _gain(BARLOW, 0.01, "linear", {"method": UNTRAINED})),
    Criterion("T3", "full", "Second task, minus untrained and colours", R2, ">", 0,
              lambda e: e.best_regression(UNTRAINED, COLOURS)),
    Criterion("T3", "full", "Redshift, views reddened little minus much", R2, ">", 0,
              lambda e: e.regression_gain(LITTLE_REDDENING, BARLOW, "redshift")),
    Criterion("T3", "demo", "Second task, minus the untrained encoder", R2, ">", 0,
              lambda e: e.best_regression(UNTRAINED)),
    Criterion("T4", "full", "Detection", "", "", np.nan,
              _never("optional in the plan; images hold one galaxy each and come without outlines")),
    Criterion("T5", "full", "Both terms minus invariance only", POINTS, ">", 0,
              _losses("both", "invariance")),
    Criterion("T5", "full", "Invariance only minus redundancy only", POINTS, ">", 0,
              _losses("invariance", "redundancy")),
    Criterion("T5", "full", "Redundancy only minus the untrained encoder", POINTS, "<=", 5,
              _losses("redundancy", "untrained")),
    Criterion("T5", "full", "Loss of accuracy without redundancy term", POINTS, ">=", 5,
              _losses("both", "invariance")),
    Criterion("T5", "full", "Loss of accuracy without invariance term", POINTS, ">=", 5,
              _losses("both", "redundancy")),
    Criterion("T5", "demo", "Invariance only: mean square off the diagonal", CORRELATION, ">", 0.4,
              lambda e: e.measure("invariance", "off_square")),
    Criterion("T5", "demo", "Invariance only: rank of z / with both terms", RATIO, "<", 0.5,
              lambda e: e.measure("invariance", "rank_z", over="both")),
    Criterion("T5", "demo", "Redundancy only: mean of the diagonal", CORRELATION, "<", 0.2,
              lambda e: e.measure("redundancy", "diagonal")),
    Criterion("T5", "demo", "Redundancy only minus the untrained encoder", POINTS, "<", 5,
              _losses("redundancy", "untrained")),
    Criterion("T5", "demo", "10 % of labels: both terms minus invariance", POINTS, ">=", 0,
              _losses("both", "invariance", 0.1)),
    Criterion("T5", "demo", "1 % of labels: both terms minus invariance", POINTS, ">=", 0,
              _losses("both", "invariance", 0.01)),
    *(Criterion("T6", "full", f"Baseline minus {words}", POINTS, ">=", 0, _cases("baseline", case))
      for case, words in {"a": "stop-gradient", "b": "predictor", "c": "both of them"}.items()),
    Criterion("T6", "full", "Next worst minus stop-gradient and predictor", POINTS, ">", 0, _worst),
    Criterion("T6", "demo", "All four variants were run", COUNT, ">=", 4, _ran),
    Criterion("T7", "full", "BYOL, gain from larger heads", POINTS, "within", 1, _never("no BYOL here")),
    *_batch_criteria("full"),
    *_batch_criteria("demo"),
    Criterion("F3", "full", "Largest rise when an augmentation is left out", POINTS, "<=", 0,
              lambda e: e.largest_rise(e.rungs())),
    Criterion("F3", "full", "All augmentations minus crop only", POINTS, "", np.nan, _fall),
    Criterion("F3", "full", "Morphology, first augmentation left out", POINTS, "", np.nan, _first_step),
    Criterion("F3", "full", "Redshift, rise without reddening", R2, ">", 0,
              lambda e: e.redshift_without("no reddening")),
    Criterion("F3", "demo", "All augmentations minus crop only", POINTS, ">", 0, _fall),
    *_width_criteria("full"),
    *_width_criteria("demo"),
    *_lambda_criteria("full"),
    *_lambda_criteria("demo"),
)  # fmt: skip
"""Barlow Twins card, section 9.5, row by row."""


def criteria(profile: str) -> Markdown:
    """Every criterion with our value, its 95 % interval and a verdict."""
    table = criterion_table(profile)
    shown = ["paper", "column", "criterion", "value", "threshold", "verdict", "remark", "n_seeds", "source"]
    values = [
        "" if np.isnan(value) else f"{value:.3g} [{low:.3g}, {high:.3g}]"
        for value, low, high in table[["value", "low", "high"]].to_numpy(float)
    ]
    reading = table.assign(value=values)[shown]
    tables.save_table(table, paths.figures(profile), "barlow_criteria", reading=reading)
    return Markdown(tables.markdown(reading))


def criteria_figure(profile: str) -> Figure:
    """The same as a picture."""
    table = criterion_table(profile)
    return results.save_figure(
        profile, "barlow_criteria", verdicts.criteria_sheet(table, AXES), source(profile)
    )


def criterion_table(profile: str) -> pd.DataFrame:
    """A row for each criterion.

    Returns
    -------
    DataFrame
        Columns `paper` (table or figure), `column` ("full" or "demo"), `criterion`, `value`, `low`, `high`,
        `unit`, `threshold` (words), `limit`, `verdict` ("met", "not met", "undecided" where the interval
        holds the threshold, "reported" without a threshold, "not measured"), `remark` (for the last, why),
        `n_seeds` (0 if not measured) and `source`.
    """
    evidence, words = Evidence(profile), source(profile)
    rows = []
    for criterion in CRITERIA:
        try:
            found = criterion.measure(evidence)
            verdict = criterion.judge(found)
        except NotMeasured as error:
            found, verdict = Found(np.nan, np.nan, np.nan, 0, str(error)), "not measured"
        rows.append(
            {
                "paper": criterion.paper,
                "column": criterion.column,
                "criterion": criterion.words,
                "value": found.value,
                "low": found.low,
                "high": found.high,
                "unit": criterion.unit,
                "threshold": criterion.threshold,
                "limit": criterion.limit,
                "verdict": verdict,
                "remark": found.remark,
                "n_seeds": found.n_seeds,
                "source": words,
            }
        )
    return pd.DataFrame(rows)
