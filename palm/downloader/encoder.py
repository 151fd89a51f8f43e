"""Finds what the key `encoder` names: a folder, a model of a hub, or one of the catalogue of `palm download`.

Its files come in the order in which they are needed: config.json, which says whether PALM has the architecture; the
tokenizer; and, for training only, the weights.
"""

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from palm.data.cache import cache_folder
from palm.downloader.catalogue import MODELS, HubSource, PretrainedModel
from palm.downloader.hub import (
    CONFIG,
    ID,
    NEWEST,
    has_config_and_tokenizer,
    has_weights,
    not_in_cache,
    tokenizer_files,
    weight_files,
)
from palm.downloader.hub_client import (
    COMMIT,
    Listing,
    UnreachableError,
    cached_commit,
    get_files,
    list_model,
    remember_revision,
    snapshot_folder,
)
from palm.downloader.modelscope import get_scope_files, list_modelscope, scope_folder
from palm.downloader.pretrain import fetch_model
from palm.errors import DownloadError
from palm.registry import did_you_mean
from palm.schema.places import find_input

MODELSCOPE = "modelscope:"
_MODELSCOPE_NEWEST = "master"
_MODELS_FOLDER = "models"
_PRETRAIN = "pretrain"

ALIASES = {
    "albert-base-v2": "albert/albert-base-v2",
    "bert-base-cased": "google-bert/bert-base-cased",
    "bert-base-chinese": "google-bert/bert-base-chinese",
    "bert-base-multilingual-cased": "google-bert/bert-base-multilingual-cased",
    "bert-base-multilingual-uncased": "google-bert/bert-base-multilingual-uncased",
    "bert-base-uncased": "google-bert/bert-base-uncased",
    "bert-large-cased": "google-bert/bert-large-cased",
    "bert-large-uncased": "google-bert/bert-large-uncased",
    "camembert-base": "almanach/camembert-base",
    "deberta-v3-base": "microsoft/deberta-v3-base",
    "deberta-v3-small": "microsoft/deberta-v3-small",
    "distilbert-base-cased": "distilbert/distilbert-base-cased",
    "distilbert-base-multilingual-cased": "distilbert/distilbert-base-multilingual-cased",
    "distilbert-base-uncased": "distilbert/distilbert-base-uncased",
    "distilroberta-base": "distilbert/distilroberta-base",
    "electra-base-discriminator": "google/electra-base-discriminator",
    "electra-small-discriminator": "google/electra-small-discriminator",
    "hfl-chinese-macbert-base": "hfl/chinese-macbert-base",
    "labse": "sentence-transformers/LaBSE",
    "modernbert-base": "answerdotai/ModernBERT-base",
    "mpnet-base": "microsoft/mpnet-base",
    "multilingual-e5-base": "intfloat/multilingual-e5-base",
    "multilingual-e5-large": "intfloat/multilingual-e5-large",
    "roberta-base": "FacebookAI/roberta-base",
    "roberta-large": "FacebookAI/roberta-large",
    "xlm-roberta-base": "FacebookAI/xlm-roberta-base",
    "xlm-roberta-large": "FacebookAI/xlm-roberta-large",
}
"""Names without an owner, as older tutorials write them → ids on the Hugging Face hub."""

_log = logging.getLogger("palm")
Accept = Callable[[Path], None]
"""Looks at a config.json, and raises an error of PALM's if no encoder of that kind can be read."""


@dataclass(frozen=True)
class FoundEncoder:
    """An encoder that was found.

    Attributes:
        name: What stands for exactly these files: an id with its commit, a name of the catalogue, or the folder.
        folder: Where config.json and the tokenizer lie; None for a model of the catalogue that is not there yet.
        notes: Lines for the user about how it was found.
    """

    name: str
    folder: Path | None
    notes: tuple[str, ...] = ()


def find_encoder(
    value: str, home: Path | None, *, accept: Accept, download: bool = True, pinned: Iterable[str] = ()
) -> FoundEncoder:
    """Find the encoder `value`, and fetch its config.json and tokenizer where they are missing.

    Args:
        value: `owner/model`, `owner/model@revision`, `modelscope:owner/model`, a folder, or a name.
        home: Folder of the configuration, the second place where a folder is looked up.
        accept: Decides by config.json, before anything else is downloaded.
        download: Whether models of the catalogue, whose parts come together, may be downloaded.
        pinned: Names of encoders that earlier runs were started from; the first of the same model gives the commit
            where `value` names no revision.

    Raises:
        DownloadError: It cannot be found or fetched.
        ConfigError: Whatever `accept` raises.
    """
    folder = _local_folder(value, home)
    if folder is not None:
        accept(folder / CONFIG) if (folder / CONFIG).is_file() else None
        return FoundEncoder(str(folder), folder, _other_meaning(value, folder))
    if value.startswith(MODELSCOPE):
        return _of_modelscope(value, accept, pinned)
    if "/" in value:
        return _of_hub(value, accept, pinned)
    return _named(value, home, accept, pinned, download=download)


def folder_on_disk(value: str, home: Path | None) -> Path | None:
    """The folder of the encoder `value` if it is on this machine already, without asking a hub; else None."""
    name = _known_names().get(value.lower(), value)
    model = next((each for each in MODELS if name in (each.name, *each.aliases)), None)
    identity = next((source.id for source in (model.sources if model else ()) if isinstance(source, HubSource)), None)
    found = ID.fullmatch(identity or ALIASES.get(name, name))
    commit = cached_commit(found["model"], found["revision"] or NEWEST) if found else None
    cached = snapshot_folder(found["model"], commit) if found and commit else None
    places = (find_input(value, home), find_input(f"{_PRETRAIN}/{name}", home), cache_folder() / _MODELS_FOLDER / name)
    return next((place for place in (*places, cached) if place is not None and place.is_dir()), None)


def fetch_weights(name: str, folder: Path) -> None:
    """Download the weights of the encoder `name` into its `folder`, unless they are there or `name` is a folder.

    Args:
        name: `FoundEncoder.name`.
        folder: `FoundEncoder.folder`.

    Raises:
        DownloadError: They cannot be fetched, or the model has none that PALM reads.
    """
    found = ID.fullmatch(name.removeprefix(MODELSCOPE))
    if found is None or found["revision"] is None:
        return
    model, revision = found["model"], found["revision"]
    branch, _, digest = revision.partition("+")
    own = scope_folder(model, digest) if name.startswith(MODELSCOPE) else snapshot_folder(model, revision)
    if folder != own or has_weights(folder):
        return
    if name.startswith(MODELSCOPE):
        scope = list_modelscope(model, branch)
        if scope.digest != digest:
            raise DownloadError(_moved_on(name, branch))
        get_scope_files(scope, weight_files(scope.files))
        return
    try:
        listing = list_model(model, revision)
        get_files(listing, weight_files(listing.files))
    except UnreachableError as error:
        raise DownloadError(not_in_cache(name, str(error))) from error


def _local_folder(value: str, home: Path | None) -> Path | None:
    place = find_input(value, home)
    if place is None or not place.is_dir():
        if value.startswith((".", "/", "~")):
            raise DownloadError(f"`{value}`: there is no such folder. Correct the path, or write the id of a model.")
        return None
    return place


def _other_meaning(value: str, folder: Path) -> tuple[str, ...]:
    if ID.fullmatch(value) is None and value.lower() not in _known_names():
        return ()
    if value.startswith((".", "/", "~")) or value.count("/") > 1:
        return ()
    return (f"encoder `{value}` is the folder {folder.absolute()}, not the model of that name on a hub.",)


def _of_hub(value: str, accept: Accept, pinned: Iterable[str] = (), notes: tuple[str, ...] = ()) -> FoundEncoder:
    found = ID.fullmatch(value)
    if found is None or ".." in value:
        rule = "an id on the hub is `owner/model`, or `owner/model@revision`."
        raise DownloadError(f"`{value}`: {rule} There is no folder of that name, either. Correct it.")
    model, revision = found["model"], found["revision"] or _pinned(found["model"], pinned) or NEWEST
    cached = cached_commit(model, revision)
    if cached is not None and COMMIT.fullmatch(revision) and has_config_and_tokenizer(snapshot_folder(model, cached)):
        folder = snapshot_folder(model, cached)  # a commit never changes
        accept(folder / CONFIG)
        return FoundEncoder(f"{model}@{cached}", folder, notes)
    try:
        listing = list_model(model, revision)
        encoder = _from_listing(listing, accept, notes)
        remember_revision(listing, revision)
        return encoder
    except UnreachableError as error:
        if cached is None or not has_config_and_tokenizer(snapshot_folder(model, cached)):
            raise DownloadError(not_in_cache(value, str(error))) from error
        folder = snapshot_folder(model, cached)
        accept(folder / CONFIG)
        said = f"encoder {model}: {error}; commit {cached[:12]} of the cache is used."
        return FoundEncoder(f"{model}@{cached}", folder, (*notes, said))


def _from_listing(listing: Listing, accept: Accept, notes: tuple[str, ...]) -> FoundEncoder:
    tokenizer = tokenizer_files(listing.files, f"{listing.model} at {listing.commit[:12]}")
    folder = get_files(listing, [CONFIG])
    accept(folder / CONFIG)
    get_files(listing, tokenizer)
    return FoundEncoder(f"{listing.model}@{listing.commit}", folder, notes)


def _pinned(model: str, names: Iterable[str]) -> str | None:
    return next((name.rpartition("@")[2] for name in names if name.startswith(f"{model}@")), None)


@cache
def _known_names() -> dict[str, str]:
    """Every name without an owner, in lower case, with its own spelling."""
    names = [*ALIASES, *(called for model in MODELS for called in (model.name, *model.aliases))]
    return {name.lower(): name for name in names}


def _named(value: str, home: Path | None, accept: Accept, pinned: Iterable[str], *, download: bool) -> FoundEncoder:
    known = _known_names().get(value.lower())
    if known is None:
        hint = did_you_mean(value, [*_known_names().values()])
        rule = "an encoder is `owner/model` on a hub, a folder, or a name that PALM knows."
        raise DownloadError(f"unknown encoder `{value}`.{hint} {rule} See `palm download` for the names.")
    model = next((each for each in MODELS if known in (each.name, *each.aliases)), None)
    source = model.sources[0] if model else None
    identity = ALIASES.get(known) if model is None else source.id if isinstance(source, HubSource) else None
    if identity is not None:
        return _of_hub(identity, accept, pinned, (f"encoder {value} is {identity} on the Hugging Face hub.",))
    if model is None:
        raise DownloadError(f"unknown encoder `{value}`.")
    return _of_catalogue(model, known, home, accept, download=download)


def _of_catalogue(
    model: PretrainedModel, name: str, home: Path | None, accept: Accept, *, download: bool
) -> FoundEncoder:
    if not model.trainable:
        raise DownloadError(f"encoder `{name}`: {model.remark}. Use another one; `palm download` lists them.")
    shared = cache_folder() / _MODELS_FOLDER
    placed = find_input(f"{_PRETRAIN}/{name}", home)
    folder = placed if placed is not None and placed.is_dir() else shared / name
    if not folder.is_dir():
        if not download:
            said = "`palm train` downloads it; until then its sizes and its vocabulary are not checked."
            return FoundEncoder(name, None, (f"encoder {name} is not on this machine. {said}",))
        _log.warning("encoder %s is downloaded to %s (about %d MB).", name, shared / name, model.megabytes)
        folder = fetch_model(name, shared).folder
    return FoundEncoder(name, _accepted(folder, accept))


def _accepted(folder: Path, accept: Accept) -> Path:
    file = next((folder / name for name in (CONFIG, "bert_config.json") if (folder / name).is_file()), None)
    if file is not None:
        accept(file)
    return folder


def _of_modelscope(value: str, accept: Accept, pinned: Iterable[str]) -> FoundEncoder:
    found = ID.fullmatch(value.removeprefix(MODELSCOPE))
    if found is None or ".." in value:
        rule = "an id on ModelScope is `modelscope:owner/model`, or `modelscope:owner/model@revision`."
        raise DownloadError(f"`{value}`: {rule} Correct it.")
    model = found["model"]
    asked = found["revision"] or _pinned(f"{MODELSCOPE}{model}", pinned) or _MODELSCOPE_NEWEST
    revision, _, digest = asked.partition("+")
    if digest and has_config_and_tokenizer(folder := scope_folder(model, digest)):
        accept(folder / CONFIG)
        return FoundEncoder(f"{MODELSCOPE}{model}@{asked}", folder)
    listing = list_modelscope(model, revision)
    if digest and listing.digest != digest:
        raise DownloadError(_moved_on(value, revision))
    names = tokenizer_files(listing.files, f"{model} at {revision}")
    folder = get_scope_files(listing, [CONFIG])
    accept(folder / CONFIG)
    get_scope_files(listing, names)
    return FoundEncoder(f"{MODELSCOPE}{model}@{revision}+{listing.digest}", folder)


def _moved_on(value: str, revision: str) -> str:
    rule = f"the files at `{revision}` are no longer those that this name stands for."
    return f"`{value}`: {rule} Write the id without what follows `+`, into another save_path."
