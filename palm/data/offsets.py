"""Exact character spans of tokens: without blanks around them, with combining marks, empty for a blank alone."""

import unicodedata
from collections.abc import Collection, Sequence

CharSpan = tuple[int, int]
_MARKER = "▁"


def exact_spans(ids: Sequence[int], spans: Sequence[CharSpan], text: str, markers: Collection[int]) -> list[CharSpan]:
    """The characters that each token stands for.

    Tokenizers give a token of SentencePiece or byte-level BPE the blank before it, a blank that they add themselves the
    character after it, and an accented letter without the combining mark that they have composed with it.

    Args:
        ids: The tokens.
        spans: `(start, end)` of each in `text`, as the tokenizer gives them.
        text: The text.
        markers: Tokens that stand for a blank alone, such as `▁`.

    Returns:
        Spans whose starts and ends never decrease; that of a token for a blank alone is empty.
    """
    found = []
    for number, (start, end), limit in zip(ids, spans, _limits(spans, len(text)), strict=True):
        piece = text[start:end]
        bare = piece.strip()
        if not bare:
            found.append((end, end))
        elif number in markers and bare != _MARKER:
            found.append((start, start))
        else:
            left = start + len(piece) - len(piece.lstrip())
            found.append((left, _after_marks(text, left + len(bare), limit)))
    return found


def with_accents(spans: Sequence[CharSpan], text: str) -> list[CharSpan]:
    """`spans`, each with the combining marks after it: for a tokenizer that removes them, so that none is a token."""
    return [(start, _after_marks(text, end, len(text))) for start, end in spans]


def _limits(spans: Sequence[CharSpan], length: int) -> list[int]:
    """Where the next characters begin that a token does not share with those after it."""
    found, limit, after = [], length, length
    for start, end in reversed(spans):
        limit = after if after >= end else limit
        found.append(limit)
        after = start
    return found[::-1]


def _after_marks(text: str, end: int, limit: int) -> int:
    """`end`, or the end of the combining marks that follow it before `limit`."""
    while end < limit and unicodedata.category(text[end]).startswith("M"):
        end += 1
    return end
