"""Models of the Hugging Face hub, or of its mirror (`HF_ENDPOINT`), by ids such as `google-bert/bert-base-uncased`."""

import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from palm.downloader.remote import RemoteFile
from palm.errors import DownloadError

ENDPOINT_VARIABLE = "HF_ENDPOINT"
_ENDPOINT = "https://huggingface.co"
_ID = re.compile(r"([\w.-]+/[\w.-]+)(?:@([\w./-]+))?")
_NEEDED = ("config.json",)
_TOKENIZERS = ("tokenizer.json", "vocab.txt")
_OPTIONAL = (
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "README.md",
    "LICENSE",
    "LICENSE.txt",
    "NOTICE",
)
_INDEX = "model.safetensors.index.json"
_REVISION = re.compile(r"[\w.-]{1,100}", re.ASCII)
_LICENCE = re.compile(r"[\w.+-]{1,100}", re.ASCII)
_TORCH_INDEX = "pytorch_model.bin.index.json"
_TORCH_SHARD = re.compile(r"pytorch_model-\d+-of-\d+\.bin")
_SHARD = re.compile(r"model-\d+-of-\d+\.safetensors")


@dataclass(frozen=True)
class HubModel:
    """A model on the hub.

    Attributes:
        name: Its id, without a revision.
        asked: The revision that was asked for; None for the newest.
        revision: The commit of its files.
        licence: Its licence, or `not stated`.
        files: The files that PALM reads.
        where: Its address, for messages.
    """

    name: str
    asked: str | None
    revision: str
    licence: str
    files: tuple[RemoteFile, ...]
    where: str


def hub_id(name: str) -> str | None:
    """The id in `name` without a revision; None if `name` is not an id."""
    found = _ID.fullmatch(name)
    return found[1] if found and ".." not in name else None


def revision_in(name: str) -> str | None:
    """The revision that an id names behind `@`; None where it names none."""
    found = _ID.fullmatch(name)
    return found[2] if found else None


def ask_hub(name: str) -> HubModel:
    """List the files of the model `name` (`owner/model`, or `owner/model@revision`).

    Raises:
        DownloadError: No connection, no such model, or no files that PALM reads.
    """
    found = _ID.fullmatch(name)
    if found is None:
        raise DownloadError(f"`{name}`: the id of a model on the hub is `owner/model`. Correct it.")
    endpoint = (os.environ.get(ENDPOINT_VARIABLE) or _ENDPOINT).rstrip("/")
    model, requested = found[1], found[2] or "main"
    url = f"{endpoint}/api/models/{model}/revision/{quote(requested, safe='')}?blobs=true"
    answer = _json(url)
    try:
        siblings = {str(entry["rfilename"]): entry for entry in answer["siblings"]}
        revision = _matched(_REVISION, answer["sha"])
        names = _chosen(model, siblings)
        home = f"{endpoint}/{model}/resolve/{quote(revision, safe='')}"
        files = tuple(_remote(home, entry, siblings[entry]) for entry in names)
    except (KeyError, TypeError, AttributeError) as error:
        raise DownloadError(
            f"{url}: the response is not from a Hugging Face hub ({error!r:.200}). Check {ENDPOINT_VARIABLE}."
        ) from error
    return HubModel(model, found[2], revision, _licence(answer), files, f"{endpoint}/{model}")


def _json(url: str) -> Mapping[str, Any]:
    from palm.downloader.fetch import fetch  # noqa: PLC0415 (imports requests)

    with tempfile.TemporaryDirectory(prefix="palm-") as folder:
        file = Path(folder) / "answer.json"
        fetch(url, file)
        try:
            answer = json.loads(file.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise DownloadError(f"{url}: the response must be JSON. Check {ENDPOINT_VARIABLE}.") from error
    if not isinstance(answer, dict):
        raise DownloadError(f"{url}: the response is not from a Hugging Face hub. Check {ENDPOINT_VARIABLE}.")
    return answer


def _chosen(model: str, siblings: Mapping[str, Any]) -> list[str]:
    """The files that PALM reads: config, vocabulary, weights that cannot execute code."""
    shards = [name for name in siblings if _SHARD.fullmatch(name)]
    torch = [_TORCH_INDEX, *(name for name in siblings if _TORCH_SHARD.fullmatch(name))]
    choices = (["model.safetensors"], [_INDEX, *shards], ["model_state.pdparams"], ["pytorch_model.bin"], torch)
    weights = next((names for names in choices if names[0] in siblings), None)
    tokenizer = [name for name in _TOKENIZERS if name in siblings]
    missing = [name for name in _NEEDED if name not in siblings]
    missing += [] if tokenizer else [" or ".join(_TOKENIZERS)]
    if weights is None or missing:
        lacks = missing or ["model.safetensors"]
        rule = (
            "PALM reads config.json, a tokenizer.json or vocab.txt, and .safetensors, .pdparams or pytorch_model.bin."
        )
        raise DownloadError(f"{model}: {rule} Found no {', '.join(lacks)}. Choose another model.")
    return [*_NEEDED, *tokenizer, *weights, *(name for name in _OPTIONAL if name in siblings)]


def _matched(pattern: re.Pattern[str], text: object) -> str:
    if not isinstance(text, str) or not pattern.fullmatch(text):
        raise TypeError(f"found {text!r:.80} for a revision")
    return text


def _remote(home: str, name: str, entry: Mapping[str, Any]) -> RemoteFile:
    large = entry.get("lfs")
    sha256 = str(large["sha256"]) if isinstance(large, Mapping) and "sha256" in large else None
    size = entry.get("size")
    return RemoteFile(name, f"{home}/{quote(name)}", size if isinstance(size, int) and size > 0 else 0, sha256)


def _licence(answer: Mapping[str, Any]) -> str:
    tags = answer.get("tags")
    marked = [str(tag) for tag in tags if str(tag).startswith("license:")] if isinstance(tags, list) else []
    licence = marked[0].removeprefix("license:") if marked else ""
    return licence if _LICENCE.fullmatch(licence) else "not stated"
