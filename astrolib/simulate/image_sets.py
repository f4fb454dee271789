"""Simulated images of one galaxy as different surveys see it (card, section 3.5).

They differ in bands, pixels, seeing, depth and date; the dust in front depends on the place in the sky; and
now and then there is something new. Profiles are sums of Gaussians (`astrolib.simulate.mixtures`), so the
seeing adds to their variances, and a galaxy has the same flux in every survey by construction, whatever fits
into a cutout.
"""

from dataclasses import dataclass, replace
from typing import Literal

import astropy.units as u
import numpy as np
import torch
from astropy_healpix import lonlat_to_healpix

from astrolib.data.image_sets import ImageSets
from astrolib.simulate.mixtures import gaussian_mixture
from astrolib.simulate.sdss import flux

BANDS = ("u", "g", "r", "i", "z", "y", "W1", "W2")
WAVELENGTH = np.array([355.0, 475.0, 622.0, 755.0, 890.0, 962.0, 3350.0, 4600.0])
"""Effective wavelengths [nm]."""
REDDENING = np.array([4.239, 3.303, 2.285, 1.698, 1.263, 1.06, 0.18, 0.11])
"""A_b / E(B-V); ugriz as everywhere in astrolib, the others rounded values of ours."""
OLD = np.array([2.6, 0.8, 0.0, -0.4, -0.7, -0.9, -0.6, -0.1])
YOUNG = np.array([1.4, 0.4, 0.0, -0.2, -0.3, -0.35, 0.4, 0.9])
"""Magnitude less that in r of an old and a young population; y and the infrared are ours."""
BRIGHT, SPREAD = 16.5, 2.4
"""r magnitudes lie from the first to the sum of the two."""
RADIUS = (1.0, 3.0)
"""Half-light radii [arcsec]: smaller than on the card (1.5 to 4.5), since 32 pixels of the sharpest survey
are 8.4 arcsec."""
CLASSES = ("disc", "spheroid")
SKY_SEED = 0
"""Of the dust: there is one sky, whatever galaxies are drawn."""


@dataclass(frozen=True)
class Camera:
    """A survey: its bands, pixel and seeing [arcsec], 5-sigma depth for point sources [AB], and dates."""

    bands: tuple[str, ...]
    pixel_scale: float
    fwhm: float
    depth: tuple[float, ...]
    epochs: int = 1


CAMERAS = {
    "SDSS-like": Camera(("u", "g", "r", "i", "z"), 0.396, 1.3, (22.1, 23.1, 22.7, 22.2, 20.7)),
    "Legacy-like": Camera(("g", "r", "z"), 0.262, 1.1, (24.5, 23.9, 22.9)),
    "ZTF-like": Camera(("g", "r", "i"), 1.01, 2.0, (20.8, 20.6, 20.2), epochs=2),
    "PS1-like": Camera(("g", "r", "i", "z", "y"), 0.25, 1.1, (23.3, 23.2, 23.1, 22.3, 21.4)),
    "unWISE-like": Camera(("W1", "W2"), 2.75, 6.1, (20.7, 20.0)),
}
"""The first three as on the card; the last two with values of ours near those of the real surveys."""


def draw_image_sets(
    n: int,
    seed: int,
    *,
    size: int = 32,
    cameras: tuple[str, ...] = ("SDSS-like", "Legacy-like", "ZTF-like"),
    null: Literal["", "objects", "reddening", "scale"] = "",
) -> ImageSets:
    """Simulate image sets.

    Parameters
    ----------
    n : int
        Sets, each of one galaxy.
    seed : int
    size : int
        Pixels of a side of every image, so that fields differ between surveys.
    cameras : tuple of str
        Keys of `CAMERAS`; one image for each date. The deepest and sharpest, by ``10^(0.8 m5) / FWHM^2``, is
        the anchor and comes first. Three bands are drawn where a camera has more, the last is repeated where
        it has fewer.
    null : str
        What is taken out: "objects" shows another galaxy in every image of a set, "reddening" gives each
        galaxy the dust of another place, "scale" gives all cameras the pixels of the first.

    Returns
    -------
    ImageSets

    Raises
    ------
    ValueError
        If a camera or the null is not known, or the image is smaller than 16 pixels.

    Examples
    --------
    >>> sets = draw_image_sets(4, seed=1)
    >>> sets.images.shape, sets.survey[0], sets.source
    ((4, 4, 3, 32, 32), 'Legacy-like', 'simulated image sets')
    """
    unknown = [name for name in cameras if name not in CAMERAS]
    if unknown or null not in ("", "objects", "reddening", "scale") or size < 16:
        raise ValueError(
            f"cameras={cameras} must be among {', '.join(CAMERAS)}, null={null!r} one of objects, reddening, "
            f"scale or empty, and size={size} at least 16 pixels."
        )
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 360, n), np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    galaxy = _draw_galaxies(n, rng)
    ebv = dust(ra, dec)
    if null == "reddening":
        ebv = rng.permutation(ebv)
    slots = _slots(cameras, null)
    found: dict[str, list] = {name: [] for name in ("images", "band", "depth", "noise", "source_mask")}
    new = _draw_transients(n, galaxy, rng)
    transient_mask = np.zeros((n, size, size), bool)
    for number, (camera, epoch) in enumerate(slots):
        shown = {k: np.roll(v, number) for k, v in galaxy.items()} if null == "objects" else galaxy
        band, depth, noise = _bands(camera, n, rng)
        profile = _render(shown, camera, size)  # (n, S, S), of unit total flux
        magnitude = _magnitudes(shown, ebv)[np.arange(n)[:, None], band]
        light = flux(magnitude)[:, :, None, None] * profile[:, None]
        middle = 1  # a band near r
        found["source_mask"].append(light[:, middle] > noise[:, middle, None, None])
        if epoch:
            point = _render_points(new, camera, size)
            added = flux(new["magnitude"])[:, None, None] * point * new["there"][:, None, None]
            transient_mask = added > noise[:, middle, None, None]
            light = light + added[:, None]
        pixels = light / noise[:, :, None, None] + rng.standard_normal((n, 3, size, size), np.float32)
        found["images"].append(pixels.astype(np.float32))
        for name, values in (("band", band), ("depth", depth), ("noise", noise)):
            found[name].append(values)
    stacked = {name: np.stack(values, axis=1) for name, values in found.items()}
    return ImageSets(
        **stacked,
        survey=tuple(name for name in _names(cameras)),
        epoch=np.array([epoch for _, epoch in slots]),
        wavelength=WAVELENGTH[stacked["band"]],
        pixel_scale=np.array([camera.pixel_scale for camera, _ in slots]),
        fwhm=np.array([camera.fwhm for camera, _ in slots]),
        ra=ra,
        dec=dec,
        ebv=ebv,
        label=galaxy["label"],
        class_names=CLASSES,
        group=np.asarray(lonlat_to_healpix(ra * u.deg, dec * u.deg, 8, order="nested")),
        transient=new["there"],
        transient_mask=transient_mask,
        source="simulated image sets" + (f", null: {null}" if null else ""),
    )


def dust(ra: np.ndarray, dec: np.ndarray) -> np.ndarray:
    """E(B-V) [mag] at positions [deg]: smooth over 0.25 rad, 0.02 to 0.24 over most of the sky."""
    rng = np.random.default_rng(SKY_SEED)
    waves, phase = rng.standard_normal((200, 3)) / 0.25, rng.uniform(0, 2 * np.pi, 200)
    lon, lat = np.radians(ra), np.radians(dec)
    direction = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)
    field = np.sqrt(2 / 200) * np.cos(direction @ waves.T + phase).sum(axis=-1)
    return 0.06 * np.exp(0.9 * field)


def _names(cameras: tuple[str, ...]) -> list[str]:
    ordered = sorted(cameras, key=lambda name: -_merit(CAMERAS[name]))
    return [name for name in ordered for _ in range(CAMERAS[name].epochs)]


def _merit(camera: Camera) -> float:
    return 10 ** (0.8 * float(np.median(camera.depth))) / camera.fwhm**2


def _slots(cameras: tuple[str, ...], null: str) -> list[tuple[Camera, int]]:
    """A camera and the number of its date for every image, the anchor first."""
    slots = []
    for name in sorted(cameras, key=lambda name: -_merit(CAMERAS[name])):
        camera = CAMERAS[name]
        if null == "scale":
            camera = replace(camera, pixel_scale=CAMERAS[cameras[0]].pixel_scale)
        slots += [(camera, epoch) for epoch in range(camera.epochs)]
    return slots


def _draw_galaxies(n: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    label = rng.integers(0, 2, n)
    age = rng.beta(np.where(label, 4.0, 1.5), np.where(label, 1.5, 4.0))  # spheroids are mostly old
    return {
        "label": label,
        "age": age,
        "r": BRIGHT + SPREAD * rng.random(n),
        "radius": rng.uniform(*RADIUS, n),
        "ratio": rng.uniform(0.3, 1.0, n),
        "angle": rng.uniform(0, np.pi, n),
    }


def _magnitudes(galaxy: dict[str, np.ndarray], ebv: np.ndarray) -> np.ndarray:
    """(n, len(BANDS)), behind the dust."""
    age = galaxy["age"][:, None]
    return galaxy["r"][:, None] + age * OLD + (1 - age) * YOUNG + ebv[:, None] * REDDENING


def _bands(camera: Camera, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three bands of a camera for each set, their depths and the sky noise of a pixel, (n, 3) each."""
    k = len(camera.bands)
    if k > 3:
        chosen = np.sort(rng.random((n, k)).argsort(axis=1)[:, :3], axis=1)
    else:
        chosen = np.minimum(np.arange(3), k - 1)[None].repeat(n, axis=0)
    band = np.array([BANDS.index(name) for name in camera.bands])[chosen]
    depth = np.array(camera.depth)[chosen]
    sigma = camera.fwhm / camera.pixel_scale / np.sqrt(8 * np.log(2))  # of the seeing [pixels]
    noise = flux(depth) / 5 / np.sqrt(4 * np.pi * sigma**2)  # a point source is spread over 4 pi sigma^2
    return band, depth, noise


def _draw_transients(
    n: int, galaxy: dict[str, np.ndarray], rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """A point source in 30 % of the sets, within two half-light radii."""
    away, turn = 2 * galaxy["radius"] * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
    return {
        "there": rng.random(n) < 0.3,
        "magnitude": rng.uniform(18, 21, n),
        "x": away * np.cos(turn),  # arcsec
        "y": away * np.sin(turn),
    }


def _grid(size: int) -> tuple[torch.Tensor, torch.Tensor]:
    index = torch.arange(size, dtype=torch.float32) - (size - 1) / 2
    return index.view(1, 1, -1), index.view(1, -1, 1)


def _render(galaxy: dict[str, np.ndarray], camera: Camera, size: int) -> np.ndarray:
    """Light of galaxies of unit flux behind a camera's seeing, (n, S, S) float32 per pixel."""
    image = np.empty((len(galaxy["label"]), size, size), np.float32)
    seeing = (camera.fwhm / camera.pixel_scale) ** 2 / (8 * np.log(2)) + 1 / 12  # and a square pixel
    for label, index in enumerate((1, 4)):
        rows = np.flatnonzero(galaxy["label"] == label)
        mixture = gaussian_mixture(index)
        for block in np.array_split(rows, max(1, len(rows) // 64)):
            values = (galaxy[name][block] for name in ("radius", "ratio", "angle"))
            radius, ratio, angle = (torch.as_tensor(v, dtype=torch.float32).view(-1, 1, 1) for v in values)
            # The ellipse with axes R / sqrt(q) and R sqrt(q) holds half the light, as the circle did.
            long = (radius / camera.pixel_scale) ** 2 / ratio
            short = (radius / camera.pixel_scale) ** 2 * ratio
            cos, sin = angle.cos(), angle.sin()
            x, y = _grid(size)
            total = torch.zeros(len(block), size, size)
            for weight, sigma in zip(mixture.weight, mixture.sigma, strict=True):
                a, b = long * float(sigma) ** 2, short * float(sigma) ** 2
                xx, yy = a * cos**2 + b * sin**2 + seeing, a * sin**2 + b * cos**2 + seeing
                xy = (a - b) * sin * cos
                det = xx * yy - xy**2
                square = (yy * x**2 - 2 * xy * x * y + xx * y**2) / det
                total += float(weight) / (2 * np.pi * det.sqrt()) * torch.exp(-square / 2)
            image[block] = total.numpy()
    return image


def _render_points(new: dict[str, np.ndarray], camera: Camera, size: int) -> np.ndarray:
    """Point sources of unit flux, (n, S, S)."""
    variance = (camera.fwhm / camera.pixel_scale) ** 2 / (8 * np.log(2)) + 1 / 12
    x, y = (grid.numpy() for grid in _grid(size))
    dx = x - new["x"][:, None, None] / camera.pixel_scale
    dy = y - new["y"][:, None, None] / camera.pixel_scale
    return (np.exp(-(dx**2 + dy**2) / (2 * variance)) / (2 * np.pi * variance)).astype(np.float32)
