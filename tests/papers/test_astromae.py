"""The whole experiment at the smallest size: what is trained, kept, scored and drawn."""

import numpy as np
import pandas as pd
import pytest
import torch

from astrolib import paths, profiles
from astrolib.models.redshift import RedshiftNet
from astrolib.papers import astromae
from astrolib.report import astromae as figures
from astrolib.report import astromae_tables as tables
from astrolib.report import results
from astrolib.report.tables import published


def test_networks_are_the_rows_of_table_4():
    printed = published("astromae_table4")
    ours = [(network.name, network.init) for network in astromae.NETWORKS.values()]
    assert ours == list(zip(printed["network"], printed["init"], strict=True))
    assert list(astromae.NETWORKS_FULL_DATA) == published("astromae_table5")["network"].tolist()
    panels = sorted(network.panel for network in astromae.NETWORKS.values())
    assert panels == sorted([*(f"9{x}" for x in "abcdef"), *(f"10{x}" for x in "abcdef"), "11a", "11b"])


@pytest.mark.parametrize(
    ("name", "trainable", "total"),
    [
        ("from-scratch plain-ViT", 6_852_569, 6_855_833),
        ("from-scratch pcm-ViT-magnitude", 13_330_321, 13_333_585),
        ("Henghes et al.", 7_824_473, 7_824_473),
        ("Inception-only", 1_448_097, 1_448_097),
        ("plain-ViT-inception", 5_144_937, 10_548_393),
        ("pcm-AstroMAE", 10_398_057, 15_902_889),
    ],
)
def test_rows_have_the_papers_parameters(name, trainable, total):
    row = astromae.NETWORKS[name]
    with torch.device("meta"):
        net = RedshiftNet(row.encoder, row.inception, row.magnitudes, frozen=row.pretrained)
    counts = [(p.numel(), p.requires_grad) for p in net.parameters()]
    assert sum(n for n, trains in counts if trains) == trainable
    assert sum(n for n, _ in counts) == total


def test_unknown_experiment_is_refused():
    with pytest.raises(ValueError, match="experiments 1 and 2, not 3"):
        astromae.Experiment("demo", 3)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("astromae")


@pytest.fixture
def experiment(home, monkeypatch):
    for tree in ("BUILD", "FIGURES"):
        monkeypatch.setenv(f"ASTROLIB_{tree}", str(home / tree.lower()))
    return astromae.Experiment("smallest", 1)


def test_pretraining_is_done_once_and_feeds_the_frozen_encoder(experiment, monkeypatch):
    autoencoder = experiment.pretrain("pcm")
    monkeypatch.setattr("astrolib.training.fit.train_epoch", None)  # whoever trains again fails
    again = experiment.pretrain("pcm")
    net = experiment.network("pcm-AstroMAE", seed=1)
    pretrained, loaded = autoencoder.encoder.state_dict(), net.encoder.state_dict()
    for name, value in pretrained.items():
        assert torch.equal(value, again.encoder.state_dict()[name])
        assert name.startswith("norm.") or torch.equal(value, loaded[name])
    untrained = experiment.autoencoder("pcm").encoder.state_dict()
    assert not torch.equal(untrained["blocks.0.attn.proj.weight"], pretrained["blocks.0.attn.proj.weight"])


def test_seeds_start_networks_differently_and_repeatably(experiment):
    first, same, other = (
        experiment.network("Inception-only", seed).inception_mlp[0].weight for seed in (1, 1, 2)
    )
    assert torch.equal(first, same) and not torch.equal(first, other)


def test_predictions_are_of_the_test_part_and_kept(experiment, monkeypatch):
    predictions = experiment.finetune("pcm-ViT-magnitude", seed=42)
    lab = experiment.galaxies
    assert predictions["id"].tolist() == lab.ids[lab.splits["test"]].tolist()
    np.testing.assert_array_equal(predictions["redshift"], lab.survey.redshift[lab.splits["test"]])
    np.testing.assert_allclose(predictions.filter(regex=r"^p\d+$").sum(axis=1), 1, atol=1e-5)
    monkeypatch.setattr(astromae, "fit", None)
    pd.testing.assert_frame_equal(experiment.finetune("pcm-ViT-magnitude", seed=42), predictions)


def test_reconstruction_is_in_flux_and_keeps_what_was_visible(experiment):
    images = experiment.galaxies.survey.images[:6]
    shown = experiment.reconstruct("pcm", images)
    hidden = shown["mask"].astype(bool)
    assert hidden.mean(axis=(1, 2)) == pytest.approx(0.75)
    np.testing.assert_array_equal(shown["image"], images[:, :, 8:40, 8:40])
    visible = ~np.broadcast_to(hidden[:, None], shown["image"].shape)
    np.testing.assert_array_equal(shown["reconstruction"][visible], shown["image"][visible])
    assert not np.array_equal(shown["reconstruction"], shown["image"])


def test_changed_settings_are_another_run(experiment, home):
    other = astromae.Experiment("demo", 1)
    names = {experiment.pretraining_run(block).folder.name for block in ("plain", "pcm")}
    names |= {experiment.finetuning_run("plain-ViT", seed).folder.name for seed in (1, 2)}
    other.galaxies.survey = experiment.galaxies.survey
    names.add(other.pretraining_run("plain").folder.name)
    assert len(names) == 5


def test_table_4_has_the_promised_columns_and_every_network(experiment):
    experiment.scores()
    experiment.keep_galaxies()
    tables.table_4("smallest")
    table = pd.read_csv(paths.figures("smallest") / "astromae_table4.csv")
    metrics = ["mse", "mae", "bias", "precision", "r2"]
    promised = ["network", "init", "n_seeds", "source"]
    promised += [name for metric in metrics for name in (metric, f"{metric}_std", f"paper_{metric}")]
    assert set(promised) <= set(table.columns)
    assert set(astromae.NETWORKS) < set(table["network"])
    assert (table["source"] == "simulated").all()
    assert (table["n_seeds"] == len(profiles.load("smallest").astromae.finetuning.seeds)).all()
    best = table.set_index("network").loc["pcm-AstroMAE"]
    assert best["paper_mse"] == 0.00053
    predictions = results.load("smallest", "astromae1_predictions").query("network == 'pcm-AstroMAE'")
    mse = (predictions["prediction"] - predictions["redshift"]).pow(2).groupby(predictions["seed"]).mean()
    assert best["mse"] == pytest.approx(mse.mean(), rel=1e-5)
    assert best["mse_std"] == pytest.approx(mse.std(ddof=1), rel=1e-4)


def test_figures_without_numbers_say_which_notebook_to_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ASTROLIB_BUILD", str(tmp_path))
    assert figures.main(["--profile", "smallest"]) == 1
    message = capsys.readouterr().err
    assert "do not exist yet" in message and "make all PROFILE=smallest" in message
