"""Tables about predictions that several kinds of answers have."""

from collections.abc import Mapping, Sequence

from palm.analysis.answers import AnswerGroup
from palm.analysis.relations import ErrorsOfRelation
from palm.analysis.scores import Scores
from palm.analysis.spans import ErrorsOfType
from palm.locale.current import translated_word
from palm.report.result_sections import shown_number
from palm.report.section import Cell, Table
from palm.report.words import shown_text, words

MANY = 12
"""Tables with more rows are folded."""


def scores_table(title: str, name: str, scores: Sequence[Scores], means: Sequence[Scores] = ()) -> Table:
    """Precision, recall and F1: a row for each of the scores, and for each of their means.

    Args:
        title: The title of the table.
        name: What the scores are of, the head of the first column.
        scores: The scores.
        means: Their means.
    """
    named = [*((each.name, each) for each in scores), *((translated_word(each.name), each) for each in means)]
    rows: list[tuple[Cell, ...]] = [
        (name, *map(shown_number, (each.precision, each.recall, each.f1)), each.support) for name, each in named
    ]
    return Table(title, words(name, "precision", "recall", "F1", "support"), rows, is_folded=len(rows) > MANY)


def kinds_table(
    title: str, name: str, errors: Sequence[ErrorsOfType | ErrorsOfRelation], kinds: Mapping[str, str]
) -> Table:
    """How many are right, and wrong in which way.

    Args:
        title: The title of the table.
        name: What the errors are of, the head of the first column.
        errors: The errors of each type; of all types where it has no name.
        kinds: The head of each kind of error.
    """
    rows = [
        (each.name or translated_word("all"), each.right, *(getattr(each, kind) for kind in kinds)) for each in errors
    ]
    return Table(title, words(name, "right", *kinds.values()), rows, is_folded=len(rows) > MANY)


def groups_table(title: str, name: str, groups: Sequence[AnswerGroup]) -> Table:
    """Exact match and F1 of each group of questions; `name` is the head of the first column."""
    rows = [(shown_text(each.name), each.count, f"{each.exact_match:.1%}", f"{each.f1:.1%}") for each in groups]
    return Table(title, words(name, "number", "exact match", "F1"), rows, is_folded=len(rows) > MANY)
