"""Small measurements and cuts on arrays of stamps."""

from pathlib import Path

import numpy as np

from astrolib.data.galaxies import SurveyError


def central_pixels(shape: tuple[int, ...], size: int, path: Path) -> tuple[slice, slice]:
    """Rows and columns of the central `size` x `size` pixels of stamps (..., H, W): 16 to 47 of 64 for 32."""
    height, width = shape[-2:]
    if size > min(height, width):
        raise SurveyError(f"{path}: stamps have {height} x {width} pixels, fewer than the {size} asked for.")
    top, left = (height - size) // 2, (width - size) // 2
    return slice(top, top + size), slice(left, left + size)


def sky_noise(images: np.ndarray) -> np.ndarray:
    """Standard deviation of the sky in a pixel of each band, from the rims of the stamps.

    The median absolute deviation of the outermost two pixels, times 1.4826 (the ratio to the standard
    deviation of a Gaussian), is little moved by neighbours and by the outskirts of the galaxies.

    Parameters
    ----------
    images : (N, C, H, W) array
        Stamps; 2,000 of them are enough and are used.

    Returns
    -------
    (C,) float32 array
        In the unit of the images.
    """
    sample = images[:: 1 + len(images) // 2000]
    rim = np.ones(sample.shape[-2:], dtype=bool)
    rim[2:-2, 2:-2] = False
    sky = sample[..., rim].swapaxes(0, 1).reshape(sample.shape[1], -1)
    deviation = np.abs(sky - np.nanmedian(sky, axis=1, keepdims=True))
    return (1.4826 * np.nanmedian(deviation, axis=1)).astype(np.float32)
