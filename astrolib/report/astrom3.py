"""Every figure of AstroM3 (doi 10.3847/1538-3881/adcbad), from numbers on disk.

Each function takes the name of a profile, reads what `astrolib.papers.astrom3` kept there, saves a picture
under `astrolib.paths.figures(profile)`, and returns it for the notebook. `which` names the survey: "astrom3"
is the profile's main one, "astrom3_eros1" the second; file names begin with it.

    python -m astrolib.report.astrom3 --profile demo

draws all figures and tables again without any training.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from astrolib import profiles
from astrolib.report import astrom3_scores as scores
from astrolib.report import astrom3_tables as tables
from astrolib.report import classification, embedding_maps, multimodal_diagram, results, stars
from astrolib.report.astrom3_scores import source
from astrolib.report.style import NO_DATA

# ---------------------------------------------------------------- the stars


def overview(profile: str) -> Figure:
    """Figure 1: encoders, projections, similarity matrices, summed loss."""
    return results.save_figure(profile, "astrom3_overview", multimodal_diagram.overview(), NO_DATA)


def light_curves(profile: str, which: str = "astrom3") -> Figure:
    """Folded light curves of a few stars of each class."""
    shown = results.load_arrays(profile, f"{which}_examples")
    figure = stars.light_curves(
        _curves(shown, "phase"),
        _curves(shown, "flux"),
        shown["label"],
        scores.class_names(profile, which),
        error=_curves(shown, "flux_error"),
        period=shown.get("period"),
        bands=shown["bands"].tolist(),
    )
    return results.save_figure(profile, f"{which}_light_curves", figure, shown["source"])


def spectra(profile: str, which: str = "astrom3") -> Figure:
    """A spectrum of each class."""
    shown = results.load_arrays(profile, f"{which}_examples")
    figure = stars.spectra(
        shown["wavelength"], shown["spectrum"], shown["label"], scores.class_names(profile, which)
    )
    return results.save_figure(profile, f"{which}_spectra", figure, shown["source"])


def dmdt(profile: str, which: str = "astrom3") -> Figure | Markdown:
    """A dm/dt image of each class, where the survey has them."""
    shown = results.load_arrays(profile, f"{which}_examples")
    if "dmdt" not in shown:
        return Markdown(f"The stars of the profile `{profile}` have no dm/dt images; those of `sample` do.")
    figure = stars.dmdt_images(shown["dmdt"], shown["label"], scores.class_names(profile, which))
    return results.save_figure(profile, f"{which}_dmdt", figure, shown["source"])


def metadata(profile: str, which: str = "astrom3") -> Figure | Markdown:
    """Stars in planes of their metadata."""
    table = results.load(profile, f"{which}_stars")
    if not stars.planes_of(table):
        return Markdown(f"`{which}_stars` of the profile `{profile}` keeps no metadata that could be drawn.")
    figure = stars.metadata_planes(table, scores.class_names(profile, which))
    return results.save_figure(profile, f"{which}_metadata", figure, table["source"].iloc[0])


# ---------------------------------------------------------------- pretraining and classification


def pretraining(profile: str, which: str = "astrom3") -> Figure:
    """Loss, in-batch accuracy and learnt scales over the epochs."""
    history = results.load(profile, f"{which}_pretraining")
    batch = profiles.load(profile).astrom3.pretraining.batch_size
    figure = classification.pretraining(history, batch)
    return results.save_figure(profile, f"{which}_pretraining", figure, source(profile, which))


def table_aj(profile: str, which: str = "astrom3") -> Figure:
    """Accuracy against the share of labels, ours and the paper's."""
    figure = classification.accuracy_by_fraction(scores.aj_table(profile, which))
    return results.save_figure(profile, f"{which}_table_aj", figure, source(profile, which))


def gain(profile: str, which: str = "astrom3") -> Figure:
    """What CLIP adds."""
    figure = classification.gains(scores.gain_table(profile, which))
    return results.save_figure(profile, f"{which}_gain", figure, source(profile, which))


def importance(profile: str, which: str = "astrom3") -> Figure:
    """Accuracy of each class with each combination of modalities."""
    figure = classification.importance(scores.importance_table(profile, which))
    return results.save_figure(profile, f"{which}_importance", figure, source(profile, which))


def confusion(profile: str, which: str = "astrom3", modality: str = "all") -> Figure:
    """Confusion with half of the labels, after CLIP, first seed."""
    counts, names, fraction, seed = scores.confusion_counts(profile, which, modality)
    title = f"{modality}, {fraction:.0%} of the labels, CLIP, test stars of seed {seed}"
    figure = classification.confusion(counts, names, title)
    return results.save_figure(profile, f"{which}_confusion_{modality}", figure, source(profile, which))


# ---------------------------------------------------------------- embeddings


def umap(profile: str, which: str = "astrom3", modality: str = "all") -> Figure:
    """Map of the embeddings of one modality, or of their mean."""
    xy = results.load_arrays(profile, f"{which}_maps")[modality]
    names = scores.class_names(profile, which)
    label = pd.Categorical(results.load(profile, f"{which}_stars")["class"], names).codes
    figure = embedding_maps.class_map(xy, label, names, f"embeddings: {modality}")
    return results.save_figure(profile, f"{which}_umap_{modality}", figure, source(profile, which))


def similarity(profile: str, query: str = "photometry", which: str = "astrom3", number: int = 0) -> Figure:
    """Stars like one star, in every modality."""
    shown = results.load_arrays(profile, f"{which}_queries")
    targets = [name for name in scores.modalities(profile, which) if f"hits {query}>{name}" in shown]
    targets.sort(key=lambda name: name != query)  # within the modality first
    figure = embedding_maps.similarity_sheet(
        query,
        int(shown["query_row"][number]),
        {name: shown[f"hits {query}>{name}"][number] for name in targets},
        {name: shown[f"similarity {query}>{name}"][number] for name in targets},
        _pictures(shown),
    )
    return results.save_figure(profile, f"{which}_similarity_{query}", figure, shown["source"])


def retrieval(profile: str, which: str = "astrom3") -> Figure:
    """Scores of similarity search beside chance."""
    figure = embedding_maps.retrieval(results.load(profile, f"{which}_retrieval"))
    return results.save_figure(profile, f"{which}_retrieval", figure, source(profile, which))


def outliers(profile: str, which: str = "astrom3") -> Figure:
    """Distances from the own class, and candidates that can be drawn."""
    table = results.load(profile, f"{which}_outliers")
    names = [name for name in (*scores.modalities(profile, which), "all") if f"distance {name}" in table]
    distance = {name: table[f"distance {name}"].to_numpy() for name in names}
    flagged = {name: table[f"flagged {name}"].to_numpy(bool) for name in names}
    gallery, pictures = _candidates(profile, which, table)
    figure = embedding_maps.outliers(distance, flagged, gallery, pictures)
    return results.save_figure(profile, f"{which}_outliers", figure, source(profile, which))


def subclasses(profile: str, which: str = "astrom3") -> Figure:
    """Classes found within a class, and what is known of them."""
    table = results.load(profile, f"{which}_subclasses")
    found = scores.separating_table(profile, which)
    planes = {group: tuple(rows["column"].head(2)) for group, rows in found.groupby("group", sort=False)}
    if set(COLOURS) <= set(table.columns):
        planes = dict.fromkeys(planes, COLOURS)
    figure = embedding_maps.subclasses(table[table["cluster"] >= 0], planes)
    return results.save_figure(profile, f"{which}_subclasses", figure, source(profile, which))


COLOURS = ("bp_rp", "j_k")
"""Plane beside the maps of subclasses; where a survey lacks these, the two columns that differ most."""
MODALITIES = ("photometry", "spectra", "metadata")
"""Those that the main survey of every profile has."""
FIGURES: dict[str, Callable[[str], Figure | Markdown]] = {
    "astrom3_overview": overview,
    "astrom3_light_curves": light_curves,
    "astrom3_spectra": spectra,
    "astrom3_metadata": metadata,
    "astrom3_pretraining": pretraining,
    "astrom3_table_aj": table_aj,
    "astrom3_gain": gain,
    "astrom3_importance": importance,
    **{f"astrom3_confusion_{name}": partial(confusion, modality=name) for name in (*MODALITIES, "all")},
    **{f"astrom3_umap_{name}": partial(umap, modality=name) for name in (*MODALITIES, "all")},
    **{f"astrom3_similarity_{name}": partial(similarity, query=name) for name in MODALITIES},
    "astrom3_retrieval": retrieval,
    "astrom3_outliers": outliers,
    "astrom3_subclasses": subclasses,
}
"""File name, without its ending, to the function that draws it for the main survey of every profile."""
SECOND = "astrom3_eros1"
"""What the results of a second survey begin with."""
SECOND_FIGURES = (light_curves, pretraining, table_aj, gain, importance, retrieval)
"""Those that are drawn for a second survey too, beside confusion and maps of each modality."""


def more_figures(profile: str) -> dict[str, Callable[[str], Figure | Markdown]]:
    """Figures that not every profile has: of further modalities, and of a second survey."""
    more = {}
    for name in scores.modalities(profile):
        if name not in MODALITIES:
            more |= {f"astrom3_confusion_{name}": partial(confusion, modality=name)}
            more |= {f"astrom3_umap_{name}": partial(umap, modality=name)}
            more |= {f"astrom3_similarity_{name}": partial(similarity, query=name)}
    if "dmdt" in scores.modalities(profile):
        more["astrom3_dmdt"] = dmdt
    if profiles.load(profile).astrom3.second.source:
        which = SECOND
        more |= {f"{which}_{draw.__name__}": partial(draw, which=which) for draw in SECOND_FIGURES}
        for name in (*scores.modalities(profile, which), "all"):
            more[f"{which}_confusion_{name}"] = partial(confusion, which=which, modality=name)
            more[f"{which}_umap_{name}"] = partial(umap, which=which, modality=name)
    return more


def more_tables(profile: str) -> dict[str, Callable[[str], Markdown]]:
    """Tables that not every profile has: of planted stars, and of a second survey."""
    more = {"astrom3_planted": tables.planted} if tables.truth_is_known(profile) else {}
    if profiles.load(profile).astrom3.second.source:
        which = SECOND
        more |= {f"{which}_{name}": partial(make, which=which) for name, make in tables.SECOND_TABLES.items()}
    return more


def redraw(profile: str) -> list[str]:
    """Draw every figure and table again from numbers on disk; returns their names."""
    made = {f"{name}.png": draw for name, draw in (FIGURES | more_figures(profile)).items()}
    made |= {f"{name}.csv": make for name, make in (tables.TABLES | more_tables(profile)).items()}
    for make in made.values():
        make(profile)
    return sorted(made)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    return results.redraw_command("astrolib.report.astrom3", __doc__.split("\n")[0], redraw, arguments)


# ---------------------------------------------------------------- shared by the figures


def _pictures(shown: dict[str, np.ndarray]) -> embedding_maps.Pictures:
    names = ("row", "class_name", "wavelength", "spectrum")
    parts = {name: shown[name] for name in names if name in shown}
    return embedding_maps.Pictures(phase=_curves(shown, "phase"), flux=_curves(shown, "flux"), **parts)


def _curves(shown: dict[str, np.ndarray], name: str) -> np.ndarray:
    """Light curves of all bands, (K, B, L), NaN where one is shorter than another."""
    bands = [shown[name], *(shown[f"{name} {band}"] for band in shown["bands"].tolist()[1:])]
    length = max(band.shape[1] for band in bands)
    wide = [np.pad(b, ((0, 0), (0, length - b.shape[1])), constant_values=np.nan) for b in bands]
    return np.stack(wide, axis=1)


def _candidates(
    profile: str, which: str, table: pd.DataFrame
) -> tuple[list[tuple[int, str]], embedding_maps.Pictures | None]:
    """Up to eight flagged stars, those flagged most often first, among those whose material was kept."""
    shown = results.load_arrays(profile, f"{which}_queries")
    ids = results.load(profile, f"{which}_stars")["id"]
    rows = pd.Series(np.arange(len(ids)), index=ids).reindex(table["id"]).to_numpy()
    chosen = table.assign(row=rows)[(table["kind"] != "") & np.isin(rows, shown["row"])]
    chosen = chosen.sort_values("n_flagged", ascending=False, kind="stable").head(8)
    gallery = [
        (
            int(star["row"]),
            f"{star['class']}" + (f", nearest {star['suggested']}" if star["suggested"] else ", outlier"),
        )
        for star in chosen.to_dict("records")
    ]
    return gallery, _pictures(shown) if gallery else None


if __name__ == "__main__":
    sys.exit(main())
