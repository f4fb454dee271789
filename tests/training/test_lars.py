import io

import pytest
import torch
from torch import nn

from astrolib.training.lars import LARS


def parameter(*values) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values))


def stepped(optimizer: LARS, param: nn.Parameter, *gradients) -> None:
    for gradient in gradients:
        param.grad = torch.tensor(gradient)
        optimizer.step()


def test_three_steps_of_weights_by_hand():
    """w = (3, 4), so |w| = 5, and every number of the rule is short in decimals."""
    weight = parameter([3.0, 4.0])
    optimizer = LARS([weight], lr=2.0, lr_bias=1.0, weight_decay=0.5, momentum=0.5, trust=0.1)
    # g = (-1.5, -6) + 0.5 w = (0, -4); q = 0.1 * 5 / 4 = 0.125; m = (0, -0.5); w = w - 2 m = (3, 5).
    stepped(optimizer, weight, [[-1.5, -6.0]])
    torch.testing.assert_close(weight.detach(), torch.tensor([[3.0, 5.0]]))
    # g = (0, 0.5) + (1.5, 2.5) = (1.5, 3); q = 0.1 |(3, 5)| / |(1.5, 3)|; m = m / 2 + q g.
    q = 0.1 * 34**0.5 / 11.25**0.5
    momentum = [1.5 * q, -0.25 + 3 * q]
    first = [3 - 2 * momentum[0], 5 - 2 * momentum[1]]
    stepped(optimizer, weight, [[0.0, 0.5]])
    torch.testing.assert_close(weight.detach(), torch.tensor([first]))
    # The gradient cancels the decay: g = 0 and q = 1, only the momentum moves.
    stepped(optimizer, weight, [[-0.5 * first[0], -0.5 * first[1]]])
    expected = [first[0] - momentum[0], first[1] - momentum[1]]
    torch.testing.assert_close(weight.detach(), torch.tensor([expected]))


def test_three_steps_of_a_bias_by_hand():
    """No decay and no scaling: m = 1, 0.5 + 2, 1.25 - 1; w = 4 - 0.1 (1 + 2.5 + 0.25)."""
    bias = parameter(4.0)
    optimizer = LARS([bias], lr=2.0, lr_bias=0.1, weight_decay=0.5, momentum=0.5)
    stepped(optimizer, bias, [1.0], [2.0], [-1.0])
    torch.testing.assert_close(bias.detach(), torch.tensor([4 - 0.1 * 3.75]))


def test_one_dimensional_parameters_are_moved_as_by_sgd_without_decay():
    ours, theirs = parameter(1.0, -2.0), parameter(1.0, -2.0)
    optimizer = LARS([ours], lr=0.2, lr_bias=0.03, weight_decay=0.1)
    sgd = torch.optim.SGD([theirs], lr=0.03, momentum=0.9)
    for gradient in torch.randn(5, 2, generator=torch.Generator().manual_seed(0)):
        ours.grad, theirs.grad = gradient, gradient.clone()
        optimizer.step(), sgd.step()
    torch.testing.assert_close(ours, theirs)


def test_a_zero_norm_is_not_scaled():
    """q = 1 if the gradient or the weights are zero, not 0 / 0."""
    weight = parameter([3.0, 4.0])
    optimizer = LARS([weight], lr=0.1, lr_bias=0.1, weight_decay=0.0)
    stepped(optimizer, weight, [[0.0, 0.0]])
    assert weight.tolist() == [[3.0, 4.0]] and optimizer.state[weight]["momentum"].tolist() == [[0.0, 0.0]]
    empty = parameter([0.0, 0.0])
    stepped(LARS([empty], lr=0.1, lr_bias=0.1), empty, [[1.0, -2.0]])
    torch.testing.assert_close(empty.detach(), torch.tensor([[-0.1, 0.2]]))


@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_the_size_of_the_gradients_of_weights_does_not_count(weight_decay):
    """Each matrix by itself; with a weight decay the size does count."""
    gradients = torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(0))
    ended = []
    for factor in (1, 7):
        weights = [nn.Parameter(torch.ones(4, 4)), nn.Parameter(torch.full((4, 4), 10.0))]
        optimizer = LARS(weights, lr=0.5, lr_bias=0.1, weight_decay=weight_decay)
        for of_step in gradients:
            for weight, gradient in zip(weights, of_step, strict=True):
                weight.grad = factor * gradient
            optimizer.step()
        ended.append(torch.stack(weights).detach())
    if weight_decay:
        assert (ended[0] - ended[1]).abs().max() > 1e-4
    else:
        torch.testing.assert_close(*ended)
        moved = (ended[0] - torch.tensor([1.0, 10.0])[:, None, None]).flatten(1).norm(dim=1)
        assert 3 < moved[1] / moved[0] < 30  # in proportion to the weights, about


def test_parameters_are_grouped_by_their_dimensions():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(3, 2))
    model.register_parameter("temperature", nn.Parameter(torch.tensor(0.1)))
    weights, others = LARS(model.parameters(), lr=1.6, lr_bias=0.0384).param_groups
    assert [p.ndim for p in weights["params"]] == [4, 2]
    assert sorted(p.ndim for p in others["params"]) == [0, 1, 1, 1, 1]
    assert (weights["lr"], weights["lr_scale"], weights["weight_decay"]) == (1.6, 1.0, 1e-6)
    assert (others["lr"], others["lr_scale"], others["weight_decay"]) == (0.0384, 0.0384 / 1.6, 0.0)
    (only,) = LARS([nn.Parameter(torch.zeros(2, 2))], lr=0.1, lr_bias=0.1).param_groups
    assert only["trust"] == 0.001


def test_parameters_without_a_gradient_stay_and_gradients_are_not_written():
    used, unused = parameter([1.0, 2.0]), parameter([1.0, 2.0])
    optimizer = LARS([used, unused], lr=0.1, lr_bias=0.1, weight_decay=0.1)
    stepped(optimizer, used, [[1.0, 1.0]])
    assert used.grad.tolist() == [[1.0, 1.0]]
    assert unused.tolist() == [[1.0, 2.0]] and used.tolist() != [[1.0, 2.0]]


def test_a_closure_gives_the_gradient_and_its_loss_comes_back():
    bias = parameter(2.0)
    optimizer = LARS([bias], lr=0.1, lr_bias=0.1)

    def closure():
        loss = bias.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 4.0
    assert bias.item() == pytest.approx(2 - 0.1 * 4)


def test_a_saved_state_goes_on_alike():
    """Through a file that is read without pickle."""

    def network():
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        return model, LARS(model.parameters(), lr=0.5, lr_bias=0.01)

    def train(model, optimizer, steps):
        for step in steps:
            optimizer.zero_grad()
            model(torch.linspace(-1, step, 12).reshape(4, 3)).square().mean().backward()
            optimizer.step()

    whole, optimizer = network()
    train(whole, optimizer, range(6))
    first, optimizer = network()
    train(first, optimizer, range(3))
    file = io.BytesIO()
    torch.save({"model": first.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    state = torch.load(file, weights_only=True)
    second, optimizer = network()
    second.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    train(second, optimizer, range(3, 6))
    assert torch.equal(second.weight, whole.weight) and torch.equal(second.bias, whole.bias)


def test_a_step_never_asks_for_a_number():
    """Tensors on the meta device have none: `.item()` or a branch on one would be an error."""
    model = nn.Linear(3, 2, device="meta")
    optimizer = LARS(model.parameters(), lr=0.5, lr_bias=0.01)
    for p in model.parameters():
        p.grad = torch.empty_like(p)
    optimizer.step()
    optimizer.step()
    with pytest.raises(RuntimeError, match="meta"):
        model.weight.sum().item()


@pytest.mark.parametrize("rates", [(0.0, 0.1), (0.1, 0.0), (0.1, -1.0)])
def test_a_rate_must_be_positive(rates):
    with pytest.raises(ValueError, match="above 0"):
        LARS([parameter(1.0)], *rates)
    with pytest.raises(ValueError, match="empty"):
        LARS([], 0.1, 0.1)
