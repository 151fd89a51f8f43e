"""The readers: each turns one kind of file into batches. Importing this package registers the built-in ones.

The registered readers, which YAML names, are in one module each: `palm.reader.cls`, `palm.reader.match`, … The readers
of the Python API (`palm.reader.ClassifyReader`, …) are in `palm.api.readers` and are imported at their first use.
"""

import importlib

import palm.reader.choice
import palm.reader.cls
import palm.reader.embed
import palm.reader.embed_pairs
import palm.reader.match
import palm.reader.mlm
import palm.reader.mrc
import palm.reader.pairwise_match
import palm.reader.parse
import palm.reader.prompt
import palm.reader.rank
import palm.reader.seq2seq
import palm.reader.seq_label
import palm.reader.spans  # noqa: F401 (importing a module registers its reader)
from palm.reader.base import READERS, Reader

_API = (
    "ClassifyReader",
    "DataReader",
    "MRCReader",
    "MaskLMReader",
    "MatchReader",
    "RegisteredReader",
    "SequenceLabelReader",
)

__all__ = ["READERS", "Reader", *_API]


def __getattr__(name: str) -> object:
    """Import a reader of the Python API at its first use (PEP 562)."""
    if name not in _API:
        raise AttributeError(f"module 'palm.reader' has no attribute {name!r}")
    return getattr(importlib.import_module("palm.api.readers"), name)
