"""A survey of images cut into parts: who is in which batch, and what a network sees."""

import dataclasses

import numpy as np
import pytest
import torch
from astropy.table import Table

from astrolib import profiles
from astrolib.data.image_survey import ImageSurvey
from astrolib.data.views import DisplayViews, PhysicalViews
from astrolib.papers.images import Images


@pytest.fixture
def images(tmp_path, monkeypatch):
    monkeypatch.setenv("ASTROLIB_BUILD", str(tmp_path))
    return Images(profiles.load("smallest").barlow.data)


@pytest.fixture
def pictures():
    """Display images of which some have no class; fields hold two each."""
    rng, n = np.random.default_rng(0), 60
    survey = ImageSurvey(
        images=rng.integers(0, 256, (n, 3, 40, 40), dtype=np.uint8),
        channels=("R", "G", "B"),
        label=np.where(np.arange(n) < 40, np.arange(n) % 2, -1),
        class_names=("round", "spiral"),
        group=np.arange(n) // 2,
        targets={},
        catalogue=Table({"id": [f"picture {k}" for k in range(n)]}),
        source="made-up pictures",
        noise=None,
        pixel_scale=None,
    )
    found = Images(dataclasses.replace(profiles.load("smallest").barlow.data, zoom=0.9, softening=0.0))
    found.survey = survey
    return found


def test_flux_is_reddened_and_scaled_and_pictures_are_not(images, pictures):
    assert isinstance(images.views, PhysicalViews) and images.scaling.kind == "asinh"
    assert images.views.noise == pytest.approx(images.survey.noise)
    assert images.views.reddening[0] > images.views.reddening[4] > 0  # u is dimmed more than z
    assert isinstance(pictures.views, DisplayViews) and pictures.scaling.kind == "none"


def test_pairs_are_two_views_of_the_same_images(images):
    rows = images.splits["pretraining"]
    batch = next(iter(images.pairs(rows, 16).epoch(torch.Generator().manual_seed(0))))
    again = next(iter(images.pairs(rows, 16).epoch(torch.Generator().manual_seed(0))))
    crop = images.settings.crop
    assert batch["view_a"].shape == batch["view_b"].shape == (16, 5, crop, crop)
    assert torch.equal(batch["view_a"], again["view_a"]) and not torch.equal(batch["view_a"], batch["view_b"])
    a, b = (batch[f"view_{which}"].mean(dim=(2, 3)).T for which in "ab")
    for band in range(5):  # of the same galaxies, in the same order
        assert torch.corrcoef(torch.stack([a[band], b[band]]))[0, 1] > 0.5


def test_what_is_judged_is_not_augmented(images, pictures):
    for each in (images, pictures):
        rows = each.splits["test"]
        one, other = (
            next(iter(each.single(rows, 8).epoch(torch.Generator().manual_seed(seed)))) for seed in (0, 1)
        )
        assert torch.equal(one["images"], other["images"])
        assert one["label"].tolist() == each.survey.label[rows[:8]].tolist()
        pixels = each.pixels(torch.as_tensor(each.survey.images[rows[:8]]))
        expected = each.scaling(each.views.central(pixels))
        assert torch.allclose(one["images"], expected, atol=2e-3)  # flux is kept in half precision


def test_no_field_of_a_test_image_is_pretrained_on(pictures):
    splits, group = pictures.splits, pictures.survey.group
    seen = set(group[splits["pretraining"]])
    assert not seen & set(group[splits["test"]]) and not seen & set(group[splits["validation"]])
    assert (pictures.survey.label[splits["pretraining"]] < 0).sum() == 20
    assert pictures.class_counts(splits["pretraining"])["no class"] == 20
    assert set(pictures.labelled(0.5, 1)) < set(splits["train"])


def test_targets_are_the_surveys_or_are_called_measured(images, pictures):
    assert {"redshift", "bulge fraction"} <= set(images.targets)
    assert "magnitude" not in images.targets  # it is drawn, not predicted
    assert set(pictures.targets) == {"measured axis ratio", "measured size"}
    for values in (*images.targets.values(), *pictures.targets.values()):
        assert values.ndim == 1 and np.isfinite(values).any()


def test_features_are_those_of_the_rows_asked_for(images):
    rows = images.splits["test"][::3]
    found = images.features(torch.nn.Flatten(), rows)
    pixels = images.pixels(torch.as_tensor(np.asarray(images.survey.images[rows])))
    expected = images.scaling(images.views.central(pixels)).flatten(1)
    assert found.shape == (len(rows), 5 * images.settings.crop**2) and found.dtype == np.float32
    assert np.allclose(found, expected, atol=2e-3)
