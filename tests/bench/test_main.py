"""The command at the smallest size: files for every stage, and what was there from others stays."""

import pandas as pd
import pytest

from astrolib.bench import __main__ as command
from astrolib.bench import scaling
from astrolib.bench.sizes import Curves, Sizes
from astrolib.papers import astrom3_speed
from astrolib.training.timing import Size

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


@pytest.fixture
def smallest(monkeypatch, machine, one_worker):
    """Sizes and a machine that take no time."""
    few = Size(8, steps=2, repeats=1)
    curves = {"pretraining": Curves((4, 8), (8, 16), (64, 128), 4)}
    wanted = Sizes("smallest", few, few, few, Size(8, 1, 1), few, curves, scaling_steps=1)
    monkeypatch.setattr(command, "sizes", lambda name, device: wanted)
    monkeypatch.setattr(command, "this_machine", lambda device: machine)
    monkeypatch.setattr(type(machine), "sharpened", lambda self: self)
    monkeypatch.setattr(astrom3_speed, "STEP", 40.0)
    # The curves are measured in test_scaling.py.
    rates = {"objects_per_second": 1e3, "slowest": 800.0, "fastest": 1250.0}
    monkeypatch.setattr(
        scaling,
        "measure",
        lambda makers, size, device: pd.DataFrame(
            [{"way": name, "step_ms": size.batch_size, **rates} for name in makers]
        ),
    )


def test_all_stages_leave_rows_figures_and_verdicts(smallest, tmp_path, capsys):
    other = pd.DataFrame({"machine": ["NVIDIA H200"], "stage": "pretraining", "way": "astrolib, bfloat16"})
    other = other.assign(source="random pixels", n_seeds=1, run="2026-01-01", profile="paper", device="cuda")
    other = other.assign(threads=8, objects_per_second=2.5e5, slowest=2e5, fastest=3e5, times_first=12.0)
    other = other.assign(share_of_float32=0.5, share_of_bfloat16=0.2, floor_is="operations")
    other = other.assign(
        compared_with="plain loop", floor_per_second=1e6, date="2026-01-01", precision="bf16-mixed"
    )
    other.to_csv(tmp_path / "throughput.csv", index=False)
    assert command.main(["--out", str(tmp_path)]) == 0
    table = pd.read_csv(tmp_path / "throughput.csv")
    stages = {
        "pretraining",
        "pretraining, pcm blocks",
        "fine-tuning",
        "inference",
        "AstroM3 CLIP pretraining",
        "Barlow Twins",
    }
    mine = table[table["machine"] == "a machine, 1 threads"]
    assert set(mine["stage"]) == stages | {"batches", "pretraining from disk"}
    assert mine["run"].nunique() == 1 and (mine["profile"] == "smallest").all()
    assert len(table) == len(mine) + 1 and 2.5e5 in set(table["objects_per_second"])
    targets = pd.read_csv(tmp_path / "targets.csv")
    assert set(targets.loc[targets["machine"] == "NVIDIA H200", "verdict"]) == {"met"}
    for name in ("throughput.md", "throughput.png", "scaling.csv", "scaling.png", "slopes.md", "targets.md"):
        assert (tmp_path / name).stat().st_size > 0
    assert "pretraining, plain loop:" in capsys.readouterr().out


def test_a_stage_alone_replaces_only_its_rows(smallest, tmp_path):
    assert command.main(["--only", "pretraining,barlow", "--out", str(tmp_path)]) == 0
    before = pd.read_csv(tmp_path / "throughput.csv").set_index(["stage", "way"])
    assert command.main(["--only", "barlow", "--out", str(tmp_path)]) == 0
    after = pd.read_csv(tmp_path / "throughput.csv").set_index(["stage", "way"])
    assert set(before.index) == set(after.index)
    pd.testing.assert_frame_equal(before.loc[["pretraining"]], after.loc[["pretraining"]])
    old, new = (table.loc["Barlow Twins", "objects_per_second"] for table in (before, after))
    assert (old != new).any()


def test_small_sizes_do_not_touch_the_published_numbers(smallest, tmp_path, capsys):
    assert command.main(["--only", "pretraining", "--size", "small"]) == 0
    assert (tmp_path / "build/bench/results/throughput.csv").exists()
    assert not (tmp_path / "figures").exists()


def test_an_unknown_stage_is_an_error(tmp_path, capsys):
    with pytest.raises(SystemExit):
        command.main(["--only", "pretraning", "--out", str(tmp_path)])
    assert "there is no stage pretraning" in capsys.readouterr().err


def test_a_damaged_table_is_told_before_anything_is_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(command, "this_machine", lambda device: pytest.fail("measured"))
    (tmp_path / "throughput.csv").write_text('a\n1,2\n"', encoding="utf-8")
    assert command.main(["--out", str(tmp_path)]) == 1
    assert "throughput.csv cannot be read" in capsys.readouterr().err
