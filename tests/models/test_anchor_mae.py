"""The network over image sets: shapes, what each switch changes, and that nothing hidden gets in."""

import itertools

import pytest
import torch

from astrolib.models.anchor_mae import REFERENCE_SCALE, AnchorAwareAutoencoder
from astrolib.models.anchor_masking import SetMask

B, M, S = 3, 4, 32


def _model(seed=0, **options):
    torch.manual_seed(seed)
    sizes = {"embed_dim": 32, "depth": 2, "num_heads": 2, "decoder_embed_dim": 16, "decoder_depth": 1}
    sizes |= {"decoder_num_heads": 2, "masking": SetMask("anchor", 0.75)}
    return AnchorAwareAutoencoder(S, M, **(sizes | options)).eval()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(1)
    scale = torch.tensor([0.262, 0.396, 1.01, 1.01]).expand(B, -1)
    return {
        "images": torch.randn(B, M, 3, S, S, generator=generator),
        "key": torch.tensor([0, 1, 2, 2]).expand(B, -1),
        "geo": torch.randint(0, 2, (B, M, 256), generator=generator).float(),
        "pixel_scale": scale.contiguous(),
    }


def test_patches_come_back(batch):
    model = _model()
    assert torch.equal(model.unpatchify(model.patchify(batch["images"])), batch["images"])


def test_patches_are_those_of_each_image(batch):
    patches = _model().patchify(batch["images"]).unflatten(1, (M, 16))
    first = batch["images"][1, 2, :, 8:16, 24:32]  # row 1, column 3 of the grid of 4 x 4
    assert torch.equal(patches[1, 2, 7], first.permute(1, 2, 0).flatten())


@pytest.mark.parametrize(("geographic", "scale"), list(itertools.product([True, False], repeat=2)))
def test_each_switch_runs_alone(batch, geographic, scale):
    """With either switch off, the released code cannot run (fault 4)."""
    model = _model(geographic=geographic, scale=scale)
    found = model(batch, torch.Generator().manual_seed(0))
    assert found["loss"].isfinite() and found["mask"].shape == (B, M * 16)
    changed = batch | {"geo": 1 - batch["geo"]}
    same = torch.equal(model.embed(batch), model.embed(changed))
    assert same == (not geographic)
    finer = batch | {"pixel_scale": batch["pixel_scale"] / 2}
    assert torch.equal(model.embed(batch), model.embed(finer)) == (not scale)


def test_scale_codes_of_other_pixels_differ():
    codes = _model()._positions(torch.tensor([[REFERENCE_SCALE, 2 * REFERENCE_SCALE]]), 24)[0]
    fine, coarse = codes.unflatten(1, (4, 4))
    assert not torch.allclose(fine, coarse)
    assert not torch.allclose(fine[0, 0], fine[1, 0]) and not torch.allclose(fine[0, 0], fine[0, 1])


def test_slots_tell_images_apart(batch):
    """Nothing in the released code says which image a token is from (fault 3)."""
    alike = batch | {
        "images": batch["images"][:, :1].expand(-1, M, -1, -1, -1),
        "geo": batch["geo"][:, :1].expand(-1, M, -1),
        "pixel_scale": batch["pixel_scale"][:, :1].expand(-1, M),
    }
    for slots, same in ((False, True), (True, False)):
        tokens = _model(slots=slots).embed(alike).unflatten(1, (M, 16))
        assert torch.allclose(tokens[:, 0], tokens[:, 1]) == same


def test_gradient_reaches_every_parameter(batch):
    model = _model().train()
    batch = batch | {"wavelength": torch.full((B, M, 3), 500.0)}
    model(batch, torch.Generator().manual_seed(0))["loss"].backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not missing


@pytest.mark.parametrize("mode", ["random", "same", "hybrid", "anchor", "anchor-visible"])
def test_nothing_hidden_reaches_the_encoder(batch, mode):
    model = _model(masking=SetMask(mode, 0.75))
    images = batch["images"].clone().requires_grad_()
    found = model(batch | {"images": images}, torch.Generator().manual_seed(3))
    found["latent"].square().sum().backward()
    hidden = model.pixel_mask(found["mask"]).expand_as(images)
    assert (images.grad[hidden] == 0).all() and (images.grad[~hidden] != 0).all()


def test_loss_counts_hidden_patches_only(batch):
    model = _model()
    found = model(batch, torch.Generator().manual_seed(3))
    error = (found["prediction"] - model.patchify(batch["images"])).square().mean(2)
    assert torch.allclose(found["loss"], error[found["mask"]].mean())


def test_normalised_target_of_empty_sky_stays_small():
    model = _model(norm_pix_loss=True, least_variance=0.1)
    sky = 0.01 * torch.randn(B, M, 3, S, S)
    assert model.target(sky).abs().max() < 0.2  # without the floor it would be of order one
    bright = 10 * torch.randn(B, M, 3, S, S)
    assert model.target(bright).var(dim=2).mean() == pytest.approx(1, abs=0.01)


def test_some_images_can_be_seen_alone(batch):
    model = _model()
    changed = batch | {"images": batch["images"].clone()}
    changed["images"][:, 2:] = 0
    assert model.tokens(batch).shape == (B, M, 16, 32)
    assert torch.allclose(model.tokens(batch, [0, 1]), model.tokens(changed, [0, 1]))
    assert not torch.allclose(model.tokens(batch)[:, :2], model.tokens(changed)[:, :2])
    assert torch.allclose(model.features(batch), model.tokens(batch).mean((1, 2)))


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="whole patches of 8"):
        AnchorAwareAutoencoder(30, 2, masking=SetMask())
