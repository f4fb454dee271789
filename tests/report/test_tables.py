"""Published numbers are the paper's, and no row of ours goes out without source and seeds."""

import numpy as np
import pandas as pd
import pytest

from astrolib.report.tables import hyperparameters, markdown, published, save_table, with_paper


@pytest.mark.parametrize(
    ("table", "network", "expected"),
    [
        ("astromae_table4", "pcm-AstroMAE", (0.00053, 0.01520, -0.00037, 0.01391, 0.95601)),
        ("astromae_table4", "Henghes et al.", (0.00058, 0.01568, 0.00108, 0.01443, 0.95176)),
        ("astromae_table4", "from-scratch plain-ViT", (0.00097, 0.02123, 0.00049, 0.01957, 0.91871)),
        ("astromae_table4", "plain-ViT-inception", (0.00059, 0.01622, -0.00009, 0.01496, 0.95029)),
        ("astromae_table5", "pcm-AstroMAE", (0.00033, 0.01267, 0.00191, 0.01171, 0.97239)),
        ("astromae_table5", "Henghes et al.", (0.00037, 0.01302, -0.00157, 0.01192, 0.96899)),
    ],
)
def test_published_scores(table, network, expected):
    row = published(table).set_index("network").loc[network]
    assert tuple(row[["mse", "mae", "bias", "precision", "r2"]]) == expected


def test_published_tables_are_whole():
    table = published("astromae_table4")
    assert len(table) == 14 and table["network"].is_unique
    assert table["init"].value_counts().to_dict() == {"fine-tuned": 8, "from scratch": 6}
    from_scratch = set(table.loc[table["init"] == "from scratch", "network"])
    assert {"Henghes et al.", "Inception-only"} < from_scratch


def test_published_scores_agree_with_one_variance():
    """MSE / (1 - R2) is the variance of the test redshifts, 0.012 in every row: a slip of a digit shows."""
    for name in ("astromae_table4", "astromae_table5"):
        table = published(name)
        assert (table["mse"] / (1 - table["r2"])).between(0.0118, 0.0121).all()


def test_published_settings():
    finetuning = published("astromae_table1").set_index("hyperparameter")["value"]
    assert finetuning[["lr_initial", "batch_size", "total_epochs", "weight_decay", "beta2"]].tolist() == [
        "0.0001", "1024", "700", "0.005", "0.999"]  # fmt: skip
    pretraining = published("astromae_table2").set_index("hyperparameter")["value"]
    assert pretraining[["lr_peak", "warm_up_epochs", "mask_ratio", "beta2"]].tolist() == [
        "0.00117", "196", "0.75", "0.95"]  # fmt: skip
    sizes = published("astromae_table3").set_index("component")
    assert sizes.loc["encoder"].tolist() == [8, 192, 12, 3] and sizes.loc["decoder"].tolist() == [
        8,
        192,
        4,
        3,
    ]
    checkpoint = published("astromae_checkpoint").set_index("set_id").loc["resized_inference"]
    assert checkpoint["n_galaxies"] == 1253 and checkpoint["mse"] == pytest.approx(0.00029728, rel=1e-5)


def test_unknown_published_table():
    with pytest.raises(ValueError, match="astromae_table4"):
        published("astromae_table9")


@pytest.fixture
def ours():
    return pd.DataFrame(
        {
            "network": ["gradient boosting", "pcm-AstroMAE"],
            "init": ["magnitudes only", "fine-tuned"],
            "mse": [0.0008123, 0.00061234],
            "mse_std": [0.0, 0.000021],
            "r2": [0.93, 0.95],
            "n_seeds": [2, 2],
            "source": ["simulated", "simulated"],
        }
    )


def test_joining_loses_no_row_of_either(ours):
    joined = with_paper(ours, published("astromae_table4"), on=["network", "init"])
    assert len(joined) == 15 and list(joined["network"][:2]) == list(ours["network"])
    assert np.isnan(joined["paper_mse"][0]) and joined["paper_mse"][1] == 0.00053
    alone = joined.iloc[2:]
    assert alone["mse"].isna().all() and alone["paper_mse"].notna().all()
    assert (alone["n_seeds"] == 0).all() and alone["source"].str.contains("not run").all()
    assert list(joined.columns[:7]) == ["network", "init", "mse", "mse_std", "paper_mse", "r2", "paper_r2"]
    assert list(joined.columns[-2:]) == ["n_seeds", "source"]


def test_joining_needs_its_keys_once(ours):
    paper = published("astromae_table4")
    with pytest.raises(ValueError, match="survey .ours., survey .published."):
        with_paper(ours, paper, on="survey")
    with pytest.raises(ValueError, match="same"):
        with_paper(ours, pd.concat([paper, paper[:1]]), on="network")


def test_csv_keeps_all_digits_and_markdown_is_for_reading(ours, tmp_path):
    joined = with_paper(ours, published("astromae_table4"), on=["network", "init"])
    path = save_table(joined, tmp_path / "figures", "table4")
    pd.testing.assert_frame_equal(pd.read_csv(path), joined, check_dtype=False)
    text = path.with_suffix(".md").read_text(encoding="utf-8")
    assert "| network | init | mse ± std (paper) |" in text
    assert "| 0.000612 ± 0.000021 (0.00053) |" in text
    assert "0.95 (0.95601)" in text and "| 0.0008123 |" in text
    assert "(0.93580)" in text  # as printed, with its last zero
    assert sorted(file.name for file in path.parent.iterdir()) == ["table4.csv", "table4.md"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"source": ["simulated", ""]}, "Row 1"),
        ({"source": [None, "simulated"]}, "Row 0"),
        ({"n_seeds": [2, np.nan]}, "Row 1"),
        ("source", "no column 'source'"),
        ("n_seeds", "no column 'n_seeds'"),
    ],
)
def test_no_row_without_source_and_seeds(ours, tmp_path, change, words):
    broken = ours.drop(columns=change) if isinstance(change, str) else ours.assign(**change)
    with pytest.raises(ValueError, match=words):
        save_table(broken, tmp_path, "broken")
    assert not list(tmp_path.iterdir())


def test_hyperparameters_side_by_side():
    table = hyperparameters(
        {"batch_size": 64, "softening": 3.0}, "astromae_table1", source="simulated", n_seeds=2
    )
    assert table["hyperparameter"].is_unique and len(table) == 9
    text = markdown(table)
    assert "| batch_size | 64 (1024) | 2 |" in text and "| softening | 3.0 | 2 |" in text
    assert "| optimizer | (AdamW) | 0 |" in text


def test_markdown_of_large_and_whole_numbers():
    text = markdown(
        pd.DataFrame({"network": ["a|b"], "parameters": [15899433], "loss": [2.0], "paper_loss": [2]})
    )
    assert "| a\\|b | 15899433 | 2 (2) |" in text
