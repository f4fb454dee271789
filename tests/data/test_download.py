"""Many files at once: what is asked for, what the bar shows, and what an error or Ctrl-C leaves."""

import hashlib
import os
import random
import signal
import threading

import pytest
import requests

from astrolib import paths
from astrolib.data import download, fetch
from astrolib.data.fetch import FetchError

NAMES = [f"{number:02d}.jpeg" for number in range(40)]
LONG = NAMES[0]  # the only one of more than one piece
slow = threading.Event()  # never set: waiting for it is a pause, which `time.sleep` is not in these tests


@pytest.fixture
def files(tmp_path, monkeypatch, server):
    """Serve 40 files and write their manifest `toy`, a table."""
    rng = random.Random(0)
    server.files = {name: rng.randbytes(3000 + 10 * k) for k, name in enumerate(NAMES)}
    server.files[LONG] = rng.randbytes(6 * download.CHUNK)
    folder = tmp_path / "manifests"
    folder.mkdir()
    lines = [
        f"{name} {len(body)} {hashlib.sha1(b'blob %d' % len(body) + bytes(1) + body).hexdigest()}"
        for name, body in server.files.items()
    ]
    (folder / "toy.toml").write_text(
        'description = "d"\nlicence = "l"\ncitations = ["c"]\nrepository = "r"\nnotes = "n"\n'
        f'[table]\nfolder = "toy"\nbase_url = "{server.url}"\nlines = """\n' + "\n".join(lines) + '\n"""\n'
    )
    monkeypatch.setattr(paths, "manifests", lambda: folder)
    monkeypatch.setattr(fetch.pooch.core.time, "sleep", lambda seconds: None)
    return server.files


@pytest.fixture
def bars(monkeypatch):
    """Every progress bar that was shown."""
    shown = []

    class Bar(fetch.tqdm):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            shown.append(self)

    monkeypatch.setattr(fetch, "tqdm", Bar)
    return shown


def folder():
    return paths.data_cache() / "toy"


def arrived() -> set[str]:
    return {path.name for path in folder().glob("*.jpeg")}


def test_all_files_arrive_several_at_a_time(files, server, bars):
    together = threading.Barrier(fetch.WORKERS)
    first = set(NAMES[: fetch.WORKERS])
    server.before = lambda path: path in first and together.wait(5)  # breaks if they do not come together
    found = fetch.fetch("toy")
    assert {name: path.read_bytes() for name, path in found.items()} == {
        f"toy/{name}": body for name, body in files.items()
    }
    assert sorted(server.asked) == NAMES and arrived() == set(NAMES)
    assert [bar.n for bar in bars] == [bar.total for bar in bars] == [sum(map(len, files.values()))]
    fetch.fetch("toy")
    assert len(server.asked) == len(NAMES) and len(bars) == 1


def test_what_is_there_is_kept_and_what_was_begun_goes_on(files, server, bars):
    folder().mkdir(parents=True)
    (folder() / "01.jpeg").write_bytes(files["01.jpeg"])
    (folder() / "02.jpeg").write_bytes(files["02.jpeg"][::-1])  # damaged: the right size, other bytes
    (folder() / f"{LONG}.part").write_bytes(files[LONG][:100_000])
    fetch.fetch("toy")
    assert all((folder() / name).read_bytes() == body for name, body in files.items())
    assert (folder() / "02.jpeg.bad").read_bytes() == files["02.jpeg"][::-1]
    assert sorted(server.asked) == [name for name in NAMES if name != "01.jpeg"]
    assert [asked for asked in server.requests if asked] == ["bytes=100000-"]
    (bar,) = bars
    assert bar.n == bar.total == sum(len(body) for name, body in files.items() if name != "01.jpeg")


def test_the_bar_goes_back_when_a_file_is_read_from_the_start_again(files, server, bars):
    server.ranges, server.drop_after = False, 2000  # of whichever file comes first
    fetch.fetch("toy")
    (bar,) = bars
    assert len(server.asked) == len(NAMES) + 1 and bar.n == bar.total


def test_a_file_that_is_gone_stops_the_others_and_is_the_error(files, server):
    server.statuses["10.jpeg"] = 404
    server.wait = LONG  # half of it has been sent when the other one fails

    def release(path):
        if path == "10.jpeg":
            threading.Timer(0.3, server.go_on.set).start()
        elif path > "10.jpeg":
            slow.wait(0.1)

    server.before = release
    with pytest.raises(FetchError, match="refused toy/10.jpeg: 404") as error:
        fetch.fetch("toy", progress=False)
    assert "\n" not in str(error.value)
    asked = set(server.asked)
    assert len(asked) < len(NAMES) - fetch.WORKERS  # the rest was not even begun
    kept = (folder() / f"{LONG}.part").read_bytes()
    assert 0 < len(kept) < len(files[LONG]) and files[LONG].startswith(kept)
    assert LONG not in arrived() and arrived()

    before, server.wait, server.statuses = arrived(), None, {}
    server.asked.clear()
    fetch.fetch("toy", progress=False)
    assert set(server.asked) == set(NAMES) - before and arrived() == set(NAMES)
    assert f"bytes={len(kept)}-" in server.requests


def test_ctrl_c_stops_all_and_the_next_call_goes_on(files, server, capsys):
    def interrupt(path):
        if path == "20.jpeg":
            os.kill(os.getpid(), signal.SIGINT)
        elif path > "20.jpeg":
            slow.wait(0.2)

    server.before = interrupt
    assert fetch.run(["toy"]) == 130
    assert "What has arrived is kept" in capsys.readouterr().err
    before = arrived()
    assert 10 < len(before) < len(NAMES)
    server.before = lambda path: None
    server.asked.clear()
    assert fetch.run(["toy"]) == 0 and set(server.asked) == set(NAMES) - before


def test_one_that_waits_for_the_network_is_not_begun_after_a_stop(tmp_path):
    stop = threading.Event()
    stop.set()
    remote = fetch.RemoteFile("toy/a", "http://127.0.0.1:9/a", None, 1, None, None)
    with fetch.tqdm(disable=True) as bar:
        one = download.ResumingDownloader(remote, tmp_path / "a.part", bar, requests.Session(), stop)
        with pytest.raises(download.Stopped):
            one(remote.url, str(tmp_path / "a"), None)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_names_a_file_that_is_missing(files, monkeypatch):
    folder().mkdir(parents=True)
    (folder() / LONG).write_bytes(files[LONG])

    def full(self, size):
        raise OSError(28, "No space left on device")
        yield

    monkeypatch.setattr(requests.Response, "iter_content", full)
    with pytest.raises(FetchError, match="The disk is full.*toy/01.jpeg is missing"):
        fetch.fetch("toy", progress=False)
