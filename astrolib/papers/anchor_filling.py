"""Filling in what is hidden of image sets: errors under masks that all networks share, and missing surveys.

Errors of networks that were trained with different masks are compared under the same ones: a quarter of the
patches of each image, drawn independently, so that every network sees exactly the same tokens.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd
import torch
from torch import Generator, Tensor, nn

from astrolib.data.batches import Batches
from astrolib.data.image_sets import ImageSets
from astrolib.models.masking import Mask
from astrolib.papers.anchor_sets import SOFTENING

VISIBLE = 0.25
"""Share of the patches of each image that shared masks show."""
MASK_SEED = 7
QUARTERS, MISSING = "a quarter of every image", "all of the other surveys"
"""What is visible in the two settings."""


def shared_mask(n_sets: int, n_images: int, n_patches: int) -> np.ndarray:
    """Hidden patches (n_sets, n_images, n_patches) bool: the same for each set whenever it is asked for."""
    keep = max(1, int(n_patches * VISIBLE))
    noise = np.random.default_rng(MASK_SEED).random((n_sets, n_images, n_patches))
    return noise.argsort(axis=2).argsort(axis=2) >= keep


def missing_mask(sets: ImageSets, survey: str, n_patches: int) -> np.ndarray:
    """Hidden patches (M, n_patches) bool: all of a survey, and nothing of the others."""
    hidden = np.array([name == survey for name in sets.survey])
    return np.repeat(hidden[:, None], n_patches, axis=1)


def as_mask(hidden: np.ndarray, device: torch.device | str) -> Mask:
    """A `Mask` of the flat tokens (B, M * N) from which are hidden (B, M, N)."""
    flat = torch.from_numpy(hidden.reshape(len(hidden), -1)).to(device)
    n_keep = int((~hidden[0]).sum())
    order = torch.arange(flat.shape[1], device=device) / flat.shape[1]
    return Mask.from_ranking(flat.float() + order * 0.5, n_keep)


@torch.no_grad()
def masked_errors(
    model: nn.Module, batches: Batches, sets: ImageSets, single: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Mean squared errors (n, M) of hidden pixels in asinh units, under the shared masks.

    Parameters
    ----------
    model : AnchorAwareAutoencoder
    batches : Batches
        Of these sets, in order; of single images if `single`.
    sets : ImageSets
        The same sets, for where the source is.

    Returns
    -------
    errors, source_errors : (n, M) float64 array
        Over all hidden pixels, and over those that the source covers, NaN where none is hidden.
    """
    n_images, n_patches = sets.images.shape[1], model.n_patches
    errors, source, first = [], [], 0
    masks = shared_mask(len(sets), n_images, n_patches)
    for batch in batches.epoch(Generator(batches.device)):
        n = len(batch["images"]) // (n_images if single else 1)
        hidden = masks[first : first + n]
        rows = hidden.reshape(-1, 1, n_patches) if single else hidden
        square = (predicted(model, batch, rows) - batch["images"]).square().mean(dim=2)  # (b, M, S, S)
        square = square.reshape(n, n_images, *square.shape[2:]).cpu().numpy()
        found = hidden_means(square, hidden, np.asarray(sets.source_mask[first : first + n]))
        errors.append(found[0])
        source.append(found[1])
        first += n
    return np.concatenate(errors), np.concatenate(source)


def predicted(model: nn.Module, batch: dict[str, Tensor], hidden: np.ndarray) -> Tensor:
    """Pixels (B, M, C, S, S) that a network makes of what is not hidden (B, M, N), in asinh units."""
    model = model.to(batch["images"].device).eval()
    mask = as_mask(hidden, batch["images"].device)
    return model.unpatchify(model(batch, mask=mask)["prediction"].float())


def pixels_of(hidden: np.ndarray, size: int) -> np.ndarray:
    """(..., N) -> (..., S, S): the pixels of hidden patches."""
    side = round(hidden.shape[-1] ** 0.5)
    grid = hidden.reshape(*hidden.shape[:-1], side, side)
    return grid.repeat(size // side, axis=-2).repeat(size // side, axis=-1)


@torch.no_grad()
def fill(model: nn.Module, batches: Batches, sets: ImageSets) -> pd.DataFrame:
    """How well a network fills in the source, in both settings.

    Returns
    -------
    DataFrame
        A row for each set, slot and setting: id, slot, visible (`QUARTERS` or `MISSING`), and error, see
        `normalised`.
    """
    n_images, n_patches = sets.images.shape[1], model.n_patches
    tables, first, shared = [], 0, shared_mask(len(sets), n_images, n_patches)
    for batch in batches.epoch(Generator(batches.device)):
        n = len(batch["images"])
        part = sets.subset(np.arange(first, first + n))
        settings = [(QUARTERS, range(n_images), shared[first : first + n])]
        for survey in dict.fromkeys(sets.survey):
            slots = [slot for slot, name in enumerate(sets.survey) if name == survey]
            hidden = missing_mask(sets, survey, n_patches)
            settings.append((MISSING, slots, np.broadcast_to(hidden, (n, *hidden.shape)).copy()))
        for visible, slots, hidden in settings:
            flux = SOFTENING * torch.sinh(predicted(model, batch, hidden)).cpu().numpy()
            tables.append(normalised(flux, part, hidden, slots, first).assign(visible=visible))
        first += n
    return pd.concat(tables, ignore_index=True)


def normalised(
    flux: np.ndarray, sets: ImageSets, hidden: np.ndarray, slots: Iterable[int], first: int = 0
) -> pd.DataFrame:
    """Errors of predicted fluxes in units of the variance of the pixels that they are compared with.

    Parameters
    ----------
    flux : (n, M, 3, S, S) array
        Predictions in units of the sky noise.
    sets : ImageSets
        The n sets.
    hidden : (n, M, N) bool array
        Hidden patches; only hidden pixels of the source count.
    slots : iterable of int
        Which images are judged.
    first : int
        Number of the first set.

    Returns
    -------
    DataFrame
        id, slot, error (mean over bands of squared error / variance of the true pixels) and floor (what the
        noise alone leaves: 1 / variance). Sets with fewer than ten such pixels have no row.
    """
    tables = []
    inside = pixels_of(hidden, flux.shape[-1]) & np.asarray(sets.source_mask)
    for slot in slots:
        where = inside[:, slot, None]  # (n, 1, S, S)
        truth = np.asarray(sets.images[:, slot], np.float64)
        count = where.sum(axis=(2, 3))
        mean = (truth * where).sum(axis=(2, 3)) / np.maximum(count, 1)
        variance = ((truth - mean[..., None, None]) ** 2 * where).sum(axis=(2, 3)) / np.maximum(count, 1)
        square = ((flux[:, slot] - truth) ** 2 * where).sum(axis=(2, 3)) / np.maximum(count, 1)
        variance = np.maximum(variance, 1e-6)
        table = pd.DataFrame(
            {
                "id": first + np.arange(len(truth)),
                "slot": slot,
                "error": (square / variance).mean(axis=1),
                "floor": (1 / variance).mean(axis=1),
            }
        )
        tables.append(table[count[:, 0] >= 10])
    return pd.concat(tables, ignore_index=True)


def hidden_means(
    square: np.ndarray, hidden: np.ndarray, source_mask: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Means (n, M) of values (n, M, S, S) over the pixels of hidden patches (n, M, N): over all of them, and
    over those in the mask (n, M, S, S), NaN where there is none."""
    inside = pixels_of(hidden, square.shape[-1])
    means = []
    for where in (inside, inside & source_mask):
        count = where.sum(axis=(2, 3))
        total = np.where(where, square, 0).sum(axis=(2, 3), dtype=np.float64)
        means.append(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0))
    return means[0], means[1]
