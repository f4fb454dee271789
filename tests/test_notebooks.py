"""Every notebook keeps the rules of the house, and runs from its first cell to its last."""

import ast
import functools
import json
import re

import nbformat
import numpy as np
import pytest

from astrolib import paths
from astrolib.notebooks import execute

SOURCES = sorted((paths.project() / "notebooks").glob("*.ipynb"))
NAMES = [path.stem for path in SOURCES]


class Notebook:
    """A stored notebook as the lists that the rules speak of."""

    def __init__(self, path):
        self.json = json.loads(path.read_text())
        self.cells = self.json["cells"]
        self.code = [cell for cell in self.cells if cell["cell_type"] == "code"]
        self.markdown = [cell for cell in self.cells if cell["cell_type"] == "markdown"]
        self.parameters = [
            i for i, cell in enumerate(self.cells) if "parameters" in cell["metadata"].get("tags", [])
        ]

    def text(self, index: int) -> str:
        return "".join(self.cells[index]["source"])

    def made_files(self) -> list[str]:
        """The figures and tables that the first cell announces as output of every profile."""
        output = next(line for line in self.text(0).splitlines() if "**Output**" in line)
        return re.findall(r"`(\w+\.(?:png|csv|md))`", output.partition("; in `sample` also")[0])


@pytest.fixture(params=SOURCES, ids=NAMES)
def notebook(request):
    return Notebook(request.param)


def test_notebooks_are_numbered_and_the_first_is_the_entrance():
    assert NAMES[0] == "00_start_here"
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+", name) for name in NAMES)


def test_stored_without_outputs(notebook):
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in notebook.code)
    assert notebook.json["metadata"].keys() <= {"kernelspec", "language_info"}
    assert notebook.json["metadata"]["kernelspec"]["name"] == "python3"


def test_cells_have_ids_of_their_own(notebook):
    nbformat.validate(notebook.json)
    assert notebook.json["nbformat_minor"] >= 5
    identities = [cell["id"] for cell in notebook.cells]
    assert len(set(identities)) == len(identities)


def test_first_cell_says_what_to_expect(notebook):
    assert notebook.cells[0]["cell_type"] == "markdown"
    assert notebook.text(0).startswith("# ")
    for promise in ("Goal", "Input", "Output", "Runtime", "Expect", "Re-creates"):
        assert f"**{promise}" in notebook.text(0)


def test_more_is_said_than_computed(notebook):
    assert len(notebook.markdown) >= len(notebook.code)
    lines = [len("".join(cell["source"]).splitlines()) for cell in notebook.code]
    assert np.median(lines) <= 6
    assert np.percentile(lines, 90) <= 15


def test_machinery_is_in_the_library(notebook):
    trees = [ast.parse("".join(cell["source"])) for cell in notebook.code]
    kinds = [type(node) for tree in trees for node in ast.walk(tree)]
    assert kinds.count(ast.FunctionDef) <= 1 and ast.ClassDef not in kinds


def test_one_cell_of_documented_parameters(notebook):
    assert len(notebook.parameters) == 1
    (index,) = notebook.parameters
    around = [i for i in (index - 1, index + 1) if notebook.cells[i]["cell_type"] == "markdown"]
    documentation = " ".join(notebook.text(i) for i in around)
    values = {}
    for statement in ast.parse(notebook.text(index)).body:
        assert isinstance(statement, ast.Assign)
        values[statement.targets[0].id] = ast.literal_eval(statement.value)
    assert values["profile"] == "demo"  # the one that make sets; papermill only warns of an unknown name
    assert not [name for name in values if f"`{name}`" not in documentation]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Run a notebook at the smallest size, once, in folders that the notebooks share."""
    root = tmp_path_factory.mktemp("smallest")

    @functools.cache
    def run(name: str) -> nbformat.NotebookNode:
        with pytest.MonkeyPatch.context() as patch:
            for tree in ("BUILD", "FIGURES", "DATA_DIR"):
                patch.setenv(f"ASTROLIB_{tree}", str(root / tree.lower()))
            source = paths.project() / "notebooks" / f"{name}.ipynb"
            execute(source, root / "copies/notebooks" / source.name, "smallest")
            made = {path.name for path in paths.figures("smallest").glob("*")}
        assert set(Notebook(source).made_files()) <= made
        return nbformat.read(root / "copies/notebooks" / source.name, as_version=4)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_runs_from_first_to_last_cell_and_makes_what_it_announces(name, run):
    executed = run(name)
    assert all(cell.execution_count for cell in executed.cells if cell.cell_type == "code" and cell.source)


def test_what_ci_checks_is_what_the_notebooks_announce():
    lines = (paths.project() / "figures/promised.txt").read_text().splitlines()
    promised = {line for line in lines if not line.startswith("#")}
    announced = {name for path in SOURCES for name in Notebook(path).made_files()}
    to_read = {re.sub("csv$", "md", name) for name in announced}  # every table is also written for reading
    assert promised == announced | to_read


def broken(tmp_path, code: str):
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": kernel})
    notebook.cells = [
        nbformat.v4.new_code_cell('profile = "demo"', metadata={"tags": ["parameters"]}),
        nbformat.v4.new_code_cell(code),
    ]
    source = tmp_path / "broken.ipynb"
    nbformat.write(notebook, source)
    return source


def test_cell_that_raises_keeps_its_traceback(tmp_path):
    source = broken(tmp_path, 'sky = "clouds"\nraise ValueError(f"{profile}: the sky has\\n{sky}")')
    with pytest.raises(SystemExit, match=r"broken: failed after \d+ s, see .*failed.broken.ipynb: clouds"):
        execute(source, tmp_path / "build/notebooks/broken.ipynb", "sample")
    kept = nbformat.read(tmp_path / "build/failed/broken.ipynb", as_version=4)
    (error,) = [
        output for cell in kept.cells for output in cell.get("outputs", []) if output.output_type == "error"
    ]
    assert error.evalue == "sample: the sky has\nclouds"
    assert not list((tmp_path / "build/notebooks").iterdir())


def test_kernel_that_dies_is_a_failure(tmp_path):
    source = broken(tmp_path, "import os; os._exit(1)")
    with pytest.raises(SystemExit, match="broken: failed .* DeadKernelError: Kernel died"):
        execute(source, tmp_path / "build/notebooks/broken.ipynb", "demo")
    assert not list((tmp_path / "build/notebooks").iterdir())


def test_file_that_is_no_notebook_is_a_failure(tmp_path):
    source = tmp_path / "broken.ipynb"
    source.write_text("{")
    with pytest.raises(SystemExit, match=f"see {source}: "):
        execute(source, tmp_path / "build/notebooks/broken.ipynb", "demo")


def test_progress_bars_leave_one_line(tmp_path):
    code = "from tqdm import trange\nimport sys\nfor _ in trange(50, file=sys.stdout, mininterval=0): pass"
    execute(broken(tmp_path, code), tmp_path / "build/notebooks/broken.ipynb", "demo")
    made = nbformat.read(tmp_path / "build/notebooks/broken.ipynb", as_version=4)
    (text,) = [output.text for cell in made.cells for output in cell.get("outputs", [])]
    assert "50/50" in text and "\r" not in text.strip() and "10/50" not in text
