"""Reads the trees of CoNLL-U files: ten columns between tabs, a line for each word, an empty line after each sentence.

https://universaldependencies.org/format.html
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from palm.data.conllu_lines import COMMENT, CONLLU_NAMES, DEPREL, DEPS, FORM, HEAD, ID, NOTHING, NUMBER, is_root
from palm.data.dependency_tree import ROOT, find_cycle
from palm.errors import counted
from palm.reader.formats.files import FileProblems, quoted, read_lines
from palm.reader.formats.notes import LineCounts

_RANGE = re.compile("([0-9]{1,6})-([0-9]{1,6})")
_EMPTY_NODE = re.compile("[0-9]{1,6}[.][0-9]{1,6}")
_SKIPPED = ("multiword range or empty node is skipped", "multiword ranges and empty nodes are skipped")
_ENHANCED = ("line has enhanced dependencies (DEPS), which are ignored",
             "lines have enhanced dependencies (DEPS), which are ignored")  # fmt: skip


@dataclass(frozen=True)
class TreeSentence:
    """A sentence with its tree.

    Attributes:
        line: Line of its first word, counted from 1.
        lines: All of its lines, comments included.
        words: FORM of each word.
        heads: HEAD of each word; empty if the file has none.
        relations: DEPREL of each word; empty with `heads`.
        faults: What is wrong with the tree: lines and messages.
    """

    line: int
    lines: tuple[str, ...]
    words: list[str] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)
    relations: list[str] = field(default_factory=list)
    faults: tuple[tuple[int, str], ...] = ()


_Row = tuple[int, list[str]]
"""The line and columns of a word."""


def read_conllu(file: Path, problems: FileProblems, *, encoding: str = "utf-8") -> Iterator[TreeSentence]:
    """Every sentence of `file` whose lines are well-formed, one by one; other lines are added to `problems`.

    A tree that is none stands in `faults`: whether it matters depends on what the file is for. What is skipped is
    noted.

    Raises:
        DataError: The file cannot be read.
    """
    skipped, found_any = LineCounts(), False
    for block in _blocks(file, encoding):
        found_any = True
        before = problems.count
        rows = list(_words(block, problems, skipped))
        if problems.count == before:
            lines = tuple(line for _, line in block)
            sentence = TreeSentence(rows[0][0], lines, [row[FORM] for _, row in rows])
            yield _with_tree(sentence, rows)
    if not found_any:
        problems.add("a data file must contain examples, found no sentence. Name another file.")
    skipped.note(file)


def _blocks(file: Path, encoding: str) -> Iterator[list[tuple[int, str]]]:
    """The numbered lines of each sentence; comments that no word follows are none."""
    block: list[tuple[int, str]] = []
    for number, line in enumerate(chain(read_lines(file, encoding), [""]), 1):
        if line.strip():
            block.append((number, line))
        else:
            if not all(each.startswith(COMMENT) for _, each in block):
                yield block
            block = []


def _words(block: Sequence[tuple[int, str]], problems: FileProblems, skipped: LineCounts) -> Iterator[_Row]:
    """The rows of the words, which are numbered from 1; lines that are no words are checked and counted."""
    words, last, before = 0, 0, problems.count
    for number, line in block:
        if line.startswith(COMMENT):
            continue
        cells = line.split("\t")
        message = _malformed(cells, words, last)
        if message:
            problems.add(message, line=number)
        if len(cells) == len(CONLLU_NAMES) and cells[DEPS].strip() not in ("", NOTHING):
            skipped.add(_ENHANCED, number)
        covered = _RANGE.fullmatch(cells[ID])
        if covered or _EMPTY_NODE.fullmatch(cells[ID]):
            skipped.add(_SKIPPED, number)
            last = int(covered[2]) if covered else last
        else:
            words += 1
            yield number, cells
    if problems.count == before and last > words:
        rule = f"a multiword range must end at a word, found the end {last} after {counted(words, 'word')}"
        problems.add(f"{rule}. Correct it.", line=block[-1][0])
    elif problems.count == before and not words:
        problems.add("a sentence needs a word, found empty nodes alone. Remove them.", line=block[-1][0])


def _malformed(cells: Sequence[str], words: int, last: int) -> str | None:
    """What is wrong with a line after `words` words, and a range of words that ends at `last`."""
    if len(cells) != len(CONLLU_NAMES):
        rule = f"a line of CoNLL-U has {len(CONLLU_NAMES)} columns between tabs, found {len(cells)}"
        return f"{rule}. Add the columns, `_` where there is no value."
    called, covered = cells[ID], _RANGE.fullmatch(cells[ID])
    if covered:
        start, end = int(covered[1]), int(covered[2])
        if start != words + 1 or end < start or start <= last:
            rule = f"a multiword range stands before its words, here {words + 1} and others"
            return f"{rule}. Found {quoted(called)}. Correct its ID."
        return None
    if not _EMPTY_NODE.fullmatch(called) and called != str(words + 1):
        rule = f"the ID of a word is its number in the sentence, here {words + 1}"
        return f"{rule}. Found {quoted(called)}. Number the words from 1, with an empty line between sentences."
    if not cells[FORM].strip():
        return "a word needs a FORM (column 2), found it empty. Fill it in."
    return None


def _with_tree(sentence: TreeSentence, rows: Sequence[_Row]) -> TreeSentence:
    """The sentence with its heads and relations, or with what is wrong with them; as it is where it has none."""
    if all(row[HEAD] == row[DEPREL] == NOTHING for _, row in rows):
        return sentence
    faults = [(number, fault) for number, row in rows if (fault := _bad_arc(row, len(rows)))]
    if not faults:
        faults = list(tree_faults([int(row[HEAD]) for _, row in rows], [number for number, _ in rows]))
    if faults:
        return replace(sentence, faults=tuple(faults))
    return replace(
        sentence, heads=[int(row[HEAD]) for _, row in rows], relations=[row[DEPREL].strip() for _, row in rows]
    )


def _bad_arc(row: Sequence[str], words: int) -> str | None:
    head, relation = row[HEAD], row[DEPREL].strip()
    if not NUMBER.fullmatch(head) or int(head) > words:
        rule = f"HEAD (column 7) is 0 or the ID of a word of the sentence, up to {words}"
        return f"{rule}. Found {quoted(head)}. Correct it."
    if relation in ("", NOTHING):
        return f"DEPREL (column 8) names the relation to the head, found {quoted(relation)}. Fill it in."
    return root_fault(int(head), relation)


def root_fault(head: int, relation: str) -> str | None:
    """What is wrong with the relation of the root to another head; None for other arcs."""
    if head == ROOT or not is_root(relation):
        return None
    rule = f"the relation {quoted(relation)} is that of the word with HEAD 0"
    return f"{rule}. Found it with HEAD {head}. Correct either."


def tree_faults(heads: Sequence[int], lines: Sequence[int]) -> Iterator[tuple[int, str]]:
    """Why heads, each 0 or the number of a word, make no tree with one root: lines and messages.

    Args:
        heads: The head of each word.
        lines: The line of each word.
    """
    roots = [number for number, head in enumerate(heads, 1) if head == ROOT]
    if len(roots) != 1:
        found = f"words {', '.join(map(str, roots))}" if roots else "none"
        line = lines[roots[1] - 1] if roots else lines[0]
        yield line, f"one word of a sentence has HEAD 0, found {found}. Correct HEAD."
    cycle = find_cycle(heads)
    if cycle:
        shown = " → ".join(map(str, [*cycle, cycle[0]]))
        yield lines[cycle[0] - 1], f"the heads of a sentence make a tree, found a cycle ({shown}). Correct a HEAD."
