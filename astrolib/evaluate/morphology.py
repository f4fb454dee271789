"""Hand-made features of galaxy images: what a network must beat to be worth its images."""

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

_BLOCK = 2**20  # pixels of one channel held at once
_IN_PLANE = np.array([[[0] * 3] * 3, [[1] * 3] * 3, [[0] * 3] * 3])  # neighbours within one image of a block
_CORE = 3.0  # width of the window that finds the centre, pixels
_MAD = 1.4826  # standard deviation of a Gaussian in units of its median absolute deviation


def morphology_features(
    images: ArrayLike, *, noise: ArrayLike | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Brightness, colours, size and shape of the galaxy in the middle of each image.

    The sky is the median of a frame along the border. The galaxy is the connected patch that holds the
    brightest pixel of the middle third, of a smoothed image above three times its sky's scatter and above a
    tenth of that pixel; all other patches are blanked.
    Shape and size are measured on the mean of the channels, weighted by 1 / noise^2 where the noise is known.
    Nothing is corrected for the width of the PSF.

    =================== ===================================================================================
    magnitude           of the middle channel, within the radius of 80 % of the light: asinh magnitude
                        (Lupton et al. 1999, AJ 118, 1406), finite for any flux; zero point of flux 1
    colour 0-1, ...     magnitudes of a channel minus that of the next, in the same circle
    half-light radius   of a circle with half of the light within 1.5 Petrosian radii [pixels]
    concentration       C = 5 log10(r80 / r20), the same light (Conselice 2003, ApJS 147, 1, section 3)
    asymmetry           sum of abs(I - I turned by 180 degrees) / sum of abs(I) within 1.5 Petrosian radii,
                        the least over nearby centres, less what the sky's noise adds (same, section 2)
    axis ratio          square root of the ratio of the second moments of the light in the patch
    Gini                how unevenly the light is shared among the pixels of the patch: 0 evenly, 1 all in one
                        (Lotz et al. 2004, AJ 128, 163, equation 6)
    M20                 log10 of the share of the second moment that the brightest pixels with 20 % of the
                        light have (same, equation 8)
    =================== ===================================================================================

    The Petrosian radius is where the ring from 0.8 r to 1.25 r is 0.2 times as bright as the mean within r.
    Circles end at the border.

    Parameters
    ----------
    images : (N, C, H, W) array_like
        Fluxes, for example in nanomaggies, or display values between 0 and 1. The galaxy is in the middle.
    noise : (C,) array_like, optional
        Standard deviation of the sky in a pixel. Without it, all channels weigh the same, and the softening
        of the magnitudes comes from the border of each image.

    Returns
    -------
    values : (N, F) float32 array
        Always finite: what an empty image cannot tell is 0.
    names : tuple of str
        Of the F = 7 + C columns, as above.

    Raises
    ------
    ValueError
        If the images are not such an array, smaller than 16 pixels or not finite, or the noise is not
        positive or not one number for each channel.

    Examples
    --------
    >>> y, x = np.mgrid[:48, :48] - 24.0
    >>> values, names = morphology_features(np.exp(-np.hypot(x, y / 0.5) / 4)[None, None])
    >>> dict(zip(names, values[0].round(1)))["axis ratio"]
    np.float32(0.5)
    """
    images = np.asarray(images)
    if images.ndim != 4 or min(images.shape[2:]) < 16 or not images.shape[1]:
        raise ValueError(
            f"Images are an array (N, C, H, W) of 16 pixels or more, not one of shape {images.shape}."
        )
    n_channels = images.shape[1]
    if noise is not None:
        noise = np.asarray(noise, np.float64)
        if noise.shape != (n_channels,) or not (noise > 0).all():
            raise ValueError(f"The noise is {n_channels} positive numbers, one a channel, not {noise}.")
    at_once = max(1, _BLOCK // (images.shape[2] * images.shape[3]))
    blocks = []
    for start in range(0, len(images), at_once):
        block = images[start : start + at_once].astype(np.float64)
        bad = np.flatnonzero(~np.isfinite(block).all(axis=(1, 2, 3)))
        if bad.size:
            raise ValueError(f"Image {start + bad[0]} holds values that are not finite: leave it out.")
        blocks.append(_block_features(block, noise))
    colours = (f"colour {k}-{k + 1}" for k in range(n_channels - 1))
    shape = ("half-light radius", "concentration", "asymmetry", "axis ratio", "Gini", "M20")
    names = ("magnitude", *colours, *shape)
    values = np.concatenate(blocks) if blocks else np.empty((0, len(names)))
    return values.astype(np.float32), names


def _block_features(images: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
    """All features (B, F) of images (B, C, H, W) float64."""
    n, n_channels, height, width = images.shape
    level, scatter = _sky(images)
    images = images - level[..., None, None]
    if noise is not None:
        scatter = np.broadcast_to(noise, scatter.shape)
    weights = np.ones(n_channels) if noise is None else 1 / noise**2
    light = np.einsum("bchw,c->bhw", images, weights / weights.sum())
    patch, others, peak = _patches(light)
    light = np.where(others, 0.0, light)
    y, x = np.mgrid[:height, :width].astype(np.float64)
    position = np.stack([y.ravel(), x.ravel()])  # (2, P)
    inside = np.where(patch, np.clip(light, 0, None), 0.0)
    centre = _centre(inside, peak)
    light, patch, inside = (each.reshape(n, -1) for each in (light, patch, inside))
    offset = position[None] - centre[:, :, None]  # (B, 2, P)
    distance = np.hypot(offset[:, 0], offset[:, 1])
    r20, r50, r80, aperture = _radii(light, distance, centre, (height, width))

    circle = (distance <= np.maximum(r80, 1)[:, None]) & ~others.reshape(n, -1)
    flux = np.einsum("bcp,bp->bc", images.reshape(n, n_channels, -1), circle)
    brightest = np.abs(images).max(axis=(2, 3))
    least = np.where(brightest > 0, 1e-4 * brightest, 0.1)  # of images without noise, and empty ones
    magnitude = _asinh_magnitude(flux, 10 * np.maximum(scatter, least))
    turned = _asymmetry(light.reshape(n, height, width), centre, aperture)
    columns = [
        magnitude[:, n_channels // 2, None],
        magnitude[:, :-1] - magnitude[:, 1:],
        r50[:, None],
        5 * np.log10(np.where(r20 > 0, r80, 1) / np.where(r20 > 0, r20, 1))[:, None],
        turned[:, None],
        _axis_ratio(inside, position)[:, None],
        _gini(inside, patch)[:, None],
        _m20(inside, distance)[:, None],
    ]
    return np.concatenate(columns, axis=1)


def _sky(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and scatter of a frame along the border of images (..., H, W), (...) each."""
    height, width = images.shape[-2:]
    frame = np.ones((height, width), bool)
    thickness = max(2, min(height, width) // 12)
    frame[thickness:-thickness, thickness:-thickness] = False
    border = images[..., frame]
    level = np.median(border, axis=-1)
    return level, _MAD * np.median(np.abs(border - level[..., None]), axis=-1)


def _patches(light: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pixels (B, H, W) bool of the galaxy in the middle, and of other sources; its brightest pixel (B, 2)."""
    n, height, width = light.shape
    smooth = ndimage.gaussian_filter(light, (0, 1, 1))
    level, scatter = _sky(smooth)
    top, left = height // 3, width // 3
    middle = smooth[:, top : height - top, left : width - left]
    down, right = np.unravel_index(middle.reshape(n, -1).argmax(axis=1), middle.shape[1:])
    peak = middle.max(axis=(1, 2))
    # Below a tenth of the peak neighbours merge with it; above half of it faint galaxies have no patch.
    threshold = np.clip(level + 3 * scatter, 0.1 * peak, 0.5 * peak)
    labels, _ = ndimage.label(smooth >= threshold[:, None, None], structure=_IN_PLANE)
    pixel = np.stack([top + down, left + right], axis=1)
    own = labels[np.arange(n), pixel[:, 0], pixel[:, 1]]
    patch = (labels == own[:, None, None]) & (labels > 0)
    return patch, (labels > 0) & ~patch, pixel


def _centre(inside: np.ndarray, pixel: np.ndarray) -> np.ndarray:
    """Row and column (B, 2) of the core: centroid in a Gaussian window that follows it from a pixel (B, 2).

    Without the window, one bright knot far out would move the centre.
    """
    y, x = (np.arange(size, dtype=np.float64) for size in inside.shape[1:])
    centre = pixel.astype(np.float64)
    for _ in range(5):
        window_y = np.exp(-0.5 * ((y - centre[:, :1]) / _CORE) ** 2)
        window_x = np.exp(-0.5 * ((x - centre[:, 1:]) / _CORE) ** 2)
        rows = np.einsum("bhw,bw->bh", inside, window_x) * window_y
        columns = np.einsum("bhw,bh->bw", inside, window_y) * window_x
        moved = np.stack([rows @ y, columns @ x], axis=1)
        total = rows.sum(axis=1)[:, None]
        centre = np.where(total > 0, _ratio(moved, total), centre)
    return centre


def _radii(
    light: np.ndarray, distance: np.ndarray, centre: np.ndarray, shape: tuple[int, int]
) -> tuple[np.ndarray, ...]:
    """Radii (B,) of circles with 20, 50 and 80 % of the light, and of the aperture that holds all of it.

    Pixels are put in order of their distance: k of them fill a circle of radius sqrt(k / pi). Between two
    the light grows evenly with the area.
    """
    rows = np.arange(len(light))
    order = np.argsort(distance, axis=1, kind="stable")
    grown = np.concatenate([np.zeros((len(light), 1)), np.take_along_axis(light, order, 1).cumsum(1)], axis=1)

    def within(radius: np.ndarray) -> np.ndarray:  # (B, J) -> light (B, J)
        area = np.minimum(np.pi * radius**2, light.shape[1] - 1e-6)
        k = area.astype(int)
        below = np.take_along_axis(grown, k, 1)
        return below + (area - k) * (np.take_along_axis(grown, k + 1, 1) - below)

    edge = np.minimum(centre, np.array(shape) - 1 - centre).min(axis=1) + 0.5
    radii = np.tile(np.arange(2, max(shape) / 2, 0.25), (len(light), 1))
    ring = (within(1.25 * radii) - within(0.8 * radii)) / (np.pi * (1.25**2 - 0.8**2) * radii**2)
    faint = (ring < 0.2 * within(radii) / (np.pi * radii**2)) & (1.25 * radii <= edge[:, None])
    petrosian = np.where(faint.any(axis=1), radii[rows, faint.argmax(axis=1)], edge)
    aperture = np.minimum(1.5 * petrosian, edge)
    total = within(aperture[:, None])

    def radius(share: float) -> np.ndarray:
        wanted = (share * total)[:, 0]
        k = np.argmax(grown[:, 1:] >= wanted[:, None], axis=1)
        step = grown[rows, k + 1] - grown[rows, k]
        part = _ratio(wanted - grown[rows, k], step)
        return np.where(total[:, 0] > 0, np.sqrt((k + np.clip(part, 0, 1)) / np.pi), 0.0)

    return radius(0.2), radius(0.5), radius(0.8), aperture


def _asymmetry(light: np.ndarray, centre: np.ndarray, aperture: np.ndarray) -> np.ndarray:
    """Rotational asymmetry (B,). Centres on half pixels turn pixels into pixels, without interpolation."""
    n, height, width = light.shape
    y, x = np.mgrid[:height, :width]
    block = np.arange(n)[:, None, None]
    twice = np.rint(2 * centre).astype(int)
    noise = _sky(light)[1]
    found = []
    for shift in np.ndindex(3, 3):
        cy, cx = (twice + np.array(shift) - 1).T[..., None, None]  # twice the centre, (B, 1, 1) each
        other_y, other_x = cy - y, cx - x
        there = (other_y >= 0) & (other_y < height) & (other_x >= 0) & (other_x < width)
        there &= np.hypot(y - cy / 2, x - cx / 2) <= aperture[:, None, None]
        turned = light[block, np.clip(other_y, 0, height - 1), np.clip(other_x, 0, width - 1)]
        change = np.where(there, np.abs(light - turned), 0).sum(axis=(1, 2))
        sky = 2 / np.sqrt(np.pi) * noise * there.sum(axis=(1, 2))  # mean of abs(a - b) of Gaussian a and b
        found.append(_ratio(change - sky, np.where(there, np.abs(light), 0).sum(axis=(1, 2))))
    return np.min(found, axis=0)


def _axis_ratio(inside: np.ndarray, position: np.ndarray) -> np.ndarray:
    """Short axis by long axis (B,) from second moments of light (B, P) at positions (2, P)."""
    share = _ratio(inside, inside.sum(axis=1, keepdims=True))
    mean = share @ position.T
    yy, xx = (share @ position.T**2 - mean**2).T
    yx = share @ (position[0] * position[1]) - mean.prod(axis=1)
    half, root = (yy + xx) / 2, np.hypot((yy - xx) / 2, yx)
    return np.sqrt(np.clip(_ratio(half - root, half + root), 0, 1))


def _gini(inside: np.ndarray, patch: np.ndarray) -> np.ndarray:
    """Gini coefficient (B,) of the pixels of the patch."""
    n_pixels = patch.sum(axis=1)
    values = np.sort(inside, axis=1)  # pixels outside are 0 and come first
    rank = np.arange(1, values.shape[1] + 1) - (values.shape[1] - n_pixels)[:, None]
    uneven = ((2 * rank - n_pixels[:, None] - 1) * values).sum(axis=1)
    return _ratio(uneven, values.sum(axis=1) * np.maximum(n_pixels - 1, 1))


def _m20(inside: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """M20 (B,); 0 if the light has no extent."""
    order = np.argsort(-inside, axis=1, kind="stable")
    brightest = np.take_along_axis(inside, order, axis=1)
    moment = brightest * (np.take_along_axis(distance, order, axis=1) ** 2 + 1 / 6)  # 1/6 within a pixel
    before = brightest.cumsum(axis=1) - brightest  # light of the brighter pixels
    first = before < 0.2 * brightest.sum(axis=1, keepdims=True)
    share = _ratio(np.where(first, moment, 0).sum(axis=1), moment.sum(axis=1))
    return np.log10(np.where(share > 0, share, 1))


def _asinh_magnitude(flux: np.ndarray, softening: np.ndarray) -> np.ndarray:
    """-2.5 log10 of fluxes well above the softening, and finite for all."""
    return -2.5 / np.log(10) * (np.arcsinh(flux / (2 * softening)) + np.log(softening))


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a / b, and 0 where b is not positive."""
    shape = np.broadcast_shapes(np.shape(a), np.shape(b))
    return np.divide(a, b, out=np.zeros(shape), where=np.broadcast_to(b, shape) > 0)
