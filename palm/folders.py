"""Folders that are either complete or not there: written aside, sealed by a manifest, then renamed."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from palm.default_settings import FORMAT_VERSION, MANIFEST_FILE
from palm.errors import CheckpointError

_CHUNK = 1 << 20


@contextmanager
def writing(target: Path, key: str) -> Iterator[None]:
    """Turn what the system says while `target` is written into an error that names the key to change.

    Raises:
        CheckpointError: The disk is full, the folder is read-only, or a file stands in its way.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        advice = f"Free some space, or choose another {key}."
        raise CheckpointError(f"{error.filename or target}: cannot be written: {reason}. {advice}") from error


@contextmanager
def sealed_folder(target: Path) -> Iterator[Path]:
    """Yield a temporary folder beside `target`; a block that ends well puts it in `target`'s place, synced and sealed.

    Raises:
        CheckpointError: The folder cannot be written (disk full, read-only).
    """
    aside = target.with_name(f".{target.name}.writing-{os.getpid()}")
    try:
        with writing(target, "save_path"):
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            yield aside
            _seal(aside)
            _replace(aside, target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def verify(folder: Path) -> None:
    """Compare every file of a sealed folder with its manifest.

    Raises:
        CheckpointError: Naming the first file that is missing, of another size, or of another sha256.
    """
    for name, entry in _manifest(folder)["files"].items():
        file = folder / name
        if not file.is_file():
            raise CheckpointError(f"{file}: listed in {MANIFEST_FILE} but missing. Use another copy of {folder}.")
        if file.stat().st_size != entry["size"] or sha256_of(file) != entry["sha256"]:
            raise CheckpointError(
                f"{file}: differs from what was written (size or sha256). Use another copy of {folder}."
            )


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
        manifest = json.loads(file.read_text(encoding="utf-8"))
        version = manifest["format_version"]
        files = {
            str(name): {"size": entry["size"], "sha256": entry["sha256"]} for name, entry in manifest["files"].items()
        }
    except OSError as error:
        raise CheckpointError(f"{file}: a folder that PALM wrote holds this file. {error.strerror}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"{file}: is no manifest of PALM's. The folder is damaged; use another copy.") from error
    if version != FORMAT_VERSION:
        raise CheckpointError(
            f"{file}: format version {version}; this PALM reads version {FORMAT_VERSION}. Use the PALM that wrote it."
        )
    if any(Path(name).name != name for name in files):
        raise CheckpointError(f"{file}: names a file outside the folder. Do not use this folder.")
    return {"files": files}


def _seal(folder: Path) -> None:
    files = {}
    for file in sorted(folder.iterdir()):
        _sync(file)
        files[file.name] = {"size": file.stat().st_size, "sha256": sha256_of(file)}
    manifest = folder / MANIFEST_FILE
    manifest.write_text(
        json.dumps({"format_version": FORMAT_VERSION, "files": files}, indent=1) + "\n", encoding="utf-8"
    )
    _sync(manifest)
    _sync(folder)


def _replace(aside: Path, target: Path) -> None:
    retired = target.with_name(f".{target.name}.retired-{os.getpid()}")
    shutil.rmtree(retired, ignore_errors=True)
    if target.exists():
        target.rename(retired)
    aside.rename(target)
    _sync(target.parent)
    shutil.rmtree(retired, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
