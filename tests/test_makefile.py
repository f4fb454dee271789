"""The Makefile, in a small copy of the project where papermill is imitated and a notebook is one word."""

import itertools
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from astrolib import paths

NOTEBOOKS = ("00_start_here", "01_data", "10_astromae_pretrain", "11_astromae_redshift", "90_paper_vs_ours")

PAPERMILL = """
import time
from pathlib import Path
import nbformat.v4
from papermill.exceptions import PapermillExecutionError

def write(copy, words):
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(words)]), copy)

def execute_notebook(source, copy, parameters, **options):
    Path("log").open("a").write(f"{source.stem} begins\\n")
    word = source.read_text()
    copy.write_text("half written")
    while word == "slow" or word == "meets" and Path("log").read_text().count("begins") < 2:
        time.sleep(0.01)
    if word == "edited":
        time.sleep(0.02)
        source.write_text("fine")
    if word == "fails":
        write(copy, "traceback of a ValueError")
        raise PapermillExecutionError("ValueError", "the sky is\\ntoo bright")
    write(copy, f"{word} with profile {parameters['profile']}")
    Path("log").open("a").write(f"{source.stem} ends\\n")
"""

EXCEPTIONS = """
class PapermillExecutionError(Exception):
    def __init__(self, ename, evalue):
        self.ename, self.evalue = ename, evalue
"""


def said(copy: Path) -> str:
    """The one cell of an executed copy."""
    return nbformat.read(copy, as_version=4).cells[0].source


class Project:
    """A copy of the Makefile with stand-ins for everything it drives."""

    def __init__(self, root: Path):
        self.root = root
        for name in ("Makefile", "astrolib/__init__.py", "astrolib/paths.py", "astrolib/notebooks.py"):
            self.write(name, (paths.project() / name).read_text())
        self.write("stand_in/papermill/__init__.py", PAPERMILL)
        self.write("stand_in/papermill/exceptions.py", EXCEPTIONS)
        self.write("astrolib/profiles/demo.toml", "")
        self.write("astrolib/profiles/sample.toml", "")
        for name in NOTEBOOKS:
            self.write(f"notebooks/{name}.ipynb", "fine")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(root),
            "PYTHONPATH": f"{root}:{root / 'stand_in'}",
            "PYTHON": sys.executable,
        }

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def start(self, *arguments: str) -> subprocess.Popen:
        return subprocess.Popen(
            ["make", *arguments],
            cwd=self.root,
            env=self.environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def make(self, *arguments: str) -> tuple[int, str]:
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output

    def run(self, *arguments: str) -> set[str]:
        """Names of the notebooks that a successful make executed."""
        (self.root / "log").write_text("")
        code, output = self.make(*arguments)
        assert code == 0, output
        return {line.split()[0] for line in (self.root / "log").read_text().splitlines()}

    def touch(self, name: str) -> None:
        """Edit a file, a moment after everything there is."""
        later = time.time() + 0.01
        os.utime(self.root / name, (later, later))
        time.sleep(0.02)

    def copy_of(self, name: str, state: str = "notebooks", profile: str = "demo") -> Path:
        return self.root / "build" / profile / state / f"{name}.ipynb"


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path / "project")


@pytest.fixture
def made(project):
    assert project.run("all") == set(NOTEBOOKS)
    return project


def test_help_lists_every_target(project):
    code, output = project.make()
    assert code == 0
    listed = {line.split()[0] for line in output.splitlines() if line.startswith("  ")}
    assert listed == set("help all env fetch notebooks nb figures test lab bench clean".split())
    assert "build/demo/notebooks/00_start_here.ipynb" in output


def test_a_made_notebook_rests_and_holds_its_profile(made):
    assert made.run("all") == set()
    assert said(made.copy_of("10_astromae_pretrain")) == "fine with profile demo"


@pytest.mark.parametrize(
    "edited, executed",
    [
        ("astrolib/profiles/demo.toml", set(NOTEBOOKS)),
        ("astrolib/notebooks.py", set(NOTEBOOKS)),
        ("astrolib/profiles/sample.toml", set()),
        ("notebooks/00_start_here.ipynb", {"00_start_here", "90_paper_vs_ours"}),
        ("notebooks/10_astromae_pretrain.ipynb", set(NOTEBOOKS[2:])),
        ("notebooks/90_paper_vs_ours.ipynb", {"90_paper_vs_ours"}),
    ],
)
def test_what_runs_again_after_an_edit(made, edited, executed):
    made.touch(edited)
    assert made.run("all") == executed


def test_profiles_do_not_share_executed_copies(made):
    assert made.run("all", "PROFILE=sample") == set(NOTEBOOKS)
    assert made.run("all") == set()


def test_one_notebook_brings_what_it_reads(project):
    assert project.run("nb", "N=10") == {"01_data", "10_astromae_pretrain"}
    assert project.run("build/demo/notebooks/00_start_here.ipynb") == {"00_start_here"}
    code, output = project.make("nb")
    assert code != 0 and "make nb N=10" in output


def test_parallel_make_keeps_the_order_of_what_reads_what(project):
    for name in ("00_start_here", "01_data"):  # each waits for the other to begin
        project.write(f"notebooks/{name}.ipynb", "meets")
    assert project.run("-j2", "all") == set(NOTEBOOKS)
    log = (project.root / "log").read_text().splitlines()
    for read, reader in itertools.pairwise(NOTEBOOKS[1:]):
        assert log.index(f"{read} ends") < log.index(f"{reader} begins")
    assert log.index("00_start_here ends") < log.index("90_paper_vs_ours begins")


def test_failed_notebook_is_not_made_and_keeps_its_traceback(made):
    made.write("notebooks/10_astromae_pretrain.ipynb", "fails")
    for _ in range(2):  # it is tried again each time
        code, output = made.make("all")
        assert code != 0
        message = [line for line in output.splitlines() if not line.startswith("make")][-1]
        assert message.startswith("10_astromae_pretrain: failed after")
        assert message.endswith("see build/demo/failed/10_astromae_pretrain.ipynb: too bright")
        assert not made.copy_of("10_astromae_pretrain").exists()
        assert said(made.copy_of("10_astromae_pretrain", "failed")) == "traceback of a ValueError"
        assert not list(made.copy_of("", "running").parent.iterdir())
    made.write("notebooks/10_astromae_pretrain.ipynb", "mended")
    assert made.run("all") == set(NOTEBOOKS[2:])
    assert not made.copy_of("10_astromae_pretrain", "failed").exists()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_make_leaves_nothing_half_written(project, how):
    project.write("notebooks/01_data.ipynb", "slow")
    process = project.start("all")
    running = project.copy_of("01_data", "running")
    while not running.exists() or running.read_text() != "half written":
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, how)
    output, _ = process.communicate(timeout=10)
    assert process.returncode != 0 and "01_data: interrupted" in output
    assert not running.exists()
    assert [path.name for path in project.copy_of("").parent.iterdir()] == ["00_start_here.ipynb"]
    project.write("notebooks/01_data.ipynb", "fine")
    assert project.run("all") == set(NOTEBOOKS) - {"00_start_here"}


def test_source_edited_while_it_runs_runs_again(project):
    project.write("notebooks/00_start_here.ipynb", "edited")
    assert project.run("nb", "N=00") == {"00_start_here"}
    assert project.run("nb", "N=00") == {"00_start_here"}
    assert project.run("nb", "N=00") == set()


def test_unknown_profile_names_the_known_ones(project):
    code, output = project.make("all", "PROFILE=exhaustive")
    assert code != 0 and "Choose one of: demo sample" in output.replace("sample demo", "demo sample")


def test_clean_lists_what_it_removes_and_spares_the_rest(made):
    made.write("figures/demo/table.csv", "kept")
    made.run("all", "PROFILE=sample")
    code, output = made.make("clean")
    assert code == 0 and "build/demo/notebooks" in output
    assert not (made.root / "build/demo").exists()
    assert made.copy_of("01_data", profile="sample").exists()
    assert (made.root / "figures/demo/table.csv").exists()
    assert "Nothing to remove" in made.make("clean")[1]


def stand_in_for_python3(project: Project, script: str) -> None:
    """Put a `python3` of our own on the path, as on a machine before there is a .venv."""
    project.write("bin/python3", f"#!/bin/sh\n{script}\n")
    (project.root / "bin/python3").chmod(0o755)
    project.write("requirements.lock", "")
    project.environment["PATH"] = f"{project.root / 'bin'}:{project.environment['PATH']}"
    del project.environment["PYTHON"]


def test_old_python_is_told_what_to_do(project):
    stand_in_for_python3(project, "exit 1")
    code, output = project.make("env")
    assert code != 0 and "needs Python 3.11 or newer" in output and "BASE_PYTHON=" in output
    assert not (project.root / ".venv").exists()


def test_environment_is_made_once_and_again_when_the_lock_changes(project):
    stand_in_for_python3(project, "mkdir -p .venv/bin && cp /bin/true .venv/bin/python")
    code, output = project.make("env")
    assert code == 0 and "pip install --require-hashes -r requirements.lock" in output
    assert "pip" not in project.make("env")[1]
    project.touch("requirements.lock")
    assert "pip install --require-hashes -r requirements.lock" in project.make("env")[1]


def test_whatever_runs_brings_the_environment(project):
    stand_in_for_python3(project, "exit 1")
    for target in ("all", "nb N=00", "fetch", "notebooks", "figures", "test", "lab", "bench"):
        assert "pip install --require-hashes" in project.make("-n", *target.split())[1], target


def test_failed_installation_is_tried_again(project):
    stand_in_for_python3(project, "mkdir -p .venv/bin && cp /bin/false .venv/bin/python")
    for _ in range(2):
        code, output = project.make("env")
        assert code != 0 and "pip install --require-hashes" in output


def test_activated_environment_gets_no_venv_and_installs_only_what_is_missing(project):
    assert "pip install" not in project.make("env")[1]
    shutil.copytree(project.root / "astrolib", project.root / "elsewhere/astrolib")
    project.environment["PYTHONPATH"] = str(project.root / "elsewhere")  # another checkout is not this one
    assert "pip install --no-deps --no-build-isolation -e ." in project.make("-n", "env")[1]
    assert not (project.root / ".venv").exists()


def test_notebook_kernel_is_that_of_the_environment(project):
    """With the real papermill, and a user's own kernel called python3 that cannot start."""
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    notebook.cells = [
        nbformat.v4.new_code_cell('profile = "demo"', metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell("import os, sys; print(sys.executable, os.getcwd(), profile)"),
    ]
    project.write("notebooks/00_start_here.ipynb", nbformat.writes(notebook))
    cannot_start = '{"argv": ["false"], "display_name": "", "language": "python"}'
    project.write("user/kernels/python3/kernel.json", cannot_start)
    project.environment |= {"JUPYTER_PATH": str(project.root / "user"), "PYTHONPATH": str(project.root)}
    code, output = project.make("nb", "N=00", "PROFILE=sample")
    assert code == 0, output
    executed = nbformat.read(project.copy_of("00_start_here", profile="sample"), as_version=4)
    assert executed.cells[-1].outputs[0].text.split() == [sys.executable, str(project.root), "sample"]
