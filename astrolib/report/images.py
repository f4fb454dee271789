"""Pictures of galaxies: colour composites, mosaics, reconstructions of masked images, augmented views."""

from collections.abc import Sequence

import numpy as np
from astropy.visualization import make_lupton_rgb
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from astrolib.report.style import WIDE, new_figure, styled

BALANCE = {"i": 0.75, "r": 1.0, "g": 1.5}
"""Weights that make a typical galaxy of the SDSS main sample, g - r = 0.7 and r - i = 0.35, nearly white."""
HIDDEN = 0.62
"""Grey of masked pixels."""
RESIDUAL_LIMIT = 5.0
"""Residuals are drawn from minus to plus this many times the noise."""


def rgb(images: np.ndarray, bands: Sequence[str], *, stretch: float = 0.5, q: float = 6.0) -> np.ndarray:
    """Colour composites with i, r and g as red, green and blue (Lupton et al. 2004).

    Parameters
    ----------
    images : (..., C, H, W) array
        Fluxes in nanomaggies.
    bands : sequence of str
        Names of the C bands; "g", "r" and "i" must be among them.
    stretch, q : float
        Linear stretch [nanomaggies] and asinh softening. These and the weights of the bands are the same for
        all images, so that brightness and colour compare between them.

    Returns
    -------
    (..., H, W, 3) uint8 array

    Raises
    ------
    ValueError
        If a band is missing.
    """
    images, bands = np.asarray(images, dtype=np.float32), list(bands)
    missing = [band for band in "irg" if band not in bands]
    if missing or images.shape[-3] != len(bands):
        raise ValueError(
            f"A colour composite needs bands g, r and i along axis -3: got images of shape {images.shape} "
            f"with bands {', '.join(bands)}."
        )
    red, green, blue = (weight * images[..., bands.index(band), :, :] for band, weight in BALANCE.items())
    shape = red.shape
    flat = [channel.reshape(-1, *shape[-2:]) for channel in (red, green, blue)]
    pictures = [make_lupton_rgb(*channels, stretch=stretch, Q=q) for channels in zip(*flat, strict=True)]
    return np.stack(pictures).reshape(*shape, 3)


def pixel_mask(mask: np.ndarray, grid: tuple[int, int], patch_size: int) -> np.ndarray:
    """Masked pixels (N, H, W) from masked patches (N, rows * columns); true where the encoder saw nothing."""
    rows, columns = grid
    patches = np.asarray(mask).astype(bool).reshape(-1, rows, columns)
    return patches.repeat(patch_size, axis=1).repeat(patch_size, axis=2)


@styled
def mosaic(
    images: np.ndarray,
    redshift: np.ndarray,
    bands: Sequence[str],
    *,
    columns: int = 8,
    pixel_scale: float = 0.396,
    stretch: float = 0.5,
) -> Figure:
    """Colour cutouts with their redshifts, in the order given.

    Parameters
    ----------
    images : (N, C, H, W) array
        Fluxes in nanomaggies.
    redshift : (N,) array
        Printed in each; NaN where unknown.
    bands : sequence of str
        See `rgb`.
    columns : int
        Cutouts in a row.
    pixel_scale : float
        Arcseconds per pixel, for the scale bar.
    stretch : float
        See `rgb`.
    """
    pictures = rgb(images, bands, stretch=stretch)
    columns = min(columns, len(pictures))
    rows = -(-len(pictures) // columns)
    figure = new_figure((WIDE[0], WIDE[0] / columns * rows + 0.2))
    panels = _bare(figure, rows, columns)
    for axes, picture, z in zip(panels.flat, pictures, redshift, strict=False):
        axes.imshow(picture, origin="lower")
        _write(axes, "z unknown" if np.isnan(z) else f"z = {z:.3f}", 0.04, 0.04)
    _scale_bar(panels.flat[0], pictures.shape[2], pixel_scale)
    return figure


@styled
def reconstruction_grid(
    images: np.ndarray,
    mask: np.ndarray,
    reconstruction: np.ndarray,
    bands: Sequence[str],
    noise: np.ndarray,
    *,
    stretch: float = 0.5,
) -> Figure:
    """What an autoencoder makes of masked galaxies: a row for each galaxy.

    Parameters
    ----------
    images, reconstruction : (N, C, H, W) array
        Input and output in nanomaggies, so after undoing any scaling and patch normalisation.
    mask : (N, H, W) array
        True where pixels were hidden, see `pixel_mask`.
    bands : sequence of str
        Names of the C bands.
    noise : (C,) array
        Sky noise per pixel [nanomaggies].
    stretch : float
        See `rgb`.

    Returns
    -------
    Figure
        Columns: colour composites of the input, the masked input and the reconstruction; then for each band
        the residual, reconstruction minus input in units of the noise. Pure sky noise would give plus or
        minus one; visible pixels are left grey.
    """
    hidden = np.asarray(mask).astype(bool)
    residual = (reconstruction - images) / np.asarray(noise)[:, None, None]
    before, after = rgb(images, bands, stretch=stretch), rgb(reconstruction, bands, stretch=stretch)
    columns = 3 + len(bands)
    figure = new_figure((WIDE[0], (WIDE[0] - 0.7) / columns * len(images) + 0.6))
    panels = _bare(figure, len(images), columns)
    for n, row in enumerate(panels):
        row[0].imshow(before[n], origin="lower")
        row[1].imshow(_hide(before[n], hidden[n]), origin="lower")
        row[2].imshow(after[n], origin="lower")
        for k in range(len(bands)):
            map_ = _residual(row[3 + k], residual[n, k], hidden[n])
    names = ["input", "masked", "reconstruction", *(f"residual {band}" for band in bands)]
    for axes, name in zip(panels[0], names, strict=True):
        axes.set_title(name, fontsize=9)
    _residual_bar(figure, map_, panels)
    return figure


@styled
def all_bands(
    image: np.ndarray, mask: np.ndarray, reconstruction: np.ndarray, bands: Sequence[str], noise: np.ndarray
) -> Figure:
    """One galaxy in every band: input, masked, reconstruction and residual.

    Parameters
    ----------
    image, reconstruction : (C, H, W) array
        Nanomaggies.
    mask : (H, W) array
        True where pixels were hidden.
    bands, noise
        As for `reconstruction_grid`.

    Returns
    -------
    Figure
        A column for each band. Fluxes are in units of the band's noise, on one asinh scale.
    """
    hidden, sigma = np.asarray(mask).astype(bool), np.asarray(noise)[:, None, None]
    flux, filled = image / sigma, reconstruction / sigma
    norm = AsinhNorm(2.0, vmin=-3.0, vmax=max(10.0, np.percentile(flux, 99.9)))
    columns = len(bands)
    figure = new_figure((WIDE[0], (WIDE[0] - 1.6) / columns * 4 + 0.6))
    panels = _bare(figure, 4, columns)
    for k, band in enumerate(bands):
        masked = np.ma.masked_array(flux[k], hidden)
        for axes, shown in zip(panels[:3, k], (flux[k], masked, filled[k]), strict=True):
            axes.set_facecolor(str(HIDDEN))
            light = axes.imshow(shown, origin="lower", cmap="cividis", norm=norm)
        map_ = _residual(panels[3, k], filled[k] - flux[k], hidden)
        panels[0, k].set_title(f"{band} band", fontsize=10)
    for axes, name in zip(panels[:, 0], ("input", "masked", "reconstruction", "residual"), strict=True):
        axes.set_ylabel(name, fontsize=10)
    _flux_bar(figure, light, panels[:3], norm.vmax)
    _residual_bar(figure, map_, panels[3:])
    return figure


@styled
def filters(image: np.ndarray, bands: Sequence[str], noise: np.ndarray) -> Figure:
    """One galaxy through each filter, on one asinh scale.

    Parameters
    ----------
    image : (C, H, W) array
        Nanomaggies.
    bands, noise
        As for `reconstruction_grid`.
    """
    flux = image / np.asarray(noise)[:, None, None]
    norm = AsinhNorm(2.0, vmin=-3.0, vmax=max(10.0, np.percentile(flux, 99.9)))
    figure = new_figure((WIDE[0], (WIDE[0] - 1.2) / len(bands) + 0.5))
    panels = _bare(figure, 1, len(bands))[0]
    for axes, plane, band, sigma in zip(panels, flux, bands, noise, strict=True):
        light = axes.imshow(plane, origin="lower", cmap="cividis", norm=norm)
        axes.set_title(f"{band} band, noise {sigma:.3f}", fontsize=9)
    _flux_bar(figure, light, panels, norm.vmax)
    return figure


@styled
def augmentations(
    image: np.ndarray, views: np.ndarray, bands: Sequence[str], *, stretch: float = 0.5
) -> Figure:
    """One galaxy and what training sees of it: random draws of rotation, flips and noise.

    Parameters
    ----------
    image : (C, H, W) array
        The stamp as stored [nanomaggies].
    views : (n, C, h, w) array
        Augmented views of it, for example ten.
    bands, stretch
        See `rgb`.
    """
    per_row = -(-len(views) // 2)
    figure = new_figure((WIDE[0], 2 * WIDE[0] / (per_row + 2) + 0.5))
    grid = figure.add_gridspec(2, per_row + 2)
    stored = figure.add_subplot(grid[:, :2])
    stored.imshow(rgb(image, bands, stretch=stretch), origin="lower")
    height, width = image.shape[-2:]
    h, w = views.shape[-2:]
    corner = ((width - w) / 2 - 0.5, (height - h) / 2 - 0.5)
    stored.add_patch(_outline(corner, w, h))
    stored.set_title(f"stored, {width} px; box: {w} px crop", fontsize=9)
    panels = [figure.add_subplot(grid[n // per_row, 2 + n % per_row]) for n in range(len(views))]
    for n, (axes, picture) in enumerate(zip(panels, rgb(views, bands, stretch=stretch), strict=True)):
        axes.imshow(picture, origin="lower")
        axes.set_title(f"draw {n + 1}", fontsize=9)
    for axes in [stored, *panels]:
        _strip(axes)
    return figure


def _bare(figure: Figure, rows: int, columns: int) -> np.ndarray:
    panels = figure.subplots(rows, columns, squeeze=False)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
    for axes in panels.flat:
        _strip(axes)
    return panels


def _strip(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _hide(picture: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    return np.where(hidden[..., None], int(255 * HIDDEN), picture).astype(np.uint8)


def _residual(axes: Axes, residual: np.ndarray, hidden: np.ndarray):
    norm = Normalize(-RESIDUAL_LIMIT, RESIDUAL_LIMIT)
    axes.set_facecolor(str(HIDDEN))
    return axes.imshow(np.ma.masked_array(residual, ~hidden), origin="lower", cmap="RdBu_r", norm=norm)


def _flux_bar(figure: Figure, light, panels: np.ndarray, brightest: float) -> None:
    bar = figure.colorbar(light, ax=panels, pad=0.01, fraction=0.03, aspect=40)
    bar.set_label("flux / sky noise")
    ticks = [t for t in (-3, 0, 3, 10, 30, 100, 300, 1000) if t <= brightest]
    bar.set_ticks(ticks, labels=[str(t) for t in ticks])
    bar.minorticks_off()


def _residual_bar(figure: Figure, map_, panels: np.ndarray) -> None:
    bar = figure.colorbar(map_, ax=panels, pad=0.01, fraction=0.03, aspect=40, extend="both")
    bar.set_label("residual / sky noise", fontsize=9)


def _write(axes: Axes, words: str, x: float, y: float) -> None:
    outline = [withStroke(linewidth=1.8, foreground="black")]
    axes.text(x, y, words, transform=axes.transAxes, color="white", fontsize=9, path_effects=outline)


def _scale_bar(axes: Axes, width: int, pixel_scale: float) -> None:
    arcsec = 5 if width * pixel_scale > 8 else 2
    x = 0.06 * width
    outline = [withStroke(linewidth=4, foreground="black")]
    ends = [x, x + arcsec / pixel_scale]
    across = axes.get_xaxis_transform()  # pixels along, shares of the height up
    axes.plot(ends, [0.93, 0.93], transform=across, color="white", lw=2, path_effects=outline)
    _write(axes, f'{arcsec}"', 0.06, 0.79)


def _outline(corner: tuple[float, float], width: int, height: int) -> Rectangle:
    return Rectangle(corner, width, height, fill=False, edgecolor="white", lw=1, ls="--")
