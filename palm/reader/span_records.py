"""Records of words and tags from texts with labelled spans of characters."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from palm.data.dataset import Record
from palm.errors import ConfigError, Problem, counted
from palm.reader.fields import LabelledFields
from palm.reader.formats.cells import NO_TEXT, Row
from palm.reader.formats.files import FileProblems
from palm.reader.formats.notes import add_note
from palm.reader.formats.span_files import SpanRow, read_span_file
from palm.reader.formats.span_tags import SCHEMES_OF_SPANS, tags_of_spans
from palm.reader.formats.text_words import SplitText, split_text
from palm.reader.row_filter import RowFilter
from palm.spec import Phase


def span_records(file: Path, config: LabelledFields, phase: Phase, *, scheme: str, drops_bad: bool) -> Iterator[Record]:
    """Records `{"words", "labels", "line", "text", "offsets"}`, `offsets` the characters of each word in `text`.

    Args:
        file: The file.
        config: Keys of the reader.
        phase: A file to predict needs no spans.
        scheme: The scheme of the tags; `auto` is BIO.
        drops_bad: Whether spans that do not fit are left out instead of refused.

    Raises:
        DataError: All problems of the file, after the last row.
        ConfigError: `scheme` is one that spans are not written in.
    """
    scheme = "bio" if scheme == "auto" else scheme
    if scheme not in SCHEMES_OF_SPANS:
        rule = f"spans of characters become tags of the schemes {', '.join(SCHEMES_OF_SPANS)}, found `{scheme}`"
        raise ConfigError(Problem(f"tag_scheme, {file}", f"{rule}. Choose one of these."))
    problems = FileProblems(file)
    texts = _Texts(config, scheme, phase, drops_bad, problems)
    names = config.column("text_a"), config.column("label")
    found = (texts.row(row) for row in read_span_file(file, *names, problems, encoding=config.encoding))
    row_filter = RowFilter(config, ("text_a",), phase)
    for row in row_filter.kept(found, problems):
        yield texts.record(row)
    problems.raise_all()
    row_filter.add_notes(file)
    if texts.dropped:
        add_note(file, f"on_bad_span left out {counted(len(texts.dropped), 'span')}, such as {texts.dropped[0]}")


def record_of(text: SplitText, line: int) -> dict[str, object]:
    """The record of a text without tags."""
    offsets = [list(place) for place in text.places]
    return {"line": line, "words": text.words, "text": text.text, "offsets": offsets}


@dataclass
class _Texts:
    """Turns rows of a file into tagged texts."""

    config: LabelledFields
    scheme: str
    phase: Phase
    drops_bad: bool
    problems: FileProblems
    dropped: list[str] = field(default_factory=list)

    def row(self, found: SpanRow) -> Row:
        """`text_a`, `label` (the tags, or None) and what the record needs beside them."""
        content = found.content
        text = split_text(content.text or "", by_character=self.config.for_cn)
        faults, tags = list(content.faults), None
        if content.spans is not None:
            tagged = tags_of_spans(text, content.spans, self.scheme)
            faults, tags = [*faults, *tagged.faults], tagged.tags
        return Row(found.line, {"text_a": text.text, "label": tags, "split": text, "faults": faults})

    def record(self, row: Row) -> Record:
        """The record of a row that is kept, after reporting what is wrong with it."""
        text, tags, faults = row.values["split"], row.values["label"], row.values["faults"]
        if not isinstance(text, SplitText) or not isinstance(faults, list):
            raise TypeError("A row of `row` is expected.")
        record = record_of(text, row.line)
        if self.phase == "predict":
            return record if tags is None or faults else {**record, "labels": tags}
        for fault in faults:
            if self.drops_bad:
                self.dropped.append(f"line {row.line}: {fault}")
            else:
                self.problems.add(f"{fault} Correct it, or set on_bad_span: drop.", line=row.line)
        if tags is None:
            rule = "a text must be annotated, found one without spans"
            self.problems.add(f"{rule}. Annotate it, or set on_missing_label: leave_out.", line=row.line)
        elif not text.places:
            self.problems.add(f"a text must contain words, found none. {NO_TEXT}", line=row.line)
        return {**record, "labels": tags or []}
