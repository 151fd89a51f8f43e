"""The table of the rows that are most wrong."""

import re
from collections.abc import Sequence

from palm.analysis.task_analysis import WrongRow
from palm.locale.current import translated, translated_word
from palm.report.prediction_charts import SPAN_ERROR_NAMES
from palm.report.section import Cell, Table
from palm.report.words import shown_text, words

_LONGEST_TEXT = 600
_OF_PALM = re.compile(r"\d+ of \d+ (tags )?wrong|score \S+|another text is ahead of the one that matches")
"""Remarks without texts of the row (palm/analysis/outcomes.py)."""


def worst_rows(rows: Sequence[WrongRow]) -> Table:
    """The rows, worst first, without columns in which none of them has a value."""
    header = words("line", "text", "gold", "predicted", "probability", "loss", "what is wrong")
    cells: list[tuple[Cell, ...]] = [
        (row.line, _text(row), _cut(row.gold), _cut(row.predicted), row.probability, row.loss, shown_remark(row.remark))
        for row in rows
    ]
    known = [column for column in range(len(header)) if any(row[column] not in (None, "") for row in cells)]
    return Table(
        f"The {len(rows)} worst rows",
        [header[column] for column in known],
        [tuple(row[column] for column in known) for row in cells],
        is_folded=True,
        texts=frozenset(place for place, column in enumerate(known) if column in (1, 2, 3, 6)),
    )


def shown_remark(remark: str) -> str:
    """A remark with PALM's own words in the language of the reader, and those of the row as they are."""
    return "; ".join(map(_shown_part, _cut(remark).split("; ")))


def _shown_part(part: str) -> str:
    kind, colon, rest = part.partition(": ")
    if colon and kind in SPAN_ERROR_NAMES.values():
        return f"{translated_word(kind)}: {rest}"
    word, blank, label = part.partition(" ")
    if blank and word in ("missing", "spurious"):
        return f"{translated_word(word)} {label}"
    return shown_text(part) if _OF_PALM.fullmatch(part) else part


def _text(row: WrongRow) -> str:
    return _cut("\n".join(text for name, text in row.columns.items() if name != "id"))


def _cut(text: str) -> str:
    if len(text) <= _LONGEST_TEXT:
        return text
    length = translated(f"({len(text):,} characters)")
    return f"{text[:_LONGEST_TEXT]}… {length}"
