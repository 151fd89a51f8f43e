"""What the readers of whole texts (cls, match, mlm) have in common: rows to records, and labels to ids."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from palm.data.dataset import LabelMap, Record
from palm.reader.cells import label_at, text_at
from palm.reader.fields import LabelledFields, TableFields
from palm.reader.files import FileProblems, quoted
from palm.reader.labels import LabelEncoder
from palm.reader.tables import columns_of, labelled, read_table, table_format
from palm.spec import Phase


def parse_text_rows(
    file: Path,
    config: TableFields,
    *,
    texts: tuple[str, ...],
    phase: Phase,
    gold: tuple[str, ...] = ("label",),
    read_gold: Callable[..., object] = label_at,
) -> Iterator[Record]:
    """Records with the columns `texts` and what `read_gold` reads in `gold` (where that is there, when predicting).

    Raises:
        DataError: Everything that is wrong with the file, after its last row.
    """
    problems = FileProblems(file)
    columns = columns_of(config, texts=texts, gold=gold, phase=phase)
    rows = read_table(file, columns, problems, file_format=table_format(config, file))
    for row in labelled(rows, config, problems, phase):
        record: dict[str, object] = {"line": row.line}
        for name in row.values:
            read = text_at if name in texts else read_gold
            record[name] = read(row, name, problems, may_be_empty=phase == "predict")
        yield record
    problems.raise_all()


def column_texts(records: Sequence[Record], name: str) -> list[str]:
    """The text `name` of each record."""
    return [str(record[name]) for record in records]


def check_pieces(
    records: Sequence[Record], pieces: Mapping[str, Sequence[Sequence[int]]], file: Path, phase: Phase
) -> None:
    """Refuse texts of which the tokenizer leaves nothing (control characters only), unless predicting.

    Raises:
        DataError: With the line of each.
    """
    if phase == "predict":
        return
    problems = FileProblems(file)
    for name, rows in pieces.items():
        for record, ids in zip(records, rows, strict=True):
            if not ids:
                rule = f"`{name}` holds text, found only blanks and control characters {quoted(str(record[name]))}"
                problems.add(f"{rule}. Fill it in, or remove the row.", line=int(str(record["line"])))
    problems.raise_all()


def class_ids(
    records: Sequence[Record], labels: LabelMap | None, config: LabelledFields, file: Path, phase: Phase
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """The column `label_ids`, `int64[examples]` (none when predicting), and what there is to say about it.

    Raises:
        DataError: Labels that are not known.
    """
    if phase == "predict":
        return {}, ()
    if labels is None:
        raise ValueError(
            "Labels are learnt from the training file before another file is encoded. Found `labels = None`."
        )
    problems = FileProblems(file)
    encoder = LabelEncoder(labels, config, phase, problems)
    ids = [encoder.id_of(str(record["label"]), int(str(record["line"]))) for record in records]
    problems.raise_all()
    return {"label_ids": np.array(ids, "int64")}, encoder.notes()
