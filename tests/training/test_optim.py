import pytest
import torch
from torch import nn

from astrolib import profiles
from astrolib.training.lars import LARS
from astrolib.training.optim import Optimization, has_stopped, learning_rate, make_optimizer, step_rates

PRETRAINING = Optimization(2000, 2048, 1.2e-3, schedule="warmup-cosine", warmup_epochs=200)
EXPERIMENT_1 = Optimization(700, 1024, 1e-4, 0.005, (0.9, 0.999), "restarts")
EXPERIMENT_2 = Optimization(100, 1024, 1e-4, 0.005, (0.9, 0.999), "warmup-cosine", warmup_epochs=50)


def half_digit(printed: str) -> float:
    """Half a unit of the last printed digit."""
    mantissa, exponent = printed.split("e")
    return 0.5001 * 10.0 ** (int(exponent) - len(mantissa.partition(".")[2]))


# Check values of the reproduction card, section 7, as printed there.
@pytest.mark.parametrize(
    ("optimization", "epoch", "printed"),
    [
        (PRETRAINING, 0, "6.000e-6"),
        (PRETRAINING, 194, "1.170e-3"),
        (PRETRAINING, 195, "1.17207e-3"),
        (PRETRAINING, 500, "1.02426e-3"),
        (PRETRAINING, 1000, "6.000e-4"),
        (PRETRAINING, 1500, "1.75736e-4"),
        (PRETRAINING, 1999, "7.4e-10"),
        (EXPERIMENT_1, 0, "1e-4"),
        (EXPERIMENT_1, 1, "9.95e-5"),
        (EXPERIMENT_1, 9, "9.5589e-5"),
        (EXPERIMENT_1, 10, "1e-4"),
        (EXPERIMENT_1, 11, "9.4635e-5"),
        (EXPERIMENT_1, 101, "6.0274e-5"),
        (EXPERIMENT_1, 401, "1.33985e-5"),
        (EXPERIMENT_1, 699, "3.0084e-6"),
        (EXPERIMENT_2, 0, "2.0e-6"),
        (EXPERIMENT_2, 20, "4.2e-5"),
        (EXPERIMENT_2, 35, "7.2e-5"),
        (EXPERIMENT_2, 36, "7.1289e-5"),
        (EXPERIMENT_2, 60, "3.4549e-5"),
        (EXPERIMENT_2, 80, "9.549e-6"),
        (EXPERIMENT_2, 99, "2.47e-8"),
    ],
)
def test_learning_rates_of_the_paper(optimization, epoch, printed):
    assert learning_rate(optimization, epoch) == pytest.approx(float(printed), abs=half_digit(printed), rel=0)


@pytest.mark.parametrize(("optimization", "epoch"), [(PRETRAINING, 195), (EXPERIMENT_2, 35)])
def test_the_maximum_is_where_the_ramp_meets_the_cosine(optimization, epoch):
    rates = [learning_rate(optimization, e) for e in range(optimization.epochs)]
    assert rates.index(max(rates)) == epoch


def test_constant_and_no_warmup():
    assert learning_rate(Optimization(10, 8, 0.1), 7) == 0.1
    assert learning_rate(Optimization(10, 8, 0.1, schedule="warmup-cosine"), 0) == 0.1


def test_wrong_settings_are_refused():
    with pytest.raises(ValueError, match="warmup-cosine, restarts, constant"):
        Optimization(10, 8, 0.1, schedule="cosine")
    with pytest.raises(ValueError, match="at least 1"):
        Optimization(0, 8, 0.1)
    with pytest.raises(ValueError, match="optimizer is 'sgd'; it must be one of adam, lars"):
        Optimization(10, 8, 0.1, optimizer="sgd")
    with pytest.raises(ValueError, match='above 0 for "lars"'):
        Optimization(10, 8, 0.1, optimizer="lars")
    with pytest.raises(ValueError, match='0 for "adam"'):
        Optimization(10, 8, 0.1, lr_bias=0.1)


def test_adamw_has_one_group_of_trainable_parameters():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    model[0].requires_grad_(False)
    (group,) = make_optimizer(model, EXPERIMENT_1).param_groups
    assert {id(p) for p in group["params"]} == {id(p) for m in model[1:] for p in m.parameters()}
    assert (group["weight_decay"], group["betas"]) == (0.005, (0.9, 0.999))


def test_adamw_step_is_decoupled_weight_decay():
    """With no gradient signal a step only shrinks the weight, by 1 - lr * weight_decay."""
    model = nn.Linear(2, 1, bias=False)
    before = model.weight.detach().clone()
    optimizer = make_optimizer(model, Optimization(1, 1, lr=0.1, weight_decay=0.5))
    model.weight.grad = torch.zeros_like(model.weight)
    optimizer.step()
    torch.testing.assert_close(model.weight.detach(), before * (1 - 0.1 * 0.5))


def test_adamw_needs_something_to_train():
    with pytest.raises(ValueError, match="no trainable parameter"):
        make_optimizer(nn.Linear(2, 1).requires_grad_(False), EXPERIMENT_1)


def test_profile_settings_give_the_papers_schedule():
    settings = profiles.load("paper").astromae
    pretraining = Optimization.of(settings.pretraining)
    assert learning_rate(pretraining, 195) == pytest.approx(1.17207e-3, rel=1e-5)
    assert learning_rate(Optimization.of(settings.finetuning), 11) == pytest.approx(9.4635e-5, rel=1e-4)
    assert learning_rate(Optimization.of(settings.full_data), 35) == pytest.approx(7.2e-5)


ASTROM3 = Optimization(
    50, 512, 1e-3, schedule="warmup-plateau", warmup_epochs=10, plateau_factor=0.5, early_stopping=6
)


def test_astrom3_warms_up_by_epoch():
    assert learning_rate(ASTROM3, 0) == pytest.approx(1e-8)
    assert learning_rate(ASTROM3, 5) == pytest.approx(1e-3 * (1e-5 + (1 - 1e-5) / 2))
    assert learning_rate(ASTROM3, 10) == pytest.approx(1e-3)
    rising = [1.0 + epoch for epoch in range(11)]
    assert learning_rate(ASTROM3, 10, rising[:10]) == pytest.approx(1e-3)  # the plateau looks no earlier


def test_plateau_is_that_of_torch():
    generator = torch.Generator().manual_seed(3)
    losses = (1 + 0.2 * torch.rand(60, generator=generator) - torch.arange(60) / 200).tolist()
    losses[30:40] = [losses[29] * (1 - 5e-5)] * 10  # better, but by less than the threshold
    optimizer = torch.optim.SGD(nn.Linear(1, 1).parameters(), lr=1e-3)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=3, eps=0)
    expected = []
    for loss in losses[10:]:
        scheduler.step(loss)
        expected.append(optimizer.param_groups[0]["lr"])
    found = [learning_rate(ASTROM3, epoch, losses[:epoch]) for epoch in range(11, 61)]
    assert found == pytest.approx(expected)
    assert len(set(found)) > 3


def test_early_stopping_counts_as_astrom3_does():
    assert not has_stopped(ASTROM3, [1.0] * 5) and has_stopped(ASTROM3, [1.0] * 6)
    falling = [2.0, 1.5] + [1.6] * 5
    assert not has_stopped(ASTROM3, falling) and has_stopped(ASTROM3, [*falling, 1.7])
    assert not has_stopped(Optimization(50, 512, 1e-3), [1.0] * 40)


def test_adam_adds_its_weight_decay_to_the_gradient():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 2.0)
    optimizer = make_optimizer(model, Optimization(1, 1, 0.1, weight_decay=0.5, decoupled=False))
    assert type(optimizer) is torch.optim.Adam
    model.weight.grad = torch.zeros(1, 1)
    optimizer.step()  # the L2 term is the only gradient, and Adam's first step has the size of the rate
    assert model.weight.item() == pytest.approx(1.9, abs=1e-6)


def test_profile_settings_make_an_optimization():
    recipe = profiles.load("paper").astromae.finetuning
    assert Optimization.of(recipe).epochs == 700 and Optimization.of(recipe).grad_clip == 0


# 0.2 and 0.0048 for a batch of 256, in proportion to the batch (the Barlow Twins card, section 3.3).
BARLOW = Optimization(
    1000,
    2048,
    1.6,
    1e-6,
    schedule="barlow",
    warmup_epochs=10,
    optimizer="lars",
    lr_bias=0.0384,
)


def test_barlow_rises_from_zero_and_falls_to_a_thousandth():
    steps = 625  # of an epoch of ImageNet
    rates = [rate for epoch in range(1000) for rate in step_rates(BARLOW, epoch, steps)]
    assert rates[0] == 0 and rates[1] == pytest.approx(1.6 / 6250)
    assert rates.index(max(rates)) == 6250 and max(rates) == 1.6
    assert rates[3125] == pytest.approx(0.8)
    assert rates[-1] == pytest.approx(1.6e-3, rel=1e-4)
    # half-way between the warm-up and the end: q = 1/2
    assert learning_rate(BARLOW, 505) == pytest.approx(1.6 * 0.5005)
    assert learning_rate(BARLOW, 1000) == pytest.approx(1.6e-3)


def test_barlow_without_warmup_or_of_nothing_else():
    short = Optimization(2, 8, 0.1, schedule="barlow")
    assert step_rates(short, 0, 2) == pytest.approx([0.1, 0.1 * (0.5 * (1 + 0.5**0.5) * 0.999 + 0.001)])
    ramp = Optimization(2, 8, 0.1, schedule="barlow", warmup_epochs=2)
    assert step_rates(ramp, 1, 2) == pytest.approx([0.05, 0.075])
    assert learning_rate(ramp, 2) == 0.1


@pytest.mark.parametrize("optimization", [PRETRAINING, EXPERIMENT_1], ids=["pretraining", "experiment-1"])
def test_other_rates_are_constant_within_an_epoch(optimization):
    assert step_rates(optimization, 11, 3) == [learning_rate(optimization, 11)] * 3


def test_lars_has_groups_of_trainable_parameters():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    model[0].requires_grad_(False)
    optimizer = make_optimizer(model, BARLOW)
    weights, others = optimizer.param_groups
    assert type(optimizer) is LARS and (weights["momentum"], weights["trust"]) == (0.9, 0.001)
    assert [id(p) for p in weights["params"]] == [id(model[2].weight)]
    assert len(others["params"]) == 3
    assert (weights["lr"], others["lr"], weights["weight_decay"]) == (1.6, 0.0384, 1e-6)
