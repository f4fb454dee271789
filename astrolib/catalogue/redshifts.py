"""Redshifts of a survey in shards, from a network that a profile has trained."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from astrolib import profiles
from astrolib.catalogue.outputs import CatalogueError
from astrolib.data.augment import centre_crop
from astrolib.data.batches import Batch
from astrolib.data.shards import Shards, write_shards
from astrolib.papers.astromae import NETWORKS, Experiment
from astrolib.papers.galaxies import Galaxies
from astrolib.training.compile import compiled, wants_compilation

INPUTS = ("images", "magnitudes")
PRECISIONS = ("32-true", "bf16-mixed", "bf16-true")
BLOCK = 2048  # galaxies converted at a time


def survey_shards(
    profile: str,
    out: Path,
    *,
    rows_per_shard: int = 32768,
    dtype: Literal["float16", "float32"] = "float16",
    progress: bool = True,
) -> None:
    """Write a profile's own galaxies as shards, ready for its networks.

    Parameters
    ----------
    profile : str
        Whose `astromae.data` says which galaxies; they are simulated, fetched or converted if need be.
    out : Path
        Must not exist yet. The arrays are `images` (N, C, crop, crop) in nanomaggies, the centre of the
        stamps; `magnitudes` (N, C); `redshift` (N,), spectroscopic; `id` (N,).
    rows_per_shard : int
        In float16, 32,768 galaxies of 5 x 32 x 32 pixels are 336 MB.
    dtype : {"float16", "float32"}
        Of the images. Networks see float16 in training too, which keeps 5e-4 of the flux.
    progress : bool
        Show a bar.

    Raises
    ------
    CatalogueError
        If a pixel is too bright for float16; names the galaxies.
    ShardError
        If the folder exists or cannot be written.
    """
    galaxies = Galaxies(profiles.load(profile).astromae.data)
    survey = galaxies.survey

    def blocks() -> Iterator[dict[str, np.ndarray]]:
        with tqdm(total=len(survey), desc="sharding", unit=" galaxies", disable=not progress) as bar:
            for start in range(0, len(survey), BLOCK):
                rows = slice(start, start + BLOCK)
                images = centre_crop(survey.images[rows], galaxies.settings.crop)
                with np.errstate(over="ignore"):  # said below, with names
                    stored = images.astype(dtype)
                lost = ~np.isfinite(stored).all(axis=(1, 2, 3))
                if lost.any():
                    raise CatalogueError(
                        f"{lost.sum()} galaxies have pixels that {dtype} cannot hold, of ids "
                        f"{', '.join(galaxies.ids[rows][lost][:8])}: store the images as float32."
                    )
                yield {
                    "images": stored,
                    "magnitudes": survey.magnitudes[rows],
                    "redshift": survey.redshift[rows],
                    "id": galaxies.ids[rows],
                }
                bar.update(len(stored))

    about = {"bands": survey.bands, "source": survey.source, "pixel_scale": survey.pixel_scale}
    write_shards(out, blocks(), rows_per_shard=rows_per_shard, about=about)


class RedshiftPredictor:
    """A trained network with the preparation of its input, as `predict_catalogue` calls it.

    Pixels and magnitudes, in whatever numbers the survey has them, are prepared as for the test set, see
    `papers.galaxies.Galaxies.prepared`. The predictions are `prediction` (B,), the redshift, and, if asked
    for, `density` (B, K), the probability of each of the network's redshift bins.

    Parameters
    ----------
    experiment : Experiment
        Profile and number; the network must have been trained.
    name : str
        A row of Table IV.
    seed : int
    device : torch.device or str
    precision : {"32-true", "bf16-mixed", "bf16-true"}
        "bf16-mixed" runs the image branches under autocast, "bf16-true" keeps their weights in bfloat16 too.
        Magnitudes and the final layers stay in float32 in all three.
    density : bool
        Predict the density too.

    Attributes
    ----------
    settings : dict
        What determines the predictions: for `predict_catalogue`.

    Raises
    ------
    CatalogueError
        If there is no such network or precision, or it has not been trained.
    """

    def __init__(
        self,
        experiment: Experiment,
        name: str,
        seed: int,
        *,
        device: torch.device | str = "cpu",
        precision: str = "32-true",
        density: bool = False,
    ):
        for what, value, choices in (("network", name, NETWORKS), ("precision", precision, PRECISIONS)):
            if value not in choices:
                raise CatalogueError(f"There is no {what} {value!r}: choose one of {', '.join(choices)}.")
        self.galaxies, self.precision, self.density = experiment.galaxies, precision, density
        run = experiment.finetuning_run(name, seed)
        if not run.done:
            raise CatalogueError(
                f"{name} with seed {seed} has not been trained in profile {experiment.profile}: there is no "
                f"finished run {run.folder}. Run `make all PROFILE={experiment.profile}`, or the notebook "
                "that trains it, with a seed of that profile."
            )
        self.net = experiment.trained(name, seed).to(device)
        self.settings = {
            "run": run.folder.name,
            "weights": _weights_hash(self.net),
            "precision": precision,
            "density": density,
        }
        if precision == "bf16-true":
            branches = (self.net.encoder, self.net.encoder_mlp, self.net.inception, self.net.inception_mlp)
            for branch in branches:
                if branch is not None:
                    branch.to(torch.bfloat16)
        if wants_compilation():
            self.net = compiled(self.net, torch.device(device))

    def check(self, shards: Shards) -> None:
        """Raise a CatalogueError unless this network can be used for that survey."""
        survey, crop = self.galaxies.survey, self.galaxies.settings.crop
        lacking = [name for name in INPUTS if name not in shards.names]
        if lacking:
            raise CatalogueError(f"The survey {shards.folder} has no array {' and '.join(lacking)}.")
        bands, scale = tuple(shards.about.get("bands", ())), shards.about.get("pixel_scale")
        if bands != tuple(survey.bands):
            raise CatalogueError(
                f"The network was trained on the bands {' '.join(survey.bands)}, the survey {shards.folder} "
                f"has {' '.join(bands) or 'none named'}. It needs the same bands in the same order."
            )
        if scale is None or not np.isclose(scale, survey.pixel_scale, rtol=0.01):
            raise CatalogueError(
                f"The network was trained on pixels of {survey.pixel_scale} arcsec, those of the survey "
                f"{shards.folder} are of {scale}. Resample its images first."
            )
        shapes = {name: shards.kinds[name][1] for name in INPUTS}
        images = shapes["images"]
        fits = len(images) == 3 and images[0] == len(bands) and min(images[1:]) >= crop
        if not fits or shapes["magnitudes"] != (len(bands),):
            raise CatalogueError(
                f"The survey {shards.folder} has images of {images} and magnitudes of "
                f"{shapes['magnitudes']}; the network needs ({len(bands)}, {crop}, {crop}) or larger, and "
                f"({len(bands)},)."
            )

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Images (B, C, H, W) [nanomaggies] and magnitudes (B, C) to predictions, see the class."""
        batch = self.galaxies.prepared({name: batch[name].float() for name in INPUTS})
        images, magnitudes = batch["images"], batch["magnitudes"]
        if self.precision == "bf16-true":
            images = images.to(torch.bfloat16)
        mixed = self.precision == "bf16-mixed"
        with torch.autocast(images.device.type, torch.bfloat16, enabled=mixed):
            output = self.net(images, magnitudes)
        predictions = {"prediction": output["redshift"]}
        if self.density:
            predictions["density"] = torch.softmax(output["density_logits"].float(), dim=1)
        return predictions


def _weights_hash(model: nn.Module) -> str:
    """16 hexadecimal digits of all weights and buffers, with their names."""
    digest = hashlib.sha256()
    for name, values in model.state_dict().items():
        digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
        digest.update(values.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
