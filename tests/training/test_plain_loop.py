import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from astrolib.training.plain_loop import loader_of, plain_pass


def square(model, x):
    return model(x).square().mean()


def test_a_pass_is_plain_gradient_descent():
    """Two steps of one weight w on x = 1: w <- w - 2 lr w."""
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.25)
    mean = plain_pass(model, optimizer, [[torch.ones(3, 1)]] * 2, square, "cpu")()
    assert model.weight.item() == pytest.approx(0.25)
    assert mean == pytest.approx((1.0 + 0.5**2) / 2)


def test_gradients_are_clipped():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    plain_pass(model, optimizer, [[torch.ones(3, 1)]], square, "cpu", grad_clip=0.5)()
    assert model.weight.item() == pytest.approx(0.5)


def test_mixed_precision_computes_in_float16_and_scales_back():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 1.0)
    found = []

    def loss(model, x):
        output = model(x)
        found.append(output.dtype)
        return output.float().square().mean()

    optimizer = torch.optim.SGD(model.parameters(), lr=25.0)
    plain_pass(model, optimizer, [[torch.full((3, 1), 0.1)]], loss, "cpu", mixed=True)()
    assert found == [torch.float16] and model.weight.item() == pytest.approx(0.5, rel=1e-2)


def test_products_are_pytorchs_own_during_a_pass_and_the_callers_after_it():
    found, before = [], torch.get_float32_matmul_precision()

    def loss(model, x):
        found.append(torch.get_float32_matmul_precision())
        return square(model, x)

    model = nn.Linear(1, 1)
    try:
        torch.set_float32_matmul_precision("high")
        plain_pass(model, torch.optim.SGD(model.parameters(), 0.1), [[torch.ones(1, 1)]], loss, "cpu")()
        assert found == ["highest"] and torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
def test_workers_bring_every_object_once_in_a_new_order():
    loader = loader_of(TensorDataset(torch.arange(32)), 8, "cpu", workers=1)
    first, second = ([row for (batch,) in loader for row in batch.tolist()] for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(32)) and first != second
