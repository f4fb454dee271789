"""Parameters of AstroM3's networks at the paper's size, beside those of the reference code."""

import pandas as pd
import torch
from IPython.display import Markdown
from torch import nn

from astrolib.models.galspecnet import GalSpecNet
from astrolib.models.informer import InformerEncoder
from astrolib.models.multimodal import FusedClassifier, MultimodalCLIP, StarClassifier
from astrolib.models.star_encoders import MetadataEncoder
from astrolib.report import results
from astrolib.report.style import NO_DATA

REFERENCE = {
    "photometry encoder": 1_589_888,
    "spectra encoder": 22_272,
    "metadata encoder": 280_576,
    "photometry projection": 13_107_712,
    "spectra projection": 606_720,
    "metadata projection": 262_656,
    "CLIP model": 15_869_827,
    "photometry classifier": 1_845_898,
    "spectra classifier": 34_122,
    "metadata classifier": 285_706,
    "classifier of all three": 15_874_957,
}
"""Counted in the reference code (card, section 4); the last one carries three scales that it does not use."""


def counts() -> dict[str, int]:
    """Parameters of each network of this library, by the names of `REFERENCE`; ten classes."""
    with torch.device("meta"):  # counts only: no memory is filled
        encoders = {
            "photometry": InformerEncoder(),
            "spectra": GalSpecNet(),
            "metadata": MetadataEncoder(),
        }
        clip = MultimodalCLIP(encoders)
        networks: dict[str, nn.Module] = {f"{name} encoder": net for name, net in encoders.items()}
        networks |= {f"{name} projection": clip.projections[name] for name in encoders}
        networks["CLIP model"] = clip
        networks |= {f"{name} classifier": StarClassifier(name, net, 10) for name, net in encoders.items()}
        networks["classifier of all three"] = FusedClassifier(encoders, 10)
    return {name: sum(p.numel() for p in net.parameters()) for name, net in networks.items()}


def parameters(profile: str) -> Markdown:
    """Table of parameter counts, ours beside the reference's."""
    table = pd.DataFrame({"network": list(found := counts()), "parameters": list(found.values())})
    table["paper_parameters"] = table["network"].map(REFERENCE)
    return results.save_table(profile, "astrom3_parameters", table.assign(n_seeds=0, source=NO_DATA))
