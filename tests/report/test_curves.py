"""Learning-rate and loss curves: what figures 4, 5 and 8 must show."""

import numpy as np
import pandas as pd
import pytest

from astrolib.report import curves

EPOCH = np.arange(700)
RESTARTS = np.where(EPOCH % 10 == 0, 1e-4, 1e-4 * 0.995**EPOCH)


def labels(axes):
    return axes.get_legend_handles_labels()[1]


def test_learning_rate_axes_and_ticks():
    figure = curves.learning_rate(np.linspace(1e-3, 0, 2000), tick_every=250)
    (axes,) = figure.axes
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Epoch", "Learning Rate")
    assert axes.get_xticks().tolist() == list(range(0, 2001, 250))
    assert axes.get_ylim()[0] == 0
    assert axes.get_legend().get_texts()[0].get_text() == "Learning Rate"
    assert axes.yaxis.get_major_formatter()(5e-4, 0) == "0.5e-3"


def test_our_schedule_is_drawn_over_the_papers_on_its_own_axes():
    figure = curves.learning_rate(np.linspace(1e-3, 0, 2000), np.linspace(4e-2, 0, 20))
    paper, ours = figure.axes
    assert len(paper.lines[0].get_xdata()) == 2000 and len(ours.lines[0].get_xdata()) == 20
    assert labels(ours) == ["this run, 20 epochs"]
    assert ours.get_xlabel() == "epoch of this run"
    assert paper.get_ylim()[1] < 2e-3 < ours.get_ylim()[1]


def test_figure_5_widens_its_red_epochs():
    (axes,) = curves.learning_rate_restarts(RESTARTS).axes
    assert axes.get_xticks().tolist() == [0, 100, 200, 300, 400, 410, 420, 520, 620]
    place = axes.transData.transform([(e, 0) for e in (300, 400, 420, 520)])[:, 0]
    before, zoom, after = np.diff(place)
    assert zoom / 20 == pytest.approx(3 * before / 100, rel=1e-6)
    assert after == pytest.approx(before, rel=1e-6)
    red = axes.lines[1]
    assert red.get_color() == "#D62728" and red.get_xdata()[[0, -1]].tolist() == [400, 420]
    assert red.get_ydata()[[0, 10, 20]] == pytest.approx(1e-4)  # the restarts at 400, 410 and 420


def test_widening_can_be_undone():
    epochs = np.linspace(-50, 800, 500)
    assert curves._narrow(curves._widen(epochs)) == pytest.approx(epochs)


def test_figure_5_needs_its_epochs():
    with pytest.raises(ValueError, match="400 to 420"):
        curves.learning_rate_restarts(RESTARTS[:300])


@pytest.fixture
def history():
    epoch = np.tile(np.arange(5), 2)
    loss = 1.0 / (1 + epoch)
    return pd.DataFrame({"epoch": epoch, "loss": loss, "val_loss": loss + 0.1, "seed": np.repeat([1, 2], 5)})


def test_losses_share_a_panel_while_they_are_few(history):
    (axes,) = curves.loss_curves({"plain": history, "pcm": history}, label="MSE").axes
    assert len(axes.lines) == 2 * 2 * 2  # networks, seeds, training and validation
    assert {line.get_linestyle() for line in axes.lines} == {"-", "--"}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "plain",
        "pcm",
        "training",
        "validation",
    ]
    assert axes.get_ylabel() == "MSE" and axes.get_yscale() == "log"


def test_many_losses_get_a_panel_each(history):
    names = [f"network {k}" for k in range(14)]
    figure = curves.loss_curves(dict.fromkeys(names, history))
    drawn = [axes for axes in figure.axes if axes.lines]
    assert [axes.get_title() for axes in drawn] == names
    assert len({axes.get_ylim() for axes in drawn}) == 1


def test_losses_without_validation(history):
    (axes,) = curves.loss_curves({"a": history.drop(columns="val_loss")}, log=False).axes
    assert len(axes.lines) == 2 and axes.get_yscale() == "linear"
