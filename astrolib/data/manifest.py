"""What can be fetched: one TOML file per dataset in `data_manifest/`."""

import difflib
import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urljoin

from astrolib import paths

TABLE_LINE = re.compile(r"([^\s/]+) (\d+) ([0-9a-f]{40})")


class FetchError(RuntimeError):
    """Data could not be had; the message says why, which file, and what to do."""


@dataclass(frozen=True)
class RemoteFile:
    """One file of a dataset."""

    name: str  # path below the cache folder
    url: str | None  # None: nothing but `manual` leads to the file
    manual: str | None  # page where a person downloads the file
    bytes: int | None
    about_bytes: int | None  # stands in where the exact size is not known
    hash: str | None  # "sha256:..." or "git-blob:..."; None where none is published

    @property
    def size(self) -> int | None:
        """Bytes, as well as they are known."""
        return self.bytes or self.about_bytes

    def fault(self, path: Path) -> str | None:
        """What is wrong with the copy at `path`, in words; None if nothing is."""
        size = path.stat().st_size
        if self.bytes is not None and size != self.bytes:
            wrong = "is cut short" if size < self.bytes else "is too long"
            return f"it {wrong}, {size:,} bytes instead of {self.bytes:,}"
        if self.hash is not None:
            kind, _, expected = self.hash.partition(":")
            if (found := file_hash(path, kind)) != expected:
                return f"its {kind} hash is {found} and should be {expected}"
        return None


@dataclass(frozen=True)
class Manifest:
    """A dataset: its files, where they come from, and what a user owes its makers."""

    name: str
    description: str
    licence: str
    citations: tuple[str, ...]
    repository: str
    notes: str
    files: tuple[RemoteFile, ...]


def file_hash(path: Path, kind: str) -> str:
    """Hash of a file.

    Parameters
    ----------
    path : Path
        File to read.
    kind : str
        "sha256", or "git-blob": the SHA-1 that `git hash-object` prints, of the bytes `blob <size>\\0`
        followed by the content.

    Returns
    -------
    str
        Hexadecimal digest.
    """
    if kind == "sha256":
        digest = hashlib.sha256()
    elif kind == "git-blob":
        digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    else:
        raise ValueError(f"Unknown kind of hash {kind!r}: it must be sha256 or git-blob.")
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: digest).hexdigest()


def datasets() -> list[str]:
    """Names of all datasets."""
    return sorted(path.stem for path in paths.manifests().glob("*.toml"))


def load_manifest(name: str) -> Manifest:
    """Read the manifest of a dataset.

    Raises
    ------
    FetchError
        If there is no dataset of that name.

    Examples
    --------
    >>> load_manifest("sdss_photometry").files[0].bytes
    3100208
    """
    if name not in datasets():
        close = difflib.get_close_matches(name, datasets(), n=3, cutoff=0.4) or datasets()
        raise FetchError(
            f"There is no dataset {name!r} in {paths.manifests()}. Did you mean {' or '.join(close)}?"
        )
    path = paths.manifests() / f"{name}.toml"
    settings = tomllib.loads(path.read_text())
    base_url = settings.pop("base_url", None)
    files = [_remote_file(entry, base_url) for entry in settings.pop("files", [])]
    files += _table_files(settings.pop("table", None), path)
    settings["citations"] = tuple(settings["citations"])
    return Manifest(name=name, files=tuple(files), **settings)


def _remote_file(entry: dict, base_url: str | None) -> RemoteFile:
    """A manifest entry; a file without its own address lies in `base_url` under its own name."""
    optional = dict.fromkeys(("url", "manual", "bytes", "about_bytes", "hash"))
    if base_url is not None:
        optional["url"] = urljoin(base_url, quote(Path(entry["name"]).name))
    return RemoteFile(**{**optional, **entry})


def _table_files(table: dict[str, str] | None, path: Path) -> list[RemoteFile]:
    """Files of a `[table]`: many small ones of one folder, a line "name bytes git-blob-id" each in `lines`.

    They lie in `base_url` under their names and are kept in `folder`. A git blob id is 24 characters
    shorter than a SHA-256, and a repository knows it without reading the file.
    """
    files = []
    for line in table["lines"].splitlines() if table else ():
        if not (found := TABLE_LINE.fullmatch(line)):
            raise FetchError(f"The line {line!r} in the table of {path} is not 'name bytes git-blob-id'.")
        name, size, blob = found.groups()
        entry = {"name": f"{table['folder']}/{name}", "bytes": int(size), "hash": f"git-blob:{blob}"}
        files.append(_remote_file(entry, table["base_url"]))
    return files
