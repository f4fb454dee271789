"""Crops, constant channels and standardisation are those of the AstroM3 card, section 3."""

import numpy as np
import pytest
import torch

from astrolib.data.batches import Batches
from astrolib.data.star_views import StarView, star_tensors
from astrolib.data.stars import Modality

N_POINTS = np.array([12, 5, 0, 8], np.int32)


def modalities() -> dict[str, Modality]:
    rng = np.random.default_rng(1)
    points = np.zeros((4, 12, 3), np.float32)
    for star, n in enumerate(N_POINTS):
        points[star, :n] = np.arange(1, n + 1)[:, None] + 100 * star
    constants = rng.normal(3, 2, (4, 2)).astype(np.float32)
    table = rng.normal(size=(4, 2)).astype(np.float32)
    table[:, 1] = 7  # a column that says nothing
    ones = np.ones(4, np.int32)
    return {
        "photometry": Modality(
            "light curve",
            points,
            ("time", "flux", "error"),
            N_POINTS,
            constants,
            ("period", "log_mad"),
            ("period",),
        ),
        "spectra": Modality("spectrum", rng.normal(size=(4, 1, 6)).astype(np.float32), ("flux",), ones),
        "metadata": Modality("table", table, ("g", "r"), ones),
    }


def view_of(crop: int, training: bool, rows=range(4)):
    survey = modalities()
    rows = np.asarray(rows)
    view = StarView(survey, StarView.fit(survey, rows), crop, training=training)
    batches = Batches(star_tensors(survey, np.arange(4)), 4, transform=view)
    return survey, lambda generator=None: next(batches.epoch(generator))


def test_evaluation_takes_the_middle_and_pads_the_rest():
    survey, batch = view_of(8, training=False)
    seen = batch()
    assert seen["photometry"].shape == (4, 8, 5)
    assert seen["photometry"][0, :, 0].tolist() == list(range(3, 11))  # (12 - 8) // 2 = 2
    assert seen["photometry"][3, :, 0].tolist() == list(range(301, 309))
    assert seen["photometry"][1, :, 0].tolist() == [101, 102, 103, 104, 105, 0, 0, 0]
    assert seen["photometry.mask"].sum(dim=1).tolist() == [8, 5, 0, 8]
    assert seen["photometry.present"].tolist() == [True, True, False, True]


def test_constants_fill_padding_too_and_a_missing_light_curve_is_all_zero():
    survey, batch = view_of(8, training=False)
    seen = batch()["photometry"]
    constants = survey["photometry"].constants
    np.testing.assert_allclose(seen[1, :, 4], np.full(8, constants[1, 1]), rtol=1e-6)
    assert (seen[2] == 0).all()


def test_training_draws_every_start_and_no_other():
    _, batch = view_of(8, training=True)
    starts = {int(batch(torch.Generator().manual_seed(s))["photometry"][0, 0, 0]) for s in range(80)}
    assert starts == {1, 2, 3, 4, 5}  # inclusive: the last window is drawn as well
    again = [batch(torch.Generator().manual_seed(4))["photometry"] for _ in range(2)]
    assert torch.equal(*again)


def test_a_crop_longer_than_the_array_is_padded():
    _, batch = view_of(20, training=True)
    seen = batch(torch.Generator().manual_seed(0))
    assert seen["photometry"].shape == (4, 20, 5) and seen["photometry.mask"].sum() == N_POINTS.sum()
    assert seen["photometry"][0, 12:, :3].abs().sum() == 0


def test_standardised_over_the_chosen_stars_that_have_it():
    survey, batch = view_of(8, training=False, rows=[0, 2, 3])  # star 2 has no light curve
    seen = batch()
    period = survey["photometry"].constants[:, 0].astype(np.float64)
    have = period[[0, 3]]
    expected = (period - have.mean()) / have.std()
    np.testing.assert_allclose(seen["photometry"][[0, 1, 3], 0, 3], expected[[0, 1, 3]], atol=1e-5)
    np.testing.assert_allclose(seen["photometry"][0, 0, 4], survey["photometry"].constants[0, 1], rtol=1e-6)
    g = survey["metadata"].values[:, 0].astype(np.float64)
    chosen = g[[0, 2, 3]]
    np.testing.assert_allclose(seen["metadata"][:, 0], (g - chosen.mean()) / chosen.std(), atol=1e-5)
    assert (seen["metadata"][:, 1] == 0).all()


def test_spectra_get_their_constants_as_channels():
    survey = modalities()
    spectra = survey["spectra"]
    survey["spectra"] = Modality(
        "spectrum",
        spectra.values,
        ("flux",),
        spectra.n_points,
        np.full((4, 1), 2.5, np.float32),
        ("log_mad",),
    )
    view = StarView(survey, StarView.fit(survey, np.arange(4)), 8, training=False)
    seen = next(Batches(star_tensors(survey, np.arange(4)), 4, transform=view).epoch())["spectra"]
    assert seen.shape == (4, 2, 6) and (seen[:, 1] == 2.5).all()
    assert seen[:, 0].numpy() == pytest.approx(spectra.values[:, 0])
