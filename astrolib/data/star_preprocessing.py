"""From a telescope's numbers to a network's: the three modalities of AstroM3, all stars at once."""

from collections.abc import Sequence

import numpy as np
from astropy.table import Table, vstack

from astrolib.data.galaxies import SurveyError, rejects
from astrolib.data.star_scaling import scale_light_curves, scale_spectra
from astrolib.data.stars import UNLABELLED, Modality, RawStars, StarSurvey

CLASSES = ("DSCT", "EA", "EB", "EW", "HADS", "M", "ROT", "RRAB", "RRC", "SR")
"""The ten classes of AstroM3 in the order of their label ids (card, section 2.2)."""
PHOTOMETRIC = ("amplitude", "period", "lksl_statistic", "rfr_score")
"""Columns that become constant channels of the light curve (card, section 3.5)."""
METADATA = tuple(
    "mean_vmag phot_g_mean_mag e_phot_g_mean_mag phot_bp_mean_mag e_phot_bp_mean_mag phot_rp_mean_mag "
    "e_phot_rp_mean_mag bp_rp parallax parallax_error parallax_over_error pmra pmra_error pmdec pmdec_error "
    "j_mag e_j_mag h_mag e_h_mag k_mag e_k_mag w1_mag e_w1_mag w2_mag e_w2_mag w3_mag w4_mag j_k w1_w2 w3_w4 "
    "pm ruwe l b".split()
)
"""Columns of the metadata (card, section 3.4)."""
MAGNITUDES = tuple(
    "mean_vmag phot_g_mean_mag phot_bp_mean_mag phot_rp_mean_mag "
    "j_mag h_mag k_mag w1_mag w2_mag w3_mag w4_mag".split()
)
"""Those of the metadata that become absolute magnitudes."""
SCALED_CONSTANTS = ("log_mad", "delta_t")
WAVELENGTH = np.arange(3850.0, 9000.0, 2.0)
"""Grid of LAMOST's spectra [Å], 2,575 points from 3850 to 8998 (card, section 3.3)."""


def _columns(table: Table, names: Sequence[str]) -> dict[str, np.ndarray]:
    """Columns as float64, NaN where masked."""
    if missing := [name for name in names if name not in table.colnames]:
        raise SurveyError(
            f"The catalogue has no column {', '.join(missing)}; it has {', '.join(table.colnames)}."
        )
    return {name: np.ma.filled(np.ma.asarray(table[name], np.float64), np.nan) for name in names}


def metadata_columns(table: Table) -> np.ndarray:
    """The 34 columns of the metadata, (N, 34) float32, before standardisation (AstroM3 card, section 3.4).

    Magnitudes become m - 10 + 5 log10(parallax [mas]), with 1 in place of a parallax that is not positive;
    l becomes cos l and b sin b (degrees). A missing value is NaN.

    Raises
    ------
    SurveyError
        If a column is missing.

    Examples
    --------
    >>> table = Table({name: [0.0] for name in METADATA})
    >>> table["parallax"], table["w4_mag"] = [10.0], [7.0]
    >>> metadata_columns(table)[0, METADATA.index("w4_mag")]  # at 100 pc: 5 mag brighter than seen
    np.float32(2.0)
    """
    columns = _columns(table, METADATA)
    parallax = columns["parallax"]
    shift = 5 * np.log10(np.where(parallax > 0, parallax, 1.0)) - 10
    columns |= {name: columns[name] + shift for name in MAGNITUDES}
    columns["l"], columns["b"] = np.cos(np.radians(columns["l"])), np.sin(np.radians(columns["b"]))
    return np.stack([columns[name] for name in METADATA], axis=1).astype(np.float32)


def photometric_columns(table: Table) -> np.ndarray:
    """Amplitude, log10 period, Lafler-Kinman statistic and score, (N, 4) float32 (AstroM3 card, section 3.5).

    A missing value, or a period that is not positive, is NaN.

    Raises
    ------
    SurveyError
        If a column is missing.
    """
    columns = _columns(table, PHOTOMETRIC)
    period = columns["period"]
    columns["period"] = np.log10(np.where(period > 0, period, np.nan))
    return np.stack([columns[name] for name in PHOTOMETRIC], axis=1).astype(np.float32)


def survey_of(
    raw: RawStars,
    class_names: Sequence[str] | None = None,
    *,
    spectrum_error: str = "sigma",
    smallest_mad: float = 0.0,
    longest: int | None = None,
) -> StarSurvey:
    """The three modalities of AstroM3, scaled: photometry, spectra and metadata.

    Parameters
    ----------
    raw : RawStars
        Its catalogue needs `id`, `class` and the columns `PHOTOMETRIC` and `METADATA`.
    class_names : sequence of str, optional
        Classes to keep, in the order of their label ids; by default all, sorted. Stars of other classes are
        recorded as rejected. "" is a star without a class; it stays.
    spectrum_error, smallest_mad : str, float
        See `star_scaling.scale_spectra`.
    longest : int, optional
        See `star_scaling.scale_light_curves`.

    Returns
    -------
    StarSurvey
        The catalogue keeps the columns of `raw` and gains `photometry_fault`, `spectra_fault` and
        `metadata_fault`: why a star lacks that modality, "" where it does not, and `duplicate_points`. A star
        that lacks all three is in `rejected`.
    """
    names = tuple(sorted(set(_classes(raw.catalogue)) - {""}) if class_names is None else class_names)
    kept, label, lost = known_classes(raw.catalogue, names)
    points, offsets, flux, ivar = raw.points, raw.offsets, raw.flux, raw.ivar
    if not kept.all():
        n = np.diff(offsets)
        points, offsets = points[np.repeat(kept, n)], np.concatenate([[0], np.cumsum(n[kept])])
        flux, ivar = flux[kept], ivar[kept]
    catalogue = raw.catalogue[kept]

    curves = scale_light_curves(points, offsets, longest)
    constants = np.column_stack([photometric_columns(catalogue), curves.log_mad, curves.delta_t])
    curve_faults = _first_fault(
        catalogue, "photometry_fault", curves.faults, _missing(constants[:, :4], PHOTOMETRIC)
    )
    photometry = Modality(
        "light curve",
        curves.values,
        ("time", "flux", "flux error"),
        np.where(curve_faults == "", curves.n_points, 0).astype(np.int32),
        _blank(constants, curve_faults),
        PHOTOMETRIC + SCALED_CONSTANTS,
        PHOTOMETRIC,
    )
    values, log_mad, faults = scale_spectra(flux, ivar, error=spectrum_error, smallest_mad=smallest_mad)
    spectrum_faults = _first_fault(catalogue, "spectra_fault", faults)
    spectra = Modality(
        "spectrum",
        values,
        ("flux", "error"),
        (spectrum_faults == "").astype(np.int32),
        log_mad[:, None],
        ("log_mad",),
        axis=np.asarray(raw.wavelength, np.float64),
    )
    columns = metadata_columns(catalogue)
    metadata_faults = _first_fault(catalogue, "metadata_fault", _missing(columns, METADATA))
    metadata = Modality(
        "table", _blank(columns, metadata_faults), METADATA, (metadata_faults == "").astype(np.int32)
    )
    catalogue["photometry_fault"] = curve_faults
    catalogue["spectra_fault"] = spectrum_faults
    catalogue["metadata_fault"] = metadata_faults
    catalogue["duplicate_points"] = curves.duplicates
    return StarSurvey.build(
        {"photometry": photometry, "spectra": spectra, "metadata": metadata},
        label,
        names,
        catalogue,
        raw.source,
        truth=None if raw.truth is None else raw.truth[kept],
        rejected=vstack([raw.rejected, lost], metadata_conflicts="silent"),
    )


def known_classes(catalogue: Table, class_names: Sequence[str]) -> tuple[np.ndarray, np.ndarray, Table]:
    """Sort out stars of classes that are not asked for.

    Parameters
    ----------
    catalogue : Table
        N stars with `id` and `class`, "" for a star without a class.
    class_names : sequence of str
        Known classes in the order of their label ids.

    Returns
    -------
    kept : (N,) bool array
    label : int64 array
        Of the stars that are kept.
    rejected : Table
        The others, with the name of their class.
    """
    classes = _classes(catalogue)
    number = {name: i for i, name in enumerate(class_names)} | {"": UNLABELLED}
    kept = np.isin(classes, list(number))
    reasons = [f"class {name} is not in the survey" for name in classes[~kept]]
    label = np.array([number[name] for name in classes[kept].tolist()], np.int64)
    return kept, label, rejects(np.asarray(catalogue["id"])[~kept], reasons)


def _classes(catalogue: Table) -> np.ndarray:
    return np.ma.filled(np.ma.asarray(catalogue["class"]).astype(str), "").astype(str)


def _missing(columns: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Which column of a star is missing, in words; (N,) array of str."""
    bad = ~np.isfinite(columns)
    words = np.array([f"no value of {name}" for name in names])
    return np.where(bad.any(axis=1), words[bad.argmax(axis=1)], "")


def _first_fault(catalogue: Table, column: str, *faults: np.ndarray) -> np.ndarray:
    """The reader's words on why a modality is missing, if the catalogue has them, else the first fault."""
    known = [np.asarray(catalogue[column]).astype(str)] if column in catalogue.colnames else []
    first, *others = [*known, *faults]
    for other in others:
        first = np.where(first == "", other, first)
    return first


def _blank(values: np.ndarray, faults: np.ndarray) -> np.ndarray:
    """Zeros in the rows of stars that lack the modality."""
    return np.where((faults == "")[:, None], values, 0.0).astype(np.float32)
