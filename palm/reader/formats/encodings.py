"""Recognises text in other encodings than UTF-8, to name the one to set."""

import re
from collections.abc import Callable

# `sig` leaves out a byte-order mark at the start of the file.
_CODECS = {"utf-8": "utf-8-sig"}
_BYTE_ORDER_MARKS = (
    (b"\xff\xfe\0\0", "utf-32"),
    (b"\0\0\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
_NAMES = {"utf-16": "UTF-16", "utf-32": "UTF-32", "gb18030": "GBK", "cp949": "Korean (EUC-KR)"}

_HAN = re.compile("[\u4e00-\u9fff]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
# Hiragana and full-width punctuation stand in GB2312 as well.
_CHINESE = re.compile("[\u4e00-\u9fff\u3000-\u303f\uff00-\uffef\u2010-\u2026\u00b7]")
_NOT_ASCII = re.compile("[^\x00-\x7f]")
# Of the texts that another encoding was read from, most have few characters that people use.
_SHARE = 0.8


def codec_of(encoding: str) -> str:
    """Python's name of the codec that reads files in `encoding`."""
    return _CODECS.get(encoding, encoding)


def looks_like(head: bytes, foreign: bytes) -> str | None:
    """What to do about a file that is not UTF-8; None if its encoding is not recognised.

    Args:
        head: The start of the file.
        foreign: Some of its lines that are not UTF-8.
    """
    marked = next((name for mark, name in _BYTE_ORDER_MARKS if head.startswith(mark)), None)
    found = [marked] if marked else [name for name, fits in _CANDIDATES if fits(foreign)]
    if not found:
        return None
    names = " or ".join(_NAMES[name] for name in found)
    return f"This looks like {names}: set `encoding: {'` or `encoding: '.join(found)}`, or convert the file."


def _is_gbk(raw: bytes) -> bool:
    # Both bytes of a character of GB2312 are above 0xa0; accents of Latin-1 stand alone between letters.
    pairs = re.sub(rb"[\x00-\x7f]", b"", re.sub(rb"[\xa1-\xf7][\xa1-\xfe]", b"", raw))
    text = _decoded(raw, "gb18030")
    return len(pairs) <= len(raw) * (1 - _SHARE) and bool(_HAN.search(text)) and _share(_CHINESE, text) >= _SHARE


def _is_korean(raw: bytes) -> bool:
    return _share(_HANGUL, _decoded(raw, "cp949")) >= _SHARE


_CANDIDATES: tuple[tuple[str, Callable[[bytes], bool]], ...] = (("gb18030", _is_gbk), ("cp949", _is_korean))


def _decoded(raw: bytes, encoding: str) -> str:
    """`raw` as text; empty where it is not in `encoding`."""
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return ""


def _share(kind: re.Pattern[str], text: str) -> float:
    """How many of the characters beyond ASCII are of the `kind`."""
    others = _NOT_ASCII.findall(text)
    return sum(map(bool, map(kind.match, others))) / max(len(others), 1)
