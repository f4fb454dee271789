from astrolib.bench.datapath import MEMORY, ORDERS, DataPath
from astrolib.bench.galaxies import AstroMAE
from astrolib.training.passes import seeded
from astrolib.training.timing import Size


def test_disk_and_memory_give_the_same_galaxies(machine):
    path = DataPath(AstroMAE("smallest", Size(batch_size=8, steps=3, repeats=1), "cpu"))
    for block_rows in ORDERS.values():
        with seeded(path.memory.device, 0) as generator:
            batches = path.streamed(block_rows).epoch(generator)
            seen = [row for batch in batches for row in batch["index"].tolist()]
        assert sorted(seen) == list(range(24))
    stages = path.stages(machine)
    assert [stage.name for stage in stages] == ["batches", "pretraining from disk"]
    for stage in stages:
        assert list(stage.ways) == [MEMORY, *ORDERS]
        for way in stage.ways.values():
            way.make()()
