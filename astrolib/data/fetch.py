"""Download the files of a dataset once, check them, and say where they are.

    python -m astrolib.data.fetch sdss_photometry sdss_stamps

prints what it will download and how large it is, then does so. Files are kept in the folder
`astrolib.paths.data_cache()`, which `ASTROLIB_DATA_DIR` overrides; a folder that holds them already may be
read-only and needs no network.
"""

import argparse
import errno
import json
import os
import sys
import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests
from filelock import FileLock
from tqdm import tqdm

from astrolib import paths
from astrolib.data.download import WITHOUT_NETWORK, ResumingDownloader, move_aside
from astrolib.data.manifest import FetchError, RemoteFile, datasets, load_manifest

RETRIES = 3  # Pooch waits 1, 2, 3, ... seconds before them
WORKERS = 8  # files downloaded at once: of small ones most of the time is waiting for the server
REMEMBER_ABOVE = 1_000_000_000  # bytes; hashing more than that at each use would be felt


@dataclass(frozen=True)
class Planned:
    """One file of a plan. `present` means that a file of the right size (where that is known) is there."""

    dataset: str
    file: RemoteFile
    path: Path
    present: bool


def plan(names: Iterable[str]) -> list[Planned]:
    """What fetching some datasets would mean; nothing is read but file sizes.

    Raises
    ------
    FetchError
        If there is no dataset of one of the names.
    """
    rows = []
    for name in names:
        for file in load_manifest(name).files:
            path = paths.data_cache() / file.name
            present = path.is_file() and file.bytes in (None, path.stat().st_size)
            rows.append(Planned(name, file, path, present))
    return rows


def fetch(name: str, files: Iterable[str] | None = None, progress: bool = True) -> dict[str, Path]:
    """Paths of a dataset's files, after downloading those that are missing or damaged.

    Several files are downloaded at once; after an error the others stop too. A damaged file is renamed to
    `<name>.bad`. An interrupted download is kept as `<name>.part` and goes on from there the next time.

    Parameters
    ----------
    name : str
        One of `datasets()`.
    files : iterable of str, optional
        Names of the files wanted, as in the manifest. Default: all.
    progress : bool
        Show a progress bar in bytes while downloading.

    Returns
    -------
    dict of str to Path
        Path of each file by its name in the manifest.

    Raises
    ------
    FetchError
        In one paragraph: unknown name, no network, wrong hash, full disk, file to be had by hand only.

    Examples
    --------
    >>> fetch("sdss_photometry")["sdss_photometry/sdss_galaxy_colors.npy"]  # doctest: +SKIP
    PosixPath('.../sdss_photometry/sdss_galaxy_colors.npy')
    """
    wanted = {file.name: file for file in load_manifest(name).files}
    if files is not None:
        files = list(files)
        if unknown := [file for file in files if file not in wanted]:
            raise FetchError(f"Dataset {name} has no file {unknown[0]!r}: it has {', '.join(wanted)}.")
        wanted = {file: wanted[file] for file in files}
    found = {file: paths.data_cache() / file for file in wanted}
    missing = [file for file in wanted if not _is_good(wanted[file], found[file])]
    if missing:
        _download([wanted[file] for file in missing], name, progress)
    return found


def _is_good(file: RemoteFile, path: Path) -> bool:
    """Whether the file is there and right; a large file that has not changed since is not hashed again."""
    if not path.is_file():
        return False
    stat = path.stat()
    stamp = [file.hash, stat.st_size, stat.st_mtime_ns]
    if stat.st_size > REMEMBER_ABOVE and _verified().get(str(path)) == stamp:
        return True
    if file.fault(path) is not None:
        return False
    if stat.st_size > REMEMBER_ABOVE and file.hash is not None:
        _remember(str(path), stamp)
    return True


def _verified_file() -> Path:
    """In the user's own cache folder: the data may lie in a folder that is read-only."""
    return Path(pooch.os_cache("astrolib")) / "verified.json"


def _verified() -> dict[str, list]:
    """Hash, size and modification time of large files when they were last found good."""
    try:
        return json.loads(_verified_file().read_text())
    except (OSError, ValueError):
        return {}


def _remember(path: str, stamp: list) -> None:
    verified = _verified() | {path: stamp}
    aside = _verified_file().with_suffix(f".{os.getpid()}")
    try:
        aside.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(json.dumps(verified, indent=1))
        aside.replace(_verified_file())
    except OSError:
        pass  # without a home folder the file is merely hashed again


def _download(files: list[RemoteFile], dataset: str, progress: bool) -> None:
    """Get files that are missing or bad, one process at a time."""
    for file in files:
        if file.url is None:
            _refuse_manual(file)
    folder = paths.data_cache()
    sizes = [file.size for file in files]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            total = None if None in sizes else sum(sizes)
            with tqdm(total=total, desc=dataset, unit="B", unit_scale=True, disable=not progress) as bar:
                _download_together(files, folder, bar)
    except OSError as error:  # of the disk: those of the network became a FetchError on the way
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        lacking = next((file for file in files if not _is_good(file, folder / file.name)), files[0])
        raise FetchError(
            f"{'The disk is full' if full else f'Cannot write ({error})'} while downloading {dataset} to "
            f"{folder}, where {lacking.name} {_state(lacking, folder)}. What has arrived is kept. Make "
            "room, or set ASTROLIB_DATA_DIR to a folder with more space that you can write to, and run the "
            f"same command again: it goes on where it stopped. {WITHOUT_NETWORK}"
        ) from None


def _download_together(files: list[RemoteFile], folder: Path, bar: tqdm) -> None:
    """Download some files at once; the first error, or Ctrl-C, stops all of them."""
    stop = threading.Event()
    with requests.Session() as session, ThreadPoolExecutor(WORKERS) as pool:
        try:
            jobs = [pool.submit(_download_file, file, folder, bar, session, stop) for file in files]
            for job in as_completed(jobs):
                job.result()
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise


def _download_file(
    file: RemoteFile, folder: Path, bar: tqdm, session: requests.Session, stop: threading.Event
) -> None:
    path = folder / file.name
    if _is_good(file, path):  # another process got it while this one waited
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    damaged = f" The copy that was there is damaged and kept as {move_aside(path)}." if path.exists() else ""
    part = path.with_name(path.name + ".part")
    # Pooch knows no git blob ids, so the downloader checks the hashes of both kinds itself.
    store = pooch.create(
        path=folder,
        base_url="",
        registry={file.name: None},
        urls={file.name: file.url},
        retry_if_failed=RETRIES,
    )
    pooch.get_logger().setLevel("WARNING")
    try:
        store.fetch(file.name, downloader=ResumingDownloader(file, part, bar, session, stop))
    except requests.RequestException as error:
        kept = part.stat().st_size if part.exists() else 0
        raise FetchError(
            f"Could not download {file.name} from {file.url} to {folder} ({_reason(error)}).{damaged} Check "
            f"the network and run the same command again: {kept:,} bytes are kept and it goes on from there. "
            f"{WITHOUT_NETWORK}"
        ) from None


def _state(file: RemoteFile, folder: Path) -> str:
    path = folder / file.name
    return f"is damaged ({file.fault(path)})" if path.is_file() else "is missing"


def _refuse_manual(file: RemoteFile) -> None:
    raise FetchError(
        f"{file.name} cannot be downloaded by a program. Get it by hand from {file.manual} and put it at "
        f"{paths.data_cache() / file.name}. {WITHOUT_NETWORK}"
    )


def _reason(error: requests.RequestException) -> str:
    """The innermost cause, which is the part that a person can read."""
    while error.__context__ is not None:
        error = error.__context__
    return f"{type(error).__name__}: {error}"


def describe(rows: list[Planned]) -> str:
    """A plan in words: one line per dataset, then the sum."""
    lines = []
    for name in dict.fromkeys(row.dataset for row in rows):
        mine = [row for row in rows if row.dataset == name]
        todo = [row for row in mine if not row.present]
        state = f"to download: {_amount(todo)}" if todo else "present"
        if by_hand := [row.file.manual for row in todo if row.file.url is None]:
            state = f"to download by hand from {by_hand[0]}"
        lines.append(f"{name:18} {_amount(mine):30} {state}")
    todo = [row for row in rows if not row.present]
    lines.append(f"To download into {paths.data_cache()}: {_amount(todo) if todo else 'nothing'}")
    return "\n".join(lines)


def _amount(rows: list[Planned]) -> str:
    """Number of files and their size, as well as it is known."""
    files = f"{len(rows)} file{'s' * (len(rows) > 1)}"
    known = [row.file.size for row in rows if row.file.size]
    if not known:
        return f"{files} of unknown size"
    exact = all(row.file.bytes for row in rows)
    vague = "" if exact else "about " if len(known) == len(rows) else "more than "
    return f"{files}, {vague}{tqdm.format_sizeof(sum(known), 'B')}"


def run(names: Iterable[str]) -> int:
    """Print the plan for some datasets and fetch them; the exit code is 1 after an error in one paragraph."""
    names = list(names)
    try:
        print(describe(plan(names)), flush=True)
        for name in names:
            fetch(name)
    except FetchError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. What has arrived is kept; the same command goes on from there.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m astrolib.data.fetch", description="Fetch datasets.")
    parser.add_argument("names", nargs="+", metavar="NAME", help=", ".join(datasets()))
    sys.exit(run(parser.parse_args().names))
