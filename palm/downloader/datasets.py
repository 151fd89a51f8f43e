"""The public data sets that PALM knows by name, with public source, size and sha256 of every file."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from palm.downloader.remote import RemoteFile
from palm.errors import DownloadError
from palm.registry import did_you_mean

_HOME = "https://raw.githubusercontent.com"


@dataclass(frozen=True)
class PublicDataset:
    """One data set.

    Attributes:
        name: Its name, and that of its folder.
        content: A description of its content.
        licence: Its licence, if its repository states one.
        repository: Its repository on GitHub.
        files: Its files.
    """

    name: str
    content: str
    licence: str
    repository: str
    files: tuple[RemoteFile, ...]

    @property
    def megabytes(self) -> float:
        """Size of all files."""
        return sum(file.size for file in self.files) / 1e6

    @property
    def where(self) -> str:
        """Its source, for messages."""
        return f"https://github.com/{self.repository}"


@cache
def datasets() -> tuple[PublicDataset, ...]:
    """All data sets."""
    entries = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    return tuple(_dataset(entry) for entry in entries)


def find_dataset(name: str) -> PublicDataset:
    """The data set called `name`.

    Raises:
        DownloadError: No data set has this name.
    """
    found = next((dataset for dataset in datasets() if dataset.name == name.lower()), None)
    if found is None:
        hint = did_you_mean(name, [dataset.name for dataset in datasets()])
        raise DownloadError(f"unknown data set `{name}`.{hint} See `palm download --data` for the list.")
    return found


def _dataset(entry: dict[str, object]) -> PublicDataset:
    files = entry["files"]
    if not isinstance(files, list):
        raise TypeError(f"datasets.json lists the files of each data set. Found {files!r}.")
    home = f"{_HOME}/{entry['repository']}/{entry['revision']}"
    remote = [RemoteFile(file["name"], f"{home}/{file['path']}", file["size"], file["sha256"]) for file in files]
    return PublicDataset(
        name=str(entry["name"]),
        content=str(entry["content"]),
        licence=str(entry["licence"]),
        repository=str(entry["repository"]),
        files=tuple(remote),
    )
