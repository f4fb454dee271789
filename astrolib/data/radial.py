"""Where the centre of a galaxy is, how far it reaches, and which of its pixels are occupied."""

import numpy as np
from scipy import ndimage


def measure_scales(light: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre and radii that hold half and nine tenths of the light (card, section 2.4, geometry).

    Parameters
    ----------
    light : (n, H, W) array
        Images summed over the bands, any unit, sky subtracted.
    noise : (n,) array
        Standard deviation of the sky in a pixel, in that unit.

    Returns
    -------
    centre : (n, 2) float64 array
        x and y [pixels]: the centroid of the light in the segment above 3 sigma that the middle of the image
        lies in or is nearest to; the middle itself where there is none.
    r50, r90 : (n,) float64 arrays
        From the growth curve of that segment's light about the centre [pixels], at least 1 and 1.5.
    """
    n, height, width = light.shape
    y, x = np.mgrid[:height, :width].astype(float)
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    centre, r50, r90 = np.tile(middle, (n, 1)), np.ones(n), np.full(n, 1.5)
    smooth = ndimage.gaussian_filter(light, (0, 1, 1))
    from_middle = np.hypot(x - middle[0], y - middle[1])
    for k in range(n):
        segments, n_segments = ndimage.label(smooth[k] > 3 * noise[k] * _SMOOTHING)
        if not n_segments:
            continue
        number = segments.flat[np.where(segments.flat > 0, from_middle.flat, np.inf).argmin()]
        inside = segments == number
        weight = np.clip(light[k][inside], 0, None)
        if weight.sum() <= 0:
            continue
        centre[k] = np.average(x[inside], weights=weight), np.average(y[inside], weights=weight)
        radius = np.hypot(x[inside] - centre[k, 0], y[inside] - centre[k, 1])
        order = radius.argsort()
        grown = weight[order].cumsum() / weight.sum()
        r50[k] = max(1.0, radius[order][np.searchsorted(grown, 0.5)])
        r90[k] = max(1.5, radius[order][min(np.searchsorted(grown, 0.9), len(order) - 1)])
    return centre, r50, r90


_SMOOTHING = 1 / np.sqrt(4 * np.pi)
"""Noise left by a Gaussian of one pixel: 1 / (2 sqrt(pi) sigma)."""


def occupancy_target(light: np.ndarray, noise: np.ndarray, threshold: float = 3.0) -> np.ndarray:
    """Pixels in which the image, smoothed by one pixel, exceeds a multiple of the smoothed noise.

    Below about 3 sigma the target is mostly peaks of noise, which no one can predict (card, section 2.4).

    Parameters
    ----------
    light : (n, H, W) array
    noise : (n,) array
        Standard deviation of the sky in a pixel, in the unit of `light`.
    threshold : float
        In units of the noise after smoothing.

    Returns
    -------
    (n, H, W) bool array
    """
    smooth = ndimage.gaussian_filter(light, (0, 1, 1))
    return smooth > threshold * _SMOOTHING * np.asarray(noise)[:, None, None]


def shuffle_angles(images: np.ndarray, centre: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The null of angular structure: pixels of one radius change places at random, all bands together.

    Parameters
    ----------
    images : (n, C, H, W) array
    centre : (n, 2) array
        x and y [pixels]; radii are binned to whole pixels.
    rng : numpy Generator

    Returns
    -------
    (n, C, H, W) array
        Radial profiles are the same to the last pixel; nothing else is left to predict from.
    """
    n, channels, height, width = images.shape
    y, x = np.mgrid[:height, :width]
    flat = images.reshape(n, channels, -1)
    shuffled = np.empty_like(flat)
    for k in range(n):
        ring = np.hypot(x - centre[k, 0], y - centre[k, 1]).round().ravel()
        new = np.lexsort((rng.random(ring.size), ring))  # rings in order, random within each
        old = np.argsort(ring, kind="stable")
        shuffled[k][:, old] = flat[k][:, new]
    return shuffled.reshape(images.shape)
