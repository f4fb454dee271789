import numpy as np
import pytest

from astrolib.simulate.mixtures import gaussian_mixture, growth_curve


@pytest.mark.parametrize("sersic_index, b", [(1, 1.67835), (4, 7.66925)])  # Graham & Driver 2005
def test_growth_curve_is_the_integral_of_the_sersic_profile(sersic_index, b):
    radius = np.geomspace(1e-7, 1e4, 200_001)
    rings = 2 * np.pi * radius**2 * np.exp(-b * radius ** (1 / sersic_index))  # per unit of ln(radius)
    cumulative = np.cumsum(rings) / rings.sum()
    for r in (0.1, 1.0, 3.0):
        assert growth_curve(r, sersic_index) == pytest.approx(np.interp(r, radius, cumulative), abs=1e-4)


@pytest.mark.parametrize("sersic_index", [1, 4])
def test_mixture_follows_the_growth_curve(sersic_index):
    weight, sigma = gaussian_mixture(sersic_index)
    radius = np.geomspace(0.02, 40, 300)
    enclosed = (weight * (1 - np.exp(-(radius[:, None] ** 2) / (2 * sigma**2)))).sum(1)
    assert weight.sum() == pytest.approx(1)
    assert (weight >= 0).all()
    assert np.abs(enclosed - growth_curve(radius, sersic_index)).max() < 0.005


def test_there_is_no_mixture_for_other_profiles():
    with pytest.raises(KeyError):
        gaussian_mixture(2)
