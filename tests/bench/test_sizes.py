import pytest

from astrolib import profiles
from astrolib.bench.sizes import PAPER, sizes


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_paper_sizes_are_the_papers_networks(device):
    wanted = sizes("paper", device)
    assert wanted == PAPER[device] and wanted.profile == "paper"
    net = profiles.load(wanted.profile).astromae.transformer
    assert (net.embed_dim, net.depth, net.num_heads, net.decoder_depth) == (192, 12, 3, 4)


def test_a_gpu_gets_the_papers_batches():
    wanted, paper = sizes("paper", "cuda"), profiles.load("paper")
    assert sizes("paper", "cpu").pretraining.batch_size == wanted.pretraining.batch_size
    assert wanted.pretraining.batch_size == paper.astromae.pretraining.batch_size
    assert wanted.finetuning.batch_size == paper.astromae.finetuning.batch_size
    assert wanted.astrom3.batch_size == paper.astrom3.pretraining.batch_size
    assert wanted.barlow.batch_size == paper.barlow.resnet_pretraining.batch_size


@pytest.mark.parametrize("name", ["paper", "small"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_curve_has_three_points_or_more_and_whole_batches(name, device):
    for curves in sizes(name, device).curves.values():
        assert min(len(curves.batches), len(curves.counts), len(curves.widths)) >= 3
        assert all(count % curves.counts[0] == 0 for count in curves.counts)
