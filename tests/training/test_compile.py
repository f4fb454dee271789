"""The fast ways to train are the plain way: the same masks and views, the same losses for 50 steps."""

import pytest
import torch
from torch._inductor import metrics
from torch.testing import assert_close

from astrolib.data.augment import GalaxyView
from astrolib.data.batches import Batches
from astrolib.models import attention
from astrolib.models.encoders import vit
from astrolib.models.informer import InformerEncoder
from astrolib.models.mae import MaskedAutoencoder
from astrolib.models.masking import RandomMask
from astrolib.training.compile import compiled, wants_compilation
from astrolib.training.fabric import make_fabric
from astrolib.training.fit import fit
from astrolib.training.optim import Optimization
from astrolib.training.runs import Run

STEPS = 50


def trained(folder, precision="32-true"):
    """Losses of 50 steps of pretraining, and a fingerprint of the masks and of the views of each."""
    generator = torch.Generator().manual_seed(0)
    smooth = torch.randn(16, 2, 6, 6, generator=generator)
    images = torch.nn.functional.interpolate(smooth, 24, mode="bilinear")
    torch.manual_seed(1)
    encoder = vit(16, in_chans=2, patch_size=4, embed_dim=32, depth=2, num_heads=2)
    model = MaskedAutoencoder(encoder, RandomMask(0.75), 32, 1, 2)
    view, weight = GalaxyView(16), torch.arange(16.0)[:, None]

    def transform(batch, generator):
        return batch | {"images": view(batch["images"], generator)}

    def loss(model, batch, generator):
        found = model(batch["images"], generator=generator)
        masks = (found["mask"] * torch.arange(16.0) * weight[: len(found["mask"])]).mean()
        return {"loss": found["loss"], "masks": masks, "views": batch["images"].square().mean()}

    batches = Batches({"images": images}, 16, shuffle=True, transform=transform)
    run = Run(folder, "small", {})
    optimization = Optimization(epochs=STEPS, batch_size=16, lr=3e-3)
    fit(run, model, batches, loss, optimization, fabric=make_fabric("cpu", precision), progress=False)
    return run.history()[["loss", "masks", "views"]].to_numpy()


@pytest.fixture
def plain(tmp_path, monkeypatch):
    """With PyTorch's attention kernel and nothing compiled."""
    with monkeypatch.context() as patched:
        patched.setattr(attention, "products_pay", lambda x, n: False)
        patched.delenv("ASTROLIB_COMPILE", raising=False)
        found = trained(tmp_path / "plain")
    assert found[-1, 0] < 0.8 * found[0, 0]  # it learns, so a different path would show
    return found


def check(found, plain, rtol):
    torch.testing.assert_close(torch.tensor(found[:, 1:]), torch.tensor(plain[:, 1:]), rtol=1e-6, atol=0)
    torch.testing.assert_close(torch.tensor(found[:, 0]), torch.tensor(plain[:, 0]), rtol=rtol, atol=0)


def test_attention_by_products_trains_the_same(plain, tmp_path):
    check(trained(tmp_path / "products"), plain, rtol=1e-4)


@pytest.mark.slow
def test_a_compiled_network_trains_the_same(plain, tmp_path, monkeypatch):
    monkeypatch.setenv("ASTROLIB_COMPILE", "1")
    before = metrics.generated_kernel_count
    check(trained(tmp_path / "compiled"), plain, rtol=1e-4)
    assert metrics.generated_kernel_count > before  # it ran compiled, not as it was


@pytest.mark.slow
def test_a_compiled_network_drops_and_samples_the_same():
    torch.manual_seed(0)
    encoder = InformerEncoder(3, 16, 16, 2, 2, 32, dropout=0.5, attention="probsparse")
    curves, measured = torch.randn(4, 16, 3), torch.ones(4, 16)
    network, found = compiled(encoder, torch.device("cpu")), []
    for way, seed in ((encoder, 0), (network, 0), (network, 1)):
        torch.manual_seed(seed)
        found.append(way(curves, measured))
    plain, same, other = found
    assert_close(same, plain, rtol=1e-4, atol=1e-5)
    assert not torch.allclose(other, plain, atol=0.1)  # another seed, other dropout


def test_what_cannot_be_compiled_runs_as_it_is(plain, tmp_path, monkeypatch):
    def fails(graph, inputs):
        raise RuntimeError("no C++ compiler here")

    compile_ = torch.compile
    monkeypatch.setenv("ASTROLIB_COMPILE", "1")
    monkeypatch.setattr(torch, "compile", lambda model, **asked: compile_(model, backend=fails))
    check(trained(tmp_path / "failed"), plain, rtol=1e-4)


def test_bfloat16_follows_with_its_three_digits(plain, tmp_path):
    found = trained(tmp_path / "mixed", "bf16-mixed")
    check(found, plain, rtol=0.03)
    assert abs(found[:, 0] / plain[:, 0] - 1).max() > 1e-5  # it is another precision indeed


def test_compilation_is_asked_for_by_a_variable(monkeypatch):
    for value, wanted in (("1", True), ("0", False), ("", False)):
        monkeypatch.setenv("ASTROLIB_COMPILE", value)
        assert wants_compilation() is wanted
    monkeypatch.setenv("ASTROLIB_COMPILE", "yes")
    with pytest.raises(ValueError, match="ASTROLIB_COMPILE is 'yes'"):
        wants_compilation()
