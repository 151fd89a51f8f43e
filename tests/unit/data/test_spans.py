"""Spans of tags of each scheme, by hand and against seqeval in its default and its strict mode."""

import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palm.data.spans import Span, spans_of
from palm.data.tag_schemes import TYPES_ALONE, TagForm, TagScheme

TAG = st.sampled_from(["O", "B-PER", "I-PER", "E-PER", "S-PER", "B-地名", "I-地名", "I-a-b", "B", "I"])


@pytest.mark.parametrize(
    ("tags", "spans"),
    [
        ([], []),
        (["O", "O"], []),
        (["B-PER", "I-PER", "O"], [Span(0, 2, "PER")]),
        (["B-PER", "B-PER"], [Span(0, 1, "PER"), Span(1, 2, "PER")]),
        (["O", "I-LOC", "I-LOC"], [Span(1, 3, "LOC")]),
        (["B-PER", "I-LOC"], [Span(0, 1, "PER"), Span(1, 2, "LOC")]),
        (["B-地名", "I-地名", "I-地名"], [Span(0, 3, "地名")]),
        (["B-fromloc.city_name", "I-fromloc.city_name"], [Span(0, 2, "fromloc.city_name")]),
        (["B-a-b", "I-a-b"], [Span(0, 2, "a-b")]),
    ],
)
def test_spans(tags: list[str], spans: list[Span]):
    assert spans_of(tags) == spans


@settings(deadline=None)
@given(st.lists(TAG, max_size=12))
def test_equals_seqeval(tags: list[str]):
    labelling = pytest.importorskip("seqeval.metrics.sequence_labeling")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = [(kind, first, last) for kind, first, last in labelling.get_entities(tags)]

    assert [(span.type, span.start, span.end - 1) for span in spans_of(tags)] == expected


def read(scheme: str, tags: list[str]) -> list[tuple[str, int, int]]:
    return [(span.type, span.start, span.end) for span in spans_of(tags, TagScheme.of(scheme, sorted(set(tags))))]


@pytest.mark.parametrize(
    ("scheme", "tags", "spans"),
    [
        (
            "bilou",
            "U-PER U-PER O O B-PER L-PER B-PER L-PER",
            [("PER", 0, 1), ("PER", 1, 2), ("PER", 4, 6), ("PER", 6, 8)],
        ),
        ("io", "PER PER O ORG ORG O LOC", [("PER", 0, 2), ("ORG", 3, 5), ("LOC", 6, 7)]),
        ("io", "PER ORG O", [("PER", 0, 1), ("ORG", 1, 2)]),
        ("none", "DET NOUN VERB DET ADJ NOUN", []),
        ("bio", "PER-B PER-I O ORG-B", [("PER", 0, 2), ("ORG", 3, 4)]),
        ("bio", "b-per i-per o b-per", [("per", 0, 2), ("per", 3, 4)]),
        ("bmes", "B_地名 M_地名 E_地名 O S_人", [("地名", 0, 3), ("人", 4, 5)]),
        ("bmes", "B M E S S", [("_", 0, 3), ("_", 3, 4), ("_", 4, 5)]),
        ("bmewo", "W-x W-x O B-x M-x E-x", [("x", 0, 1), ("x", 1, 2), ("x", 3, 6)]),
        ("iob1", "I-x I-x B-x I-x O I-y", [("x", 0, 2), ("x", 2, 4), ("y", 5, 6)]),
        ("ioe2", "I-x E-x E-x O I-y E-y", [("x", 0, 2), ("x", 2, 3), ("y", 4, 6)]),
        ("ioe1", "I-x E-x I-x O E-y I-y I-y", [("x", 0, 2), ("x", 2, 3), ("y", 4, 5), ("y", 5, 7)]),
        ("bios", "B-x I-x O S-x S-y", [("x", 0, 2), ("x", 3, 4), ("y", 4, 5)]),
        ("bioe", "B-x I-x E-x B-x O B-y", [("x", 0, 3), ("x", 3, 4), ("y", 5, 6)]),
        # Broken: strict schemes have no such span, the default reading of BIO has.
        ("iobes", "B-x O B-y E-y", [("y", 2, 4)]),
        ("iob2", "I-x O B-y", [("y", 2, 3)]),
        ("bio", "I-x O B-y", [("x", 0, 1), ("y", 2, 3)]),
        ("bio", "X B-x X I-x", [("x", 1, 2), ("x", 3, 4)]),
    ],
)
def test_spans_of_each_scheme(scheme: str, tags: str, spans: list[tuple[str, int, int]]) -> None:
    assert read(scheme, tags.split()) == spans


# Letters of a scheme, and the scheme of seqeval that has them after a translation.
STRICT = {
    "iob1": ("IB", "IOB1", {}),
    "iob2": ("IB", "IOB2", {}),
    "ioe2": ("IE", "IOE2", {}),
    "iobes": ("BIES", "IOBES", {}),
    "bilou": ("BILU", "BILOU", {}),
    "bmes": ("BMES", "IOBES", {"M": "I"}),
    "bmewo": ("BMEW", "IOBES", {"M": "I", "W": "S"}),
}


@pytest.mark.parametrize("suffix", [False, True])
@pytest.mark.parametrize("scheme", STRICT)
@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_equals_seqeval_in_strict_mode(scheme: str, suffix: bool, data: st.DataObject) -> None:
    theirs = pytest.importorskip("seqeval.scheme")
    letters, name, translated = STRICT[scheme]
    places = st.sampled_from(["O", *((letter, kind) for letter in letters for kind in ("x", "地"))])
    words = data.draw(st.lists(places, max_size=9))

    def written(word: str | tuple[str, str], translation: dict[str, str]) -> str:
        if isinstance(word, str):
            return word
        letter = translation.get(word[0], word[0])
        return f"{word[1]}-{letter}" if suffix else f"{letter}-{word[1]}"

    tokens = theirs.Tokens([written(word, translated) for word in words], getattr(theirs, name), suffix=suffix)
    expected = [entity.to_tuple()[1:] for entity in tokens.entities]

    found = spans_of([written(word, {}) for word in words], TagScheme(scheme, TagForm(suffix=suffix)))
    assert [(span.type, span.start, span.end) for span in found] == expected


@settings(deadline=None)
@given(st.lists(st.sampled_from(["O", "x", "y"]), max_size=9))
def test_types_alone_equal_the_inside_tags_of_seqevals_iob1(tags: list[str]) -> None:
    theirs = pytest.importorskip("seqeval.scheme")
    tokens = theirs.Tokens([tag if tag == "O" else f"I-{tag}" for tag in tags], theirs.IOB1)

    found = spans_of(tags, TagScheme("io", TYPES_ALONE))
    assert [(span.type, span.start, span.end) for span in found] == [one.to_tuple()[1:] for one in tokens.entities]
