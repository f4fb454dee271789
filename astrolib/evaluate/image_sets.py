"""What sets of images of one place tell without learning an image model: fills, changes, and the sky itself.

Images are linear fluxes, (n, S, S) for one band or (n, C, S, S), in any unit; north is up and the object in
the middle of each, but pixels and seeing differ.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage, spatial


def as_seen_by(
    images: ArrayLike, pixel_scale: float, fwhm: float, to_pixel_scale: float, to_fwhm: float
) -> np.ndarray:
    """Images as another camera would show them: blurred to its seeing and resampled to its pixels.

    Parameters
    ----------
    images : (n, C, S, S) array_like
        Flux per pixel.
    pixel_scale, fwhm : float
        Pixel and seeing (Gaussian) of these images [arcsec].
    to_pixel_scale, to_fwhm : float
        The same of the other camera. Seeing is not made sharper: where `to_fwhm` is the smaller one, the
        images keep theirs.

    Returns
    -------
    (n, C, S, S) float64 array
        Flux per pixel of the other camera, in its field of as many pixels; NaN outside the images.

    Examples
    --------
    >>> flat = np.ones((1, 1, 8, 8))
    >>> float(as_seen_by(flat, 1.0, 2.0, 2.0, 2.0)[0, 0, 4, 4])  # four times the area
    4.0
    """
    images = np.asarray(images, float)
    size = images.shape[-1]
    wider = np.sqrt(max(0.0, to_fwhm**2 - fwhm**2) / (8 * np.log(2))) / pixel_scale  # sigma, pixels
    ratio = to_pixel_scale / pixel_scale
    if ratio > 1:  # average over the larger pixel before sampling
        wider = np.hypot(wider, np.sqrt((ratio**2 - 1) / 12))
    if wider > 0:
        images = ndimage.gaussian_filter(images, (0, 0, wider, wider), mode="nearest")
    middle = (size - 1) / 2
    place = (np.arange(size) - middle) * ratio + middle
    rows, columns = np.meshgrid(place, place, indexing="ij")
    flat = images.reshape(-1, size, size)
    found = np.stack(
        [ndimage.map_coordinates(image, (rows, columns), order=1, cval=np.nan) for image in flat]
    )
    return found.reshape(images.shape) * ratio**2


def resampled_regression(
    train_x: ArrayLike, train_y: ArrayLike, train_usable: ArrayLike, x: ArrayLike
) -> np.ndarray:
    """Predict each band of a survey, pixel by pixel, from other surveys on its grid: least squares.

    The linear rival of a network that fills in a survey: after `as_seen_by`, what is left to learn are the
    colours.

    Parameters
    ----------
    train_x, x : (n, F, S, S) and (q, F, S, S) array_like
        All bands of the other surveys on this survey's grid; NaN where they do not reach, which counts as 0
        and is told to the regression by a column of its own.
    train_y : (n, C, S, S) array_like
        The survey itself.
    train_usable : (n, S, S) bool array_like
        Pixels to learn from.

    Returns
    -------
    (q, C, S, S) float64 array

    Raises
    ------
    ValueError
        If there is no pixel to learn from.
    """
    train_x, train_y, x = np.asarray(train_x), np.asarray(train_y), np.asarray(x)
    usable = np.asarray(train_usable, bool)
    if not usable.any():
        raise ValueError("No pixel to learn the regression from: give more images, or show more of them.")
    inputs = _columns(train_x).transpose(0, 2, 3, 1)[usable]  # (pixels, F)
    target = train_y.transpose(0, 2, 3, 1)[usable]  # (pixels, C)
    gram = inputs.T @ inputs
    gram[np.diag_indices(len(gram))] += 1e-6 * np.trace(gram) / len(gram)
    weights = np.linalg.solve(gram, inputs.T @ target)  # (F, C)
    return np.moveaxis(_columns(x).transpose(0, 2, 3, 1) @ weights, -1, 1)


def _columns(x: np.ndarray) -> np.ndarray:
    """Bands, where the first of each is missing, and a constant, (n, F', S, S)."""
    missing = ~np.isfinite(x)
    one = np.ones_like(x[:, :1])
    return np.concatenate([np.where(missing, 0, x), missing.any(axis=1, keepdims=True), one], axis=1)


def visible_mean(images: ArrayLike, visible: ArrayLike) -> np.ndarray:
    """Fill with the mean of the visible pixels of each image and band.

    Parameters
    ----------
    images : (n, C, S, S) array_like
    visible : (n, S, S) bool array_like

    Returns
    -------
    (n, C, S, S) float64 array
        Visible pixels as they are; 0 in an image of which nothing is visible.
    """
    images, shown = np.asarray(images, float), np.asarray(visible, bool)[:, None]
    count = shown.sum(axis=(2, 3), keepdims=True)
    mean = (images * shown).sum(axis=(2, 3), keepdims=True) / np.maximum(count, 1)
    return np.where(shown, images, mean)


def difference_score(first: ArrayLike, second: ArrayLike, fwhm: float) -> np.ndarray:
    """How much brighter each pixel became between two dates, in units of the noise of the difference.

    The classical search for transients: subtract, and filter with the point spread function.

    Parameters
    ----------
    first, second : (n, C, S, S) array_like
        In units of the sky noise, which is white; the bands are added up.
    fwhm : float
        Of the seeing [pixels].

    Returns
    -------
    (n, S, S) float64 array

    Examples
    --------
    >>> noise = np.random.default_rng(0).standard_normal((2, 20, 3, 32, 32))
    >>> round(float(difference_score(*noise, fwhm=2.0).std()), 1)
    1.0
    """
    sigma = fwhm / np.sqrt(8 * np.log(2))
    change = (np.asarray(second, float) - np.asarray(first, float)).sum(axis=1)
    n_bands = np.shape(first)[1]
    size = 2 * int(np.ceil(4 * sigma)) + 1
    kernel = np.exp(-0.5 * ((np.arange(size) - size // 2) / sigma) ** 2)
    kernel /= np.sqrt((kernel**2).sum())  # white noise keeps its size
    for axis in (1, 2):
        change = ndimage.convolve1d(change, kernel, axis=axis, mode="constant")
    return change / np.sqrt(2 * n_bands)


def sky_neighbours(
    ra: ArrayLike, dec: ArrayLike, values: ArrayLike, to_ra: ArrayLike, to_dec: ArrayLike, k: int = 8
) -> np.ndarray:
    """A quantity from its mean over the k nearest places in the sky, weighted by 1 / distance.

    Parameters
    ----------
    ra, dec, values : (n,) array_like
        Positions [deg] where it is known.
    to_ra, to_dec : (q,) array_like
        Positions where it is asked for [deg].
    k : int

    Returns
    -------
    (q,) float64 array

    Examples
    --------
    >>> sky_neighbours([0, 90], [0, 0], [1.0, 5.0], [1], [0], k=1)
    array([1.])
    """
    k = min(k, len(np.asarray(ra)))
    tree = spatial.cKDTree(_unit(ra, dec))
    distance, index = tree.query(_unit(to_ra, to_dec), list(range(1, k + 1)))
    weight = 1 / np.maximum(distance, 1e-6)
    return (np.asarray(values, float)[index] * weight).sum(axis=1) / weight.sum(axis=1)


def _unit(ra: ArrayLike, dec: ArrayLike) -> np.ndarray:
    lon, lat = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
