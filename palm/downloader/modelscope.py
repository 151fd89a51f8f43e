"""Models of ModelScope (魔搭), whose address `MODELSCOPE_DOMAIN` may change, over its plain HTTP API."""

import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from palm.data.cache import cache_folder
from palm.downloader.place import locked
from palm.downloader.remote import RemoteFile
from palm.errors import DownloadError

DOMAIN_VARIABLE = "MODELSCOPE_DOMAIN"
_DOMAIN = "www.modelscope.cn"
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGITS = 12


@dataclass(frozen=True)
class ScopeListing:
    """The files of a model at one revision.

    Attributes:
        model: `owner/model`.
        revision: The revision that was asked for; a branch such as `master` moves on.
        digest: The first digits of a sha256 of names, sizes and sums: it stands for these very files.
        files: Its files, by their path.
    """

    model: str
    revision: str
    digest: str
    files: Mapping[str, RemoteFile]


@cache
def list_modelscope(model: str, revision: str) -> ScopeListing:
    """Ask ModelScope for the files of `model` at `revision`, once per process.

    Raises:
        DownloadError: No connection, no such model or revision, or another kind of answer.
    """
    home = f"{_address()}/api/v1/models/{quote(model)}/repo"
    url = f"{home}/files?{urlencode({'Revision': revision, 'Recursive': 'true'})}"
    try:
        entries = [entry for entry in _json(url)["Data"]["Files"] if entry["Type"] == "blob"]
        files = {str(entry["Path"]): _remote(home, revision, entry) for entry in entries}
    except (KeyError, TypeError, AttributeError) as error:
        raise DownloadError(
            f"{url}: the response is not from ModelScope ({error!r:.200}). Check {DOMAIN_VARIABLE}."
        ) from error
    parts = "\n".join(f"{name} {file.size} {file.sha256}" for name, file in sorted(files.items()))
    return ScopeListing(model, revision, hashlib.sha256(parts.encode()).hexdigest()[:_DIGITS], files)


def scope_folder(model: str, digest: str) -> Path:
    """The folder in PALM's cache for these files of a model."""
    return cache_folder() / "models" / "modelscope" / model / digest


def get_scope_files(listing: ScopeListing, names: Sequence[str]) -> Path:
    """The folder in PALM's cache with the files `names`, which are downloaded where they are missing.

    Raises:
        DownloadError: No connection, damaged content, or the cache cannot be written.
    """
    from palm.downloader.fetch import fetch  # noqa: PLC0415 (imports requests, which is slow)

    folder = scope_folder(listing.model, listing.digest)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(folder):
            for name in names:
                if not (folder / name).is_file():
                    fetch(listing.files[name].url, folder / name, listing.files[name].sha256)
    except OSError as error:
        raise DownloadError(
            f"{folder}: cannot be written: {error.strerror or error}. Free some space, or set PALM_CACHE."
        ) from error
    return folder


def _address() -> str:
    domain = (os.environ.get(DOMAIN_VARIABLE) or _DOMAIN).rstrip("/")
    return domain if "://" in domain else f"https://{domain}"


def _json(url: str) -> Mapping[str, Any]:
    from palm.downloader.fetch import Patience, fetch  # noqa: PLC0415 (as above)

    with tempfile.TemporaryDirectory(prefix="palm-") as folder:
        file = Path(folder) / "answer.json"
        fetch(url, file, patience=Patience(attempts=3, pause=0.5))
        try:
            answer = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise DownloadError(f"{url}: the response must be JSON. Check {DOMAIN_VARIABLE}.") from error
    if not isinstance(answer, dict):
        raise DownloadError(f"{url}: the response is not from ModelScope. Check {DOMAIN_VARIABLE}.")
    return answer


def _remote(home: str, revision: str, entry: Mapping[str, Any]) -> RemoteFile:
    name, size, sha256 = str(entry["Path"]), entry.get("Size"), entry.get("Sha256")
    known = sha256 if isinstance(sha256, str) and _SHA256.fullmatch(sha256) else None
    url = f"{home}?{urlencode({'Revision': revision, 'FilePath': name})}"
    return RemoteFile(name, url, size if isinstance(size, int) and size > 0 else 0, known)
