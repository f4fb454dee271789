import pytest
import torch

from astrolib.bench.galaxies import PCM, AstroMAE
from astrolib.bench.stage import PLAIN
from astrolib.models.mae import MaskedAutoencoder
from astrolib.models.redshift import RedshiftNet
from astrolib.training.timing import SINGLE, Size

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


@pytest.fixture
def parts(one_worker):
    made = AstroMAE("smallest", Size(batch_size=4, steps=2, repeats=1), "cpu")
    row = torch.arange(8.0).reshape(8, 1, 1, 1)
    made.galaxies.survey.images[:] = row.numpy()
    return made


@pytest.mark.parametrize("what, network", [("pretraining", MaskedAutoencoder), ("finetuning", RedshiftNet)])
def test_both_ways_show_the_network_every_image_once(parts, what, network, monkeypatch):
    """Otherwise the comparison would not be one. All pixels of an image are its number, before scaling."""
    seen, forward = [], network.forward
    expected = parts.galaxies.scaling(torch.arange(8.0).reshape(8, 1, 1, 1).expand(8, 5, 1, 1))[:, 0, 0, 0]

    def watched(self, images, *others, **options):
        seen.extend(images[:, 0].mean(dim=(1, 2)).tolist())
        return forward(self, images, *others, **options)

    monkeypatch.setattr(network, "forward", watched)
    for one_pass in (getattr(parts, f"plain_{what}")(), getattr(parts, f"library_{what}")(SINGLE)):
        seen.clear()
        one_pass()
        assert len(seen) == 8
        torch.testing.assert_close(torch.tensor(sorted(seen)), expected, atol=0.05, rtol=0.02)


def test_both_ways_start_from_the_same_autoencoder(parts):
    one, other = parts.autoencoder().state_dict(), parts.autoencoder().state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_the_network_of_the_paper_has_the_papers_parameters():
    """AstroMAE card, sections 5.2 and 6.2."""
    paper = AstroMAE("paper", Size(1, 1, 1), "cpu")
    count = lambda model: sum(p.numel() for p in model.parameters() if p.requires_grad)  # noqa: E731
    assert count(paper.autoencoder(PCM)) == 7_380_800
    assert count(paper.redshift_net()) == 10_398_057


def test_stages_have_the_plain_loop_first_and_the_same_work_in_every_way(parts, machine):
    for stage in (parts.pretraining(machine), parts.pretraining(machine, PCM), parts.finetuning(machine)):
        assert list(stage.ways) == [PLAIN, "astrolib, float32"]
        assert len({(way.operations, way.traffic) for way in stage.ways.values()}) == 1
        assert stage.ways[PLAIN].operations > 0 and stage.source == "random pixels"


def test_a_width_replaces_the_profiles(parts):
    wider = AstroMAE("smallest", parts.size, "cpu", width=128)
    assert wider.autoencoder().encoder.embed_dim == 128 and "ViT 128/1/2" in wider.shape
