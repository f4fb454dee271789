"""Galaxy images for radial masking: centre, radii and occupied pixels beside the pixels themselves.

A `Scene` is all images of a survey in one of three states: as observed, degraded (a blurred and noisier
survey of the same sky), or the null, in which pixels of one radius have changed places.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from scipy import ndimage
from torch import Generator, Tensor

from astrolib.data.batches import Batches
from astrolib.data.radial import measure_scales, occupancy_target, shuffle_angles
from astrolib.data.scaling import PixelScaling
from astrolib.papers.images import Images

OBSERVED, DEGRADED, NULL = "as observed", "blurred and noisier", "angles shuffled"
BLUR, MORE_NOISE = 1.0, 2.0
"""The degraded survey: a Gaussian of that many pixels more, then noise of that many times the sky's."""
LEAST_NOISE = 0.5 / 255
"""Of display images, whose sky may be black: half a step of the stored numbers."""


@dataclass(frozen=True)
class Scene:
    """N images with all that radial masking wants to know of them; lengths are in pixels.

    `pixels` (N, C, H, W) float16 is what networks see. `light` (N, H, W), summed over the bands (the mean of
    the channels, for display images) and less the sky, and its `noise` (N,) are in one unit. `centre` (N, 2)
    is x, y; `radii` (N, 2) hold half and nine tenths of the light; `occupied` (N, H, W) bool.
    """

    pixels: Tensor
    light: np.ndarray
    noise: np.ndarray
    sky: np.ndarray
    centre: np.ndarray
    radii: np.ndarray
    occupied: np.ndarray
    scaling: PixelScaling
    is_display: bool

    def compressed(self, rows: np.ndarray) -> np.ndarray:
        """asinh(light / 3 noise): in it one bright pixel does not decide the mean of a ring."""
        return np.arcsinh(self.light[rows] / (3 * self.noise[rows, None, None]))

    def occupied_in(self, compressed: np.ndarray, rows: np.ndarray, threshold: float) -> np.ndarray:
        """Which pixels of images made like `compressed` are occupied."""
        noise = self.noise[rows]
        return occupancy_target(np.sinh(compressed) * 3 * noise[:, None, None], noise, threshold)

    def compressed_of(self, pixels: Tensor, rows: np.ndarray) -> np.ndarray:
        """The same from what a network predicts, (n, C, H, W) -> (n, H, W)."""
        flux = self.scaling.inverse(pixels.clamp(-20, 20)).cpu().numpy()
        light = _light(flux, self.is_display) - self.sky[rows, None, None]
        return np.arcsinh(light / (3 * self.noise[rows, None, None]))

    def batches(
        self,
        rows: np.ndarray,
        batch_size: int,
        *,
        label: np.ndarray,
        training: bool = False,
        centre_error: float = 0.0,
        device: str = "cpu",
    ) -> Batches:
        """Batches of images (B, C, H, W), centre, radii (B, 2) [pixels], occupied (B, 1, H, W), label (B,).

        In training images are turned by quarters and mirrored: that moves pixels without mixing them, so
        noise stays what it is and the occupied pixels turn along. Centres are off by up to `centre_error`
        pixels along each axis.
        """
        middle = (np.array(self.pixels.shape[:1:-1]) - 1) / 2  # x, y
        tensors = {
            "images": self.pixels[rows],
            "offset": torch.as_tensor(self.centre[rows] - middle, dtype=torch.float32),
            "radii": torch.as_tensor(self.radii[rows], dtype=torch.float32),
            "occupied": torch.as_tensor(self.occupied[rows])[:, None],
            "label": torch.as_tensor(label[rows]),
        }
        half = torch.as_tensor(middle, dtype=torch.float32).to(device)

        def transform(batch: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
            images, offset, occupied = batch["images"].float(), batch.pop("offset"), batch["occupied"]
            if training:
                images, occupied, offset = turned(images, occupied, offset, generator)
            if centre_error:
                draw = torch.rand(offset.shape, generator=generator, device=offset.device)
                offset = offset + centre_error * (2 * draw - 1)
            return batch | {"images": images, "occupied": occupied, "centre": half + offset}

        chosen = {"transform": transform, "shuffle": training}
        return Batches(tensors, batch_size, **chosen).to(device)


def turned(
    images: Tensor, occupied: Tensor, offset: Tensor, generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Each image (B, C, H, H) in one of eight orientations, its occupied pixels (B, 1, H, H) with it, and
    where the centre (B, 2), from the middle of the image, goes."""
    mirror_x, mirror_y, swap = torch.rand(3, len(images), generator=generator, device=images.device) < 0.5
    x, y = offset.unbind(dim=1)
    offset = torch.stack([torch.where(mirror_x, -x, x), torch.where(mirror_y, -y, y)], dim=1)
    offset = torch.where(swap[:, None], offset.flip(1), offset)

    def turn(pixels: Tensor) -> Tensor:
        pixels = torch.where(mirror_x[:, None, None, None], pixels.flip(3), pixels)
        pixels = torch.where(mirror_y[:, None, None, None], pixels.flip(2), pixels)
        return torch.where(swap[:, None, None, None], pixels.transpose(2, 3), pixels)

    return turn(images), turn(occupied), offset


def make_scene(images: Images, state: str, threshold: float) -> Scene:
    """All images of a survey in one state.

    Parameters
    ----------
    images : Images
        The survey.
    state : str
        `OBSERVED`, `DEGRADED` or `NULL`.
    threshold : float
        Of an occupied pixel, in units of the noise after smoothing.

    Raises
    ------
    ValueError
        If there is no such state.
    """
    survey, rng = images.survey, np.random.default_rng(images.settings.seed)
    stored = torch.as_tensor(np.array(survey.images))
    flux = images.views.central(images.pixels(stored)).numpy()
    band_noise = survey.noise
    if state == DEGRADED:
        flux, band_noise = _degraded(flux, band_noise, rng)
    elif state == NULL:
        light, noise, _ = _measured(flux, band_noise)
        flux = shuffle_angles(flux, measure_scales(light, noise)[0], rng)
    elif state != OBSERVED:
        raise ValueError(f"A scene is {OBSERVED!r}, {DEGRADED!r} or {NULL!r}, not {state!r}.")
    light, noise, sky = _measured(flux, band_noise)
    centre, r50, r90 = measure_scales(light, noise)
    scaling = images.scaling
    if scaling.kind == "asinh":
        scaling = PixelScaling("asinh", tuple(images.settings.softening * band_noise))
    return Scene(
        pixels=scaling(torch.as_tensor(flux)).half(),
        light=light,
        noise=noise,
        sky=sky,
        centre=centre,
        radii=np.stack([r50, r90], axis=1),
        occupied=occupancy_target(light, noise, threshold),
        scaling=scaling,
        is_display=survey.is_display,
    )


def _degraded(
    flux: np.ndarray, noise: np.ndarray | None, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray | None]:
    """Blurred and noisier images, and the noise they end up with in each band."""
    before = np.full(flux.shape[1], 5 * LEAST_NOISE) if noise is None else noise
    blurred = ndimage.gaussian_filter(flux, (0, 0, BLUR, BLUR))
    added = MORE_NOISE * before[:, None, None] * rng.standard_normal(flux.shape, np.float32)
    left = before / (2 * math.sqrt(math.pi) * BLUR)  # of the noise that was there
    after = np.hypot(left, MORE_NOISE * before).astype(np.float32)
    return (blurred + added).astype(np.float32), None if noise is None else after


def _light(flux: np.ndarray, is_display: bool) -> np.ndarray:
    return flux.mean(axis=1) if is_display else flux.sum(axis=1)


def _measured(flux: np.ndarray, band_noise: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Light (N, H, W) less the sky, its noise (N,), and the sky (N,) that was taken off.

    Survey fluxes come without sky and with their noise; of display images both are measured on the border.
    """
    if band_noise is not None:
        noise = np.full(len(flux), np.sqrt(np.square(band_noise).sum()), np.float32)
        return _light(flux, False), noise, np.zeros(len(flux), np.float32)
    light = _light(flux, True)
    edge = np.concatenate(
        [light[:, :2].reshape(len(light), -1), light[:, -2:].reshape(len(light), -1),
         light[:, :, :2].reshape(len(light), -1), light[:, :, -2:].reshape(len(light), -1)], axis=1,
    )  # fmt: skip
    sky = np.median(edge, axis=1)
    noise = 1.4826 * np.median(np.abs(edge - sky[:, None]), axis=1)
    return light - sky[:, None, None], np.maximum(noise, LEAST_NOISE), sky
