"""Objects per second of MAE pretraining, this library beside a plain training loop, measured in one run.

    python -m astrolib.bench --device cpu --out figures/bench

Both ways train the same network (AstroMAE's pcm autoencoder) on the same random images with the same views:

- "astrolib": images on the device, views and masks of a batch made there, fused AdamW, no wait in a step;
- "plain loop": DataLoader with 4 workers, torchvision on single images, the loss read at every step.

On 2 CPU cores it takes about a minute; nearly all of it is the network itself, so the two are close there.
"""

import argparse
import platform
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import (
    CenterCrop,
    Compose,
    InterpolationMode,
    RandomHorizontalFlip,
    RandomRotation,
    RandomVerticalFlip,
)

from astrolib.data.augment import GalaxyView
from astrolib.data.batches import Batches
from astrolib.models.encoders import vit
from astrolib.models.mae import MaskedAutoencoder
from astrolib.models.masking import RandomMask
from astrolib.training.fabric import make_fabric
from astrolib.training.optim import Optimization, make_optimizer
from astrolib.training.passes import seeded, train_epoch
from astrolib.training.runs import write_aside

OPTIMIZATION = Optimization(epochs=1, batch_size=256, lr=1.5e-4)
WORKERS = 4


@dataclass(frozen=True)
class Size:
    """What is measured: AstroMAE's network by default."""

    batch_size: int = 256
    steps: int = 4
    repeats: int = 5
    embed_dim: int = 192
    depth: int = 12
    decoder_depth: int = 4
    stamp: int = 48
    crop: int = 32


def autoencoder(size: Size) -> MaskedAutoencoder:
    heads = size.embed_dim // 64
    encoder = vit(size.crop, embed_dim=size.embed_dim, depth=size.depth, num_heads=heads, block="pcm")
    decoder = {"decoder_embed_dim": size.embed_dim, "decoder_depth": size.decoder_depth}
    return MaskedAutoencoder(encoder, RandomMask(0.75), decoder_num_heads=heads, **decoder)


def astrolib_pass(size: Size, images: Tensor, device: str, precision: str) -> Callable[[], None]:
    """A pass over `images` as `fit` makes it."""
    fabric, view = make_fabric(device, precision), GalaxyView(size.crop)
    model = autoencoder(size).to(fabric.device)
    wrapped = fabric.setup(model, make_optimizer(model, OPTIMIZATION))
    batches = Batches(
        {"images": images},
        size.batch_size,
        shuffle=True,
        transform=lambda batch, generator: {
            "images": view(batch["images"], generator),
            "index": batch["index"],
        },
    ).to(fabric.device)

    def loss(model, batch, generator):
        return {"loss": model(batch["images"], generator=generator)["loss"]}

    def one_pass():
        with seeded(fabric.device, 0) as generator:
            train_epoch(fabric, *wrapped, batches, loss, generator)

    return one_pass


class Stamps(Dataset):
    """Single images with torchvision's random views, as a DataLoader's workers take them."""

    def __init__(self, images: Tensor, crop: int):
        self.images = images
        rotation = RandomRotation(45, interpolation=InterpolationMode.BILINEAR)
        self.view = Compose([rotation, CenterCrop(crop), RandomHorizontalFlip(), RandomVerticalFlip()])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> Tensor:
        return self.view(self.images[row])


def plain_pass(size: Size, images: Tensor, device: str) -> Callable[[], None]:
    """A pass over `images` as training scripts usually make it."""
    model = autoencoder(size).to(device).train()
    optimizer = torch.optim.AdamW(
        model.parameters(), OPTIMIZATION.lr, OPTIMIZATION.betas, weight_decay=OPTIMIZATION.weight_decay
    )
    options = {"num_workers": WORKERS, "persistent_workers": True, "pin_memory": device == "cuda"}
    loader = DataLoader(Stamps(images, size.crop), size.batch_size, shuffle=True, **options)

    def one_pass():
        total = 0.0
        for batch in loader:
            loss = model(batch.to(device))["loss"]
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item()

    return one_pass


def rendering_pass(size: Size, device: str) -> Callable[[], None]:
    """Simulate as many galaxies as a pass holds."""
    from astrolib.simulate.galaxies import draw_population, render  # needs astropy, the rest does not

    parameters = draw_population(size.batch_size * size.steps, seed=0)
    return lambda: render(parameters, image_size=size.crop, device=device)


def measure(ways: dict[str, Callable[[], None]], size: Size, device: str) -> pd.DataFrame:
    """Time passes, the ways taking turns, so that a busy moment of the machine hits all of them."""
    seconds, memory = {name: [] for name in ways}, {}
    for repeat in range(size.repeats + 1):  # the first one warms up
        for name, one_pass in ways.items():
            if device == "cuda":
                torch.cuda.reset_peak_memory_stats()
                resident = torch.cuda.memory_allocated()
            started = time.perf_counter()
            one_pass()
            if device == "cuda":
                torch.cuda.synchronize()
                memory[name] = (torch.cuda.max_memory_allocated() - resident) / 2**20
            if repeat:
                seconds[name].append(time.perf_counter() - started)
    objects = size.batch_size * size.steps
    return pd.DataFrame(
        {
            "way": name,
            "objects_per_second": objects / statistics.median(taken),
            "slowest": objects / max(taken),
            "fastest": objects / min(taken),
            "step_ms": 1e3 * statistics.median(taken) / size.steps,
            "peak_memory_mib": memory.get(name),  # of the GPU, above what stays there between passes
        }
        for name, taken in seconds.items()
    )


def bench(device: str, size: Size) -> pd.DataFrame:
    """One row per way, with all that a reader needs to judge it."""
    torch.manual_seed(0)
    images = torch.randn(size.batch_size * size.steps, 5, size.stamp, size.stamp)
    ways = {"plain loop, 32-true": plain_pass(size, images, device)}
    for precision in ["32-true"] + ["bf16-mixed"] * (device == "cuda"):
        ways[f"astrolib, {precision}"] = astrolib_pass(size, images, device, precision)
    try:
        ways["rendering"] = rendering_pass(size, device)
    except ModuleNotFoundError as error:
        print(f"The rendering is left out: {error}.")
    processor = torch.cuda.get_device_name() if device == "cuda" else f"{platform.machine()} CPU"
    return measure(ways, size, device).assign(
        batch_size=size.batch_size,
        steps=size.steps,
        repeats=size.repeats,
        image=f"5 x {size.stamp} x {size.stamp}, cropped to {size.crop}",
        device=processor,
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        date=date.today().isoformat(),
        source="random pixels",
        n_seeds=1,
    )


def main(arguments: list[str] | None = None, size: Size | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m astrolib.bench", description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--out", type=Path, default=Path("figures/bench"))
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore", message="This DataLoader will create")  # than cores
    table = bench(options.device, size or Size())
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"throughput_{options.device}.csv"
    write_aside(path, lambda aside: table.to_csv(aside, index=False, float_format="%.6g"))
    print(
        table[["way", "objects_per_second", "slowest", "fastest", "step_ms"]].round(1).to_string(index=False)
    )
    print(f"written to {path}")


if __name__ == "__main__":
    main()
