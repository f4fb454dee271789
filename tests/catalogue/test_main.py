"""The command line, from the profile's survey to a catalogue."""

import pandas as pd
import torch

from astrolib.catalogue.__main__ import main
from astrolib.catalogue.redshifts import RedshiftPredictor
from astrolib.data.manifest import FetchError
from astrolib.papers.astromae import Experiment


def test_shards_then_predictions(experiment, tmp_path, capsys):
    shards, out = str(tmp_path / "shards"), str(tmp_path / "out")
    assert main(["shards", "--profile", "smallest", "--out", shards, "--rows-per-shard", "200"]) == 0
    assert "300 galaxies in 2 shards" in capsys.readouterr().out
    command = ["predict", "--profile", "smallest", "--survey", shards, "--out", out, "--device", "cpu"]
    assert main([*command, "--columns", "id", "redshift"]) == 0
    assert "300 objects in 2 files" in capsys.readouterr().out
    table = pd.read_parquet(tmp_path / "out" / "catalogue.parquet")
    assert table.columns.tolist() == ["row", "id", "redshift", "prediction", "source", "fault"]
    assert table["id"].tolist() == experiment.galaxies.ids.tolist()
    assert (table["redshift"] == experiment.galaxies.survey.redshift).all()
    assert main([*command, "--columns", "id", "redshift"]) == 0
    assert "2 of 2 shards are there already" in capsys.readouterr().out
    assert main(command) == 1
    assert "predicted with other settings (columns: " in capsys.readouterr().err
    assert main(["shards", "--profile", "smallest", "--out", shards]) == 1
    assert "exists" in capsys.readouterr().err


def test_bad_rows_are_told(experiment, home, tmp_path, monkeypatch, capsys):
    trained = Experiment.trained

    def broken(*arguments):
        net = trained(*arguments)
        net.head[-1].bias.data.fill_(float("nan"))
        return net

    monkeypatch.setattr(Experiment, "trained", broken)
    command = ["predict", "--profile", "smallest", "--survey", str(home / "shards"), "--device", "cpu"]
    assert main([*command, "--out", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().out
    assert "300 of them have no finite prediction (by shard: 00000: 128, 00001: 128, 00002: 44)" in said
    assert len(pd.read_csv(tmp_path / "out" / "bad_rows.csv")) == 300


def test_faults_are_told_in_a_paragraph(experiment, home, tmp_path, monkeypatch, capsys):
    command = ["predict", "--out", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*command, "--profile", "smallest", "--survey", str(tmp_path / "none")]) == 1
    assert "holds no survey in shards" in capsys.readouterr().err
    command += ["--survey", str(home / "shards")]
    assert main([*command, "--profile", "smallest", "--seed", "7"]) == 1
    assert "has not been trained in profile smallest" in capsys.readouterr().err
    assert main([*command, "--profile", "none"]) == 1
    assert "There is no profile 'none'" in capsys.readouterr().err
    (tmp_path / "file").touch()
    assert main([*command, "--profile", "smallest", "--out", str(tmp_path / "file")]) == 1
    assert "file/catalogue.parquet cannot be made" in capsys.readouterr().err

    def offline(*_, **__):
        raise FetchError("The server could not be reached.")

    monkeypatch.setattr("astrolib.surveys.load_galaxies", offline)
    assert main(["shards", "--profile", "smallest", "--out", str(tmp_path / "shards")]) == 1
    assert capsys.readouterr().err == "The server could not be reached.\n"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([*command, "--device", "cuda"]) == 1
    assert "torch finds no GPU here" in capsys.readouterr().err


def test_after_running_out_of_memory_a_smaller_batch_goes_on(experiment, home, tmp_path, monkeypatch, capsys):
    call = RedshiftPredictor.__call__

    def large(predictor, batch):
        if len(batch["images"]) > 100:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return call(predictor, batch)

    monkeypatch.setattr(RedshiftPredictor, "__call__", large)
    command = ["predict", "--profile", "smallest", "--survey", str(home / "shards"), "--device", "cpu"]
    command += ["--out", str(tmp_path / "out")]
    assert main(command) == 1
    assert "smaller --batch-size" in capsys.readouterr().err
    assert main([*command, "--batch-size", "100"]) == 0
