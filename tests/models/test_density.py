import pytest
import torch
from sklearn.metrics import log_loss

from astrolib.models.density import BinnedDensity, DensityHead


@pytest.fixture
def head():
    torch.manual_seed(0)
    return DensityHead(6, BinnedDensity(z_max=0.7, n_bins=70, hidden_dim=8))


def test_default_bins_are_those_of_pasquet():
    edges = BinnedDensity().edges
    assert len(edges) == 181
    torch.testing.assert_close(edges.diff(), torch.full((180,), 0.4 / 180))


def test_density_integrates_to_one_and_is_positive(head):
    density = head.normalized(head(torch.randn(5, 6)))
    torch.testing.assert_close((density * head.edges.diff()).sum(1), torch.ones(5))
    assert (density > 0).all()


def test_redshifts_fall_in_their_bins_and_outliers_in_the_end_bins(head):
    inside = (head.edges[:-1] + head.edges[1:]) / 2
    assert torch.equal(head.bin_index(inside), torch.arange(70))
    assert torch.equal(head.bin_index(head.edges), torch.arange(71).clamp(max=69))
    assert head.bin_index(torch.tensor([-0.01, 0.9])).tolist() == [0, 69]


def test_loss_is_the_cross_entropy_of_scikit_learn(head):
    redshift = torch.rand(50) * 0.9 - 0.1
    logits = 3 * torch.randn(50, 70)
    expected = log_loss(head.bin_index(redshift), logits.double().softmax(1).numpy(), labels=range(70))
    assert head.density_loss(logits, redshift).item() == pytest.approx(expected, rel=1e-5)


def test_nothing_flows_back_into_the_features(head):
    features = torch.randn(5, 6, requires_grad=True)
    head.density_loss(head(features), torch.rand(5)).backward()
    assert features.grad is None
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_edges_are_settings_not_weights(head):
    assert set(head.state_dict()) == {f"mlp.{i}.{kind}" for i in (0, 2) for kind in ("weight", "bias")}


@pytest.mark.parametrize("options", [{"n_bins": 1}, {"z_max": 0.0}])
def test_impossible_bins_say_why(options):
    with pytest.raises(ValueError, match="n_bins >= 2 and z_max > 0"):
        BinnedDensity(**options)
