"""Stars per second of AstroM3's pretraining, this library beside a plain loop, measured in one run.

Both ways train the same CLIP model of a profile on the same simulated stars:

- "astrolib": stars made into dense arrays once, a batch is an index selection, no wait in a step;
- "plain loop": every star decoded and scaled anew in Python by a DataLoader's workers, ProbSparse attention
  in the published form (as the paper's code does, AstroM3 card, section 12), the loss read at every step.

The stage "preprocessing" compares the arrays alone: all stars at once against one by one.
"""

import dataclasses
import platform
import warnings
from datetime import date

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from astrolib import profiles
from astrolib.data.batches import Batches
from astrolib.data.star_loop import ReferenceStars
from astrolib.data.star_preprocessing import survey_of
from astrolib.data.star_views import StarView, star_tensors
from astrolib.data.stars import RawStars, StarSurvey
from astrolib.models.informer import ProbSparseAttention
from astrolib.models.multimodal import MultimodalCLIP
from astrolib.papers.astrom3_networks import CLIP_PRETRAINING, clip_loss, encoder_of, recipe
from astrolib.report import results
from astrolib.simulate.stars import draw_stars
from astrolib.training.optim import Optimization
from astrolib.training.plain_loop import WORKERS, loader_of, plain_pass
from astrolib.training.timing import SINGLE, Mode, Pass, Size, library_pass, measure

STEP = 2.0  # of the wavelengths [Angstrom]: the paper's


class ExpandedProbSparse(ProbSparseAttention):
    """ProbSparse attention in the form of the paper's code, for comparison: the same numbers, another way.

    The keys of every query, (B, H, L, u, d), are picked from keys expanded to (B, H, L, L, d) and meet it in
    a small product of their own (AstroM3 card, section 12).
    """

    @staticmethod
    def sampled_scores(q: Tensor, k: Tensor, table: Tensor) -> Tensor:
        every = torch.arange(k.shape[2], device=k.device)[:, None]
        keys = k[:, :, None].expand(-1, -1, k.shape[2], -1, -1)[:, :, every, table]
        return (q[:, :, :, None] @ keys.transpose(-2, -1)).squeeze(-2)


def as_published(model: nn.Module) -> nn.Module:
    """Give every ProbSparse attention inside the form of the paper's code; in place, and returned."""
    for child in model.modules():
        if type(child) is ProbSparseAttention:
            child.__class__ = ExpandedProbSparse
    return model


class Speed:
    """The two ways, ready to be timed.

    Parameters
    ----------
    profile : str
        Sizes of the networks, the batch and the light curves.
    size : Size, optional
        `batch_size` and `steps` make the number of stars.
    device : str
        A GPU, if there is one, by default.
    width : int
        Of the light curves' transformer, instead of the profile's; heads stay 32 wide.
    """

    def __init__(self, profile: str, size: Size | None = None, device: str = "", width: int = 0):
        self.profile, self.settings = profile, profiles.load(profile).astrom3
        if width:
            wider = {"d_model": width, "n_heads": max(1, width // 32), "d_ff": 4 * width}
            encoders = dataclasses.replace(self.settings.encoders, **wider)
            self.settings = dataclasses.replace(self.settings, encoders=encoders)
        self.size = size or Size(self.settings.pretraining.batch_size, steps=3, repeats=3)
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        wavelength = np.arange(3850.0, 9000.0, STEP)
        self.raw: RawStars = draw_stars(self.size.objects, seed=0, wavelength=wavelength)
        self.survey: StarSurvey = survey_of(self.raw)

    def model(self, attention: str = "") -> MultimodalCLIP:
        """CLIP in the sizes of the profile, for the paper's spectra; `attention` instead of the profile's."""
        sizes, n_points = self.settings.encoders, self.settings.data.n_points
        sizes = dataclasses.replace(sizes, attention=attention or sizes.attention)
        torch.manual_seed(0)
        encoders = {
            name: encoder_of(modality, sizes, n_points, sizes.dropout)
            for name, modality in self.survey.modalities.items()
        }
        return MultimodalCLIP(encoders, sizes.embed_dim, scale_clamp=sizes.scale_clamp).to(self.device)

    @property
    def optimization(self) -> Optimization:
        """The profile's, with the batch that is measured."""
        optimization, _ = recipe(self.settings, tuple(self.survey.modalities), CLIP_PRETRAINING, 1.0, "")
        return dataclasses.replace(optimization, batch_size=self.size.batch_size)

    def batches(self) -> Batches:
        """All stars, as an experiment serves them."""
        rows, modalities = np.arange(len(self.survey)), self.survey.modalities
        view = StarView(
            modalities, StarView.fit(modalities, rows), self.settings.data.n_points, training=True
        )
        return Batches(star_tensors(modalities, rows), self.size.batch_size, transform=view, shuffle=True)

    def astrolib_pass(self, attention: str = "", mode: Mode = SINGLE) -> Pass:
        """An epoch as `fit` makes it."""
        model, loss = self.model(attention), clip_loss(self.inputs)
        return library_pass(model, self.batches(), loss, self.optimization, self.device, mode)

    @staticmethod
    def inputs(batch: dict[str, Tensor]) -> tuple:
        """What the model is called with."""
        light_curve = (batch["photometry"], batch["photometry.mask"])
        return {
            "photometry": light_curve,
            "spectra": (batch["spectra"],),
            "metadata": (batch["metadata"],),
        }, None

    def plain_pass(self, attention: str = "") -> Pass:
        """An epoch as the paper's code makes it: preprocessing star by star, a look at the loss each step."""
        model, wanted = as_published(self.model(attention)), self.optimization
        optimizer = torch.optim.Adam(
            model.parameters(), wanted.lr, wanted.betas, weight_decay=wanted.weight_decay
        )
        loader = loader_of(self.stars(), self.size.batch_size, self.device, WORKERS)

        def loss(model: MultimodalCLIP, *batch: Tensor) -> Tensor:
            photometry, mask, spectra, metadata, _ = batch
            inputs = {"photometry": (photometry, mask), "spectra": (spectra,), "metadata": (metadata,)}
            return model(inputs)["loss"]

        return plain_pass(model, optimizer, loader, loss, self.device, grad_clip=wanted.grad_clip)

    def stars(self) -> ReferenceStars:
        """One star at a time, as the paper's code reads them."""
        return ReferenceStars(self.raw, self.survey.class_names, sequence_length=self.settings.data.n_points)

    def one_by_one(self) -> None:
        """Scale every star alone."""
        stars = self.stars()
        for row in range(len(stars)):
            stars[row]

    def measure(self) -> pd.DataFrame:
        """Time all of it: stage, way, objects_per_second and its range, device, torch, date."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="This DataLoader will create")  # more than cores
            stages = {
                "pretraining": {"plain loop": self.plain_pass, "astrolib": self.astrolib_pass},
                "preprocessing": {
                    "one by one": lambda: self.one_by_one,
                    "all at once": lambda: lambda: survey_of(self.raw),
                },
            }
            tables = [
                measure(ways, self.size, self.device).assign(stage=name) for name, ways in stages.items()
            ]
        device = torch.cuda.get_device_name() if self.device == "cuda" else f"{platform.machine()} CPU"
        about = {"device": device, "threads": torch.get_num_threads(), "torch": torch.__version__}
        table = pd.concat(tables, ignore_index=True).assign(**about, date=date.today().isoformat())
        return table[["stage", "way", "objects_per_second", "slowest", "fastest", *about, "date"]]


def keep_throughput(profile: str, size: Size | None = None) -> pd.DataFrame:
    """Measure and keep as "astrom3_throughput"."""
    table = Speed(profile, size).measure().assign(source="simulated")
    results.keep(profile, "astrom3_throughput", table)
    return table
