import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import Galactic, SkyCoord

from astrolib.simulate.star_sky import distance_for, draw_motions, draw_positions, extinction

N = 4000


def test_positions_are_in_the_sky_of_lamost():
    halo = np.arange(N) % 2 == 0
    longitude, latitude, ra = draw_positions(halo, np.zeros(N, bool), np.random.default_rng(0))
    icrs = SkyCoord(Galactic(longitude * u.deg, latitude * u.deg)).icrs
    np.testing.assert_allclose(icrs.ra.deg, ra, atol=1e-6)
    assert -10 <= icrs.dec.deg.min()
    assert icrs.dec.deg.max() <= 60
    assert np.median(np.abs(latitude[halo])) > np.median(np.abs(latitude[~halo])) + 8


def test_dust_lies_in_a_thin_layer():
    patchiness = np.ones(3)
    near, far = np.array([100.0] * 3), np.array([1e5] * 3)
    latitude = np.array([1.0, 30.0, -90.0])
    assert (extinction(near, latitude, patchiness) < extinction(far, latitude, patchiness)).all()
    assert (np.diff(extinction(far, latitude, patchiness)) < 0).all()
    assert extinction(far, latitude, patchiness)[2] == pytest.approx(0.13, abs=0.005)
    assert extinction(np.array([1000.0]), np.array([0.0]), np.ones(1))[0] == pytest.approx(1.08, abs=0.05)


def test_distance_gives_the_apparent_magnitude_back():
    rng = np.random.default_rng(0)
    v, absolute, latitude = rng.uniform(10, 16, N), rng.uniform(-2, 9, N), rng.uniform(-90, 90, N)
    patchiness = 10 ** rng.normal(0, 0.15, N)
    distance = distance_for(v, absolute, latitude, patchiness)
    back = absolute + 5 * np.log10(distance / 10) + extinction(distance, latitude, patchiness)
    np.testing.assert_allclose(back, v, atol=1e-6)


def motions(distance, halo, rng_seed=0):
    rng = np.random.default_rng(rng_seed)
    longitude, latitude, _ = draw_positions(np.full(N, halo), np.zeros(N, bool), rng)
    d = np.full(N, distance)
    return longitude, latitude, *draw_motions(longitude, latitude, d, np.full(N, halo), rng)


def test_halo_stars_move_faster_than_the_disc():
    *_, pmra, pmdec, velocity = motions(3000.0, True)
    *_, disc_ra, disc_dec, disc_velocity = motions(3000.0, False)
    assert np.median(np.hypot(pmra, pmdec)) > 2 * np.median(np.hypot(disc_ra, disc_dec))
    assert np.std(velocity) > 2 * np.std(disc_velocity)
    assert 25 < np.std(disc_velocity) < 60


def test_proper_motion_falls_with_distance():
    *_, near_ra, near_dec, _ = motions(200.0, False)
    *_, far_ra, far_dec, _ = motions(2000.0, False)
    ratio = np.median(np.hypot(near_ra, near_dec)) / np.median(np.hypot(far_ra, far_dec))
    assert 5 < ratio < 12


def test_near_disc_stars_show_the_motion_of_the_sun():
    """Solar apex: stars ahead (l = 53, b = 25) come towards us, with some 15 to 20 km/s."""
    longitude, latitude, _, _, velocity = motions(50.0, False)
    place = SkyCoord(Galactic(longitude * u.deg, latitude * u.deg))
    apex = SkyCoord(Galactic(53 * u.deg, 25 * u.deg))
    ahead = np.cos(place.separation(apex).rad)
    slope = np.polyfit(ahead, velocity, 1)[0]
    assert -32 < slope < -10
