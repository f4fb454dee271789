"""A Pooch downloader that goes on where an interrupted download stopped."""

import re
import threading
from pathlib import Path

import requests
from tqdm import tqdm

from astrolib.data.manifest import FetchError, RemoteFile

TIMEOUT = (10, 60)  # seconds to connect, and between two pieces of data
CHUNK = 1 << 16  # bytes; of a broken connection at most this much is lost
WITHOUT_NETWORK = (
    "To do without it, set ASTROLIB_DATA_DIR to a folder that holds the files, or use the demo profile "
    "(make all PROFILE=demo), which downloads nothing."
)


class Stopped(Exception):
    """Another file failed, or a person stopped the program."""


class ResumingDownloader:
    """Download into a `.part` file beside the target, and continue that file the next time.

    Pooch gives a downloader a temporary file that it deletes after a failure. This one keeps what has
    arrived in `part` instead, asks the server for the rest (HTTP Range, RFC 9110 section 14), and hands the
    file to Pooch only when it is complete and has the right hash.

    Parameters
    ----------
    remote : RemoteFile
        Size and hash to hold the download against.
    part : Path
        Where the unfinished download is kept.
    bar : tqdm
        Progress bar in bytes, shared by all files of a dataset.
    session : requests.Session
        Keeps connections open from one small file to the next.
    stop : threading.Event
        Once set, the download ends with `Stopped` at the next piece of data; what has arrived is kept.
    """

    def __init__(
        self, remote: RemoteFile, part: Path, bar: tqdm, session: requests.Session, stop: threading.Event
    ):
        self.remote = remote
        self.part = part
        self.bar = bar
        self.session = session
        self.stop = stop
        self.counted = 0  # bytes of this file that the bar shows

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Pooch's downloader interface."""
        self._receive(url)
        if fault := self.remote.fault(self.part):
            bad = move_aside(self.part)
            raise FetchError(
                f"The download of {self.remote.name} from {url} is not the expected file: {fault}. It was "
                f"kept as {bad} and is not used. Run the same command again; if it fails the same way, a "
                "proxy or login page may have answered instead, or the file has changed at its source. "
                f"{WITHOUT_NETWORK}"
            )
        self.part.replace(output_file)

    def _receive(self, url: str) -> None:
        """Append to the part file until it is as long as the server says."""
        if self.stop.is_set():
            raise Stopped
        have = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Accept-Encoding": "identity"}  # sizes and ranges then count the bytes of the file
        if have:
            headers["Range"] = f"bytes={have}-"
        with self.session.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            start, total = _span(response)
            if response.status_code == 416 and have == total:  # nothing is left to send
                return self._count(have)
            if have and (response.status_code == 416 or start not in (0, have)):
                self.part.unlink()  # what is here does not belong to what the server has
                return self._receive(url)
            if 400 <= response.status_code < 500 and response.status_code not in (408, 429):
                raise FetchError(
                    f"The server refused {self.remote.name}: {response.status_code} {response.reason} for "
                    f"{url}. The file may have been moved or deleted at its source; the dataset's manifest "
                    f"in data_manifest/ names its repository. {WITHOUT_NETWORK}"
                )
            response.raise_for_status()
            self._append(response, start)
        size = self.part.stat().st_size
        if total is not None and size != total:
            raise requests.ConnectionError(f"the download ended after {size:,} of {total:,} bytes")

    def _append(self, response: requests.Response, start: int) -> None:
        """Write the body at `start`, which is 0 if the server ignores ranges."""
        self._count(start)
        with self.part.open("ab" if start else "wb") as stream:
            for chunk in response.iter_content(CHUNK):
                stream.write(chunk)
                self._count(self.counted + len(chunk))
                if self.stop.is_set():
                    raise Stopped

    def _count(self, size: int) -> None:
        """Let the bar show `size` bytes of this file; other threads move the same bar."""
        with self.bar.get_lock():
            self.bar.update(size - self.counted)
        self.counted = size


def move_aside(path: Path) -> Path:
    """Rename a bad file to `<name>.bad`, so that nothing takes it for the real one and nothing is lost."""
    bad = path.with_name(path.name.removesuffix(".part") + ".bad")
    return path.replace(bad)


def _span(response: requests.Response) -> tuple[int, int | None]:
    """First byte that a response holds and size of the whole file, None if the server does not say."""
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", ""))
    if found:
        first, total = found.groups()
        return int(first or 0), None if total == "*" else int(total)
    if response.status_code == 206:  # a piece, and no word where it belongs
        return -1, None
    length = response.headers.get("Content-Length")
    return 0, None if length is None else int(length)
