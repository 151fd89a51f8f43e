"""The lines of a sentence in CoNLL-U: ten columns between tabs, a line for each word.

https://universaldependencies.org/format.html
"""

import re
from collections.abc import Sequence

CONLLU_NAMES = ("ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC")
ID, FORM, HEAD, DEPREL, DEPS = (CONLLU_NAMES.index(name) for name in ("ID", "FORM", "HEAD", "DEPREL", "DEPS"))
COMMENT = "#"
NOTHING = "_"
"""What a column without a value holds."""
NUMBER = re.compile("[0-9]{1,6}")

_ROOT_RELATION = "root"


def is_root(relation: str) -> bool:
    """Whether a relation, or the one that it is a subtype of, is `root`: that of the word with HEAD 0."""
    return relation.partition(":")[0].lower() == _ROOT_RELATION


def with_tree(lines: Sequence[str], heads: Sequence[int], relations: Sequence[str]) -> list[str]:
    """The lines of a sentence with other heads and relations; all other columns stay.

    Args:
        lines: Its lines, with comments, multiword ranges and empty nodes.
        heads: The head of each word, from 1, or 0.
        relations: The relation of each word to its head.
    """
    found, word = [], 0
    for line in lines:
        cells = line.split("\t")
        if not line.startswith(COMMENT) and NUMBER.fullmatch(cells[ID]):
            cells[HEAD], cells[DEPREL] = str(heads[word]), relations[word]
            line, word = "\t".join(cells), word + 1
        found.append(line)
    return found


def lines_of(words: Sequence[str]) -> list[str]:
    """The lines of a sentence of which nothing but its words is known."""
    rest = [NOTHING] * (len(CONLLU_NAMES) - 2)
    return ["\t".join([str(number), word, *rest]) for number, word in enumerate(words, 1)]
