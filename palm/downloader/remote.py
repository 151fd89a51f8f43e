"""Downloads the files of one folder one by one; finished ones are kept when a connection is lost."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from palm.errors import DownloadError, counted
from palm.storage.atomic_directory import sha256_of


@dataclass(frozen=True)
class RemoteFile:
    """A file on the web.

    Attributes:
        name: Its path in the folder, with `/` between parts.
        url: Its address.
        size: Its size in bytes; 0 if unknown.
        sha256: Hash of its content; None if unknown.
    """

    name: str
    url: str
    size: int = 0
    sha256: str | None = None


def fetch_files(files: Sequence[RemoteFile], folder: Path, target: Path) -> None:
    """Fill `folder` with `files`.

    Args:
        files: What to download.
        folder: Receives the files once all are downloaded.
        target: Final path of the folder; finished files are kept next to it until all are downloaded, each under a hash
            of its address, which names the revision: files of two revisions never mix.

    Raises:
        DownloadError: No connection, or damaged content; the next call resumes.
    """
    from palm.downloader.fetch import fetch  # noqa: PLC0415 (imports requests, which is slow)

    parts = target.with_name(f".{target.name}.parts")
    places = [parts / sha256(file.url.encode()).hexdigest()[:16] / file.name for file in files]
    for file, place in zip(files, places, strict=True):
        if not _has_come(file, place):
            place.parent.mkdir(parents=True, exist_ok=True)
            fetch(file.url, place, file.sha256)
            _check_size(file, place)
    for file, place in zip(files, places, strict=True):
        (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
        place.rename(folder / file.name)
    shutil.rmtree(parts)


def _has_come(file: RemoteFile, place: Path) -> bool:
    """Whether an earlier call downloaded what `file` is now: under the same address lie other bytes at times."""
    if not place.is_file() or (file.size and file.sha256 is None and place.stat().st_size != file.size):
        return False
    return file.sha256 is None or sha256_of(place) == file.sha256


def _check_size(file: RemoteFile, place: Path) -> None:
    found = place.stat().st_size
    if file.sha256 is None and file.size and found != file.size:
        place.unlink()
        rule = f"the file must have {counted(file.size, 'byte')}."
        raise DownloadError(f"{file.url}: {rule} Found {found}: damaged or replaced. It was thrown away; try again.")
