"""Downloads the files of one folder one by one; finished ones are kept when a connection is lost."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


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
        target: Final path of the folder; finished files are kept next to it until all are downloaded.

    Raises:
        DownloadError: No connection, or damaged content; the next call resumes.
    """
    from palm.downloader.fetch import fetch  # noqa: PLC0415 (imports requests, which is slow)

    parts = target.with_name(f".{target.name}.parts")
    for file in files:
        place = parts / file.name
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            fetch(file.url, place, file.sha256)
    for file in files:
        (folder / file.name).parent.mkdir(parents=True, exist_ok=True)
        (parts / file.name).rename(folder / file.name)
    shutil.rmtree(parts)
