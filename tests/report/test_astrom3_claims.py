"""Claims of AstroM3 from predictions on disk: differences by hand, verdicts, and what the paper printed."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from astrolib import paths
from astrolib.report import astrom3_claims, results, style
from astrolib.report.astrom3_claims import CLAIMS, CLIP, FOREST, SCRATCH, claim_table

SPEC = importlib.util.spec_from_file_location(
    "astrom3_results", Path(__file__).with_name("astrom3_results.py")
)
made_up = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(made_up)

WRONG = {CLIP: 0.1, SCRATCH: 0.4, FOREST: 0.2}
"""How often each way is wrong."""


def predictions(wrong=None, modalities=made_up.TRIMODAL, n=300, seeds=(42, 0)) -> pd.DataFrame:
    """Each network errs on stars of its own; every second star is in the subset."""
    rng, tables = np.random.default_rng(0), []
    for modality in (*modalities, "all"):
        for fraction in made_up.FRACTIONS:
            for way, share in WRONG.items():
                for seed in seeds:
                    label = np.arange(n) % 3
                    bad = rng.random(n) < (wrong or {}).get((modality, fraction, way), share)
                    table = pd.DataFrame({"id": [f"star {k}" for k in range(n)], "label": label})
                    table = table.assign(prediction=(label + bad) % 3, in_subset=np.arange(n) % 2 == 0)
                    tables.append(table.assign(modality=modality, fraction=fraction, way=way, seed=seed))
    return pd.concat(tables, ignore_index=True).assign(source="simulated stars")


def keep(table, which="astrom3"):
    results.keep("demo", f"{which}_predictions", table)
    return claim_table("demo", which).set_index("claim")


def accuracy(table, modality, fraction, way):
    chosen = table.query(
        f"modality == '{modality}' and fraction == {fraction} and way == '{way}' and in_subset"
    )
    return chosen.groupby("seed").apply(lambda x: 100 * (x["label"] == x["prediction"]).mean()).mean()


def test_differences_are_those_of_the_accuracies_on_the_subset():
    table = predictions()
    found = keep(table)
    assert len(found) == len(CLAIMS) and (found["source"] == "simulated stars").all()
    for claim in CLAIMS:
        ours = accuracy(table, claim.first[0], claim.fraction, claim.first[1])
        ours -= accuracy(table, claim.second[0], claim.fraction, claim.second[1])
        row = found.loc[claim.words]
        assert row["difference"] == pytest.approx(ours)
        assert row["low"] <= row["difference"] <= row["high"] and row["n_seeds"] == 2
        assert row["fraction"] == claim.fraction


def test_verdicts_follow_the_interval():
    key = ("spectra", 0.1, SCRATCH), ("metadata", 0.1, SCRATCH)
    found = keep(predictions({key[0]: 0.0, key[1]: 0.1}))
    assert found.loc["CLIP helps spectra, 10 % of labels", "verdict"] == "disagrees"
    assert found.loc["CLIP helps metadata, 10 % of labels", "verdict"] == "undecided"
    assert found.loc["CLIP helps photometry, 10 % of labels", "verdict"] == "agrees"
    assert (found["verdict"] == "agrees").eq(found["low"] > 0).all()
    assert (found["verdict"] == "disagrees").eq(found["high"] < 0).all()
    same = keep(predictions({(m, f, w): 0.0 for m in ("all",) for f in (1.0, 0.1) for w in WRONG}))
    row = same.loc["CLIP helps all modalities, 10 % of labels"]
    assert (row["difference"], row["low"], row["high"], row["verdict"]) == (0, 0, 0, "undecided")


@pytest.mark.parametrize(
    ("claim", "difference"),
    [
        ("CLIP helps spectra, 10 % of labels", 14.29),
        ("CLIP helps spectra, 50 % of labels", 3.30),
        ("CLIP helps metadata, 10 % of labels", 2.27),
        ("CLIP helps photometry, 25 % of labels", 10.20),
        ("CLIP helps all modalities, 100 % of labels", -0.63),
        ("All modalities beat spectra alone", 16.45),
    ],
)
def test_the_papers_differences_are_its_own(claim, difference):
    assert keep(predictions(n=30)).loc[claim, "paper_difference"] == pytest.approx(difference, abs=0.011)


def test_the_forest_is_ours_alone():
    found = keep(predictions(n=60))
    ours = found.index.str.contains("random forest")
    assert ours.sum() == 2 and found.loc[ours, "paper_difference"].isna().all()
    assert found.loc[~ours, "paper_difference"].notna().all()


def test_claims_about_absent_views_and_fractions_are_left_out():
    found = keep(predictions(modalities=("photometry", "metadata"), n=60))
    assert not found.index.str.contains("spectra").any() and len(found) == len(CLAIMS) - 4
    whole = predictions(n=60)
    assert set(keep(whole[whole["fraction"] == 1.0])["fraction"]) == {1.0}
    made_up.fabricate("demo", n=120)  # half of the labels only
    assert claim_table("demo")["claim"].tolist() == ["CLIP helps spectra, 50 % of labels"]


def test_only_stars_that_both_have_seen_are_compared():
    table = predictions(n=100)
    lacks = (table["modality"] == "spectra") & (table["id"].isin([f"star {k}" for k in range(50)]))
    found = keep(table[~lacks])
    both = table[~table["id"].isin([f"star {k}" for k in range(50)])]
    ours = accuracy(both, "all", 1.0, CLIP) - accuracy(both, "spectra", 1.0, CLIP)
    assert found.loc["All modalities beat spectra alone", "difference"] == pytest.approx(ours)


def test_table_and_figure_are_saved(monkeypatch):
    monkeypatch.setattr(
        style, "save", lambda figure, path, source: path.parent.mkdir(parents=True, exist_ok=True)
    )
    keep(predictions(n=90))
    assert "CLIP helps spectra, 10 % of labels" in astrom3_claims.claims("demo").data
    saved = pd.read_csv(paths.figures("demo") / "astrom3_claims.csv")
    promised = [
        "claim",
        "fraction",
        "difference",
        "low",
        "high",
        "paper_difference",
        "verdict",
        "n_seeds",
        "source",
    ]
    assert list(saved.columns) == promised
    figure = astrom3_claims.claims_figure("demo")
    assert isinstance(figure, Figure)
    names = [text.get_text() for text in figure.axes[0].get_yticklabels()]
    assert len(names) == len(CLAIMS) and "percentage points" in figure.axes[0].get_xlabel()


def test_without_predictions_it_says_what_to_run():
    with pytest.raises(results.MissingResult, match="make all PROFILE=demo"):
        claim_table("demo")
