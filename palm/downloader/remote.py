"""Files on the web that make up one folder, downloaded one by one; what has come is kept when a connection is lost."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class RemoteFile:
    """One file.

    Attributes:
        name: Its path in the folder, with `/` between parts.
        url: Where it is.
        size: Its bytes; 0 where nobody says.
        sha256: Of its content; None where nobody says.
    """

    name: str
    url: str
    size: int = 0
    sha256: str | None = None


def fetch_files(files: Sequence[RemoteFile], folder: Path, target: Path) -> None:
    """Fill `folder` with `files`.

    Args:
        files: What to download.
        folder: Where it goes, once all of it is there.
        target: The folder that it will be in the end; beside it lie the files that have come, until all have.

    Raises:
        DownloadError: No connection, or damaged content; the next call goes on from there.
    """
    from palm.downloader.fetch import fetch  # noqa: PLC0415 (imports requests, which takes longer than a list should)

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
