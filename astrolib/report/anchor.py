"""Every figure of A2-MAE on simulated image sets (arXiv:2406.08079), from numbers on disk.

Each function takes the name of a profile, reads what `astrolib.papers.anchor_results` kept there, saves a
picture under `astrolib.paths.figures(profile)`, and returns it for the notebook.

    python -m astrolib.report.anchor --profile demo

draws all figures and tables again without any training.
"""

import sys
from collections.abc import Callable, Sequence

import numpy as np
from IPython.display import Markdown
from matplotlib.figure import Figure

from astrolib.report import anchor_criteria, anchor_figures, anchor_tables, results
from astrolib.report.anchor_criteria import DIFFERENCE, MEAN, REGRESSION
from astrolib.report.anchor_scores import Evidence

SOFTENING = 3.0
"""Pictures are drawn in asinh(flux / 3 sigma), which is what the networks see."""
PANELS = {
    "error other surveys": "masked error of the\nother surveys [asinh$^2$]",
    "accuracy nearby": "classes nearby, balanced\naccuracy [%]",
    "segmentation F1": "segmentation,\nF1 of pixels [%]",
    "changes F1, patches": "changes,\nF1 of patches [%]",
}


def sets(profile: str) -> Figure:
    """Sets as the surveys see them, the transients circled."""
    shown = results.load_arrays(profile, "anchor_sets")
    figure = anchor_figures.sets_sheet(
        np.arcsinh(shown["images"] / SOFTENING),
        shown["changed"],
        shown["slots"].tolist(),
        shown["fields"],
        shown["label"].tolist(),
        int(shown["epochs"][1]),
    )
    return results.save_figure(profile, "anchor_sets", figure, shown["source"])


def masks(profile: str) -> Figure:
    """What each mode shows of one set."""
    shown = results.load_arrays(profile, "anchor_masks")
    images = np.arcsinh(shown["images"] / SOFTENING)
    figure = anchor_figures.masks_sheet(
        images, shown["hidden"], shown["modes"].tolist(), shown["slots"].tolist()
    )
    return results.save_figure(profile, "anchor_masks", figure, shown["source"])


def reconstruction(profile: str) -> Figure:
    """Hidden patches and a missing survey, filled in."""
    shown = results.load_arrays(profile, "anchor_reconstruction")
    cases = [
        (str(words), shown[f"hidden_{k}"], shown[f"found_{k}"]) for k, words in enumerate(shown["settings"])
    ]
    figure = anchor_figures.filling_sheet(shown["images"], cases, shown["slots"].tolist())
    return results.save_figure(profile, "anchor_reconstruction", figure, shown["source"])


def sky(profile: str) -> Figure:
    """The dust on the sky, and what features know of it nearby and on sky that was held out."""
    evidence, table = Evidence(profile), results.load(profile, "anchor_sky")
    variants = {"place and scale": "with place", "no place": "without place"}
    shown = []
    for variant, words in variants.items():
        arm = evidence.arm("encodings", variant)
        shown.append((words, arm[arm["seed"] == arm["seed"].min()]))
    shown.append(("nearest on the sky", evidence.arm("baseline", anchor_criteria.NEIGHBOURS)))
    figure = anchor_figures.sky_sheet(table, shown)
    return results.save_figure(profile, "anchor_sky", figure, evidence.source)


def modes(profile: str) -> Figure:
    """Scores of every way to hide tokens."""
    return _scores(profile, "modes", "anchor_modes")


def encodings(profile: str) -> Figure:
    """Scores of what tokens are told of place and scale."""
    return _scores(profile, "encodings", "anchor_encodings")


def changes(profile: str) -> Figure:
    """What changed between two dates."""
    shown = results.load_arrays(profile, "anchor_changes")
    pair = (np.arcsinh(shown[name] / SOFTENING) for name in ("first", "second"))
    figure = anchor_figures.changes_sheet(*pair, shown["difference"], shown["patches"], shown["tokens"])
    return results.save_figure(profile, "anchor_changes", figure, shown["source"])


FIGURES: dict[str, Callable[[str], Figure]] = {
    "anchor_sets": sets,
    "anchor_masks": masks,
    "anchor_reconstruction": reconstruction,
    "anchor_sky": sky,
    "anchor_modes": modes,
    "anchor_encodings": encodings,
    "anchor_changes": changes,
    "anchor_criteria": anchor_criteria.criteria_figure,
}
"""File name, without its ending, to the function that draws it."""
TABLES: dict[str, Callable[[str], Markdown]] = {
    **anchor_tables.TABLES,
    "anchor_criteria": anchor_criteria.criteria,
}
"""The same for tables."""


def redraw(profile: str) -> list[str]:
    """Draw every figure and table again from numbers on disk; returns their names."""
    made: dict[str, Callable[[str], object]] = {f"{name}.png": draw for name, draw in FIGURES.items()}
    made |= {f"{name}.csv": make for name, make in TABLES.items()}
    for make in made.values():
        make(profile)
    return sorted(made)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    return results.redraw_command("astrolib.report.anchor", __doc__.split("\n")[0], redraw, arguments)


def _scores(profile: str, part: str, name: str) -> Figure:
    evidence = Evidence(profile)
    table, rival = evidence.scores(part), evidence.scores("baseline").set_index("variant")
    if part == "modes":
        order = [v for v in anchor_tables.MODE_ORDER if v in set(table["variant"])]
        table = table.set_index("variant").loc[order].reset_index()
    lines = {
        "error other surveys": {
            words: rival.loc[words, "error other surveys"] for words in (MEAN, REGRESSION)
        },
        "changes F1, patches": {DIFFERENCE: rival.loc[DIFFERENCE, "changes F1, patches"]},
    }
    figure = anchor_figures.scores_sheet(table, PANELS, lines)
    return results.save_figure(profile, name, figure, evidence.source)


if __name__ == "__main__":
    sys.exit(main())
