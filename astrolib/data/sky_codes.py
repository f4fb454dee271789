"""Where an image is on the sky, as bits from coarse to fine: HEALPix in place of A2-MAE's GeoSOT.

Nested HEALPix of order 29 has 4 bits for the base pixel and 58 for the levels, padded to 64; the four corners
of an image make 256, the length of the original's code. A prefix is a coarser cell. Like every code of this
kind it has a weakness: where the border of a coarse cell crosses an image, leading bits flip.
"""

import astropy.units as u
import numpy as np
from astropy_healpix import healpix_to_lonlat, lonlat_to_healpix
from numpy.typing import ArrayLike

ORDER = 29
"""Finest level: cells of 0.4 milliarcsec."""
BITS = 64
_USED = 4 + 2 * ORDER


def healpix_bits(ra: ArrayLike, dec: ArrayLike, order: int = ORDER) -> np.ndarray:
    """The HEALPix cell of positions, bit by bit.

    Parameters
    ----------
    ra, dec : (...,) array_like [deg]
    order : int
        Bits of finer levels are zero: 3 leaves cells of 7.3 degrees, 6 of 0.9, 13 of 26 arcsec.

    Returns
    -------
    (..., 64) uint8 array
        0 or 1, the coarsest first.

    Raises
    ------
    ValueError
        If the order is not between 0 and 29.

    Examples
    --------
    >>> healpix_bits(10.0, 20.0, order=0)[:6].tolist()
    [0, 1, 0, 0, 0, 0]
    """
    if not 0 <= order <= ORDER:
        raise ValueError(f"A HEALPix order is a number from 0 to {ORDER}, not {order}.")
    pixel = lonlat_to_healpix(
        np.asarray(ra, float) * u.deg, np.asarray(dec, float) * u.deg, 2**ORDER, order="nested"
    )
    pixel = np.asarray(pixel, np.int64)
    bits = np.zeros((*pixel.shape, BITS), np.uint8)
    bits[..., :_USED] = (pixel[..., None] >> np.arange(_USED - 1, -1, -1)) & 1
    bits[..., 4 + 2 * order :] = 0
    return bits


def position_of_bits(bits: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Right ascension and declination [deg] of the middle of the finest cell of bits (..., 64)."""
    used = np.asarray(bits, np.int64)[..., :_USED]
    pixel = (used << np.arange(_USED - 1, -1, -1)).sum(axis=-1)
    lon, lat = healpix_to_lonlat(pixel, 2**ORDER, order="nested")
    return lon.to_value(u.deg), lat.to_value(u.deg)


def corner_bits(ra: ArrayLike, dec: ArrayLike, field: ArrayLike, order: int = ORDER) -> np.ndarray:
    """Bits of the four corners of square images.

    Parameters
    ----------
    ra, dec : (...,) array_like
        Middle of each image [deg].
    field : (...,) array_like
        Its side [arcsec]; north is up. Broadcast against the positions.
    order : int
        As in `healpix_bits`.

    Returns
    -------
    (..., 256) uint8 array
    """
    ra, dec, field = np.broadcast_arrays(*(np.asarray(x, float) for x in (ra, dec, field)))
    lon, lat, half = np.radians(ra), np.radians(dec), np.radians(field / 7200)
    zero = np.zeros_like(lon)
    out = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    east = np.stack([-np.sin(lon), np.cos(lon), zero])
    north = np.stack([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)])
    codes = []
    for x, y in ((-1, -1), (1, -1), (-1, 1), (1, 1)):  # in the tangent plane, so that the poles are no matter
        corner = out + half * (x * east + y * north)
        corner = corner / np.linalg.norm(corner, axis=0)
        codes.append(
            healpix_bits(
                np.degrees(np.arctan2(corner[1], corner[0])) % 360, np.degrees(np.arcsin(corner[2])), order
            )
        )
    return np.concatenate(codes, axis=-1)
