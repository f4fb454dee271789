"""Figures and tables of Barlow Twins from numbers on disk: files all there, words right."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest
from IPython.display import Markdown
from matplotlib.figure import Figure

from astrolib import paths, profiles
from astrolib.report import barlow, barlow_tables, results, style
from astrolib.report.tables import PAPER_ONLY

SPEC = importlib.util.spec_from_file_location("barlow_results", Path(__file__).with_name("barlow_results.py"))
made_up = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(made_up)


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with made-up results of one profile, for all tests that only read them."""
    folder = tmp_path_factory.mktemp("barlow")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ASTROLIB_BUILD", str(folder))
        made_up.fabricate("demo", n=60)
    return folder


@pytest.fixture
def demo(kept, monkeypatch):
    monkeypatch.setenv("ASTROLIB_BUILD", str(kept))
    return "demo"


@pytest.fixture
def quick(monkeypatch):
    """Figures are drawn and stamped but not turned into pixels; gives the source of each."""
    stamps = {}

    def save(figure, path, source):
        style.stamp(figure, source)
        assert isinstance(figure, Figure)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        stamps[path.stem] = [text.get_text() for text in figure.texts if text.get_gid() == "source"]

    monkeypatch.setattr(style, "save", save)
    return stamps


def saved(profile: str, name: str) -> pd.DataFrame:
    return pd.read_csv(paths.figures(profile) / f"{name}.csv")


def test_everything_is_drawn_from_what_is_on_disk(demo, quick):
    names = barlow.redraw(demo)
    made = {file.name for file in paths.figures(demo).iterdir()}
    assert set(names) <= made and len(names) == len(barlow.FIGURES) + len(barlow.TABLES)
    promised = {f"barlow_{name}.png" for name in (
        "examples augmentations pairs training rank spectrum correlation map neighbours table5 table6 fig2 "
        "fig3 fig4 fig5 recipe criteria").split()}  # fmt: skip
    promised |= {f"barlow_{name}.csv" for name in (
        "table1 table2 table3 table4 table5 table6 table7 fig2 fig3 fig4 fig5 classes splits hyperparameters "
        "collapse recipe criteria").split()}  # fmt: skip
    assert promised == set(names)
    assert quick == dict.fromkeys(barlow.FIGURES, [f"Data: {made_up.SOURCE}"])
    for name in (name for name in names if name.endswith(".csv")):
        table = saved(demo, name.removesuffix(".csv"))
        assert table["source"].notna().all() and table["n_seeds"].notna().all(), name
        assert (table["source"] != made_up.SOURCE).eq(table["source"] == PAPER_ONLY).all(), name


@pytest.mark.slow
def test_figures_are_small_files(demo):
    for name in ("augmentations", "neighbours", "correlation", "criteria"):
        name = f"barlow_{name}"
        barlow.FIGURES[name](demo)
        assert 0 < (paths.figures(demo) / f"{name}.png").stat().st_size < 200_000, name


def test_display_images_and_a_single_seed_are_enough(quick, recwarn):
    made_up.fabricate("demo", n=30, seeds=(42,), physical=False, source="SDSS colour images")
    for make in barlow.TABLES.values():
        assert make("demo").data.startswith("| ")
    for draw in (barlow.training, barlow.embedding_map, barlow.table_5, barlow.figure_3, barlow.figure_4):
        assert isinstance(draw("demo"), Figure)
    assert not [warning for warning in recwarn if issubclass(warning.category, RuntimeWarning)]


@pytest.mark.parametrize("profile", profiles.available())
def test_settings_of_every_profile_stand_beside_the_papers(profile):
    made_up.fabricate(profile, n=12, seeds=(42,))
    assert isinstance(barlow_tables.hyperparameters(profile), Markdown)
    table = saved(profile, "barlow_hyperparameters").set_index("hyperparameter")
    settings = profiles.load(profile).barlow
    assert int(table.loc["epochs", "value"]) == settings.resnet_pretraining.epochs
    assert table.loc["width", "paper_value"] == "8192" and table.loc["epochs", "paper_value"] == "1000"
    lars = settings.resnet_pretraining.optimizer == "lars"
    assert (table.loc["momentum", "n_seeds"] > 0) == lars and ("beta1" in table.index) != lars


def test_reading_tables_put_fractions_side_by_side(demo):
    first = barlow_tables.table_2(demo).data.splitlines()
    assert first[0].startswith("| method | encoder | protocol | 1% of the labels ± std (paper) | 10%")
    (row,) = [line for line in first if line.startswith("| Barlow Twins | resnet | fine-tuned")]
    assert "(55.0)" in row and "(69.7)" in row and "±" in row
    table5 = barlow_tables.table_5(demo).data.splitlines()
    assert table5[0].startswith("| variant | 100% of the labels | 10% of the labels | 1% of the labels")
    assert table5[2].startswith("| both terms (baseline) |") and "| 71.4 |" in table5[2]
    ladder = barlow_tables.figure_3(demo).data
    assert "| all | 0.0 | 0.0 | 0.0 |" in ladder and "BYOL -13.1, SimCLR (re-run for BYOL) -27.6" in ladder
    assert "Barlow Twins 70.8 to 71.6" in barlow_tables.figure_5(demo).data


@pytest.mark.parametrize(("number", "rows"), [(4, 15), (7, 6)])
def test_tables_that_are_not_ours_say_why(demo, number, rows):
    text = getattr(barlow_tables, f"table_{number}")(demo).data
    table = saved(demo, f"barlow_table{number}")
    assert len(table) == rows and (table["source"] == PAPER_ONLY).all() and (table["n_seeds"] == 0).all()
    assert table["ours"].str.contains("not applicable here: |not run here: ").all()
    assert "| 74.0 |" in text if number == 7 else "| 57.0 |" in text  # as printed


def test_collapse_has_the_means_of_the_runs(demo):
    barlow_tables.collapse(demo)
    table = saved(demo, "barlow_collapse")
    assert len(table) == 8 + 4 and table["table"].tolist() == [5] * 8 + [6] * 4
    row = table.set_index("variant").loc["invariance term only"]
    runs = results.load(demo, "barlow_ablation_runs").query("variant == 'invariance'")
    assert row["off_square"] == pytest.approx(0.6) and row["off_square_std"] == 0
    assert row["rank_z"] == pytest.approx(runs["rank_z"].mean())
    assert row["rank_z_std"] == pytest.approx(runs["rank_z"].std(ddof=1))


def test_splits_count_each_class(demo):
    text = barlow_tables.splits(demo).data
    assert "| edge-on | 15 | 45 | 75 |" in text and "| all | 45 | 135 | 225 |" in text
    assert saved(demo, "barlow_splits")["n"].sum() == 405


def test_missing_numbers_are_an_error_in_words(capsys):
    with pytest.raises(results.MissingResult, match="make all PROFILE=demo"):
        barlow.training("demo")
    assert barlow.main(["--profile", "demo"]) == 1
    assert "do not exist yet" in capsys.readouterr().err
