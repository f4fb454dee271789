"""How well are masked pixels filled in, and how well do fills that learn nothing?"""

import numpy as np


def masked_error(images: np.ndarray, filled: np.ndarray, mask: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Mean squared error on masked pixels in units of the sky noise, for each image and band.

    Parameters
    ----------
    images, filled : (N, C, H, W) array
        True and filled-in flux, in one unit.
    mask : (N, H, W) array
        True where pixels were hidden.
    noise : (C,) array
        Standard deviation of the sky in a pixel, in the unit of the images.

    Returns
    -------
    (N, C) array
        1 is the floor that noise sets: nobody can predict it.

    Raises
    ------
    ValueError
        If shapes disagree, or an image has no masked pixel.

    Examples
    --------
    >>> images, mask = np.zeros((1, 1, 2, 2)), np.array([[[True, False], [False, False]]])
    >>> masked_error(images, images + 3.0, mask, np.array([1.5]))
    array([[4.]])
    """
    images, filled = np.asarray(images, np.float64), np.asarray(filled, np.float64)
    hidden = np.asarray(mask, bool)
    if images.shape != filled.shape or hidden.shape != images.shape[:1] + images.shape[2:]:
        raise ValueError(
            f"Images {images.shape}, their filled-in versions {filled.shape} and masks {hidden.shape} do not "
            "belong together: they should be (N, C, H, W) twice and (N, H, W)."
        )
    count = hidden.sum(axis=(1, 2))
    if (count == 0).any():
        raise ValueError(
            f"Image {np.flatnonzero(count == 0)[0]} has no masked pixel: there is no error to give."
        )
    square = ((filled - images) / np.asarray(noise)[:, None, None]) ** 2
    return (square * hidden[:, None]).sum(axis=(2, 3)) / count[:, None]


def fill_with_mean(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill masked pixels with the mean of the visible ones of the same image and band, (N, C, H, W)."""
    hidden = np.asarray(mask, bool)[:, None]
    mean = np.mean(images, axis=(2, 3), keepdims=True, where=~hidden)
    return np.where(hidden, mean, images)


def fill_with_mirror(images: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fill masked pixels with those opposite the centre, or with the mean where these are hidden too."""
    opposite_hidden = np.asarray(mask, bool)[:, None, ::-1, ::-1]
    opposite = np.where(opposite_hidden, fill_with_mean(images, mask), images[..., ::-1, ::-1])  # half a turn
    return np.where(np.asarray(mask, bool)[:, None], opposite, images)
