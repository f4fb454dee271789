"""Galaxies from shards on disk against galaxies in memory: the batches alone, and a training with them."""

import tempfile
from pathlib import Path

from astrolib.bench.galaxies import SOURCE, AstroMAE
from astrolib.bench.machine import Machine
from astrolib.bench.operations import operations, traffic
from astrolib.bench.stage import Stage, Way
from astrolib.data.batches import Batches
from astrolib.data.shards import open_shards, write_shards
from astrolib.data.streaming import StreamedBatches
from astrolib.papers.astromae_networks import reconstruction_loss
from astrolib.training.passes import seeded
from astrolib.training.timing import Mode, Pass, library_pass

MEMORY = "in memory"
ORDERS = {"shards, row by row": 1, "shards, blocks of 64 rows": 64}
"""How many consecutive rows are read together."""


class DataPath:
    """The same galaxies in memory and in shards, in a temporary folder that goes with this object."""

    def __init__(self, parts: AstroMAE):
        self.parts, self.size = parts, parts.size
        self.held = tempfile.TemporaryDirectory()
        self.memory = parts.galaxies.batches("train", self.size.batch_size, training=True)
        tensors = self.memory.to("cpu").tensors
        folder = Path(self.held.name) / "shards"
        arrays = {name: values.numpy() for name, values in tensors.items()}
        write_shards(
            folder, [arrays], rows_per_shard=max(1, self.size.objects // 4), about={"source": SOURCE}
        )
        self.shards = open_shards(folder)

    def streamed(self, block_rows: int) -> StreamedBatches:
        """The galaxies on disk, with the views of those in memory."""
        return StreamedBatches(
            self.shards,
            self.size.batch_size,
            transform=self.memory.transform,
            shuffle=True,
            block_rows=block_rows,
        )

    def stages(self, machine: Machine) -> list[Stage]:
        """Batches alone, and pretraining."""
        mode = machine.modes[-1]
        model = self.parts.autoencoder()
        with seeded(self.memory.device, 0) as generator:
            batch = next(self.memory.epoch(generator))
        stored = sum(values[: self.size.batch_size].nbytes for values in self.memory.tensors.values())
        work = operations(lambda: model(batch["images"])["loss"]), traffic(model, stored)
        batches = {MEMORY: lambda: self.memory}
        batches |= {name: lambda rows=rows: self.streamed(rows) for name, rows in ORDERS.items()}
        reading = {
            name: Way(lambda make=make: self.read(make()), "32-true", 0, stored, "no network; disk cache")
            for name, make in batches.items()
        }
        training = {
            name: Way(lambda make=make: self.train(make(), mode), mode.precision, *work, "disk cache")
            for name, make in batches.items()
        }
        shape = self.parts.shape
        return [
            Stage("batches", self.size, reading, shape.split(";")[0], SOURCE),
            Stage("pretraining from disk", self.size, training, shape, SOURCE),
        ]

    def read(self, batches: Batches) -> Pass:
        """Every batch of an epoch, views included, and nothing done with it."""
        batches = batches.to(self.parts.device)

        def one_pass() -> None:
            with seeded(batches.device, 0) as generator:
                for _ in batches.epoch(generator):
                    pass

        return one_pass

    def train(self, batches: Batches, mode: Mode) -> Pass:
        """An epoch of pretraining."""
        recipe = self.parts.recipe(self.parts.settings.pretraining)
        model, device = self.parts.autoencoder(), self.parts.device
        return library_pass(model, batches, reconstruction_loss, recipe, device, mode)
