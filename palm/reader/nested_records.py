"""Records of texts with their labelled spans of characters, which may lie within each other."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from palm.data.dataset import GivenRow, Record
from palm.errors import counted
from palm.reader.fields import LabelledFields
from palm.reader.formats.cells import ID, Row, kept_cells, text_at
from palm.reader.formats.columns import columns_of
from palm.reader.formats.files import FileProblems, quoted
from palm.reader.formats.notes import add_note
from palm.reader.formats.span_files import read_span_file
from palm.reader.formats.span_rows import SpanText, TextRelation, TextSpan, span_text
from palm.reader.formats.tables import source_of, table_rows
from palm.reader.row_filter import RowFilter
from palm.spec import Phase

_OUTSIDE = "O"
_KNOWN = ("text_a", "label", "relations", "content")
_FORM = "spans may lie within each other."


def nested_records(
    source: Path | Sequence[GivenRow], config: LabelledFields, phase: Phase, *, is_span_file: bool, drops_bad: bool
) -> Iterator[Record]:
    """Records `{"text_a", "line"}` and, where the text is annotated, `label`: `[{"start", "end", "type"}]`.

    Where a row has a field of relations, they are `relations`: `[{"head", "tail", "type"}]` by the numbers of spans.

    Args:
        source: A file, or rows from a program.
        config: Keys of the reader.
        phase: When predicting, spans are optional.
        is_span_file: Whether the file has one of the forms of texts with spans; else it is a table.
        drops_bad: Whether spans that do not fit are left out instead of refused.

    Raises:
        DataError: All problems of the source, after the last row.
    """
    texts = _Texts(config, phase, drops_bad, FileProblems(source_of(source)))
    rows = texts.of_span_file(source) if is_span_file and isinstance(source, Path) else texts.of_table(source)
    row_filter = RowFilter(config, ("text_a",), phase)
    for row in row_filter.kept(rows, texts.problems):
        yield texts.record(row)
    texts.problems.raise_all()
    row_filter.add_notes(texts.problems.source)
    if texts.dropped:
        left_out = f"on_bad_span left out {counted(len(texts.dropped), 'span')}, such as {texts.dropped[0]}"
        add_note(texts.problems.source, left_out)


@dataclass
class _Texts:
    """Turns rows of a source into records."""

    config: LabelledFields
    phase: Phase
    drops_bad: bool
    problems: FileProblems
    dropped: list[str] = field(default_factory=list)

    def of_span_file(self, file: Path) -> Iterator[Row]:
        """The rows of a file of texts with spans."""
        config, names = self.config, (self.config.column("text_a"), self.config.column("label"))
        kept = (ID, *config.keep_columns) if self.phase == "predict" else ()
        for found in read_span_file(file, *names, self.problems, encoding=config.encoding, become=_FORM):
            values = {name: found.fields[name] for name in kept if name in found.fields and name not in _KNOWN}
            yield self._row(found.line, found.content, values)

    def of_table(self, source: Path | Sequence[GivenRow]) -> Iterator[Row]:
        """The rows of a table, whose labels are those of `span_text`."""
        columns = columns_of(self.config, texts=("text_a",), gold=("label",), phase=self.phase)
        columns = replace(columns, optional=(*columns.optional, "relations"))
        for row in table_rows(source, self.config, columns, self.problems):
            text = row.values["text_a"]
            fields = {name: row.values.get(name) for name in ("text_a", "label", "relations")}
            content = span_text(fields, "text_a", "label")
            if not isinstance(text, str):
                content = SpanText(None, None)
            yield self._row(row.line, content, row.values)

    def record(self, row: Row) -> Record:
        """The record of a row that is kept, after reporting what is wrong with it."""
        predicting = self.phase == "predict"
        text = text_at(row, "text_a", self.problems, may_be_empty=predicting)
        content = cast("SpanText", row.values["content"])
        spans, faults = placed_spans(text, content.spans or ())
        relations, wrong = placed_relations(text, content.relations or (), spans)
        faults = [*content.faults, *faults, *wrong]
        record: dict[str, object] = {"line": row.line, "text_a": text, **kept_cells(row, _KNOWN)}
        for fault in () if predicting else faults:
            if self.drops_bad:
                self.dropped.append(f"line {row.line}: {fault}")
            else:
                self.problems.add(f"{fault} Correct it, or set on_bad_span: drop.", line=row.line)
        if content.spans is None and not predicting:
            rule = "a text must be annotated, found one without spans"
            self.problems.add(f"{rule}. Annotate it, or set on_missing_label: leave_out.", line=row.line)
        if content.spans is None or (predicting and faults):
            return record
        label = [{"start": span.start, "end": span.end, "type": span.type} for span in spans]
        return {**record, "label": label, **({} if content.relations is None else {"relations": relations})}

    def _row(self, line: int, content: SpanText, values: dict[str, object]) -> Row:
        # A text without spans has a label, as it would among words with tags.
        types = None if content.spans is None else [_OUTSIDE, *(span.type for span in content.spans)]
        text = values.get("text_a", content.text)
        return Row(line, {**values, "text_a": text, "label": types, "content": content})


def placed_spans(text: str, spans: Sequence[TextSpan]) -> tuple[list[TextSpan], list[str]]:
    """The spans in order, each once, without blanks at their edges; what is wrong with the others."""
    found: dict[TextSpan, None] = {}
    faults: list[str] = []
    for span in sorted(set(spans), key=lambda span: (span.start, -span.end, span.type)):
        fault = _fault(text, span)
        if fault is None:
            found[_without_blanks(text, span)] = None
        else:
            shown = quoted(text[max(span.start, 0) : max(span.end, 0)])
            faults.append(f"the span {shown} ({span.start} to {span.end}, {span.type}) {fault}")
    return list(found), faults


def placed_relations(
    text: str, relations: Sequence[TextRelation], spans: Sequence[TextSpan]
) -> tuple[list[dict[str, object]], list[str]]:
    """`[{"head", "tail", "type"}]` in order, each once, by the numbers of spans; what is wrong with the others."""
    number = {span: place for place, span in enumerate(spans)}
    found: dict[tuple[int, int, str], None] = {}
    faults: list[str] = []
    for relation in relations:
        ends = [number.get(_without_blanks(text, span)) for span in (relation.head, relation.tail)]
        if None in ends or ends[0] == ends[1]:
            shown = " and ".join(quoted(text[max(one.start, 0) : one.end]) for one in (relation.head, relation.tail))
            faults.append(f"the relation {quoted(relation.type)} of {shown} has a span that is left out.")
        else:
            found[int(ends[0] or 0), int(ends[1] or 0), relation.type] = None
    return [{"head": head, "tail": tail, "type": kind} for head, tail, kind in sorted(found)], faults


def _fault(text: str, span: TextSpan) -> str | None:
    if span.start >= span.end:
        return "is empty."
    if span.start < 0 or span.end > len(text):
        return f"is not in the text of {counted(len(text), 'character')}."
    return None if text[span.start : span.end].strip() else "holds no word."


def _without_blanks(text: str, span: TextSpan) -> TextSpan:
    piece = text[span.start : span.end]
    start = span.start + len(piece) - len(piece.lstrip())
    return TextSpan(start, start + len(piece.strip()), span.type)
