import pandas as pd
import pytest
import torch

from astrolib import bench


def test_bench_writes_a_row_for_each_way(tmp_path, capsys):
    size = bench.Size(batch_size=4, steps=2, repeats=2, embed_dim=64, depth=1, decoder_depth=1)
    bench.main(["--device", "cpu", "--out", str(tmp_path)], size)
    table = pd.read_csv(tmp_path / "throughput_cpu.csv")
    assert {"plain loop, 32-true", "astrolib, 32-true"} <= set(table["way"])
    assert (table.slowest <= table.objects_per_second).all() and (
        table.objects_per_second <= table.fastest
    ).all()
    assert table[["device", "torch", "date", "batch_size", "source", "n_seeds"]].notna().all().all()
    assert "throughput_cpu.csv" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_both_ways_show_the_network_every_image_once(monkeypatch):
    """Otherwise the comparison would not be one."""
    size, seen = bench.Size(batch_size=4, steps=2, embed_dim=64, depth=1, decoder_depth=1), []
    images = torch.arange(8.0).reshape(8, 1, 1, 1).expand(8, 5, 48, 48).contiguous()
    forward = bench.MaskedAutoencoder.forward

    def watched(self, images, **options):
        seen.extend(images[:, 0, 16, 16].round().int().tolist())
        return forward(self, images, **options)

    monkeypatch.setattr(bench.MaskedAutoencoder, "forward", watched)
    for one_pass in (
        bench.plain_pass(size, images, "cpu"),
        bench.astrolib_pass(size, images, "cpu", "32-true"),
    ):
        seen.clear()
        one_pass()
        assert sorted(seen) == list(range(8))
