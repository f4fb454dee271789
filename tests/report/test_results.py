import numpy as np
import pandas as pd
import pytest

from astrolib import paths
from astrolib.report import results


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ASTROLIB_BUILD", str(tmp_path / "build"))
    monkeypatch.setenv("ASTROLIB_FIGURES", str(tmp_path / "figures"))


def test_tables_and_arrays_come_back_as_they_were():
    table = pd.DataFrame({"network": ["a", "b"], "value": np.float32([0.1, np.nan])})
    results.keep("demo", "scores", table)
    pd.testing.assert_frame_equal(results.load("demo", "scores"), table)
    results.keep_arrays("demo", "images", image=np.ones((2, 3), np.float32), source="simulated")
    arrays = results.load_arrays("demo", "images")
    assert arrays["image"].dtype == np.float32 and str(arrays["source"]) == "simulated"


def test_profiles_do_not_see_each_others_results():
    results.keep("demo", "scores", pd.DataFrame({"value": [1.0]}))
    with pytest.raises(results.MissingResult, match="make all PROFILE=sample"):
        results.load("sample", "scores")


def test_failed_write_leaves_the_old_table(monkeypatch):
    results.keep("demo", "scores", pd.DataFrame({"value": [1.0]}))
    with pytest.raises(Exception, match="mixed|convert|Expected"):
        results.keep("demo", "scores", pd.DataFrame({"value": [1.0, "two", b"three"]}))
    assert results.load("demo", "scores")["value"].tolist() == [1.0]


def test_saved_table_is_csv_and_markdown():
    shown = results.save_table(
        "demo", "mine", pd.DataFrame({"x": [1.5], "n_seeds": [2], "source": ["simulated"]})
    )
    assert "simulated" in shown.data
    assert {path.name for path in paths.figures("demo").iterdir()} == {"mine.csv", "mine.md"}
