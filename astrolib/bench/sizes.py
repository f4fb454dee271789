"""How large each stage is on each kind of device: a profile's networks, batches the device can take."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from astrolib.training.timing import Size


@dataclass(frozen=True)
class Curves:
    """Where the cost of a stage is measured.

    Parameters
    ----------
    batches : tuple of int
        Batch sizes of which the cost of a step is measured.
    counts : tuple of int
        Numbers of objects of which the cost of an epoch is measured, in batches of the smallest number.
    widths : tuple of int
        Widths of the network of which the cost of a step is measured, at `width_batch`.
    width_batch : int
    """

    batches: tuple[int, ...]
    counts: tuple[int, ...]
    widths: tuple[int, ...]
    width_batch: int


@dataclass(frozen=True)
class Sizes:
    """What is measured.

    Parameters
    ----------
    profile : str
        Whose networks and images.
    pretraining, finetuning, inference, astrom3, barlow : Size
        Of the stages' passes; of inference the batch is that of the published code.
    curves : mapping of str to Curves
        By stage, as `scaling.SUBJECTS` names them.
    scaling_steps, scaling_repeats : int
        Of the passes of these curves.
    """

    profile: str
    pretraining: Size
    finetuning: Size
    inference: Size
    astrom3: Size
    barlow: Size
    curves: Mapping[str, Curves]
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
        curves={
            "pretraining": Curves((16, 64, 256, 1024), (64, 128, 256, 512), (64, 128, 192, 384), 32),
            "fine-tuning": Curves((16, 64, 256), (64, 128, 256), (64, 192, 384), 32),
            "inference": Curves((16, 64, 256), (64, 128, 256), (64, 192, 384), 32),
            "AstroM3 CLIP pretraining": Curves((16, 32, 64, 128), (32, 64, 128), (64, 128, 256), 32),
            "Barlow Twins": Curves((8, 16, 32, 64), (16, 32, 64), (16, 32, 64), 16),
        },
    ),
    "cuda": Sizes(
        profile="paper",
        pretraining=Size(2048, steps=32, repeats=5),
        finetuning=Size(1024, steps=32, repeats=5),
        inference=Size(512, steps=256, repeats=3),
        astrom3=Size(512, steps=4, repeats=3),
        barlow=Size(512, steps=8, repeats=3),
        curves={
            "pretraining": Curves(
                (128, 512, 1024, 2048, 4096, 8192), (4096, 8192, 16384, 32768), (64, 192, 384, 768), 2048
            ),
            "fine-tuning": Curves((128, 512, 1024, 2048), (2048, 4096, 8192), (64, 192, 384), 1024),
            "inference": Curves((128, 512, 2048, 8192), (4096, 8192, 16384), (64, 192, 384), 1024),
            "AstroM3 CLIP pretraining": Curves((64, 128, 256, 512), (128, 256, 512), (64, 128, 256), 128),
            "Barlow Twins": Curves((64, 128, 256, 512), (128, 256, 512), (32, 64, 128), 128),
        },
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
    curve = Curves((8, 16, 32), (16, 32, 64), (32, 64, 128), 8)
    curves = dict.fromkeys(PAPER[device].curves, curve)
    return replace(PAPER[device], profile="demo", scaling_repeats=2, curves=curves, **few)
