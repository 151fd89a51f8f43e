"""Spans of a tag sequence, as its scheme marks them, and relations between spans."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from palm.data.tag_schemes import TagParts, TagScheme


@dataclass(frozen=True, order=True)
class Span:
    """A tagged stretch of words.

    Attributes:
        start: Its first word.
        end: The word after its last.
        type: What its tags say beside their letters.
    """

    start: int
    end: int
    type: str


@dataclass(frozen=True, order=True)
class Relation:
    """A directed relation between two spans of a text.

    Attributes:
        head: The span that it goes from.
        tail: The span that it goes to.
        type: Its label.
    """

    head: Span
    tail: Span
    type: str


OUTSIDE_PARTS: TagParts = ("O", "_")
"""Meaning and type of a tag outside of all spans."""


def spans_of(tags: Sequence[str], scheme: TagScheme | None = None) -> list[Span]:
    """Spans in order.

    The schemes `iob1`, `iob2`, `ioe2` and `iobes` with its kin are read strictly: what breaks the scheme is no span.
    The others are read as CoNLL's evaluation reads BIO: an I that continues nothing starts a span, as does a change of
    type. A tag that is none of the scheme is outside.

    Both are those of https://github.com/chakki-works/seqeval: its strict mode, and `get_entities` of its default mode.
    Its strict IOE1 misses spans of one word, so IOE1 is read as by default.

    Args:
        tags: One per word.
        scheme: What they are read as; BIO by default.
    """
    scheme = scheme or TagScheme()
    if scheme.name == "none":
        return []
    known = {tag: scheme.split(tag) or OUTSIDE_PARTS for tag in set(tags)}
    parts = [known[tag] for tag in tags]
    strict = _STRICT.get(scheme.name)
    return _spans(parts) if strict is None else strict.spans(parts)


def strict_patterns(scheme: TagScheme) -> dict[str, str] | None:
    """The patterns of neighbours by which a strict scheme is read; None for a scheme that is read by default.

    Three letters each: meaning of the tag before (`.` is any), meaning of the tag, and whether their types are the same
    (`=`), differ (`!`) or do not matter (`*`). Those of `starts` begin a span, of `inside` go on in it, of `ends` end
    it.
    """
    strict = _STRICT.get(scheme.name)
    return None if strict is None else asdict(strict)


def _spans(tags: Sequence[TagParts]) -> list[Span]:
    spans: list[Span] = []
    before, type_before, start = "O", "", 0
    for place, (tag, kind) in enumerate([*tags, OUTSIDE_PARTS]):
        changed = type_before != kind
        if _ends(before, tag, changed=changed):
            spans.append(Span(start, place, type_before))
        if _starts(before, tag, changed=changed):
            start = place
        before, type_before = tag, kind
    return spans


def _ends(before: str, tag: str, *, changed: bool) -> bool:
    return before in ("E", "S") or (before in ("B", "I") and tag in ("B", "S", "O")) or (before != "O" and changed)


def _starts(before: str, tag: str, *, changed: bool) -> bool:
    return tag in ("B", "S") or (before in ("E", "S", "O") and tag in ("E", "I")) or (tag != "O" and changed)


def _matches(patterns: str, before: TagParts, now: TagParts) -> bool:
    """Whether two neighbours are among `patterns`: meaning before and now (`.` is any), type `=`, `!` or `*` (any)."""
    relation = "=" if before[1] == now[1] else "!"
    return any(
        pattern[0] in (".", before[0]) and pattern[1] in (".", now[0]) and pattern[2] in ("*", relation)
        for pattern in patterns.split()
    )


@dataclass(frozen=True)
class _Strict:
    """A scheme of seqeval's strict mode, by the patterns of two neighbours that start a span, go on in it, and end it.

    Source: https://github.com/chakki-works/seqeval, seqeval/scheme.py.
    """

    starts: str
    inside: str
    ends: str

    def spans(self, tags: Sequence[TagParts]) -> list[Span]:
        """Spans in order; what starts and does not end is none."""
        extended = [*tags, OUTSIDE_PARTS]
        spans, place, before = [], 0, OUTSIDE_PARTS
        while place < len(tags):
            start, place = place, place + 1
            if _matches(self.starts, before, extended[start]):
                while _matches(self.inside, extended[place - 1], extended[place]):
                    place += 1
                if _matches(self.ends, extended[place - 1], extended[place]):
                    spans.append(Span(start, place, extended[start][1]))
            before = extended[place - 1]
        return spans


_WHOLE = _Strict(starts=".B* .S*", inside="BI= BE= II= IE=", ends="S.* E.*")
_STRICT = {
    "iob1": _Strict("OI* II! BI* IB= BB=", "BI= II=", "II! IO* IB* BO* BI! BB="),
    "iob2": _Strict(".B*", "BI= II=", "II! IO* IB* BO* BI! BB*"),
    "ioe2": _Strict("OI* OE* EI* EE* II! IE!", "IE= II=", "E.*"),
    "iobes": _WHOLE,
    "bilou": _WHOLE,
    "bmes": _WHOLE,
    "bmewo": _WHOLE,
}
