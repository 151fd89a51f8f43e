"""The rows that a model got wrong, with their texts, worst first."""

from palm.analysis.compared import ComparedTask
from palm.analysis.scores import Facts
from palm.data.dataset import Record
from palm.paradigm.comparison import ComparedSpans
from palm.reader.base import GOLD, Reader

_LISTED = " | "


class WrongRow(Facts):
    """A row that the model got wrong.

    Attributes:
        row: Its number in the data, from 0.
        line: Its line in the file, or the number of the record there; None if unknown.
        columns: Its texts and the further columns that were kept, as text.
        gold: What is right.
        predicted: What was predicted.
        probability: The probability of what was predicted, if the model gives one.
        gold_probability: That of what is right.
        loss: The row's loss, if it is known.
        remark: What is wrong in detail.
    """

    row: int
    line: int | None
    columns: dict[str, str]
    gold: str
    predicted: str
    probability: float | None
    gold_probability: float | None
    loss: float | None
    remark: str


def wrong_rows(compared: ComparedTask, most: int | None = None) -> list[WrongRow]:
    """The worst rows with their texts; all that are wrong by default."""
    glue = compared.comparison.glue if isinstance(compared.comparison, ComparedSpans) else _LISTED
    reader, records = compared.task.reader, compared.dataset.records
    found = []
    for number, outcome in compared.wrong[:most]:
        record = records[number]
        found.append(
            WrongRow(
                row=number,
                line=_line(record),
                columns=_columns(reader, record, glue),
                gold=outcome.gold,
                predicted=outcome.predicted,
                probability=outcome.probability,
                gold_probability=outcome.gold_probability,
                loss=outcome.loss,
                remark=outcome.remark,
            )
        )
    return found


def _columns(reader: Reader, record: Record, glue: str) -> dict[str, str]:
    kept = {name: value for name, value in reader.row_of(record).items() if name != GOLD}
    return {
        name: glue.join(map(str, value)) if isinstance(value, list | tuple) else str(value)
        for name, value in kept.items()
    }


def _line(record: Record) -> int | None:
    line = record.get("line")
    return line if isinstance(line, int) else None
