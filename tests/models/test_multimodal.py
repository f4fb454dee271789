import math

import pytest
import torch
from scipy.special import log_softmax
from torch import nn
from torch.nn import functional as F

from astrolib.models.galspecnet import GalSpecNet
from astrolib.models.informer import InformerEncoder
from astrolib.models.multimodal import MultimodalCLIP
from astrolib.models.star_encoders import DmDtEncoder, MetadataEncoder

NAMES = ("photometry", "spectra", "metadata", "dmdt")


def encoders(n=3, dropout=0.0):
    """Small encoders of the first n modalities."""
    made = (
        InformerEncoder(4, 12, 8, 2, 1, 16, dropout=dropout),
        GalSpecNet(2, 40, (4, 4), pool=2, dropout=dropout),
        MetadataEncoder(5, 8, dropout=dropout),
        DmDtEncoder(channels=(2, 3), dropout=dropout),
    )
    return dict(zip(NAMES[:n], made[:n], strict=True))


def inputs(n_stars=6, n=3, seed=1):
    g = torch.Generator().manual_seed(seed)
    curve, spectrum = torch.randn(n_stars, 12, 4, generator=g), torch.randn(n_stars, 2, 40, generator=g)
    columns, image = torch.randn(n_stars, 5, generator=g), torch.rand(n_stars, 1, 20, 10, generator=g)
    tensors = ((curve, torch.ones(n_stars, 12)), (spectrum,), (columns,), (image,))
    return dict(zip(NAMES[:n], tensors[:n], strict=True))


def clip(n=3, embed_dim=16, dropout=0.0, **options):
    torch.manual_seed(0)
    return MultimodalCLIP(encoders(n, dropout), embed_dim, **options)


class Given(nn.Module):
    """Its input is its feature."""

    def __init__(self, width):
        super().__init__()
        self.out_features = width

    def forward(self, x):
        return x


def clip_of_vectors(names, width, **options):
    """CLIP whose embeddings are its inputs, made unit length."""
    model = MultimodalCLIP({name: Given(width) for name in names}, width, **options)
    for projection in model.projections.values():
        nn.init.eye_(projection.weight)
        nn.init.zeros_(projection.bias)
    return model


def finite_gradients(model):
    return all(p.grad is None or torch.isfinite(p.grad).all() for p in model.parameters())


def test_embeddings_have_unit_length_and_come_for_the_given_modalities():
    model = clip()
    unit = model.embed(inputs())
    assert list(unit) == list(NAMES[:3])
    for each in unit.values():
        assert each.shape == (6, 16)
        torch.testing.assert_close(each.norm(dim=1), torch.ones(6))
    assert list(model.embed({"spectra": inputs()["spectra"]})) == ["spectra"]


def test_random_embeddings_at_scale_one_lose_six_logarithms_of_the_batch():
    g = torch.Generator().manual_seed(0)
    model = clip_of_vectors("psm", 512, init_scale=0.0)
    found = model({name: (torch.randn(512, 512, generator=g),) for name in "psm"})
    assert found["loss"].item() == pytest.approx(6 * math.log(512), rel=1e-3)  # 37.4
    assert found["accuracy"] < 0.05


def test_identical_orthonormal_views_lose_nothing_at_scale_100():
    model = clip_of_vectors("psm", 64)
    found = model({name: (torch.eye(64),) for name in "psm"})
    assert found["loss"].item() == pytest.approx(0, abs=1e-6)
    assert found["accuracy"] == 1
    assert found["scale p-s"].item() == pytest.approx(100)


def test_two_modalities_are_clip():
    model = clip(2, init_scale=1.5)
    p, s = (each.detach().double().numpy() for each in model.embed(inputs(n=2)).values())
    logits = math.exp(1.5) * p @ s.T
    own = [-log_softmax(logits, axis=axis).diagonal().mean() for axis in (0, 1)]
    assert model(inputs(n=2))["loss"].item() == pytest.approx(sum(own), rel=1e-5)  # CLIP's own is the mean


def test_three_modalities_sum_over_pairs_each_with_its_own_scale():
    model = clip()
    with torch.no_grad():
        model.log_scales.copy_(torch.tensor([0.5, 1.0, 2.0]))
    found, unit = model(inputs()), model.embed(inputs())
    own, expected, probability = torch.arange(6), 0.0, 0.0
    pairs = (("photometry", "spectra", 0.5), ("photometry", "metadata", 1.0), ("spectra", "metadata", 2.0))
    for a, b, theta in pairs:
        logits = math.exp(theta) * unit[a] @ unit[b].T
        pair = F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own)
        torch.testing.assert_close(found[f"loss {a}-{b}"], pair)
        assert found[f"scale {a}-{b}"].item() == pytest.approx(math.exp(theta))
        assert not found[f"scale {a}-{b}"].requires_grad
        expected, probability = expected + pair, probability + logits.softmax(1) + logits.T.softmax(1)
    torch.testing.assert_close(found["loss"], expected)
    assert found["accuracy"] == (probability.argmax(1) == own).float().mean()


def test_four_modalities_train():
    model = clip(4, dropout=0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    assert len(model.pairs) == 6
    losses = []
    for _ in range(25):
        found = model(inputs(n=4))
        optimizer.zero_grad()
        found["loss"].backward()
        optimizer.step()
        losses.append(found["loss"].item())
    assert losses[-1] < 0.5 * losses[0]
    assert {name for name in found if name.startswith("loss ")} == {f"loss {a}-{b}" for a, b in model.pairs}


def test_nobody_missing_is_the_same_as_no_mask():
    model = clip(init_scale=2.0)
    everyone = {name: torch.ones(6, dtype=torch.bool) for name in NAMES[:3]}
    plain, masked = model(inputs()), model(inputs(), everyone)
    for name, value in plain.items():
        torch.testing.assert_close(masked[name], value)


def absent(**stars):
    """Everyone of six has everything but these."""
    present = {name: torch.ones(6, dtype=torch.bool) for name in NAMES[:3]}
    for name, rows in stars.items():
        present[name][rows] = False
    return present


def rows_of(batch, rows):
    return {name: tuple(tensor[rows] for tensor in tensors) for name, tensors in batch.items()}


@pytest.mark.parametrize("lost", [[1], [0, 3, 4], [0, 1, 2, 3, 4]])
def test_loss_with_missing_stars_is_that_of_the_stars_that_have_both(lost):
    model = clip(init_scale=2.0)
    masked = model(inputs(), absent(spectra=lost))
    rest = model(rows_of(inputs(), [i for i in range(6) if i not in lost]))
    whole = model(inputs())
    for pair, same in (
        ("photometry-spectra", rest),
        ("spectra-metadata", rest),
        ("photometry-metadata", whole),
    ):
        torch.testing.assert_close(masked[f"loss {pair}"], same[f"loss {pair}"], atol=1e-6, rtol=1e-5)


def test_gradients_with_missing_stars_are_those_of_the_stars_that_have_both():
    gradients = []
    for batch, present in (
        (inputs(), absent(spectra=[1, 4], metadata=[1, 4])),
        (rows_of(inputs(), [0, 2, 3, 5]), None),
    ):
        model = clip(init_scale=2.0)
        model(batch, present)["loss"].backward()
        gradients.append([p.grad for p in model.parameters()])
    for masked, rest in zip(*gradients, strict=True):
        torch.testing.assert_close(masked, rest, atol=1e-5, rtol=1e-4)


def test_content_of_an_absent_modality_has_no_influence():
    model = clip(init_scale=2.0)
    present, other = absent(metadata=[2, 5]), inputs()
    other["metadata"] = (other["metadata"][0].clone(),)
    other["metadata"][0][[2, 5]] = 40.0
    found, again = model(inputs(), present), model(other, present)
    for name, value in found.items():
        torch.testing.assert_close(again[name], value)


def test_a_pair_without_stars_adds_nothing():
    model = clip(init_scale=2.0)
    found = model(inputs(), absent(spectra=[0, 1, 2], metadata=[3, 4, 5]))
    assert found["loss spectra-metadata"] == 0
    found["loss"].backward()
    assert finite_gradients(model)
    assert model.log_scales.grad[2] == 0
    nobody = model(inputs(), absent(photometry=range(6), spectra=range(6), metadata=range(6)))
    assert nobody["loss"] == 0
    assert nobody["accuracy"] == 0


def test_accuracy_counts_stars_that_are_in_some_pair():
    model = clip_of_vectors("ab", 6)
    vectors = torch.eye(6)
    wrong = vectors[[1, 0, 2, 3, 4, 5]]
    present = {"a": torch.tensor([1, 1, 1, 1, 0, 1]).bool(), "b": torch.tensor([1, 1, 1, 1, 1, 0]).bool()}
    found = model({"a": (vectors,), "b": (wrong,)}, present)
    assert found["accuracy"].item() == pytest.approx(2 / 4)  # stars 2 and 3 of 0 to 3


def test_pairs_that_a_star_lacks_do_not_count_as_found():
    model = clip_of_vectors("abc", 6)
    vectors, here = torch.eye(6), torch.ones(6, dtype=torch.bool)
    batch = {"a": (vectors,), "b": (vectors[[1, 0, 2, 3, 4, 5]],), "c": (vectors,)}
    present = {"a": here, "b": here, "c": torch.arange(6) > 1}  # stars 0 and 1 have the swapped pair only
    assert model(batch, present)["accuracy"].item() == pytest.approx(4 / 6)


def test_an_all_zero_light_curve_of_a_star_that_has_none_is_harmless():
    model = clip()
    batch = inputs()
    curve, mask = (tensor.clone() for tensor in batch["photometry"])
    curve[2], mask[2] = 0, 0
    batch["photometry"] = (curve, mask)
    found = model(batch, absent(photometry=[2]))
    found["loss"].backward()
    assert torch.isfinite(found["loss"])
    assert finite_gradients(model)


def loss_of_disagreeing_views(model):
    """A loss that a smaller scale would lower."""
    views = torch.eye(8)
    return model({"a": (views,), "b": (views.roll(1, 0),)})["loss"]


def test_at_its_start_the_parity_clamp_passes_no_gradient_and_the_default_does():
    gradient = {}
    for clamp in ("parity", "straight-through"):
        model = clip_of_vectors("ab", 8, scale_clamp=clamp)
        assert model.log_scales.exp() > 100  # float32
        assert model.scales().item() == 100
        loss_of_disagreeing_views(model).backward()
        gradient[clamp] = model.log_scales.grad.item()
    assert gradient["parity"] == 0
    assert gradient["straight-through"] == pytest.approx(200, rel=1e-4)  # d(2 scale)/d theta


@pytest.mark.parametrize("clamp", ["parity", "straight-through"])
@pytest.mark.parametrize(("theta", "scale"), [(-2.0, 1.0), (1.0, math.e), (4.0, math.exp(4)), (95.0, 100.0)])
def test_scales_stay_between_one_and_the_largest(clamp, theta, scale):
    model = clip_of_vectors("ab", 8, scale_clamp=clamp, init_scale=theta)
    assert model.scales().item() == pytest.approx(scale, rel=1e-6)
    assert 1 <= model.scales().item() <= 100
    assert torch.isfinite(loss_of_disagreeing_views(model.eval()))


def test_theta_turns_round_at_once_after_a_long_push_against_the_limit():
    model = clip_of_vectors("ab", 8, max_scale=10.0, init_scale=0.0)
    for _ in range(30):
        model({"a": (torch.eye(8),), "b": (torch.eye(8),)})
        with torch.no_grad():
            model.log_scales += 1.0  # as an optimiser that wants a larger scale
    loss_of_disagreeing_views(model).backward()
    with torch.no_grad():
        model.log_scales -= 0.01 * model.log_scales.grad.sign()
    assert model.scales().item() == pytest.approx(10 * math.exp(-0.01), rel=1e-5)


def test_logits_are_in_float32_under_autocast():
    g = torch.Generator().manual_seed(0)
    views = torch.randn(64, 32, generator=g)
    batch = {"a": (views,), "b": (views + 0.8 * torch.randn(64, 32, generator=g),)}
    model = clip_of_vectors("ab", 32)
    with torch.autocast("cpu", torch.bfloat16):
        found = model(batch)
        unit = {name: each.float() for name, each in model.embed(batch).items()}
    logits, own = 100 * unit["a"] @ unit["b"].T, torch.arange(64)
    torch.testing.assert_close(
        found["loss"], F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own), atol=1e-5, rtol=1e-5
    )


def test_bad_settings_are_refused():
    with pytest.raises(ValueError, match="at least two"):
        clip(1)
    with pytest.raises(ValueError, match="straight-through"):
        clip(scale_clamp="none")
