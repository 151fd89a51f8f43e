"""The tokens of a vocabulary for people, and which of them continue a word."""

import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from palm.data.tokenizer_json import Content, parts_of

_BLANK = "▁"
_BYTE = re.compile(r"<0x([0-9A-F]{2})>")
_UNKNOWN = "\ufffd"
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA")


def readable_tokens(tokens: Sequence[str], content: Content) -> tuple[str, ...]:
    """`ĠYork` → `▁York` and `åĮĹ` → `北` in a vocabulary of bytes; others are readable already."""
    if not _is_byte_level(content):
        return tuple(tokens)
    byte_of = _bytes_by_letter()
    return tuple(_readable(token, byte_of) for token in tokens)


def continues_word(tokens: Sequence[str], special: Collection[int], content: Content) -> NDArray[np.bool_]:
    """For each id, whether its token continues the word of the one before: `bool[vocab]`.

    Blanks and punctuation separate words; a Chinese character or a token that begins with one is a word of its own.

    Args:
        tokens: Tokens by id.
        special: Ids of special tokens.
        content: The tokenizer.json.
    """
    prefix = content["model"].get("continuing_subword_prefix")
    byte_of = _bytes_by_letter() if _is_byte_level(content) else None
    found = np.zeros(len(tokens), bool)
    for number, token in enumerate(tokens):
        if number not in special:
            found[number] = token.startswith(prefix) if prefix else _is_inside(token, byte_of)
    return found


def _is_inside(token: str, byte_of: Mapping[str, int] | None) -> bool:
    """Whether a token continues a word of letters, or a character of bytes."""
    first = byte_of.get(token[:1]) if byte_of is not None else _byte(token)
    text = token if byte_of is None else _readable(token, byte_of)
    if first is not None and 0x80 <= first < 0xC0:
        return True  # a later byte of a character
    if text[:1] == _UNKNOWN or (byte_of is None and first is not None):
        # The first byte of a character: up to 0xDF of letters with accents, Greek or Cyrillic.
        return first is not None and 0xC0 <= first < 0xE0
    return text[:1].isalnum() and not unicodedata.name(text[0], "").startswith(_UNSPACED)


def _byte(token: str) -> int | None:
    """The byte that a token `<0xE5>` stands for."""
    found = _BYTE.fullmatch(token)
    return int(found[1], 16) if found else None


def _is_byte_level(content: Content) -> bool:
    parts = [*parts_of(content.get("pre_tokenizer")), *parts_of(content.get("decoder"))]
    return any(part.get("type") == "ByteLevel" for part in parts)


def _bytes_by_letter() -> dict[str, int]:
    """The byte that each letter of byte-level BPE stands for."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [number for number in range(256) if number not in printable]
    letters = {chr(number): number for number in printable}
    return letters | {chr(256 + place): number for place, number in enumerate(others)}


def _readable(token: str, byte_of: Mapping[str, int]) -> str:
    if not all(letter in byte_of for letter in token):
        return token
    text = bytes(byte_of[letter] for letter in token).decode("utf-8", "replace")
    return text.replace(" ", _BLANK)
