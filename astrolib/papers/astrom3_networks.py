"""The parts of AstroM3 that an experiment puts together: encoders, losses, and how each model is trained."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from astrolib.data.stars import Modality
from astrolib.models.galspecnet import GalSpecNet
from astrolib.models.informer import InformerEncoder
from astrolib.models.star_encoders import DmDtEncoder, MetadataEncoder
from astrolib.profiles import AstroM3, StarEncoders
from astrolib.report.tables import published
from astrolib.training.optim import Optimization

CLIP_PRETRAINING = "clip_pretraining"
"""Name of the pretraining among the published settings."""


def encoder_of(modality: Modality, sizes: StarEncoders, n_points: int, dropout: float) -> nn.Module:
    """An untrained encoder for a modality: which one follows from its kind.

    Parameters
    ----------
    n_points : int
        Of a light curve after the crop.
    """
    if modality.kind == "light curve":
        shape = (sizes.d_model, sizes.n_heads, sizes.n_layers, sizes.d_ff)
        return InformerEncoder(
            modality.channels, n_points, *shape, dropout=dropout, attention=sizes.attention
        )
    if modality.kind == "spectrum":
        length = modality.values.shape[2]
        return GalSpecNet(modality.channels, length, sizes.channels, pool=sizes.pool, dropout=dropout)
    if modality.kind == "image":
        shape = modality.values.shape[2:]
        return DmDtEncoder(modality.channels, shape, sizes.image_channels, dropout=dropout)
    return MetadataEncoder(modality.channels, sizes.hidden, dropout=dropout)


def recipe(
    settings: AstroM3, names: Sequence[str], model: str, fraction: float, way: str
) -> tuple[Optimization, dict[str, float]]:
    """How a model is optimised, and the dropout of each encoder.

    Parameters
    ----------
    settings : AstroM3
        With `tuned`, the paper's own settings are taken (AstroM3 card, section 7).
    names : sequence of str
        Modalities.
    model : str
        `CLIP_PRETRAINING`, a modality, or "all".
    fraction, way : float, str
        Of the labels; "from scratch" or "CLIP".
    """
    chosen = settings.pretraining if model == CLIP_PRETRAINING else settings.finetuning
    dropout = dict.fromkeys(names, settings.encoders.dropout)
    optimization = Optimization.of(chosen)
    if not settings.tuned:
        epochs = chosen.epochs if model == CLIP_PRETRAINING else round(chosen.epochs / fraction**0.5)
        return dataclasses.replace(optimization, epochs=epochs), dropout
    table = published("astrom3_hparams").set_index(["model", "fraction", "init_from_clip"])
    row = table.loc[(model, fraction, int(way == "CLIP"))]
    tuned = {
        "epochs": int(row["max_epochs"]),
        "batch_size": int(row["batch_size"]),
        "lr": row["lr"],
        "betas": (row["beta1"], row["beta2"]),
        "weight_decay": row["weight_decay"],
        "plateau_factor": row["plateau_factor"],
        "grad_clip": 0.0 if np.isnan(row["grad_clip_norm"]) else row["grad_clip_norm"],
    }
    known = {name: row.get(f"{name}_dropout", np.nan) for name in names}
    dropout |= {name: value for name, value in known.items() if not np.isnan(value)}
    return dataclasses.replace(optimization, **tuned), dropout


def clip_loss(inputs: Callable) -> Callable:
    """Loss for `fit`; ``inputs(batch)`` gives what the model is called with."""

    def loss(model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator):
        found = model(*inputs(batch))
        return {name: value for name, value in found.items() if not name.startswith("loss ")}

    return loss


def class_loss(inputs: Callable) -> Callable:
    """Cross entropy and accuracy for `fit`."""

    def loss(model: nn.Module, batch: dict[str, Tensor], generator: torch.Generator):
        logits = model(*inputs(batch))
        accuracy = (logits.argmax(dim=1) == batch["label"]).float().mean()
        return {"loss": F.cross_entropy(logits, batch["label"]), "accuracy": accuracy}

    return loss
