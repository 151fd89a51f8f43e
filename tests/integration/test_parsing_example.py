"""examples/parsing: its command in a process of its own, and the file that it writes."""

import json
from pathlib import Path
from types import ModuleType

import pytest

from palm.reader.formats.conllu import read_conllu
from palm.reader.formats.files import FileProblems
from tests.integration.example_copies import EXAMPLES, copy_of, run, script_of

EXAMPLE = EXAMPLES / "parsing"
MOST_BYTES = 10_240


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example that has run."""
    copied = copy_of("parsing", tmp_path_factory.mktemp("树库"))
    (copied / "said").write_text(run(copied, "bash", "run.sh", "--dev_file=train.conllu"), encoding="utf-8")
    return copied


@pytest.fixture(scope="module")
def annotate() -> ModuleType:
    return script_of("parsing", "annotate.py")


def cells_of(file: Path) -> list[list[str]]:
    return [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]


def test_four_tasks_learn_the_sentences(folder: Path) -> None:
    said = [json.loads(line) for line in (folder / "said").read_text(encoding="utf-8").splitlines() if line[0] == "{"]
    reached = {row["task"]: row.get("las", row.get("lemma_accuracy", row.get("token_accuracy"))) for row in said}
    assert set(reached) == {"trees", "upos", "feats", "lemmas"}
    assert min(reached.values()) > 0.9, reached


def test_the_annotated_file_has_what_the_tasks_found_and_all_else_as_it_was(folder: Path) -> None:
    given, found = cells_of(folder / "train.conllu"), cells_of(folder / "output_model" / "annotated.conllu")
    assert len(given) == len(found)
    words = [(one, other) for one, other in zip(given, found, strict=True) if len(one) == 10]
    assert all(one == other for one, other in zip(given, found, strict=True) if len(one) != 10)
    for one, other in words:
        assert [one[place] for place in (0, 1, 4, 8, 9)] == [other[place] for place in (0, 1, 4, 8, 9)]
    for column in (2, 3, 5, 6, 7):
        assert sum(one[column] == other[column] for one, other in words) > 0.8 * len(words), column
    problems = FileProblems(folder)
    assert not any(one.faults for one in read_conllu(folder / "output_model" / "annotated.conllu", problems))


@pytest.mark.parametrize("name", ["train.conllu", "dev.conllu"])
def test_the_sentences_are_trees_whose_words_make_their_text(name: str) -> None:
    problems = FileProblems(EXAMPLE / name)
    sentences = list(read_conllu(EXAMPLE / name, problems))
    assert not problems.count
    assert sentences
    for sentence in sentences:
        assert sentence.heads
        assert not sentence.faults
        rows = [line.split("\t") for line in sentence.lines if not line.startswith("#")]
        text = "".join(row[1] + ("" if row[9] == "SpaceAfter=No" else " ") for row in rows).strip()
        assert f"# text = {text}" in sentence.lines
    assert any(not line.isascii() for sentence in sentences for line in sentence.lines)


def test_the_sentences_are_few_and_those_of_dev_are_others() -> None:
    assert sum((EXAMPLE / name).stat().st_size for name in ("train.conllu", "dev.conllu")) <= MOST_BYTES
    texts = [
        {line for line in (EXAMPLE / name).read_text(encoding="utf-8").splitlines() if line.startswith("# text")}
        for name in ("train.conllu", "dev.conllu")
    ]
    assert not texts[0] & texts[1]


def test_ranges_empty_nodes_and_comments_stay(annotate: ModuleType) -> None:
    given = ["# text = 我", "1-2\tdon't\t_", "1\tdo\t_", "2\tn't\t_", "2.1\tx\t_"]
    found = list(annotate.annotated(given, {2: ["do", "not"]}))
    assert found == ["# text = 我", "1-2\tdon't\t_", "1\tdo\tdo", "2\tn't\tnot", "2.1\tx\t_"]
