"""Every figure of R-MAE on galaxies (arXiv:2406.07833), from numbers on disk.

Each function takes the name of a profile, reads what `astrolib.papers.radial_results` kept there, saves a
picture under `astrolib.paths.figures(profile)`, and returns it for the notebook.

    python -m astrolib.report.radial --profile demo

draws all figures and tables again without any training.
"""

import sys
from collections.abc import Callable, Sequence

from matplotlib.figure import Figure

from astrolib.report import radial_criteria, radial_pictures, radial_scores, radial_tables, results


def masks(profile: str) -> Figure:
    """One galaxy under every mask, with the visible fraction as measured."""
    shown = results.load_arrays(profile, "radial_masks")
    source, names = shown.pop("source"), shown.pop("names").tolist()
    return results.save_figure(
        profile, "radial_masks", radial_pictures.mask_sheet(names=names, **shown), source
    )


def reconstruction(profile: str) -> Figure:
    """A few galaxies, what is seen of them, and what is made of the rest."""
    shown = results.load_arrays(profile, "radial_guesses")
    source = shown.pop("source")
    return results.save_figure(profile, "radial_reconstruction", radial_pictures.guess_sheet(**shown), source)


def filling(profile: str) -> Figure:
    """Learned guesses of hidden pixels beside fills that have not learned."""
    table = radial_scores.filling_table(profile)
    table = table[table["masking"] == radial_scores.BOTH]
    figure = radial_pictures.filling_bars(table, radial_scores.UNLEARNED)
    return results.save_figure(profile, "radial_filling", figure, table["source"].iloc[0])


def sense_less(profile: str) -> Figure:
    """Accuracy and error against the fraction of a galaxy that is looked at."""
    table = radial_scores.observed_table(profile)
    return results.save_figure(
        profile, "radial_sense_less", radial_pictures.sense_less(table), table["source"].iloc[0]
    )


def masking(profile: str) -> Figure:
    """What each masking and each loss is worth."""
    table = radial_scores.masking_table(profile)
    return results.save_figure(
        profile, "radial_masking", radial_pictures.masking_bars(table), table["source"].iloc[0]
    )


FIGURES: dict[str, Callable[[str], Figure]] = {
    "radial_masks": masks,
    "radial_reconstruction": reconstruction,
    "radial_filling": filling,
    "radial_sense_less": sense_less,
    "radial_masking": masking,
    "radial_criteria": radial_criteria.criteria_figure,
}
"""File name, without its ending, to the function that draws it."""
TABLES = {**radial_tables.TABLES, "radial_criteria": radial_criteria.criteria}
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
    return results.redraw_command("astrolib.report.radial", __doc__.split("\n")[0], redraw, arguments)


if __name__ == "__main__":
    sys.exit(main())
