"""Bits of sky positions, against astropy-healpix and by their meaning."""

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy_healpix import lonlat_to_healpix

from astrolib.data.sky_codes import corner_bits, healpix_bits, position_of_bits


@pytest.fixture(scope="module")
def sky():
    rng = np.random.default_rng(0)
    return rng.uniform(0, 360, 2000), np.degrees(np.arcsin(rng.uniform(-1, 1, 2000)))


@pytest.mark.parametrize("order", [0, 1, 3, 6, 10, 20, 29])
def test_a_prefix_is_the_cell_of_that_order(sky, order):
    bits = healpix_bits(*sky)[:, : 4 + 2 * order].astype(np.int64)
    number = (bits << np.arange(bits.shape[1] - 1, -1, -1)).sum(1)
    ra, dec = (x * u.deg for x in sky)
    assert np.array_equal(number, lonlat_to_healpix(ra, dec, 2**order, order="nested"))


def test_bits_decode_to_the_position(sky):
    ra, dec = position_of_bits(healpix_bits(*sky))
    apart = SkyCoord(ra, dec, unit="deg").separation(SkyCoord(*sky, unit="deg"))
    assert apart.to_value("mas").max() < 0.4  # a cell of order 29 is 0.4 mas wide


def test_finer_bits_are_cut(sky):
    full, cut = healpix_bits(*sky), healpix_bits(*sky, order=6)
    assert np.array_equal(full[:, :16], cut[:, :16]) and not cut[:, 16:].any() and full[:, 16:].any()


def test_a_turn_changes_nothing(sky):
    assert np.array_equal(healpix_bits(sky[0] + 360, sky[1]), healpix_bits(*sky))


@pytest.mark.parametrize("dec", [0.0, 60.0, -89.999, 90.0])
def test_corners_are_half_a_diagonal_away(dec):
    bits = corner_bits(123.4, dec, 25.0)
    assert bits.shape == (256,)
    ra2, dec2 = position_of_bits(bits.reshape(4, 64))
    apart = SkyCoord(ra2, dec2, unit="deg").separation(SkyCoord(123.4, dec, unit="deg"))
    assert apart.to_value("arcsec") == pytest.approx(25 / np.sqrt(2), rel=1e-4)


def test_corners_share_all_but_the_last_bits(sky):
    """A cutout of 25 arcsec lies in one cell to about order 12, unless a border crosses it (card, 3.5)."""
    codes = corner_bits(*sky, 25.0).reshape(-1, 4, 64)
    shared = (codes == codes[:, :1]).all(axis=1).cumprod(axis=1).sum(axis=1)
    assert 4 + 2 * 10 < np.median(shared) < 4 + 2 * 14


def test_positions_and_fields_broadcast():
    assert corner_bits(np.zeros((5, 1)), np.zeros((5, 1)), np.array([[8.4, 12.7]])).shape == (5, 2, 256)


def test_unknown_orders_are_refused():
    with pytest.raises(ValueError, match="from 0 to 29, not 30"):
        healpix_bits(0.0, 0.0, order=30)
