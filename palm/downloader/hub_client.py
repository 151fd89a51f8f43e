"""Models of the Hugging Face hub in the cache that all programs share, through `huggingface_hub`.

Offline mode (`HF_HUB_OFFLINE`), tokens (`HF_TOKEN`), mirrors (`HF_ENDPOINT`) and the cache's place (`HF_HOME`,
`HF_HUB_CACHE`) are that library's. PALM adds what the library leaves out: files of one commit, compared with the sums
that the hub lists, and messages that say what to do.
"""

import hashlib
import logging
import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from palm.errors import DownloadError, counted
from palm.storage.atomic_directory import sha256_of

ENDPOINT_VARIABLE = "HF_ENDPOINT"
DEFAULT_ENDPOINT = "https://huggingface.co"
COMMIT = re.compile(r"[0-9a-f]{40}")
_CHUNK = 1 << 20
_ATTEMPTS, _PAUSE, _LONGEST_PAUSE = 4, 0.5, 30.0
_SECONDS = 15.0
_RETRYABLE = {408, 425, 429, 500, 502, 503, 504}
_MOST_SHOWN = 200
_LICENCE = re.compile(r"[\w.+-]{1,100}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}")
Result = TypeVar("Result")
_log = logging.getLogger("palm")


class UnreachableError(DownloadError):
    """The hub cannot be reached, or must not be: what is in the cache may still do."""


@dataclass(frozen=True)
class FileSum:
    """What the hub says of a file.

    Attributes:
        size: Its size in bytes; None if it is not said.
        sha256: Hash of its content, for large files; None if it is not said.
        git: Hash of its git blob, for the other ones.
    """

    size: int | None = None
    sha256: str | None = None
    git: str | None = None


@dataclass(frozen=True)
class Listing:
    """The files of a model at one commit.

    Attributes:
        model: `owner/model`.
        commit: The commit.
        licence: Its licence, or `not stated`.
        files: What the hub says of each file.
    """

    model: str
    commit: str
    licence: str
    files: Mapping[str, FileSum]


def endpoint() -> str:
    """The hub's address."""
    return (os.environ.get(ENDPOINT_VARIABLE) or DEFAULT_ENDPOINT).rstrip("/")


def list_model(model: str, revision: str) -> Listing:
    """Ask the hub for the files of `model` at `revision`, once per process.

    Raises:
        UnreachableError: There is no connection, or offline mode.
        DownloadError: No such model or revision, no access, or no hub at that address.
    """
    return _list_model(endpoint(), model, revision)


@cache
def _list_model(address: str, model: str, revision: str) -> Listing:
    from huggingface_hub import HfApi  # noqa: PLC0415 (imports an HTTP client)
    from huggingface_hub.constants import HF_HUB_OFFLINE  # noqa: PLC0415

    if HF_HUB_OFFLINE:
        raise UnreachableError("HF_HUB_OFFLINE is set")
    ask = partial(HfApi(endpoint=address, library_name="palm").model_info, model, revision=revision)
    info = _asked(model, revision, partial(ask, files_metadata=True, timeout=_SECONDS))
    try:
        files = {str(entry.rfilename): _sum(entry) for entry in info.siblings or ()}
        return Listing(model, _matched(COMMIT, info.sha), _licence(info.tags), files)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _no_hub(error) from error


def cached_commit(model: str, revision: str) -> str | None:
    """The commit of `revision` whose config.json is in the cache; None if there is none."""
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 (as above)

    file = try_to_load_from_cache(model, "config.json", revision=revision)
    return Path(file).parent.name if isinstance(file, str) else None


def snapshot_folder(model: str, commit: str) -> Path:
    """The folder in the cache for the files of one commit."""
    from huggingface_hub.constants import HF_HUB_CACHE  # noqa: PLC0415 (as above)

    return Path(HF_HUB_CACHE) / f"models--{model.replace('/', '--')}" / "snapshots" / commit


def remember_revision(listing: Listing, revision: str) -> None:
    """Note in the cache which commit `revision` is, as huggingface_hub does, for later runs without a connection."""
    if COMMIT.fullmatch(revision):
        return
    note = snapshot_folder(listing.model, listing.commit).parents[1] / "refs" / revision
    with suppress(OSError):  # a read-only cache is usable as well
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(listing.commit, encoding="utf-8")


def get_files(listing: Listing, names: Sequence[str]) -> Path:
    """The folder in the cache with the files `names`, which are downloaded where they are missing.

    Raises:
        UnreachableError: There is no connection.
        DownloadError: A file is damaged, there is no access, or the cache cannot be written.
    """
    from huggingface_hub import hf_hub_download  # noqa: PLC0415 (as above)

    folder = snapshot_folder(listing.model, listing.commit)
    for name in names:
        if not (folder / name).is_file():
            download = partial(hf_hub_download, listing.model, name, revision=listing.commit, endpoint=endpoint())
            _compare(Path(_asked(listing.model, listing.commit, download)), listing.files[name])
    return folder


def _asked(model: str, revision: str, ask: Callable[[], Result]) -> Result:
    """The result of `ask`, which is called again after errors that pass."""
    for attempt in range(_ATTEMPTS):
        try:
            return ask()
        except Exception as error:  # whatever the library and its HTTP client raise, which differs by version
            status = _status(error)
            if status not in _RETRYABLE or attempt + 1 == _ATTEMPTS:
                raise _explained(error, model, revision) from error
            wait = min(max(_PAUSE * 2**attempt, _retry_after(error)), _LONGEST_PAUSE)
            _log.info("%s: the hub answered %s; trying again in %.1f s.", model, status, wait)
            time.sleep(wait)
    raise AssertionError("unreachable")


def _explained(error: Exception, model: str, revision: str) -> DownloadError:
    """What an error of the library means to a user."""
    cause = next((each for each in (error, error.__cause__, error.__context__) if each and _status(each)), None)
    where = f"{endpoint()}/{model}"
    if cause is not None:
        return _refused(cause, where, revision)
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError | TimeoutError):
        advice = "Free some space, or set HF_HOME to a folder on another disk."
        place = error.filename or "the cache"
        return DownloadError(f"{model}: {place} cannot be written: {os.strerror(error.errno)}. {advice}")
    if type(error).__name__ == "OfflineModeIsEnabled":
        return UnreachableError("HF_HUB_OFFLINE is set")
    if _is_of_connection(error):
        return UnreachableError(f"{endpoint()} cannot be reached ({_short(error)})")
    if isinstance(error, OSError) and type(error).__name__ != "FileMetadataError":
        return DownloadError(f"{where}: the download failed: {_short(error)}. Try again; it resumes.")
    return _no_hub(error)


def _refused(error: BaseException, where: str, revision: str) -> DownloadError:
    """What a status of the hub means to a user."""
    from huggingface_hub import errors  # noqa: PLC0415 (as above)

    status = _status(error)
    if isinstance(error, errors.GatedRepoError) or status == 403:
        rule = "its owner grants access on that page, and a token of your account in HF_TOKEN proves it."
        return DownloadError(f"{where}: {rule} Found no access ({status}). Ask for it there, then set HF_TOKEN.")
    if isinstance(error, errors.RevisionNotFoundError):
        return DownloadError(f"{where}: has no revision `{revision}`. Write `owner/model@` and one that it has.")
    if isinstance(error, errors.EntryNotFoundError):
        return DownloadError(f"{where}: lists a file that is not there ({status}). Try again, or another revision.")
    if isinstance(error, errors.RepositoryNotFoundError) or status in (401, 404):
        rule = f"the hub has no such public model ({status})."
        return DownloadError(f"{where}: {rule} Correct the id; for a private one, set HF_TOKEN.")
    return UnreachableError(f"{endpoint()} answered {status}")


def _is_of_connection(error: BaseException | None) -> bool:
    """Whether a connection failed: an error of the HTTP client, or of sockets, somewhere behind `error`."""
    while error is not None:
        client = type(error).__module__.partition(".")[0] in ("httpx", "httpx2", "httpcore", "requests", "urllib3")
        named = type(error).__name__ not in ("JSONDecodeError", "DecodingError")
        if isinstance(error, ConnectionError | TimeoutError) or (client and named):
            return True
        error = error.__cause__ or error.__context__
    return False


def _no_hub(error: Exception) -> DownloadError:
    found = f"Found {type(error).__name__}: {_short(error)}."
    return DownloadError(f"{endpoint()}: a Hugging Face hub must answer here. {found} Check {ENDPOINT_VARIABLE}.")


def _status(error: BaseException) -> int | None:
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status if isinstance(status, int) and status >= 400 else None


def _retry_after(error: Exception) -> float:
    headers = getattr(getattr(error, "response", None), "headers", {})
    value = str(headers.get("Retry-After", ""))
    return float(value) if value.isascii() and value.isdigit() and len(value) < 6 else 0.0


def _short(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    shown = "".join(character if character.isprintable() else "?" for character in text[:_MOST_SHOWN])
    return shown if len(text) <= _MOST_SHOWN else f"{shown}…"


def _matched(pattern: re.Pattern[str], text: object) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise TypeError(f"found {text!r:.80}")
    return text


def _sum(entry: Any) -> FileSum:  # noqa: ANN401 (a class of huggingface_hub)
    size = entry.size if isinstance(entry.size, int) and entry.size >= 0 else None
    large = entry.lfs
    if large is None:
        git = entry.blob_id
        return FileSum(size, None, git if isinstance(git, str) and COMMIT.fullmatch(git) else None)
    sha256 = large["sha256"] if isinstance(large, Mapping) else large.sha256
    return FileSum(size, _matched(_SHA256, sha256))


def _licence(tags: object) -> str:
    marked = [str(tag) for tag in tags if str(tag).startswith("license:")] if isinstance(tags, list) else []
    licence = marked[0].removeprefix("license:") if marked else ""
    return licence if _LICENCE.fullmatch(licence) else "not stated"


def _compare(file: Path, expected: FileSum) -> None:
    """Remove `file` if it is not what the hub listed.

    Raises:
        DownloadError: It is not.
    """
    size = file.stat().st_size
    if expected.sha256 is not None and (found := sha256_of(file)) != expected.sha256:
        rule, shown = f"the content must have sha256 {expected.sha256}.", found
    elif expected.git is not None and (found := _git_hash(file, size)) != expected.git:
        rule, shown = f"the content must have the git hash {expected.git}.", found
    elif expected.size is not None and size != expected.size:
        rule, shown = f"the file must have {counted(expected.size, 'byte')}.", str(size)
    else:
        return
    blob = file.resolve()
    file.unlink()
    blob.unlink(missing_ok=True)
    again = "It was deleted; try again, and do not use it if this repeats."
    raise DownloadError(f"{file}: {rule} Found {shown}: damaged or replaced. {again}")


def _git_hash(file: Path, size: int) -> str:
    digest = hashlib.sha1(f"blob {size}\0".encode(), usedforsecurity=False)  # git's name of a file's content
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
