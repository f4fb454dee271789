"""AstroM3's CLIP pretraining on simulated stars: the library's way and the reference code's."""

from astrolib.bench.machine import Machine
from astrolib.bench.operations import operations, traffic
from astrolib.bench.stage import LIBRARY, PLAIN, Stage, Way
from astrolib.papers.astrom3_speed import Speed
from astrolib.training.passes import seeded
from astrolib.training.timing import Size

REFERENCE = "probsparse"
"""Attention of the paper's code (AstroM3 card, section 5.1)."""


def astrom3(profile: str, size: Size, machine: Machine) -> Stage:
    """The reference's way, the library's with the same network, and with its own attention, "full"."""
    speed = Speed(profile, size, machine.device)
    work = {attention: _work(speed, attention) for attention in (REFERENCE, "full")}
    ways = {
        PLAIN: Way(
            lambda: speed.plain_pass(REFERENCE),
            "32-true",
            *work[REFERENCE],
            "every star decoded and scaled anew, 4 workers, ProbSparse attention in the published form, "
            "loss.item() at every step; float32 as the paper's code. The datasets library, with which the "
            "authors decode a star, is not used",
        )
    }
    fastest = machine.modes[-1]
    for mode, attention in [(mode, REFERENCE) for mode in machine.modes] + [(fastest, "full")]:
        own = attention == "full"
        ways[f"{LIBRARY}, {mode.words}" + ", full attention" * own] = Way(
            lambda mode=mode, attention=attention: speed.astrolib_pass(attention, mode),
            mode.precision,
            *work[attention],
            "full attention with the mask of the light curve: another network with the same weights"
            if own
            else "the same network, on dense arrays on the device",
        )
    sizes, spectrum = speed.settings.encoders, speed.survey.modalities["spectra"].values.shape[2]
    shape = (
        f"{speed.settings.data.n_points} points, spectrum of {spectrum}, "
        f"{speed.survey.modalities['metadata'].channels} columns; Informer {sizes.d_model}/{sizes.n_layers}/"
        f"{sizes.n_heads}, embedding {sizes.embed_dim}"
    )
    return Stage("AstroM3 CLIP pretraining", size, ways, shape, "simulated")


def _work(speed: Speed, attention: str) -> tuple[int, int]:
    """Operations and bytes of a step."""
    model, batches = speed.model(attention), speed.batches().to(speed.device)
    with seeded(batches.device, 0) as generator:
        batch = next(batches.epoch(generator))
    stored = sum(values[: speed.size.batch_size].nbytes for values in batches.tensors.values())
    return operations(lambda: model(*speed.inputs(batch))["loss"]), traffic(model, stored)
