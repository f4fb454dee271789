"""The benchmark runs at a tiny size and says what was measured; no time is promised."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from astrolib.models.informer import ProbSparseAttention
from astrolib.papers import astrom3_speed
from astrolib.papers.astrom3_speed import ExpandedProbSparse, Speed, as_published, keep_throughput
from astrolib.report import results
from astrolib.training.timing import Size

WAYS = {
    "pretraining": ["plain loop", "astrolib"],
    "preprocessing": ["one by one", "all at once"],
}


@pytest.fixture
def coarse(monkeypatch):
    """Few pixels, few processes."""
    monkeypatch.setattr(astrom3_speed, "STEP", 40.0)
    monkeypatch.setattr(astrom3_speed, "WORKERS", 1)


def test_throughput_of_both_stages_is_kept(coarse):
    table = keep_throughput("smallest", Size(batch_size=16, steps=1, repeats=1))
    assert table.groupby("stage", sort=False)["way"].agg(list).to_dict() == WAYS
    numbers = table[["objects_per_second", "slowest", "fastest"]]
    assert (numbers > 0).all(axis=None) and (table["slowest"] <= table["fastest"]).all()
    assert (table["source"] == "simulated").all() and (table["torch"] == torch.__version__).all()
    assert {"device", "threads", "date"} <= set(table.columns)
    pd.testing.assert_frame_equal(results.load("smallest", "astrom3_throughput"), table, check_dtype=False)


def test_both_ways_train_the_same_network_on_the_same_stars(coarse):
    speed = Speed("smallest", Size(batch_size=16, steps=1, repeats=1))
    one, other = speed.model().state_dict(), speed.model().state_dict()
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    assert len(speed.raw) == len(speed.survey) == 16
    stars = astrom3_speed.ReferenceStars(speed.raw, speed.survey.class_names, sequence_length=16)
    _, _, spectrum, metadata, _ = stars[3]
    survey = speed.survey.modalities
    np.testing.assert_allclose(spectrum[0], survey["spectra"].values[3, 0], rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(metadata, survey["metadata"].values[3], rtol=1e-4, atol=1e-4)


def test_the_published_form_of_the_attention_is_the_same_function():
    torch.manual_seed(0)
    attention, x = ProbSparseAttention(16, 2), torch.randn(3, 20, 16, requires_grad=True)
    attention.table = ProbSparseAttention.draw(20)
    found = []
    for form in (attention, as_published(nn.ModuleList([attention]))[0]):
        out = form(x, None)
        (gradient,) = torch.autograd.grad(out.square().sum(), x)
        found.append((out, gradient))
    assert type(attention) is ExpandedProbSparse
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other)
