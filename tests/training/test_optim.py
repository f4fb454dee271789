import pytest
import torch
from torch import nn

from astrolib import profiles
from astrolib.training.optim import Optimization, adamw, learning_rate

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


def test_adamw_has_one_group_of_trainable_parameters():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    model[0].requires_grad_(False)
    (group,) = adamw(model, EXPERIMENT_1).param_groups
    assert {id(p) for p in group["params"]} == {id(p) for m in model[1:] for p in m.parameters()}
    assert (group["weight_decay"], group["betas"]) == (0.005, (0.9, 0.999))


def test_adamw_step_is_decoupled_weight_decay():
    """With no gradient signal a step only shrinks the weight, by 1 - lr * weight_decay."""
    model = nn.Linear(2, 1, bias=False)
    before = model.weight.detach().clone()
    optimizer = adamw(model, Optimization(1, 1, lr=0.1, weight_decay=0.5))
    model.weight.grad = torch.zeros_like(model.weight)
    optimizer.step()
    torch.testing.assert_close(model.weight.detach(), before * (1 - 0.1 * 0.5))


def test_adamw_needs_something_to_train():
    with pytest.raises(ValueError, match="no trainable parameter"):
        adamw(nn.Linear(2, 1).requires_grad_(False), EXPERIMENT_1)


def test_profile_settings_give_the_papers_schedule():
    settings = profiles.load("paper").astromae
    pretraining = Optimization.of(settings.pretraining)
    assert learning_rate(pretraining, 195) == pytest.approx(1.17207e-3, rel=1e-5)
    assert learning_rate(Optimization.of(settings.finetuning), 11) == pytest.approx(9.4635e-5, rel=1e-4)
    assert learning_rate(Optimization.of(settings.full_data), 35) == pytest.approx(7.2e-5)
