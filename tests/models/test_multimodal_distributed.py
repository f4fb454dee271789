from pathlib import Path

import pytest
from processes import found_in_worlds
from torch.testing import assert_close

WORLDS = (2, 3)
CASES = [(n_stars, absent) for n_stars in (12, 11) for absent in (False, True)]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What one process, two and three found: (world, rank) -> (stars, absent) -> values, gradients."""
    script, folder = Path(__file__).with_name("clip_children.py"), tmp_path_factory.mktemp("ranks")
    return found_in_worlds(script, folder, WORLDS)


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize(("n_stars", "absent"), CASES)
def test_processes_give_the_loss_accuracy_and_gradients_of_one(found, world, n_stars, absent):
    alone = found[1, 0][n_stars, absent]
    assert 0 < alone["values"]["accuracy"] < 1
    assert all(gradient.abs().max() > 1e-6 for gradient in alone["gradients"].values())
    for rank in range(world):
        shared = found[world, rank][n_stars, absent]
        assert_close(shared["values"], alone["values"], rtol=1e-5, atol=1e-6)
        assert_close(shared["gradients"], alone["gradients"], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("world", WORLDS)
def test_gathering_without_gradients_applies_a_fraction_of_them(found, world):
    """Not a wish but the fault that `gather_all` avoids: the right loss, and gradients too small."""
    alone, plain = found[1, 0][12, False], found[world, 0]["plain gather"]
    assert_close(plain["values"]["loss"], alone["values"]["loss"], rtol=1e-5, atol=1e-6)
    name = "projections.photometry.weight"
    gradient, fraction = alone["gradients"][name], plain["gradients"][name]
    assert (fraction * gradient).sum() / gradient.square().sum() == pytest.approx(1 / world, rel=1e-3)
