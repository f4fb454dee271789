"""What learns no image model, on the same sets and the same visible tokens as the networks of A2-MAE."""

import numpy as np
import pandas as pd

from astrolib.data.image_sets import ImageSets
from astrolib.evaluate import image_sets as references
from astrolib.papers import anchor_filling as filling
from astrolib.papers.anchor import Experiment
from astrolib.papers.anchor_heads import change_columns, changed_patches, epochs_of, patches
from astrolib.papers.anchor_sets import SOFTENING

REGRESSION, MEAN = "resampled regression", "visible mean"
TYPICAL, CONSTANT = "mean training image", "constant"
DIFFERENCE, NEIGHBOURS = "difference image", "nearest on the sky"
MOST_TAUGHT = 500
"""Training sets of the regressions, which have a dozen weights each."""
COVERED = 0.5
"""Share of the light of a pixel that must come from visible pixels of another image."""


def measure(experiment: Experiment) -> dict[str, list[pd.DataFrame]]:
    """Tables of `Experiment.measure` for what is not learned, with the columns part and variant.

    Returns
    -------
    dict
        "objects": changes found on the difference of both dates, dust from the nearest training sets on the
        sky, and masked errors of four fills: a constant for each band, the mean training image, the mean
        of the visible pixels, and a regression on the other images. "filled": the last two in both settings.
    """
    data = experiment.data()
    train, validation, test = (data.sets.subset(data.splits[k]) for k in ("train", "validation", "test"))
    place = np.where(np.isin(data.splits["test"], data.splits["held out"]), "held out", "nearby")
    about = pd.DataFrame({"id": data.splits["test"], "place": place, "label": test.label})
    near = references.sky_neighbours(train.ra, train.dec, np.log(train.ebv), test.ra, test.dec)
    objects = [about.assign(log_ebv=np.log(test.ebv), log_ebv_found=near, variant=NEIGHBOURS)]

    n_patches = (test.images.shape[-1] // experiment.settings.transformer.patch_size) ** 2
    scores = [change_score(sets, n_patches) for sets in (validation, test)]
    truth = [changed_patches(sets, n_patches) for sets in (validation, test)]
    found = change_columns(scores[0], truth[0], scores[1], truth[1], test.transient)
    objects.append(about.assign(**found, scored=True, variant=DIFFERENCE))

    hidden = filling.shared_mask(len(test), test.images.shape[1], n_patches)
    fills = quarter_fills(train, test, hidden)
    true = np.arcsinh(test.images / SOFTENING)
    for variant, flux in fills.items():
        square = ((np.arcsinh(flux / SOFTENING) - true) ** 2).mean(axis=2)
        errors, source = filling.hidden_means(square, hidden, np.asarray(test.source_mask))
        columns = {f"error_{slot}": errors[:, slot] for slot in range(errors.shape[1])}
        columns |= {f"source_{slot}": source[:, slot] for slot in range(errors.shape[1])}
        objects.append(about.assign(**columns, variant=variant))
    filled = [
        filling.normalised(fills[variant], test, hidden, range(test.images.shape[1])).assign(
            visible=filling.QUARTERS, variant=variant
        )
        for variant in (MEAN, REGRESSION)
    ]
    filled += missing_fills(train, test, n_patches)
    tables = {"objects": objects, "filled": filled}
    return {name: [t.assign(part="baseline", seed=0) for t in made] for name, made in tables.items()}


def quarter_fills(train: ImageSets, test: ImageSets, hidden: np.ndarray) -> dict[str, np.ndarray]:
    """Fluxes (n, M, 3, S, S) of the test sets where patches (n, M, N) are hidden, by four recipes."""
    shown = ~filling.pixels_of(hidden, test.images.shape[-1])
    few = train.subset(np.arange(min(len(train), MOST_TAUGHT)))
    scaled = np.arcsinh(train.images / SOFTENING).mean(axis=0)  # (M, 3, S, S)
    constant = np.broadcast_to(scaled.mean(axis=(2, 3), keepdims=True), scaled.shape)
    fixed = {name: SOFTENING * np.sinh(values) for name, values in ((CONSTANT, constant), (TYPICAL, scaled))}
    mean, regression = np.empty_like(test.images), np.empty_like(test.images)
    for slot in range(test.images.shape[1]):
        mean[:, slot] = references.visible_mean(test.images[:, slot], shown[:, slot])
        regression[:, slot] = from_quarters(few, test, slot, shown, mean[:, slot])
    fixed = {name: np.broadcast_to(values, test.images.shape) for name, values in fixed.items()}
    return fixed | {MEAN: mean, REGRESSION: regression}


def missing_fills(train: ImageSets, test: ImageSets, n_patches: int) -> list[pd.DataFrame]:
    """How well the regression fills in every survey from all of the others."""
    few = train.subset(np.arange(min(len(train), MOST_TAUGHT)))
    flux, tables = np.empty_like(test.images), []
    for survey in dict.fromkeys(test.survey):
        slots = [slot for slot, name in enumerate(test.survey) if name == survey]
        for slot in slots:
            flux[:, slot] = from_others(few, test, slot)
        gone = filling.missing_mask(test, survey, n_patches)
        gone = np.broadcast_to(gone, (len(test), *gone.shape))
        table = filling.normalised(flux, test, gone, slots)
        tables.append(table.assign(visible=filling.MISSING, variant=REGRESSION))
    return tables


def change_score(sets: ImageSets, n_patches: int) -> np.ndarray:
    """Highest significance of the difference of both dates in each patch (n, N)."""
    first, second = epochs_of(sets)
    fwhm = sets.fwhm[second] / sets.pixel_scale[second]
    score = references.difference_score(sets.images[:, first], sets.images[:, second], fwhm)
    return patches(score, n_patches).max(axis=-1)


def from_others(train: ImageSets, test: ImageSets, target: int) -> np.ndarray:
    """One image of each test set (n, 3, S, S) from all images of other surveys, unmasked: blurred, resampled,
    and combined by a regression for each combination of bands."""
    others = [slot for slot, name in enumerate(test.survey) if name != test.survey[target]]
    inputs = [np.concatenate([seen(sets, k, target) for k in others], axis=1) for sets in (train, test)]
    found = np.empty(test.images[:, target].shape)
    for taught, asked in same_bands(train, test):
        usable = np.ones((len(taught), *found.shape[-2:]), bool)
        found[asked] = references.resampled_regression(
            inputs[0][taught], train.images[taught, target], usable, inputs[1][asked]
        )
    return found


def from_quarters(
    train: ImageSets, test: ImageSets, target: int, shown: np.ndarray, mean: np.ndarray
) -> np.ndarray:
    """The same from the visible pixels of all other images: every image that covers a pixel predicts it, and
    these predictions are averaged with the inverse of their squared training errors; the mean of the image's
    own visible pixels is left where there is none."""
    total, weight = np.zeros(mean.shape), np.zeros(mean.shape)
    for slot in range(test.images.shape[1]):
        if slot == target:
            continue
        x = seen(train, slot, target)
        asked_x = seen(test, slot, target, shown[:, slot])
        for taught, asked in same_bands(train, test):
            truth, usable = train.images[taught, target], np.isfinite(x[taught]).all(axis=1)
            both = np.concatenate([x[taught], asked_x[asked]])
            made = references.resampled_regression(x[taught], truth, usable, both)
            residual = np.where(usable[:, None], made[: len(taught)] - truth, np.nan)
            precision = 1 / np.nanmean(residual**2, axis=(0, 2, 3))[:, None, None]  # of each band
            covered = np.isfinite(asked_x[asked]).all(axis=1)[:, None]
            total[asked] += np.where(covered, made[len(taught) :] * precision, 0)
            weight[asked] += np.where(covered, precision, 0)
    return np.where(weight > 0, total / np.maximum(weight, 1e-30), mean)


def seen(sets: ImageSets, slot: int, target: int, shown: np.ndarray | None = None) -> np.ndarray:
    """The images of one slot with the pixels and the seeing of another's, NaN where they do not reach or,
    given which pixels are `shown` (n, S, S), where hidden ones would be needed."""
    cameras = sets.pixel_scale[slot], sets.fwhm[slot], sets.pixel_scale[target], sets.fwhm[target]
    if shown is None:
        return references.as_seen_by(sets.images[:, slot], *cameras)
    share = references.as_seen_by(shown[:, None].astype(float), *cameras)
    share *= (sets.pixel_scale[slot] / sets.pixel_scale[target]) ** 2
    light = references.as_seen_by(sets.images[:, slot] * shown[:, None], *cameras)
    return np.where(share > COVERED, light / np.maximum(share, COVERED), np.nan)


def same_bands(train: ImageSets, test: ImageSets) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rows of training and of test sets with the same bands in all images; all training sets where none has
    the bands of some test sets."""
    both = np.concatenate([train.band, test.band]).reshape(len(train) + len(test), -1)
    number = np.unique(both, axis=0, return_inverse=True)[1].ravel()
    taught, asked = number[: len(train)], number[len(train) :]
    groups = []
    for k in np.unique(asked):
        rows = np.flatnonzero(taught == k)
        groups.append((rows if len(rows) else np.arange(len(train)), np.flatnonzero(asked == k)))
    return groups
