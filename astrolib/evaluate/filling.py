"""What hidden pixels look like without learning: fills that see only the visible ones (card, section 2.4).

Images are (n, H, W), `visible` (n, H, W) bool, `centre` (n, 2) x and y [pixels]. Every fill returns images
in which the visible pixels are as they were.
"""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.metrics import average_precision_score


def _polar(shape: tuple[int, ...], centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """x and y of every pixel from each image's centre, (n, H, W)."""
    y, x = np.mgrid[: shape[1], : shape[2]].astype(float)
    centre = np.asarray(centre, float)
    return x - centre[:, 0, None, None], y - centre[:, 1, None, None]


def _by_ring(images: np.ndarray, visible: np.ndarray, ring: np.ndarray) -> np.ndarray:
    """Mean of the visible pixels of each pixel's ring; of the nearest ring that has any, where its own has
    none; 0 in an image without a visible pixel."""
    n = len(images)
    ring = ring.reshape(n, -1)
    n_rings = int(ring.max()) + 1
    place = (np.arange(n)[:, None] * n_rings + ring).ravel()
    seen = visible.reshape(n, -1)
    count = np.bincount(place, seen.ravel(), n * n_rings).reshape(n, n_rings)
    total = np.bincount(place, (seen * images.reshape(n, -1)).ravel(), n * n_rings).reshape(n, n_rings)
    apart = np.abs(np.subtract.outer(np.arange(n_rings), np.arange(n_rings)))  # (rings, rings)
    nearest = np.where((count > 0)[:, None, :], apart[None], n_rings + 1).argmin(axis=2)
    mean = np.divide(total, count, out=np.zeros_like(total), where=count > 0)
    mean = np.take_along_axis(mean, nearest, axis=1)
    return np.take_along_axis(mean, ring, axis=1).reshape(images.shape)


def azimuthal_profile(images: np.ndarray, visible: np.ndarray, centre: ArrayLike) -> np.ndarray:
    """Fill with the mean of the visible pixels at the same distance, to the pixel, from the centre."""
    x, y = _polar(images.shape, centre)
    ring = np.hypot(x, y).round().astype(int)
    return np.where(visible, images, _by_ring(images, visible, ring))


def half_turn(images: np.ndarray, visible: np.ndarray, centre: ArrayLike) -> np.ndarray:
    """Fill with the pixel opposite the centre where that is visible, with the azimuthal profile elsewhere."""
    partner, seen = _opposite(images, centre), partner_visible(visible, centre)
    filled = np.where(seen, partner, azimuthal_profile(images, visible, centre))
    return np.where(visible, images, filled)


def partner_visible(visible: np.ndarray, centre: ArrayLike) -> np.ndarray:
    """Whether the pixel opposite the centre is in the image and visible, (n, H, W) bool."""
    return _opposite(visible, centre, outside=False)


def _opposite(values: np.ndarray, centre: ArrayLike, outside: float | bool = 0) -> np.ndarray:
    n, height, width = values.shape
    centre = np.asarray(centre, float)
    y, x = np.mgrid[:height, :width]
    to_x = (2 * centre[:, 0, None, None] - x).round().astype(int)
    to_y = (2 * centre[:, 1, None, None] - y).round().astype(int)
    within = (to_x >= 0) & (to_x < width) & (to_y >= 0) & (to_y < height)
    found = values[np.arange(n)[:, None, None], to_y.clip(0, height - 1), to_x.clip(0, width - 1)]
    return np.where(within, found, outside)


def elliptical_profile(images: np.ndarray, visible: np.ndarray, centre: ArrayLike) -> np.ndarray:
    """Fill with the mean of the visible pixels on the same ellipse.

    Axis ratio and position angle come from second moments of the visible light, in which each pixel counts
    together with its azimuthal average, so that a hidden sector does not flatten the ellipse by itself. It
    stands for the fit of a Sersic model, with the profile left free.
    """
    x, y = _polar(images.shape, centre)
    filled = half_turn(images, visible, centre).clip(min=0)
    total = filled.sum(axis=(1, 2)).clip(min=1e-12)
    xx, yy, xy = ((filled * product).sum(axis=(1, 2)) / total for product in (x * x, y * y, x * y))
    half, root = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    ratio = np.sqrt(((half - root) / (half + root).clip(min=1e-12)).clip(min=0.01))
    angle = np.arctan2(2 * xy, xx - yy) / 2
    cos, sin = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    along, across = x * cos + y * sin, y * cos - x * sin
    q = ratio[:, None, None]
    ring = np.hypot(along * np.sqrt(q), across / np.sqrt(q)).round().astype(int)  # the same area as a circle
    return np.where(visible, images, _by_ring(images, visible, ring))


def patch_neighbours(images: np.ndarray, visible: np.ndarray, reach: float = 4.0) -> np.ndarray:
    """Fill with the mean of the visible pixels nearby, weighted by a Gaussian of `reach` pixels.

    Where none is within four times that, with the mean of all visible pixels of the image.
    """
    height, width = images.shape[1:]
    kernels = [
        np.exp(-0.5 * (np.subtract.outer(np.arange(size), np.arange(size)) / reach) ** 2)
        for size in (height, width)
    ]

    def blurred(values: np.ndarray) -> np.ndarray:
        return kernels[0] @ values @ kernels[1]

    weight, total = blurred(visible.astype(float)), blurred(np.where(visible, images, 0.0))
    mean = np.where(visible, images, 0.0).sum(axis=(1, 2)) / visible.sum(axis=(1, 2)).clip(min=1)
    near = weight > np.exp(-8)
    filled = np.divide(
        total, weight, out=np.broadcast_to(mean[:, None, None], images.shape).copy(), where=near
    )
    return np.where(visible, images, filled)


def pca_fill(
    train: np.ndarray, images: np.ndarray, visible: np.ndarray, n_components: int = 50, ridge: float = 1.0
) -> np.ndarray:
    """Fill with the principal components of training images (m, H, W) that fit the visible pixels best.

    Coefficients are penalised by their variance in training times `ridge` (in units of what the components
    leave unexplained), so that few visible pixels do not run away with many components.
    """
    x = train.reshape(len(train), -1)
    mean = x.mean(axis=0)
    n_components = min(n_components, len(x) - 1)
    _, singular, vectors = np.linalg.svd(x - mean, full_matrices=False)
    vectors = vectors[:n_components]  # (K, P)
    variance = singular**2 / len(x)
    left = variance[n_components:].sum() / x.shape[1]  # per pixel
    penalty = np.diag(ridge * max(left, 1e-12) / variance[:n_components].clip(min=1e-12))
    flat, seen = images.reshape(len(images), -1), visible.reshape(len(images), -1)
    filled = np.empty(flat.shape)
    for k, (image, shown) in enumerate(zip(flat, seen, strict=True)):
        basis = vectors[:, shown]
        coefficients = np.linalg.solve(basis @ basis.T + penalty, basis @ (image - mean)[shown])
        filled[k] = mean + coefficients @ vectors
    return np.where(visible, images, filled.reshape(images.shape))


def intersection_over_union(predicted: np.ndarray, target: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Of occupied pixels (n, H, W) bool among those of `where`, for each image; NaN where both are empty.

    Examples
    --------
    >>> one = np.array([[[True, True, False]]])
    >>> intersection_over_union(one, np.array([[[True, False, False]]]), np.ones((1, 1, 3), bool))
    array([0.5])
    """
    both = (predicted & target & where).sum(axis=(1, 2))
    either = ((predicted | target) & where).sum(axis=(1, 2))
    return np.divide(both, either, out=np.full(len(both), np.nan), where=either > 0)


def average_precision_per_class(labels: ArrayLike, scores: ArrayLike) -> np.ndarray:
    """Area under precision against recall, each class against all others, (K,); NaN for an absent class.

    Parameters
    ----------
    labels : (n,) array_like of int
    scores : (n, K) array_like
        The higher, the more likely that class.
    """
    labels, scores = np.asarray(labels), np.asarray(scores)
    found = np.full(scores.shape[1], np.nan)
    for k in np.unique(labels):
        found[k] = average_precision_score(labels == k, scores[:, k])
    return found
