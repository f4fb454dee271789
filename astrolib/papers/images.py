"""What papers on galaxy images share: a survey cut into parts and served as views or as it is."""

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Generator, Tensor, nn

from astrolib import image_surveys
from astrolib.data.batches import Batches
from astrolib.data.image_splits import labelled_subset, split_images
from astrolib.data.image_survey import ImageSurvey
from astrolib.data.scaling import PixelScaling
from astrolib.data.views import LEGACY_REDDENING, REDDENING, DisplayViews, PhysicalViews
from astrolib.evaluate.morphology import morphology_features
from astrolib.profiles import ImageData

Views = PhysicalViews | DisplayViews


class Images:
    """A profile's galaxy images, ready for training.

    Parameters
    ----------
    settings : ImageData
        Source, sizes, splits and scaling.
    device : str
        Where batches live.
    """

    def __init__(self, settings: ImageData, device: str = "cpu"):
        self.settings = settings
        self.device = device

    @cached_property
    def survey(self) -> ImageSurvey:
        """All images."""
        wanted = self.settings
        return image_surveys.load_images(
            wanted.source, n_images=wanted.n_images or None, image_size=wanted.image_size, seed=wanted.seed
        )

    @cached_property
    def splits(self) -> dict[str, np.ndarray]:
        """Row numbers of "train", "validation", "test", "pretraining" and "held out"."""
        return split_images(self.survey, self.settings.split, self.settings.seed)

    def labelled(self, fraction: float, seed: int) -> np.ndarray:
        """Training rows of which the labels are used: that fraction of each class, at least one."""
        return labelled_subset(self.survey.label, self.splits["train"], fraction, seed)

    @cached_property
    def views(self) -> Views:
        """How this survey is augmented: in flux where there is flux, else in display space."""
        wanted, survey = self.settings, self.survey
        if survey.is_display:
            return DisplayViews(crop=wanted.crop, zoom=wanted.zoom, jitter=wanted.jitter)
        reddening = REDDENING if "u" in survey.channels or "i" in survey.channels else LEGACY_REDDENING
        return PhysicalViews(
            crop=wanted.crop,
            reddening=tuple(reddening[band] for band in survey.channels),
            noise=tuple(survey.noise.tolist()),
            jitter=wanted.jitter,
        )

    @cached_property
    def scaling(self) -> PixelScaling:
        """From nanomaggies to what the networks see; display images are seen as they are."""
        if self.survey.is_display or not self.settings.softening:
            return PixelScaling("none")
        return PixelScaling("asinh", tuple(self.settings.softening * self.survey.noise))

    def pixels(self, stored: Tensor) -> Tensor:
        """Stored pixels (B, C, H, W) as float32: nanomaggies, or 0 to 1 for display images."""
        return stored.float() / 255 if stored.dtype == torch.uint8 else stored.float()

    def pairs(
        self, rows: np.ndarray, batch_size: int, *, views: Views | None = None, training: bool = True
    ) -> Batches:
        """Batches of `view_a` and `view_b`, (B, C, crop, crop) each, scaled; fresh views at every visit."""
        make = views or self.views

        def transform(batch: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
            a, b = make(self.pixels(batch.pop("images")), generator)
            return batch | {"view_a": self.scaling(a), "view_b": self.scaling(b)}

        return self._batches(rows, batch_size, transform, shuffle=training, drop_last=training)

    def single(self, rows: np.ndarray, batch_size: int, *, views: Views | None = None) -> Batches:
        """Batches of `images` (B, C, crop, crop) and `label` (B,): one view each, or as they are without
        `views`; shuffled with views."""

        def transform(batch: dict[str, Tensor], generator: Generator) -> dict[str, Tensor]:
            pixels = self.pixels(batch["images"])
            images = views.view(pixels, generator, "b") if views else self.views.central(pixels)
            return batch | {"images": self.scaling(images)}

        return self._batches(rows, batch_size, transform, shuffle=views is not None)

    def _batches(self, rows: np.ndarray, batch_size: int, transform, **options) -> Batches:
        survey = self.survey
        stored = torch.as_tensor(np.asarray(survey.images[rows]))
        tensors = {
            "images": stored if survey.is_display else stored.half(),  # half the memory, 5e-4 of the flux
            "label": torch.as_tensor(survey.label[rows]),
        }
        return Batches(tensors, batch_size, transform=transform, **options).to(self.device)

    @torch.no_grad()
    def features(self, encoder: nn.Module, rows: np.ndarray) -> np.ndarray:
        """What `encoder`, in evaluation mode, makes of the images as they are, (n, D) float32."""
        encoder = encoder.to(self.device).eval()
        batches = self.single(rows, 256)
        found = [encoder(batch["images"]).float() for batch in batches.epoch(Generator(self.device))]
        return torch.cat(found).cpu().numpy()

    @cached_property
    def handmade(self) -> tuple[np.ndarray, tuple[str, ...]]:
        """Colours, concentration, asymmetry and the like of every image, (N, F), and their names."""
        survey = self.survey
        pixels = np.asarray(survey.images) / np.float32(255 if survey.is_display else 1)
        values, names = morphology_features(pixels, noise=survey.noise)
        return values, tuple(names)

    @cached_property
    def targets(self) -> dict[str, np.ndarray]:
        """Numbers to predict besides the class, (N,) each: those the survey knows, else measured ones.

        Display images come without a catalogue; axis ratio and size are then measured on the image itself,
        and called so.
        """
        if self.survey.targets:
            return {name: values for name, values in self.survey.targets.items() if name != "magnitude"}
        values, names = self.handmade
        measured = {"axis ratio": "measured axis ratio", "half-light radius": "measured size"}
        return {words: values[:, names.index(name)] for name, words in measured.items()}

    def class_counts(self, rows: Sequence[int]) -> dict[str, int]:
        """How many images of each class, and without one."""
        label = self.survey.label[rows]
        counts = {name: int((label == k).sum()) for k, name in enumerate(self.survey.class_names)}
        return counts | ({"no class": int((label < 0).sum())} if (label < 0).any() else {})
