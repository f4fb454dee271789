"""The baseline of the star papers: a random forest on plain features of each modality."""

import numpy as np
from scipy import stats
from sklearn.ensemble import RandomForestClassifier

from astrolib.data.stars import Modality

SPECTRUM_BINS = 64  # a spectrum is averaged to so many numbers at most
QUANTILES = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)  # of the fluxes of a light curve


def predict(
    features: np.ndarray, label: np.ndarray, test_features: np.ndarray, trees: int, seed: int
) -> np.ndarray:
    """Classes of test stars (n,) by a forest trained on features (N, F) and labels (N,)."""
    forest = RandomForestClassifier(trees, random_state=seed, n_jobs=1)
    return forest.fit(features, label).predict(test_features)


def features(modality: Modality) -> np.ndarray:
    """Numbers that describe each star's view, (N, F) float32.

    A table's columns, an image's pixels, a spectrum's first channel in bins; of a light curve quantiles, the
    mean step between neighbouring points and the skewness of the flux. Constants are always among them. A
    star that lacks the modality has zeros.
    """
    values, constants = modality.values, modality.constants
    if modality.kind == "table":
        return values
    if modality.kind == "image":
        return values.reshape(len(values), -1)
    if modality.kind == "spectrum":
        length = values.shape[2]
        edges = np.linspace(0, length, min(SPECTRUM_BINS, length) + 1).astype(int)[:-1]
        binned = np.add.reduceat(values[:, 0], edges, axis=1) / np.diff(edges, append=length)
        return np.concatenate([binned, constants], axis=1)
    flux = np.where(np.arange(values.shape[1]) < modality.n_points[:, None], values[:, :, 1], np.nan)
    flux[~modality.present] = 0.0
    shape = np.nanquantile(flux, QUANTILES, axis=1).T
    step = np.nanmean(np.abs(np.diff(flux, axis=1)), axis=1, keepdims=True)  # roughness from point to point
    skewness = stats.skew(flux, axis=1, nan_policy="omit")[:, None]
    joined = np.concatenate([shape, step, np.ma.filled(skewness, 0.0), constants], axis=1)
    return np.nan_to_num(joined).astype(np.float32)
