"""Reads spm.model, the file of SentencePiece that DeBERTa-v2 and v3 have in place of a tokenizer.json.

It is a message of Protocol Buffers, `ModelProto` in `sentencepiece_model.proto`
(https://github.com/google/sentencepiece), of which the pieces and their scores, the type of the model and the table of
replaced characters are read. The steps around the model are those of `DebertaV2Converter` in transformers.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Regex, models, normalizers, pre_tokenizers, processors
from tokenizers import Tokenizer as FastTokenizer

from palm.data.tokenizer_config import read_tokenizer_config
from palm.data.vocab import CLS, MASK, PAD, SEP, UNK
from palm.errors import ConfigError, Problem
from palm.schema.places import pointer_problem

SENTENCEPIECE_FILE = "spm.model"
_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3  # numbers of fields in ModelProto
_TEXT, _SCORE = 1, 2  # in a piece
_MODEL_TYPE, _UNIGRAM = 3, 1  # in the trainer's part; 1 where it is left out
_CHARACTERS = 2  # in the normalizer's part
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_LONGEST_VARINT = 70

Fields = Mapping[int, list[Any]]


def read_sentencepiece(path: Path) -> dict[str, Any]:
    """What spm.model describes, in the form of a tokenizer.json.

    Raises:
        ConfigError: It cannot be read, or is not DeBERTa's.
    """
    pointer = pointer_problem(path)
    if pointer is not None:
        raise ConfigError(Problem(str(path), pointer))
    try:
        model = _fields(path.read_bytes())
        pieces = [_piece(_fields(each)) for each in model.get(_PIECES, [])]
        trainer, normalizer = (_fields(b"".join(model.get(part, []))) for part in (_TRAINER, _NORMALIZER))
        kind = trainer.get(_MODEL_TYPE, [_UNIGRAM])[-1]
        characters = bytes(normalizer.get(_CHARACTERS, [b""])[-1])
    except (OSError, ValueError, TypeError, IndexError, struct.error) as error:
        raise _invalid(path, f"a model of SentencePiece is expected, found another file ({error})") from None
    ids = {piece: number for number, (piece, _) in enumerate(pieces)}
    missing = [name for name in (PAD, UNK, CLS, SEP) if name not in ids]
    if missing or kind != _UNIGRAM:
        found = f"none of {', '.join(missing)}" if missing else f"model_type {kind}"
        raise _invalid(path, f"PALM reads the Unigram models of DeBERTa, which hold [CLS] and [SEP], found {found}")
    lower = bool(read_tokenizer_config(path.parent).do_lower_case)
    try:
        content: dict[str, Any] = json.loads(_tokenizer(pieces, ids, characters, lower=lower).to_str())
    except (ValueError, TypeError, OverflowError) as error:
        raise _invalid(path, f"the tokenizers library cannot use it: {str(error)[:120]}") from None
    return content


def _tokenizer(
    pieces: list[tuple[str, float]], ids: Mapping[str, int], characters: bytes, *, lower: bool
) -> FastTokenizer:
    made = FastTokenizer(models.Unigram(pieces, unk_id=ids[UNK]))
    replaced = [normalizers.Precompiled(characters)] if characters else []
    lowered = [normalizers.Lowercase()] if lower else []
    blanks = normalizers.Replace(Regex(" {2,}"), " ")
    made.normalizer = normalizers.Sequence([*lowered, normalizers.Strip(), *replaced, blanks])
    made.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    made.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(name, ids[name]) for name in (CLS, SEP)],
    )
    # [MASK] is no piece: it comes behind them, as in transformers.
    made.add_special_tokens([AddedToken(name, normalized=False, special=True) for name in (PAD, CLS, SEP, UNK, MASK)])
    return made


def _piece(fields: Fields) -> tuple[str, float]:
    score = fields.get(_SCORE, [b"\0\0\0\0"])[-1]
    return bytes(fields[_TEXT][-1]).decode("utf-8"), float(struct.unpack("<f", score)[0])


def _fields(data: bytes) -> Fields:
    """The fields of a message by their numbers: numbers, and bytes for all else.

    Source: https://protobuf.dev/programming-guides/encoding/
    """
    found: dict[int, list[Any]] = {}
    for number, value in _each_field(data):
        found.setdefault(number, []).append(value)
    return found


def _each_field(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield number, value
            continue
        if kind == _LENGTH:
            length, place = _varint(data, place)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"a field of type {kind}")
        if place + length > len(data):
            raise ValueError("a field that ends behind the file")
        yield number, data[place : place + length]
        place += length


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """A number of seven bits per byte, and the place behind it."""
    value = shift = 0
    while shift < _LONGEST_VARINT:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:  # the highest bit says whether more follow
            return value, place
    raise ValueError("a number that does not end")


def _invalid(path: Path, message: str) -> ConfigError:
    advice = "Save the tokenizer with transformers (`AutoTokenizer.from_pretrained(…).save_pretrained(…)`) beside it."
    return ConfigError(Problem(str(path), f"{message}. {advice}"))
