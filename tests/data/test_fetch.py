"""Downloads from a local server that misbehaves in the ways real ones do."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from astrolib import paths
from astrolib.data import download, fetch
from astrolib.data.fetch import FetchError

CONTENT = os.urandom(300_000)
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()
GIT_BLOB = "git-blob:" + hashlib.sha1(b"blob 300000\0" + CONTENT).hexdigest()
DROP = 2 * download.CHUNK  # bytes after which the line goes dead
MIRROR = os.environ.get(
    "ASTROLIB_DATA_DIR"
)  # of the person who runs the tests, read before a fixture moves it


@pytest.fixture
def dataset(tmp_path, monkeypatch, server):
    """Write a manifest `toy` with one file, and say where the file will be."""
    server.content = CONTENT
    folder = tmp_path / "manifests"
    folder.mkdir()
    monkeypatch.setattr(paths, "manifests", lambda: folder)
    monkeypatch.setattr(fetch.pooch, "os_cache", lambda name: tmp_path / "home")
    monkeypatch.setattr(fetch.pooch.core.time, "sleep", lambda seconds: None)

    def write(**entry) -> Path:
        entry = {"name": "toy/data.bin", "url": server.url + "data.bin", **entry}
        lines = [f"{key} = {json.dumps(value)}" for key, value in entry.items() if value is not None]
        (folder / "toy.toml").write_text(
            'description = "d"\nlicence = "l"\ncitations = ["c"]\nrepository = "r"\nnotes = "n"\n[[files]]\n'
            + "\n".join(lines)
        )
        return paths.data_cache() / entry["name"]

    return write


def get() -> Path:
    (path,) = fetch.fetch("toy", progress=False).values()
    return path


@pytest.mark.parametrize("expected", [SHA256, GIT_BLOB, None], ids=["sha256", "git-blob", "no hash"])
def test_a_download_arrives_whole_and_is_not_repeated(dataset, server, expected):
    path = dataset(bytes=len(CONTENT), hash=expected)
    assert get() == path and path.read_bytes() == CONTENT
    assert get() == path and len(server.requests) == 1
    assert [p.name for p in path.parent.iterdir()] == ["data.bin"]


def test_a_dropped_connection_is_resumed_within_one_call(dataset, server):
    path = dataset(hash=SHA256)
    server.drop_after = DROP
    assert get().read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={DROP}-"]
    assert not path.with_name("data.bin.part").exists()


def test_what_arrived_before_an_error_is_kept_for_the_next_call(dataset, server, monkeypatch):
    path = dataset(hash=SHA256)
    monkeypatch.setattr(fetch, "RETRIES", 0)
    server.drop_after = DROP
    with pytest.raises(FetchError, match=f"{DROP:,} bytes are kept") as error:
        get()
    assert "\n" not in str(error.value) and error.value.__suppress_context__
    assert path.with_name("data.bin.part").read_bytes() == CONTENT[:DROP] and not path.exists()
    assert get().read_bytes() == CONTENT
    assert server.requests[-1] == f"bytes={DROP}-"


def test_a_server_that_ignores_ranges_is_read_from_the_start(dataset, server):
    dataset(hash=SHA256)
    server.ranges, server.drop_after = False, DROP
    assert get().read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={DROP}-"]


def test_a_part_file_that_is_already_complete_or_too_long(dataset, server):
    path = dataset(hash=SHA256)
    part = path.with_name("data.bin.part")
    path.parent.mkdir(parents=True)
    part.write_bytes(CONTENT)
    assert get().read_bytes() == CONTENT and server.requests == ["bytes=300000-"]
    path.unlink()
    part.write_bytes(CONTENT + b"more")
    assert get().read_bytes() == CONTENT and server.requests[-1] is None


@pytest.mark.parametrize("kind", ["sha256", "git-blob"])
def test_wrong_content_is_kept_aside_and_never_used(dataset, server, kind):
    path = dataset(hash=SHA256 if kind == "sha256" else GIT_BLOB)
    server.content = b"<html>please log in</html>"
    with pytest.raises(FetchError, match=f"{kind} hash") as error:
        get()
    assert "data.bin.bad" in str(error.value) and not path.exists()
    assert path.with_name("data.bin.bad").read_bytes() == server.content
    assert len(server.requests) == 1  # a wrong file is not asked for again and again
    server.content = CONTENT
    assert get().read_bytes() == CONTENT


def test_a_truncated_file_in_the_cache_is_moved_aside_and_replaced(dataset):
    path = dataset(bytes=len(CONTENT), hash=SHA256)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:1000])
    assert get().read_bytes() == CONTENT
    assert path.with_name("data.bin.bad").read_bytes() == CONTENT[:1000]


def test_no_network_says_what_to_do(dataset, server, monkeypatch):
    dataset(url="http://127.0.0.1:9/data.bin", hash=SHA256)
    monkeypatch.setattr(fetch, "RETRIES", 1)
    with pytest.raises(FetchError) as error:
        get()
    for words in ("toy/data.bin", "ASTROLIB_DATA_DIR", "PROFILE=demo", "refused"):
        assert words in str(error.value)


def test_a_file_that_is_gone_is_not_tried_again(dataset, server):
    dataset(hash=SHA256)
    server.status = 404
    with pytest.raises(FetchError, match="404"):
        get()
    assert len(server.requests) == 1


def test_a_busy_server_is_tried_again(dataset, server, monkeypatch):
    dataset(hash=SHA256)
    server.status = 503
    monkeypatch.setattr(fetch.pooch.core.time, "sleep", lambda seconds: setattr(server, "status", None))
    assert get().read_bytes() == CONTENT


def test_a_full_disk_keeps_what_fitted(dataset, server, monkeypatch):
    path = dataset(hash=SHA256)
    monkeypatch.setattr(download, "CHUNK", 1000)
    chunks = requests.Response.iter_content

    def until_full(self, size):
        for number, chunk in enumerate(chunks(self, size)):
            if number == 50:
                raise OSError(errno.ENOSPC, "No space left on device")
            yield chunk

    monkeypatch.setattr(requests.Response, "iter_content", until_full)
    with pytest.raises(FetchError, match="The disk is full.*Make room"):
        get()
    assert path.with_name("data.bin.part").stat().st_size == 50_000
    monkeypatch.setattr(requests.Response, "iter_content", chunks)
    assert get().read_bytes() == CONTENT and server.requests[-1] == "bytes=50000-"


def test_a_read_only_folder_is_enough_when_the_files_are_there(dataset, server, monkeypatch):
    path = dataset(bytes=len(CONTENT), hash=SHA256)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    before = sorted(paths.data_cache().rglob("*"))
    monkeypatch.setattr(fetch, "FileLock", None)  # nothing may be written: tests may run as root, whom modes
    monkeypatch.setattr(Path, "mkdir", None)  # of files do not stop
    assert get() == path
    assert sorted(paths.data_cache().rglob("*")) == before and not server.requests


def test_a_folder_that_cannot_be_written_says_which_file_is_missing(dataset, server, monkeypatch):
    blocked = paths.data_cache()
    blocked.parent.mkdir(parents=True, exist_ok=True)
    blocked.write_text("a file where the folder should be")
    dataset(hash=SHA256)
    with pytest.raises(FetchError, match="Cannot write.*toy/data.bin is missing"):
        get()


def test_a_large_file_is_hashed_once(dataset, monkeypatch):
    path = dataset(hash=SHA256)
    monkeypatch.setattr(fetch, "REMEMBER_ABOVE", 1000)
    get()
    get()  # hashes the file in its place and remembers
    hashed = []
    monkeypatch.setattr("astrolib.data.manifest.file_hash", lambda path, kind: hashed.append(path) or "0")
    get()
    assert not hashed
    os.utime(path, (0, 0))  # the file has been touched since
    with pytest.raises(FetchError):
        get()
    assert hashed


def test_a_file_for_a_person_names_the_page_and_the_place(dataset):
    path = dataset(url=None, manual="https://example.org/page")
    with pytest.raises(FetchError, match="by hand from https://example.org/page") as error:
        get()
    assert str(path) in str(error.value)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert get() == path


def test_only_the_files_asked_for_are_fetched(dataset, server):
    dataset(hash=SHA256)
    with pytest.raises(FetchError, match="no file 'other'.*toy/data.bin"):
        fetch.fetch("toy", files=["other"])
    assert fetch.fetch("toy", files=[]) == {} and not server.requests


def test_two_processes_at_once_download_once(dataset, server):
    dataset(hash=SHA256)
    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda _: get(), range(2)))
    assert both[0].read_bytes() == CONTENT and len(server.requests) == 1


def test_the_plan_is_printed_before_the_download(dataset, server, capsys):
    path = dataset(bytes=len(CONTENT), hash=SHA256)
    assert fetch.run(["toy"]) == 0
    printed = capsys.readouterr().out
    assert "toy" in printed and "1 file, 300kB" in printed and str(paths.data_cache()) in printed
    assert path.exists()
    assert fetch.run(["toy"]) == 0 and "present" in capsys.readouterr().out
    (row,) = fetch.plan(["toy"])
    assert row.present and row.path == path


def test_the_command_line_ends_with_one_paragraph_and_no_traceback():
    done = subprocess.run(
        [sys.executable, "-m", "astrolib.data.fetch", "no_such_set"], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert (
        "no_such_set" in done.stderr
        and "Traceback" not in done.stderr
        and done.stderr.strip().count("\n") == 0
    )


@pytest.mark.skipif(MIRROR is None, reason="ASTROLIB_DATA_DIR names no folder with the real data")
def test_the_mirror_holds_what_the_manifests_say(monkeypatch):
    monkeypatch.setenv("ASTROLIB_DATA_DIR", MIRROR)
    monkeypatch.setattr(requests, "Session", None)  # any download would fail
    for name in ("sdss_photometry", "sdss_stamps", "galaxy_zoo1", "galaxy_zoo1_more"):
        if all(row.present for row in fetch.plan([name])):
            fetch.fetch(name)
