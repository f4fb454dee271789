"""Gaia DR3 variables: four views of 42,735 labelled sources, smoothed by the published autoencoders."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from astropy.table import Table

from astrolib.data.galaxies import SurveyError, rejects
from astrolib.data.stars import UNLABELLED, Modality, StarSurvey

SOURCE = "Gaia DR3 variables, autoencoder-smoothed"
LATENTS = tuple(f"latent_mu_{i}" for i in range(15))
MEASURED = ("frequency", "magnitude_mean", "magnitude_std", "amplitude")
COLUMNS = ("sourceid", "label", "macro_class", *MEASURED, *LATENTS)
METADATA = ("log_frequency", "magnitude_mean", "log_magnitude_std", "log_amplitude")
N_BAND = 50  # samples of BP and of RP

CARBON_BELOW, OXYGEN_ABOVE = 0.9, 1.0  # of `cn_index`; the valley between the two kinds of Miras

GROUPS = {
    "LPV|LSP|M|OSARG|SARG|SR|SRA|SRB|SRC|SRD": "LPV",
    "EA|EB|ECL|EW": "ECL",
    "BY|FLARES|ROT|SOLAR_LIKE": "ROT",
    "DSCT|DSCT+GDOR|GDOR|SXPHE": "DSCT",
    "ACEP|BLHER|CEP|CW|DCEP|RV|T2CEP": "CEP",
    "ARRD|RRAB|RRC|RRD": "RR",
    "CTTS|GTTS|HAEBE|DIP|FUOR|PULS_PMS|TTS|UXOR|WTTS|YSO": "YSO",
    "ACV|CP|MCP|ROAM|ROAP|SXARI": "CP",
    "BE|GCAS|SDOR|WR": "BE",
    "EHM_ZZA|ELM_ZZA|GWVIR|HOT_ZZA|V777HER|ZZ|ZZA": "ZZ",
    "SYST|ZAND": "SYST",
    "V1093HER|V361HYA": "SDB",
}
"""Names for drawings of the macro classes that the table writes as lists of labels; others keep their own."""
GENERIC = ("CEP", "CP", "ECL", "LPV", "RR", "SYST", "T2CEP", "YSO", "ZZ")
"""Labels that name a group of types, not a type."""


def read_latents(path: Path) -> tuple[Table, Table]:
    """The table of sources (dataset `gaia_dr3_latents`; AstroM3 card, section 14.1).

    Parameters
    ----------
    path : Path
        `latent_vars_plus_metadata_pumap.parquet`.

    Returns
    -------
    sources : Table
        `id` (text), `label` (84 values), `macro_class` (as in the file; "" in 86 rows), `group` (its name
        for drawings, see `GROUPS`), `subtype` (see `subtypes`), `period` [d], `frequency` [1/d],
        `magnitude_mean`, `magnitude_std`, `amplitude` [mag] and `latent_mu_0` .. `latent_mu_14`.
    rejected : Table
        Columns `id` and `reason`: sources with a value that is not finite, a frequency, standard deviation
        or amplitude that is not positive, or an id that came before.

    Raises
    ------
    SurveyError
        If the file is not such a table; the message names the column that is missing.
    """
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowException) as error:
        raise SurveyError(
            f"{path} is not a Parquet file ({error}); fetch the dataset gaia_dr3_latents again."
        ) from None
    if missing := [name for name in COLUMNS if name not in file.schema_arrow.names]:
        raise SurveyError(
            f"{path} is not the table of Gaia DR3 latents: column {missing[0]} is missing. "
            "Fetch the dataset gaia_dr3_latents again."
        )
    rows = file.read(columns=list(COLUMNS)).to_pandas()
    sources = Table({"id": rows["sourceid"].astype(str).to_numpy(str)})
    sources["label"] = rows["label"].fillna("").to_numpy(str)
    sources["macro_class"] = rows["macro_class"].fillna("").to_numpy(str)
    sources["group"] = [GROUPS.get(name, name) for name in sources["macro_class"].tolist()]
    sources["subtype"] = subtypes(sources["label"])
    for name in MEASURED + LATENTS:
        sources[name] = rows[name].to_numpy()

    reasons = np.full(len(rows), "", dtype=object)
    for name in ("frequency", "magnitude_std", "amplitude"):
        reasons[~(sources[name] > 0)] = f"{name} is not positive"
    for name in MEASURED + LATENTS:
        reasons[~np.isfinite(sources[name])] = f"{name} is not a finite number"
    reasons[rows["sourceid"].duplicated().to_numpy()] = "id used before"
    good = reasons == ""
    lost = rejects(sources["id"][~good], reasons[~good])
    sources = sources[good]
    sources["period"] = 1 / sources["frequency"]
    return sources, lost


def subtypes(labels: np.ndarray) -> np.ndarray:
    """The labels that name one type of star, "" in place of those that leave it open; (N,) array of str.

    Open are names of groups (`GENERIC`) and doubts between types ("M|SR"). These are labels of catalogues,
    so they can serve as truth for the types within a macro class: M, SR, SARG, LSP, ... among the long-period
    variables; BY, ROT, SOLAR_LIKE, FLARES among the rotating ones; EA, EB, EW; RRAB, RRC, RRD. No label tells
    carbon-rich from oxygen-rich Miras.

    Examples
    --------
    >>> subtypes(np.array(["M", "M|SR", "LPV", "DSCT+GDOR"])).tolist()
    ['M', '', '', 'DSCT+GDOR']
    """
    labels = np.asarray(labels).astype(str)
    return np.where(np.isin(labels, GENERIC) | (np.strings.find(labels, "|") >= 0), "", labels)


def latents(sources: Table) -> np.ndarray:
    """The latents of each source, (N, 15) float32: five of spectrum, light curve and dm/dt map."""
    return np.stack([np.asarray(sources[name], np.float32) for name in LATENTS], axis=1)


def metadata_columns(sources: Table) -> np.ndarray:
    """The metadata of the baselines in the AstroM3 card, section 14.1, (N, 4) float32.

    log10 frequency [1/d], mean magnitude, log10 of its standard deviation and of the amplitude [mag].
    """
    columns = [
        np.log10(sources["frequency"]),
        sources["magnitude_mean"],
        np.log10(sources["magnitude_std"]),
        np.log10(sources["amplitude"]),
    ]
    return np.stack([np.asarray(column, np.float32) for column in columns], axis=1)


def cn_index(flux: np.ndarray, wavelength: np.ndarray) -> np.ndarray:
    """Strength of the CN band at 7900 to 8100 Å against the TiO bands at 7600 and 8430 Å, (N,) float32.

    Flux at 7980 Å over the mean of those at 7670 and 8430 Å. TiO makes the outer two faint in oxygen-rich
    stars, CN the inner one in carbon-rich ones. The index of the decoded spectra of Miras (label M) has
    two peaks, at 0.8 and 1.25, with the fewest stars near 0.95.

    Parameters
    ----------
    flux : (N, L) array
        RP spectra.
    wavelength : (L,) array
        Ascending, in Å.

    Examples
    --------
    >>> cn_index(np.array([[1.0, 2.0, 1.0]]), np.array([7670.0, 7980.0, 8430.0]))
    array([2.], dtype=float32)
    """
    low, middle, high = (flux[:, np.abs(wavelength - line).argmin()] for line in (7670, 7980, 8430))
    return (2 * middle / (low + high)).astype(np.float32)


def gaia_survey(
    sources: Table,
    folded: np.ndarray,
    sigma: np.ndarray,
    spectra: np.ndarray,
    dmdt: np.ndarray,
    wavelength: np.ndarray,
    *,
    label_column: str = "group",
    constants: bool = False,
    rejected: Table | None = None,
) -> StarSurvey:
    """Folded light curve, XP spectrum, dm/dt map and metadata of Gaia DR3 variables.

    All but the metadata are decoded from five numbers per source
    (`astrolib.models.gaia_autoencoders.decode`): real stars, but not observations.

    Parameters
    ----------
    sources : Table
        Of `read_latents`, N rows.
    folded : (N, L) float32 array
        Magnitudes at the phases 0, 1/L, 2/L, ... of two cycles, 0 bright and 1 faint.
    sigma : (N,) float32 array
        Their scatter, in the same units.
    spectra : (N, 100) float32 array
        50 fluxes of BP, then 50 of RP.
    dmdt : (N, 20, 10) float32 array
        Probabilities of magnitude differences given time differences.
    wavelength : (100,) float64 array
        Of the spectra, in nm.
    label_column : str
        "group" (macro classes under the names of `GROUPS`), "label" (84 labels) or "subtype". Sources whose
        entry is "" have no class.
    constants : bool
        Give the light curve log10 amplitude and log10 period as constant channels, as AstroM3 does. The
        metadata have both (they are in the baselines of the card), so a contrastive loss could then pair
        these two views by them alone, and would learn little else.
    rejected : Table, optional
        Of `read_latents`.

    Returns
    -------
    StarSurvey
        "photometry" (N, L, 3): phase, flux and error. Flux is the negative magnitude, so that brighter is
        larger, with zero mean and unit standard deviation per source (not the median absolute deviation of
        AstroM3, which is nearly zero for a flat curve with narrow eclipses); phase 0 is the faintest point.
        "spectra" (N, 1, 100): BP, then RP, each from blue to red, in units of about the maximum; `axis` in Å.
        They are standardised sample by sample: the differences between stars are small against the shape
        that all have in common.
        "dmdt" (N, 1, 20, 10). "metadata" (N, 4): see `metadata_columns`.

        The catalogue is `sources` with `cn_index` and, for the group LPV, `chemistry`: "carbon-rich" below
        0.9, "oxygen-rich" above 1.0, else "". No catalogue label says it: it is read off the decoded
        spectrum, so it can test the other modalities, but is no independent truth for "spectra".

    Raises
    ------
    SurveyError
        If the arrays do not tell of the same sources or have another form.
    """
    n, n_points = len(sources), np.shape(folded)[-1]
    given = [np.shape(array) for array in (folded, sigma, spectra, dmdt, wavelength)]
    needed = [(n, n_points), (n,), (n, 2 * N_BAND), (n, 20, 10), (2 * N_BAND,)]
    if given != needed:
        raise SurveyError(
            f"{SOURCE}: {n} sources need folded curves, scatter, spectra, dm/dt maps and wavelengths of "
            f"shapes {needed}, got {given}."
        )
    if label_column not in sources.colnames:
        raise SurveyError(f"{SOURCE}: there is no column {label_column!r} to take classes from.")

    std = folded.std(axis=1, keepdims=True, dtype=np.float64)
    curve = np.empty((n, n_points, 3), np.float32)
    curve[:, :, 0] = np.arange(n_points) / n_points
    with np.errstate(divide="ignore", invalid="ignore"):  # a flat curve becomes a counted rejection
        curve[:, :, 1] = -(folded - folded.mean(axis=1, keepdims=True, dtype=np.float64)) / std
        curve[:, :, 2] = sigma[:, None] / std
    metadata = metadata_columns(sources)
    names = ("log_amplitude", "log_period") if constants else ()
    own = np.stack([metadata[:, 3], -metadata[:, 0]], axis=1) if constants else None
    blue, red = np.argsort(wavelength[:N_BAND]), N_BAND + np.argsort(wavelength[N_BAND:])
    order = np.concatenate([blue, red])
    one = np.ones(n, np.int32)
    modalities = {
        "photometry": Modality(
            "light curve", curve, ("phase", "flux", "flux error"), one * n_points, own, names, names
        ),
        "spectra": Modality(
            "spectrum",
            np.ascontiguousarray(spectra[:, None, order]),
            ("flux",),
            one,
            standardized=("flux",),
            axis=10 * wavelength[order],
        ),
        "dmdt": Modality("image", dmdt[:, None], ("probability",), one),
        "metadata": Modality("table", metadata, METADATA, one),
    }
    catalogue = sources.copy(copy_data=False)
    catalogue["cn_index"] = cn_index(spectra[:, red], 10 * wavelength[red])
    catalogue["chemistry"] = _chemistry(catalogue)
    classes = np.asarray(sources[label_column]).astype(str)
    class_names = sorted(set(classes.tolist()) - {""})
    number = {name: i for i, name in enumerate(class_names)} | {"": UNLABELLED}
    label = np.array([number[name] for name in classes.tolist()], np.int64)
    return StarSurvey.build(modalities, label, class_names, catalogue, SOURCE, rejected=rejected)


def _chemistry(catalogue: Table) -> np.ndarray:
    index = np.asarray(catalogue["cn_index"])
    cool = np.asarray(catalogue["group"]) == "LPV"
    return np.select(
        [cool & (index < CARBON_BELOW), cool & (index > OXYGEN_ABOVE)], ["carbon-rich", "oxygen-rich"], ""
    )
