"""Figures of ablations: ours and the paper's in panels of their own."""

import numpy as np
import pandas as pd
import pytest

from astrolib.report import ablations


def rows(paper=(71.4, 57.3, np.nan), fractions=(1.0, 0.01)):
    names = ["both", "invariance", "untrained"]
    return pd.DataFrame(
        [
            {"row": name, "fraction": f, "balanced_accuracy": 90 * f - 5 * k, "balanced_accuracy_std": 1.0,
             "paper_top1": paper[k] if f == 1 else np.nan}
            for k, name in enumerate(names) for f in fractions
        ]
    )  # fmt: skip


def points(arms=("lambda fixed", "lambda x 8192/D"), std=0.5):
    return pd.DataFrame(
        [
            {"x": x, "arm": arm, "fraction": f, "balanced_accuracy": 80 + k + f, "balanced_accuracy_std": std}
            for k, arm in enumerate(arms) for x in (16, 64, 256) for f in (1.0, 0.1)
        ]
    )  # fmt: skip


def reference():
    return pd.DataFrame(
        {
            "method": ["BYOL", "BYOL", "Barlow Twins", "Barlow Twins"],
            "x": [16.0, 64.0, 256.0, np.nan],
            "top1": [69.9, 72.2, np.nan, np.nan],
            "top1_low": [np.nan, np.nan, 70.8, 56.0],
            "top1_high": [np.nan, np.nan, 71.6, 72.0],
        }
    )


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def drawn(axes):
    return {c.get_label(): c for c in axes.containers}


def test_rows_keep_their_order_in_both_panels():
    figure = ablations.bars_with_paper(rows())
    left, right = figure.axes
    assert [text.get_text() for text in left.get_yticklabels()] == ["both", "invariance", "untrained"]
    assert left.get_ylim()[0] > left.get_ylim()[1]  # the first row on top
    assert drawn(left)["100% of the labels"].lines[0].get_xdata() == pytest.approx([90, 85, 80])
    assert right.lines[0].get_xdata()[:2].tolist() == [71.4, 57.3] and np.isnan(right.lines[0].get_xdata()[2])
    assert left.get_xlabel() == ablations.OURS and right.get_xlabel() == ablations.PAPER
    assert "[%]" in ablations.OURS and "[%]" in ablations.PAPER
    assert legend(figure)[-1] == "published, ImageNet, all labels"


def test_without_numbers_of_the_paper_there_is_one_panel():
    figure = ablations.bars_with_paper(rows(paper=(np.nan,) * 3))
    assert len(figure.axes) == 1 and len(legend(figure)) == 2


def test_points_have_a_panel_for_each_fraction_and_one_for_the_paper():
    figure = ablations.points_against(points(), reference(), "width D", untrained={1.0: 61.23})
    full, tenth, paper = figure.axes
    assert full.get_title() == "100% of the labels\nuntrained 61.2 %"
    assert tenth.get_title() == "10% of the labels" and paper.get_title() == "published, ImageNet"
    line = drawn(full)["ours, lambda fixed"].lines[0]
    assert line.get_ydata().tolist() == [81] * 3 and line.get_xdata() == pytest.approx(
        [16, 64, 256], rel=0.03
    )
    assert full.get_xscale() == "log" and np.diff(full.get_ylim())[0] >= ablations.LEAST_SPAN
    assert figure._supxlabel.get_text() == "width D"
    by_name = {line.get_label(): line for line in paper.lines}
    assert by_name["published, BYOL"].get_ydata().tolist() == [69.9, 72.2]
    (span,) = paper.collections  # a range is no point, and a range without a place is nothing
    assert span.get_segments()[0].tolist() == [[256, 70.8], [256, 71.6]]
    assert "somewhere in this range" in span.get_label()


def test_one_seed_has_no_bars_and_one_arm_no_name():
    figure = ablations.points_against(points(arms=("",), std=np.nan), reference(), "lambda")
    assert legend(figure)[0] == "ours"
    assert np.isfinite(figure.axes[0].get_ylim()).all()


def test_ticks_stand_at_the_points_and_apart():
    table = pd.concat([points(arms=("",)).assign(x=x) for x in (0.002, 0.015, 0.02)])
    axes = ablations.points_against(table, reference(), "lambda").axes[0]
    assert [text.get_text() for text in axes.get_xticklabels()] == ["0.02", "0.002"]


def test_ladder_goes_down_from_nothing_lost():
    table = pd.DataFrame({"x": [0, 1, 2], "variant": ["all", "no reddening", "and no psf"], "fraction": 1.0,
                          "change": [0.0, -1.0, -3.0], "change_std": [0.0, 0.5, np.nan]})  # fmt: skip
    published = pd.DataFrame({"method": "BYOL", "rung": ["all", "crop only"], "change": [0.0, -13.1]})
    left, right = ablations.ladder(table, published).axes
    assert [text.get_text() for text in left.get_yticklabels()] == ["all", "no reddening", "and no PSF"]
    assert [text.get_text() for text in right.get_yticklabels()] == ["all", "crop only"]
    assert drawn(left)["ours, 100% of the labels"].lines[0].get_xdata().tolist() == [0, -1, -3]
    assert right.lines[0].get_xdata().tolist() == [0, -13.1]
    assert "[points]" in left.get_xlabel() and "[points]" in right.get_xlabel()
