"""The rows that a model got wrong, with their texts, worst first."""

from palm.analysis.compared import ComparedTask
from palm.analysis.task_analysis import WrongRow
from palm.data.dataset import Record
from palm.paradigm.comparison import ComparedSpans
from palm.reader.base import GOLD, Reader

_LISTED = " | "


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
