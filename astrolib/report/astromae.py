"""Every figure of AstroMAE (arXiv:2409.01825), from numbers on disk.

Each function takes the name of a profile, reads what `astrolib.papers.astromae` kept there, saves a picture
under `astrolib.paths.figures(profile)`, and returns it for the notebook.

    python -m astrolib.report.astromae --profile demo

draws all figures and tables again without any training.
"""

import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from matplotlib.figure import Figure

from astrolib import profiles
from astrolib.data.augment import GalaxyView, centre_crop
from astrolib.evaluate import density as densities
from astrolib.report import astromae_tables as tables
from astrolib.report import calibration, curves, diagrams, figures, images, results, survey
from astrolib.report.style import NO_DATA

# ---------------------------------------------------------------- the survey


def cutouts(profile: str) -> Figure:
    """Colour composites of test galaxies."""
    shown = results.load_arrays(profile, "astromae1_cutouts")
    figure = images.mosaic(shown["image"], shown["redshift"], shown["bands"].tolist())
    return results.save_figure(profile, "astromae_cutouts", figure, shown["source"])


def colour_redshift(profile: str) -> Figure:
    """Colours against redshift."""
    table = results.load(profile, "astromae1_galaxies")
    names = _bands(table)
    figure = survey.colour_redshift(table["redshift"].to_numpy(), table[names].to_numpy(), names)
    return results.save_figure(profile, "astromae_colour_redshift", figure, table["source"][0])


def redshifts(profile: str) -> Figure:
    """Redshift distribution of every part."""
    table = results.load(profile, "astromae1_galaxies")
    parts = {"pretraining": table.loc[table["pretraining"] == "pretraining", "redshift"]}
    for part in ("train", "validation", "test"):
        parts[part] = table.loc[table["fine-tuning"] == part, "redshift"]
    figure = survey.redshift_distribution({name: z.to_numpy() for name, z in parts.items()})
    return results.save_figure(profile, "astromae_redshifts", figure, table["source"][0])


def bands(profile: str) -> Figure:
    """The brightest of the cutouts through each filter."""
    shown = results.load_arrays(profile, "astromae1_cutouts")
    stamp = shown["image"][_brightest(shown)]
    figure = images.filters(stamp, shown["bands"].tolist(), shown["noise"])
    return results.save_figure(profile, "astromae_bands", figure, shown["source"])


def augmentation(profile: str, draws: int = 10) -> Figure:
    """One galaxy as fine-tuning may see it."""
    shown, settings = results.load_arrays(profile, "astromae1_cutouts"), profiles.load(profile).astromae
    stamp = torch.as_tensor(shown["image"][_brightest(shown)])
    view = GalaxyView(crop=settings.data.crop, noise_std=settings.finetuning.noise_std)
    views = view(stamp.expand(draws, -1, -1, -1), torch.Generator().manual_seed(0))
    figure = images.augmentations(stamp.numpy(), views.numpy(), shown["bands"].tolist())
    return results.save_figure(profile, "astromae_augmentation", figure, shown["source"])


# ---------------------------------------------------------------- diagrams and recipes


def figure_1(profile: str) -> Figure:
    """Plain and pcm transformer blocks."""
    return results.save_figure(profile, "astromae_fig1", diagrams.transformer_blocks(), NO_DATA)


def figure_2(profile: str) -> Figure:
    """Masked autoencoding of one galaxy of the survey."""
    shown, crop = results.load_arrays(profile, "astromae1_cutouts"), profiles.load(profile).astromae.data.crop
    stamp = centre_crop(torch.as_tensor(shown["image"][_brightest(shown)]), crop).numpy()
    mask = np.random.default_rng(5).permutation(16).reshape(4, 4) >= 4  # 4 of 16 patches stay
    figure = diagrams.masked_autoencoder(images.rgb(stamp, shown["bands"].tolist()), mask)
    return results.save_figure(profile, "astromae_fig2", figure, shown["source"])


def figure_3(profile: str) -> Figure:
    """An Inception block."""
    return results.save_figure(profile, "astromae_fig3", diagrams.inception_block(), NO_DATA)


def figure_4(profile: str) -> Figure:
    """Learning rate of pretraining."""
    figure = curves.learning_rate(*_rates(profile, "pretraining"), tick_every=250)
    return results.save_figure(profile, "astromae_fig4", figure, NO_DATA)


def figure_5(profile: str) -> Figure:
    """Learning rate of fine-tuning in experiment 1."""
    return results.save_figure(
        profile, "astromae_fig5", curves.learning_rate_restarts(*_rates(profile, "finetuning")), NO_DATA
    )


def figure_6(profile: str) -> Figure:
    """The parts: encoder, Inception, magnitudes, and the network of Henghes et al."""
    return results.save_figure(profile, "astromae_fig6", diagrams.network_parts(), NO_DATA)


def figure_7(profile: str) -> Figure:
    """The parts fused, AstroMAE among them."""
    return results.save_figure(profile, "astromae_fig7", diagrams.fused_networks(), NO_DATA)


def figure_8(profile: str) -> Figure:
    """Learning rate of fine-tuning in experiment 2."""
    figure = curves.learning_rate(*_rates(profile, "full_data"), tick_every=20)
    return results.save_figure(profile, "astromae_fig8", figure, NO_DATA)


# ---------------------------------------------------------------- pretraining


def pretraining_curves(profile: str) -> Figure:
    """Loss of both encoders over the epochs."""
    return _learning_curves(profile, "pretraining", "loss", "masked-patch squared error, network units")


def reconstruction(profile: str, rows: int = 4) -> Figure:
    """Input, masked, reconstruction and residual of test galaxies."""
    return _grid(profile, "astromae1_reconstructions", "reconstruction", rows)


def reconstruction_bands(profile: str, row: int = 0) -> Figure:
    """One galaxy through each filter: input, masked, reconstruction, residual."""
    shown = results.load_arrays(profile, "astromae1_reconstructions")
    one = (shown[name][row] for name in ("image", "mask", "reconstruction"))
    figure = images.all_bands(*one, shown["bands"].tolist(), shown["noise"])
    return results.save_figure(profile, "astromae_reconstruction_bands", figure, shown["source"])


def stamps(profile: str, rows: int = 6) -> Figure | Markdown:
    """Reconstructions of real SDSS stamps, where the profile has them."""
    if not profiles.load(profile).astromae.data.stamps:
        return Markdown(f"The profile `{profile}` has no real stamps; `sample` has.")
    return _grid(profile, "astromae1_stamps", "stamps", rows)


# ---------------------------------------------------------------- redshift


def finetuning_curves(profile: str) -> Figure:
    """Squared error of every network over the epochs."""
    return _learning_curves(profile, "finetuning", "mse", "mean squared error of z")


def table_4_figure(profile: str) -> Figure:
    """MSE of every network, ours beside the paper's."""
    table = tables.scores_beside_paper(profile, 1)
    return results.save_figure(
        profile, "astromae_table4", figures.table_comparison(table), tables.source(profile)
    )


def figure_9(profile: str) -> Figure:
    """Predicted against true redshift: networks with one branch, and Henghes et al."""
    names = ("plain-ViT", "from-scratch plain-ViT", "pcm-ViT", "from-scratch pcm-ViT", "Inception-only")
    return _scatter(profile, "fig9", (*names, "Henghes et al."))


def figure_10(profile: str) -> Figure:
    """Predicted against true redshift: networks with two branches."""
    names = ("plain-ViT-magnitude", "from-scratch plain-ViT-magnitude", "pcm-ViT-magnitude")
    names += ("from-scratch pcm-ViT-magnitude", "plain-ViT-inception", "pcm-ViT-inception")
    return _scatter(profile, "fig10", names)


def figure_11(profile: str) -> Figure:
    """Predicted against true redshift: AstroMAE."""
    return _scatter(profile, "fig11", ("plain-AstroMAE", "pcm-AstroMAE"))


def full_data(profile: str) -> Figure:
    """Predicted against true redshift in experiment 2."""
    names = ("Henghes et al.", "pcm-AstroMAE", "k-nearest neighbours", "gradient boosting")
    return _scatter(profile, "full_data", names, number=2)


def error_redshift(
    profile: str, names: Sequence[str] = ("plain-ViT", "Henghes et al.", "pcm-AstroMAE", "gradient boosting")
) -> Figure:
    """Bias and scatter along redshift, of the first seed."""
    first = _first_seed(profile, 1)
    shown = {name: first[first["network"] == name].sort_values("id") for name in names}
    z_true = shown[names[0]]["redshift"].to_numpy()
    guesses = {name: table["prediction"].to_numpy() for name, table in shown.items()}
    figure = figures.error_against_redshift(z_true, guesses)
    return results.save_figure(profile, "astromae_error_redshift", figure, tables.source(profile))


def density(profile: str, network: str = "pcm-AstroMAE") -> Figure:
    """Calibration of one network's redshift densities, first seed."""
    first = _first_seed(profile, 1)
    table = first[first["network"] == network]
    values = densities.pit(
        tables.density_edges(profile), tables.probabilities(table), table["redshift"].to_numpy()
    )
    return results.save_figure(
        profile, "astromae_density", calibration.pit_and_coverage(values, network), tables.source(profile)
    )


# ---------------------------------------------------------------- claims


def claims_figure(profile: str) -> Figure:
    """Differences behind the claims, ours with intervals beside the paper's."""
    return results.save_figure(
        profile,
        "astromae_claims",
        figures.claim_intervals(tables.claim_table(profile)),
        tables.source(profile),
    )


FIGURES = {
    "astromae_cutouts": cutouts,
    "astromae_bands": bands,
    "astromae_colour_redshift": colour_redshift,
    "astromae_redshifts": redshifts,
    "astromae_augmentation": augmentation,
    "astromae_fig1": figure_1,
    "astromae_fig2": figure_2,
    "astromae_fig3": figure_3,
    "astromae_fig4": figure_4,
    "astromae_fig5": figure_5,
    "astromae_fig6": figure_6,
    "astromae_fig7": figure_7,
    "astromae_fig8": figure_8,
    "astromae_fig9": figure_9,
    "astromae_fig10": figure_10,
    "astromae_fig11": figure_11,
    "astromae_pretraining": pretraining_curves,
    "astromae_reconstruction": reconstruction,
    "astromae_reconstruction_bands": reconstruction_bands,
    "astromae_finetuning": finetuning_curves,
    "astromae_table4": table_4_figure,
    "astromae_error_redshift": error_redshift,
    "astromae_density": density,
    "astromae_full_data": full_data,
    "astromae_claims": claims_figure,
}
"""File name, without its ending, to the function that draws it in every profile."""


def redraw(profile: str) -> list[str]:
    """Draw every figure and table again from numbers on disk; returns their names."""
    made = {f"{name}.png": draw for name, draw in FIGURES.items()}
    made |= {f"{name}.csv": draw for name, draw in tables.TABLES.items()}
    if profiles.load(profile).astromae.data.stamps:
        made["astromae_stamps.png"] = stamps
    for draw in made.values():
        draw(profile)
    return sorted(made)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line; returns the exit code."""
    return results.redraw_command("astrolib.report.astromae", __doc__.split("\n")[0], redraw, arguments)


# ---------------------------------------------------------------- shared by the figures


def _brightest(shown: dict[str, np.ndarray]) -> int:
    """Row of the cutout with the most light: there a turn, an arm or a mask is seen best."""
    return int(shown["image"].sum(axis=(1, 2, 3)).argmax())


def _bands(table: pd.DataFrame) -> list[str]:
    return [column for column in ("u", "g", "r", "i", "z", "y") if column in table]


def _rates(profile: str, phase: str) -> tuple[list[float], list[float] | None]:
    """Learning rate of the paper and, where it differs, of this profile; one value for each epoch."""
    paper, ours = (
        tables.schedule(getattr(profiles.load(name).astromae, phase)) for name in ("paper", profile)
    )
    return paper, None if ours == paper else ours


def _learning_curves(profile: str, name: str, column: str, label: str) -> Figure:
    history = results.load(profile, f"astromae1_{name}")
    curves_of = {network: rows for network, rows in history.groupby("network", sort=False)}
    figure = curves.loss_curves(curves_of, column=column, label=label)
    return results.save_figure(profile, f"astromae_{name}", figure, tables.source(profile))


def _grid(profile: str, name: str, file: str, rows: int) -> Figure:
    shown = results.load_arrays(profile, name)
    first = [shown[part][:rows] for part in ("image", "mask", "reconstruction")]
    figure = images.reconstruction_grid(*first, shown["bands"].tolist(), shown["noise"])
    return results.save_figure(profile, f"astromae_{file}", figure, shown["source"])


def _first_seed(profile: str, number: int) -> pd.DataFrame:
    predictions = results.load(profile, f"astromae{number}_predictions")
    return predictions[predictions["seed"] == predictions["seed"].min()]


def _scatter(profile: str, file: str, names: Sequence[str], number: int = 1) -> Figure:
    first = _first_seed(profile, number)
    panels = []
    for letter, name in zip("abcdef", names, strict=False):
        rows = first[first["network"] == name]
        panels.append(figures.Panel(letter, name, rows["redshift"].to_numpy(), rows["prediction"].to_numpy()))
    figure = figures.redshift_sheet(panels)
    return results.save_figure(profile, f"astromae_{file}", figure, tables.source(profile))


if __name__ == "__main__":
    sys.exit(main())
