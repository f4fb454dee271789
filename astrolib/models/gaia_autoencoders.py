"""Published autoencoders of Gaia DR3 variables (Huijse et al. 2025): spectrum, folded light curve, dm/dt map.

Modules have the names of the published state dictionaries, below the prefixes of `PREFIXES`.
"""

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

N_HARMONICS = 12
N_SAMPLES = 50  # of BP and of RP
FIRST_SAMPLE = 2  # of the 55 wavelengths, the authors' choice: with it BP and RP meet at 630 to 660 nm
DMDT_SHAPE = (20, 10)


class Residual(nn.Module):
    """(B, width) -> (B, width)."""

    def __init__(self, width: int):
        super().__init__()
        self.fc1 = nn.Linear(width, width)
        self.fc2 = nn.Linear(width, width)
        self.act = nn.GELU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.fc2(self.act(self.fc1(x))) + x)


def xp_decoder() -> nn.Sequential:
    """Latents (B, 5) -> fluxes (B, 100): 50 of BP from red to blue, 50 of RP from blue to red."""
    blocks = [Residual(64) for _ in range(3)]
    return nn.Sequential(nn.Linear(5, 64), nn.GELU(), *blocks, nn.Linear(64, 2 * N_SAMPLES))


def xp_encoder() -> nn.Sequential:
    """Fluxes (B, 100) -> (B, 10): means and log standard deviations of the latents."""
    blocks = [Residual(64) for _ in range(3)]
    return nn.Sequential(nn.Linear(2 * N_SAMPLES, 64), nn.GELU(), *blocks, nn.Linear(64, 10))


def dmdt_decoder() -> nn.Sequential:
    """Latents (B, 5) -> map (B, 20, 10): probability of |dm| (rows) given dt (columns)."""
    n = DMDT_SHAPE[0] * DMDT_SHAPE[1]
    # No activation after the first layer: with one, the columns would not sum to 1.
    return nn.Sequential(
        nn.Linear(5, 128), Residual(128), nn.Linear(128, n), nn.Sigmoid(), nn.Unflatten(1, DMDT_SHAPE)
    )


def dmdt_encoder() -> nn.Sequential:
    """Flattened map (B, 200) -> (B, 10): means and log standard deviations of the latents."""
    return nn.Sequential(nn.Linear(200, 128), nn.GELU(), Residual(128), Residual(128), nn.Linear(128, 10))


class FoldDecoder(nn.Module):
    """Folded light curve: four latents and the phase give the magnitude, the fifth latent its scatter."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(2 * N_HARMONICS + 4, 128), nn.GELU(), Residual(128), Residual(128), nn.Linear(128, 1)
        )
        self.variance = nn.Sequential(
            nn.Linear(1, 128),
            nn.GELU(),
            nn.Sequential(OrderedDict(fc=nn.Linear(128, 128), act=nn.GELU())),
            nn.Linear(128, 1),
        )

    def forward(self, latents: Tensor, phase: Tensor) -> tuple[Tensor, Tensor]:
        """Latents (B, 5), phases (L,) -> magnitudes (B, L), standard deviations (B,).

        Magnitudes are scaled to 0 (brightest) .. 1 (faintest); phase 0 .. 1 spans two cycles.
        """
        angle = 2 * torch.pi * phase[:, None] * torch.arange(1, N_HARMONICS + 1, device=phase.device)
        waves = torch.cat([angle.cos(), angle.sin()], dim=1)  # (L, 24)
        first, *rest = self.layers
        # The first layer's share of the phase is the same for all stars, that of the latents for all phases.
        of_phase = nn.functional.linear(waves, first.weight[:, :-4], first.bias)  # (L, 128)
        x = of_phase + (latents[:, :4] @ first.weight[:, -4:].T)[:, None]  # (B, L, 128)
        for layer in rest:
            x = layer(x)
        sigma = self.variance(latents[:, 4:]).exp().sqrt()  # (B, 1)
        return x.squeeze(2), sigma.squeeze(1)


PREFIXES = {
    "xp decoder": {"": "decoder.nnet.nnet."},
    "xp encoder": {"": "encoder.nnet.nnet."},
    "fold decoder": {"layers.": "decoder.layers.", "variance.": "decoder_variance.nnet."},
    "dmdt decoder": {"": "decoder."},
    "dmdt encoder": {"": "encoder."},
}
"""Our module names and the published ones, for each network."""
NETWORKS = {
    "xp decoder": xp_decoder,
    "xp encoder": xp_encoder,
    "fold decoder": FoldDecoder,
    "dmdt decoder": dmdt_decoder,
    "dmdt encoder": dmdt_encoder,
}


def load(name: str, state_dict: Mapping[str, Tensor]) -> nn.Module:
    """One of `NETWORKS` with published weights, in evaluation mode.

    Raises
    ------
    ValueError
        If the state dictionary is that of something else.
    """
    network = NETWORKS[name]()
    own = {}
    for ours, published in PREFIXES[name].items():
        length = len(published)
        own |= {ours + key[length:]: value for key, value in state_dict.items() if key.startswith(published)}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        raise ValueError(f"These are not the weights of the {name}: {error}") from None
    return network.eval().requires_grad_(False)


def read_state(path: Path) -> dict[str, Tensor]:
    """Tensors of a published file (`AE_*.ckpt`).

    Raises
    ------
    ValueError
        If the file holds anything but tensors by name.
    """
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
    except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} holds no tensors ({error}); fetch gaia_dr3_latents again.") from None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ValueError(f"{path} holds no tensors by name; fetch gaia_dr3_latents again.")
    return state


def xp_wavelength(state_dict: Mapping[str, Tensor]) -> np.ndarray:
    """Wavelengths (100,) [nm] of the decoded samples, in the order of the decoder."""
    rows = slice(FIRST_SAMPLE, FIRST_SAMPLE + N_SAMPLES)
    return torch.cat([state_dict[f"preprocessor.wl_{band}"][rows] for band in ("bp", "rp")]).double().numpy()


def _state_of(files: Mapping[str, Path], name: str) -> dict[str, Tensor]:
    """Tensors of the one file whose name begins with AE_<name>_."""
    found = [path for file, path in files.items() if file.startswith(f"AE_{name}_")]
    if len(found) != 1:
        raise ValueError(f"One file AE_{name}_*.ckpt is needed, {len(found)} are among {sorted(files)}.")
    return read_state(found[0])


def decode(
    latents: np.ndarray, files: Mapping[str, Path], n_phases: int = 40, batch_size: int = 1024
) -> dict[str, np.ndarray]:
    """Spectra, folded light curves and dm/dt maps of N sources from their latents.

    Parameters
    ----------
    latents : (N, 15) array
        `latent_mu_0` to `latent_mu_14`: five of the spectrum, of the light curve and of the map.
    files : mapping of str to Path
        By file name; those called `AE_xp_*`, `AE_fold_*` and `AE_dmdt_*` are used.
    n_phases : int
        Phases 0, 1/n, 2/n, ... of two cycles.

    Returns
    -------
    dict of array
        float32 `folded` (N, n_phases) magnitudes scaled to 0 (bright) .. 1 (faint), `sigma` (N,) of their
        scatter, `spectra` (N, 100), `dmdt` (N, 20, 10); float64 `wavelength` (100,) [nm].

    Raises
    ------
    ValueError
        If the latents have another shape, or a file is missing or not the expected one.
    """
    latents = np.asarray(latents, np.float32)
    if latents.ndim != 2 or latents.shape[1] != 15:
        raise ValueError(f"Fifteen latents per source are needed, got an array of shape {latents.shape}.")
    states = {name: _state_of(files, name) for name in ("xp", "fold", "dmdt")}
    networks = {name: load(f"{name} decoder", state) for name, state in states.items()}
    n = len(latents)
    phase = torch.arange(n_phases) / n_phases
    decoded = {
        "folded": np.empty((n, n_phases), np.float32),
        "sigma": np.empty(n, np.float32),
        "spectra": np.empty((n, 2 * N_SAMPLES), np.float32),
        "dmdt": np.empty((n, *DMDT_SHAPE), np.float32),
    }
    with torch.inference_mode():
        for start in range(0, n, batch_size):
            rows = slice(start, start + batch_size)
            of_xp, of_fold, of_dmdt = torch.tensor(latents[rows]).split(5, dim=1)
            decoded["folded"][rows], decoded["sigma"][rows] = networks["fold"](of_fold, phase)
            decoded["spectra"][rows] = networks["xp"](of_xp)
            decoded["dmdt"][rows] = networks["dmdt"](of_dmdt)
    return decoded | {"wavelength": xp_wavelength(states["xp"])}
