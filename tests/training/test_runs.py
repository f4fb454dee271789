import importlib
import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from astrolib.training.optim import Optimization
from astrolib.training.runs import Run, RunError, write_aside

STATE = {"history": [{"epoch": 0, "loss": 0.1}], "timing": [{"epoch": 0, "seconds": 2.0}], "best": None}


def imported(path: Path, source: str):
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = sys.modules[path.stem] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_folder_depends_on_every_setting_and_on_no_order(tmp_path):
    base = Run(tmp_path, "pretrain", {"lr": 1e-3, "model": {"depth": 12, "heads": 3}})
    assert base.folder.parent == tmp_path and base.folder.name.startswith("pretrain-")
    assert Run(tmp_path, "pretrain", {"model": {"heads": 3, "depth": 12}, "lr": 1e-3}).folder == base.folder
    assert Run(tmp_path, "pretrain", {"lr": 1e-3, "model": {"depth": 12, "heads": 4}}).folder != base.folder
    assert Run(tmp_path, "finetune", {"lr": 1e-3, "model": {"depth": 12, "heads": 3}}).folder != base.folder
    assert not list(tmp_path.iterdir())  # asking for a run makes no folder


def test_equal_settings_of_other_types_are_the_same_run(tmp_path):
    one = {"betas": (0.9, 0.95), "softening": np.array([0.5, 0.25], dtype="float32"), "n": np.int64(3)}
    other = {"betas": [0.9, 0.95], "softening": [0.5, 0.25], "n": 3}
    assert Run(tmp_path, "a", one).folder == Run(tmp_path, "a", other).folder


def test_settings_are_readable(tmp_path):
    run = Run(tmp_path, "a", {"optimization": Optimization(3, 8, 0.1), "seed": 42}, code=[Optimization])
    with run.lock():
        run.write_settings()
    written = json.loads((run.folder / "settings.json").read_text())
    assert written["settings"]["optimization"]["lr"] == 0.1 and written["settings"]["seed"] == 42
    assert list(written["code"]) == ["astrolib.training.lars", "astrolib.training.optim"]  # which imports it


def test_a_setting_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(TypeError, match=r"pretrain\.model\.layer is a Linear"):
        Run(tmp_path, "pretrain", {"model": {"layer": nn.Linear(1, 1)}})


def test_code_counts_but_not_comments_docstrings_and_layout(tmp_path, monkeypatch):
    def folder(source):
        module = imported(tmp_path / "net.py", source)
        monkeypatch.setitem(sys.modules, "net", module)
        assert (
            Run(tmp_path, "a", {}, code=[module]).folder == Run(tmp_path, "a", {}, code=[module.Net]).folder
        )
        return Run(tmp_path, "a", {}, code=[module.Net]).folder

    plain = folder("class Net:\n    def forward(self, x):\n        return 2 * x\n")
    told = folder(
        '"""A net."""\n\n\nclass Net:\n    """Doubles."""\n\n    def forward(self, x):\n'
        '        """Twice x."""\n        # twice\n        return (2 * x)\n'
    )
    changed = folder("class Net:\n    def forward(self, x):\n        return 3 * x\n")
    assert plain == told != changed
    assert folder('def f():\n    """Only words."""\n\n\nclass Net:\n    pass\n') != plain


def test_code_includes_what_it_imports_from_its_own_package(tmp_path, monkeypatch):
    package = tmp_path / "somepackage"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "blocks.py").write_text("width = 3\n")
    (package / "nets.py").write_text(
        "import json\n\nfrom somepackage import blocks\n\n\nclass Net:\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    nets = importlib.import_module("somepackage.nets")
    run = Run(tmp_path, "a", {}, code=[nets.Net])
    assert list(run.settings["code"]) == ["somepackage.blocks", "somepackage.nets"]
    (package / "blocks.py").write_text("width = 4\n")
    assert Run(tmp_path, "a", {}, code=[nets.Net]).folder != run.folder
    for name in ("somepackage", "somepackage.blocks", "somepackage.nets"):
        del sys.modules[name]


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed, self.head, self.norm = nn.Linear(3, 3), nn.Linear(3, 3), nn.BatchNorm1d(3)
        self.head.weight = self.embed.weight


def finished(tmp_path, model):
    run = Run(tmp_path, "a", {})
    with run.lock():
        run.write_state(STATE | {"model": model.state_dict()})
        run.finish(model, STATE, {"kept_epoch": 0})
    return run


def test_weights_with_shared_tensors_and_buffers_come_back(tmp_path):
    model = Tied()
    model.norm(torch.rand(8, 3) + 5)
    run = finished(tmp_path, model)
    again = run.load_model(Tied())
    assert run.done and not again.training
    assert again.head.weight is again.embed.weight
    for name, value in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=0, atol=0)
    assert not (run.folder / "state.pt").exists()  # three times the size of the weights, and of no more use
    assert run.history().loss.tolist() == [0.1] and run.timing().seconds.tolist() == [2.0]


def test_weights_of_another_model_are_refused(tmp_path):
    with pytest.raises(RunError, match=r"model\.safetensors does not fit Linear.*delete the folder"):
        finished(tmp_path, Tied()).load_model(nn.Linear(3, 3))


def test_a_damaged_weights_file_is_named(tmp_path):
    run = finished(tmp_path, Tied())
    weights = run.folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:40])
    with pytest.raises(RunError, match=r"model\.safetensors.*delete the folder"):
        run.load_model(Tied())


def test_a_run_that_is_not_there_says_so(tmp_path):
    run = Run(tmp_path, "a", {})
    assert not run.done
    with pytest.raises(RunError, match="not done"):
        run.load_model(Tied())
    with pytest.raises(RunError, match=r"no history\.csv yet"):
        run.history()


def test_a_damaged_state_is_named(tmp_path):
    run = Run(tmp_path, "a", {})
    with run.lock():
        assert run.read_state() is None
        run.write_state(STATE)
    assert run.read_state()["history"] == STATE["history"]
    state = run.folder / "state.pt"
    state.write_bytes(state.read_bytes()[:100])
    with pytest.raises(RunError, match=r"state\.pt cannot be read.*Delete that file"):
        run.read_state()


def test_a_state_that_would_run_code_is_refused(tmp_path):
    run = Run(tmp_path, "a", {})
    with run.lock():
        torch.save({"history": Tied()}, run.folder / "state.pt")
    with pytest.raises(RunError, match="cannot be read"):
        run.read_state()


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    run = Run(tmp_path, "a", {})
    with run.lock():
        run.write_state(STATE | {"epoch": 1})
        monkeypatch.setattr(torch, "save", lambda state, path: full_disk(path))
        with pytest.raises(RunError, match=r"state\.pt could not be written \(.*No space left.*make room"):
            run.write_state(STATE | {"epoch": 2})
    assert run.read_state()["epoch"] == 1
    assert sorted(p.name for p in run.folder.iterdir()) == ["history.csv", "lock", "state.pt", "timing.csv"]


def full_disk(path):
    path.write_bytes(b"half of it")
    raise OSError(28, "No space left on device")


def test_ctrl_c_while_writing_leaves_the_old_file(tmp_path):
    target = tmp_path / "table.csv"
    target.write_text("old")

    def interrupted(path):
        path.write_text("ne")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_aside(target, interrupted)
    assert target.read_text() == "old" and list(tmp_path.iterdir()) == [target]
