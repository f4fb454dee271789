"""The published Gaia autoencoders: sizes, conventions, and the numbers they must give with their weights."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from astrolib.models.gaia_autoencoders import (
    NETWORKS,
    PREFIXES,
    FoldDecoder,
    decode,
    load,
    read_state,
    xp_wavelength,
)

MIRROR = Path(os.environ.get("ASTROLIB_DATA_DIR", "")) / "gaia_dr3_latents"
FILES = {path.name: path for path in MIRROR.glob("AE_*.ckpt")}
real = pytest.mark.skipif(len(FILES) < 3, reason="ASTROLIB_DATA_DIR names no folder with the real data")


def n_parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def published(name: str) -> dict[str, torch.Tensor]:
    """A fresh network's tensors under the published names."""
    own = NETWORKS[name]().state_dict()
    renamed = {}
    for ours, theirs in PREFIXES[name].items():
        renamed |= {theirs + key[len(ours) :]: value for key, value in own.items() if key.startswith(ours)}
    return renamed


def write_files(folder: Path) -> dict[str, Path]:
    """The three files with random weights, in the published form."""
    torch.manual_seed(0)
    wavelengths = {
        "preprocessor.wl_bp": torch.linspace(1100, 320, 55, dtype=torch.float64),
        "preprocessor.wl_rp": torch.linspace(580, 1100, 55, dtype=torch.float64),
    }
    states = {
        "AE_xp_K5.ckpt": published("xp decoder") | published("xp encoder") | wavelengths,
        "AE_fold_K5.ckpt": published("fold decoder") | {"encoder.attention.weight": torch.zeros(1, 128)},
        "AE_dmdt_K5.ckpt": published("dmdt decoder") | published("dmdt encoder"),
    }
    for name, state in states.items():
        torch.save(state, folder / name)
    return {name: folder / name for name in states}


@pytest.mark.parametrize(
    "name, n", [("xp decoder", 31_844), ("fold decoder", 69_889 + 16_897), ("dmdt decoder", 59_592)]
)
def test_parameter_counts_of_the_card(name, n):
    assert n_parameters(NETWORKS[name]()) == n


def test_the_light_curve_is_periodic_and_split_layers_are_the_plain_network():
    torch.manual_seed(0)
    decoder = FoldDecoder()
    z, phase = torch.randn(3, 5), torch.rand(7)
    magnitude, sigma = decoder(z, phase)
    torch.testing.assert_close(decoder(z, phase + 1)[0], magnitude, rtol=1e-4, atol=1e-4)
    k = torch.arange(1, 13)
    for star in range(3):
        for i, phi in enumerate(phase):
            wave = torch.cat(
                [torch.cos(2 * torch.pi * k * phi), torch.sin(2 * torch.pi * k * phi), z[star, :4]]
            )
            torch.testing.assert_close(decoder.layers(wave)[0], magnitude[star, i], rtol=1e-4, atol=1e-5)
    other = z.clone()
    other[:, 4] += 1
    assert torch.equal(decoder(other, phase)[0], magnitude)  # the fifth latent is only the noise
    assert not torch.isclose(decoder(other, phase)[1], sigma).any() and (sigma > 0).all()


def test_batches_do_not_matter_and_results_have_the_promised_form(tmp_path):
    files = write_files(tmp_path)
    latents = np.random.default_rng(0).normal(size=(11, 15))
    whole, pieces = decode(latents, files, 6), decode(latents, files, 6, batch_size=4)
    shapes = {
        "folded": (11, 6),
        "sigma": (11,),
        "spectra": (11, 100),
        "dmdt": (11, 20, 10),
        "wavelength": (100,),
    }
    assert {name: array.shape for name, array in whole.items()} == shapes
    for name, array in whole.items():
        np.testing.assert_allclose(array, pieces[name], rtol=1e-4, atol=1e-5)
        assert array.dtype == (np.float64 if name == "wavelength" else np.float32)
    assert ((whole["dmdt"] > 0) & (whole["dmdt"] < 1)).all()
    states = {name: read_state(files[f"AE_{name}_K5.ckpt"]) for name in ("xp", "fold", "dmdt")}
    alone = load("xp decoder", states["xp"])(torch.tensor(latents[3:4, :5], dtype=torch.float32))
    np.testing.assert_allclose(whole["spectra"][3:4], alone, rtol=1e-4, atol=1e-5)
    alone = load("dmdt decoder", states["dmdt"])(torch.tensor(latents[3:4, 10:], dtype=torch.float32))
    np.testing.assert_allclose(whole["dmdt"][3:4], alone, rtol=1e-4, atol=1e-5)
    # Samples 2 to 51 of 55, BP first.
    step = (1100 - 320) / 54
    assert whole["wavelength"][0] == pytest.approx(1100 - 2 * step)
    assert whole["wavelength"][49] == pytest.approx(320 + 3 * step)
    assert whole["wavelength"][50] == pytest.approx(580 + 2 * 520 / 54)


def test_wrong_input_is_answered_in_words(tmp_path):
    files = write_files(tmp_path)
    with pytest.raises(ValueError, match=r"Fifteen latents.*\(3, 5\)"):
        decode(np.zeros((3, 5)), files)
    with pytest.raises(ValueError, match=r"AE_fold_\*\.ckpt"):
        decode(np.zeros((3, 15)), {name: path for name, path in files.items() if "fold" not in name})
    with pytest.raises(ValueError, match="not the weights of the dmdt decoder"):
        decode(np.zeros((3, 15)), files | {"AE_dmdt_K5.ckpt": files["AE_xp_K5.ckpt"]})
    (tmp_path / "cut").write_bytes(files["AE_xp_K5.ckpt"].read_bytes()[:1000])
    with pytest.raises(ValueError, match="cut holds no tensors"):
        read_state(tmp_path / "cut")
    torch.save({"weights": [1, 2]}, tmp_path / "list")
    with pytest.raises(ValueError, match="no tensors by name"):
        read_state(tmp_path / "list")


def card_numbers(decoded: dict) -> dict[str, float]:
    """The numbers that the card prints for one source, with four phases."""
    bp, rp, dmdt = decoded["spectra"][0, :50], decoded["spectra"][0, 50:], decoded["dmdt"][0]
    fold = {f"fold {i}": value for i, value in enumerate(decoded["folded"][0])}
    return fold | {
        "BP[0]": bp[0],
        "BP[25]": bp[25],
        "RP[0]": rp[0],
        "RP[25]": rp[25],
        "sum": decoded["spectra"].sum(),
        "sigma": decoded["sigma"][0],
        "[0,0]": dmdt[0, 0],
        "[0,9]": dmdt[0, 9],
        "[19,9]": dmdt[19, 9],
        "sum dmdt": dmdt.sum(),
    }


ZERO = [0.96917, 0.08073, 0.84618, 0.07323, 0.00818, 0.07164, 0.00709, 0.31909, 12.73799, 0.10115]
ZERO += [0.49246, 0.28086, 0.01783, 10.04613]
STAR = [0.98818, 0.62295, 0.97700, 0.62269, 0.01292, 0.33805, 0.01131, 0.61345, 28.88866, 0.01493]
STAR += [0.12533, 0.16598, 0.01464, 10.15419]


@real
def test_published_weights_give_the_numbers_of_the_card_at_the_origin():
    found = card_numbers(decode(np.zeros((1, 15)), FILES, 4))
    np.testing.assert_allclose(list(found.values()), ZERO, atol=1e-4)


@pytest.fixture(scope="module")
def real_table():
    return pd.read_parquet(MIRROR / "latent_vars_plus_metadata_pumap.parquet")


def real_latents(table):
    return table[[f"latent_mu_{i}" for i in range(15)]].to_numpy()


@real
def test_published_weights_give_the_numbers_of_the_card_for_a_star(real_table):
    star = real_table[real_table["sourceid"] == 150710990829979776]
    found = card_numbers(decode(real_latents(star), FILES, 4))
    np.testing.assert_allclose(list(found.values()), STAR, atol=1e-4)


@real
def test_decoding_and_encoding_gives_the_latents_back(real_table):
    z = real_latents(real_table.sample(3000, random_state=0))  # all stars: at least 0.998 and 0.994
    decoded = decode(z, FILES, 2)
    for name, first, least in (("xp", 0, 0.997), ("dmdt", 10, 0.992)):
        (path,) = [path for file, path in FILES.items() if file.startswith(f"AE_{name}_")]
        encoder = load(f"{name} encoder", read_state(path))
        views = torch.tensor(decoded["spectra" if name == "xp" else "dmdt"]).flatten(1)
        with torch.inference_mode():
            means = encoder(views)[:, :5].numpy()
        correlations = [np.corrcoef(z[:, first + i], means[:, i])[0, 1] for i in range(5)]
        assert min(correlations) > least
    columns = decoded["dmdt"].sum(axis=1)
    np.testing.assert_allclose(np.median(columns, axis=0), 1, atol=0.025)  # probabilities given dt


@real
def test_wavelengths_of_bp_run_down_and_of_rp_up():
    (path,) = [path for file, path in FILES.items() if file.startswith("AE_xp_")]
    wavelength = xp_wavelength(read_state(path))
    np.testing.assert_allclose(wavelength[[0, 49, 50, 99]], [1060.25, 324.32, 587.02, 1086.56], atol=0.01)
    assert (np.diff(wavelength[:50]) < 0).all() and (np.diff(wavelength[50:]) > 0).all()
