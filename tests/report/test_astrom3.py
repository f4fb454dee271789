"""Tables and figures of AstroM3 from numbers on disk: values against oracles, files all there."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy import stats

from astrolib import paths, profiles
from astrolib.report import astrom3, astrom3_scores, astrom3_tables, results, style
from astrolib.report.tables import PAPER_ONLY, published

SPEC = importlib.util.spec_from_file_location(
    "astrom3_results", Path(__file__).with_name("astrom3_results.py")
)
made_up = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(made_up)


@pytest.fixture
def demo():
    made_up.fabricate("demo", n=240)
    return "demo"


@pytest.fixture
def quick(monkeypatch):
    """Figures are drawn and stamped but not turned into pixels."""

    def save(figure, path, source):
        style.stamp(figure, source)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    monkeypatch.setattr(style, "save", save)


def test_published_tables_hold_the_numbers_of_the_card():
    table = published("astrom3_table_aj").set_index(["modality", "fraction", "clip"])
    assert len(table) == 32
    assert table.loc[("spectra", 0.1, 1), "mean"] == 60.963
    gain = table.xs(1, level="clip")["mean"] - table.xs(0, level="clip")["mean"]
    assert gain[("photometry", 0.25)] == pytest.approx(10.198) and gain.idxmax() == ("spectra", 0.1)
    assert len(published("astrom3_hparams")) == 33 and len(published("astrom3_table_rerun")) == 24
    counts = published("astrom3_class_counts")
    assert counts[counts["fraction"] == 1.0].groupby("split")["count"].sum().to_dict() == {
        "train": 17063, "validation": 2152, "test": 2225,
    }  # fmt: skip
    assert len(published("astrom3_confusions")) == 800


def test_aj_table_has_the_columns_of_the_issue(demo):
    astrom3_tables.table_aj(demo)
    table = pd.read_csv(paths.figures(demo) / "astrom3_table_aj.csv")
    assert list(table.columns[:11]) == [
        "modality", "fraction", "clip", "mean", "std", "p_value", "paper_mean", "paper_std", "baseline_mean",
        "n_seeds", "source",
    ]  # fmt: skip
    assert len(table) == 32 and set(table["clip"]) == {0, 1} and (table["source"] == "simulated stars").all()


def test_aj_table_agrees_with_scipy(demo):
    scores = results.load(demo, "astrom3_scores")
    some = scores[(scores["modality"] == "spectra") & (scores["fraction"] == 0.1)].set_index("seed")
    clip, scratch = (some.loc[some["way"] == way, "accuracy"] for way in ("CLIP", "from scratch"))
    table = astrom3_scores.aj_table(demo).set_index(["modality", "fraction", "clip"])
    row = table.loc[("spectra", 0.1, 1)]
    assert row["mean"] == pytest.approx(clip.mean()) and row["std"] == pytest.approx(np.std(clip))
    assert row["std_sample"] == pytest.approx(np.std(clip, ddof=1))
    assert row["p_value"] == pytest.approx(stats.ttest_rel(clip, scratch).pvalue)
    assert table.loc[("spectra", 0.1, 0), "p_value"] == row["p_value"]
    assert row["baseline_mean"] == pytest.approx(some.loc[some["way"] == "random forest", "accuracy"].mean())
    assert (row["paper_mean"], row["paper_std"], row["paper_p_value"]) == (60.963, 2.584, 0.002294)
    assert row["whole_test_mean"] == pytest.approx(
        some.loc[some["way"] == "CLIP", "accuracy_whole_test"].mean()
    )


def test_per_seed_values_of_the_card_give_the_printed_spread(demo):
    """Card, sections 9.1 and 16.9."""
    right = {42: (2084, 2225), 0: (2068, 2240), 66: (2114, 2234), 12: (2087, 2231), 123: (2091, 2240)}
    rows = [
        {
            "modality": "all",
            "fraction": 1.0,
            "way": "CLIP",
            "seed": seed,
            "accuracy": 100 * k / n,
            "balanced_accuracy": 90.0,
            "accuracy_whole_test": 100 * k / n,
            "n_train": 17063,
            "n_test": n,
            "source": "x",
        }
        for seed, (k, n) in right.items()
    ]
    results.keep(demo, "astrom3_scores", pd.DataFrame(rows))
    table = astrom3_scores.aj_table(demo)
    ours = table[table["n_seeds"] == 5].iloc[0]
    assert ours["mean"] == pytest.approx(ours["paper_mean"], abs=5e-4)
    assert ours["std"] == pytest.approx(ours["paper_std"], abs=5e-4)
    assert ours["std_sample"] == pytest.approx(0.824, abs=5e-4)
    assert np.isnan(ours["p_value"]) and np.isnan(ours["baseline_mean"])
    rest = table[table["n_seeds"] == 0]
    assert len(rest) == 31 and (rest["source"] == PAPER_ONLY).all() and rest["mean"].isna().all()


def test_a_single_seed_has_no_test_and_the_same_gain_no_warning(demo, recwarn):
    scores = results.load(demo, "astrom3_scores")
    results.keep(demo, "astrom3_scores", scores[scores["seed"] == 42])
    table = astrom3_scores.aj_table(demo)
    assert table["p_value"].isna().all() and (table["std"] == 0).all() and table["std_sample"].isna().all()
    gain = astrom3_scores.gain_table(demo)
    assert gain["low"].isna().all() and gain["gain"].notna().all()
    flat = scores.assign(accuracy=np.where(scores["way"] == "CLIP", 80.0, 70.0))
    results.keep(demo, "astrom3_scores", flat)
    assert (astrom3_scores.gain_table(demo)["gain"] == 10).all()
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


def test_gain_beside_the_papers(demo):
    gain = astrom3_scores.gain_table(demo).set_index(["modality", "fraction"])
    assert gain.loc[("spectra", 0.1), "paper_gain"] == 14.286
    assert gain.loc[("all", 1.0), "paper_gain"] == -0.626
    assert (gain["low"] < gain["gain"]).all() and (gain["gain"] < gain["high"]).all()
    scores = results.load(demo, "astrom3_scores").query("modality == 'all' and fraction == 0.5")
    wide = scores.pivot(index="seed", columns="way", values="accuracy")
    difference = wide["CLIP"] - wide["from scratch"]
    low, high = stats.t.interval(0.95, 2, difference.mean(), stats.sem(difference))
    assert gain.loc[("all", 0.5), ["low", "high"]].tolist() == pytest.approx([low, high])


def test_table_for_reading_has_a_row_for_each_fraction(demo):
    text = astrom3_tables.table_aj(demo).data
    assert text == (paths.figures(demo) / "astrom3_table_aj.md").read_text()
    lines = text.splitlines()
    assert len(lines) == 2 + 16 and lines[0].startswith("| modality | labels | from scratch ± std (paper) |")
    assert "(46.68 ± 3.49)" in lines[2 + 4] and "(60.96 ± 2.58)" in lines[2 + 4] and "10%" in lines[2 + 4]


def test_importance_knows_the_papers_overall_accuracy(demo):
    table = astrom3_scores.importance_table(demo).set_index(["class_name", "modalities"])
    everything = "photometry+spectra+metadata"
    assert table.loc[("overall", everything), "paper_accuracy"] == 92.44
    assert table.loc[("overall", "spectra"), "paper_accuracy"] == 65.89
    assert table.loc[("class mean", everything), "paper_accuracy"] == 93.07
    assert table.loc[("EB", "photometry+metadata"), "paper_accuracy"] == 76.88
    ours = results.load(demo, "astrom3_importance").query("class_name == 'EB' and modalities == 'spectra'")
    assert table.loc[("EB", "spectra"), "accuracy"] == pytest.approx(ours["accuracy"].mean())
    assert table.index[0][0] == "DSCT" and table.index[-1] == ("overall", everything)


def test_embedding_classifiers_leave_out_what_only_seed_42_has(demo):
    table = astrom3_scores.embedding_table(demo).set_index(["modality", "fraction", "classifier"])
    assert len(table) == 32
    row = table.loc[("photometry", 1.0, "nearest neighbour")]
    assert (row["paper_accuracy"], row["paper_accuracy_std"]) == (87.018, 0.346)


def test_confusion_counts_the_subset_of_the_first_seed(demo):
    counts, names, fraction, seed = astrom3_scores.confusion_counts(demo)
    rows = results.load(demo, "astrom3_predictions").query(
        "modality == 'all' and way == 'CLIP' and seed == 42 and in_subset"
    )
    assert counts.sum() == len(rows) and np.trace(counts) == (rows["label"] == rows["prediction"]).sum()
    assert names == list(astrom3_scores.PAPER_ORDER) and (fraction, seed) == (0.5, 42)
    assert (counts.sum(axis=1) == np.bincount(rows["label"], minlength=10)).all()


def test_class_counts_stand_beside_the_papers(demo):
    astrom3_tables.class_counts(demo)
    table = pd.read_csv(paths.figures(demo) / "astrom3_class_counts.csv")
    row = table.query("class_name == 'EW' and fraction == 1.0 and split == 'train'").iloc[0]
    assert row["paper_count"] == 4890 and row["count"] == 134 and row["seed"] == 42


def test_hyperparameters_of_a_tuned_profile_are_the_papers(demo):
    for profile, tuned in (("demo", False), ("paper", True)):
        assert profiles.load(profile).astrom3.tuned is tuned
        made_up.fabricate(profile, n=60)
        astrom3_tables.hyperparameters(profile)
        table = pd.read_csv(paths.figures(profile) / "astrom3_hyperparameters.csv")
        assert len(table) == 33
        assert (table["lr"] == table["paper_lr"]).all() == tuned
        same = table["photometry_dropout"].isna() == table["paper_photometry_dropout"].isna()
        assert same.all()


def test_networks_have_the_papers_sizes(demo):
    astrom3_tables.TABLES["astrom3_parameters"](demo)
    table = pd.read_csv(paths.figures(demo) / "astrom3_parameters.csv").set_index("network")
    different = table[table["parameters"] != table["paper_parameters"]]
    assert different.index.tolist() == ["classifier of all three"]
    assert (different["paper_parameters"] - different["parameters"]).tolist() == [3]  # scales it does not use


def test_outliers_list_candidates_first(demo):
    astrom3_tables.outliers(demo)
    table = pd.read_csv(paths.figures(demo) / "astrom3_outliers.csv", keep_default_na=False)
    candidate = (table["kind"] != "").to_numpy()
    assert candidate.any() and not candidate[candidate.argmin() :].any()
    kept = results.load(demo, "astrom3_outliers")
    assert len(table) == ((kept["n_flagged"] > 0) | (kept["kind"] != "")).sum()


def test_planted_stars_need_a_truth(demo):
    assert "0.64 [0.40, 0.90]" in astrom3_tables.planted(demo).data
    made_up.fabricate("sample", n=60, truth=False, source="Gaia")
    assert "Nobody knows" in astrom3_tables.planted("sample").data
    assert not (paths.figures("sample") / "astrom3_planted.csv").exists()


def test_columns_that_separate_clusters_come_first(demo):
    table = astrom3_scores.separating_table(demo)
    assert table.columns[:2].tolist() == ["group", "column"] and set(table["group"]) == {"M", "ROT"}
    first = table.groupby("group").first()
    assert (first["effect"] > 0.8).all() and set(first["column"]) <= {"j_k", "bp_rp"}
    assert not set(table["column"]) & {"x", "y", "cluster"}


def test_throughput_says_how_many_times_the_slowest(demo):
    astrom3_tables.throughput(demo)
    table = pd.read_csv(paths.figures(demo) / "astrom3_throughput.csv").set_index("way")
    assert table["times_slowest"].to_dict() == {"plain loop": 1.0, "astrolib": 22.5}


def test_everything_of_the_demo_is_drawn(demo, quick):
    made = astrom3.redraw(demo)
    assert set(made) == {path.name for path in paths.figures(demo).iterdir() if path.suffix != ".md"}
    assert {f"astrom3_confusion_{m}.png" for m in ("photometry", "spectra", "metadata", "all")} <= set(made)
    assert "astrom3_planted.csv" in made and not any("eros1" in name or "dmdt" in name for name in made)


def test_a_figure_says_that_its_stars_are_simulated(demo, quick):
    for name in ("astrom3_light_curves", "astrom3_table_aj", "astrom3_umap_all"):
        figure = astrom3.FIGURES[name](demo)
        assert isinstance(figure, Figure)
        assert [text.get_text() for text in figure.texts if text.get_gid() == "source"] == [
            "Data: simulated stars"
        ]


def test_a_survey_of_other_views_has_no_paper_values(quick):
    made_up.fabricate_sample()
    which = astrom3.SECOND
    table = astrom3_scores.aj_table("sample", which)
    assert table["paper_mean"].isna().all() and set(table["modality"]) == {"blue", "red", "metadata", "all"}
    assert astrom3_scores.gain_table("sample", which)["paper_gain"].isna().all()
    assert set(astrom3_scores.aj_table("sample")["modality"]) == {
        "photometry",
        "spectra",
        "dmdt",
        "metadata",
        "all",
    }
    astrom3.light_curves("sample", which)
    assert (paths.figures("sample") / "astrom3_eros1_light_curves.png").exists()
    assert isinstance(astrom3.dmdt("sample"), Figure)


def test_what_a_survey_lacks_is_said_in_words(demo, quick):
    assert "no dm/dt" in astrom3.dmdt(demo).data
    stars = results.load(demo, "astrom3_stars")
    results.keep(demo, "astrom3_stars", stars[["id", "class", "source"]])
    assert "no metadata" in astrom3.metadata(demo).data


def test_missing_numbers_are_an_error_in_words(capsys):
    with pytest.raises(results.MissingResult, match="make all PROFILE=demo"):
        astrom3.table_aj("demo")
    assert astrom3.main(["--profile", "demo"]) == 1
    assert "do not exist yet" in capsys.readouterr().err


@pytest.mark.slow
def test_what_only_the_sample_draws_is_in_small_files():
    made_up.fabricate_sample()
    figures, made = astrom3.more_figures("sample"), astrom3.more_tables("sample")
    assert {"astrom3_dmdt", "astrom3_umap_dmdt", "astrom3_eros1_table_aj"} <= set(figures)
    assert "astrom3_eros1_table_aj" in made
    for name, draw in figures.items():
        draw("sample")
        assert 0 < (paths.figures("sample") / f"{name}.png").stat().st_size < 200_000
    for name, make in made.items():
        make("sample")
        assert (paths.figures("sample") / f"{name}.csv").stat().st_size > 0
