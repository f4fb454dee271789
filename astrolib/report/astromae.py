"""Every figure and table of AstroMAE (arXiv:2409.01825), from numbers on disk.

Each function takes the name of a profile, reads what `astrolib.papers.astromae` kept there, saves a figure
(png) or a table (csv and md) under `astrolib.paths.figures(profile)`, and returns it for the notebook.

    python -m astrolib.report.astromae --profile demo

draws all of them again without any training.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown
from matplotlib.figure import Figure

from astrolib import paths, profiles
from astrolib.data.augment import GalaxyView
from astrolib.evaluate import density as densities
from astrolib.evaluate.claims import judge
from astrolib.evaluate.reconstruction import fill_with_mean, fill_with_mirror, masked_error
from astrolib.models.redshift import RedshiftNet
from astrolib.report import calibration, curves, diagrams, figures, images, results, survey, tables
from astrolib.report.style import NO_DATA, save
from astrolib.training.optim import Optimization, learning_rate

PAPER = "paper"  # the profile that holds the paper's own settings

# ---------------------------------------------------------------- the survey


def cutouts(profile: str) -> Figure:
    """Colour composites of test galaxies."""
    shown = results.load_arrays(profile, "astromae1_cutouts")
    figure = images.mosaic(shown["image"], shown["redshift"], shown["bands"].tolist())
    return _figure(profile, "cutouts", figure, shown["source"])


def bands(profile: str, row: int = 0) -> Figure:
    """One galaxy through each filter, with patches masked as the encoder meets them."""
    shown = results.load_arrays(profile, "astromae1_reconstructions")
    one = (shown[name][row] for name in ("image", "mask", "reconstruction"))
    figure = images.all_bands(*one, shown["bands"].tolist(), shown["noise"])
    return _figure(profile, "reconstruction_bands", figure, shown["source"])


def colour_redshift(profile: str) -> Figure:
    """Colours against redshift."""
    table = results.load(profile, "astromae1_galaxies")
    names = _bands(table)
    figure = survey.colour_redshift(table["redshift"].to_numpy(), table[names].to_numpy(), names)
    return _figure(profile, "colour_redshift", figure, table["source"][0])


def redshifts(profile: str) -> Figure:
    """Redshift distribution of every part."""
    table = results.load(profile, "astromae1_galaxies")
    parts = {"pretraining": table.loc[table["pretraining"] == "pretraining", "redshift"]}
    for part in ("train", "validation", "test"):
        parts[part] = table.loc[table["fine-tuning"] == part, "redshift"]
    figure = survey.redshift_distribution({name: z.to_numpy() for name, z in parts.items()})
    return _figure(profile, "redshifts", figure, table["source"][0])


def augmentation(profile: str, draws: int = 10) -> Figure:
    """One galaxy as fine-tuning may see it."""
    shown, settings = results.load_arrays(profile, "astromae1_cutouts"), profiles.load(profile).astromae
    flux = shown["image"].sum(axis=(1, 2, 3))
    stamp = torch.as_tensor(shown["image"][flux.argmax()])  # the brightest, where a turn is seen best
    view = GalaxyView(crop=settings.data.crop, noise_std=settings.finetuning.noise_std)
    views = view(stamp.expand(draws, -1, -1, -1), torch.Generator().manual_seed(0))
    figure = images.augmentations(stamp.numpy(), views.numpy(), shown["bands"].tolist())
    return _figure(profile, "augmentation", figure, shown["source"])


def splits_table(profile: str, number: int = 1) -> Markdown:
    """Galaxies in each part, and how many of them pretraining has seen."""
    table = results.load(profile, f"astromae{number}_galaxies")
    seen = table["pretraining"] == "pretraining"
    rows = []
    for phase in ("pretraining", "fine-tuning"):
        for part, members in table.groupby(phase, sort=False):
            rows.append(
                {
                    "experiment": number,
                    "phase": phase,
                    "part": part,
                    "galaxies": len(members),
                    "seen in pretraining": int(seen[members.index].sum()),
                    "median z": round(members["redshift"].median(), 4),
                }
            )
    counts = pd.DataFrame(rows).assign(n_seeds=1, source=table["source"][0])
    return _table(profile, "splits" if number == 1 else "overlap", counts)


# ---------------------------------------------------------------- diagrams and recipes


def figure_1(profile: str) -> Figure:
    """Plain and pcm transformer blocks."""
    return _figure(profile, "fig1", diagrams.transformer_blocks(), NO_DATA)


def figure_2(profile: str) -> Figure:
    """Masked autoencoding of one galaxy of the survey."""
    shown, crop = results.load_arrays(profile, "astromae1_cutouts"), profiles.load(profile).astromae.data.crop
    flux = shown["image"].sum(axis=(1, 2, 3))
    edge = (shown["image"].shape[-1] - crop) // 2
    stamp = shown["image"][flux.argmax(), :, edge : edge + crop, edge : edge + crop]
    visible = np.random.default_rng(5).permutation(16)[:4]
    mask = ~np.isin(np.arange(16), visible).reshape(4, 4)
    figure = diagrams.masked_autoencoder(images.rgb(stamp, shown["bands"].tolist()), mask)
    return _figure(profile, "fig2", figure, shown["source"])


def figure_3(profile: str) -> Figure:
    """An Inception block."""
    return _figure(profile, "fig3", diagrams.inception_block(), NO_DATA)


def figure_4(profile: str) -> Figure:
    """Learning rate of pretraining."""
    figure = curves.learning_rate(*_rates(profile, "pretraining"), tick_every=250)
    return _figure(profile, "fig4", figure, NO_DATA)


def figure_5(profile: str) -> Figure:
    """Learning rate of fine-tuning in experiment 1."""
    return _figure(profile, "fig5", curves.learning_rate_restarts(*_rates(profile, "finetuning")), NO_DATA)


def figure_6(profile: str) -> Figure:
    """The parts: encoder, Inception, magnitudes, and the network of Henghes et al."""
    return _figure(profile, "fig6", diagrams.network_parts(), NO_DATA)


def figure_7(profile: str) -> Figure:
    """The parts fused, AstroMAE among them."""
    return _figure(profile, "fig7", diagrams.fused_networks(), NO_DATA)


def figure_8(profile: str) -> Figure:
    """Learning rate of fine-tuning in experiment 2."""
    figure = curves.learning_rate(*_rates(profile, "full_data"), tick_every=20)
    return _figure(profile, "fig8", figure, NO_DATA)


def table_1(profile: str) -> Markdown:
    """Settings of fine-tuning."""
    ours = profiles.load(profile).astromae.finetuning
    names = {"lr": "lr_initial", "epochs": "total_epochs"}
    return _recipe(profile, "table1", ours, names, optimizer="AdamW", seed=", ".join(map(str, ours.seeds)))


def table_2(profile: str) -> Markdown:
    """Settings of pretraining."""
    settings = profiles.load(profile).astromae
    names = {"lr": "lr_peak", "epochs": "total_epochs", "warmup_epochs": "warm_up_epochs"}
    ours = settings.pretraining
    peak = max(_schedule(ours))
    return _recipe(
        profile, "table2", ours, names, optimizer="AdamW", seed=settings.data.seed, lr_peak=f"{peak:.4g}"
    )


def table_3(profile: str) -> Markdown:
    """Sizes of the masked autoencoder."""
    sizes = profiles.load(profile).astromae.transformer
    ours = pd.DataFrame(
        {
            "component": ["encoder", "decoder"],
            "patch_size": [sizes.patch_size] * 2,
            "embedding_size": [sizes.embed_dim, sizes.decoder_embed_dim],
            "depth": [sizes.depth, sizes.decoder_depth],
            "number_of_heads": [sizes.num_heads, sizes.decoder_num_heads],
        }
    ).assign(n_seeds=1, source=_source(profile))
    return _table(
        profile, "table3", tables.with_paper(ours, tables.published("astromae_table3"), on="component")
    )


def parameter_counts(profile: str) -> Markdown:
    """Parameters of the six topologies at the paper's size, pcm blocks; bare token tensors not counted."""
    rows = []
    for name, encoder, inception, magnitudes in (
        ("ViT", "pcm", False, False),
        ("Inception-only", None, True, False),
        ("Henghes et al.", None, True, True),
        ("ViT-magnitude", "pcm", False, True),
        ("ViT-inception", "pcm", True, False),
        ("AstroMAE", "pcm", True, True),
    ):
        with torch.device("meta"):  # counts only: no memory is filled
            net = RedshiftNet(encoder, inception, magnitudes, frozen=encoder is not None)
        counted = [p for key, p in net.named_parameters() if not key.endswith(("cls_token", "pos_embed"))]
        trainable = sum(p.numel() for p in counted if p.requires_grad)
        frozen = sum(p.numel() for p in counted) - trainable
        rows.append({"network": name, "trainable": trainable, "frozen": frozen, "total": trainable + frozen})
    released = {"trainable": 10_398_057, "frozen": 5_501_376, "total": 15_899_433}  # of the public checkpoint
    table = pd.DataFrame(rows).assign(**{f"paper_{key}": None for key in released})
    table.loc[table["network"] == "AstroMAE", [f"paper_{key}" for key in released]] = list(released.values())
    return _table(profile, "parameters", table.assign(n_seeds=0, source=NO_DATA))


# ---------------------------------------------------------------- pretraining


def pretraining_curves(profile: str) -> Figure:
    """Loss of both encoders over the epochs."""
    return _learning_curves(profile, "pretraining", "loss", "masked-patch squared error, network units")


def reconstruction(profile: str, rows: int = 4) -> Figure:
    """Input, masked, reconstruction and residual of test galaxies."""
    return _grid(profile, "astromae1_reconstructions", "reconstruction", rows)


def reconstruction_bands(profile: str) -> Figure:
    """One galaxy in all bands."""
    return bands(profile)


def stamps(profile: str, rows: int = 6) -> Figure | Markdown:
    """Reconstructions of real SDSS stamps, where the profile has them."""
    if not profiles.load(profile).astromae.data.stamps:
        return Markdown(f"The profile `{profile}` has no real stamps; `sample` has.")
    return _grid(profile, "astromae1_stamps", "stamps", rows)


def reconstruction_errors(profile: str) -> Markdown:
    """Error on masked pixels beside fills that learn nothing, in units of the noise variance."""
    rows = []
    names = ["reconstructions"] + ["stamps"] * profiles.load(profile).astromae.data.stamps
    for name in names:
        shown = results.load_arrays(profile, f"astromae1_{name}")
        image, mask = shown["image"], shown["mask"].astype(bool)
        fills = {
            "masked autoencoder, pcm": shown["reconstruction"],
            "mean of the visible pixels": fill_with_mean(image, mask),
            "mirror symmetry": fill_with_mirror(image, mask),
        }
        for fill, filled in fills.items():
            error = np.median(masked_error(image, filled, mask, shown["noise"]), axis=0)
            row = {
                "fill": fill,
                "images": len(image),
                **dict(zip(shown["bands"], error.round(3), strict=True)),
            }
            rows.append(row | {"n_seeds": 1, "source": str(shown["source"])})
    return _table(profile, "reconstruction_error", pd.DataFrame(rows))


# ---------------------------------------------------------------- redshift


def finetuning_curves(profile: str) -> Figure:
    """Squared error of every network over the epochs."""
    return _learning_curves(profile, "finetuning", "mse", "mean squared error of z")


def table_4(profile: str) -> Markdown:
    """Experiment 1: fourteen networks and two baselines, ours beside the paper's."""
    return _table(profile, "table4", _scores_beside_paper(profile, 1, "astromae_table4"))


def table_5(profile: str) -> Markdown:
    """Experiment 2: two networks and two baselines, ours beside the paper's."""
    return _table(profile, "table5", _scores_beside_paper(profile, 2, "astromae_table5"))


def table_4_figure(profile: str) -> Figure:
    """MSE of every network, ours beside the paper's."""
    table = _scores_beside_paper(profile, 1, "astromae_table4")
    return _figure(profile, "table4", figures.table_comparison(table), _source(profile))


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
    return _figure(profile, "error_redshift", figure, _source(profile))


def conventions(profile: str) -> Markdown:
    """Scores of all networks in the conventions of Pasquet et al. 2019 and RAIL."""
    scores = results.load(profile, "astromae1_scores")
    scores = scores[scores["convention"] != "astromae"]
    return _table(profile, "conventions", _over_seeds(scores, ["convention", "network", "init"]))


def density(profile: str, network: str = "pcm-AstroMAE") -> Figure:
    """Calibration of one network's redshift densities, first seed."""
    first = _first_seed(profile, 1)
    table = first[first["network"] == network]
    values = densities.pit(_edges(profile), _probabilities(table), table["redshift"].to_numpy())
    return _figure(profile, "density", calibration.pit_and_coverage(values, network), _source(profile))


def density_scores(profile: str) -> Markdown:
    """Calibration and sharpness of every network's densities."""
    predictions, edges = results.load(profile, "astromae1_predictions"), _edges(profile)
    predictions = predictions[predictions["p0"].notna()]  # the baselines give points only
    rows = []
    for (network, init, seed), table in predictions.groupby(["network", "init", "seed"], sort=False):
        found = densities.scores(edges, _probabilities(table), table["redshift"].to_numpy())
        labels = {"network": network, "init": init, "seed": seed, "source": _source(profile)}
        rows += [labels | {"metric": metric, "value": value} for metric, value in found.items()]
    return _table(profile, "density", _over_seeds(pd.DataFrame(rows), ["network", "init"]))


# ---------------------------------------------------------------- claims

CLAIMS = (
    ("Pretraining helps the plain ViT", 1, "plain-ViT", "from-scratch plain-ViT"),
    ("Pretraining helps the pcm ViT", 1, "pcm-ViT", "from-scratch pcm-ViT"),
    ("pcm blocks help from scratch", 1, "from-scratch pcm-ViT", "from-scratch plain-ViT"),
    ("pcm blocks help after pretraining", 1, "pcm-ViT", "plain-ViT"),
    ("Inception beats the pretrained plain ViT", 1, "Inception-only", "plain-ViT"),
    ("Inception beats the from-scratch pcm ViT", 1, "Inception-only", "from-scratch pcm-ViT"),
    ("A pretrained ViT helps Inception", 1, "pcm-ViT-inception", "Inception-only"),
    ("Magnitudes help the plain ViT", 1, "plain-ViT-magnitude", "plain-ViT"),
    ("Magnitudes help ViT and Inception", 1, "pcm-AstroMAE", "pcm-ViT-inception"),
    ("plain-AstroMAE beats Henghes et al.", 1, "plain-AstroMAE", "Henghes et al."),
    ("pcm-AstroMAE beats Henghes et al.", 1, "pcm-AstroMAE", "Henghes et al."),
    ("pcm-AstroMAE beats plain-AstroMAE", 1, "pcm-AstroMAE", "plain-AstroMAE"),
    ("pcm-AstroMAE beats Henghes et al., all data", 2, "pcm-AstroMAE", "Henghes et al."),
    ("pcm-AstroMAE beats boosting on magnitudes (ours)", 1, "pcm-AstroMAE", "gradient boosting"),
)
"""Claim, experiment, and the two networks of which the first should err less."""


def claims(profile: str) -> Markdown:
    """Every claim of the paper against our predictions."""
    return _table(profile, "claims", _claims(profile))


def claims_figure(profile: str) -> Figure:
    """Differences behind the claims, ours with intervals beside the paper's."""
    return _figure(profile, "claims", figures.claim_intervals(_claims(profile)), _source(profile))


def _claims(profile: str) -> pd.DataFrame:
    errors, paper = {}, {}
    for number in (1, 2):
        table = results.load(profile, f"astromae{number}_predictions")
        table = table.assign(error=(table["prediction"] - table["redshift"]) ** 2)
        for network, rows in table.groupby("network"):
            errors[number, network] = rows.pivot(index="seed", columns="id", values="error").to_numpy()
        printed = tables.published("astromae_table4" if number == 1 else "astromae_table5")
        paper |= {(number, row.network): row.mse for row in printed.itertuples()}
    rows = []
    for claim, number, a, b in CLAIMS:
        found = judge(errors[number, a], errors[number, b])
        base, paper_base = errors[number, b].mean(), paper.get((number, b), np.nan)
        rows.append(
            {
                "claim": claim,
                "experiment": number,
                "network_a": a,
                "network_b": b,
                "difference": found["difference"] / base,
                "low": found["low"] / base,
                "high": found["high"] / base,
                "paper_difference": paper.get((number, a), np.nan) / paper_base - 1,
                "verdict": found["verdict"],
                "n_seeds": len(errors[number, a]),
                "source": _source(profile),
            }
        )
    return pd.DataFrame(rows)
