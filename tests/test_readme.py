"""The README quotes what the committed tables hold."""

import re

import pandas as pd
import pytest

from astrolib import paths, profiles

README = (paths.project() / "README.md").read_text()
FIGURES = paths.project() / "figures"


def quoted_rows() -> dict[str, list[str]]:
    """Cells of the results table by network."""
    table = README.partition("## Results")[2].partition("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("| ").split("|")] for line in table.splitlines() if "|" in line
    ]
    return {cells[0].replace("*", ""): cells[1:] for cells in rows[2:]}


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
    assert source in README.partition("## Results")[2].partition("\n## ")[0]


def test_everything_linked_is_there():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (paths.project() / target).exists(), target


def test_commands_and_profiles_exist():
    makefile = (paths.project() / "Makefile").read_text()
    for target in set(re.findall(r"`make (\w+)[^`]*`", README)) | {"all", "test"}:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for name in ("demo", "sample", "paper"):
        assert f"`{name}`" in README and name in profiles.available()
