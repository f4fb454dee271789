"""Figures of embeddings: numbers, labels, one line for each seed."""

import numpy as np
import pandas as pd
import pytest

from astrolib.report import representation


def history(seeds=(42, 43), encoders=("resnet", "vit"), epochs=5):
    tables = []
    for encoder in encoders:
        for seed in seeds:
            table = pd.DataFrame({"epoch": np.arange(epochs), "seed": seed, "encoder": encoder})
            for name in ("loss", "on", "off", "val_loss", "val_on", "val_off", "val_rank_r", "val_rank_z"):
                table[name] = seed + np.arange(epochs)[::-1]
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


def words_of(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_correlation_shares_one_scale_and_says_the_means():
    before = np.array([[1.0, 0.6], [0.0, 0.5]])
    left, right = representation.correlation_pair(before, np.eye(2)).axes[:2]
    for axes in (left, right):
        assert axes.images[0].get_clim() == (-1, 1) and axes.images[0].get_cmap().name == "RdBu_r"
    assert left.get_ylabel() == "dimension i of view A" and "dimension j of view B" in left.get_xlabel()
    assert "= 0.75" in left.get_xlabel() and "= 0.180" in left.get_xlabel()  # (0.36 + 0) / 2
    assert "= 1.00" in right.get_xlabel() and "= 0.000" in right.get_xlabel()


def test_of_a_wide_embedding_the_first_dimensions_are_drawn():
    left = representation.correlation_pair(np.eye(300), np.eye(300)).axes[0]
    assert left.images[0].get_array().shape == (256, 256) and "first 256 of 300" in left.get_title()


def test_spectra_are_logarithmic_and_the_untrained_is_grey():
    curves = {"untrained": 1 / np.arange(1, 9.0) ** 2, "Barlow Twins": 1 / np.arange(1, 9.0)}
    history = pd.DataFrame({"epoch": range(4), "val_sv1": 1.0, "val_sv2": [0.2, 0.3, 0.4, 0.5],
                            "val_sv4": [0.1, 0.1, 0.2, 0.3], "val_sv16": 0.01, "loss": 3.0})  # fmt: skip
    figure = representation.spectrum(curves, history)
    over_time, after = figure.axes
    assert over_time.get_xscale() == after.get_xscale() == after.get_yscale() == "log"
    assert after.lines[0].get_color() == "#7A7A7A" != after.lines[1].get_color()
    assert [line.get_label() for line in over_time.lines] == ["1", "2", "3", "4"]
    assert over_time.lines[-1].get_xdata().tolist() == [1, 2, 4, 16]
    assert over_time.lines[-1].get_ydata().tolist() == [1.0, 0.5, 0.3, 0.01]
    assert "singular value" in over_time.get_ylabel()


def test_training_draws_both_terms_of_every_seed():
    figure = representation.training_curves(history())
    loss, on, off = figure.axes
    drawn = [line for line in on.lines if len(line.get_xdata())]
    assert len(drawn) == 8 and {line.get_linestyle() for line in drawn} == {"-", "--"}
    assert len({line.get_color() for line in drawn}) == 2
    assert all(axes.get_xlabel() == "epoch" and axes.get_yscale() == "log" for axes in figure.axes)
    assert "C_{ii}" in on.get_ylabel() and "C_{ij}" in off.get_ylabel() and loss.get_ylabel() == "loss"
    assert words_of(figure) == ["ResNet (2 seeds)", "ViT (2 seeds)", "training", "validation"]


def test_rank_knows_what_collapse_is():
    figure = representation.rank_over_training(history(seeds=(42,)).drop(columns="encoder"))
    left, right = figure.axes
    assert "$z$" in left.get_ylabel() and "$r$" in right.get_ylabel()
    assert left.get_ylim()[0] == 0 and words_of(figure) == ["collapse", "ours"]


@pytest.mark.parametrize("n_quantities", [1, 2, 3, 5])
def test_map_has_a_panel_for_each_quantity(n_quantities):
    rng = np.random.default_rng(0)
    names = ["magnitude", "redshift", "measured size", "axis ratio", "seeing"][:n_quantities]
    values = {name: rng.random(30) for name in names}
    values["magnitude"][:4] = np.nan
    label = rng.integers(-1, 2, 30)
    figure = representation.embedding_map(rng.random((30, 2)), label, ["elliptical", "spiral"], values)
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert titles == ["class", *names]
    first = [axes for axes in figure.axes if axes.get_title() == "magnitude"][0]
    assert len(first.collections[0].get_offsets()) == 26
    bars = [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
    assert bars[0] == "r [mag]" and words_of(figure) == ["elliptical", "spiral"]


def test_a_map_without_quantities_shows_the_classes():
    figure = representation.embedding_map(
        np.random.default_rng(0).random((9, 2)), np.arange(9) % 2, ["a", "b"], {}
    )
    assert len(figure.axes) == 1
