"""The README quotes what the committed tables hold."""

import re

import pandas as pd
import pytest

from astrolib import paths, profiles

README = (paths.project() / "README.md").read_text()
FIGURES = paths.project() / "figures"


def section(title: str) -> str:
    return README.partition(f"## {title}")[2].partition("\n## ")[0]


def table_rows(text: str) -> list[list[str]]:
    """Cells of the only table in a text, without its heading and without bold type."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip().replace("*", "") for cell in line.strip("|").split("|")] for line in lines[2:]]


def quoted_rows() -> dict[str, list[str]]:
    """Cells of AstroMAE's results table by network."""
    return {cells[0]: cells[1:] for cells in table_rows(section("Results: AstroMAE"))}


def test_results_table_is_that_of_the_sample_profile():
    table = pd.read_csv(FIGURES / "sample/astromae_table4.csv").set_index("network")
    quoted = quoted_rows()
    assert list(quoted) == list(table.index)
    for network, cells in quoted.items():
        init, mse, paper_mse, precision, r2 = (cell.replace("*", "") for cell in cells)
        row = table.loc[network]
        assert init == row["init"]
        value, spread = map(float, mse.split(" ± "))
        assert (value, spread) == (
            pytest.approx(row["mse"], abs=6e-6),
            pytest.approx(row["mse_std"], abs=6e-6),
        )
        assert precision == f"{row['precision']:.4f}" and r2 == f"{row['r2']:.3f}"
        assert paper_mse == ("" if pd.isna(row["paper_mse"]) else f"{row['paper_mse']:.5f}")


def test_results_say_where_their_data_come_from():
    (source,) = pd.read_csv(FIGURES / "sample/astromae_table4.csv")["source"].unique()
    assert source in section("Results: AstroMAE")
    (source,) = pd.read_csv(FIGURES / "sample/astrom3_table_aj.csv").query("n_seeds > 0")["source"].unique()
    assert source in section("Results: AstroM³")


def test_star_table_is_that_of_the_sample_profile():
    table = pd.read_csv(FIGURES / "sample/astrom3_table_aj.csv").query("n_seeds > 0")
    table = table.set_index(["modality", "fraction", "clip"])
    rows = table_rows(section("Results: AstroM³"))
    assert {(cells[0], cells[1]) for cells in rows} == {
        (modality, f"{fraction:.0%}") for modality, fraction, _ in table.index if fraction in (0.1, 1.0)
    }
    for modality, labels, scratch, clip, gain, paper_gain, forest in rows:
        fraction = float(labels.strip("%")) / 100
        ours = [table.loc[(modality, fraction, way)] for way in (0, 1)]
        for quoted, row in zip((scratch, clip), ours, strict=True):
            assert quoted == f"{row['mean']:.1f} ± {row['std']:.1f}"
        assert gain == f"{ours[1]['mean'] - ours[0]['mean']:+.1f}"
        known = pd.notna(ours[0]["paper_mean"])
        assert paper_gain == (f"{ours[1]['paper_mean'] - ours[0]['paper_mean']:+.1f}" if known else "")
        assert forest == f"{ours[0]['baseline_mean']:.1f}"


def test_everything_linked_is_there():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (paths.project() / target).exists(), target


def test_commands_and_profiles_exist():
    makefile = (paths.project() / "Makefile").read_text()
    for target in set(re.findall(r"`make (\w+)[^`]*`", README)) | {"all", "test"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for name in ("demo", "sample", "paper"):
        assert f"`{name}`" in README and name in profiles.available()


def mean_and_spread(row: pd.Series) -> str:
    return f"{row['balanced_accuracy']:.1f} ± {row['balanced_accuracy_std']:.1f}"


def test_barlow_tables_are_those_of_the_sample_profile():
    text = section("Results: Barlow Twins")
    worth, losses = text.split("### The terms of the loss")
    table = pd.read_csv(FIGURES / "sample/barlow_table2.csv").query("n_seeds > 0")
    (source,) = table["source"].unique()
    assert source in text
    cells = table.set_index(["method", "encoder", "protocol", "fraction"])
    rows = table_rows(worth)
    methods = table[["method", "encoder"]].drop_duplicates().replace({"encoder": {"none": ""}})
    assert [row[:2] for row in rows] == methods.to_numpy().tolist()
    for method, encoder, *quoted in rows:
        frozen = "linear" if encoder else "random forest"
        columns = [(frozen, 1.0), (frozen, 0.1), (frozen, 0.01), ("k-NN", 1.0)]
        columns += [("fine-tuned", fraction) for fraction in (1.0, 0.1, 0.01)]
        for cell, column in zip(quoted, columns, strict=True):
            key = (method, encoder or "none", *column)
            assert cell == (mean_and_spread(cells.loc[key]) if key in cells.index else "")

    table = pd.read_csv(FIGURES / "sample/barlow_table5.csv").query("n_seeds > 0")
    rows = table_rows(losses)
    assert len(rows) == table["variant"].nunique()
    for variant, row in zip(table["variant"].unique(), rows, strict=True):
        ours = table[table["variant"] == variant].set_index("fraction")
        assert row[1:4] == [mean_and_spread(ours.loc[fraction]) for fraction in (1.0, 0.1, 0.01)]
        paper = ours["paper_top1"].dropna()
        assert row[4] == (f"{paper.iloc[0]:.1f}" if len(paper) else "")


def test_criteria_of_masked_autoencoders_are_those_of_the_sample_profile():
    text = section("Results: R-MAE, A²-MAE and STMAE")
    files = {"R-MAE": "radial", "A²-MAE": "anchor", "STMAE": "dual"}
    tables = {
        name: pd.read_csv(FIGURES / f"sample/{file}_criteria.csv").query("column == 'full'")
        for name, file in files.items()
    }
    for name, table in tables.items():
        assert all(source.partition(", null")[0] in text for source in table["source"]), name
    rows = table_rows(text)
    assert {row[0] for row in rows} == set(files)
    for name, criterion, ours, asked, verdict in rows:
        row = tables[name].set_index("criterion").loc[criterion]
        assert ours == f"{row['value']:.3g} [{row['low']:.3g}, {row['high']:.3g}]"
        assert (asked, verdict) == (row["threshold"], row["verdict"])


def rounded(value: float) -> str:
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def test_speeds_are_those_of_the_committed_benchmark():
    text, table = section("Speed"), pd.read_csv(FIGURES / "bench/throughput.csv")
    (machine,) = [name for name in table["machine"].unique() if name in text]
    table = table[table["machine"] == machine].set_index(["stage", "way"])
    stages = ["pretraining", "pretraining, pcm blocks", "fine-tuning", "inference"]
    stages += ["AstroM3 CLIP pretraining", "Barlow Twins"]
    rows = table_rows(text)
    assert len(rows) == len(stages)
    for stage, (_, batch, plain, single, half, times, floor) in zip(stages, rows, strict=True):
        ways = table.loc[stage]
        best = ways.loc[ways[ways["precision"] != "32-true"]["objects_per_second"].idxmax()]
        assert batch == f"{best['batch_size']:,.0f}"
        assert plain == rounded(ways.loc["plain loop", "objects_per_second"])
        assert single == rounded(ways.loc["astrolib, float32", "objects_per_second"])
        words = ", compiled" * best.name.endswith("compiled")
        assert half == rounded(best["objects_per_second"]) + words
        low, high = best["times_first_low"], best["times_first_high"]
        assert times == f"{best['times_first']:.2f} ({low:.2f} to {high:.2f})"
        assert floor == rounded(best["floor_per_second"])
    kept = 100 * table.loc["pretraining from disk"].iloc[1:]["times_first"]
    assert f"{kept.min():.0f} to {kept.max():.0f} % of its speed from memory" in text
    assert table["device"].eq("cpu").all() or "NVIDIA" in text


def test_targets_on_two_cores_are_said_to_be_met_only_if_they_are():
    verdicts = pd.read_csv(FIGURES / "bench/targets.csv").query("`for` == '2 CPU cores'")
    said = "pretraining and AstroM³ make it" in section("Speed")
    assert said == ((verdicts["verdict"] == "met").all() and verdicts["stage"].nunique() == 2)
