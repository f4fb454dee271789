"""Every table of AstroMAE (arXiv:2409.01825), ours beside the paper's, from numbers on disk.

Each function takes the name of a profile, reads what `astrolib.papers.astromae` kept there, saves a table
(csv and md) under `astrolib.paths.figures(profile)`, and returns it for the notebook.
"""

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from IPython.display import Markdown

from astrolib import profiles
from astrolib.evaluate import density as densities
from astrolib.evaluate.claims import judge
from astrolib.evaluate.reconstruction import fill_with_mean, fill_with_mirror, masked_error
from astrolib.models.redshift import RedshiftNet
from astrolib.report import results, tables
from astrolib.report.style import NO_DATA
from astrolib.training.optim import Optimization, learning_rate


def splits(profile: str) -> Markdown:
    """Galaxies in each part of experiment 1, and how many of them pretraining has seen."""
    return results.save_table(profile, "astromae_splits", _parts(profile, 1))


def overlap(profile: str) -> Markdown:
    """The same for experiment 2, where pretraining has seen all images."""
    return results.save_table(profile, "astromae_overlap", _parts(profile, 2))


def _parts(profile: str, number: int) -> pd.DataFrame:
    table = results.load(profile, f"astromae{number}_galaxies")
    seen = table["pretraining"] == "pretraining"
    rows = []
    for phase in ("pretraining", "fine-tuning"):
        for part, members in table.groupby(phase, sort=False):
            rows.append(
                {
                    "phase": phase,
                    "part": part,
                    "galaxies": len(members),
                    "seen in pretraining": int(seen[members.index].sum()),
                    "median z": round(float(members["redshift"].median()), 4),
                }
            )
    return pd.DataFrame(rows).assign(n_seeds=1, source=table["source"][0])


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
    peak = max(schedule(ours))
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
    ).assign(n_seeds=1, source=source(profile))
    return results.save_table(
        profile,
        "astromae_table3",
        tables.with_paper(ours, tables.published("astromae_table3"), on="component"),
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
    return results.save_table(profile, "astromae_parameters", table.assign(n_seeds=0, source=NO_DATA))


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
    return results.save_table(profile, "astromae_reconstruction_error", pd.DataFrame(rows))


def table_4(profile: str) -> Markdown:
    """Experiment 1: fourteen networks and two baselines, ours beside the paper's."""
    return results.save_table(profile, "astromae_table4", scores_beside_paper(profile, 1))


def table_5(profile: str) -> Markdown:
    """Experiment 2: two networks and two baselines, ours beside the paper's."""
    return results.save_table(profile, "astromae_table5", scores_beside_paper(profile, 2))


def conventions(profile: str) -> Markdown:
    """Scores of all networks in the conventions of Pasquet et al. 2019 and RAIL."""
    scores = results.load(profile, "astromae1_scores")
    scores = scores[scores["convention"] != "astromae"]
    return results.save_table(
        profile, "astromae_conventions", _over_seeds(scores, ["convention", "network", "init"])
    )


def density_scores(profile: str) -> Markdown:
    """Calibration and sharpness of every network's densities."""
    predictions, edges = results.load(profile, "astromae1_predictions"), density_edges(profile)
    predictions = predictions[predictions["p0"].notna()]  # the baselines give points only
    rows = []
    for (network, init, seed), table in predictions.groupby(["network", "init", "seed"], sort=False):
        found = densities.scores(edges, probabilities(table), table["redshift"].to_numpy())
        del found["pit_p_value"]  # zero for any real set of this size; the distance says how far off
        labels = {"network": network, "init": init, "seed": seed, "source": source(profile)}
        rows += [labels | {"metric": metric, "value": value} for metric, value in found.items()]
    return results.save_table(
        profile, "astromae_density", _over_seeds(pd.DataFrame(rows), ["network", "init"])
    )


CLAIMS = (
    ("Pretraining helps the plain ViT", 1, "plain-ViT", "from-scratch plain-ViT"),
    ("Pretraining helps the pcm ViT (follow-up paper)", 1, "pcm-ViT", "from-scratch pcm-ViT"),
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
    ("pcm-AstroMAE beats Inception alone", 1, "pcm-AstroMAE", "Inception-only"),
    ("pcm-AstroMAE beats boosting on magnitudes (ours)", 1, "pcm-AstroMAE", "gradient boosting"),
)
"""Claim, experiment, and the two networks of which the first should err less."""


def claims(profile: str) -> Markdown:
    """Every claim of the paper against our predictions."""
    return results.save_table(profile, "astromae_claims", claim_table(profile))


def claim_table(profile: str) -> pd.DataFrame:
    """Differences of MSE relative to the second network's, with 95 % intervals and verdicts, a row each."""
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
                "paper_difference": round(paper.get((number, a), np.nan) / paper_base - 1, 3),
                "verdict": found["verdict"],
                "n_seeds": len(errors[number, a]),
                "source": source(profile),
            }
        )
    return pd.DataFrame(rows)


TABLES = {
    "astromae_splits": splits,
    "astromae_overlap": overlap,
    "astromae_table1": table_1,
    "astromae_table2": table_2,
    "astromae_table3": table_3,
    "astromae_table4": table_4,
    "astromae_table5": table_5,
    "astromae_parameters": parameter_counts,
    "astromae_reconstruction_error": reconstruction_errors,
    "astromae_conventions": conventions,
    "astromae_density": density_scores,
    "astromae_claims": claims,
}
"""File name, without its ending, to the function that makes it."""


# ---------------------------------------------------------------- shared by tables and figures


def source(profile: str) -> str:
    """Where a profile's galaxies come from, in words."""
    return str(results.load(profile, "astromae1_galaxies")["source"][0])


def schedule(settings: profiles.Pretraining | profiles.Finetuning) -> list[float]:
    """Learning rate of each epoch."""
    optimization = Optimization.of(settings)
    return [learning_rate(optimization, epoch) for epoch in range(settings.epochs)]


def density_edges(profile: str) -> np.ndarray:
    """Edges of the redshift bins, (K+1,)."""
    heads = profiles.load(profile).astromae.heads
    return np.linspace(0, heads.density_z_max, heads.density_bins + 1)


def probabilities(predictions: pd.DataFrame) -> np.ndarray:
    """Share of each redshift bin, (N, K)."""
    columns = [column for column in predictions if column[0] == "p" and column[1:].isdigit()]
    return predictions[columns].to_numpy(np.float64)


def scores_beside_paper(profile: str, number: int) -> pd.DataFrame:
    """Mean and spread over seeds of the paper's metrics, the MSE's bootstrap error, the paper's values."""
    scores = results.load(profile, f"astromae{number}_scores")
    scores = scores[scores["convention"] == "astromae"]
    ours = _over_seeds(scores, ["network", "init"])
    errors = scores[scores["metric"] == "mse"].groupby("network")["error"].mean()
    ours["mse_err"] = ours["network"].map(errors)
    printed = tables.published("astromae_table4" if number == 1 else "astromae_table5")
    return tables.with_paper(ours, printed, on=["network", "init"])


def _over_seeds(scores: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Long scores, a row for each seed and metric, to mean and sample deviation over seeds in columns."""
    rows = []
    for labels, group in scores.groupby(keys, sort=False):
        row = dict(zip(keys, labels, strict=True))
        for metric, values in group.groupby("metric", sort=False)["value"]:
            row |= {
                metric: values.mean(),
                f"{metric}_std": round(values.std(ddof=1), 12),
            }  # no 1e-19 for zero
        rows.append(row | {"n_seeds": group["seed"].nunique(), "source": group["source"].iloc[0]})
    return pd.DataFrame(rows)


def _recipe(
    profile: str,
    name: str,
    settings: profiles.Pretraining | profiles.Finetuning,
    printed_names: Mapping[str, str],
    **others: object,
) -> Markdown:
    """Settings beside the paper's, under the names the paper's table uses."""
    ours = {printed_names.get(key, key): value for key, value in dataclasses.asdict(settings).items()}
    ours["beta1"], ours["beta2"] = ours.pop("betas")
    n_seeds = len(ours.pop("seeds", [0]))
    table = tables.hyperparameters(ours | others, f"astromae_{name}", source=source(profile), n_seeds=n_seeds)
    return results.save_table(profile, f"astromae_{name}", table)
