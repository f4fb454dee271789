"""Hidden subclasses: split a class in two without labels, and compare with what is known."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from astrolib.evaluate.similarity import checked


def two_groups(x: ArrayLike, *, n_components: int = 4, seed: int = 0) -> np.ndarray:
    """Two groups of stars by a Gaussian mixture on principal components, whitened or not.

    Made for tens to hundreds of stars in hundreds of dimensions, where no covariance can be fitted. Whitening
    gives a split a chance that is not along the direction of largest scatter, which in embeddings of
    variable stars is often a sequence in period or colour, but also lifts a few odd stars to a group of
    their own. Both are tried, and the split with the wider gap is kept: the distance of the two means along
    the line that separates them best, in units of the scatter about them (Ashman et al. 1994, AJ 108, 2348).
    Few components and a prior width of 0.1 keep the full covariances of a small group in bounds.

    Parameters
    ----------
    x : (N, D) array_like
        Embeddings of one class, or standardised columns of a catalogue; used as they are.
    n_components : int
        Principal components, fewer where there are too few stars.
    seed : int
        Of the mixture's starts.

    Returns
    -------
    (N,) int array
        0 for the larger group, 1 for the smaller one, -1 for a row of NaN.

    Raises
    ------
    ValueError
        If there are fewer than ten stars, or all are the same.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(size=(60, 8))
    >>> x[:20] += 8
    >>> bool((two_groups(x)[:20] == 1).all())
    True
    """
    x, present = checked(x)
    x = x[present].astype(np.float64)
    if len(x) < 10:
        raise ValueError(f"A class of {len(x)} stars with this modality is too small to split: ten is least.")
    if (np.ptp(x, axis=0) == 0).all():
        raise ValueError(f"All {len(x)} stars have the same embedding: there is nothing to split.")
    n_components = min(n_components, x.shape[1], len(x) // 5)
    splits = []
    for whiten in (True, False):
        axes = PCA(n_components, whiten=whiten, random_state=seed).fit_transform(x)
        axes = axes / axes.std()
        mixture = GaussianMixture(2, covariance_type="full", reg_covar=0.1, n_init=10, random_state=seed)
        split = mixture.fit_predict(axes)
        splits.append((_gap(axes, split), split))
    found = max(splits, key=lambda each: each[0])[1]
    clusters = np.full(len(present), -1)
    clusters[present] = found if (found == 0).sum() >= (found == 1).sum() else 1 - found
    return clusters


def _gap(axes: np.ndarray, split: np.ndarray) -> float:
    """Ashman's D of two groups along the discriminant of Fisher; 0 if one has a single star."""
    if np.bincount(split, minlength=2).min() < 2:
        return 0.0
    line = LinearDiscriminantAnalysis().fit_transform(axes, split)[:, 0]
    first, second = line[split == 0], line[split == 1]
    return abs(first.mean() - second.mean()) / np.sqrt((first.var() + second.var()) / 2)


def adjusted_rand(
    truth: ArrayLike, clusters: ArrayLike, *, n_resamples: int = 500, level: float = 0.95, seed: int = 0
) -> dict[str, float]:
    """Adjusted Rand index of clusters and truth: 1 if they agree, 0 on average if they know nothing.

    Parameters
    ----------
    truth : (N,) array_like
        Names or numbers of the true groups, only of stars where they are known.
    clusters : (N,) int array_like
        From `two_groups`; -1 is left out.
    n_resamples, level, seed
        Of the bootstrap over stars and its percentile interval.

    Returns
    -------
    dict
        `ari`, `low`, `high` and `n`, the stars compared. NaN for fewer than two stars or a single true
        group: the index says nothing there.

    Examples
    --------
    >>> adjusted_rand(["C", "C", "M", "M"], [1, 1, 0, 0])["ari"]
    1.0
    """
    truth, clusters = np.asarray(truth), np.asarray(clusters)
    if truth.ndim != 1 or truth.shape != clusters.shape:
        raise ValueError(f"Truth {truth.shape} and clusters {clusters.shape} are not of the same stars.")
    found = clusters >= 0
    true, mine = np.unique(truth[found], return_inverse=True)[1], clusters[found]
    if len(mine) < 2 or true.max() == 0:
        return {"ari": np.nan, "low": np.nan, "high": np.nan, "n": len(mine)}
    made = stats.bootstrap(
        (true, mine),
        adjusted_rand_score,
        paired=True,
        vectorized=False,
        n_resamples=n_resamples,
        confidence_level=level,
        method="percentile",
        random_state=np.random.default_rng(seed),
    )
    low, high = made.confidence_interval
    ari = float(adjusted_rand_score(true, mine))
    return {"ari": ari, "low": float(low), "high": float(high), "n": len(mine)}


def separating_columns(values: ArrayLike, clusters: ArrayLike, names: Sequence[str]) -> pd.DataFrame:
    """Columns of a catalogue in which two groups differ, the most different first.

    If the columns went into the embedding that made the groups, the p-values describe and do not test.

    Parameters
    ----------
    values : (N, M) array_like
        Measured columns; NaN is left out of its column.
    clusters : (N,) int array_like
        0 and 1; stars of -1 are left out.
    names : sequence of str
        Of the M columns.

    Returns
    -------
    DataFrame
        `column`; `median_0`, `median_1`; `effect`, the rank-biserial correlation: the chance that a star of
        group 1 has the larger value, minus that of group 0, from -1 to 1; `p_value` of a two-sided
        Mann-Whitney test; `p_bonferroni`, times the number of columns. NaN where a group has no value.

    Raises
    ------
    ValueError
        If shapes disagree, or a group is empty.
    """
    values, clusters = np.asarray(values, np.float64), np.asarray(clusters)
    if values.ndim != 2 or clusters.shape != values.shape[:1] or len(names) != values.shape[1]:
        raise ValueError(
            f"Values {values.shape}, clusters {clusters.shape} and {len(names)} names do not belong together."
        )
    groups = [values[clusters == number] for number in (0, 1)]
    if not all(map(len, groups)) or clusters.max() > 1:
        raise ValueError("Columns can separate two groups, 0 and 1, of at least one star each.")
    rows = []
    for column, name in enumerate(names):
        zero, one = (group[np.isfinite(group[:, column]), column] for group in groups)
        row = dict.fromkeys(("median_0", "median_1", "effect", "p_value"), np.nan)
        if len(zero) and len(one):
            test = stats.mannwhitneyu(one, zero)
            effect = 2 * test.statistic / (len(zero) * len(one)) - 1
            row = dict(zip(row, (np.median(zero), np.median(one), effect, test.pvalue), strict=True))
        rows.append({"column": name} | row)
    table = pd.DataFrame(rows)
    table["p_bonferroni"] = (table["p_value"] * len(names)).clip(upper=1)
    return table.sort_values("effect", key=np.abs, ascending=False, kind="stable", ignore_index=True)
