"""Whether A2-MAE does on simulated image sets what was asked of it beforehand.

Thresholds are those of the masked-autoencoder card, sections 0 and 3.5: a column "full" for real training,
and an easier column "demo". What is flat in a null is our choice: 1 %, 1 point or 0.02 of R2.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from astrolib import paths
from astrolib.report import results, tables, verdicts
from astrolib.report.anchor_scores import ALARM, DEFAULT, ENCODED, PATCH, RANDOM, Evidence
from astrolib.report.barlow_criteria import POINTS, R2, RATIO, Criterion
from astrolib.report.barlow_evidence import Found, NotMeasured

VARIANCE, GAIN = "variance of the pixels", "of the error"
AXES = {
    RATIO: "ratio of errors, 95 % interval (of losses: range of the seeds)",
    POINTS: "difference of F1 or of balanced accuracy [points], 95 % interval",
    R2: r"difference of $R^2$ of $\log E(B-V)$, 95 % interval",
    VARIANCE: "difference of errors [variance of the pixels], 95 % interval",
    GAIN: "share of the masked error that is saved, 95 % interval",
}
"""Units that are drawn, and what an axis says."""
MEAN, REGRESSION, CONSTANT = "visible mean", "resampled regression", "constant"
TYPICAL = "mean training image"
DIFFERENCE, NEIGHBOURS = "difference image", "nearest on the sky"
QUARTERS, MISSING = "a quarter of every image", "all of the other surveys"
FLAT = {GAIN: 0.01, POINTS: 1.0, R2: 0.02}
"""What counts as nothing where the effect is left out."""


def _others(e: Evidence) -> range:
    """Slots besides the anchor's."""
    return range(1, len(e.slots))


def _against(variant: str, kind: str = "error", part: str = "modes", every: bool = False):
    """Masked error of the default over another's, of all images or of those besides the anchor."""

    def measure(e: Evidence) -> Found:
        slots = range(len(e.slots)) if every else _others(e)
        return e.error_ratio(e.arm("modes", DEFAULT), e.arm(part, variant), slots, kind)

    return measure


def _changes(what: str, variant: str, part: str = "modes") -> Callable[[Evidence], Found]:
    return lambda e: e.f1_difference(e.arm("modes", DEFAULT), e.arm(part, variant), what)


def _class(part: str, first: str, second: str, place: str = "") -> Callable[[Evidence], Found]:
    return lambda e: e.accuracy_difference(e.arm(part, first, place), e.arm(part, second, place))


def _dust(part: str, first: str, second: str, place: str, other: str = "") -> Callable[[Evidence], Found]:
    return lambda e: e.r2_difference(e.arm(part, first, place), e.arm(other or part, second, place))


def _fills(visible: str, name: str) -> Callable[[Evidence], Found]:
    """Excess error of the default minus that of the regression, for the images of one survey."""

    def measure(e: Evidence) -> Found:
        slots = [slot for slot, words in enumerate(e.slots) if words.startswith(name)]
        return e.filling_difference(DEFAULT, REGRESSION, visible, slots)

    return measure


def _gain(part: str, first: str, second: str) -> Callable[[Evidence], Found]:
    """How much less the first errs on all images, as a share of the second's error."""

    def measure(e: Evidence) -> Found:
        ratio = e.error_ratio(e.arm(part, first), e.arm(part, second), range(len(e.slots)))
        words = "a loss at equal training, not a leak" if ratio.low > 1 else ""
        return Found(1 - ratio.value, 1 - ratio.high, 1 - ratio.low, ratio.n_seeds, words)

    return measure


def _never(reason: str) -> Callable[[Evidence], Found]:
    def measure(e: Evidence) -> Found:
        raise NotMeasured(reason)

    return measure


SURVEYS = ("Legacy-like", "SDSS-like", "ZTF-like")
CRITERIA = (
    Criterion("mask", "full", "Masked error of the other surveys, anchor / random", RATIO, "<=", 0.97,
              _against(RANDOM)),
    Criterion("mask", "full", "The same on the pixels of the source", RATIO, "<=", 0.97,
              _against(RANDOM, "source")),
    Criterion("mask", "full", "Changes: F1 of patches, anchor - random", POINTS, ">=", 1,
              _changes(PATCH, RANDOM)),
    Criterion("mask", "full", "Changes: F1 of sets, anchor - random", POINTS, ">=", 1,
              _changes(ALARM, RANDOM)),
    Criterion("mask", "full", "Changes: F1 of patches, anchor - difference image", POINTS, "", np.nan,
              _changes(PATCH, DIFFERENCE, "baseline")),
    Criterion("geo", "full", "R2 nearby, with - without place", R2, ">=", 0.05,
              _dust("encodings", ENCODED, "no place", "nearby")),
    Criterion("geo", "full", "Morphology on held-out sky, with - without place", POINTS, ">=", 0,
              _class("encodings", ENCODED, "no place", "held out")),
    Criterion("geo", "full", "R2 on held-out sky, with - without place", R2, "", np.nan,
              _dust("encodings", ENCODED, "no place", "held out")),
    Criterion("geo", "full", "R2 nearby, with place - nearest on the sky", R2, "", np.nan,
              _dust("encodings", ENCODED, NEIGHBOURS, "nearby", "baseline")),
    Criterion("scale", "full", "Drop at twice the pixels - half of that without scale", POINTS, "<=", 0,
              lambda e: e.drop(ENCODED, "no scale")),
    *(Criterion("fill", "full", f"{name} from {words}: excess, ours - regression", VARIANCE, "<", 0,
                _fills(visible, name))
      for visible, words in ((MISSING, "the others"), (QUARTERS, "quarters")) for name in SURVEYS),
    Criterion("fill", "full", "Masked error / mean of the visible pixels", RATIO, "<", 1,
              _against(MEAN, part="baseline", every=True)),
    Criterion("fill", "full", "Masked error / mean training image", RATIO, "<", 1,
              _against(TYPICAL, part="baseline", every=True)),
    Criterion("fill", "full", "Masked error / regression on the other images", RATIO, "<", 1,
              _against(REGRESSION, part="baseline", every=True)),
    Criterion("fill", "full", "Masked error / single-survey autoencoder", RATIO, "<", 1,
              _against("single", every=True)),
    Criterion("probe", "full", "Morphology, anchor - untrained", POINTS, ">", 0,
              _class("modes", DEFAULT, "untrained")),
    Criterion("null", "full", "Other galaxies: gain over a single survey", GAIN, "within", FLAT[GAIN],
              _gain("null objects", ENCODED, "single")),
    Criterion("null", "full", "Dust of another place: R2 nearby, with - without place", R2, "within",
              FLAT[R2], _dust("null reddening", ENCODED, "no place", "nearby")),
    Criterion("null", "full", "Equal pixels: masked error, gain from scale", GAIN, "within", FLAT[GAIN],
              _gain("null scale", ENCODED, "no scale")),
    Criterion("null", "full", "Equal pixels: morphology, with - without scale", POINTS, "within",
              FLAT[POINTS], _class("null scale", ENCODED, "no scale")),
    Criterion("real", "full", "The same on real image sets", "", "", np.nan,
              _never("needs matched cutouts of several surveys, which this compendium does not fetch")),
    Criterion("loss", "demo", "Training loss, last epoch / first", RATIO, "<=", 0.8,
              lambda e: e.loss_ratio("modes", DEFAULT)),
    Criterion("fill", "demo", "Masked error / a constant", RATIO, "<", 1,
              _against(CONSTANT, part="baseline", every=True)),
)  # fmt: skip
"""Card, section 3.5, and what section 0 asks of the demo."""


def criteria(profile: str) -> Markdown:
    """Every criterion with our value, its 95 % interval and a verdict."""
    table = criterion_table(profile)
    shown = ["column", "criterion", "value", "threshold", "verdict", "reason", "n_seeds", "source"]
    values = [
        "" if np.isnan(value) else f"{value:.3g} [{low:.3g}, {high:.3g}]"
        for value, low, high in table[["value", "low", "high"]].to_numpy(float)
    ]
    reading = table.assign(value=values)[shown]
    tables.save_table(table, paths.figures(profile), "anchor_criteria", reading=reading)
    return Markdown(tables.markdown(reading))


def criteria_figure(profile: str) -> Figure:
    """The same as a picture."""
    table = criterion_table(profile)
    source = table["source"].iloc[0]
    return results.save_figure(profile, "anchor_criteria", verdicts.criteria_sheet(table, AXES), source)


def criterion_table(profile: str) -> pd.DataFrame:
    """A row for each criterion.

    Returns
    -------
    DataFrame
        Columns paper (what it is about), column ("full" or "demo"), criterion, value, low, high, unit,
        threshold (words), limit, verdict ("met", "not met", "undecided" where the interval holds the
        threshold, "reported" without a threshold, "not measured"), reason (for the last, why), n_seeds (0 if
        not measured) and source.
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
                "source": evidence.source + (", nulls" if criterion.paper == "null" else ""),
            }
        )
    return pd.DataFrame(rows)
