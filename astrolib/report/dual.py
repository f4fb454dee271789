"""Every figure of dual masking on stars (STMAE, arXiv:2309.15169), from numbers on disk.

Each function takes the name of a profile, reads what `astrolib.papers.dual_results` kept there, saves a
picture under `astrolib.paths.figures(profile)`, and returns it for the notebook.

    python -m astrolib.report.dual --profile demo

draws all figures and tables again without any training.
"""

import sys
from collections.abc import Callable, Sequence

import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from astrolib.report import detector_figures as draw
from astrolib.report import dual_criteria, dual_tables, results
from astrolib.report.dual_evidence import (
    BACKBONES,
    LONG,
    PERSISTENCE,
    RIDGE,
    RIDGE_GRAPH,
    SCRATCH,
    STMAE,
    Evidence,
    by_seed,
)


def detector(profile: str) -> Figure:
    """Stars on the focal plane with their graph, and some light curves with what they are made of."""
    kept = results.load_arrays(profile, "dual_detector")
    curves = {name: kept[name] for name in ("flux", "systematics", "intrinsic", "observed")}
    where = (kept[name] for name in ("position", "kind", "graph", "shown", "time"))
    return results.save_figure(profile, "dual_detector", draw.detector_sheet(*where, curves), kept["source"])


def masks(profile: str) -> Figure:
    """Hidden edges on the graph, and hidden patches of time in each mode."""
    kept = results.load_arrays(profile, "dual_masks")
    edges = {name: kept[name] for name in ("walks", "uniform")}
    times = {name: kept[name] for name in ("shared", "per_sample", "per_node")}
    figure = draw.mask_sheet(kept["position"], kept["graph"], edges, times)
    return results.save_figure(profile, "dual_masks", figure, kept["source"])


def forecasts(profile: str) -> Figure:
    """Some forecasts of AGCRN, and the error against the number of steps ahead."""
    kept, known = results.load_arrays(profile, "dual_forecasts"), Evidence(profile)
    shown = {str(name): kept[f"forecast_{k}"] for k, name in enumerate(kept["trainings"])}
    arms = {training: known.arm("AGCRN", training) for training in (SCRATCH, LONG, STMAE)}
    arms |= {method: known.baseline(method) for method in (PERSISTENCE, RIDGE, RIDGE_GRAPH)}
    steps = range(1, kept["y"].shape[1] + 1)
    errors = {
        name: pd.DataFrame({step: by_seed(arm, "abs", step) for step in steps}) for name, arm in arms.items()
    }
    figure = draw.forecast_sheet(kept["x"], kept["y"], shown, errors)
    return results.save_figure(profile, "dual_forecast", figure, kept["source"])


def table_1(profile: str) -> Figure:
    """Table 1 as a picture: mean errors, and what pre-training gains."""
    table, known = dual_tables.table_1_rows(profile), Evidence(profile)
    means = table[table["step"] == "mean"]
    gains = []
    for backbone in BACKBONES:
        found = known.gain(known.arm(backbone), known.arm(backbone, LONG))
        paper = means[means["backbone"] == backbone].set_index("training").filter(regex="paper_.*_mae")
        published = (100 * (1 - paper.loc[STMAE] / paper.loc[LONG])).dropna().to_numpy(float)
        gains.append({"backbone": backbone, "gain": found.value, "low": found.low, "high": found.high,
                      "paper": published})  # fmt: skip
    lines = {method: means.loc[means["training"] == method, "mae"].iloc[0] for method in (RIDGE, RIDGE_GRAPH)}
    trained = means[means["training"].isin((SCRATCH, LONG, STMAE))]
    figure = draw.gain_sheet(trained, pd.DataFrame(gains), lines)
    return results.save_figure(profile, "dual_table1", figure, known.source)


def systematics(profile: str) -> Figure:
    """A light curve without its systematics, and how much is left of what, by method."""
    kept, known = results.load_arrays(profile, "dual_removal_example"), Evidence(profile)
    names = kept["names"].tolist()
    words = {
        "systematics": "rms error of the systematics\nover their scatter",
        "sinusoid": "share kept of\na sinusoid",
        "dips": "share kept of\ndips",
    }
    measures = {
        label: pd.DataFrame([known.removed(name, measure)._asdict() for name in names])
        for measure, label in words.items()
    }
    figure = draw.removal_sheet(kept, names, measures)
    return results.save_figure(profile, "dual_systematics", figure, kept["source"])


FIGURES: dict[str, Callable[[str], Figure]] = {
    "dual_detector": detector,
    "dual_masks": masks,
    "dual_forecast": forecasts,
    "dual_table1": table_1,
    "dual_systematics": systematics,
    "dual_criteria": dual_criteria.criteria_figure,
}
"""File name, without its ending, to the function that draws it."""
TABLES: dict[str, Callable[[str], Markdown]] = {**dual_tables.TABLES, "dual_criteria": dual_criteria.criteria}
"""The same for tables."""


def redraw(profile: str) -> list[str]:
    """Draw every figure and table again from numbers on disk; returns their names."""
    made: dict[str, Callable[[str], object]] = {f"{name}.png": figure for name, figure in FIGURES.items()}
    made |= {f"{name}.csv": table for name, table in TABLES.items()}
    for make in made.values():
        make(profile)
    return sorted(made)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    return results.redraw_command("astrolib.report.dual", __doc__.split("\n")[0], redraw, arguments)


if __name__ == "__main__":
    sys.exit(main())
