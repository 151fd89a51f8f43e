"""Records of sentences with trees, from rows of a table or of a program: words, and a head and a relation for each."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

from palm.data.conllu_lines import NUMBER
from palm.data.dataset import GivenRow, Record
from palm.errors import counted
from palm.reader.fields import LabelledFields
from palm.reader.formats.cells import Row
from palm.reader.formats.columns import columns_of
from palm.reader.formats.conllu import root_fault, tree_faults
from palm.reader.formats.files import FileProblems, quoted
from palm.reader.formats.tables import source_of, table_rows
from palm.reader.row_filter import RowFilter
from palm.reader.rows import tagged_record
from palm.reader.tree_records import note_without_tree
from palm.spec import Phase


def tree_rows(source: Path | Sequence[GivenRow], config: LabelledFields, phase: Phase) -> Iterator[Record]:
    """Records `{"words", "heads", "labels", "line"}`; without heads and labels where a row to predict has no tree.

    Each is a list, or a string with blanks between, also in Chinese: a parser is told the words.

    Raises:
        DataError: All problems of the file or the rows, after the last one.
    """
    config = config.model_copy(update={"for_cn": False})
    problems = FileProblems(source_of(source))
    columns = columns_of(config, texts=("text_a",), gold=("heads", "label"), phase=phase)
    row_filter = RowFilter(config, ("text_a",), phase, separator=" ")
    without_tree: list[int] = []
    for row in row_filter.kept(table_rows(source, config, columns, problems), problems):
        record, faults = _record(row, config, problems, phase)
        if faults and phase == "predict":
            without_tree.append(row.line)
        for fault in faults if phase != "predict" else ():
            problems.add(fault, line=row.line)
        yield record
    problems.raise_all()
    row_filter.add_notes(problems.source)
    note_without_tree(problems.source, without_tree)


def _record(row: Row, config: LabelledFields, problems: FileProblems, phase: Phase) -> tuple[Record, list[str]]:
    """The record of a row, with its tree if it has one, and what is wrong with that."""
    heads = _numbers(row.values.pop("heads", None))
    before = problems.count
    record = dict(tagged_record(row, config, problems, phase))
    relations = cast("list[str]", record.pop("labels", []))
    if problems.count > before or (phase == "predict" and not (heads and relations)):
        return record, []
    faults = list(_faults(cast("list[str]", record["words"]), heads, relations))
    return (record, faults) if faults else ({**record, "heads": [*map(int, heads)], "labels": relations}, [])


def _numbers(cell: object) -> list[str]:
    """The heads of a cell as they are written; of what is neither a list nor a string, this one thing."""
    items = cell if isinstance(cell, list) else cell.split() if isinstance(cell, str) else [cell]
    return [] if cell is None else [str(item) for item in items]


def _faults(words: Sequence[str], heads: Sequence[str], relations: Sequence[str]) -> Iterator[str]:
    """What makes the heads and relations of a sentence no tree."""
    if len(heads) != len(words):
        rule = f"every word needs one head, found {counted(len(words), 'word')} and {counted(len(heads), 'head')}"
        yield f"{rule}. Give each the number of the word that it depends on, and 0 to the root."
        return
    wrong = next((head for head in heads if not NUMBER.fullmatch(head) or int(head) > len(words)), None)
    if wrong is not None:
        rule = f"a head is 0 or the number of a word of the sentence, up to {len(words)}"
        yield f"{rule}. Found {quoted(wrong)}. Correct it."
        return
    numbers = [int(head) for head in heads]
    arcs = zip(numbers, relations, strict=True)
    found = [fault for head, relation in arcs if (fault := root_fault(head, relation))]
    yield from found or (fault for _, fault in tree_faults(numbers, list(range(1, len(words) + 1))))
