"""Which columns of a CoNLL file hold the word and its tag, and which of its lines are comments."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from palm.data.conllu_lines import COMMENT, CONLLU_NAMES
from palm.errors import counted
from palm.reader.formats.files import FileProblems, quoted
from palm.reader.formats.notes import add_note
from palm.spec import Phase

DOCUMENT_MARK = "-DOCSTART-"
LEMMA = "LEMMA"
LEMMA_RULE = "LEMMA_RULE"
"""What `columns` calls the rules of lemmas, which stand in no column: they are made of FORM and LEMMA."""
CONLLU_ENDINGS = (".conllu", ".conllup")
# The lines that the columns are guessed from.
MOST_LINES = 50_000
MOST_SHOWN = 3
# A column holds tags where at least this part of its cells is O or a letter and a type.
_FRACTION_OF_TAGS = 0.5
TAG = re.compile(r"[Oo]|[BIESMLUW][-_:/|.]\S+|\S+[-_:/|.][BIESMLUW]|[BIES]", re.IGNORECASE)
_NAMES_LINE = re.compile(r"#\s*global\.columns\s*=\s*(.+)")
_HEADER_NAME = re.compile(r"words?|tokens?|form|text|pos|chunk|tags?|labels?|ner(_tags?)?", re.IGNORECASE)
_NODE_ID = re.compile(r"\d+|\d+-\d+|\d+\.\d+")


@dataclass(frozen=True)
class ConllLayout:
    """How the lines of a file are read.

    Attributes:
        width: Number of columns.
        word: The word's column, from 0.
        label: The tag's column; None in a file of words alone.
        has_ids: Whether the first column numbers the words as in CoNLL-U, whose ranges (2-3) and empty nodes (8.1) are
            no words.
        tags: Values of the tag's column, as far as the file was looked at.
        has_header: Whether the first row names the columns.
        has_lemmas: Whether the tag of a word is the rule by which the lemma in its column is made of it.
    """

    width: int
    word: int = 0
    label: int | None = None
    has_ids: bool = False
    tags: frozenset[str] = field(default=frozenset(), repr=False)
    has_header: bool = False
    has_lemmas: bool = False

    def is_comment(self, line: str) -> bool:
        """Whether a line at the start of a sentence is a comment, not a word that begins with #."""
        if not line.startswith(COMMENT):
            return False
        cells = split_columns(line, self.width)
        if len(cells) != self.width:
            return True
        if self.label is None:
            return line.startswith(COMMENT + " ")
        tag = cells[self.label]
        return "\t" not in line and tag not in self.tags and not TAG.fullmatch(tag)


@dataclass(frozen=True)
class _Sample:
    """The first lines of a file.

    Attributes:
        sentences: The cells of each line, sentence by sentence; without lines that begin with #.
        names: The columns' names, if a line `# global.columns` has them.
        has_header: Whether a first row, which is none of the sentences' here, names the columns.
    """

    sentences: Sequence[Sequence[Sequence[str]]]
    names: tuple[str, ...]
    has_header: bool = False

    @property
    def width(self) -> int:
        return len(self.sentences[0][0]) if self.sentences else 0

    def column(self, place: int) -> list[str]:
        return [row[place] for sentence in self.sentences for row in sentence if len(row) == self.width]

    @property
    def first_is_number(self) -> bool:
        """Whether the first column numbers the words of each sentence."""
        numbered = [[row[0] for row in sentence if _NODE_ID.fullmatch(row[0])] for sentence in self.sentences]
        whole = all(len(ids) == len(sentence) for ids, sentence in zip(numbered, self.sentences, strict=True))
        return whole and all(_counts_up([int(cell) for cell in ids if cell.isdecimal()]) for ids in numbered)


def _counts_up(numbers: list[int]) -> bool:
    return bool(numbers) and numbers == list(range(numbers[0], numbers[0] + len(numbers))) and numbers[0] <= 1


def split_columns(line: str, width: int = 0) -> list[str]:
    """The cells of a line, between tabs, or between blanks in a line without a tab.

    A line between blanks that starts with one and lacks a cell holds a blank as its first word.
    """
    if "\t" in line:
        return line.split("\t")
    cells = [cell for cell in line.split(" ") if cell]
    return [" ", *cells] if line.startswith(" ") and len(cells) == width - 1 else cells


def blocks(lines: Iterable[str]) -> Iterator[list[tuple[int, str]]]:
    """The numbered lines between blank lines and document marks."""
    block: list[tuple[int, str]] = []
    for number, line in enumerate(chain(lines, [""]), 1):
        if line.strip() and not line.startswith(DOCUMENT_MARK):
            block.append((number, line))
        elif block:
            yield block
            block = []


def layout_of(
    file: Path, lines: Iterable[str], columns: Mapping[str, str], problems: FileProblems, phase: Phase
) -> ConllLayout:
    """The layout of a file: as `columns` says, else as its lines look. What is guessed is noted.

    Args:
        file: The file, whose ending may say that it is CoNLL-U.
        lines: Its lines; only the first are read.
        columns: `text_a` and `label` → the number of a column, from 0 (negative ones count from the end), or its name.
        problems: Gets what is wrong with `columns`.
        phase: A file to predict needs no tags.
    """
    sample = _sample_of(islice(lines, MOST_LINES))
    names = sample.names or (CONLLU_NAMES if _is_conllu(sample, file) else ())
    guess = _named_layout(names) if names else _guess(sample)
    has_lemmas = LEMMA in names and columns.get("label", "").upper() == LEMMA_RULE
    if has_lemmas:
        columns = {**columns, "label": LEMMA}
    places = {
        name: _place(called, name, sample.width, names, problems)
        for name, called in columns.items()
        if not (phase == "predict" and name == "label" and sample.width == 1)
    }
    word, label = places.get("text_a"), places.get("label")
    if word is None:
        word = guess.word if label is None else _first_but(label, guess, sample)
    if label is None:
        label = guess.label if guess.label != word or word == sample.width - 1 else sample.width - 1
        label = None if label == word else label
    if any(place is None for place in (places.get("text_a"), places.get("label"))):
        _note_guess(file, sample, names, word, label, is_set=any(place is not None for place in places.values()))
    tags = frozenset(sample.column(label)) if label is not None and sample.width else frozenset[str]()
    return ConllLayout(sample.width, word, label, guess.has_ids, tags, sample.has_header, has_lemmas)


def _sample_of(lines: Iterable[str]) -> _Sample:
    names: tuple[str, ...] = ()
    sentences, marked = [], []
    for block in blocks(lines):
        found = next((match for _, line in block if (match := _NAMES_LINE.match(line))), None)
        names = names or (tuple(found[1].split()) if found else ())
        words = [line for _, line in block if not line.startswith(COMMENT)]
        if words:
            width = len(split_columns(words[0]))
            sentences.append([split_columns(line, width) for line in words])
        else:
            rows = [split_columns(line) for _, line in block]
            marked.append([row for row in rows if any(TAG.fullmatch(cell) for cell in row[1:])])
    return _without_header(_Sample(sentences or [rows for rows in marked if rows], names))


def _without_header(sample: _Sample) -> _Sample:
    """The sample without a first row that names the columns, such as `word tag`, and whose tag is none elsewhere."""
    if sample.width < 2:
        return sample
    (first, *rest), *others = sample.sentences
    tags = {row[-1] for sentence in (rest, *others) for row in sentence}
    if not all(_HEADER_NAME.fullmatch(cell.strip()) for cell in first) or first[-1] in tags or not tags:
        return sample
    return _Sample([rest, *others] if rest else others, sample.names, has_header=True)


def _is_conllu(sample: _Sample, file: Path) -> bool:
    return sample.width == len(CONLLU_NAMES) and (file.suffix.lower() in CONLLU_ENDINGS or sample.first_is_number)


def _named_layout(names: tuple[str, ...]) -> ConllLayout:
    upper = [name.upper() for name in names]
    word = upper.index("FORM") if "FORM" in upper else 0
    label = upper.index("UPOS") if "UPOS" in upper else len(names) - 1
    return ConllLayout(len(names), word, label, has_ids=upper[0] == "ID")


def _guess(sample: _Sample) -> ConllLayout:
    """The first column is the word and the last the tag, unless the values say otherwise."""
    width = sample.width
    if width < 2:
        return ConllLayout(width)
    alike = _tag_columns(sample)
    label = alike[-1] if alike else width - 1
    others = [place for place in range(width) if place != label]
    numbered = sample.first_is_number and len(others) > 1
    return ConllLayout(width, others[1 if numbered and others[0] == 0 else 0], label)


def _tag_columns(sample: _Sample) -> list[int]:
    fractions = {}
    for place in range(sample.width):
        cells = sample.column(place)
        fractions[place] = sum(TAG.fullmatch(cell) is not None for cell in cells) / max(len(cells), 1)
    return [place for place, fraction in fractions.items() if fraction >= _FRACTION_OF_TAGS]


def _first_but(label: int, guess: ConllLayout, sample: _Sample) -> int:
    """The word's column where only the tag's is set."""
    return (
        guess.word if guess.word != label else next((place for place in range(sample.width) if place != label), label)
    )


def _place(called: str, name: str, width: int, names: tuple[str, ...], problems: FileProblems) -> int | None:
    """The number of the column that is `called` so; None where nothing is."""
    upper = [column.upper() for column in names]
    if called.upper() in upper:
        return upper.index(called.upper())
    try:
        place = int(called)
    except ValueError:
        if names:
            problems.add(f"the columns are {', '.join(names)}, found `columns: {{{name}: {called}}}`. Correct it.")
        else:
            rule = f"columns of a CoNLL file have numbers, not names, so `columns: {{{name}: {called}}}` says nothing"
            add_note(problems.source, f"{rule}. Write a number, from 0.")
        return None
    if not -width <= place < width:
        problems.add(
            f"the file has {counted(width, 'column')}, found `columns: {{{name}: {called}}}`. Columns count from 0."
        )
        return None
    return place % width


def _note_guess(
    file: Path, sample: _Sample, names: tuple[str, ...], word: int, label: int | None, *, is_set: bool
) -> None:
    """Say what was guessed, where there is more than the usual word and tag."""
    width = sample.width
    if label is None or width < 2 or (width == 2 and (word, label) == (0, 1)) or is_set:
        return
    form = "CoNLL-U: " if names == CONLLU_NAMES else ""
    also = [] if names else [place for place in _tag_columns(sample) if place != label]
    others = f"; column {', '.join(map(str, also))} may hold tags as well" if also else ""
    shown = f"words in {_shown(sample, names, word)}, tags in {_shown(sample, names, label)}"
    add_note(file, f"{form}{shown}{others}. `columns: {{text_a: {word}, label: {label}}}` says so or otherwise.")


def _shown(sample: _Sample, names: tuple[str, ...], place: int) -> str:
    values = list(dict.fromkeys(cell for cell in sample.column(place) if cell.strip(" _")))[:MOST_SHOWN]
    name = f" {names[place]}" if names else ""
    return f"column {place}{name} ({', '.join(quoted(value) for value in values)})"
