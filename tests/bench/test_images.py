import pytest
import torch

from astrolib.bench.images import BarlowTwins, Pairs
from astrolib.bench.stage import PLAIN
from astrolib.models.barlow_twins import BarlowTwins as Network
from astrolib.training.timing import SINGLE, Size

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


@pytest.fixture
def twins(one_worker):
    return BarlowTwins("smallest", Size(batch_size=4, steps=2, repeats=1), "cpu")


def test_both_ways_show_the_network_every_image_once(twins, monkeypatch):
    """All pixels of a picture are its number; the views' gains are switched off."""
    twins.views = twins.views.only("rotation", "flips")
    for row in range(8):
        twins.images[row] = 20 * row
    seen, forward = [], Network.forward

    def watched(self, view_a, view_b):
        centre = view_a.shape[-1] // 2
        seen.extend((view_a[:, 0, centre, centre] * 255 / 20).round().int().tolist())
        assert view_a.shape == view_b.shape
        return forward(self, view_a, view_b)

    monkeypatch.setattr(Network, "forward", watched)
    for one_pass in (twins.plain(), twins.library(SINGLE)):
        seen.clear()
        one_pass()
        assert sorted(seen) == list(range(8))


def test_single_pictures_become_two_different_views_of_the_crop(twins):
    torch.manual_seed(0)
    pairs = Pairs(twins.images, twins.views)
    view_a, view_b = pairs[0]
    crop = twins.settings.data.crop
    assert len(pairs) == 8 and view_a.shape == view_b.shape == (3, crop, crop)
    assert view_a.dtype == torch.float32 and not torch.equal(view_a, view_b)


def test_the_stage_counts_two_views(twins, machine):
    stage = twins.stage(machine)
    assert list(stage.ways) == [PLAIN, "astrolib, float32"]
    assert all(way.operations > 0 for way in stage.ways.values())
