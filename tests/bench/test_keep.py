import pandas as pd
import pytest

from astrolib.bench import keep


def rows(machine, stage="pretraining", ways=("plain loop", "astrolib"), value=1.0):
    found = pd.DataFrame({"way": list(ways), "machine": machine, "stage": stage, "objects_per_second": value})
    return found.assign(source="random pixels", n_seeds=1)


def put(folder, new):
    return keep.keep(folder, keep.THROUGHPUT, new, ["machine", "way", "objects_per_second"])


def test_only_rows_of_the_same_machine_stage_and_way_are_replaced(tmp_path):
    put(tmp_path, rows("H200", value=9.0))
    put(tmp_path, rows("CPU"))
    put(tmp_path, rows("CPU", "inference"))
    put(tmp_path, rows("CPU", ways=["astrolib"], value=2.0))
    found = keep.load(tmp_path, keep.THROUGHPUT).set_index(["machine", "stage", "way"])["objects_per_second"]
    assert found.to_dict() == {
        ("H200", "pretraining", "plain loop"): 9.0,
        ("H200", "pretraining", "astrolib"): 9.0,
        ("CPU", "pretraining", "plain loop"): 1.0,
        ("CPU", "pretraining", "astrolib"): 2.0,
        ("CPU", "inference", "plain loop"): 1.0,
        ("CPU", "inference", "astrolib"): 1.0,
    }


def test_columns_that_came_later_leave_old_rows_empty(tmp_path):
    put(tmp_path, rows("H200"))
    found = put(tmp_path, rows("CPU").assign(busy=0.5)).set_index("machine")
    assert found.loc["H200", "busy"].isna().all() and (found.loc["CPU", "busy"] == 0.5).all()


def test_a_curve_goes_as_a_whole_when_it_is_measured_again(tmp_path):
    def points(machine, xs):
        made = pd.DataFrame(
            {"x": xs, "machine": machine, "stage": "a", "against": "batch size", "way": "astrolib"}
        )
        return made.assign(source="random pixels", n_seeds=1)

    for machine, xs in (("CPU", [1, 2, 3]), ("H200", [1]), ("CPU", [2, 4])):
        found = keep.keep(
            tmp_path, keep.SCALING, points(machine, xs), ["x"], stale=("machine", "stage", "against")
        )
    assert found.groupby("machine")["x"].agg(list).to_dict() == {"CPU": [2, 4], "H200": [1]}


def test_the_table_is_there_for_reading_too(tmp_path):
    put(tmp_path, rows("CPU", value=1 / 3))
    assert "0.3333" in (tmp_path / "throughput.md").read_text()
    assert "0.333333\n" not in (tmp_path / "throughput.md").read_text()
    assert "0.333333," in (tmp_path / "throughput.csv").read_text()  # six digits


def test_rows_without_a_source_are_refused(tmp_path):
    with pytest.raises(ValueError, match="source"):
        put(tmp_path, rows("CPU").drop(columns="source"))
    assert not (tmp_path / "throughput.csv").exists()


def test_a_damaged_table_is_not_overwritten(tmp_path):
    (tmp_path / "throughput.csv").write_text('a,b\n1,2,3\n"', encoding="utf-8")
    with pytest.raises(ValueError, match="throughput.csv cannot be read"):
        put(tmp_path, rows("CPU"))
    assert (tmp_path / "throughput.csv").read_text().startswith("a,b")
