"""The slow way, for comparison: every star decoded and scaled anew, in Python, each time it is asked for."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from astrolib.data.star_preprocessing import MAGNITUDES, METADATA, PHOTOMETRIC
from astrolib.data.stars import RawStars


class ReferenceStars:
    """Stars one at a time, as the paper's code reads them (AstroM3 card, section 12): a benchmark's baseline.

    A row of nested lists becomes arrays; duplicate rows are dropped, the curve scaled, cropped and padded,
    the spectrum interpolated and scaled, the columns transformed and standardised: for every star, every
    epoch. It has `__len__` and `__getitem__`, which is all that `torch.utils.data.DataLoader` needs. Nothing
    is checked. Use `star_preprocessing.survey_of` for work.

    Parameters
    ----------
    raw : RawStars
        Its arrays become Arrow columns of nested lists, the form in which the paper's data set holds them.
    class_names : sequence of str
        Names of the label ids.
    mean, std : (38,) array, optional
        Of the photometric and then the metadata columns after their transforms; none: no standardisation.
    sequence_length : int
        Points of a light curve.
    rng : numpy Generator, optional
        Draws where a crop starts, as in training; by default crops are centred.
    """

    def __init__(
        self,
        raw: RawStars,
        class_names: Sequence[str],
        mean: np.ndarray | None = None,
        std: np.ndarray | None = None,
        sequence_length: int = 200,
        rng: np.random.Generator | None = None,
    ) -> None:
        names = PHOTOMETRIC + METADATA
        n, length = raw.flux.shape
        spectra = np.stack([np.broadcast_to(raw.wavelength, (n, length)), raw.flux, raw.ivar], axis=2)
        self.table = pa.table(
            {
                "photometry": _nested(raw.points, raw.offsets),
                "spectra": _nested(spectra.reshape(-1, 3), np.arange(n + 1) * length),
                "metadata": pa.StructArray.from_arrays(
                    [pa.array(np.asarray(raw.catalogue[name], np.float64)) for name in names], names
                ),
                "class": pa.array(np.asarray(raw.catalogue["class"]).astype(str).tolist()),
            }
        )
        self.wavelength, self.class_names = raw.wavelength, list(class_names)
        self.mean = np.zeros(len(names)) if mean is None else mean
        self.std = np.ones(len(names)) if std is None else std
        self.sequence_length, self.rng = sequence_length, rng

    def __len__(self) -> int:
        return len(self.table)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, int]:
        """Photometry (200, 9), its mask (200,), spectrum (3, L), metadata (34,), label."""
        row = {name: values[0] for name, values in self.table.slice(index, 1).to_pydict().items()}
        columns = (self._columns(dict(row["metadata"])) - self.mean) / self.std
        photometry, mask = self._photometry(np.array(row["photometry"]), columns[: len(PHOTOMETRIC)])
        spectrum = self._spectrum(*np.array(row["spectra"]).T)
        metadata = columns[len(PHOTOMETRIC) :].astype(np.float32)
        return photometry, mask, spectrum, metadata, self.class_names.index(row["class"])

    def _columns(self, values: dict[str, float]) -> np.ndarray:
        parallax = values["parallax"] if values["parallax"] > 0 else 1.0
        for name in MAGNITUDES:
            values[name] = values[name] - 10 + 5 * np.log10(parallax)
        values["l"], values["b"] = np.cos(np.radians(values["l"])), np.sin(np.radians(values["b"]))
        values["period"] = np.log10(values["period"])
        return np.array([values[name] for name in PHOTOMETRIC + METADATA])

    def _photometry(self, curve: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        curve = np.unique(curve, axis=0)
        curve = curve[np.argsort(curve[:, 0], kind="stable")]
        time, flux, error = curve.T
        mad = np.median(np.abs(flux - np.median(flux)))
        span = time.max() - time.min()
        curve = np.stack([(time - time.min()) / span, (flux - flux.mean()) / mad, error / mad], axis=1)
        length = self.sequence_length
        spare = len(curve) - length
        if spare > 0:
            start = spare // 2 if self.rng is None else self.rng.integers(spare + 1)
            curve = curve[start : start + length]
        mask = np.arange(length) < len(curve)
        curve = np.concatenate([curve, np.zeros((length - len(curve), 3))])
        constants = np.tile([*columns, np.log10(mad), span / 365], (length, 1))
        return np.concatenate([curve, constants], axis=1).astype(np.float32), mask.astype(np.float32)

    def _spectrum(self, wavelength: np.ndarray, flux: np.ndarray, ivar: np.ndarray) -> np.ndarray:
        flux, ivar = (np.interp(self.wavelength, wavelength, values) for values in (flux, ivar))
        measured = flux[flux != 0]
        mad = np.median(np.abs(measured - np.median(measured)))
        constant = np.full(len(flux), np.log10(mad))
        return np.stack([(flux - flux.mean()) / mad, ivar / mad, constant]).astype(np.float32)


def _nested(rows: np.ndarray, offsets: np.ndarray) -> pa.ListArray:
    """Arrow list of lists: star i has the rows `offsets[i]` to `offsets[i + 1]`."""
    inner = pa.ListArray.from_arrays(
        pa.array(np.arange(len(rows) + 1) * rows.shape[1], pa.int32()), pa.array(rows.ravel())
    )
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), inner)
