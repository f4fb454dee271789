"""SDSS magnitudes and spectroscopic redshifts without images."""

from pathlib import Path

import numpy as np
from astropy.table import Table

from astrolib.data.galaxies import SurveyError, rejects, row_faults

COLUMNS = ("u", "g", "r", "i", "z", "spec_class", "redshift", "redshift_err")
REDSHIFT_RANGE = (0.001, 0.7)


def read_photometry(path: Path) -> tuple[Table, Table]:
    """Galaxies of the SDSS photometry table (dataset `sdss_photometry`).

    Left out, with their reason, are

    - quasars: they would change every metric of a galaxy sample;
    - redshifts of exactly 0 with error 0, which are not measurements;
    - redshifts below 0.001 (300 km/s), the negative ones among them: objects of the Milky Way or too near for
      the redshift to say a distance. No galaxy of the table lies between 0.0003 and 0.0014;
    - redshifts above 0.7, where the 29 galaxies are too few to learn or score (and the densities end);
    - a galaxy with the same five magnitudes as one before it: a second spectrum of the same object could
      put it into both training and test set.

    Parameters
    ----------
    path : Path
        `sdss_galaxy_colors.npy`.

    Returns
    -------
    galaxies : Table
        Columns `id` ("row-000123", the row number in the file), `u g r i z` [AB mag], `redshift` and
        `redshift_err`.
    rejected : Table
        Columns `id` and `reason`.

    Raises
    ------
    SurveyError
        If the file is not such a table.
    """
    try:
        rows = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SurveyError(
            f"{path} is not a NumPy table ({error}); fetch the dataset sdss_photometry again."
        ) from None
    missing = set(COLUMNS) - set(rows.dtype.names or ())
    if missing:
        raise SurveyError(f"{path} is not the SDSS photometry table: column {sorted(missing)[0]} is missing.")
    table = Table({"id": [f"row-{row:06d}" for row in range(len(rows))]})
    for name in ("u", "g", "r", "i", "z", "redshift", "redshift_err"):
        table[name] = rows[name]
    magnitudes = np.stack([rows[band] for band in "ugriz"], axis=1)
    redshift = rows["redshift"]

    no_pixels = np.empty((len(rows), 5, 0, 0))
    reasons = row_faults(no_pixels, "ugriz", magnitudes, redshift, REDSHIFT_RANGE).astype(object)
    reasons[(redshift == 0) & (rows["redshift_err"] == 0)] = "redshift not measured (0, error 0)"
    reasons[rows["spec_class"] != b"GALAXY"] = "quasar"
    reasons[_repeated(magnitudes, reasons == "")] = "same magnitudes as an earlier row"
    good = reasons == ""
    return table[good], rejects(table["id"][~good], reasons[~good])


def _repeated(magnitudes: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Row numbers, within `among`, whose magnitudes have come before."""
    rows = np.flatnonzero(among)
    first = np.unique(magnitudes[rows], axis=0, return_index=True)[1]
    return np.delete(rows, first)
