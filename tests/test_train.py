"""The command line that trains what notebooks train: alone, and by two processes under torchrun."""

import os
import subprocess
import sys

import pandas as pd
import pytest

from astrolib import train
from astrolib.papers import astromae


def test_the_list_has_a_line_for_each_experiment(capsys):
    assert train.main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(train.EXPERIMENTS)
    assert all("notebook" in line for line in lines)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["galaxies"], "'galaxies' (choose from 'astromae-pretrain', "),
        (["astromae-finetune", "--network", "mine"], "invalid choice: 'mine' (choose from 'from-scratch"),
        (["astromae-pretrain", "--seed", "1"], "unrecognized arguments: --seed 1"),
        (["astrom3-clip", "--precision", "half"], "invalid choice: 'half'"),
    ],
    ids=["experiment", "network", "option", "precision"],
)
def test_unknown_names_are_refused_with_those_there_are(arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        train.main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["astromae-pretrain", "--profile", "huge"], "There is no profile 'huge': choose one of demo"),
        (["barlow-pretrain", "--method", "MAE"], "which a resnet cannot: add --encoder vit"),
        (["astrom3-clip", "--survey", "second"], "Profile smallest has no second survey of stars"),
        (
            ["astrom3-classify", "--modality", "radio"],
            "--modality radio: this survey has all, photometry, spectra",
        ),
        (["astrom3-classify", "--modality", *"dcba"], "--modality a, b, c, d: this survey has all"),
    ],
    ids=["profile", "encoder", "survey", "modality", "modalities"],
)
def test_what_cannot_be_trained_is_said_in_a_line(arguments, message, capsys):
    profile = [] if "--profile" in arguments else ["--profile", "smallest"]
    assert train.main([*arguments, *profile]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"{arguments[0]}: ") and message in said and "Traceback" not in said


def test_another_precision_is_another_run(capsys, monkeypatch):
    monkeypatch.setenv("ASTROLIB_PRECISION", "32-true")  # put back at the end
    arguments = ["astromae-pretrain", "--profile", "smallest", "--block", "plain"]
    for precision in ("32-true", "bf16-mixed"):
        assert train.main([*arguments, "--precision", precision]) == 0
    full, half = (line.split(": ")[0] for line in capsys.readouterr().out.splitlines() if "epochs" in line)
    assert full != half
    run = astromae.Experiment("smallest").pretraining_run("plain")
    assert str(run.folder) == half and run.summary()["arguments"]["precision"] == "bf16-mixed"


def test_two_processes_make_the_run_that_one_finds_and_a_notebook_loads(monkeypatch, capsys):
    arguments = ["astromae-finetune", "--profile", "smallest", "--network", "pcm-AstroMAE", "--seed", "42"]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2", "-m", "astrolib.train"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(
        [*torchrun, *arguments], capture_output=True, text=True, timeout=120, env=environment
    )
    assert done.returncode == 0, done.stderr
    monkeypatch.setattr("astrolib.training.fit.train_epoch", None)  # whoever trains again fails
    experiment = astromae.Experiment("smallest")
    run = experiment.finetuning_run("pcm-AstroMAE", 42)
    assert done.stdout.count(f"{run.folder}: 1 epochs, loss ") == 1  # the first process alone speaks
    assert train.main(arguments) == 0
    assert str(run.folder) in capsys.readouterr().out
    assert not list(run.folder.glob("*.part"))
    kept = pd.read_parquet(run.folder / "predictions.parquet")
    pd.testing.assert_frame_equal(experiment.finetune("pcm-AstroMAE", seed=42), kept)
    assert len(kept) == len(experiment.galaxies.splits["test"])
    assert not experiment.pretrain("pcm").training
