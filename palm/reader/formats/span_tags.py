"""Turns labelled spans of characters into a tag for each word, and says which spans do not fit."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from palm.errors import counted
from palm.reader.formats.files import quoted
from palm.reader.formats.span_rows import TextSpan
from palm.reader.formats.text_words import CharRange, SplitText

# Letters of the first, inner and last word of a span, and of a span of one word.
_LETTERS = {
    "bio": "BIIB", "iob2": "BIIB", "io": "IIII", "bios": "BIIS", "bioe": "BIEB", "iobes": "BIES", "bilou": "BILU",
    "bmes": "BMES", "bmewo": "BMEW",
}  # fmt: skip
SCHEMES_OF_SPANS = tuple(_LETTERS)


@dataclass(frozen=True)
class TaggedText:
    """Tags of a text's words.

    Attributes:
        tags: One per word.
        faults: What is wrong with the spans that have none.
    """

    tags: list[str]
    faults: list[str]


def tags_of_spans(text: SplitText, spans: Sequence[TextSpan], scheme: str) -> TaggedText:
    """The tags of `spans` in `scheme`. Blanks at the edges of a span are none of it.

    A span that is empty, not in the text, cuts a word or overlaps one before it is a fault; of several that overlap
    the first stays, the longest where they start together. The same span twice counts once.
    """
    tags = ["O"] * len(text.places)
    faults: list[str] = []
    end_of_last, last = 0, None
    for span in sorted(set(spans), key=lambda span: (span.start, -span.end, span.type)):
        words, fault = _words_in(text, span)
        if fault is None and words[0] < end_of_last and last is not None:
            fault = f"overlaps {_shown(text, last)}."
        if fault is not None:
            faults.append(f"the span {_shown(text, span)} {fault}")
            continue
        for place, letter in _letters(words, _LETTERS[scheme]):
            tags[place] = f"{letter}-{span.type}"
        end_of_last, last = words[-1] + 1, span
    return TaggedText(tags, faults)


def _letters(words: Sequence[int], letters: str) -> Iterator[tuple[int, str]]:
    first, inner, final, single = tuple(letters)
    if len(words) == 1:
        yield words[0], single
        return
    for place in words:
        yield place, first if place == words[0] else final if place == words[-1] else inner


def _words_in(text: SplitText, span: TextSpan) -> tuple[Sequence[int], str | None]:
    """Numbers of the words of a span; what is wrong with it where there are none."""
    if span.start >= span.end:
        return (), "is empty."
    if span.start < 0 or span.end > len(text.text):
        return (), f"is not in the text of {counted(len(text.text), 'character')}."
    inside = [number for number, place in enumerate(text.places) if place[0] < span.end and place[1] > span.start]
    if not inside:
        return (), "holds no word."
    cut = next((place for place in (text.places[inside[0]], text.places[inside[-1]]) if not _within(place, span)), None)
    if cut is not None:
        return (), f"cuts the word {quoted(text.text[cut[0] : cut[1]])}."
    return inside, None


def _within(place: CharRange, span: TextSpan) -> bool:
    return span.start <= place[0] and place[1] <= span.end


def _shown(text: SplitText, span: TextSpan) -> str:
    return f"{quoted(text.text[max(span.start, 0) : max(span.end, 0)])} ({span.start} to {span.end}, {span.type})"
