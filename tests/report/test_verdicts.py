"""The picture of criteria: a panel for each unit, a marker for each verdict, thresholds."""

import numpy as np
import pandas as pd

from astrolib.report import verdicts

AXES = {"points": "difference [points]", "ratio": "ratio"}


def table():
    rows = [
        ("T1", "full", "error", 0.5, 0.4, 0.55, "ratio", "<= 0.6", 0.6, "met"),
        ("T5", "demo", "first", -1.0, -2.0, 1.0, "points", ">= 0 points", 0.0, "undecided"),
        ("F2", "full", "second", 0.2, -1.0, 1.0, "points", "within ±1.5 points", 1.5, "met"),
        ("F3", "full", "third", 9.0, 8.0, 10.0, "points", "reported only", np.nan, "reported"),
        ("T7", "full", "fourth", np.nan, np.nan, np.nan, "points", ">= 0 points", 0.0, "not measured"),
        ("T6", "demo", "runs", 4.0, 4.0, 4.0, "variants", ">= 4 variants", 4.0, "met"),
    ]
    names = ["paper", "column", "criterion", "value", "low", "high", "unit", "threshold", "limit", "verdict"]
    return pd.DataFrame(rows, columns=names)


def test_rows_are_grouped_by_unit_and_those_not_measured_are_counted():
    figure = verdicts.criteria_sheet(table(), AXES)
    points, ratio = figure.axes
    assert (points.get_xlabel(), ratio.get_xlabel()) == ("difference [points]", "ratio")
    names = [text.get_text() for text in points.get_yticklabels()]
    assert names == ["T5 demo: first", "F2 full: second", "F3 full: third"]
    assert [text.get_text() for text in ratio.get_yticklabels()] == ["T1 full: error"]
    legend = figure.legends[0]
    assert [text.get_text() for text in legend.get_texts()] == [
        "met (2)", "not met (0)", "undecided (1)", "reported (1)", "threshold", "criterion for the demo",
    ]  # fmt: skip
    assert legend.get_title().get_text().startswith("1 more are not measured")


def test_thresholds_are_marked_on_both_sides_where_both_count():
    points = verdicts.criteria_sheet(table(), AXES).axes[0]
    ticks = [
        line.get_xdata() for line in points.lines if line.get_marker() == "|" and line.get_markersize() == 11
    ]
    assert [list(x) for x in ticks if len(x)] == [[0.0], [-1.5, 1.5]]


def test_nothing_measured_is_an_empty_page():
    figure = verdicts.criteria_sheet(table().assign(value=np.nan, verdict="not measured"), AXES)
    assert not figure.axes and figure.legends[0].get_title().get_text().startswith("6 more")
