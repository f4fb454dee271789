"""Light curves against phase, for pictures."""

import numpy as np

from astrolib.data.stars import StarSurvey

DAYS_PER_YEAR = 365.0  # as in `delta_t`, AstroM3 card, section 3.2


def folded(survey: StarSurvey, name: str, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Phase, flux and flux error of some stars, folded on the period of the catalogue.

    Parameters
    ----------
    survey : StarSurvey
        Its catalogue has `period` [d]. A light curve without the constant `delta_t` has been folded before,
        with twice the period (Gaia): its phases run from 0 to 2 cycles.
    name : str
        A modality of kind "light curve".
    rows : (n,) int array
        Stars.

    Returns
    -------
    phase, flux, error : (n, L) float32 arrays
        Cycles; flux and error in the scaled units of the survey. NaN after a star's last point.
    """
    modality = survey.modalities[name]
    time, flux, error = np.moveaxis(modality.values[rows].astype(np.float64), 2, 0)
    if "delta_t" in modality.constant_names:
        years = modality.constants[rows, modality.constant_names.index("delta_t")].astype(np.float64)
        period = np.asarray(survey.catalogue["period"], np.float64)[rows]
        phase = time * (years * DAYS_PER_YEAR / period)[:, None] % 1
    else:
        phase = 2 * time
    empty = np.arange(time.shape[1]) >= modality.n_points[rows, None]
    return tuple(np.where(empty, np.nan, array).astype(np.float32) for array in (phase, flux, error))
