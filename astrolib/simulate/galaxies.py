"""The survey twin: ugriz cutouts of simulated galaxies at the depth and seeing of SDSS.

Catalogue first, pixels second::

    galaxies = draw_population(1000, seed=42)            # or parameters_from_photometry(table, seed=42)
    images = render(galaxies, image_size=48, seed=42)    # (1000, 5, 48, 48) nanomaggies

A galaxy is a de Vaucouleurs bulge and an inclined exponential disc with common centre and position angle;
late types carry part of the disc light in clumps along logarithmic arms, bluer than the rest. Every part is
a sum of Gaussians, so the double-Gaussian seeing is an addition of variances and nothing is convolved on a
grid. Pixel integration adds the variance of a pixel, 1/12; with the seeing of SDSS that is exact to 1e-3 of
the peak.

Left out: dust lanes, bars, tidal features, saturated stars, cosmic rays, errors of the sky level,
correlated noise.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from astropy.table import Table
from torch import Tensor
from tqdm.auto import tqdm

from astrolib.simulate.arms import arm_clumps, splitmix64
from astrolib.simulate.mixtures import gaussian_mixture
from astrolib.simulate.population import draw_population, parameters_from_photometry
from astrolib.simulate.sdss import (
    BANDS,
    PIXEL_SCALE,
    SDSS_GAIN,
    SDSS_PSF,
    SDSS_SKY_NOISE,
    DoubleGaussian,
    flux,
)

__all__ = ["SDSS_SKY_NOISE", "draw_population", "parameters_from_photometry", "render"]

#: Magnitude difference, per unit of g - r, between a red and a blue population in ugriz, relative to r.
COLOUR_LEVER = np.array([2.9, 1.0, 0.0, -0.26, -0.57])
BATCH_PIXELS = 2**16  # of one band, rendered at once on a CPU core: the work arrays stay near its cache
PIXEL_VARIANCE = 1 / 12  # of a square pixel, pixel^2

#: The catalogue as plain arrays of one length: slicing a Table costs as much as rendering the slice.
Columns = dict[str, np.ndarray]


def render(
    parameters: Table,
    *,
    image_size: int = 48,
    psf: DoubleGaussian = SDSS_PSF,
    noise: bool = True,
    neighbours: bool = True,
    seed: int = 0,
    device: str | torch.device = "cpu",
    batch_size: int | None = None,
    progress: bool = False,
) -> Tensor:
    """Render ugriz cutouts of the galaxies of a catalogue.

    Parameters
    ----------
    parameters : Table
        From `draw_population` or `parameters_from_photometry`; any selection or order of its rows.
    image_size : int
        Side of the square frame [pixels of 0.396 arcsec]. The galaxy is within half a pixel of the middle.
    psf : DoubleGaussian
        Point spread function per band, widened for each galaxy by its ``seeing``.
    noise : bool
        Add the noise of the sky and of the source's own photons, drawn as one normal number a pixel with
        variance sky_noise^2 + flux / gain. The sky level itself is subtracted.
    neighbours : bool
        Draw the star or galaxy that the catalogue puts beside some of the galaxies.
    seed : int
        Seed of the noise. A galaxy's pixels depend on its row and on this seed only, not on the rows around
        it.
    device : str or torch.device
        Where to render and where the result lies.
    batch_size : int, optional
        Galaxies rendered at once: by default as many as keep the work arrays small (64 frames of 32 x 32
        pixels on the CPU, where every core renders its own batch, and 16 times as many on a GPU).
    progress : bool
        Show a progress bar.

    Returns
    -------
    Tensor
        Shape (N, 5, image_size, image_size), float32 [nanomaggies per pixel]. The sum over an infinite
        frame is the flux of the catalogue magnitude.

    Raises
    ------
    ValueError
        If a column is missing, or the PSF does not have five bands.

    Examples
    --------
    >>> galaxies = draw_population(4, seed=0)
    >>> render(galaxies, image_size=32).shape
    torch.Size([4, 5, 32, 32])
    """
    _check(parameters, psf)
    images = torch.empty(len(parameters), len(BANDS), image_size, image_size, device=device)
    on_cpu = images.device.type == "cpu"
    batch_size = batch_size or max(1, (BATCH_PIXELS if on_cpu else 16 * BATCH_PIXELS) // image_size**2)
    columns = {name: np.asarray(parameters[name]) for name in parameters.colnames}
    noise_seeds = splitmix64(columns["seed"].astype(np.uint64) + splitmix64(np.uint64(seed)))
    pixels = torch.arange(image_size, device=images.device, dtype=torch.float32) - (image_size - 1) / 2

    def render_batch(start: int) -> int:
        rows = slice(start, start + batch_size)
        images[rows] = _noiseless(_select(columns, rows), pixels, psf, neighbours)
        if noise:
            _add_noise(images[rows], noise_seeds[rows])
        return len(images[rows])

    # One batch per core, each on one thread: many threads inside one small operation wait for each other,
    # which on a busy machine costs a factor of ten.
    n_threads = torch.get_num_threads()
    workers = n_threads if on_cpu else 1
    starts = range(0, len(parameters), batch_size)
    try:
        with (
            ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,)) as pool,
            tqdm(total=len(parameters), unit="galaxies", disable=not progress) as bar,
        ):
            for n_done in pool.map(render_batch, starts):
                bar.update(n_done)
    finally:
        torch.set_num_threads(n_threads)  # the linear algebra library has one setting for all threads
    return images


def _check(parameters: Table, psf: DoubleGaussian) -> None:
    needed = {*BANDS, "bulge_radius", "disc_radius", "seeing", "seed", "neighbour"}
    missing = sorted(needed - set(parameters.colnames))
    if missing:
        raise ValueError(
            f"The catalogue has no column {', '.join(missing)}: make it with draw_population or "
            "parameters_from_photometry."
        )
    if len(psf.fwhm) != len(BANDS):
        raise ValueError(
            f"The PSF has {len(psf.fwhm)} bands; the twin renders the five bands {''.join(BANDS)}."
        )


def _select(columns: Columns, rows: slice | np.ndarray) -> Columns:
    return {name: column[rows] for name, column in columns.items()}


def component_fraction(fraction: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Share of a component in each band, from its share in r and its g - r colour relative to the rest.

    Parameters
    ----------
    fraction, colour : array
        Shape (N,); ``colour`` is positive for a component redder than the rest [mag].

    Returns
    -------
    array
        Shape (N, 5), 0 to 1.
    """
    relative = 10 ** (-0.4 * COLOUR_LEVER * np.asarray(colour)[:, None])
    part = np.asarray(fraction)[:, None] * relative
    return part / (part + 1 - np.asarray(fraction)[:, None])


def _noiseless(table: Columns, pixels: Tensor, psf: DoubleGaussian, neighbours: bool) -> Tensor:
    """Sum of bulge, disc, arms and neighbour, (n, 5, S, S)."""
    total = np.stack([flux(table[band]) for band in BANDS], -1)  # (n, 5)
    bulge = total * component_fraction(table["bulge_fraction"], table["bulge_colour"])
    disc = total - bulge
    arms = disc * component_fraction(table["arm_fraction"], table["arm_colour"])
    centre = np.stack([table["centre_x"], table["centre_y"]], -1)  # (n, 2) pixels
    angle = np.deg2rad(table["position_angle"])
    variance = _psf_variance(psf, table["seeing"])

    weight, sigma, axis_ratio = [], [], []  # of the Gaussians of both profiles, side by side
    for name, index, light in (("bulge", 4, bulge), ("disc", 1, disc - arms)):
        mixture = gaussian_mixture(index)
        weight.append(light[..., None] * mixture.weight)  # (n, 5, K)
        sigma.append(table[f"{name}_radius"][:, None] / PIXEL_SCALE * mixture.sigma)  # (n, K)
        axis_ratio.append(np.broadcast_to(table[f"{name}_axis_ratio"][:, None], sigma[-1].shape))
    parts = (np.concatenate(part, -1) for part in (weight, sigma, axis_ratio))
    images = _ellipses(*parts, centre, angle, variance, psf.weight, pixels)

    spiral = np.flatnonzero(arms[:, 2] > 0)
    if len(spiral):
        share, position, width = arm_clumps(_select(table, spiral))
        light = arms[spiral, :, None] * share[:, None]  # (m, 5, K)
        position = position / PIXEL_SCALE + centre[spiral, None]  # (m, K, 2)
        images[spiral] += _clumps(light, position, width / PIXEL_SCALE, variance[spiral], psf.weight, pixels)

    beside = np.flatnonzero(table["neighbour"] != "none")
    if neighbours and len(beside):
        images[beside] += _neighbours(_select(table, beside), variance[beside], psf.weight, pixels)
    return images


def _psf_variance(psf: DoubleGaussian, seeing: np.ndarray) -> np.ndarray:
    """Variance of core and wing with the pixel's own added, (n, 5, 2) [pixel^2]."""
    return (psf.sigma / PIXEL_SCALE * seeing[:, None, None]) ** 2 + PIXEL_VARIANCE


def _neighbours(table: Columns, variance: np.ndarray, psf_weight: np.ndarray, pixels: Tensor) -> Tensor:
    """Off-centre exponential discs; a star has radius 0."""
    mixture = gaussian_mixture(1)
    light = np.stack([flux(table[f"neighbour_{band}"]) for band in BANDS], -1)[..., None] * mixture.weight
    sigma = table["neighbour_radius"][:, None] / PIXEL_SCALE * mixture.sigma
    axis_ratio = np.broadcast_to(table["neighbour_axis_ratio"][:, None], sigma.shape)
    centre = np.stack([table["neighbour_x"], table["neighbour_y"]], -1) / PIXEL_SCALE
    angle = np.deg2rad(table["neighbour_angle"])
    return _ellipses(light, sigma, axis_ratio, centre, angle, variance, psf_weight, pixels)


def _ellipses(weight, sigma, axis_ratio, centre, angle, variance, psf_weight, pixels: Tensor) -> Tensor:
    """Concentric, aligned elliptical Gaussians seen through the PSF.

    weight (n, 5, K) [nanomaggies], sigma along the major axis (n, K) [pixels], axis_ratio (n, K), centre
    (n, 2) [pixels from the middle], angle (n,) [rad], variance (n, 5, 2) of the PSF, psf_weight (2,).

    All Gaussians of a galaxy share their axes, so the exponent at every pixel is one matrix product of
    (-1/2 var_major, -1/2 var_minor, log peak) with (major^2, minor^2, 1).
    """
    n, bands, _ = weight.shape
    major = sigma[:, None, None] ** 2 + variance[..., None]  # (n, 5, 2, K)
    minor = (sigma * axis_ratio)[:, None, None] ** 2 + variance[..., None]
    peak = weight[:, :, None] * psf_weight[:, None] / (2 * np.pi * np.sqrt(major * minor))
    log_peak = np.log(np.maximum(peak, 1e-30))
    exponent = np.stack([-0.5 / major, -0.5 / minor, log_peak], -1).reshape(n, -1, 3)  # (n, 5 * 2 * K, 3)

    frame = _to(np.concatenate([centre, np.cos(angle)[:, None], np.sin(angle)[:, None]], 1), pixels)  # (n, 4)
    x0, y0, cos, sin = frame.T[..., None, None]  # each (n, 1, 1)
    x, y = pixels[None, None, :] - x0, pixels[None, :, None] - y0
    along, across = cos * x + sin * y, cos * y - sin * x  # (n, S, S)
    coordinates = torch.stack([along**2, across**2, torch.ones_like(along)], 1).flatten(2)  # (n, 3, S * S)
    gaussians = torch.bmm(_to(exponent, pixels), coordinates).exp_()  # (n, 5 * 2 * K, S * S)
    return gaussians.view(n, bands, -1, len(pixels), len(pixels)).sum(2)


def _clumps(light, position, width, variance, psf_weight, pixels: Tensor) -> Tensor:
    """Round Gaussians seen through the PSF: each is a product of a column and a row.

    light (n, 5, K) [nanomaggies], position (n, K, 2) [pixels from the middle], width (n, K) [pixels].
    """
    total = width[:, None, None] ** 2 + variance[..., None]  # (n, 5, 2, K)
    n, bands, _, k = total.shape
    peak = _to(light[:, :, None] * psf_weight[:, None] / (2 * np.pi * total), pixels).view(n, bands, 1, -1)
    scale = _to(-0.5 / total, pixels).view(n, bands, -1, 1)  # (n, 5, 2 * K, 1)
    offset = pixels - _to(position, pixels).transpose(1, 2)[..., None]  # (n, 2, K, S)
    x, y = (torch.exp(scale * o.repeat(1, 2, 1)[:, None] ** 2) for o in offset.unbind(1))  # (n, 5, 2 * K, S)
    return (y.transpose(2, 3) * peak) @ x


def _to(array: np.ndarray, like: Tensor) -> Tensor:
    return torch.as_tensor(array, dtype=torch.float32, device=like.device)


def _add_noise(images: Tensor, seeds: np.ndarray) -> None:
    """Add sky and photon noise in place, each image from its own seed."""
    normal = torch.empty_like(images)
    generator = torch.Generator(images.device)
    for image, seed in zip(normal, seeds.tolist(), strict=True):
        image.normal_(generator=generator.manual_seed(seed))
    sky = _to(SDSS_SKY_NOISE, images)[:, None, None]
    gain = _to(SDSS_GAIN, images)[:, None, None]
    images += normal * torch.sqrt(sky**2 + images.clamp(min=0) / gain)
