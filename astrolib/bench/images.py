"""Barlow Twins on random pixels: the library's way, and a plain loop with views like the reference code's."""

import dataclasses
import random

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision.transforms import (
    CenterCrop,
    ColorJitter,
    Compose,
    InterpolationMode,
    RandomAffine,
    RandomApply,
    RandomGrayscale,
    RandomHorizontalFlip,
    RandomVerticalFlip,
    ToTensor,
)

from astrolib import profiles
from astrolib.bench.machine import Machine
from astrolib.bench.operations import operations, traffic
from astrolib.bench.stage import LIBRARY, PLAIN, Stage, Way
from astrolib.data.batches import Batches
from astrolib.data.views import DisplayViews
from astrolib.papers.barlow_networks import Arm, model_of, pair_loss, recipe
from astrolib.training.lars import LARS
from astrolib.training.optim import Optimization
from astrolib.training.plain_loop import loader_of, plain_pass
from astrolib.training.timing import Mode, Pass, Size, library_pass

ARM = Arm(lars=True)
"""ResNet and the optimiser of the official code."""
SOURCE = "random pixels"


class BarlowTwins:
    """Pretraining on colour pictures of random pixels.

    Parameters
    ----------
    profile : str
        Whose networks, images and recipe.
    size : Size
    device : str
    width : int
        Of the ResNet's first stage, each of the others twice that of the last, instead of the profile's.
    """

    def __init__(self, profile: str, size: Size, device: str, width: int = 0):
        self.settings, self.size, self.device = profiles.load(profile).barlow, size, device
        if width:
            convnet = self.settings.convnet
            wider = dataclasses.replace(
                convnet, channels=tuple(width * 2**k for k in range(len(convnet.channels)))
            )
            self.settings = dataclasses.replace(self.settings, convnet=wider)
        side = self.settings.data.image_size
        rng = np.random.default_rng(0)
        self.images = rng.integers(0, 256, (size.objects, 3, side, side), np.uint8)
        data = self.settings.data
        self.views = DisplayViews(crop=data.crop, zoom=data.zoom, jitter=data.jitter)

    def stage(self, machine: Machine) -> Stage:
        """Both ways, and the library's in every precision."""
        model = self.model().train()
        crop, mixed = self.settings.data.crop, self.device == "cuda"
        views = torch.randn(2, self.size.batch_size, 3, crop, crop, device=self.device)
        stored = self.images[: self.size.batch_size].nbytes
        work = operations(lambda: model(views[0], views[1])["loss"]), traffic(model, stored)
        notes = "torchvision on single PIL images, 4 workers, loss.item() at every step; " + (
            "float16 autocast with scaled gradients as the official code"
            if mixed
            else "float32: the official code's autocast is of GPUs"
        )
        ways = {PLAIN: Way(self.plain, "16-mixed" if mixed else "32-true", *work, notes)}
        for mode in machine.modes:
            ways[f"{LIBRARY}, {mode.words}"] = Way(
                lambda mode=mode: self.library(mode),
                mode.precision,
                *work,
                "views of whole batches on the device",
            )
        net, side = self.settings.convnet, self.settings.data.image_size
        shape = (
            f"3 x {side} x {side}, views of {crop}; ResNet {'/'.join(map(str, net.channels))}, "
            f"projector {recipe(self.settings, ARM).width}"
        )
        return Stage("Barlow Twins", self.size, ways, shape, SOURCE)

    def model(self) -> nn.Module:
        """Untrained, on the device."""
        return model_of(self.settings, ARM, 3).to(self.device)

    def library(self, mode: Mode) -> Pass:
        """An epoch as `fit` makes it."""

        def transform(batch: dict[str, Tensor], generator: torch.Generator) -> dict[str, Tensor]:
            view_a, view_b = self.views(batch.pop("images"), generator)
            return batch | {"view_a": view_a, "view_b": view_b}

        batches = Batches({"images": self.images}, self.size.batch_size, transform=transform, shuffle=True)
        return library_pass(self.model(), batches, pair_loss, self._recipe(), self.device, mode)

    def plain(self) -> Pass:
        """An epoch as the official code makes it; LARS is the library's, which is no slower than theirs."""
        model, wanted = self.model(), self._recipe()
        optimizer = LARS(model.parameters(), wanted.lr, wanted.lr_bias, wanted.weight_decay)
        loader = loader_of(Pairs(self.images, self.views), self.size.batch_size, self.device)

        def loss(model: nn.Module, view_a: Tensor, view_b: Tensor) -> Tensor:
            return model(view_a, view_b)["loss"]

        return plain_pass(model, optimizer, loader, loss, self.device, mixed=self.device == "cuda")

    def _recipe(self) -> Optimization:
        wanted = recipe(self.settings, ARM)
        return dataclasses.replace(Optimization.of(wanted), batch_size=self.size.batch_size)


class Blur:
    """As the official code blurs: a Gaussian of PIL, of a random width."""

    def __init__(self, sigma: tuple[float, float]):
        self.sigma = sigma

    def __call__(self, picture: Image.Image) -> Image.Image:
        return picture.filter(ImageFilter.GaussianBlur(random.uniform(*self.sigma)))


class Pairs(Dataset):
    """Two random views of single pictures, as a DataLoader's workers make them.

    torchvision's transforms of the kinds that `DisplayViews` has, with its values; its noise, the gains of
    single channels and the exponent are left out, in favour of this way.
    """

    def __init__(self, images: np.ndarray, views: DisplayViews):
        self.images = images.transpose(0, 2, 3, 1)  # N, H, W, C: as PIL takes them
        jitter = views.jitter / images.shape[2]
        self.kinds = [
            Compose(
                [
                    RandomAffine(180, (jitter, jitter), views.size, interpolation=InterpolationMode.BILINEAR),
                    CenterCrop(views.crop),
                    RandomHorizontalFlip(),
                    RandomVerticalFlip(),
                    RandomApply([Blur(views.psf)], probability),
                    ColorJitter(brightness=views.gain),
                    RandomGrayscale(views.grayscale),
                    ToTensor(),
                ]
            )
            for probability in views.p_psf
        ]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor]:
        picture = Image.fromarray(self.images[row])
        view_a, view_b = (kind(picture) for kind in self.kinds)
        return view_a, view_b
