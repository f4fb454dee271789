"""Every figure of Barlow Twins on galaxies (arXiv:2103.03230), from numbers on disk.

Each function takes the name of a profile, reads what `astrolib.papers.barlow_results` and
`astrolib.papers.barlow_ablations` kept there, saves a picture under `astrolib.paths.figures(profile)`, and
returns it for the notebook.

    python -m astrolib.report.barlow --profile demo

draws all figures and tables again without any training.
"""

import sys
from collections.abc import Callable, Sequence

from IPython.display import Markdown
from matplotlib.figure import Figure

from astrolib.report import ablations, barlow_criteria, barlow_tables, representation, results, views
from astrolib.report import barlow_scores as scores

# ---------------------------------------------------------------- images and views


def examples(profile: str) -> Figure:
    """A few test images of each class."""
    shown = results.load_arrays(profile, "barlow_examples")
    figure = views.examples(shown["image"], shown["label"], shown["class_names"].tolist())
    return results.save_figure(profile, "barlow_examples", figure, shown["source"])


def augmentations(profile: str) -> Figure:
    """One galaxy, an augmentation a row, ten draws each."""
    shown = results.load_arrays(profile, "barlow_views")
    figure = views.augmentation_sheet(
        shown["original"], shown["steps"].tolist(), shown["draws"], shown["texts"]
    )
    return results.save_figure(profile, "barlow_augmentations", figure, shown["source"])


def pairs(profile: str) -> Figure:
    """Pairs of views as the network sees them, with what was drawn for each."""
    shown = results.load_arrays(profile, "barlow_pairs")
    figure = views.view_pairs(shown["a"], shown["b"], shown["texts_a"].tolist(), shown["texts_b"].tolist())
    return results.save_figure(profile, "barlow_pairs", figure, shown["source"])


# ---------------------------------------------------------------- training and embeddings


def training(profile: str) -> Figure:
    """Both terms of the loss over the epochs."""
    history = results.load(profile, "barlow_history")
    figure = representation.training_curves(history)
    return results.save_figure(profile, "barlow_training", figure, history["source"].iloc[0])


def rank(profile: str) -> Figure:
    """Effective rank of embeddings and features over the epochs."""
    history = results.load(profile, "barlow_history")
    figure = representation.rank_over_training(history)
    return results.save_figure(profile, "barlow_rank", figure, history["source"].iloc[0])


def correlation(profile: str) -> Figure:
    """Cross-correlation matrix before and after training."""
    shown = results.load_arrays(profile, "barlow_correlation")
    figure = representation.correlation_pair(shown["before"], shown["after"])
    return results.save_figure(profile, "barlow_correlation", figure, shown["source"])


def spectrum(profile: str) -> Figure:
    """Singular values of the features: over the training of the first seed, and of the test images."""
    curves = results.load_arrays(profile, "barlow_spectrum")
    source = curves.pop("source")
    words = {"before": "untrained, resnet", "after": "Barlow Twins, resnet"}
    history = results.load(profile, "barlow_history")
    history = history[(history["encoder"] == "resnet") & (history["seed"] == history["seed"].iloc[0])]
    curves = {words.get(name, name): values for name, values in curves.items()}
    figure = representation.spectrum(curves, history.dropna(axis=1))
    return results.save_figure(profile, "barlow_spectrum", figure, source)


def embedding_map(profile: str) -> Figure:
    """The test images on a map of their features, by class and by other quantities."""
    table = results.load(profile, "barlow_map")
    quantities = [name for name in table if name not in ("x", "y", "label", "source")]
    figure = representation.embedding_map(
        table[["x", "y"]].to_numpy(),
        table["label"].to_numpy(),
        scores.class_names(profile),
        {name: table[name].to_numpy() for name in quantities},
    )
    return results.save_figure(profile, "barlow_map", figure, table["source"].iloc[0])


def neighbours(profile: str) -> Figure:
    """Nearest neighbours of a few test images in the space of features."""
    shown = results.load_arrays(profile, "barlow_neighbours")
    figure = views.neighbours(
        shown["query"],
        shown["hits"],
        shown["query_label"],
        shown["hit_label"],
        shown["class_names"].tolist(),
        str(shown["method"]),
    )
    return results.save_figure(profile, "barlow_neighbours", figure, shown["source"])


# ---------------------------------------------------------------- ablations


def table_5(profile: str) -> Figure:
    """Table 5 as a picture: the terms of the loss."""
    return _variants(profile, "table5")


def table_6(profile: str) -> Figure:
    """Table 6 as a picture: stop-gradient and predictor."""
    return _variants(profile, "table6")


def figure_2(profile: str) -> Figure:
    """Accuracy against batch size, SimCLR beside Barlow Twins."""
    return _points(profile, "fig2", "batch size")


def figure_3(profile: str) -> Figure:
    """Change of accuracy as augmentations are left out."""
    table = scores.ladder_table(profile)
    figure = ablations.ladder(table, scores.reference_ladder())
    return results.save_figure(profile, "barlow_fig3", figure, table["source"].iloc[0])


def figure_4(profile: str) -> Figure:
    """Accuracy against the width of the embedding, for two ways to choose lambda."""
    return _points(profile, "fig4", "width D of the embedding")


def figure_5(profile: str) -> Figure:
    """Accuracy against lambda."""
    return _points(profile, "fig5", r"weight $\lambda$ of the second term")


def recipe(profile: str) -> Figure:
    """Optimiser, length of training and unlabelled images: not in the paper."""
    table = scores.ablation_table(profile, "recipe")
    figure = ablations.bars_with_paper(table.assign(row=table["variant"], paper_top1=float("nan")))
    return results.save_figure(profile, "barlow_recipe", figure, table["source"].iloc[0])


FIGURES: dict[str, Callable[[str], Figure]] = {
    "barlow_examples": examples,
    "barlow_augmentations": augmentations,
    "barlow_pairs": pairs,
    "barlow_training": training,
    "barlow_rank": rank,
    "barlow_correlation": correlation,
    "barlow_spectrum": spectrum,
    "barlow_map": embedding_map,
    "barlow_neighbours": neighbours,
    "barlow_table5": table_5,
    "barlow_table6": table_6,
    "barlow_fig2": figure_2,
    "barlow_fig3": figure_3,
    "barlow_fig4": figure_4,
    "barlow_fig5": figure_5,
    "barlow_recipe": recipe,
    "barlow_criteria": barlow_criteria.criteria_figure,
}
"""File name, without its ending, to the function that draws it."""
TABLES: dict[str, Callable[[str], Markdown]] = {
    **barlow_tables.TABLES,
    "barlow_criteria": barlow_criteria.criteria,
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
    return results.redraw_command("astrolib.report.barlow", __doc__.split("\n")[0], redraw, arguments)


# ---------------------------------------------------------------- shared by the figures


def _variants(profile: str, part: str) -> Figure:
    table = scores.variant_table(profile, part)
    rows = table["variant"].map(lambda name: scores.ROWS[part].get(name, name))
    figure = ablations.bars_with_paper(table.assign(row=rows))
    source = table.loc[table["n_seeds"] > 0, "source"].iloc[0]
    return results.save_figure(profile, f"barlow_{part}", figure, source)


def _points(profile: str, part: str, label: str) -> Figure:
    table = scores.ablation_table(profile, part)
    losses = scores.ablation_table(profile, "table5")
    untrained = losses[losses["variant"] == "untrained"].set_index("fraction")["balanced_accuracy"]
    figure = ablations.points_against(table, scores.reference(part), label, untrained=untrained.to_dict())
    return results.save_figure(profile, f"barlow_{part}", figure, table["source"].iloc[0])


if __name__ == "__main__":
    sys.exit(main())
