"""Spans of characters become tags of words; what does not fit is a fault."""

import pytest

from palm.data.spans import spans_of
from palm.data.tag_schemes import TagScheme
from palm.reader.formats.span_rows import TextSpan
from palm.reader.formats.span_tags import SCHEMES_OF_SPANS, tags_of_spans
from palm.reader.formats.text_words import split_text

TEXT = split_text("Anna met Bo in New York City.", by_character=False)  # Anna 0-4, Bo 9-11, New York City 15-28


def tagged(*spans, scheme="bio", text=TEXT):
    found = tags_of_spans(text, [TextSpan(*span) for span in spans], scheme)
    return " ".join(found.tags), found.faults


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("bio", "B-P O O O B-L I-L I-L O"),
        ("iob2", "B-P O O O B-L I-L I-L O"),
        ("io", "I-P O O O I-L I-L I-L O"),
        ("bios", "S-P O O O B-L I-L I-L O"),
        ("bioe", "B-P O O O B-L I-L E-L O"),
        ("iobes", "S-P O O O B-L I-L E-L O"),
        ("bilou", "U-P O O O B-L I-L L-L O"),
        ("bmes", "S-P O O O B-L M-L E-L O"),
        ("bmewo", "W-P O O O B-L M-L E-L O"),
    ],
)
def test_each_scheme(scheme, tags):
    assert tagged((15, 28, "L"), (0, 4, "P"), scheme=scheme) == (tags, [])


@pytest.mark.parametrize("scheme", [name for name in SCHEMES_OF_SPANS if name != "io"])
def test_tags_are_read_back_as_the_same_spans(scheme):
    text = split_text("我爱北京", by_character=True)
    spans = [TextSpan(0, 1, "x"), TextSpan(1, 2, "x"), TextSpan(2, 4, "y")]
    tags = tags_of_spans(text, spans, scheme).tags
    read = spans_of(tags, TagScheme.of(scheme, tags))
    assert [(span.start, span.end, span.type) for span in read] == [(0, 1, "x"), (1, 2, "x"), (2, 4, "y")]


def test_blanks_at_the_edges_and_repetitions():
    assert tagged((8, 12, "P"), (9, 11, "P")) == (
        "O O B-P O O O O O",
        [f"the span `Bo` (9 to 11, P) overlaps {BLANKS}"],
    )
    assert tagged((9, 11, "P"), (9, 11, "P")) == ("O O B-P O O O O O", [])
    assert tagged((8, 12, "P")) == ("O O B-P O O O O O", [])


BLANKS = "` Bo ` (8 to 12, P)."


@pytest.mark.parametrize(
    ("spans", "fault"),
    [
        ([(0, 3, "P")], "the span `Ann` (0 to 3, P) cuts the word `Anna`."),
        ([(10, 14, "P")], "the span `o in` (10 to 14, P) cuts the word `Bo`."),
        ([(4, 4, "P")], "the span `` (4 to 4, P) is empty."),
        ([(9, 4, "P")], "the span `` (9 to 4, P) is empty."),
        ([(4, 5, "P")], "the span ` ` (4 to 5, P) holds no word."),
        ([(28, 99, "P")], "the span `.` (28 to 99, P) is not in the text of 29 characters."),
        ([(-1, 4, "P")], "the span `Anna` (-1 to 4, P) is not in the text of 29 characters."),
        ([(15, 23, "L"), (19, 28, "L")], "the span `York City` (19 to 28, L) overlaps `New York` (15 to 23, L)."),
        ([(15, 18, "L"), (15, 28, "L")], "the span `New` (15 to 18, L) overlaps `New York City` (15 to 28, L)."),
    ],
)
def test_faults(spans, fault):
    assert tagged(*spans)[1] == [fault]


def test_of_overlapping_spans_one_stays():
    assert tagged((19, 28, "L"), (15, 23, "L"))[0] == "O O O O B-L I-L O O"
