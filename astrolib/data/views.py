"""Two random views of each galaxy, as Barlow Twins and SimCLR compare them: physical, or of pictures."""

from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Generator, Tensor

from astrolib.data.resample import reduce
from astrolib.data.two_views import Range, Views, Which, between

REDDENING = {"u": 4.239, "g": 3.303, "r": 2.285, "i": 1.698, "z": 1.263}
"""A_b / E(B-V) of the SDSS bands (Schlafly & Finkbeiner 2011, ApJ 737, 103, table 6, R_V = 3.1)."""
LEGACY_REDDENING = {"g": 3.237, "r": 2.176, "z": 1.217}
"""The same of the Legacy Survey's bands (Stein et al. 2021)."""


@lru_cache(maxsize=16)
def _row(values: tuple[float, ...], device: torch.device) -> Tensor:
    """One number per channel (1, C), kept on its device: making it at each step would wait for the copy."""
    return torch.tensor([values], dtype=torch.float32, device=device)


@dataclass(frozen=True)
class PhysicalViews(Views):
    """Views of linear fluxes that differ by what the sky and the telescope do, not the galaxy.

    Galactic reddening, orientation, apparent size, centring, a wider PSF and more noise, in this order; the
    pixel scaling comes after (`scaling.PixelScaling`). Colour is signal: hue is never turned.

    Parameters
    ----------
    crop : int
        Side of the views [pixels].
    reddening : tuple of float, length C
        R_b = A_b / E(B-V) of each band, e.g. of `REDDENING`. () for none.
    noise : tuple of float, length C
        Standard deviation of the sky noise in each band [nanomaggies per pixel].
    e_max, p_reddening : float
        E(B-V) is uniform in [0, e_max] [mag], with this probability; flux times 10^(-0.4 R_b E(B-V)).
        For targets that follow from colour use 0.1 or none: what the views change, the features forget.
    rotation, flips : bool
        Any angle; each mirror with probability 1/2.
    size : (float, float), p_size : float
        Range of the factor by which galaxies grow, total flux kept, with this probability.
    jitter : float
        Largest shift of the centre in x and in y [pixels].
    psf : (float, float), p_psf : (float, float)
        Range of the Gaussian sigma by which the PSF is widened, each band on its own [pixels], with these
        probabilities in view A and B. This asymmetry of the views is the only one of the method.
    extra_noise : (float, float), p_noise : (float, float)
        Range of the standard deviation f of the noise that is added, each band on its own [in units of
        `noise`], with these probabilities in view A and B: the sky's total is then ``noise * sqrt(1 + f^2)``.

    Raises
    ------
    ValueError
        If a probability is none, if `reddening` or `noise` does not fit the bands of the images, or the
        images are smaller than the crop.

    Notes
    -----
    Values: Barlow Twins card, section 9.1 (Hayat et al. 2021; Stein et al. 2021; probabilities and the values
    for stamps of 32 pixels are this project's).

    `view_with_parameters` tells "ebv" (B,) [mag], "angle" (B,) [degrees], "flip" (B, 2) bool, "size" (B,),
    "shift" (B, 2) to the right and downwards [pixels], "psf" (B, C) [pixels], "noise" (B, C) [in units of
    `noise`]. What is not applied is 0, or 1 for the size.

    The bilinear resampling keeps the flux of a source with sigma 1.5 pixels to 0.1 %; only if it is resized
    without being turned the flux may be off by 2 to 4 %, alike in all bands. It smooths the sky noise; the
    added noise is white. Stamps need a margin (`resample.resample` says how wide) or their edges are seen
    reflected.

    Examples
    --------
    >>> views = PhysicalViews(32, reddening=tuple(REDDENING.values()), noise=(0.02,) * 5)
    >>> a, b = views(torch.rand(8, 5, 48, 48), torch.Generator().manual_seed(0))
    >>> a.shape, views.central(torch.rand(8, 5, 48, 48)).shape
    (torch.Size([8, 5, 32, 32]), torch.Size([8, 5, 32, 32]))
    >>> views.only("psf") == views.without("reddening", "rotation", "flips", "size", "jitter", "noise")
    True
    """

    crop: int
    reddening: tuple[float, ...]
    noise: tuple[float, ...]
    e_max: float = 0.5
    p_reddening: float = 0.8
    rotation: bool = True
    flips: bool = True
    size: Range = (0.9, 1.1)
    p_size: float = 0.5
    jitter: float = 3.0
    psf: Range = (0.1, 1.0)
    p_psf: Range = (1.0, 0.1)
    extra_noise: Range = (0.2, 1.0)
    p_noise: Range = (1.0, 0.5)

    STEPS: ClassVar = ("reddening", "rotation", "flips", "size", "jitter", "psf", "noise")
    _OFF: ClassVar = {
        "reddening": {"reddening": ()},
        "rotation": {"rotation": False},
        "flips": {"flips": False},
        "size": {"size": (1.0, 1.0)},
        "jitter": {"jitter": 0.0},
        "psf": {"psf": (0.0, 0.0)},
        "noise": {"extra_noise": (0.0, 0.0)},
    }

    def _draw(self, stamps: Tensor, generator: Generator, which: Which) -> tuple[Tensor, dict[str, Tensor]]:
        n, channels, device = len(stamps), stamps.shape[1], stamps.device
        for name, values in (("reddening", self.reddening), ("noise", self.noise)):
            if len(values) != channels and not (name == "reddening" and not values):
                raise ValueError(
                    f"PhysicalViews has {len(values)} values of `{name}`, the images have {channels} bands."
                )
        uniform = torch.rand(n, 11 + 2 * channels, generator=generator, device=device)
        geometry, reddening, psf, noise = uniform.split([7, 2, 1 + channels, 1 + channels], dim=1)
        view, drawn = self._geometry(stamps, geometry)

        # Scaling the flux commutes with the resampling, and the view has fewer pixels than the stamp.
        factor = drawn["size"].square().reciprocal()[:, None]  # (B, 1): total flux is kept
        applied = (reddening[:, 0] < self.p_reddening) & bool(self.reddening)
        drawn["ebv"] = torch.where(applied, self.e_max * reddening[:, 1], 0.0)
        if self.reddening:
            factor = factor * 10 ** (-0.4 * drawn["ebv"][:, None] * _row(self.reddening, device))  # (B, C)
        view = view * factor[:, :, None, None]

        view, drawn["psf"] = self._blurred(view, psf, which)
        applied = noise[:, :1] < self.p_noise[which == "b"]
        drawn["noise"] = torch.where(applied, between(self.extra_noise, noise[:, 1:]), 0.0)
        white = torch.randn(view.shape, generator=generator, device=device)
        sigma = drawn["noise"] * _row(self.noise, device)
        return torch.addcmul(view, white, sigma[:, :, None, None]), drawn


@dataclass(frozen=True)
class DisplayViews(Views):
    """Views of colour pictures whose fluxes are no longer known (JPEG): strong, and not all physical.

    A picture's brightness, background and stretch identify it, so that a network can match views without
    looking at the galaxy; gamma, gains and grayscale take these shortcuts away.

    Parameters
    ----------
    crop : int
        Side of the views [pixels].
    zoom : float
        Pixels of the view per pixel of the picture, at most 1: 0.75 shows 64 pixels on 48.
    rotation, flips : bool
        Any angle; each mirror with probability 1/2.
    size : (float, float)
        Range of the factor by which galaxies grow. Pixel values stay what they were.
    jitter : float
        Largest shift of the centre in x and in y [pixels of the view].
    psf : (float, float), p_psf : (float, float)
        Range of the Gaussian sigma of the blur, each channel on its own [pixels of the view], with these
        probabilities in view A and B.
    noise : float, p_noise : (float, float)
        The noise has a standard deviation uniform in [0, noise] of the full range, with these probabilities.
    gamma, gain, channel_gain : float
        Standard deviations of the logarithms of an exponent, of a factor of the picture and of a factor of
        each channel (the stand-in for reddening).
    grayscale : float
        Probability that the three channels are replaced by their mean.

    Raises
    ------
    ValueError
        If a probability is none, the zoom is not in (0, 1], the images are not RGB, or are smaller than the
        crop once they are zoomed.

    Notes
    -----
    Values: Barlow Twins card, section 9.4 ("strong display-space views"). Report results as those of
    display-space approximations.

    Images are (B, 3, P, P) from 0 to 1, or uint8 from 0 to 255; views are from 0 to 1. With a zoom below 1
    the batch is first reduced, once for both views, to pixels that average the area they cover
    (`resample.reduce`): this is what keeps sampling fewer pixels from aliasing.

    `view_with_parameters` tells "angle" (B,) [degrees], "flip" (B, 2) bool, "size" (B,), "shift" (B, 2)
    [pixels], "psf" (B, 3) [pixels], "noise" (B,) [of the full range], "gamma" (B,), "gain" (B,),
    "channel_gain" (B, 3), "grayscale" (B,) bool.

    Examples
    --------
    >>> views = DisplayViews(48, zoom=0.75)
    >>> a, b = views(torch.rand(8, 3, 64, 64), torch.Generator().manual_seed(0))
    >>> a.shape
    torch.Size([8, 3, 48, 48])
    """

    crop: int
    zoom: float = 1.0
    rotation: bool = True
    flips: bool = True
    size: Range = (0.75, 1.35)
    jitter: float = 6.0
    psf: Range = (0.1, 1.5)
    p_psf: Range = (1.0, 0.1)
    noise: float = 0.05
    p_noise: Range = (1.0, 0.5)
    gamma: float = 0.2
    gain: float = 0.35
    channel_gain: float = 0.08
    grayscale: float = 0.2

    p_size: ClassVar[float] = 1.0
    STEPS: ClassVar = (
        *("rotation", "flips", "size", "jitter", "psf", "noise"),
        *("gamma", "gain", "channel_gain", "grayscale"),
    )
    _OFF: ClassVar = {
        "rotation": {"rotation": False},
        "flips": {"flips": False},
        "size": {"size": (1.0, 1.0)},
        "jitter": {"jitter": 0.0},
        "psf": {"psf": (0.0, 0.0)},
        "noise": {"noise": 0.0},
        "gamma": {"gamma": 0.0},
        "gain": {"gain": 0.0},
        "channel_gain": {"channel_gain": 0.0},
        "grayscale": {"grayscale": 0.0},
    }

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.zoom <= 1:
            raise ValueError(f"The zoom of DisplayViews must be above 0 and at most 1, not {self.zoom}.")

    def _stamps(self, images: Tensor) -> Tensor:
        if images.shape[1] != 3:
            raise ValueError(f"DisplayViews takes pictures of 3 channels, not of {images.shape[1]}.")
        images = images.float() / 255 if images.dtype == torch.uint8 else images.float()
        return reduce(images, self.zoom)

    def _draw(self, stamps: Tensor, generator: Generator, which: Which) -> tuple[Tensor, dict[str, Tensor]]:
        n, device = len(stamps), stamps.device
        uniform = torch.rand(n, 14, generator=generator, device=device)
        normal = torch.randn(n, 5, generator=generator, device=device)
        geometry, psf, noise, gray = uniform.split([7, 4, 2, 1], dim=1)
        view, drawn = self._geometry(stamps, geometry)
        view, drawn["psf"] = self._blurred(view, psf, which)

        applied = noise[:, 0] < self.p_noise[which == "b"]
        drawn["noise"] = torch.where(applied, self.noise * noise[:, 1], 0.0)
        white = torch.randn(view.shape, generator=generator, device=device)
        view = torch.addcmul(view, white, drawn["noise"][:, None, None, None]).clamp_(0, 1)

        drawn["gamma"] = (self.gamma * normal[:, 0]).exp()
        drawn["gain"] = (self.gain * normal[:, 1]).exp()
        drawn["channel_gain"] = (self.channel_gain * normal[:, 2:]).exp()
        if self.gamma:
            view = view.pow(drawn["gamma"][:, None, None, None])
        view = (view * (drawn["gain"][:, None] * drawn["channel_gain"])[:, :, None, None]).clamp_(0, 1)
        drawn["grayscale"] = gray[:, 0] < self.grayscale
        mean = view.mean(dim=1, keepdim=True)
        return torch.where(drawn["grayscale"][:, None, None, None], mean, view), drawn
