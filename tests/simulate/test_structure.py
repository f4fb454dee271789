import numpy as np
import pytest
from astropy.cosmology import Planck18

from astrolib.simulate.population import draw_population
from astrolib.simulate.structure import (
    angular_scale,
    composite_half_light_radius,
    distance_modulus,
    median_size,
)

REDSHIFT = np.array([0.005, 0.03, 0.1, 0.37, 0.68, 0.98])


def test_distances_are_those_of_planck18():
    np.testing.assert_allclose(distance_modulus(REDSHIFT), Planck18.distmod(REDSHIFT).value, atol=1e-3)
    kpc = Planck18.kpc_proper_per_arcmin(REDSHIFT).value / 60
    np.testing.assert_allclose(angular_scale(REDSHIFT), kpc, rtol=1e-3)


def test_redshifts_at_and_below_zero_are_as_the_nearest_galaxies():
    assert distance_modulus(np.array([-0.0005, 0.0]))[0] == pytest.approx(Planck18.distmod(0.001).value)


def test_angular_sizes_follow_shen_et_al_and_the_distance():
    galaxies = draw_population(8000, seed=1)
    early = np.asarray(galaxies["type"] == "early")
    kpc = galaxies["half_light_radius"] * Planck18.kpc_proper_per_arcmin(galaxies["redshift"]).value / 60
    ratio = kpc / median_size(galaxies["absolute_magnitude"], early)
    for rows in (early, ~early):
        for far in (galaxies["redshift"] < 0.08, galaxies["redshift"] > 0.12):
            assert np.median(ratio[rows & far]) == pytest.approx(1, abs=0.04)
    assert 0.2 < np.std(np.log(ratio)) < 0.4


def test_composite_half_light_radius_holds_half_the_light():
    one = composite_half_light_radius(np.array([0.0, 1.0]), np.array([0.4, 0.4]))
    np.testing.assert_allclose(one, [1.0, 0.4], rtol=1e-4)
    assert 0.4 < composite_half_light_radius(np.array([0.5]), np.array([0.4]))[0] < 1


def test_discs_are_seen_from_random_directions_and_early_types_are_rounder():
    galaxies = draw_population(8000, seed=2)
    late = galaxies[galaxies["type"] == "late"]
    early = galaxies[galaxies["type"] == "early"]
    # A disc of thickness 0.2 at random inclination has a median axis ratio sqrt(0.04 + 0.96 / 4).
    assert np.median(late["disc_axis_ratio"]) == pytest.approx(np.sqrt(0.28), abs=0.02)
    assert np.median(early["disc_axis_ratio"]) > 0.7
    assert np.median(early["bulge_fraction"]) > 0.6 > 0.3 > np.median(late["bulge_fraction"])


def test_a_third_of_the_frames_has_a_neighbour_and_none_sits_on_the_galaxy():
    galaxies = draw_population(8000, seed=3)
    assert np.mean(galaxies["neighbour"] != "none") == pytest.approx(0.35, abs=0.02)
    assert set(galaxies["neighbour"]) == {"none", "star", "galaxy"}
    assert np.hypot(galaxies["neighbour_x"], galaxies["neighbour_y"]).min() >= 3.49
