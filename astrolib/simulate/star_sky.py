"""Where simulated stars are, how far, behind how much dust, and how they move."""

import astropy.units as u
import numpy as np
from astropy.coordinates import Galactic, SkyCoord

SUN_RADIUS = 8200.0  # distance of the Sun from the Galactic centre [pc] (GRAVITY 2019, A&A 625, L10)
ROTATION = 233.0  # speed of the disc [km/s]
SUN_VELOCITY = np.array(
    [11.1, ROTATION + 12.24, 7.25]
)  # towards centre, rotation, pole (Schönrich et al. 2010)
DUST_HEIGHT = 120.0  # scale height of the dust [pc]
KM_S_PER_MAS = 4.74047e-3  # speed across the line of sight of 1 mas/yr at 1 pc [km/s]
NORTH = (-10.0, 60.0)  # declinations that LAMOST observes [deg]


def draw_positions(halo: np.ndarray, giant: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Galactic and equatorial coordinates of stars in the sky of LAMOST.

    Parameters
    ----------
    halo, giant : (N,) bool arrays
        Halo stars are everywhere, disc stars near the plane, disc giants (which are farther) nearest.

    Returns
    -------
    l, b, ra : (N,) arrays
        [deg]
    """
    n = len(halo)
    longitude, latitude, ra = np.empty(n), np.empty(n), np.empty(n)
    open_rows = np.arange(n)
    while len(open_rows):
        m = len(open_rows)
        longitude[open_rows] = rng.uniform(0, 360, m)
        scale = np.where(giant[open_rows], 16.0, 26.0)
        disc = rng.laplace(0, scale)
        isotropic = np.degrees(np.arcsin(rng.uniform(-1, 1, m)))
        latitude[open_rows] = np.where(halo[open_rows] | (np.abs(disc) > 85), isotropic, disc)
        place = Galactic(longitude[open_rows] * u.deg, latitude[open_rows] * u.deg)
        equatorial = SkyCoord(place).icrs
        ra[open_rows] = equatorial.ra.deg
        seen = (equatorial.dec.deg > NORTH[0]) & (equatorial.dec.deg < NORTH[1])
        seen &= ~halo[open_rows] | (np.abs(latitude[open_rows]) > 8)
        open_rows = open_rows[~seen]
    return longitude, latitude, ra


def extinction(distance: np.ndarray, latitude: np.ndarray, patchiness: np.ndarray) -> np.ndarray:
    """Visual extinction A_V in a thin layer of dust.

    Parameters
    ----------
    distance : (N,) array
        [pc]
    latitude : (N,) array
        Galactic latitude [deg].
    patchiness : (N,) array
        Dust on this line of sight relative to the layer's mean.

    Returns
    -------
    (N,) array
        [mag]; 0.13 at a pole outside the layer, 1.1 per kpc in the plane.
    """
    sine = np.abs(np.sin(np.radians(latitude))) + 1e-3
    return patchiness * 0.13 / sine * -np.expm1(-distance * sine / DUST_HEIGHT)


def distance_for(
    apparent_v: np.ndarray, absolute_v: np.ndarray, latitude: np.ndarray, patchiness: np.ndarray
) -> np.ndarray:
    """Distance [pc] at which a star of this absolute magnitude, behind the dust, has this apparent one."""
    low, high = np.full(len(apparent_v), 0.5), np.full(len(apparent_v), 5.5)  # log10 of 3 pc and 300 kpc
    for _ in range(40):  # bisection: apparent magnitude grows with distance
        middle = (low + high) / 2
        v = absolute_v + 5 * middle - 5 + extinction(10**middle, latitude, patchiness)
        low, high = np.where(v < apparent_v, middle, low), np.where(v < apparent_v, high, middle)
    return 10 ** ((low + high) / 2)


def draw_motions(
    longitude: np.ndarray,
    latitude: np.ndarray,
    distance: np.ndarray,
    halo: np.ndarray,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Proper motions and radial velocities.

    The disc turns at 233 km/s with a scatter of 38, 25 and 20 km/s; the halo does not turn, and scatters by
    140, 90 and 90 km/s.

    Parameters
    ----------
    longitude, latitude : (N,) arrays
        Galactic [deg].
    distance : (N,) array
        [pc]
    halo : (N,) bool array

    Returns
    -------
    pmra, pmdec, radial_velocity : (N,) arrays
        [mas/yr, with the cosine of the declination; mas/yr; km/s, relative to the Sun]
    """
    lon, lat = np.radians(longitude), np.radians(latitude)
    x = distance * np.cos(lat) * np.cos(lon) - SUN_RADIUS  # from the Galactic centre, Sun at -x
    y = distance * np.cos(lat) * np.sin(lon)
    radius = np.hypot(x, y)
    spread = np.where(halo[:, None], [140.0, 90.0, 90.0], [38.0, 25.0, 20.0])
    peculiar = rng.normal(0, 1, (len(lon), 3)) * spread
    turn = np.where(halo, 10.0, ROTATION - 8.0) + peculiar[:, 1]
    inwards = np.stack([-x, -y], -1) / radius[:, None]
    rotation = np.stack([-inwards[:, 1], inwards[:, 0]], -1)
    velocity = np.concatenate([peculiar[:, :1] * inwards + turn[:, None] * rotation, peculiar[:, 2:]], axis=1)
    velocity -= SUN_VELOCITY
    sight = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], -1)
    along_l = np.stack([-np.sin(lon), np.cos(lon), np.zeros_like(lon)], -1)
    along_b = np.stack([-np.sin(lat) * np.cos(lon), -np.sin(lat) * np.sin(lon), np.cos(lat)], -1)
    pm_l, pm_b = ((velocity * axis).sum(1) / (KM_S_PER_MAS * distance) for axis in (along_l, along_b))
    unit = u.mas / u.yr
    moving = Galactic(longitude * u.deg, latitude * u.deg, pm_l_cosb=pm_l * unit, pm_b=pm_b * unit)
    icrs = SkyCoord(moving).icrs
    return icrs.pm_ra_cosdec.to_value(unit), icrs.pm_dec.to_value(unit), (velocity * sight).sum(1)
