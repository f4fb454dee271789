"""How large each stage is on each kind of device: a profile's networks, batches the device can take."""

from dataclasses import dataclass, replace

from astrolib.training.timing import Size


@dataclass(frozen=True)
class Sizes:
    """What is measured.

    Parameters
    ----------
    profile : str
        Whose networks and images.
    pretraining, finetuning, inference, astrom3, barlow : Size
        Of the stages' passes; of inference the batch is that of the published code.
    batches : tuple of int
        Batch sizes of which the cost of a step is measured.
    counts : tuple of int
        Numbers of images of which the cost of an epoch is measured, at the batch of `pretraining`.
    widths : tuple of int
        Widths of the transformer of which the cost of a step is measured, at `width_batch`.
    width_batch : int
    scaling_steps, scaling_repeats : int
        Of the passes of these curves.
    """

    profile: str
    pretraining: Size
    finetuning: Size
    inference: Size
    astrom3: Size
    barlow: Size
    batches: tuple[int, ...]
    counts: tuple[int, ...]
    widths: tuple[int, ...]
    width_batch: int
    scaling_steps: int = 2
    scaling_repeats: int = 3


PAPER = {
    "cpu": Sizes(
        profile="paper",
        pretraining=Size(2048, steps=2, repeats=4),
        finetuning=Size(128, steps=8, repeats=5),
        inference=Size(256, steps=4, repeats=5),
        astrom3=Size(256, steps=2, repeats=5),
        barlow=Size(32, steps=2, repeats=3),
        batches=(16, 64, 256, 1024),
        counts=(64, 128, 256, 512),
        widths=(64, 128, 192, 384),
        width_batch=32,
    ),
    "cuda": Sizes(
        profile="paper",
        pretraining=Size(2048, steps=32, repeats=5),
        finetuning=Size(1024, steps=32, repeats=5),
        inference=Size(512, steps=256, repeats=3),
        astrom3=Size(512, steps=4, repeats=3),
        barlow=Size(512, steps=8, repeats=3),
        batches=(128, 256, 512, 1024, 2048, 4096, 8192),
        counts=(8192, 16384, 32768, 65536),
        widths=(64, 128, 192, 384, 768),
        width_batch=2048,
        scaling_steps=8,
    ),
}
"""The papers' networks. Pretraining has the paper's batch of 2,048 on both kinds of device, and AstroM3's of
512 on a GPU; the other batches of the CPU are smaller than the papers', to save its time and memory."""


def sizes(name: str, device: str) -> Sizes:
    """ "paper", or "small": the networks of the demo profile, to see within a minute that all of it runs."""
    if name == "paper":
        return PAPER[device]
    few = {stage: Size(32, steps=2, repeats=2) for stage in ("pretraining", "finetuning", "inference")}
    few |= {stage: Size(16, steps=1, repeats=2) for stage in ("astrom3", "barlow")}
    scaled = {"batches": (16, 32, 64), "counts": (32, 64, 128), "widths": (64, 128, 192), "width_batch": 16}
    return replace(PAPER[device], profile="demo", scaling_repeats=2, **few, **scaled)
