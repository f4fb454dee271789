"""How many directions an embedding uses, and how two embeddings of the same objects go together."""

import numpy as np
from numpy.typing import ArrayLike

_EPS = 1e-5  # added to the variance, as in the network's own standardisation


def singular_values(z: ArrayLike) -> np.ndarray:
    """Singular values of centred embeddings, in units of the largest.

    Parameters
    ----------
    z : (N, D) array_like
        A row for each object.

    Returns
    -------
    (min(N, D),) float64 array
        Decreasing from 1; all zero if every row is the same within rounding (complete collapse).

    Raises
    ------
    ValueError
        If there are fewer than two rows, the array is not two-dimensional, or a value is not finite.

    Examples
    --------
    >>> singular_values([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]).round(3)
    array([1.   , 0.333])
    """
    z = _checked(z)
    centred = z.astype(np.float64) - z.mean(axis=0, dtype=np.float64)
    values = np.linalg.svd(centred, compute_uv=False)
    if values[0] <= np.finfo(z.dtype).eps * np.sqrt(z.size) * np.abs(z).max():
        return np.zeros_like(values)
    return values / values[0]


def effective_rank(z: ArrayLike) -> float:
    """exp(entropy) of the singular values of centred embeddings, normalised to sum 1.

    Roy & Vetterli (2007, EUSIPCO, 606): D if the embedding scatters equally in all of its D directions, 1 if
    in a single one (Barlow Twins card, section 8).

    Parameters and errors as for `singular_values`.

    Returns
    -------
    float
        Between 1 and min(N - 1, D); 0 if every row is the same within rounding.

    Examples
    --------
    >>> round(effective_rank([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]), 6)
    2.0
    """
    values = singular_values(z)
    values = values[values > 0]
    if not len(values):
        return 0.0
    share = values / values.sum()
    return float(np.exp(-np.sum(share * np.log(share))))


def correlation_summary(z_a: ArrayLike, z_b: ArrayLike) -> tuple[float, float]:
    """The cross-correlation matrix C of two embeddings of the same objects, in two numbers.

    C is the one of the loss (Barlow Twins card, section 2): columns are standardised over the objects, with
    1e-5 added to their variance, so a column that is the same for all objects correlates with nothing.

    Parameters
    ----------
    z_a, z_b : (N, D) array_like
        Embeddings of one view and of the other, row by row of the same objects.

    Returns
    -------
    diagonal : float
        Mean of C_ii; 1 if the views never change an embedding.
    off_square : float
        Mean of C_ij squared off the diagonal, about 1 / N for independent columns; NaN if D is 1.

    Raises
    ------
    ValueError
        If the shapes differ; else as for `singular_values`.

    Examples
    --------
    >>> z = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
    >>> [round(value, 3) for value in correlation_summary(z, z)]
    [1.0, 0.0]
    """
    z_a, z_b = _checked(z_a), _checked(z_b)
    if z_a.shape != z_b.shape:
        raise ValueError(f"Embeddings of shape {z_a.shape} and {z_b.shape} are not of the same objects.")
    n, width = z_a.shape
    correlation = _standardised(z_a).T @ _standardised(z_b) / n
    diagonal = np.diagonal(correlation)
    off = np.sum(correlation**2) - np.sum(diagonal**2)
    return float(diagonal.mean()), float(off / (width * (width - 1))) if width > 1 else float("nan")


def _standardised(z: np.ndarray) -> np.ndarray:
    z = z.astype(np.float64)
    return (z - z.mean(axis=0)) / np.sqrt(z.var(axis=0) + _EPS)


def _checked(z: ArrayLike) -> np.ndarray:
    """As (N, D) of at least float32, all finite."""
    z = np.asarray(z)
    if z.ndim != 2 or len(z) < 2 or not z.shape[1]:
        raise ValueError(f"Embeddings are an array (N, D) of two rows or more, not one of shape {z.shape}.")
    bad = np.flatnonzero(~np.isfinite(z).all(axis=1))
    if bad.size:
        raise ValueError(
            f"{bad.size} of {len(z)} rows of an embedding are not finite, the first is row {bad[0]}."
        )
    return z.astype(np.result_type(z, np.float32), copy=False)
