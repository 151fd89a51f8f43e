"""Which files of a model on a hub PALM reads, and models of the Hugging Face hub as folders of their own.

The files come through `hub_client`, into the cache that all programs share, and are copied from there.
"""

import json
import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from palm.downloader.hub_client import (
    DEFAULT_ENDPOINT,
    Listing,
    UnreachableError,
    cached_commit,
    endpoint,
    get_files,
    list_model,
    remember_revision,
    snapshot_folder,
)
from palm.errors import DownloadError

CONFIG = "config.json"
ID = re.compile(r"(?P<model>[A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./+-]+))?", re.ASCII)
NEWEST = "main"
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "spm.model")
_BESIDE = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_DOCUMENTS = ("README.md", "LICENSE", "LICENSE.txt", "NOTICE")
_LISTED = 12


@dataclass(frozen=True)
class HubModel:
    """A model of the Hugging Face hub.

    Attributes:
        name: Its id, without a revision.
        asked: The revision that was asked for; None for the newest.
        revision: The commit of its files.
        licence: Its licence, or `not stated`.
        files: Names of the files that PALM reads, and of those that a person reads.
        listing: What the hub says of its files; None where it was found in the cache, without a connection.
        notes: Lines for the user about how it was found.
    """

    name: str
    asked: str | None
    revision: str
    licence: str
    files: tuple[str, ...]
    listing: Listing | None
    notes: tuple[str, ...] = ()

    @property
    def where(self) -> str:
        """Its address, for messages."""
        return f"{endpoint()}/{self.name}"


def hub_id(name: str) -> str | None:
    """The id in `name` without a revision; None if `name` is not an id."""
    found = ID.fullmatch(name)
    return found["model"] if found and ".." not in name else None


def revision_in(name: str) -> str | None:
    """The revision that an id names behind `@`; None where it names none."""
    found = ID.fullmatch(name)
    return found["revision"] if found else None


def ask_hub(name: str) -> HubModel:
    """Find the model `name` (`owner/model`, or `owner/model@revision`): on the hub, else in the cache.

    Raises:
        DownloadError: No such model, no files that PALM reads, or no connection and not in the cache.
    """
    model, asked = hub_id(name), revision_in(name)
    if model is None:
        raise DownloadError(f"`{name}`: the id of a model on the hub is `owner/model`. Correct it.")
    revision = asked or NEWEST
    try:
        listing = list_model(model, revision)
    except UnreachableError as error:
        commit = cached_commit(model, revision)
        names = _in_cache(snapshot_folder(model, commit)) if commit is not None else ()
        if commit is None or not names:
            raise DownloadError(not_in_cache(name, str(error))) from error
        said = f"{model}: {error}; commit {commit[:12]} of the cache is used."
        return HubModel(model, asked, commit, "not stated", names, None, (said,))
    tokenizer = tokenizer_files(listing.files, f"{model} at {listing.commit[:12]}")
    documents = [document for document in _DOCUMENTS if document in listing.files]
    files = (CONFIG, *tokenizer, *weight_files(listing.files), *documents)
    return HubModel(model, asked, listing.commit, listing.licence, files, listing)


def copy_model(model: HubModel, folder: Path) -> None:
    """Copy the files of `model` into `folder`; those that are not in the cache are downloaded into it first.

    Raises:
        DownloadError: There is no connection, a file is damaged, or there is no access.
        OSError: The folder cannot be written.
    """
    cached = snapshot_folder(model.name, model.revision)
    try:
        if model.listing is not None:
            cached = get_files(model.listing, model.files)
            remember_revision(model.listing, model.asked or NEWEST)
    except UnreachableError as error:
        raise DownloadError(f"{model.where}: {error}. Try again; what was downloaded is kept.") from error
    for name in model.files:
        shutil.copyfile(cached / name, folder / name)


def _in_cache(folder: Path) -> tuple[str, ...]:
    """The files of a model in the cache, in the order of a listing; none unless it is complete."""
    names = {path.name for path in folder.iterdir() if path.is_file()}
    tokenizer = [name for name in (*_TOKENIZERS, *_BESIDE) if name in names]
    if not has_config_and_tokenizer(folder) or not has_weights(folder):
        return ()
    return (CONFIG, *tokenizer, *weight_files(names), *(name for name in _DOCUMENTS if name in names))


def tokenizer_files(files: Iterable[str], where: str) -> list[str]:
    """The tokenizer's files among `files`, which must be those of a model that PALM reads.

    Args:
        files: Names of the files of a model.
        where: The model, for messages.

    Raises:
        DownloadError: Its config.json, its tokenizer or its weights are missing.
    """
    files = list(files)
    lacking = [] if CONFIG in files else [CONFIG]
    lacking += [] if set(files) & set(_TOKENIZERS) else [" or ".join(_TOKENIZERS)]
    lacking += [] if weight_files(files) else ["weights"]
    if lacking:
        rule = (
            "PALM reads config.json, a tokenizer.json, vocab.txt or spm.model, and .safetensors, .pdparams or "
            "pytorch_model.bin."
        )
        listed = ", ".join(sorted(files)[:_LISTED]) or "nothing"
        raise DownloadError(f"{where}: {rule} Found no {', '.join(lacking)}, but {listed}. Use another model.")
    return [name for name in (*_TOKENIZERS, *_BESIDE) if name in files]


def weight_files(names: Iterable[str]) -> list[str]:
    """The files of weights among `names`, of the kind that is read first."""
    names = list(names)
    for whole, index, shard in (
        ("model.safetensors", "model.safetensors.index.json", r"model-\d+-of-\d+\.safetensors"),
        ("model_state.pdparams", "", r"(?!)"),
        ("pytorch_model.bin", "pytorch_model.bin.index.json", r"pytorch_model-\d+-of-\d+\.bin"),
    ):
        shards = [name for name in names if re.fullmatch(shard, name)]
        if whole in names:
            return [whole]
        if index in names and shards:
            return [index, *sorted(shards)]
    return []


def has_weights(folder: Path) -> bool:
    """Whether weights are in a folder of the cache, with all shards that their index names."""
    names = weight_files([path.name for path in folder.iterdir()])
    if not names or not names[0].endswith(".json"):
        return bool(names)
    try:
        shards = set(json.loads((folder / names[0]).read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return True  # a damaged index is reported where the weights are read
    return shards <= set(names)


def has_config_and_tokenizer(folder: Path) -> bool:
    """Whether config.json and a tokenizer are in a folder of the cache."""
    return (folder / CONFIG).is_file() and any((folder / name).is_file() for name in _TOKENIZERS)


def not_in_cache(value: str, reason: str) -> str:
    """The message for the model `value` that is not in the cache, and cannot be fetched for a `reason`."""
    mirror = "" if endpoint() != DEFAULT_ENDPOINT else ", or set HF_ENDPOINT to a mirror"
    ways = (
        f"connect (and unset HF_HUB_OFFLINE){mirror}; or copy the model's folder to this machine and write its path; "
        "or write `multilingual-e5-small` or `minilm-l6-en`, which come from a Python package index"
    )
    return f"`{value}` is not in the cache, and {reason}. Three ways to get an encoder: {ways}."
