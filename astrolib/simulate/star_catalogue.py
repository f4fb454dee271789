"""What Gaia, 2MASS and WISE say of simulated stars: 34 columns (AstroM3 card, section 3.4)."""

import numpy as np
from astropy.table import Table

from astrolib.simulate.star_classes import Properties
from astrolib.simulate.star_photometry import EXTINCTION, absolute_magnitudes
from astrolib.simulate.star_sky import distance_for, draw_motions, draw_positions, extinction

PARALLAX_OFFSET = -0.03  # zero point of Gaia EDR3 [mas] (Lindegren et al. 2021, A&A 649, A4), rounded
COLUMN_OF_BAND = {
    "G": "phot_g_mean_mag",
    "BP": "phot_bp_mean_mag",
    "RP": "phot_rp_mean_mag",
    "J": "j_mag",
    "H": "h_mag",
    "K": "k_mag",
    "W1": "w1_mag",
    "W2": "w2_mag",
    "W3": "w3_mag",
    "W4": "w4_mag",
}
METADATA = (
    "mean_vmag phot_g_mean_mag e_phot_g_mean_mag phot_bp_mean_mag e_phot_bp_mean_mag phot_rp_mean_mag "
    "e_phot_rp_mean_mag bp_rp parallax parallax_error parallax_over_error pmra pmra_error pmdec pmdec_error "
    "j_mag e_j_mag h_mag e_h_mag k_mag e_k_mag w1_mag e_w1_mag w2_mag e_w2_mag w3_mag w4_mag j_k w1_w2 w3_w4 "
    "pm ruwe l b"
).split()


def place(properties: Properties, rng: np.random.Generator) -> Properties:
    """Put stars into the Galaxy, so that they are as bright as wanted.

    Parameters
    ----------
    properties : dict of (N,) arrays
        From `draw_properties`.
    rng : Generator

    Returns
    -------
    dict of (N,) arrays
        `l`, `b`, `ra` [deg], `distance` [pc], `extinction` (A_V [mag]), `pmra`, `pmdec` [mas/yr],
        `radial_velocity` [km/s].
    """
    longitude, latitude, ra = draw_positions(properties["halo"], properties["giant"], rng)
    patchiness = 10 ** rng.normal(0, 0.15, len(ra))
    distance = distance_for(properties["apparent_v"], properties["absolute_v"], latitude, patchiness)
    pmra, pmdec, velocity = draw_motions(longitude, latitude, distance, properties["halo"], rng)
    return {
        "l": longitude,
        "b": latitude,
        "ra": ra,
        "distance": distance,
        "extinction": extinction(distance, latitude, patchiness),
        "pmra": pmra,
        "pmdec": pmdec,
        "radial_velocity": velocity,
    }


def metadata(stars: Properties, mean_vmag: np.ndarray, rms: np.ndarray, rng: np.random.Generator) -> Table:
    """Measure stars in the surveys that the metadata come from.

    Magnitudes have the errors that the catalogue states. Of a variable star those of Gaia include its own
    variation over some 250 visits, and 2MASS saw it once, at a random phase.

    Parameters
    ----------
    stars : dict of (N,) arrays
        What `draw_properties` and `place` give.
    mean_vmag : (N,) array
        Mean V magnitude of the light curve.
    rms : (N,) array
        Its scatter without noise [mag].
    rng : Generator

    Returns
    -------
    Table
        Columns `METADATA`, in that order.
    """
    n = len(mean_vmag)
    carbon = stars["subtype"] == "carbon-rich"
    absolute = absolute_magnitudes(
        stars["absolute_v"], stars["temperature"], stars["giant"], carbon, stars["dust"]
    )
    modulus = 5 * np.log10(stars["distance"]) - 5
    # Metallicity, gravity and what the sequences leave out: the star is as a whole bluer or redder.
    redder = rng.normal(0, 0.035, n)
    magnitude = {band: m + modulus + EXTINCTION[band] * stars["extinction"] for band, m in absolute.items()}
    lever = {"BP": 0.6, "G": 0.15, "RP": -0.4, "J": -1.0, "H": -1.3, "K": -1.4, "W1": -1.4, "W2": -1.4}
    out = {"mean_vmag": mean_vmag}
    visits = rng.uniform(200, 300, n)
    once = rng.normal(0, 0.4, n) * rms  # 2MASS took J, H and K together
    for band, column in COLUMN_OF_BAND.items():
        m = magnitude[band] + lever.get(band, -1.4) * redder
        if band in ("G", "BP", "RP"):
            share = {"G": 1.0, "BP": 1.1, "RP": 0.7}[band] * 10 ** rng.normal(0, 0.05, n)
            floor = {"G": 0.0028, "BP": 0.004, "RP": 0.0045}[band] * (1 + 10 ** (0.4 * (m - 18.5)))
            error = np.hypot(floor, share * rms / np.sqrt(visits))
        elif band in ("J", "H", "K"):
            m = m + once
            error = 0.021 + 0.002 * rng.exponential(1, n) + 0.004 * 10 ** (0.4 * (m - 13.5))
        else:
            limit = {"W1": 16.5, "W2": 15.6, "W3": 11.6, "W4": 8.3}[band]
            error = 0.022 + 0.001 * rng.exponential(1, n) + 0.2 * 10 ** (0.4 * (np.minimum(m, limit) - limit))
            m = np.minimum(m, limit + 0.8)  # fainter sources are in the catalogue at its limit
        out[column] = m + rng.normal(0, 1, n) * error
        out[f"e_{column}"] = error
    ruwe = 1.02 + np.abs(rng.normal(0, 0.06, n)) + (rng.random(n) < 0.06) * rng.exponential(1.0, n)
    g = out["phot_g_mean_mag"]
    error = (0.013 + 0.011 * 10 ** (0.28 * (np.clip(g, 12, 21) - 14))) * ruwe * 10 ** rng.normal(0, 0.07, n)
    parallax = 1e3 / stars["distance"] + PARALLAX_OFFSET + rng.normal(0, 1, n) * error
    out |= {"parallax": parallax, "parallax_error": error, "parallax_over_error": parallax / error}
    for name, factor in (("pmra", 0.98), ("pmdec", 0.88)):
        out[f"{name}_error"] = factor * error * 10 ** rng.normal(0, 0.05, n)
        out[name] = stars[name] + rng.normal(0, 1, n) * out[f"{name}_error"]
    out |= {
        "bp_rp": out["phot_bp_mean_mag"] - out["phot_rp_mean_mag"],
        "j_k": out["j_mag"] - out["k_mag"],
        "w1_w2": out["w1_mag"] - out["w2_mag"],
        "w3_w4": out["w3_mag"] - out["w4_mag"],
        "pm": np.hypot(out["pmra"], out["pmdec"]),
        "ruwe": ruwe,
        "l": stars["l"],
        "b": stars["b"],
    }
    return Table({name: out[name] for name in METADATA})
