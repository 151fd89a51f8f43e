"""Texts with labelled spans of characters, as annotation tools export them: doccano, Label Studio, spaCy, CLUENER."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from palm.reader.formats.cells import json_type
from palm.reader.formats.files import quoted

TEXT_FIELDS = ("text", "data", "content", "sentence")
_SPAN_FIELDS = ("label", "labels", "entities", "spans")
_START_FIELDS, _END_FIELDS = ("start", "start_offset", "begin"), ("end", "end_offset")
_TYPE_FIELDS = ("label", "labels", "type", "entity_group")
_RELATIONS = "relations"
_SPAN_LENGTH = 3  # [start, end, type]


@dataclass(frozen=True)
class TextSpan:
    """A labelled span of characters.

    Attributes:
        start: Its first character.
        end: The character after its last.
        type: Its label.
        id: By what relations name it, where it has such a thing.
    """

    start: int
    end: int
    type: str
    id: object = field(default=None, compare=False)


@dataclass(frozen=True)
class TextRelation:
    """A relation between two spans.

    Attributes:
        head: The span from which it goes.
        tail: The span to which it goes.
        type: Its label.
    """

    head: TextSpan
    tail: TextSpan
    type: str


@dataclass(frozen=True)
class SpanText:
    """A text and its spans.

    Attributes:
        text: The text; None where the row has none.
        spans: Its spans; None where it is not annotated.
        faults: What is wrong with spans that cannot be read.
        form: Whose form it has.
        ignored: Further annotations that are not spans, or of other annotators.
        relations: Relations between the spans; None where the row has no field of relations.
    """

    text: str | None
    spans: Sequence[TextSpan] | None
    faults: Sequence[str] = ()
    form: str = "doccano"
    ignored: int = 0
    relations: Sequence[TextRelation] | None = None


def has_spans(row: object, text_field: str, label_field: str) -> bool:
    """Whether a row of a JSON file is a text with spans, by its fields alone."""
    if isinstance(row, list):
        return _is_spacy(row)
    if not isinstance(row, Mapping):
        return False
    if "annotations" in row or "completions" in row:
        return isinstance(row.get("data"), Mapping)
    if not isinstance(_text_of(row, text_field), str):
        return False
    found = [row[name] for name in (label_field, *_SPAN_FIELDS) if name in row]
    return any(_are_spans(value) and (value != [] or text_field not in row) for value in found)


def is_text_alone(row: object, text_field: str) -> bool:
    """Whether a row is a text without spans, under a name that annotation tools use."""
    return isinstance(row, Mapping) and text_field not in row and isinstance(_text_of(row, text_field), str)


def span_text(row: object, text_field: str, label_field: str) -> SpanText:
    """A row in any of the known forms.

    Args:
        row: A JSON value.
        text_field: The name of the text's field where it is none of `TEXT_FIELDS`.
        label_field: The name of the spans' field where it is none of the usual ones.
    """
    if isinstance(row, list) and _is_spacy(row):
        return _from_items(row[0], row[1]["entities"], "spaCy")
    if not isinstance(row, Mapping):
        return SpanText(None, None, [f"found {json_type(row)} {quoted(row)}."])
    if "annotations" in row or "completions" in row:
        return _from_label_studio(row)
    text = _text_of(row, text_field)
    name = next((name for name in (label_field, *_SPAN_FIELDS) if name in row), None)
    if not isinstance(text, str):
        found = f"found the fields {', '.join(map(str, row)) or 'none'}."
        return SpanText(None, None, [found])
    if name is None or row[name] is None:
        return SpanText(text, None)
    if isinstance(row[name], Mapping):
        return _from_cluener(text, row[name])
    return _with_relations(_from_items(text, row[name], "doccano"), row[name], row.get(_RELATIONS))


def _with_relations(found: SpanText, items: object, relations: object) -> SpanText:
    """The text with its relations: objects as doccano's, or `[number of a span, number of another, label]`."""
    if relations is None:
        return found
    if not isinstance(relations, list) or not isinstance(items, list):
        fault = f"relations must be a list, found {json_type(relations)} {quoted(relations)}."
        return replace(found, faults=[*found.faults, fault])
    spans = [_span(item, found.text or "") for item in items]
    read = [_relation(item, spans) for item in relations]
    faults = [relation for relation in read if isinstance(relation, str)]
    kept = [relation for relation in read if isinstance(relation, TextRelation)]
    return replace(found, faults=[*found.faults, *faults], relations=kept)


def _relation(item: object, spans: Sequence[TextSpan | str]) -> TextRelation | str:
    """The relation of an object or a list; what is wrong with it otherwise."""
    ends: list[TextSpan | str | None]
    match item:
        case {"from_id": head, "to_id": tail, "type": str() | int() as kind}:
            ends = [_span_of_id(spans, name) for name in (head, tail)]
        case [int(head), int(tail), str() | int() as kind]:
            ends = [spans[number] if 0 <= number < len(spans) else None for number in (head, tail)]
        case _:
            return f"a relation must be two spans and one label, found {quoted(item)}."
    first, last = ends
    if not isinstance(first, TextSpan) or not isinstance(last, TextSpan) or first == last or not str(kind).strip():
        return f"a relation must be between two spans of its text, found {quoted(item)}."
    return TextRelation(first, last, str(kind).strip())


def _span_of_id(spans: Sequence[TextSpan | str], name: object) -> TextSpan | None:
    return next(
        (span for span in spans if isinstance(span, TextSpan) and span.id is not None and span.id == name), None
    )


def _text_of(row: Mapping[str, object], text_field: str) -> object:
    return next((row[name] for name in (text_field, *TEXT_FIELDS) if name in row), None)


def _is_spacy(row: Sequence[object]) -> bool:
    return len(row) == 2 and isinstance(row[0], str) and isinstance(row[1], Mapping) and "entities" in row[1]


def _are_spans(value: object) -> bool:
    if isinstance(value, Mapping):
        return all(isinstance(mentions, Mapping) for mentions in value.values())
    return isinstance(value, list) and all(_looks_like_span(item) for item in value)


def _looks_like_span(item: object) -> bool:
    if isinstance(item, list):
        return len(item) == _SPAN_LENGTH and isinstance(item[0], int) and isinstance(item[1], int)
    return isinstance(item, Mapping) and any(name in item for name in _START_FIELDS)


def _from_items(text: str, items: object, form: str) -> SpanText:
    if not isinstance(items, list):
        return SpanText(text, [], [f"spans must be a list, found {json_type(items)} {quoted(items)}."], form)
    read = [_span(item, text) for item in items]
    spans = [span for span in read if isinstance(span, TextSpan)]
    return SpanText(text, spans, [span for span in read if isinstance(span, str)], form)


def _span(item: object, text: str) -> TextSpan | str:
    """The span of `[start, end, type]` or of an object; what is wrong with it otherwise."""
    if isinstance(item, Mapping):
        start, end, kind = (_first(item, names) for names in (_START_FIELDS, _END_FIELDS, _TYPE_FIELDS))
        mention, name = item.get("text"), item.get("id")
    else:
        start, end, kind = item if isinstance(item, list) and len(item) == _SPAN_LENGTH else (None, None, None)
        mention = name = None
    if isinstance(kind, list) and len(kind) == 1:
        kind = kind[0]
    if not (_is_number(start) and _is_number(end) and isinstance(kind, str | int) and str(kind).strip()):
        return f"a span must be a start, an end and one label, found {quoted(item)}."
    start, end = cast("int", start), cast("int", end)
    if isinstance(mention, str) and text[start:end] != mention:
        counted = (start, end + 1), (_characters(text, start), _characters(text, end))
        fitting = next((place for place in counted if text[place[0] : place[1]] == mention), None)
        if fitting is None:
            return f"a span must hold its text {quoted(mention)}, found {quoted(text[start:end])} at {start} to {end}."
        start, end = fitting
    return TextSpan(start, end, str(kind).strip(), name)


def _characters(text: str, units: int) -> int:
    """The number of characters in the first `units` UTF-16 code units of `text`, which a browser counts."""
    return len(text.encode("utf-16-le", "surrogatepass")[: 2 * max(units, 0)].decode("utf-16-le", "ignore"))


def _first(item: Mapping[str, object], names: Sequence[str]) -> object:
    return next((item[name] for name in names if name in item), None)


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _from_cluener(text: str, label: Mapping[str, object]) -> SpanText:
    """`{type: {mention: [[start, end]]}}`, whose ends are last characters."""
    spans: list[TextSpan] = []
    faults: list[str] = []
    for kind, mention, place in _mentions(label, faults):
        match place:
            case [int(start), int(end)] if text[start : end + 1] == mention and start >= 0:
                spans.append(TextSpan(start, end + 1, kind))
            case [int(start), int(end)]:
                there = quoted(text[max(start, 0) : end + 1])
                faults.append(f"a span must hold its text {quoted(mention)}, found {there} at {start} to {end}.")
            case _:
                faults.append(f"a span must be [first, last] character, found {quoted(place)}.")
    return SpanText(text, sorted(spans, key=lambda span: (span.start, span.end)), faults, "CLUENER")


def _mentions(label: Mapping[str, object], faults: list[str]) -> Iterator[tuple[str, str, object]]:
    for kind, mentions in label.items():
        if not isinstance(mentions, Mapping):
            faults.append(f"a label must hold {{mention: [[first, last]]}}, found {quoted(mentions)}.")
            continue
        for mention, places in mentions.items():
            if not isinstance(places, list):
                faults.append(f"a mention must have [[first, last]], found {quoted(places)}.")
                continue
            yield from ((str(kind), mention, place) for place in places)


def _from_label_studio(row: Mapping[str, object]) -> SpanText:
    """The spans of the first annotation that was not cancelled."""
    data = row.get("data")
    texts = [value for value in data.values() if isinstance(value, str)] if isinstance(data, Mapping) else []
    text = data["text"] if isinstance(data, Mapping) and isinstance(data.get("text"), str) else None
    text = texts[0] if text is None and len(texts) == 1 else text
    if not isinstance(text, str):
        found = quoted(data)
        return SpanText(None, None, [f"`data` must hold one text, found {found}."], "Label Studio")
    listed = row.get("annotations", row.get("completions"))
    done = [
        item for item in listed if isinstance(item, Mapping) and not item.get("was_cancelled")
    ] if isinstance(listed, list) else []  # fmt: skip
    if not done:
        return SpanText(text, None, form="Label Studio")
    results = done[0].get("result")
    values = [item.get("value") for item in results if isinstance(item, Mapping)] if isinstance(results, list) else []
    spans = [value for value in values if isinstance(value, Mapping) and any(name in value for name in _START_FIELDS)]
    read = _from_items(text, [_label_studio_span(value) for value in spans], "Label Studio")
    return SpanText(text, read.spans, read.faults, "Label Studio", len(values) - len(spans) + len(done) - 1)


def _label_studio_span(value: Mapping[str, object]) -> Mapping[str, object]:
    """The span with its labels, whose field has the name of the tag in the labelling interface."""
    names = [name for name, item in value.items() if isinstance(item, list)]
    return value if "labels" in value or len(names) != 1 else {**value, "labels": value[names[0]]}
