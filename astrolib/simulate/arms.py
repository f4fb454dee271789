"""Spiral arms of late types: chains of round clumps on logarithmic spirals in the plane of the disc."""

from collections.abc import Mapping

import numpy as np
from scipy.special import ndtri

N_CLUMPS = 32  # of a galaxy, shared out among its arms
INNER, OUTER = 0.45, 2.2  # ends of an arm in half-light radii of the disc
CLUMP_WIDTH = 0.17  # standard deviation of a clump in half-light radii of the disc
CLUMP_SCATTER = 0.6  # of the natural logarithm of a clump's flux


def splitmix64(x: np.ndarray) -> np.ndarray:
    """Well-mixed 64-bit hash of 64-bit integers (Steele, Lea & Flood 2014, OOPSLA, section 4).

    Random numbers that depend on a galaxy's own seed only, drawn for all galaxies in one go.

    Examples
    --------
    >>> hex(int(splitmix64(np.uint64(0))))
    '0xe220a8397b1dcdaf'
    """
    with np.errstate(over="ignore"):
        x = np.asarray(x, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return x ^ (x >> np.uint64(31))


def _normal(seed: np.ndarray, n: int) -> np.ndarray:
    """Standard normal numbers, (N, n), from one seed per row."""
    counter = np.arange(1, n + 1, dtype=np.uint64)
    bits = splitmix64(splitmix64(seed.astype(np.uint64))[:, None] + counter)
    return ndtri(((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53)


def arm_clumps(parameters: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clumps of the arms.

    Parameters
    ----------
    parameters : mapping
        Catalogue columns (a Table or a dictionary of arrays): ``disc_radius``, ``disc_axis_ratio``,
        ``position_angle``, ``n_arms``, ``pitch_angle``, ``arm_phase``, ``seed``.

    Returns
    -------
    share : array
        Share of the arms' light in each clump, (N, 32); sums to 1 along the second axis.
    position : array
        Offset from the centre of the galaxy [arcsec], (N, 32, 2).
    width : array
        Standard deviation of each clump [arcsec], (N, 32).
    """

    def column(name: str) -> np.ndarray:
        return np.asarray(parameters[name], dtype=np.float64)[:, None]

    clump = np.arange(N_CLUMPS)
    radius = INNER * (OUTER / INNER) ** ((clump + 0.5) / N_CLUMPS)  # (32,) in half-light radii
    arm = clump % column("n_arms")  # (N, 32): clumps go to the arms in turn
    winding = np.log(radius) / np.tan(np.deg2rad(column("pitch_angle")))
    azimuth = winding + np.deg2rad(column("arm_phase")) + 2 * np.pi * arm / column("n_arms")
    normal = _normal(np.asarray(parameters["seed"]), 3 * N_CLUMPS).reshape(-1, 3, N_CLUMPS)

    # Exponential disc times the area a clump stands for (radius^2 on a logarithmic grid).
    share = radius**2 * np.exp(-1.678 * radius) * np.exp(CLUMP_SCATTER * normal[:, 0])
    share /= share.sum(1, keepdims=True)
    along = radius * np.cos(azimuth) + 0.05 * normal[:, 1]
    across = (radius * np.sin(azimuth) + 0.05 * normal[:, 2]) * column("disc_axis_ratio")
    angle = np.deg2rad(column("position_angle"))
    x, y = along * np.cos(angle) - across * np.sin(angle), along * np.sin(angle) + across * np.cos(angle)
    size = column("disc_radius")
    return share, np.stack([x, y], -1) * size[..., None], np.broadcast_to(CLUMP_WIDTH * size, share.shape)
