"""Unpacks untrusted archives: only regular files and folders, inside the target, up to a size limit."""

import errno
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from palm.errors import DownloadError

_CHUNK = 1 << 20
# Errors of Python's archive readers on damaged files.
_DAMAGE = (
    tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, NotImplementedError, struct.error,
    ValueError, OverflowError,
)  # fmt: skip
LARGEST_UNPACKED = 8 << 30  # the largest model of the catalogue takes 1.5 GB
MOST_MEMBERS = 20_000


@dataclass(frozen=True)
class _Member:
    """One file or folder of an archive; `stream` is None for a folder."""

    name: str
    size: int
    stream: IO[bytes] | None


def unpack(archive: Path, folder: Path, largest: int = LARGEST_UNPACKED) -> None:
    """Unpack a tar (compressed or not) or zip file into `folder`.

    Args:
        archive: The file.
        folder: An existing folder; nothing is written outside it.
        largest: Size limit of all files together, in bytes.

    Raises:
        DownloadError: Not an archive, damaged, or refused: a member with an absolute path, a `..`, a link, a device, a
            repeated name, or too large a total size. `folder` then contains the members before it.

    """
    left = largest
    try:
        for count, member in enumerate(_members(archive), start=1):
            if count > MOST_MEMBERS:
                raise _refused(archive, f"more than {MOST_MEMBERS} members", "")
            place = folder / _safe_path(archive, member.name)
            if member.stream is None:
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            left -= _copy(archive, member, place, left)
    except _DAMAGE as error:
        raise _incomplete(archive, error) from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise _refused(archive, "a repeated name", str(error.filename)) from error
    except OSError as error:
        if error.errno in (None, errno.EINVAL):  # a wrong checksum; a seek beyond the file
            raise _incomplete(archive, error) from error
        raise


def _members(archive: Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(archive):
        yield from _zip_members(archive)
    else:
        yield from _tar_members(archive)


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            kind = (info.external_attr >> 16) & 0o170000
            if kind not in (0, 0o100000, 0o040000):
                raise _refused(archive, "a link or device", info.filename)
            if info.flag_bits & 1:
                raise _refused(archive, "an encrypted member", info.filename)
            if info.is_dir():
                yield _Member(info.filename, 0, None)
                continue
            with opened.open(info) as stream:
                yield _Member(info.filename, info.file_size, stream)


def _tar_members(archive: Path) -> Iterator[_Member]:
    with tarfile.open(archive) as opened:
        for info in opened:
            if info.isdir():
                yield _Member(info.name, 0, None)
            elif info.isreg() and not info.issparse():
                yield _Member(info.name, info.size, opened.extractfile(info))
            else:
                raise _refused(archive, "a link or device", info.name)


def _safe_path(archive: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    # A backslash or a colon separates paths or names a drive on Windows.
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or "\0" in name:
        raise _refused(archive, "a path that leads outside", name)
    return path


def _copy(archive: Path, member: _Member, place: Path, left: int) -> int:
    """Write one file, counting the actual bytes, not those that the archive declares; return their number."""
    written = 0
    if member.size > left:
        raise _refused(archive, "more bytes than allowed", member.name)
    with place.open("xb") as target:
        while member.stream is not None and (chunk := member.stream.read(_CHUNK)):
            written += len(chunk)
            if written > left:
                raise _refused(archive, "more bytes than allowed", member.name)
            target.write(chunk)
    return written


def _incomplete(archive: Path, error: Exception) -> DownloadError:
    return DownloadError(f"{archive}: must be a complete tar or zip file. Found: {error}. Download it again.")


def _refused(archive: Path, what: str, name: str) -> DownloadError:
    rule = "an archive may contain regular files and folders under relative paths, within the size limit."
    return DownloadError(f"{archive}: {rule} Found {what}{f' (`{name}`)' if name else ''}. It was not used.")
