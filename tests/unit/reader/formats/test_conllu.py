"""CoNLL-U as it is found, and every line that is wrong named."""

import pytest

from palm.data.conllu_lines import lines_of, with_tree
from palm.errors import DataError
from palm.reader.formats.conllu import read_conllu
from palm.reader.formats.files import FileProblems
from palm.reader.formats.notes import collected_notes


def row(number, form, head="_", relation="_", deps="_"):
    return "\t".join([str(number), form, "_", "_", "_", "_", str(head), relation, deps, "_"])


GOOD = [
    "# sent_id = 1",
    "# text = Don't go 北京.",
    "1-2\tDon't" + "\t_" * 8,
    row(1, "Do", 3, "aux", "3:aux"),
    row(2, "n't", 3, "advmod"),
    row(3, "go", 0, "root"),
    row("3.1", "to", deps="3:case"),
    row(4, "北京", 3, "obl"),
    row(5, ".", 3, "punct"),
]


@pytest.fixture
def read(write):
    def read_file(*lines, ending="\n"):
        file = write("x.conllu", ending.join(lines) + ending)
        problems = FileProblems(file)
        with collected_notes() as notes:
            sentences = list(read_conllu(file, problems))
        problems.raise_all()
        return sentences, notes

    return read_file


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_comments_ranges_empty_nodes_and_enhanced_dependencies(read, ending):
    sentences, notes = read(*GOOD, "", "", "# a comment at the end", "", row(1, "去", 0, "root"), ending=ending)
    first, second = sentences
    assert first.words == ["Do", "n't", "go", "北京", "."]
    assert first.heads == [3, 3, 0, 3, 3]
    assert first.relations == ["aux", "advmod", "root", "obl", "punct"]
    assert first.lines == tuple(GOOD)
    assert (first.line, second.line, second.words) == (4, 14, ["去"])
    assert notes == [
        "2 multiword ranges and empty nodes are skipped, such as line 3.",
        "2 lines have enhanced dependencies (DEPS), which are ignored, such as line 4.",
    ]


def test_a_sentence_without_any_head_has_no_tree_and_no_fault(read):
    [sentence], _ = read(row(1, "a b"), row(2, "c"))
    assert (sentence.words, sentence.heads, sentence.relations, sentence.faults) == (["a b", "c"], [], [], ())


@pytest.mark.parametrize(
    ("lines", "line", "message"),
    [
        (["1\ta\t_\t_\t_\t_\t0\troot\t_"], 1, "has 10 columns between tabs, found 9"),
        (["1 a _ _ _ _ 0 root _ _"], 1, "has 10 columns between tabs, found 1"),
        ([row(1, "a", 0, "root"), row(3, "b", 1, "x")], 2, "its number in the sentence, here 2. Found `3`"),
        ([row(1, "a", 0, "root"), row(1, "b", 0, "root")], 2, "with an empty line between sentences"),
        ([row("x", "a", 0, "root")], 1, "here 1. Found `x`"),
        ([row("1" * 5000, "a", 0, "root")], 1, "here 1"),
        ([row(1, " ", 0, "root")], 1, "a word needs a FORM"),
        (["2-3" + "\t_" * 9, row(1, "a", 0, "root")], 1, "stands before its words, here 1 and others"),
        (["1-2" + "\t_" * 9, row(1, "a", 0, "root")], 2, "must end at a word, found the end 2 after 1 word."),
        ([row("0.1", "a")], 1, "a sentence needs a word"),
    ],
)
def test_lines_that_are_malformed(read, lines, line, message):
    with pytest.raises(DataError) as caught:
        read(*lines)
    [problem] = caught.value.problems
    assert problem.where.endswith(f"x.conllu:{line}")
    assert message in problem.message


@pytest.mark.parametrize(
    ("arcs", "faults"),
    [
        ([(3, "x"), (0, "root")], [(1, "up to 2. Found `3`")]),
        ([("-1", "x"), (0, "root")], [(1, "Found `-1`")]),
        ([("9" * 5000, "x"), (0, "root")], [(1, "HEAD (column 7)")]),
        ([("_", "x"), (0, "root")], [(1, "Found `_`")]),
        ([(2, "_"), (0, "root")], [(1, "DEPREL (column 8)")]),
        ([(2, "root"), (0, "root")], [(1, "Found it with HEAD 2")]),
        ([(0, "root"), (0, "root")], [(2, "found words 1, 2")]),
        ([(2, "x"), (1, "y")], [(1, "one word of a sentence has HEAD 0, found none"), (1, "a cycle (1 → 2 → 1)")]),
        ([(0, "root"), (2, "x")], [(2, "a cycle (2 → 2)")]),
        ([(0, "root"), (3, "x"), (4, "y"), (2, "z")], [(2, "a cycle (2 → 3 → 4 → 2)")]),
    ],
)
def test_trees_that_are_none(read, arcs, faults):
    [sentence], _ = read(*(row(number, "词", head, relation) for number, (head, relation) in enumerate(arcs, 1)))
    assert (sentence.heads, sentence.relations) == ([], [])
    assert [line for line, _ in sentence.faults] == [line for line, _ in faults]
    assert all(part in message for (_, message), (_, part) in zip(sentence.faults, faults, strict=True))


def test_only_heads_and_relations_change():
    found = with_tree(GOOD, [2, 0, 2, 2, 4], ["a", "root", "b", "c", "d"])
    changed = [line.split("\t") for line in found]
    assert [cells[6:8] for cells in changed if len(cells) == 10 and cells[0].isdecimal()] == [
        ["2", "a"], ["0", "root"], ["2", "b"], ["2", "c"], ["4", "d"],
    ]  # fmt: skip
    back = with_tree(found, [3, 3, 0, 3, 3], ["aux", "advmod", "root", "obl", "punct"])
    assert back == GOOD


def test_words_alone_become_lines():
    assert with_tree(lines_of(["我", "去"]), [2, 0], ["x", "root"]) == [row(1, "我", 2, "x"), row(2, "去", 0, "root")]
