"""AstroMAE on random pixels: pretraining and fine-tuning, the library's way and a plain loop's."""

import dataclasses
from functools import cached_property

import numpy as np
import torch
from astropy.table import Table
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset
from torchvision.transforms import (
    CenterCrop,
    Compose,
    InterpolationMode,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
)

from astrolib import profiles
from astrolib.bench.machine import Machine
from astrolib.bench.operations import operations, traffic
from astrolib.bench.stage import LIBRARY, PLAIN, Stage, Way
from astrolib.data.galaxies import GalaxySurvey
from astrolib.papers.astromae import Experiment
from astrolib.papers.astromae_networks import reconstruction_loss, redshift_loss, redshift_net_of
from astrolib.papers.galaxies import Galaxies
from astrolib.training.optim import Optimization
from astrolib.training.plain_loop import loader_of, plain_pass
from astrolib.training.timing import Mode, Pass, Size, library_pass

SOURCE = "random pixels"
PLAIN_VIT, PCM = "plain", "pcm"
"""Blocks of AstroMAE's two transformers."""
NETWORK = "pcm-AstroMAE"
"""That is fine-tuned and predicts."""
BANDS = ("u", "g", "r", "i", "z")


class RandomGalaxies(Galaxies):
    """As many galaxies of random pixels as a pass takes, all of them for training."""

    def __init__(self, settings: profiles.GalaxyData, n: int, device: str):
        super().__init__(settings, device=device)
        self.n = n

    @cached_property
    def survey(self) -> GalaxySurvey:
        rng, side = np.random.default_rng(0), self.settings.image_size
        return GalaxySurvey(
            images=rng.standard_normal((self.n, len(BANDS), side, side), dtype=np.float32),
            bands=BANDS,
            magnitudes=rng.normal(18, 1, (self.n, len(BANDS))).astype(np.float32),
            redshift=rng.uniform(0, 0.4, self.n).astype(np.float32),
            catalogue=Table({"id": np.arange(self.n)}),
            source=SOURCE,
            noise=np.ones(len(BANDS), np.float32),
        )

    @cached_property
    def splits(self) -> dict[str, np.ndarray]:
        return {"train": np.arange(self.n)}


class AstroMAE:
    """The two trainings of AstroMAE on one set of random galaxies.

    Parameters
    ----------
    profile : str
        Whose networks, images and recipes.
    size : Size
    device : str
    width : int
        Of encoder and decoder, instead of the profile's; heads stay 64 wide, and the depth what it is.
    """

    def __init__(self, profile: str, size: Size, device: str, width: int = 0):
        self.experiment = Experiment(profile)
        settings = self.experiment.settings
        if width:
            heads = max(1, width // 64)
            encoder = {"embed_dim": width, "num_heads": heads}
            decoder = {"decoder_embed_dim": width, "decoder_num_heads": heads}
            wider = dataclasses.replace(settings.transformer, **encoder, **decoder)
            settings = dataclasses.replace(settings, transformer=wider)
        self.experiment.settings = self.settings = settings
        self.experiment.galaxies = self.galaxies = RandomGalaxies(settings.data, size.objects, device)
        self.size, self.device = size, device

    @property
    def shape(self) -> str:
        """Image and transformer, in words."""
        data, net = self.settings.data, self.settings.transformer
        return (
            f"{len(BANDS)} x {data.image_size} x {data.image_size} cropped to {data.crop}; "
            f"ViT {net.embed_dim}/{net.depth}/{net.num_heads}, "
            f"decoder {net.decoder_embed_dim}/{net.decoder_depth}/{net.decoder_num_heads}"
        )

    def autoencoder(self, block: str = PLAIN_VIT) -> nn.Module:
        """Untrained, on the device."""
        return self.experiment.autoencoder(block).to(self.device)

    def redshift_net(self) -> nn.Module:
        """pcm-AstroMAE with a frozen encoder, without the density that this project adds to the paper's."""
        net = redshift_net_of(self.settings, NETWORK, 0, len(BANDS), density=False)
        return net.to(self.device)

    # ------------------------------------------------------------------------------------- pretraining

    def pretraining(self, machine: Machine, block: str = PLAIN_VIT) -> Stage:
        """Both ways to pretrain, and the library's in every precision."""
        model, images = self.autoencoder(block), torch.zeros(self._cropped, device=self.device)
        work = operations(lambda: model(images)["loss"]), traffic(model, self._stored_bytes)
        mixed = self.device == "cuda"
        plain = "torchvision on single images, 4 workers, loss.item() at every step; " + (
            "float16 autocast as in the MAE reference code"
            if mixed
            else "float32: the reference code's autocast is of GPUs"
        )
        precision = "16-mixed" if mixed else "32-true"
        ways = {PLAIN: Way(lambda: self.plain_pretraining(block), precision, *work, plain)}
        for mode in machine.modes:
            ways[f"{LIBRARY}, {mode.words}"] = Way(
                lambda mode=mode: self.library_pretraining(mode, block),
                mode.precision,
                *work,
                "train_epoch on device-resident float16 images",
            )
        name = "pretraining" if block == PLAIN_VIT else f"pretraining, {block} blocks"
        return Stage(name, self.size, ways, f"{self.shape}, {block} blocks", SOURCE)

    def library_pretraining(self, mode: Mode, block: str = PLAIN_VIT) -> Pass:
        """An epoch as `fit` makes it."""
        recipe = self.recipe(self.settings.pretraining)
        batches = self.galaxies.batches("train", self.size.batch_size, training=True)
        return library_pass(self.autoencoder(block), batches, reconstruction_loss, recipe, self.device, mode)

    def plain_pretraining(self, block: str = PLAIN_VIT) -> Pass:
        """An epoch as scripts make it."""
        loader = loader_of(Stamps(self.galaxies), self.size.batch_size, self.device)
        model, recipe = self.autoencoder(block), self.settings.pretraining
        return plain_pass(
            model,
            _adamw(model, recipe),
            loader,
            lambda model, images, magnitudes, redshift: model(images)["loss"],
            self.device,
            mixed=self.device == "cuda",
        )

    # ------------------------------------------------------------------------------------- fine-tuning

    def finetuning(self, machine: Machine) -> Stage:
        """Both ways to fine-tune pcm-AstroMAE."""
        model, images = self.redshift_net(), torch.zeros(self._cropped, device=self.device)
        magnitudes = torch.zeros(len(images), len(BANDS), device=self.device)
        work = (
            operations(lambda: model(images, magnitudes)["redshift"].sum()),
            traffic(model, self._stored_bytes),
        )
        plain = "torchvision and noise on single images, 4 workers, loss.item() at every step; float32, the "
        ways = {PLAIN: Way(self.plain_finetuning, "32-true", *work, plain + "released code has no autocast")}
        for mode in machine.modes:
            ways[f"{LIBRARY}, {mode.words}"] = Way(
                lambda mode=mode: self.library_finetuning(mode),
                mode.precision,
                *work,
                "train_epoch on device-resident float16 images",
            )
        return Stage("fine-tuning", self.size, ways, f"{self.shape}; pcm-AstroMAE, encoder frozen", SOURCE)

    def library_finetuning(self, mode: Mode) -> Pass:
        """An epoch as `fit` makes it."""
        recipe = self.recipe(self.settings.finetuning)
        noise = self.settings.finetuning.noise_std
        batches = self.galaxies.batches("train", self.size.batch_size, training=True, noise_std=noise)
        return library_pass(self.redshift_net(), batches, redshift_loss, recipe, self.device, mode)

    def plain_finetuning(self) -> Pass:
        """An epoch as scripts make it."""
        stamps = Stamps(self.galaxies, self.settings.finetuning.noise_std)
        model = self.redshift_net()

        def loss(model: nn.Module, images: Tensor, magnitudes: Tensor, redshift: Tensor) -> Tensor:
            return F.mse_loss(model(images, magnitudes)["redshift"], redshift)

        loader = loader_of(stamps, self.size.batch_size, self.device)
        return plain_pass(model, _adamw(model, self.settings.finetuning), loader, loss, self.device)

    # ---------------------------------------------------------------------------------------- the rest

    @property
    def _cropped(self) -> tuple[int, ...]:
        crop = self.settings.data.crop
        return self.size.batch_size, len(BANDS), crop, crop

    @property
    def _stored_bytes(self) -> int:
        """Of a batch of float16 stamps."""
        return 2 * self.size.batch_size * len(BANDS) * self.settings.data.image_size**2

    def recipe(self, settings: profiles.Pretraining | profiles.Finetuning) -> Optimization:
        """The profile's, with the batch that is measured."""
        return dataclasses.replace(Optimization.of(settings), batch_size=self.size.batch_size)


class Stamps(Dataset):
    """Single galaxies with torchvision's random views, as a DataLoader's workers take them."""

    def __init__(self, galaxies: RandomGalaxies, noise_std: float = 0.0):
        survey, crop = galaxies.survey, galaxies.settings.crop
        self.images = torch.from_numpy(survey.images)
        self.magnitudes = torch.from_numpy(survey.magnitudes)
        self.redshift = torch.from_numpy(survey.redshift)
        rotation = RandomRotation(45, interpolation=InterpolationMode.BILINEAR)
        self.view = Compose([rotation, CenterCrop(crop), RandomHorizontalFlip(), RandomVerticalFlip()])
        self.scaling, self.noise_std = galaxies.scaling, noise_std

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> tuple[Tensor, Tensor, Tensor]:
        image = self.view(self.images[row])
        if self.noise_std:
            image = image + self.noise_std * torch.randn(image.shape)
        return self.scaling(image), self.magnitudes[row], self.redshift[row]


def _adamw(model: nn.Module, recipe) -> torch.optim.Optimizer:
    trained = [p for p in model.parameters() if p.requires_grad]
    return torch.optim.AdamW(trained, recipe.lr, recipe.betas, weight_decay=recipe.weight_decay)
