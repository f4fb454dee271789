"""Folders made once: what counts as the same, what does not, and what an interruption leaves."""

import threading

import numpy as np
import pytest

from astrolib import paths
from astrolib.data import derived
from astrolib.data.derived import chosen_rows, derived_folder
from astrolib.data.galaxies import SurveyError


@pytest.fixture
def code(tmp_path, monkeypatch):
    """A package of one module whose source can be changed."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "maker.py").write_text("NUMBER = 1\n")
    monkeypatch.setattr(derived, "PACKAGE", package)
    return package / "maker.py"


def make(folder):
    folder.mkdir()
    (folder / "array.txt").write_text("whole")


def never(folder):
    raise AssertionError("made again")


def test_a_folder_is_made_once_below_the_arrays(code):
    folder = derived_folder("stars", {"n": 3, "seed": 1}, ["maker.py"], make)
    assert folder.parent == paths.arrays() and folder.name.startswith("stars-")
    assert (folder / "array.txt").read_text() == "whole"
    assert derived_folder("stars", {"seed": 1, "n": 3}, ["maker.py"], never) == folder


def test_other_settings_other_names_and_other_code_are_other_folders(code):
    def folder(name="stars", **settings):
        return derived_folder(name, {"n": 3} | settings, ["maker.py"], make)

    first = folder()
    assert len({first, folder(n=4), folder(more=True), folder("galaxies")}) == 4
    code.write_text("NUMBER = 2\n")
    assert folder() != first
    code.write_text("# why it is one\n\n\nNUMBER = (\n    1\n)  # one\n")
    assert folder() == first


def test_an_interruption_leaves_nothing_that_is_taken_for_complete(code):
    def interrupted(folder):
        (folder.with_name(folder.name + ".part")).mkdir()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        derived_folder("stars", {}, ["maker.py"], interrupted)
    assert not [path for path in paths.arrays().glob("stars-*") if path.suffix == ""]
    assert (derived_folder("stars", {}, ["maker.py"], make) / "array.txt").exists()


def test_two_who_ask_at_once_make_it_once(code):
    made, inside = [], threading.Event()

    def slowly(folder):
        made.append(folder)
        inside.wait(0.2)
        make(folder)

    def ask():
        found.append(derived_folder("stars", {}, ["maker.py"], slowly))

    found = []
    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 1 and found == 2 * made


def test_a_module_that_is_not_there_is_an_error(code):
    with pytest.raises(FileNotFoundError):
        derived_folder("stars", {}, ["nothing.py"], make)


def test_some_rows_are_random_ones_in_order():
    rows = chosen_rows(100, 10, 3, "stars")
    assert len(set(rows.tolist())) == 10 and (np.diff(rows) > 0).all() and rows.tolist() != list(range(10))
    assert np.array_equal(rows, chosen_rows(100, 10, 3, "stars"))
    assert not np.array_equal(rows, chosen_rows(100, 10, 4, "stars"))
    assert chosen_rows(100, None, 3, "stars") == chosen_rows(100, 100, 3, "stars") == slice(None)
    with pytest.raises(SurveyError, match="n_stars = 1,000, but this survey has only 100 stars"):
        chosen_rows(100, 1000, 3, "stars")
