"""Files of the registry, downloaded, verified and cached. Nothing that was not verified ever has its final name.

A file is downloaded (or unpacked, or generated) inside a folder ``partial-…`` beside its final place, checked there,
and then renamed, which is atomic. Whoever finds a ``partial-…`` folder while holding the lock finds what a killed
process left, and deletes it.
"""

from __future__ import annotations

import gzip
import logging
import os
import shutil
import sys
import tarfile
import tempfile
import tomllib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import platformdirs
import pooch
import requests
from filelock import AcquireReturnProxy, FileLock, Timeout
from tqdm import tqdm

ROOT = Path(__file__).resolve().parent.parent  # the folder that holds syllabus.toml
TIMEOUT = 20.0  # seconds without a byte after which a host counts as stalled
PARTIAL = "partial-"
REMEDY = "What to do: delete it and run this again; if that does not help, report that data/registry.toml is wrong."

# Pooch reports on standard error, where nbgrader would give the cell no points. What went wrong is in our exceptions.
pooch.get_logger().setLevel(logging.CRITICAL + 1)


class DataError(RuntimeError):
    """A data set could not be provided. The message names the file, what was tried and what to do."""


@dataclass(frozen=True)
class Store:
    """The data sets of one registry, and the folder in which their files are kept.

    Args:
        registry: path of a ``registry.toml``.
        cache: folder for downloaded and generated files; those of a data set land in ``cache/<name>/``.
    """

    registry: Path
    cache: Path

    def fetch(self, name: str) -> list[Path]:
        """The verified files of a data set, downloaded if they are not in the cache.

        Downloaded files are compared with the registry's hash on every call; files out of an archive, which was
        compared before it was unpacked, with their sizes.

        Args:
            name: a table of the registry that has files, such as ``"cifar10"``.

        Returns:
            The paths, in the order of the registry: for an archive, those of its members.

        Raises:
            DataError: the name is unknown, no source has the right file, or the disk refuses it.
        """
        entries = tomllib.loads(self.registry.read_text(encoding="utf-8"))
        if name not in entries:
            raise DataError(f"{self.registry} has no data set {name!r}.\nIt has: {', '.join(sorted(entries))}.")
        if "files" not in entries[name]:
            raise DataError(f"{name} has no files to fetch.\nWhat to do: take it from {entries[name]['comes_from']}.")
        with self.locked(name) as folder, tempfile.TemporaryDirectory(prefix=PARTIAL, dir=folder) as partial:
            return [path for file in entries[name]["files"] for path in _provide(file, folder, Path(partial))]

    @contextmanager
    def locked(self, name: str) -> Iterator[Path]:
        """The cache folder of a data set, for one process at a time and free of what killed processes left.

        Raises:
            DataError: the disk refuses something, here or in the body of the ``with`` statement.
        """
        folder = self.cache / name
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with _acquire(folder / ".lock"):
                for leftover in folder.glob(f"{PARTIAL}*"):
                    shutil.rmtree(leftover)
                yield folder


def default_cache() -> Path:
    """``data/cache`` of the course, or the user's cache folder where the course may not be written to."""
    cache = ROOT / "data" / "cache"
    writable = os.access(cache if cache.exists() else cache.parent, os.W_OK)
    return cache if writable else platformdirs.user_cache_path("unified-ai-curriculum")


STORE = Store(ROOT / "data" / "registry.toml", default_cache())


def _acquire(path: Path) -> AcquireReturnProxy:
    """A lock that the operating system takes back from a process that dies; ``with`` releases it."""
    lock = FileLock(path)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        print(f"Another process is preparing {path.parent}; waiting for it.", flush=True)
        return lock.acquire()


@contextmanager
def disk_errors(what: str | Path) -> Iterator[None]:
    """Turn an OSError of the body into a DataError that says what was being done."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{what}: {error.strerror or error}.\n"
            "What to do: make room on that disk, or make the folder readable and writable; then run this again."
        ) from error


def publish(partial: Path, final: Path) -> None:
    """Give a checked file its final name, at once."""
    partial.chmod(0o644)  # temporary files are private; a cache may be shared between users
    os.replace(partial, final)


def _provide(file: dict, folder: Path, partial: Path) -> list[Path]:
    """Make the file of one registry table present in ``folder``: itself, or its members if it is an archive."""
    members = {folder / PurePosixPath(member).name: size for member, size in file.get("members", {}).items()}
    if members and have_sizes(members):
        return list(members)
    path = folder / file["name"]
    if "hash" not in file:
        raise DataError(
            f"{path}: the registry has no hash for it, so it is not fetched.\nWhat to do: add a published one."
        )
    algorithm, digest = file["hash"].split(":")
    with disk_errors(f"writing {path}"):
        if not path.is_file() or pooch.file_hash(str(path), alg=algorithm) != digest:
            publish(_download(file, path, partial), path)
    if not members:
        return [path]
    with disk_errors(f"unpacking {path}"):
        for member in _unpack(path, file, partial):
            publish(member, folder / member.name)
    return list(members)


def have_sizes(files: dict[Path, int]) -> bool:
    """Whether each file exists and has its size in bytes."""
    return all(path.is_file() and path.stat().st_size == size for path, size in files.items())


def _download(file: dict, path: Path, partial: Path) -> Path:
    """The first of the file's sources that sends the right bytes, in ``partial``."""
    tried = []
    for url in file["sources"]:
        with tqdm(
            desc=file["name"],
            total=file["bytes"],
            unit="B",
            unit_scale=True,
            file=sys.stdout,
            mininterval=0.5,
            ncols=80,
        ) as bar:
            # "identity": the bytes as they are, so that their number is the announced one and a cut is noticed.
            plain = {"Accept-Encoding": "identity"}
            get = pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16, timeout=TIMEOUT, headers=plain)
            try:
                return Path(pooch.retrieve(url, file["hash"], fname=file["name"], path=partial, downloader=get))
            except (requests.RequestException, ValueError) as error:
                tried.append(f"  {url}\n      {_reason(error)}")
    raise DataError(
        f"{path}: no source sent the right file.\n" + "\n".join(tried) + "\n"
        "What to do: check the connection and run this again, or put the file there yourself; its checksum is verified."
    )


def _reason(error: Exception) -> str:
    """Why a download failed, in a few words."""
    if isinstance(error, requests.HTTPError):
        return f"answered {error.response.status_code} {error.response.reason}"
    if "timed out" in str(error):  # also a body that stalls, which requests reports as a ConnectionError
        return f"stalled: no byte for {TIMEOUT:g} s"
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "broke off before the end of the file"
    if isinstance(error, requests.ConnectionError):
        return "could not be reached"
    if isinstance(error, requests.RequestException):
        return f"{type(error).__name__}: {error}"
    return f"wrong checksum: {error}"  # pooch's ValueError names both


def _unpack(archive: Path, file: dict, partial: Path) -> list[Path]:
    """The members of a verified tar archive, in ``partial``: plain files of the names and sizes in the registry."""
    members = {partial / PurePosixPath(member).name: size for member, size in file["members"].items()}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                if member.isdir() or member.name in file.get("unused", []):
                    continue
                if not member.isfile() or member.name not in file["members"]:
                    raise DataError(
                        f"{archive}: refused, its member {member.name!r} is not one that the registry lists.\n{REMEDY}"
                    )
                with (partial / PurePosixPath(member.name).name).open("wb") as out:
                    shutil.copyfileobj(tar.extractfile(member), out)
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{archive}: has the registry's hash but is no readable archive ({error}).\n{REMEDY}"
        ) from error
    if not have_sizes(members):
        raise DataError(f"{archive}: its members differ from those that the registry lists.\n{REMEDY}")
    return list(members)
