"""AstroM3's published weights under the names of this library."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor

LAYER = r"photometry_encoder\.encoder\.attn_layers\.(\d+)\."
RENAMED = (
    (
        r"photometry_encoder\.enc_embedding\.value_embedding\.tokenConv\.",
        "encoders.photometry.embedding.conv.",
    ),
    (
        LAYER + r"attention\.(query|key|value|out)_projection\.",
        r"encoders.photometry.layers.\1.attention.\2.",
    ),
    (LAYER + r"conv1\.", r"encoders.photometry.layers.\1.up."),
    (LAYER + r"conv2\.", r"encoders.photometry.layers.\1.down."),
    (LAYER + r"norm([12])\.", r"encoders.photometry.layers.\1.norm\2."),
    (r"photometry_encoder\.encoder\.norm\.", "encoders.photometry.norm."),
    (r"spectra_encoder\.layers\.", "encoders.spectra.layers."),
    (r"metadata_encoder\.model\.", "encoders.metadata.layers."),
    (r"(photometry|spectra|metadata)_proj\.", r"projections.\1."),
    (r"fc\.", "head."),
)
POSITIONS = "photometry_encoder.enc_embedding.position_embedding.pe"  # fixed: ours are made, not loaded
SCALES = ("logit_scale_ps", "logit_scale_mp", "logit_scale_sm")  # in the order of MultimodalCLIP.pairs


def from_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """State of a `MultimodalCLIP`, or of a `FusedClassifier` if there is a head, from the published names.

    The encoders must be called "photometry", "spectra" and "metadata", in that order, and the light curves'
    must have `attention="probsparse"`: the weights were trained with it (AstroM3 card, sections 4.4, 5.1).
    1 x 1 convolutions become linear layers. A classifier's three scales, which it does not use, are dropped.

    Raises
    ------
    ValueError
        If a name is not one of the published model of three modalities, or a scale is missing.

    Examples
    --------
    >>> from safetensors.torch import load_file
    >>> clip.load_state_dict(from_published(load_file("model.safetensors")))  # doctest: +SKIP
    """
    found = {}
    for name, value in state_dict.items():
        if name == POSITIONS or name in SCALES:
            continue
        ours = next((re.sub(old, new, name) for old, new in RENAMED if re.match(old, name)), None)
        if ours is None:
            raise ValueError(
                f"{name!r} is not a weight of the published models of three modalities, whose names begin "
                "with photometry_, spectra_, metadata_, logit_scale_ or fc."
            )
        found[ours] = value.squeeze(-1) if re.match(LAYER + "conv", name) and value.ndim == 3 else value
    if "head.weight" not in found:
        if missing := [name for name in SCALES if name not in state_dict]:
            raise ValueError(f"These weights lack {', '.join(missing)}: a CLIP model has all three scales.")
        found["log_scales"] = torch.stack([state_dict[name].reshape(()) for name in SCALES])
    return found
