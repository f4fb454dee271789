"""Every claim of AstroM3 held against our classifiers, from the predictions on disk."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from IPython.display import Markdown
from matplotlib.figure import Figure

from astrolib.evaluate.claims import judge_paired
from astrolib.report import figures, results
from astrolib.report.tables import published

SCRATCH, CLIP, FOREST = "from scratch", "CLIP", "random forest"


@dataclass(frozen=True)
class Claim:
    """The first classifier is right more often than the second, with a fraction of the labels."""

    words: str
    fraction: float
    first: tuple[str, str]  # modality, way
    second: tuple[str, str]


def _gain(modality: str, percent: int, words: str = "") -> Claim:
    fraction = percent / 100
    return Claim(
        f"CLIP helps {words or modality}, {percent} % of labels",
        fraction,
        (modality, CLIP),
        (modality, SCRATCH),
    )


CLAIMS = (
    _gain("spectra", 10),
    _gain("spectra", 50),
    _gain("metadata", 10),
    _gain("metadata", 25),
    _gain("photometry", 10),
    _gain("photometry", 25),
    _gain("all", 10, "all modalities"),
    _gain("all", 100, "all modalities"),
    Claim("All modalities beat photometry alone", 1.0, ("all", CLIP), ("photometry", CLIP)),
    Claim("All modalities beat spectra alone", 1.0, ("all", CLIP), ("spectra", CLIP)),
    Claim("All modalities beat metadata alone", 1.0, ("all", CLIP), ("metadata", CLIP)),
    Claim("Photometry beats spectra", 1.0, ("photometry", CLIP), ("spectra", CLIP)),
    Claim("Photometry beats metadata", 1.0, ("photometry", CLIP), ("metadata", CLIP)),
    Claim("All with CLIP beat a random forest, 100 % (ours)", 1.0, ("all", CLIP), ("all", FOREST)),
    Claim("All with CLIP beat a random forest, 10 % (ours)", 0.1, ("all", CLIP), ("all", FOREST)),
)
"""The paper's statements about its main table, and two comparisons that it does not make."""


def claims(profile: str, which: str = "astrom3") -> Markdown:
    """Every claim with our difference, its 95 % interval and a verdict."""
    return results.save_table(profile, f"{which}_claims", claim_table(profile, which))


def claims_figure(profile: str, which: str = "astrom3") -> Figure:
    """The same as a picture."""
    table = claim_table(profile, which)
    figure = figures.claim_intervals(
        table,
        "difference of accuracy [percentage points] (positive: the claim holds), 95 % interval",
        "paper, five seeds",
    )
    return results.save_figure(profile, f"{which}_claims", figure, table["source"][0])


def claim_table(profile: str, which: str = "astrom3") -> pd.DataFrame:
    """Differences of accuracy on the paper's test subsets in percentage points, a row for each claim.

    Claims about modalities or fractions that the survey does not have are left out.
    """
    predictions = results.load(profile, f"{which}_predictions")
    predictions = predictions[predictions["in_subset"]]
    keys = ["modality", "fraction", "way"]
    right = {key: _right(table) for key, table in predictions.groupby(keys, observed=True)}
    printed = published("astrom3_table_aj").set_index(["modality", "fraction", "clip"])["mean"]
    rows = []
    for claim in CLAIMS:
        (modality_a, way_a), (modality_b, way_b) = claim.first, claim.second
        first, second = (modality_a, claim.fraction, way_a), (modality_b, claim.fraction, way_b)
        if first not in right or second not in right:
            continue
        gains = _gains(right[first], right[second])
        found = judge_paired(gains)
        paper = [
            printed.get((m, claim.fraction, int(way == CLIP)), np.nan)
            for m, way in (claim.first, claim.second)
        ]
        known = FOREST not in (way_a, way_b)
        rows.append(
            {
                "claim": claim.words,
                "fraction": claim.fraction,
                **{name: 100 * found[name] for name in ("difference", "low", "high")},
                "paper_difference": round(paper[0] - paper[1], 2) if known else np.nan,
                "verdict": found["verdict"],
                "n_seeds": len(gains),
                "source": predictions["source"].iloc[0],
            }
        )
    return pd.DataFrame(rows)


def _right(table: pd.DataFrame) -> pd.DataFrame:
    """Whether each star of each seed is classified rightly."""
    return table.assign(right=(table["label"] == table["prediction"]).astype(int)).set_index(["seed", "id"])


def _gains(first: pd.DataFrame, second: pd.DataFrame) -> list[np.ndarray]:
    """Star by star, for each seed, on the stars that both have seen."""
    both = first[["right"]].join(second["right"].rename("right_second"), how="inner")
    gain = both["right"] - both["right_second"]
    return [values.to_numpy() for _, values in gain.groupby(level="seed")]
