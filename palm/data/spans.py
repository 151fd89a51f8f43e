"""Spans of a tag sequence (B-type, I-type, O), with the semantics of CoNLL's evaluation and seqeval's default mode."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Span:
    """A tagged stretch of words.

    Attributes:
        start: Its first word.
        end: The word after its last.
        type: The tags' part after `B-` and `I-`.
    """

    start: int
    end: int
    type: str


def spans_of(tags: Sequence[str]) -> list[Span]:
    """Spans in order. An I without a span to continue starts one, as does a change of type; E and S are supported.

    The rules are those of `get_entities` in https://github.com/chakki-works/seqeval.
    """
    spans: list[Span] = []
    before, type_before, start = "O", "", 0
    for position, name in enumerate([*tags, "O"]):
        tag, kind = name[:1], name[1:].split("-", maxsplit=1)[-1] or "_"
        if _ends(before, tag, changed=type_before != kind):
            spans.append(Span(start, position, type_before))
        if _starts(before, tag, changed=type_before != kind):
            start = position
        before, type_before = tag, kind
    return spans


def _ends(before: str, tag: str, *, changed: bool) -> bool:
    return (
        before in ("E", "S")
        or (before in ("B", "I") and tag in ("B", "S", "O"))
        or (before not in ("O", ".") and changed)
    )


def _starts(before: str, tag: str, *, changed: bool) -> bool:
    return tag in ("B", "S") or (before in ("E", "S", "O") and tag in ("E", "I")) or (tag not in ("O", ".") and changed)
