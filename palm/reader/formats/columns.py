"""Which column of a file is which of PALM's: as `columns` says, by PALM's own names, or by names that people use."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from palm.data.dataset import DataSource
from palm.errors import find_lookalike, invisible_difference
from palm.reader.column_names import ColumnGuess
from palm.reader.fields import TableFields
from palm.reader.formats.cells import ID
from palm.reader.formats.files import FileProblems
from palm.reader.formats.notes import add_note
from palm.spec import Phase

_MOST_SHOWN = 4
_POSITION = re.compile("0|[1-9][0-9]{0,4}")


@dataclass(frozen=True)
class Columns:
    """PALM's names of the columns to read, and the file's names of them.

    Attributes:
        required: Columns that the file must have.
        optional: Columns that are read if the file has them.
        names: PALM's name → the file's name, or its position from 0, where the two differ.
        guesses: Names that people use for the columns.
        keep_blank: In a file with one column, an empty line is an empty text instead of an error.
        kept: Columns among `required` of a file that are only kept for predictions.
    """

    required: tuple[str, ...]
    optional: tuple[str, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    guesses: tuple[ColumnGuess, ...] = ()
    keep_blank: bool = False
    kept: tuple[str, ...] = ()

    def called(self, name: str) -> str:
        """The file's name of PALM's column `name`."""
        return self.names.get(name, name)

    @property
    def wanted(self) -> str:
        """The file's names of the required columns, for messages."""
        return ", ".join(self.called(name) for name in self.required)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter([(name, self.called(name)) for name in (*self.required, *self.optional)])

    def settle(
        self,
        there: Sequence[str],
        problems: FileProblems,
        *,
        line: int | None = None,
        by_position: bool = False,
        note: Callable[[DataSource, str], None] = add_note,
    ) -> "Columns":
        """The columns with the names that a file has: positions are replaced, and missing names are guessed.

        Args:
            there: The file's columns in their order.
            problems: Collects the problem of several names that may be meant.
            line: The line of the header in messages.
            by_position: Whether the file's columns have an order, so that a number in `columns` may be a position.
            note: Says what was guessed.

        Raises:
            DataError: Several names may be meant.
        """
        numbers = {
            name: there[int(called)]
            for name, called in (self.names.items() if by_position else ())
            if called not in there and _POSITION.fullmatch(called) and int(called) < len(there)
        }
        if numbers and not all(map(_POSITION.fullmatch, there)):
            listed = ", ".join(f"{name} is `{called}`" for name, called in numbers.items())
            add_note(problems.source, f"columns by their positions: {listed}. Without a header row, set header: false.")
        names = {**self.names, **numbers}
        placed = replace(self, names=names)
        found: dict[str, str] = {}
        for guess in self.guesses:
            candidates = _candidates(placed, guess, there, found)
            if len(candidates) == 1:
                found |= candidates[0]
            elif candidates and any(name in self.required for name in candidates[0]):
                problems.add(_ambiguous(candidates), line=line)
                problems.raise_all()
        if found:
            listed = ", ".join(f"{name} is `{called}`" for name, called in found.items())
            note(problems.source, f"columns by their names: {listed}. If that is wrong, set `columns`.")
        return replace(placed, names={**names, **found})


def lookalikes(missing: Iterable[str], there: Sequence[str]) -> str:
    """A message about columns that look like `missing` ones and have other names; empty if there are none."""
    pairs = [(name, other) for name in missing if (other := find_lookalike(name, there))]
    said = []
    for name, other in pairs:
        said.append(f" `{name}` and the column `{other}` look alike. {invisible_difference(name, other)}")
    return "".join(said)


def with_class_names(value: object, names: Sequence[str] | None) -> object:
    """A cell of class ids, or lists of them, with `names` instead; -1, a missing label, becomes None.

    A value that is no class id stays.
    """
    if names is None:
        return value
    if isinstance(value, list):
        return [with_class_names(item, names) for item in value]
    if not isinstance(value, int) or isinstance(value, bool):
        return value
    return None if value == -1 else names[value] if 0 <= value < len(names) else value


def columns_of(config: TableFields, *, texts: tuple[str, ...], gold: tuple[str, ...], phase: Phase) -> Columns:
    """The columns to read in `phase`: when predicting, gold columns are optional, and predictions keep others."""
    if phase == "predict":
        kept = tuple(name for name in dict.fromkeys(config.keep_columns) if name not in (*texts, *gold, ID))
        return Columns((*texts, *kept), (*gold, ID), config.columns, config.guesses, keep_blank=True, kept=kept)
    return Columns((*gold, *texts), (), config.columns, config.guesses)


def possible_names(config: TableFields) -> list[str]:
    """Names of columns that a file of the reader may have."""
    guessed = (name for guess in config.guesses for names in guess.names for name in names)
    return list(dict.fromkeys([*map(config.column, config.known_columns), *guessed]))


def fits_guesses(config: TableFields, header: Sequence[str]) -> bool:
    """Whether a row of cells has a name that people use for each of the reader's columns."""
    there = set(map(plain_name, header))
    return all(any(there.issuperset(names) for names in (guess.columns, *guess.names)) for guess in config.guesses)


def names_looked_for(columns: Columns, missing: Sequence[str]) -> str:
    """The first names of each guess by which columns are found that lack PALM's, for messages; empty without any."""
    found = []
    for guess in columns.guesses:
        if set(guess.columns) & set(missing):
            shown = [" and ".join(names) for names in guess.names[:_MOST_SHOWN]]
            found.append(f"{' and '.join(guess.columns)}: {', '.join(shown)}, …")
    return f" Names that are known for {'; '.join(found)}" if found else ""


def plain_name(called: str) -> str:
    """`Sentence 1` and `sentence_1` → `sentence1`; `Ner Tags` → `ner_tags`."""
    words = re.sub(r"[\s_-]+", "_", called.strip().lower())
    return re.sub(r"_(?=\d+$)", "", words)


def _candidates(
    columns: Columns, guess: ColumnGuess, there: Sequence[str], taken: Mapping[str, str]
) -> list[dict[str, str]]:
    """The names that the missing columns of `guess` may have, PALM's name → the file's."""
    wanted = (*columns.required, *columns.optional)
    known = {*columns.names, *taken, *there}
    absent = [name for name in guess.columns if name in wanted and name not in known]
    used = {*columns.names.values(), *taken.values(), *(name for name in wanted if name in there)}
    free = {plain_name(called): called for called in reversed(there) if called not in used}
    found: list[dict[str, str]] = []
    for names in (guess.columns, *guess.names) if absent else ():
        by_column = dict(zip(guess.columns, names, strict=True))
        pair = {name: free[by_column[name]] for name in absent if by_column[name] in free}
        if len(pair) == len(absent) and pair not in found:
            found.append(pair)
    return found


def _ambiguous(candidates: Sequence[Mapping[str, str]]) -> str:
    names = " and ".join(f"`{name}`" for name in candidates[0])
    found = "; or ".join(" and ".join(f"`{called}`" for called in pair.values()) for pair in candidates)
    example = ", ".join(f"{name}: {called}" for name, called in candidates[0].items())
    return f"several columns may be {names}, found {found}. Set `columns`, such as `columns: {{{example}}}`."
