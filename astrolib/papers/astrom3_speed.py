"""Stars per second of AstroM3's pretraining, this library beside a plain loop, measured in one run.

Both ways train the same CLIP model of a profile on the same simulated stars:

- "astrolib": stars made into dense arrays once, a batch is an index selection, no wait in a step;
- "plain loop": every star decoded and scaled anew in Python by a DataLoader's workers (as the paper's code
  does, AstroM3 card, section 12), the loss read at every step.

The stage "preprocessing" compares the arrays alone: all stars at once against one by one.
"""

import platform
import warnings
from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader

from astrolib import profiles
from astrolib.bench import Size, measure
from astrolib.data.batches import Batches
from astrolib.data.star_loop import ReferenceStars
from astrolib.data.star_preprocessing import survey_of
from astrolib.data.star_views import StarView, star_tensors
from astrolib.data.stars import RawStars, StarSurvey
from astrolib.models.multimodal import MultimodalCLIP
from astrolib.papers.astrom3_networks import CLIP_PRETRAINING, clip_loss, encoder_of, recipe
from astrolib.report import results
from astrolib.simulate.stars import draw_stars
from astrolib.training.fabric import make_fabric
from astrolib.training.optim import make_optimizer
from astrolib.training.passes import seeded, train_epoch

WORKERS = 4
STEP = 2.0  # of the wavelengths [Angstrom]: the paper's


class Speed:
    """The two ways, ready to be timed.

    Parameters
    ----------
    profile : str
        Sizes of the networks, the batch and the light curves.
    size : Size, optional
        `batch_size` and `steps` make the number of stars.
    """

    def __init__(self, profile: str, size: Size | None = None):
        self.profile, self.settings = profile, profiles.load(profile).astrom3
        self.size = size or Size(self.settings.pretraining.batch_size, steps=3, repeats=3)
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        wavelength = np.arange(3850.0, 9000.0, STEP)
        n_stars = self.size.batch_size * self.size.steps
        self.raw: RawStars = draw_stars(n_stars, seed=0, wavelength=wavelength)
        self.survey: StarSurvey = survey_of(self.raw)

    def model(self) -> MultimodalCLIP:
        """CLIP in the sizes of the profile, for the paper's spectra."""
        sizes, n_points = self.settings.encoders, self.settings.data.n_points
        torch.manual_seed(0)
        encoders = {
            name: encoder_of(modality, sizes, n_points, sizes.dropout)
            for name, modality in self.survey.modalities.items()
        }
        return MultimodalCLIP(encoders, sizes.embed_dim, scale_clamp=sizes.scale_clamp).to(self.device)

    def astrolib_pass(self) -> Callable[[], None]:
        """An epoch as `fit` makes it."""
        fabric, model = make_fabric(self.device), self.model()
        optimization, _ = recipe(self.settings, tuple(self.survey.modalities), CLIP_PRETRAINING, 1.0, "")
        wrapped = fabric.setup(model, make_optimizer(model, optimization))
        rows, modalities = np.arange(len(self.survey)), self.survey.modalities
        view = StarView(
            modalities, StarView.fit(modalities, rows), self.settings.data.n_points, training=True
        )
        batches = Batches(
            star_tensors(modalities, rows), self.size.batch_size, transform=view, shuffle=True
        ).to(self.device)

        def one_pass() -> None:
            with seeded(fabric.device, 0) as generator:
                train_epoch(fabric, *wrapped, batches, clip_loss(self._inputs), generator)

        return one_pass

    @staticmethod
    def _inputs(batch: dict) -> tuple:
        light_curve = (batch["photometry"], batch["photometry.mask"])
        return {
            "photometry": light_curve,
            "spectra": (batch["spectra"],),
            "metadata": (batch["metadata"],),
        }, None

    def plain_pass(self) -> Callable[[], None]:
        """An epoch as the paper's code makes it: preprocessing star by star, a look at the loss each step."""
        model = self.model().train()
        optimizer = torch.optim.Adam(model.parameters(), self.settings.pretraining.lr)
        stars = ReferenceStars(self.raw, self.survey.class_names, sequence_length=self.settings.data.n_points)
        loader = DataLoader(
            stars, self.size.batch_size, shuffle=True, num_workers=WORKERS, persistent_workers=True
        )

        def one_pass() -> None:
            total = 0.0
            for photometry, mask, spectra, metadata, _ in loader:
                photometry, mask, spectra, metadata = (
                    tensor.to(self.device) for tensor in (photometry, mask, spectra, metadata)
                )
                inputs = {"photometry": (photometry, mask), "spectra": (spectra,), "metadata": (metadata,)}
                loss = model(inputs)["loss"]
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item()

        return one_pass

    def one_by_one(self) -> None:
        """Scale every star alone."""
        stars = ReferenceStars(self.raw, self.survey.class_names, sequence_length=self.settings.data.n_points)
        for row in range(len(stars)):
            stars[row]

    def measure(self) -> pd.DataFrame:
        """Time all of it: stage, way, objects_per_second and its range, device, torch, date."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="This DataLoader will create")  # more than cores
            stages = {
                "pretraining": {"plain loop": self.plain_pass(), "astrolib": self.astrolib_pass()},
                "preprocessing": {"one by one": self.one_by_one, "all at once": lambda: survey_of(self.raw)},
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
