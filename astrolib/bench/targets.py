"""What was promised, and what was measured: met, not met, or not measured on such a machine."""

from dataclasses import dataclass

import pandas as pd

from astrolib.bench.stage import LIBRARY

SURVEY = 659_857
"""Galaxies of the follow-up paper's inference (AstroMAE card, section 12)."""
NOT_MEASURED = "not measured on such a machine at the paper's sizes"


@dataclass(frozen=True)
class Target:
    """A promise.

    `machine` is what it was made for: "H200", or "2 CPU cores". `column` is the quantity of the stage's
    fastest row of the library: its rate, its gain over the plain loop, or the seconds for `SURVEY` galaxies.
    """

    stage: str
    column: str
    asked: float
    machine: str

    @property
    def words(self) -> str:
        """For reading."""
        return {
            "objects_per_second": f"at least {self.asked:,.0f} galaxies a second",
            "times_first": f"at least {self.asked:g} times the plain loop",
            "seconds": f"{SURVEY:,} galaxies from disk to disk in {self.asked:g} s or less",
        }[self.column]

    def is_met(self, value: float) -> bool:
        return value <= self.asked if self.column == "seconds" else value >= self.asked

    def is_for(self, rows: pd.DataFrame) -> pd.Series:
        """Which rows were measured on such a machine."""
        if self.machine == "2 CPU cores":
            return (rows["device"] == "cpu") & (rows["threads"] == 2)
        return rows["machine"].str.contains(self.machine, regex=False)


TARGETS = (
    Target("pretraining", "objects_per_second", 200_000, "H200"),
    Target("pretraining", "times_first", 10, "H200"),
    Target("inference", "seconds", 5, "H200"),
    Target("AstroM3 CLIP pretraining", "times_first", 20, "H200"),
    Target("pretraining", "times_first", 3, "2 CPU cores"),
    Target("AstroM3 CLIP pretraining", "times_first", 3, "2 CPU cores"),
)
"""Of one H200 at the paper's sizes, and of two cores."""


def judged(throughput: pd.DataFrame) -> pd.DataFrame:
    """Every target beside what was measured for it.

    Parameters
    ----------
    throughput : DataFrame
        Rows as `keep` has them, of any machines.

    Returns
    -------
    DataFrame
        A row for each target and machine of its kind, or one that says that there is none: `stage`,
        `target`, `for`, `machine`, `way`, `precision`, `asked`, `measured`, `verdict`, `short_of` (asked over
        measured, or the other way round for seconds: above 1 is missed by this factor), `floor` (the same
        quantity if all of the machine's measured rates were used), `notes`, `run`, `busy`, `source`,
        `n_seeds`. Only measurements with the networks of profile "paper" count. What was not measured says in
        `notes` what it would ask of a machine.
    """
    rows = []
    for target in TARGETS:
        about = {"stage": target.stage, "target": target.words, "for": target.machine, "asked": target.asked}
        found = _rows_for(target, throughput) if len(throughput) else throughput
        for machine in found["machine"].unique() if len(found) else ():
            rows.append(about | _verdict(target, found[found["machine"] == machine]))
        if found.empty:
            unmeasured = {"verdict": NOT_MEASURED, "source": "not measured", "n_seeds": 0}
            rows.append(about | unmeasured | {"notes": _demand(target, throughput)})
    columns = ["stage", "target", "for", "machine", "way", "precision", "asked", "measured", "verdict"]
    columns += ["short_of", "floor", "notes", "run", "busy", "source", "n_seeds"]
    return pd.DataFrame(rows).reindex(columns=columns)


def _demand(target: Target, throughput: pd.DataFrame) -> str:
    """What a rate asks of a machine that nobody has measured, by the operations counted on another one."""
    rates = {"objects_per_second": target.asked, "seconds": SURVEY / target.asked}
    if target.column not in rates or not len(throughput):
        return ""
    counted = throughput[(throughput["stage"] == target.stage) & (throughput["profile"] == "paper")]
    if counted.empty:
        return ""
    each = (counted["gigaoperations_per_step"] / counted["batch_size"]).iloc[-1]  # 1e9 operations
    demand = f"{each * rates[target.column] / 1000:.0f} TFLOP/s of the network"
    return f"it asks for {demand}: {each:.3g} GFLOP each, counted on {counted['machine'].iloc[-1]}"


def _rows_for(target: Target, throughput: pd.DataFrame) -> pd.DataFrame:
    """Of the library, at the paper's sizes, on such a machine; of each machine only the latest run."""
    ours = throughput["way"].str.startswith(LIBRARY) & (throughput["stage"] == target.stage)
    found = throughput[ours & (throughput["profile"] == "paper") & target.is_for(throughput)]
    return found[found["run"] == found.groupby("machine")["run"].transform("max")]


def _verdict(target: Target, candidates: pd.DataFrame) -> dict[str, object]:
    """Of one machine and one run: the fastest of the library's rows."""
    best = candidates.loc[candidates["objects_per_second"].idxmax()]
    seconds = target.column == "seconds"
    value = SURVEY / best["objects_per_second"] if seconds else best[target.column]
    possible = best["floor_per_second"] / best["objects_per_second"]  # times as fast
    share = best[["share_of_float32", "share_of_bfloat16"]].min()  # of the higher of the two rates
    notes = (
        f"{share:.0%} of the machine's matrix rate; {best['floor_is']} would allow {possible:.1f} times this"
    )
    return {
        "machine": best["machine"],
        "way": best["way"],
        "precision": best["precision"],
        "measured": value,
        "verdict": "met" if target.is_met(value) else "not met",
        "short_of": value / target.asked if seconds else target.asked / value,
        "floor": value / possible if seconds else value * possible,
        "notes": notes,
        **{name: best[name] for name in ("run", "busy", "source", "n_seeds")},
    }
