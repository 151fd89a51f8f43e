"""Finds what the key `encoder` names: a folder, a model of a hub, or one of the catalogue of `palm download`.

Its files come in the order in which they are needed: config.json, which says whether PALM has the architecture; the
tokenizer; and, for training only, the weights.
"""

import json
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from palm.data.cache import cache_folder
from palm.downloader.catalogue import MODELS, HubSource, PretrainedModel
from palm.downloader.hub_client import (
    COMMIT,
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
from palm.downloader.modelscope import get_scope_files, list_modelscope, scope_folder
from palm.downloader.pretrain import fetch_model
from palm.errors import DownloadError
from palm.registry import did_you_mean
from palm.schema.places import find_input

MODELSCOPE = "modelscope:"
_ID = re.compile(r"(?P<model>[A-Za-z0-9][\w.-]*/[\w.-]+)(?:@(?P<revision>[\w./+-]+))?", re.ASCII)
_NEWEST, _MODELSCOPE_NEWEST = "main", "master"
_LISTED = 12
_CONFIG = "config.json"
_TOKENIZER = ("tokenizer.json", "vocab.txt", "spm.model")
_BESIDE = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
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
        accept(folder / _CONFIG) if (folder / _CONFIG).is_file() else None
        return FoundEncoder(str(folder), folder, _other_meaning(value, folder))
    if value.startswith(MODELSCOPE):
        return _of_modelscope(value, accept, pinned)
    if "/" in value:
        return _of_hub(value, accept, pinned)
    return _named(value, home, accept, pinned, download=download)


def fetch_weights(name: str, folder: Path) -> None:
    """Download the weights of the encoder `name` into its `folder`, unless they are there or `name` is a folder.

    Args:
        name: `FoundEncoder.name`.
        folder: `FoundEncoder.folder`.

    Raises:
        DownloadError: They cannot be fetched, or the model has none that PALM reads.
    """
    found = _ID.fullmatch(name.removeprefix(MODELSCOPE))
    if found is None or found["revision"] is None:
        return
    model, revision = found["model"], found["revision"]
    branch, _, digest = revision.partition("+")
    own = scope_folder(model, digest) if name.startswith(MODELSCOPE) else snapshot_folder(model, revision)
    if folder != own or _has_weights(folder):
        return
    if name.startswith(MODELSCOPE):
        scope = list_modelscope(model, branch)
        if scope.digest != digest:
            raise DownloadError(_moved_on(name, branch))
        get_scope_files(scope, _weights_in(scope.files))
        return
    try:
        listing = list_model(model, revision)
        get_files(listing, _weights_in(listing.files))
    except UnreachableError as error:
        raise DownloadError(_offline(name, str(error))) from error


def _local_folder(value: str, home: Path | None) -> Path | None:
    place = find_input(value, home)
    if place is None or not place.is_dir():
        if value.startswith((".", "/", "~")):
            raise DownloadError(f"`{value}`: there is no such folder. Correct the path, or write the id of a model.")
        return None
    return place


def _other_meaning(value: str, folder: Path) -> tuple[str, ...]:
    if _ID.fullmatch(value) is None and value.lower() not in _known_names():
        return ()
    if value.startswith((".", "/", "~")) or value.count("/") > 1:
        return ()
    return (f"encoder `{value}` is the folder {folder.absolute()}, not the model of that name on a hub.",)


def _of_hub(value: str, accept: Accept, pinned: Iterable[str] = (), notes: tuple[str, ...] = ()) -> FoundEncoder:
    found = _ID.fullmatch(value)
    if found is None or ".." in value:
        rule = "an id on the hub is `owner/model`, or `owner/model@revision`."
        raise DownloadError(f"`{value}`: {rule} There is no folder of that name, either. Correct it.")
    model, revision = found["model"], found["revision"] or _pinned(found["model"], pinned) or _NEWEST
    cached = cached_commit(model, revision)
    if cached is not None and COMMIT.fullmatch(revision) and _is_usable(snapshot_folder(model, cached)):
        folder = snapshot_folder(model, cached)  # a commit never changes
        accept(folder / _CONFIG)
        return FoundEncoder(f"{model}@{cached}", folder, notes)
    try:
        listing = list_model(model, revision)
        encoder = _from_listing(listing, accept, notes)
        remember_revision(listing, revision)
        return encoder
    except UnreachableError as error:
        if cached is None or not _is_usable(snapshot_folder(model, cached)):
            raise DownloadError(_offline(value, str(error))) from error
        folder = snapshot_folder(model, cached)
        accept(folder / _CONFIG)
        said = f"encoder {model}: {error}; commit {cached[:12]} of the cache is used."
        return FoundEncoder(f"{model}@{cached}", folder, (*notes, said))


def _from_listing(listing: Listing, accept: Accept, notes: tuple[str, ...]) -> FoundEncoder:
    tokenizer = _tokenizer_of(listing.files, f"{listing.model} at {listing.commit[:12]}")
    folder = get_files(listing, [_CONFIG])
    accept(folder / _CONFIG)
    get_files(listing, tokenizer)
    return FoundEncoder(f"{listing.model}@{listing.commit}", folder, notes)


def _tokenizer_of(files: Iterable[str], where: str) -> list[str]:
    """The tokenizer's files among `files`, which must be those of a model that PALM reads."""
    files = list(files)
    lacking = [] if _CONFIG in files else [_CONFIG]
    lacking += [] if set(files) & set(_TOKENIZER) else [" or ".join(_TOKENIZER)]
    lacking += [] if _weights_in(files) else ["weights"]
    if lacking:
        rule = (
            "PALM reads config.json, a tokenizer.json, vocab.txt or spm.model, and .safetensors, .pdparams or "
            "pytorch_model.bin."
        )
        listed = ", ".join(sorted(files)[:_LISTED]) or "nothing"
        raise DownloadError(f"{where}: {rule} Found no {', '.join(lacking)}, but {listed}. Use another model.")
    return [name for name in (*_TOKENIZER, *_BESIDE) if name in files]


def _weights_in(names: Iterable[str]) -> list[str]:
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


def _has_weights(folder: Path) -> bool:
    """Whether weights are in the cache, with all shards that their index names."""
    names = _weights_in([path.name for path in folder.iterdir()])
    if not names or not names[0].endswith(".json"):
        return bool(names)
    try:
        shards = set(json.loads((folder / names[0]).read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return True  # a damaged index is reported where the weights are read
    return shards <= set(names)


def _is_usable(folder: Path) -> bool:
    """Whether config.json and a tokenizer are in the cache."""
    return (folder / _CONFIG).is_file() and any((folder / name).is_file() for name in _TOKENIZER)


def _pinned(model: str, names: Iterable[str]) -> str | None:
    return next((name.rpartition("@")[2] for name in names if name.startswith(f"{model}@")), None)


def _offline(value: str, reason: str) -> str:
    mirror = "" if endpoint() != DEFAULT_ENDPOINT else ", or set HF_ENDPOINT to a mirror"
    ways = (
        f"connect (and unset HF_HUB_OFFLINE){mirror}; or copy the model's folder to this machine and write its path; "
        "or write `multilingual-e5-small` or `minilm-l6-en`, which come from a Python package index"
    )
    return f"`{value}` is not in the cache, and {reason}. Three ways to get an encoder: {ways}."


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
    file = next((folder / name for name in (_CONFIG, "bert_config.json") if (folder / name).is_file()), None)
    if file is not None:
        accept(file)
    return folder


def _of_modelscope(value: str, accept: Accept, pinned: Iterable[str]) -> FoundEncoder:
    found = _ID.fullmatch(value.removeprefix(MODELSCOPE))
    if found is None or ".." in value:
        rule = "an id on ModelScope is `modelscope:owner/model`, or `modelscope:owner/model@revision`."
        raise DownloadError(f"`{value}`: {rule} Correct it.")
    model = found["model"]
    asked = found["revision"] or _pinned(f"{MODELSCOPE}{model}", pinned) or _MODELSCOPE_NEWEST
    revision, _, digest = asked.partition("+")
    if digest and _is_usable(folder := scope_folder(model, digest)):
        accept(folder / _CONFIG)
        return FoundEncoder(f"{MODELSCOPE}{model}@{asked}", folder)
    listing = list_modelscope(model, revision)
    if digest and listing.digest != digest:
        raise DownloadError(_moved_on(value, revision))
    names = _tokenizer_of(listing.files, f"{model} at {revision}")
    folder = get_scope_files(listing, [_CONFIG])
    accept(folder / _CONFIG)
    get_scope_files(listing, names)
    return FoundEncoder(f"{MODELSCOPE}{model}@{revision}+{listing.digest}", folder)


def _moved_on(value: str, revision: str) -> str:
    rule = f"the files at `{revision}` are no longer those that this name stands for."
    return f"`{value}`: {rule} Write the id without what follows `+`, into another save_path."
