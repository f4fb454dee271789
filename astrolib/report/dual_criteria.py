"""Is dual masking worth its pre-training on stars? Judged by thresholds set before (card, section 4.4).

Criteria of the column "full" are meant for the large size; the column "demo" is what a small training must
reach. Every criterion is judged wherever the numbers that it needs are on disk.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from astrolib import paths
from astrolib.report import results, tables, verdicts
from astrolib.report.barlow_evidence import Found, NotMeasured
from astrolib.report.dual_evidence import (
    BACKBONES,
    CONSTANT,
    F_SYS,
    FILL,
    FULL,
    HELD_OUT,
    LINE,
    LONG,
    NEIGHBOURS,
    NETWORK,
    PERSISTENCE,
    STMAE,
    STRANGERS,
    Evidence,
)

PERCENT, EASY, AREA, SHARE, COUNT = "%", "% or more", "AUC", "share", "backbones"
AXES = {
    PERCENT: "forecast error below that of the comparison [%], 95 % interval",
    EASY: "error below that of the comparison [%], 95 % interval, or fall of a loss [%], range of the seeds",
    AREA: "area under the curve, or difference of two, 95 % interval",
    SHARE: "share of an injected signal that is kept, 95 % interval",
}
"""Units that are drawn, and what an axis says."""
LEAST_GAIN = 1.0
"""Gain [%] over training from scratch for as long that counts, if its interval leaves out 0."""


@dataclass(frozen=True)
class Criterion:
    """A claim that can fail.

    `sign` is ">=" or "<" (the whole interval must be on that side of `limit`), "gain" (the value must reach
    the limit, with an interval above 0), or "" for what is reported without a threshold.
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
        unit = {PERCENT: " %", EASY: " %", COUNT: f" {self.unit}"}.get(self.unit, "")
        if self.sign == "gain":
            return f">= {self.limit:g}{unit}, interval above 0"
        return f"{self.sign} {self.limit:g}{unit}"

    def judge(self, found: Found) -> str:
        """ "met", "not met", "undecided" where the interval allows both, or "reported"."""
        low, high, limit = found.low, found.high, self.limit
        right, wrong = {
            ">=": (low >= limit, high < limit),
            "<": (high < limit, low >= limit),
            "gain": (found.value >= limit and low > 0, high < limit),
            "": (False, False),
        }[self.sign]
        if not self.sign:
            return "reported"
        return "met" if right else "not met" if wrong else "undecided"


# ---------------------------------------------------------------- measures


def _gain(backbone: str, f_sys: float = F_SYS, graph: str = NEIGHBOURS) -> Callable[[Evidence], Found]:
    """Of STMAE over training from scratch for as many epochs."""
    return lambda e: e.gain(
        *(e.arm(backbone, training, f_sys=f_sys, graph=graph) for training in (STMAE, LONG))
    )


def _gaining(e: Evidence) -> Found:
    """Backbones whose gain counts, and could count at either end of its interval."""
    gains = [_gain(backbone)(e) for backbone in BACKBONES]
    sure = sum(gain.value >= LEAST_GAIN and gain.low > 0 for gain in gains)
    possible = sum(gain.high >= LEAST_GAIN for gain in gains)
    names = [b for b, gain in zip(BACKBONES, gains, strict=True) if gain.value >= LEAST_GAIN and gain.low > 0]
    return Found(sure, sure, possible, gains[0].n_seeds, ", ".join(names) or "none")


def _variants(e: Evidence, *names: str) -> list[pd.DataFrame]:
    return [e.arm("AGCRN", LONG) if name == LONG else e.arm("AGCRN", variant=name) for name in names]


def _full_below_uniform(e: Evidence) -> Found:
    return e.gain(*_variants(e, FULL, "uniform masks"))


def _uniform_below_single(e: Evidence) -> Found:
    arms = _variants(e, "uniform masks", "edges only", "times only")
    return e.statistic(arms, lambda m: 100 * (1 - m[0] / np.minimum(m[1], m[2])))


def _single_below_backbone(e: Evidence) -> Found:
    arms = _variants(e, "edges only", "times only", LONG)
    return e.statistic(arms, lambda m: 100 * (1 - np.maximum(m[0], m[1]) / m[2]))


def _positives(e: Evidence) -> Found:
    return e.area(e.edges(STMAE), e.edges(STMAE, variant="positives only"))


def _margin(score: str, graph: str = NEIGHBOURS) -> Callable[[Evidence], Found]:
    """Area of the structure decoder minus that of a score without a network."""
    return lambda e: e.area(e.edges(STMAE, graph=graph), e.edges(score, graph=graph))


def _backbone_criteria() -> tuple[Criterion, ...]:
    full = [Criterion("T1", "full", f"{b}: STMAE below scratch of as many epochs", PERCENT, "gain",
                      LEAST_GAIN, _gain(b)) for b in BACKBONES]  # fmt: skip
    demo = [Criterion("T1", "demo", f"{b}: loss of the pre-training falls", EASY, ">=", 20,
                      lambda e, b=b: e.loss_fall(b)) for b in BACKBONES]  # fmt: skip
    demo += [Criterion("T1", "demo", f"{b}: STMAE below the constant forecast", EASY, ">=", 0,
                       lambda e, b=b: e.gain(e.arm(b), e.baseline(CONSTANT))) for b in BACKBONES]  # fmt: skip
    return (*full, *demo)


CRITERIA = (
    *_backbone_criteria(),
    Criterion("T1", "full", "Backbones of three for which STMAE gains", COUNT, ">=", 2, _gaining),
    Criterion("T1", "full", "Null, no systematics: STMAE does not gain", PERCENT, "<", LEAST_GAIN,
              _gain("AGCRN", f_sys=0.0)),
    Criterion("T1", "full", "Null, random stars: STMAE does not gain", PERCENT, "<", LEAST_GAIN,
              _gain("AGCRN", graph=STRANGERS)),
    Criterion("L_X", "full", "Hidden patches (shared) below linear interpolation", EASY, ">=", 0,
              lambda e: e.hidden_gain("shared", LINE)),
    Criterion("L_X", "full", "Hidden patches (shared) below persistence", EASY, ">=", 0,
              lambda e: e.hidden_gain("shared", PERSISTENCE)),
    Criterion("L_X", "full", "Hidden patches (per_node) below ridge, own", EASY, ">=", 0,
              lambda e: e.hidden_gain("per_node", FILL)),
    Criterion("L_A", "full", "Hidden edges, equal negatives", AREA, ">=", 0.8,
              lambda e: e.area(e.edges(STMAE))),
    Criterion("L_A", "full", "The same minus degree product", AREA, ">=", 0, _margin("degree product")),
    Criterion("L_A", "full", "The same minus common neighbours", AREA, ">=", 0, _margin("common neighbours")),
    Criterion("L_A", "full", "The same minus correlation of fluxes", AREA, "", np.nan,
              _margin("correlation")),
    Criterion("L_A", "full", "The same minus that of positives only", AREA, "", np.nan, _positives),
    Criterion("L_A", "full", "Edges that never were a target", AREA, "", np.nan,
              lambda e: e.area(e.edges(STMAE, graph=HELD_OUT))),
    Criterion("T2", "full", "Full below uniform masks", PERCENT, ">=", 0, _full_below_uniform),
    Criterion("T2", "full", "Uniform masks below the better single mask", PERCENT, ">=", 0,
              _uniform_below_single),
    Criterion("T2", "full", "Worse single mask below the backbone", PERCENT, ">=", 0, _single_below_backbone),
    Criterion("guard", "full", "Sinusoid in a star survives removal", SHARE, ">=", 0.9,
              lambda e: e.removed(NETWORK, "sinusoid")),
    Criterion("guard", "full", "Dips in a star survive removal", SHARE, ">=", 0.9,
              lambda e: e.removed(NETWORK, "dips")),
)  # fmt: skip
"""Card, section 4.4, criterion by criterion."""


def criteria(profile: str) -> Markdown:
    """Every criterion with our value, its 95 % interval and a verdict."""
    table = criterion_table(profile)
    values = [
        "" if np.isnan(value) else f"{value:.3g} [{low:.3g}, {high:.3g}]"
        for value, low, high in table[["value", "low", "high"]].to_numpy(float)
    ]
    shown = ["paper", "column", "criterion", "value", "threshold", "verdict", "reason", "n_seeds", "source"]
    reading = table.assign(value=values)[shown]
    tables.save_table(table, paths.figures(profile), "dual_criteria", reading=reading)
    return Markdown(tables.markdown(reading))


def criteria_figure(profile: str) -> Figure:
    """The same as a picture."""
    table = criterion_table(profile)
    figure = verdicts.criteria_sheet(table, AXES)
    return results.save_figure(profile, "dual_criteria", figure, Evidence(profile).source)


def criterion_table(profile: str) -> pd.DataFrame:
    """A row for each criterion.

    Returns
    -------
    DataFrame
        Columns `paper` (table, term of the loss, or guard), `column` ("full" or "demo"), `criterion`,
        `value`, `low`, `high`, `unit`, `threshold` (words), `limit`, `verdict` ("met", "not met",
        "undecided", "reported", "not measured"), `reason` (for the last, why), `n_seeds` (0 if not measured)
        and `source`.
    """
    evidence, rows = Evidence(profile), []
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
                "reason": found.remark,
                "n_seeds": found.n_seeds,
                "source": evidence.source,
            }
        )
    return pd.DataFrame(rows)
