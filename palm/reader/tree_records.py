"""Records of sentences with trees, from the lines of a CoNLL-U file."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from palm.data.dataset import DataSource, GivenRow, Record
from palm.errors import counted
from palm.reader.fields import LabelledFields
from palm.reader.formats.cells import Row
from palm.reader.formats.conllu import TreeSentence, read_conllu
from palm.reader.formats.files import FileProblems
from palm.reader.formats.notes import add_note
from palm.reader.row_filter import RowFilter
from palm.reader.rows import parse_tagged
from palm.spec import Phase


def tree_records(file: Path, config: LabelledFields, phase: Phase) -> Iterator[Record]:
    """Records `{"words", "heads", "labels", "source_lines", "line"}`; without heads and labels where a file has none.

    Raises:
        DataError: All problems of the file, after the last sentence.
    """
    problems = FileProblems(file)
    if config.keep_columns and phase == "predict":
        rule = "keep_columns names columns of a table, and predictions of a CoNLL-U file keep all of its columns"
        problems.add(f"{rule}. Found keep_columns: {', '.join(config.keep_columns)}. Remove the key.")
    row_filter = RowFilter(config, (), phase)
    without_tree: list[int] = []
    rows = map(_row, read_conllu(file, problems, encoding=config.encoding))
    for row in row_filter.kept(rows, problems):
        sentence = row.values["sentence"]
        if not isinstance(sentence, TreeSentence):
            raise TypeError("A row of `_row` is expected.")
        if phase == "predict" and sentence.faults:
            without_tree.append(sentence.line)
        elif phase != "predict":
            _check(sentence, problems)
        yield _record(sentence)
    problems.raise_all()
    row_filter.add_notes(file)
    note_without_tree(file, without_tree)


def note_without_tree(source: DataSource, lines: Sequence[int]) -> None:
    """Say which sentences to predict are without gold, because theirs is no tree."""
    if lines:
        what = f"the heads of {counted(len(lines), 'sentence')} make no tree, and are not kept as gold"
        add_note(source, f"{what}, such as line {lines[0]}.")


def word_records(source: Path | Sequence[GivenRow], config: LabelledFields) -> Iterator[Record]:
    """Records of words alone, which blanks separate also in Chinese: a parser is told the words.

    Raises:
        DataError: All problems of the file or the rows, after the last one.
    """
    for record in parse_tagged(source, config.model_copy(update={"for_cn": False}), "predict"):
        yield {name: value for name, value in record.items() if name != "labels"}


def _row(sentence: TreeSentence) -> Row:
    """A row whose label is empty where the sentence has no tree at all."""
    label: list[str] = list(sentence.relations) if not sentence.faults else ["?"]
    return Row(sentence.line, {"label": label, "sentence": sentence})


def _check(sentence: TreeSentence, problems: FileProblems) -> None:
    for line, message in sentence.faults:
        problems.add(message, line=line)
    if not sentence.heads and not sentence.faults:
        rule = "a sentence to learn from needs HEAD and DEPREL (columns 7 and 8), found `_` for all words"
        problems.add(f"{rule}. Annotate it, or set on_missing_label: leave_out.", line=sentence.line)


def _record(sentence: TreeSentence) -> Record:
    record = {"line": sentence.line, "words": sentence.words, "source_lines": list(sentence.lines)}
    return {**record, "heads": sentence.heads, "labels": sentence.relations} if sentence.heads else record
