"""The name under which the cache keeps a data set: a hash of everything that it depends on."""

import hashlib
import json
import unicodedata
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import tokenizers

from palm.spec import Phase
from palm.storage.layout import FORMAT_VERSION

if TYPE_CHECKING:
    from palm.reader.base import Reader

_PACKAGE = Path(__file__).parent.parent
_SOURCES = ("dataset.py", "cache/*.py", "reader/*.py", "text/*.py")


def cache_key(reader: "Reader", suffix: str, phase: Phase, digest: str) -> str:
    """A sha256 over the data, the vocabulary, all settings, and the code and packages that make one of the other.

    Args:
        reader: Turns the file into a data set.
        suffix: The file's ending, which may decide its format.
        phase: What the data set is for.
        digest: sha256 of the file's content.
    """
    kind = type(reader)
    parts = {
        "data": digest,
        "suffix": suffix.lower(),
        "phase": phase,
        "reader": [kind.__module__, kind.__qualname__, kind.cache_version],
        "settings": reader.config.model_dump(mode="json"),
        "tokenizer": reader.tokenizer.fingerprint,
        "labels": None if reader.labels is None else reader.labels.names,
        "versions": [FORMAT_VERSION, tokenizers.__version__, unicodedata.unidata_version, _code()],
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@cache
def _code() -> str:
    """sha256 of the modules that a data set depends on: no change of theirs can leave old entries behind."""
    digest = hashlib.sha256()
    for pattern in _SOURCES:
        for file in sorted(_PACKAGE.glob(pattern)):
            digest.update(file.read_bytes())
    return digest.hexdigest()
