"""The manifests name files that can be checked, and the hashes are those of their standards."""

import hashlib
import re
import shutil
import subprocess
from pathlib import PurePosixPath

import pytest

from astrolib import paths
from astrolib.data.manifest import FetchError, datasets, file_hash, load_manifest

GOOD_LINE = "good.jpeg 7 " + "a" * 40


@pytest.mark.parametrize("name", datasets())
def test_a_manifest_says_where_files_come_from_and_what_is_owed(name):
    manifest = load_manifest(name)
    assert manifest.description and manifest.licence and manifest.citations and manifest.files
    assert manifest.repository.startswith("https://")
    names = [file.name for file in manifest.files]
    assert len(set(names)) == len(names)
    for file in manifest.files:
        path = PurePosixPath(file.name)
        assert not path.is_absolute() and ".." not in path.parts and len(path.parts) > 1
        assert (file.url is None) != (file.manual is None)
        assert (file.url or file.manual).startswith("https://") and " " not in (file.url or "")
        if file.hash is not None:
            kind, _, digits = file.hash.partition(":")
            assert {"sha256": 64, "git-blob": 40}[kind] == len(digits)
            int(digits, 16)


def test_the_small_real_datasets_are_complete_and_pinned():
    (table,) = load_manifest("sdss_photometry").files
    assert table.name == "sdss_photometry/sdss_galaxy_colors.npy" and table.url.endswith(
        "/sdss_galaxy_colors.npy"
    )
    stamps = load_manifest("sdss_stamps").files
    assert len(stamps) == 100 and sum(file.bytes for file in stamps) == 10_834_560
    assert all(file.hash.startswith("sha256:") for file in (table, *stamps))
    assert table.bytes + sum(file.bytes for file in stamps) < 100e6  # the promise of the sample profile


def test_many_small_files_are_a_table_of_git_blob_ids(tmp_path, monkeypatch):
    labelled, more = load_manifest("galaxy_zoo1").files, load_manifest("galaxy_zoo1_more").files
    assert [len(labelled), len(more)] == [2266, 4399]
    assert [sum(file.bytes for file in files) for files in (labelled, more)] == [30_649_453, 52_132_005]
    assert labelled[0].name == "galaxy_zoo1/smallCSV_class.csv" and labelled[0].hash.startswith("sha256:")
    picture = labelled[1]
    assert picture.name == "galaxy_zoo1/images/587722952767439450.jpeg" and picture.bytes == 13964
    assert picture.url.endswith("/smallGZ1/Imagenes/587722952767439450.jpeg")
    assert picture.hash == "git-blob:a7c601e442385a880b743d412b4bda1891478e66"
    assert not {file.name for file in labelled} & {file.name for file in more}
    for path in paths.manifests().glob("*.toml"):
        assert path.stat().st_size < 390_000


@pytest.mark.parametrize("line", ["a.jpeg 12", "../a.jpeg 12 " + "0" * 40, "a.jpeg 12 " + "0" * 64, ""])
def test_a_damaged_line_of_a_table_is_named(tmp_path, monkeypatch, line):
    monkeypatch.setattr(paths, "manifests", lambda: tmp_path)
    (tmp_path / "toy.toml").write_text(
        'description = "d"\nlicence = "l"\ncitations = ["c"]\nrepository = "r"\nnotes = "n"\n[table]\n'
        f'folder = "toy"\nbase_url = "https://example.org/"\nlines = """\n{GOOD_LINE}\n{line}\n"""\n'
    )
    with pytest.raises(FetchError, match=re.escape(repr(line)) + ".*toy.toml"):
        load_manifest("toy")


def test_a_misspelt_dataset_is_answered_with_close_names():
    with pytest.raises(FetchError, match="sdss_stamps"):
        load_manifest("sdss_stamp")


def test_git_blob_hash_is_that_of_git(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"")
    assert file_hash(path, "git-blob") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"  # git's empty blob
    path.write_bytes(bytes(range(256)) * 1000)
    assert file_hash(path, "sha256") == hashlib.sha256(path.read_bytes()).hexdigest()
    if git := shutil.which("git"):
        expected = subprocess.run([git, "hash-object", path], capture_output=True, text=True, check=True)
        assert file_hash(path, "git-blob") == expected.stdout.strip()


def test_an_unknown_kind_of_hash_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(ValueError, match="md5"):
        file_hash(tmp_path / "file", "md5")
