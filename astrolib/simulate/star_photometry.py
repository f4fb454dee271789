"""Colours of stars and what interstellar dust does to them.

Colours are those of the mean sequences, rounded and interpolated in effective temperature: dwarfs after
Pecaut & Mamajek 2013 (ApJS 208, 9), giants after Bessell & Brett 1988 (PASP 100, 1134). They are good to
about 0.1 mag, enough for a twin.
"""

import numpy as np

#: Extinction in a band over A_V (Wang & Chen 2019, ApJ 877, 116, table 3); W4 is taken as free of dust.
EXTINCTION = {
    "V": 1.0,
    "G": 0.789,
    "BP": 1.002,
    "RP": 0.589,
    "J": 0.243,
    "H": 0.131,
    "K": 0.078,
    "W1": 0.039,
    "W2": 0.026,
    "W3": 0.040,
    "W4": 0.0,
}

_DWARF_T = np.array([3000, 3200, 3550, 3850, 4440, 5270, 5660, 5930, 6550, 7220, 8080, 9700.0])
_DWARF = {
    "V-K": [5.80, 5.10, 4.20, 3.70, 2.80, 1.95, 1.55, 1.40, 1.07, 0.73, 0.40, 0.04],
    "J-K": [0.88, 0.85, 0.83, 0.82, 0.68, 0.47, 0.38, 0.33, 0.24, 0.14, 0.06, 0.00],
    "H-K": [0.33, 0.28, 0.22, 0.19, 0.12, 0.08, 0.06, 0.05, 0.04, 0.03, 0.01, 0.00],
    "W1-W2": [0.22, 0.18, 0.12, 0.05, -0.05, -0.05, -0.03, -0.02, -0.01, 0.00, 0.00, 0.00],
}
_DWARF_M_V = [13.5, 12.6, 10.3, 8.9, 7.3, 5.8, 4.9, 4.4, 3.5, 2.6, 1.9, 1.1]
_GIANT_T = np.array([2600, 2800, 3000, 3250, 3400, 3600, 3800, 4000, 4500, 5000, 5500.0])
_GIANT = {
    "V-K": [10.5, 9.8, 8.8, 7.2, 6.0, 4.8, 3.9, 3.4, 2.6, 2.05, 1.65],
    "J-K": [1.50, 1.42, 1.36, 1.27, 1.20, 1.10, 1.01, 0.93, 0.70, 0.55, 0.42],
    "H-K": [0.50, 0.44, 0.38, 0.33, 0.30, 0.25, 0.21, 0.18, 0.12, 0.09, 0.06],
    "W1-W2": [0.35, 0.25, 0.15, 0.05, -0.02, -0.08, -0.10, -0.09, -0.06, -0.04, -0.03],
}
_BP_RP_OF_V_K = ([0.0, 0.73, 1.07, 1.4, 1.95, 2.8, 3.7, 4.2, 5.1, 6.6, 8.8, 10.5],
                 [0.0, 0.38, 0.58, 0.78, 1.02, 1.42, 1.84, 2.13, 2.70, 3.50, 4.70, 5.50])  # fmt: skip
_G_RP_OF_BP_RP = ([-0.3, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0],
                  [-0.2, 0.0, 0.33, 0.58, 0.80, 0.99, 1.32, 1.55, 1.72, 2.0])  # fmt: skip


def main_sequence_magnitude(temperature: np.ndarray) -> np.ndarray:
    """Absolute V magnitude of a dwarf of this effective temperature [K] on the main sequence."""
    return np.interp(temperature, _DWARF_T, _DWARF_M_V)


def intrinsic_colour(name: str, temperature: np.ndarray, giant: np.ndarray) -> np.ndarray:
    """Colour of stars without dust.

    Parameters
    ----------
    name : {"V-K", "J-K", "H-K", "W1-W2"}
    temperature : (N,) array
        Effective temperature [K].
    giant : (N,) bool array
        Which stars are giants. Giants hotter than 5500 K have the colours of dwarfs.

    Returns
    -------
    (N,) array
        [mag]

    Examples
    --------
    >>> intrinsic_colour("V-K", np.array([5930.0, 3600.0]), np.array([False, True]))
    array([1.4, 4.8])
    """
    dwarf = np.interp(temperature, _DWARF_T, _DWARF[name])
    return np.where(giant & (temperature < 5500), np.interp(temperature, _GIANT_T, _GIANT[name]), dwarf)


def absolute_magnitudes(
    absolute_v: np.ndarray,
    temperature: np.ndarray,
    giant: np.ndarray,
    carbon: np.ndarray,
    dust: np.ndarray,
) -> dict[str, np.ndarray]:
    """Absolute magnitudes in the eleven bands of the catalogue, without interstellar dust.

    Parameters
    ----------
    absolute_v, temperature : (N,) arrays
        Absolute V magnitude and effective temperature [K].
    giant, carbon : (N,) bool arrays
        Carbon stars are redder in the near infrared (J - K of 2 to 4 instead of 1.3).
    dust : (N,) array
        Excess of a star's own warm dust in W1 - W2 [mag]; it is larger at longer wavelengths.

    Returns
    -------
    dict of str to (N,) array
        Keys of `EXTINCTION`.
    """
    v_k, j_k, h_k, w1_w2 = (
        intrinsic_colour(name, temperature, giant) for name in ("V-K", "J-K", "H-K", "W1-W2")
    )
    j_k, h_k = j_k + carbon * (0.9 + dust), h_k + carbon * (0.4 + 0.4 * dust)
    bp_rp = np.interp(v_k, *_BP_RP_OF_V_K)
    # Riello et al. 2021 (A&A 649, A3), table C.2
    g_v = -0.02704 + 0.01424 * bp_rp - 0.2156 * bp_rp**2 + 0.01426 * bp_rp**3
    rp = absolute_v + g_v - np.interp(bp_rp, *_G_RP_OF_BP_RP)
    k = absolute_v - v_k
    w1 = k - np.where(temperature < 3900, 0.12, 0.04) - 0.5 * dust
    w2 = w1 - w1_w2 - dust
    w3 = w2 - 0.02 - 1.8 * dust
    return {
        "V": absolute_v,
        "G": absolute_v + g_v,
        "BP": rp + bp_rp,
        "RP": rp,
        "J": k + j_k,
        "H": k + h_k,
        "K": k,
        "W1": w1,
        "W2": w2,
        "W3": w3,
        "W4": w3 - 0.02 - 1.2 * dust,
    }


def extinction_curve(wavelength: np.ndarray) -> np.ndarray:
    """A(wavelength) / A_V for R_V = 3.1 (Cardelli, Clayton & Mathis 1989, ApJ 345, 245, eqs. 1 and 3).

    Parameters
    ----------
    wavelength : (L,) array
        3030 to 9090 Å, where equation 3 holds.

    Examples
    --------
    >>> extinction_curve(np.array([4400.0, 5500.0])).round(2)  # R_V = 3.1: A_B / A_V = 4.1 / 3.1
    array([1.32, 1.  ])
    """
    y = 1e4 / wavelength - 1.82
    a = [1, 0.17699, -0.50447, -0.02427, 0.72085, 0.01979, -0.77530, 0.32999]
    b = [0, 1.41338, 2.28305, 1.07233, -5.38434, -0.62251, 5.30260, -2.09002]
    return np.polynomial.polynomial.polyval(y, a) + np.polynomial.polynomial.polyval(y, b) / 3.1
