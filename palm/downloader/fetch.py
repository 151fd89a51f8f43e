"""Downloads one file over HTTP: streams, resumes and verifies it, and moves it into place when complete."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import requests
import urllib3

from palm.errors import DownloadError
from palm.runtime.progress import progress_bar
from palm.storage.atomic_directory import sha256_of

_CHUNK = 1 << 18
_MOST_REDIRECTS = 5
_LONGEST_PAUSE = 30.0
_MOST_DIGITS, _MOST_SHOWN = 18, 200
_PARTIAL, _WRONG_RANGE = 206, 416
_RETRYABLE = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Patience:
    """Limits on retries and waiting.

    Attributes:
        attempts: Number of connections before giving up.
        pause: Seconds before the second attempt; doubled each time.
        connect: Seconds to wait for a connection.
        read: Seconds to wait for the next bytes.

    """

    attempts: int = 5
    pause: float = 1.0
    connect: float = 10.0
    read: float = 60.0


class _TransientError(Exception):
    """An error that another attempt may overcome."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


@dataclass(frozen=True)
class _Part:
    """The part of a file that has been downloaded, with a note of its origin."""

    file: Path

    @property
    def note(self) -> Path:
        return self.file.with_name(f"{self.file.name}.json")

    def offset(self, url: str) -> tuple[int, str]:
        """Number of reusable bytes, and the server's tag of the file that they belong to."""
        try:
            note = json.loads(self.note.read_text(encoding="utf-8"))
            same = note["url"] == url and isinstance(note["tag"], str) and note["tag"]
            return (self.file.stat().st_size, note["tag"]) if same else (0, "")
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return 0, ""

    def remember(self, url: str, tag: str) -> None:
        self.note.write_text(json.dumps({"url": url, "tag": tag}) + "\n", encoding="utf-8")

    def discard(self) -> None:
        self.file.unlink(missing_ok=True)
        self.note.unlink(missing_ok=True)


def fetch(url: str, target: Path, sha256: str | None = None, patience: Patience = Patience()) -> str:
    """Download `url` to `target`.

    An interrupted download leaves `target.part`, from which the next call resumes if the server allows it.

    Args:
        url: `http` or `https`; redirects may only lead to those, and never from `https` to `http`.
        target: File to write; it appears only when complete.
        sha256: Expected hash of the content.
        patience: When to give up.

    Returns:
        The content's sha256.

    Raises:
        DownloadError: The server or PALM refused the download, the content is damaged, or all attempts failed.

    """
    part = _Part(target.with_name(f"{target.name}.part"))
    reason = ""
    with requests.Session() as session:
        for attempt in range(patience.attempts):
            try:
                _receive(session, url, part, patience)
                return _finish(url, part, target, sha256)
            except _TransientError as error:
                reason = str(error)
                if attempt + 1 < patience.attempts:
                    time.sleep(min(max(patience.pause * 2**attempt, error.wait), _LONGEST_PAUSE))
    kept = f" The part in {part.file} is kept: the next download resumes from it." if part.file.exists() else ""
    raise DownloadError(f"{url}: failed after {patience.attempts} attempts, the last one: {reason}.{kept}")


def _finish(url: str, part: _Part, target: Path, sha256: str | None) -> str:
    found = _checked(url, part, sha256)
    os.replace(part.file, target)
    part.discard()
    return found


def _receive(session: requests.Session, url: str, part: _Part, patience: Patience) -> None:
    """Download the rest of `part`."""
    offset, tag = part.offset(url)
    headers = {"Accept-Encoding": "identity"}  # otherwise the length is not that of the file
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": tag}
    with _open(session, url, headers, patience) as response:
        if response.status_code == _WRONG_RANGE:
            part.discard()
            raise _TransientError("the file has changed, starting over")
        _refuse_bad_status(url, response)
        offset = _continued_from(response, offset)
        part.remember(url, _tag(response))
        _copy(response, part.file, offset)
    expected = _full_length(response, offset)  # urllib3 2 detects a short body itself, urllib3 1 does not
    held = part.file.stat().st_size
    if expected is not None and held != expected:
        raise _TransientError(f"the connection ended at {held} of {expected} bytes")


@contextmanager
def _open(
    session: requests.Session, url: str, headers: dict[str, str], patience: Patience
) -> Iterator[requests.Response]:
    """The response to `url` after redirects; network errors become transient ones, also while it is read."""
    current, response = url, None
    try:
        for _ in range(_MOST_REDIRECTS):
            timeouts = (patience.connect, patience.read)
            response = session.get(current, headers=headers, stream=True, timeout=timeouts, allow_redirects=False)
            if not response.is_redirect:
                break
            response.close()
            current = _next_place(url, current, response.headers["Location"])
        else:
            raise DownloadError(
                f"{url}: at most {_MOST_REDIRECTS} redirects are followed. Found more, last `{_printable(current)}`."
            )
        yield response
    except requests.exceptions.SSLError as error:
        raise DownloadError(
            f"{url}: the server's certificate must be valid. Found {error}. Verification cannot be disabled; behind "
            "a proxy, set REQUESTS_CA_BUNDLE to its certificate."
        ) from error
    except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema) as error:
        raise DownloadError(f"{url}: is not a valid address ({error}).") from error
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
        # ValueError: the libraries below raise it for some responses that they cannot parse.
        raise _TransientError(f"no connection ({type(error).__name__}: {_short(error)})") from error
    finally:
        if response is not None:
            response.close()


def _next_place(url: str, current: str, location: str) -> str:
    try:
        place = urljoin(current, location)
        scheme = urlsplit(place).scheme
    except ValueError as error:  # such as `http://[::1`
        found = f"Found `{_printable(location)}` ({error})"
        raise DownloadError(f"{url}: redirects must lead to an address. {found}. Nothing was downloaded.") from error
    if scheme not in ("http", "https") or (urlsplit(current).scheme == "https" and scheme == "http"):
        found = f"Found `{_printable(place)}`. Nothing was downloaded."
        raise DownloadError(f"{url}: redirects must lead to https (or from http to http). {found}")
    return place


def _refuse_bad_status(url: str, response: requests.Response) -> None:
    status = f"the server answered {response.status_code} {_printable(response.reason or '')}"
    if response.status_code in _RETRYABLE:
        raise _TransientError(status, float(_whole_number(response.headers.get("Retry-After", "")) or 0))
    if not response.ok:
        raise DownloadError(f"{url}: {status}. Check whether the file is still published there.")


def _continued_from(response: requests.Response, requested: int) -> int:
    """Offset of the body: `requested` if the server resumes there, else 0."""
    if response.status_code != _PARTIAL:
        return 0
    if not response.headers.get("Content-Range", "").startswith(f"bytes {requested}-"):
        raise _TransientError("the server sent another part than requested")
    return requested


def _copy(response: requests.Response, file: Path, offset: int) -> None:
    name, total = file.name.strip(".").removesuffix(".part"), _full_length(response, offset)
    bar = progress_bar(f"downloading {name}", total, done=offset, unit="B", scale=True)
    with bar as advance, file.open("r+b" if offset else "wb") as stream:
        stream.seek(offset)
        stream.truncate()
        # The raw bytes: an archive that a server labels as gzip-encoded must not be decompressed.
        for chunk in response.raw.stream(_CHUNK, decode_content=False):
            stream.write(chunk)
            advance(len(chunk))
        stream.flush()
        os.fsync(stream.fileno())


def _full_length(response: requests.Response, offset: int) -> int | None:
    length = _whole_number(response.headers.get("Content-Length", ""))
    return None if length is None else offset + length


def _whole_number(text: str) -> int | None:
    """The number that a header holds, at most 10^18; None where it holds something else, such as `²`."""
    if not text.isascii() or not text.isdigit():
        return None
    return int(text) if len(text) <= _MOST_DIGITS else 10**_MOST_DIGITS


def _tag(response: requests.Response) -> str:
    """A strong validator for `If-Range`; empty if the server sends none, so that the download cannot be resumed."""
    tag = response.headers.get("ETag", "")
    chosen = tag if tag and not tag.startswith("W/") else response.headers.get("Last-Modified", "")
    return chosen if chosen.isascii() and chosen.isprintable() else ""  # it is sent back in a header


def _checked(url: str, part: _Part, sha256: str | None) -> str:
    found = sha256_of(part.file)
    if sha256 is not None and found != sha256:
        part.discard()
        raise DownloadError(
            f"{url}: the content must have sha256 {sha256}. Found {found}: damaged or replaced. "
            "It was deleted; download it again, and do not use it if this repeats."
        )
    return found


def _short(error: Exception) -> str:
    text = str(getattr(error.args[0], "reason", error) if error.args else error)  # urllib3 wraps the cause
    return _printable(text)


def _printable(text: str) -> str:
    """Text of a server as messages show it: shortened, without control characters."""
    shown = "".join(character if character.isprintable() else "?" for character in text[:_MOST_SHOWN])
    return shown if len(text) <= _MOST_SHOWN else f"{shown}…"
