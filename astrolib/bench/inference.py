"""pcm-AstroMAE from files on disk to redshifts on disk: `astrolib.catalogue` and a plain script."""

import copy
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from astrolib.bench.galaxies import BANDS, NETWORK, SOURCE, AstroMAE
from astrolib.bench.machine import Machine
from astrolib.bench.operations import operations, traffic
from astrolib.bench.stage import LIBRARY, PLAIN, Stage, Way
from astrolib.catalogue.inference import predict_catalogue
from astrolib.catalogue.redshifts import INPUTS, RedshiftPredictor
from astrolib.data.shards import open_shards, write_shards
from astrolib.papers.astromae import Experiment
from astrolib.training.fabric import make_fabric
from astrolib.training.plain_loop import WORKERS
from astrolib.training.timing import Pass

WORDS = {"32-true": "float32", "bf16-mixed": "bfloat16", "bf16-true": "bfloat16 weights"}
LIBRARY_BATCH = {"cpu": 128, "cuda": 4096}


class Inference:
    """Both ways, on files in a temporary folder that goes with this object.

    Parameters
    ----------
    parts : AstroMAE
        Network and galaxies; `size` says how many, and what batch the script takes.
    batch_size : int
        Of the library; `LIBRARY_BATCH` by default.
    """

    def __init__(self, parts: AstroMAE, batch_size: int = 0):
        self.size, self.device, self.parts = parts.size, parts.device, parts
        self.batch_size = batch_size or LIBRARY_BATCH[self.device]
        self.net = parts.redshift_net().eval()
        self.held = tempfile.TemporaryDirectory()
        self.folder = Path(self.held.name)
        survey, crop = parts.galaxies.survey, parts.settings.data.crop
        images, magnitudes = survey.images[:, :, :crop, :crop], survey.magnitudes
        tensors = {"images": torch.from_numpy(images.copy()), "magnitudes": torch.from_numpy(magnitudes)}
        torch.save(tensors, self.folder / "galaxies.pt")
        block = {"images": images.astype(np.float16), "magnitudes": magnitudes, "id": np.arange(len(images))}
        write_shards(
            self.folder / "shards",
            [block],
            rows_per_shard=min(32768, max(1, len(images) // 4)),
            about={"bands": BANDS, "source": SOURCE, "pixel_scale": survey.pixel_scale},
        )

    def stage(self, machine: Machine) -> Stage:
        """The script in float32, and the library in every precision."""
        crop, n = self.parts.settings.data.crop, self.size.batch_size
        images = torch.zeros(n, len(BANDS), crop, crop, device=self.device)
        magnitudes = torch.zeros(n, len(BANDS), device=self.device)
        with torch.no_grad():
            work = operations(lambda: self.net(images, magnitudes)["redshift"])
        pixels = n * len(BANDS) * crop**2
        moved = {
            size: traffic(self.net, size * pixels, training=False) for size in (2, 4)
        }  # bytes of a pixel
        ways = {
            PLAIN: Way(
                lambda: self.plain,
                "32-true",
                work,
                moved[4],
                "a .pt file of float32, DataLoader of 4 workers, float32, predictions to the host each step",
            )
        }
        faster = len({mode.precision for mode in machine.modes}) > 1
        for precision in ("32-true", "bf16-mixed", "bf16-true") if faster else ("32-true",):
            ways[f"{LIBRARY}, {WORDS[precision]}"] = Way(
                lambda precision=precision: self.library(precision),
                precision,
                work,
                moved[2],
                f"predict_catalogue: float16 shards to Parquet, {self.batch_size} at a time; a "
                "step is as many galaxies as one of the plain loop's; files in the disk cache",
            )
        shape = f"{len(BANDS)} x {crop} x {crop}; {NETWORK}, files on disk to redshifts on disk"
        return Stage("inference", self.size, ways, shape, SOURCE)

    def library(self, precision: str) -> Pass:
        """A whole catalogue, written anew in each pass."""
        predictor = RedshiftPredictor(Trained(self.parts, self.net), NETWORK, 0, precision=precision)
        predictor.net.to(self.device)
        fabric = make_fabric(self.device, "32-true")

        def one_pass() -> None:
            with tempfile.TemporaryDirectory(dir=self.folder) as out:
                predict_catalogue(
                    open_shards(self.folder / "shards"),
                    predictor,
                    Path(out) / "catalogue",
                    settings=predictor.settings,
                    inputs=INPUTS,
                    batch_size=self.batch_size,
                    fabric=fabric,
                    progress=False,
                )

        return one_pass

    def plain(self) -> None:
        """What the follow-up's script does: the file into memory, batches by workers, predictions to disk."""
        data = torch.load(self.folder / "galaxies.pt", weights_only=True)
        dataset = TensorDataset(data["images"], data["magnitudes"])
        galaxies, found = self.parts.galaxies, []
        with torch.no_grad():
            for images, magnitudes in DataLoader(dataset, self.size.batch_size, num_workers=WORKERS):
                images, magnitudes = galaxies.scaling(images.to(self.device)), magnitudes.to(self.device)
                if galaxies.standardizer:
                    magnitudes = galaxies.standardizer(magnitudes)
                output = self.net(images, magnitudes)
                found.append(output["redshift"].cpu().numpy())
        np.save(self.folder / "redshift.npy", np.concatenate(found))


class Trained(Experiment):
    """An experiment whose network counts as trained: what its weights are does not change the speed."""

    def __init__(self, parts: AstroMAE, net: nn.Module):
        super().__init__(parts.experiment.profile)
        self.galaxies, self.net = parts.galaxies, net

    def finetuning_run(self, name: str, seed: int) -> SimpleNamespace:
        return SimpleNamespace(done=True, folder=Path("untrained"))

    def trained(self, name: str, seed: int) -> nn.Module:
        return copy.deepcopy(self.net)  # one that may be converted
