"""Linear heads on the frozen tokens of A2-MAE: which pixels are the source, and what changed."""

import numpy as np

from astrolib.data.image_sets import ImageSets
from astrolib.evaluate import dense_probe as dense

MOST_DENSE = 2000
"""Sets that heads on tokens learn from, and sets that they are tested on: every set has M * N tokens."""


def patches(pixels: np.ndarray, n_patches: int) -> np.ndarray:
    """(..., S, S) -> (..., N, p * p), patches in the order of tokens."""
    *shape, size, _ = pixels.shape
    side = round(n_patches**0.5)
    p = size // side
    blocks = pixels.reshape(*shape, side, p, side, p)
    return np.moveaxis(blocks, -3, -2).reshape(*shape, n_patches, p * p)


def epochs_of(sets: ImageSets) -> tuple[int, int]:
    """Slots of the two epochs of the survey that has two."""
    second = int(np.argmax(sets.epoch))
    first = next(k for k, name in enumerate(sets.survey) if name == sets.survey[second] and k != second)
    return first, second


def dense_columns(parts: dict[str, ImageSets], tokens: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Counts of the two heads on tokens for each test set: segmentation, a head for each slot with an output
    for each pixel of a patch; and changes, a head on both epochs' tokens and their absolute difference.

    The plain difference that the original uses adds nothing to a linear head which sees both.
    """
    names = ("train", "validation", "test")
    n_test, n_scored = len(parts["test"]), len(tokens["test"])
    n_patches = tokens["test"].shape[2]
    columns = {"scored": np.arange(n_test) < n_scored}
    totals = np.zeros((3, n_test), np.int64)
    truth = {k: patches(np.asarray(parts[k].source_mask)[: len(tokens[k])], n_patches) for k in names}
    for slot in range(tokens["test"].shape[1]):
        x, y = ({k: v[k][:, slot].reshape(-1, v[k].shape[-1]) for k in names} for v in (tokens, truth))
        chosen, scores = dense.dense_probe(
            x["train"], y["train"], x["validation"], y["validation"], x["test"]
        )
        found = scores >= dense.best_threshold(chosen, y["validation"])
        shape = (n_scored, -1)
        totals[:, :n_scored] += dense.counts(found.reshape(shape), y["test"].reshape(shape), axis=(1,))
    columns |= dict(zip(("seg_tp", "seg_fp", "seg_fn"), totals, strict=True))

    first, second = epochs_of(parts["test"])
    pairs = {k: (tokens[k][:, first], tokens[k][:, second]) for k in names}
    x = {k: np.concatenate([a, b, np.abs(b - a)], axis=-1) for k, (a, b) in pairs.items()}
    y = {k: changed_patches(parts[k], n_patches)[: len(tokens[k])] for k in names}
    flat = {k: (x[k].reshape(-1, x[k].shape[-1]), y[k].reshape(-1, 1)) for k in names}
    chosen, scores = dense.dense_probe(*flat["train"], *flat["validation"], flat["test"][0])
    return columns | change_columns(
        chosen.reshape(-1, n_patches), y["validation"], scores.reshape(-1, n_patches), y["test"],
        parts["test"].transient,
    )  # fmt: skip


def changed_patches(sets: ImageSets, n_patches: int) -> np.ndarray:
    """Patches (n, N) of the second epoch that a transient covers with a pixel or more."""
    return patches(np.asarray(sets.transient_mask), n_patches).any(axis=-1)


def change_columns(
    chosen: np.ndarray, chosen_truth: np.ndarray, scores: np.ndarray, truth: np.ndarray, transient: np.ndarray
) -> dict[str, np.ndarray]:
    """Counts of patches, and alarms of whole sets, for each test set, from scores (n, N) of patches.

    Both thresholds, that of a patch and that of the highest patch of a set, are chosen on validation sets.
    """
    found = scores >= dense.best_threshold(chosen, chosen_truth)
    alarm = scores.max(axis=1) >= dense.best_threshold(chosen.max(axis=1), chosen_truth.any(axis=1))
    n_test, n_scored = len(transient), len(scores)
    columns = {name: np.zeros(n_test, np.int64) for name in ("patch_tp", "patch_fp", "patch_fn")}
    for name, values in zip(columns, dense.counts(found, truth, axis=(1,)), strict=True):
        columns[name][:n_scored] = values
    padded = np.zeros(n_test, bool)
    padded[:n_scored] = alarm
    return columns | {"transient": np.asarray(transient, bool), "alarm": padded}
