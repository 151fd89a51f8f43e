"""Folders that are complete or absent: written to a temporary path, sealed by a manifest, then renamed."""

import errno
import glob
import hashlib
import json
import os
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from palm.errors import CheckpointError
from palm.storage.layout import FORMAT_VERSION, MANIFEST_FILE, PALM_VERSION

_HERE = -100  # AT_FDCWD: paths are used unchanged
_EXCHANGE = 2  # RENAME_EXCHANGE, see renameat2(2)


def swap_names(one: Path, other: Path) -> bool:
    """Swap two existing names; False where this system or disk cannot do it (not Linux, some network disks)."""
    import ctypes  # noqa: PLC0415 (rarely needed)

    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0


_CHUNK = 1 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_MEGABYTE = 1e6
_SHOWN = 255
"""Characters of a listed name that a message shows: as many as a file name can have."""


@contextmanager
def os_errors_as(target: Path, key: str, needs: int | None = None) -> Iterator[None]:
    """Turn an OSError raised while `target` is written into an error that names the key to change.

    Args:
        target: What is written.
        key: The key that sets its path.
        needs: Its size in bytes, if known.

    Raises:
        CheckpointError: The disk is full, the folder is read-only, or a file is in the way.
    """
    free = _free_bytes(target)
    try:
        yield
    except OSError as error:
        reason = f"{error.filename or target}: cannot be written: {error.strerror or error}."
        if needs is not None and error.errno in _FULL:
            reason += f" It needs {needs / _MEGABYTE:.1f} MB; {free / _MEGABYTE:.1f} MB were free."
        advice = f"Free some space, or choose another {key}. What was there before is untouched."
        raise CheckpointError(f"{reason} {advice}") from error


@contextmanager
def atomic_directory(target: Path, key: str = "save_path", needs: int | None = None) -> Iterator[Path]:
    """Yield a temporary folder next to `target`; when the block succeeds, sync and seal it and move it to `target`.

    Args:
        target: The folder to write.
        key: The key that sets its path.
        needs: Its size in bytes, if known.

    Raises:
        CheckpointError: The folder cannot be written (disk full, read-only), or `target` exists and was not written
            by PALM.
    """
    refuse_foreign(target, key)
    temporary = target.with_name(f".{target.name}.writing-{_writer()}")
    try:
        with os_errors_as(target, key, needs):
            remove_stale(target.parent, glob.escape(target.name))
            temporary.mkdir(parents=True)
            yield temporary
            _seal(temporary)
            _replace(temporary, target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder so that a process that dies midway leaves no damaged folder under its name."""
    retired = _retired(folder)
    folder.rename(retired)
    shutil.rmtree(retired, ignore_errors=True)


def remove_stale(home: Path, name: str = "*") -> None:
    """Remove leftovers of processes that died while they wrote or removed `home/<name>`."""
    for stale in [*home.glob(f".{name}.writing-*"), *home.glob(f".{name}.retired-*")]:
        owner = stale.name.rpartition("-")[2]
        if owner == _writer() or not _is_alive(owner):
            shutil.rmtree(stale, ignore_errors=True)


def verify(folder: Path) -> None:
    """Compare every file of a sealed folder with its manifest.

    Raises:
        CheckpointError: Names the first file that is missing or has another size or sha256.
    """
    for name, entry in _manifest(folder)["files"].items():
        file = folder / name
        if not _is_file(file):
            raise CheckpointError(
                f"{folder / name[:_SHOWN]}: listed in {MANIFEST_FILE} but missing. Use another copy of {folder}."
            )
        if file.stat().st_size != entry["size"] or sha256_of(file) != entry["sha256"]:
            raise CheckpointError(
                f"{file}: differs from what was written (size or sha256). Use another copy of {folder}."
            )


def recorded_sha256(folder: Path, name: str) -> str:
    """The sha256 of a file that the manifest of its sealed folder names; empty if it does not.

    Raises:
        CheckpointError: The manifest is missing or damaged.
    """
    return str(_manifest(folder)["files"].get(name, {}).get("sha256", ""))


def _is_file(file: Path) -> bool:
    try:
        return file.is_file()
    except (OSError, ValueError):  # a name that no file can have: too long, or with a NUL
        return False


def sha256_of(file: Path) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    digest = hashlib.sha256()
    with file.open("rb") as stream:
        while chunk := stream.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _manifest(folder: Path) -> dict[str, dict[str, dict[str, object]]]:
    file = folder / MANIFEST_FILE
    try:
        text = file.read_text(encoding="utf-8")
        manifest = json.loads(text)
        version = manifest["format_version"]
        _refuse_unknown_version(file, version, manifest.get("palm_version"))
        files = {
            str(name): {"size": entry["size"], "sha256": entry["sha256"]} for name, entry in manifest["files"].items()
        }
        unsealed = version == 1 and "seal" not in manifest  # the first version had none
        intact = unsealed or text == _sealed_text(manifest)
    except OSError as error:
        raise CheckpointError(f"{file}: a folder written by PALM contains this file. {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{file}: is not a manifest of PALM. The folder is damaged; use another copy.") from error
    if any(_leads_out(name) for name in files):
        raise CheckpointError(f"{file}: names a file outside its folder. Do not use this folder.")
    if not intact:
        raise CheckpointError(f"{file}: differs from what was written (its own seal). Use another copy of {folder}.")
    return {"files": files}


def _leads_out(name: str) -> bool:
    """Whether a listed name is neither of a file in the folder nor of one in a folder inside it (`tokenizer.2/a`)."""
    outer, slash, inner = name.partition("/")
    parts = (outer, inner) if slash else (name,)
    return any(Path(part).name != part for part in parts) or (bool(slash) and not {"", "..", "."}.isdisjoint(parts))


def _refuse_unknown_version(file: Path, version: object, writer: object) -> None:
    if isinstance(version, bool) or version not in range(1, FORMAT_VERSION + 1):
        by = f" written by PALM {writer}" if writer else ""
        use = f"PALM {writer}" if writer else "the PALM that wrote it"
        known = f"this PALM {PALM_VERSION} reads versions 1 to {FORMAT_VERSION}"
        raise CheckpointError(f"{file}: format version {version},{by}; {known}. Use {use}, or a newer one.")


def _sealed_text(manifest: Mapping[str, Any]) -> str:
    """The text of the manifest, with a sha256 over the rest of its content."""
    content = {key: value for key, value in manifest.items() if key != "seal"}
    seal = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return json.dumps({**content, "seal": seal}, indent=1) + "\n"


def _seal(folder: Path) -> None:
    files = {}
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        _sync(file)
        files[file.relative_to(folder).as_posix()] = {"size": file.stat().st_size, "sha256": sha256_of(file)}
    manifest: dict[str, object] = {
        "format_version": FORMAT_VERSION,
        "palm_version": PALM_VERSION,
        "files": files,
    }
    (folder / MANIFEST_FILE).write_text(_sealed_text(manifest), encoding="utf-8")
    _sync(folder / MANIFEST_FILE)
    _sync(folder)


def _replace(temporary: Path, target: Path) -> None:
    if not target.exists():
        temporary.rename(target)
    elif not swap_names(temporary, target):
        retired = _retired(target)
        target.rename(retired)  # a process that dies between this line and the next rename leaves no `target`
        try:
            temporary.rename(target)
        except OSError:
            retired.rename(target)
            raise
        shutil.rmtree(retired, ignore_errors=True)
    _sync(target.parent)


def refuse_foreign(target: Path, key: str) -> None:
    """Check that replacing `target` removes nothing that PALM did not write.

    Raises:
        CheckpointError: It would.
    """
    empty = target.is_dir() and not any(target.iterdir())
    ours = target.is_dir() and ((target / MANIFEST_FILE).is_file() or empty)
    if target.is_symlink() or (target.exists() and not ours):
        rule = "PALM only replaces folders that it wrote"
        raise CheckpointError(f"{target}: {rule}. Found something else. Move it away, or choose another {key}.")


def _retired(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.retired-{_writer()}")


def _writer() -> str:
    """Number of this process, and outside its main thread the thread's too: several may write beside each other."""
    if threading.current_thread() is threading.main_thread():
        return str(os.getpid())
    return f"{os.getpid()}.{threading.get_ident()}"


def _is_alive(owner: str) -> bool:
    try:
        os.kill(int(owner.partition(".")[0]), 0)
    except PermissionError:
        return True
    except (OSError, ValueError, OverflowError):
        return False
    return True


def _free_bytes(target: Path) -> int:
    """Free bytes of the disk of `target`; 0 if unknown."""
    try:
        return shutil.disk_usage(next(place for place in (target, *target.parents) if place.exists())).free
    except (OSError, StopIteration):
        return 0


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
