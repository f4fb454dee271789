"""The one file that knows a folder."""

import ast
from pathlib import Path

import pytest

from astrolib import paths

BUILT = [lambda: paths.runs("demo"), lambda: paths.results("demo"), paths.arrays]


def test_project_is_the_folder_of_the_makefile():
    assert (paths.project() / "Makefile").is_file()
    assert paths.manifests().parent == paths.project()


@pytest.mark.parametrize("folder", BUILT)
def test_build_moves_as_one(folder, monkeypatch, tmp_path):
    monkeypatch.delenv("ASTROLIB_BUILD")
    below = folder().relative_to(paths.project() / "build")
    monkeypatch.setenv("ASTROLIB_BUILD", str(tmp_path / "scratch"))
    assert folder() == tmp_path / "scratch" / below


def test_profiles_share_arrays_and_nothing_else():
    for folder in (paths.runs, paths.results, paths.figures):
        assert folder("demo") != folder("sample")
        assert "demo" in folder("demo").parts


def test_figures_move_on_their_own(monkeypatch, tmp_path):
    runs = paths.runs("demo")
    monkeypatch.delenv("ASTROLIB_FIGURES")
    assert paths.figures("demo") == paths.project() / "figures" / "demo"
    monkeypatch.setenv("ASTROLIB_FIGURES", str(tmp_path / "elsewhere"))
    assert paths.figures("demo") == tmp_path / "elsewhere" / "demo"
    assert paths.runs("demo") == runs


def test_data_cache_is_the_users_unless_moved(monkeypatch):
    monkeypatch.setenv("ASTROLIB_DATA_DIR", "~/surveys")
    assert paths.data_cache() == Path.home() / "surveys"
    monkeypatch.delenv("ASTROLIB_DATA_DIR")
    assert paths.data_cache().name == "astrolib" and paths.project() not in paths.data_cache().parents


def test_asking_for_a_folder_makes_none(tmp_path):
    for folder in (*BUILT, paths.data_cache, lambda: paths.figures("demo")):
        assert tmp_path in folder().parents and not folder().exists()


def test_no_other_module_reads_the_variables_of_paths():
    for source in (paths.project() / "astrolib").rglob("*.py"):
        nodes = ast.walk(ast.parse(source.read_text()))
        strings = {node.value for node in nodes if isinstance(node, ast.Constant)}
        reads = strings & {"ASTROLIB_BUILD", "ASTROLIB_FIGURES", "ASTROLIB_DATA_DIR"}
        assert not reads or source == Path(paths.__file__), source
