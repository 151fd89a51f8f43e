"""The words of the house: see tests/words.py and tests/word_list.py."""

import pytest

from tests import words
from tests.word_list import ALLOWED, NAMES, PROSE
from tests.words import all_files, counts, findings, findings_in, is_read, remaining, split_name


@pytest.fixture(scope="module")
def found():
    return findings_in(all_files())


def test_no_word_is_used_more_often_than_before(found):
    known = remaining()
    more = {word: number for word, number in counts(found).items() if number > known.get(word, 0)}
    assert [str(finding) for finding in found if finding.word in more] == []


def test_words_that_have_been_worked_off_leave_the_list(found):
    assert sorted(remaining().keys() - counts(found).keys()) == [], "run python -m tests.words --update"


def test_everything_that_is_allowed_is_still_there():
    known = {word.name for word in (*NAMES, *PROSE)}
    assert {word for word, _ in ALLOWED} <= known
    assert [path for _, path in ALLOWED if not (words.ROOT / path).is_file()] == []


def test_names_are_split_at_underscores_and_capitals():
    assert split_name("MultiTaskModel") == ["multi", "task", "model"]
    assert split_name("_to_best2") == ["to", "best", "2"]
    assert split_name("MRCReader") == ["mrc", "reader"]
    assert split_name("FIGURES_AT") == ["figures", "at"]


@pytest.mark.parametrize(
    ("path", "text", "word"),
    [
        ("palm/engine/model.py", "self.private_parts = 1", "private parts"),
        ("palm/engine/freezing.py", "def thaw(model): ...", "thaw"),
        ("palm/engine/thaw.py", "", "thaw"),
        ("palm/weighting/base.py", "class Weighed: ...", "Weighed"),
        ("palm/compare/report.py", "for a_figure in found: ...", "figure"),
        ("palm/engine/adamw.py", "def step(slots): ...", "slots"),
        ("tests/unit/test_spec.py", "def test_nobody_reads_it(): ...", "nobody"),
        ("palm/spec.py", '"""Which nobody reads."""', "nobody"),
        ("palm/spec.py", 'raise ValueError("a number is wanted.")', "is wanted"),
        ("palm/spec.py", 'raise ValueError(f"{name} is\\n wanted.")', "is wanted"),
        ("palm/spec.py", "x = 1  # which cannot be had", "cannot be had"),
        ("palm/spec.py", '"""All layers, save\n\n    the last. None, save the first."""', "save for except"),
        ("palm/spec.py", '"""A learning rate a layer."""', "a for per"),
        ("docs/methods.md", "with one head a task, and 90 MB a task.", "a for per"),
        ("docs/methods.md", "the dev figures", "figure"),
        ("README.md", "word-pieces", "word-piece"),
    ],
)
def test_a_planted_word_is_found(path, text, word):
    assert {finding.word for finding in findings(path, text)} == {word}


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("palm/engine/model.py", "model.private_parts()"),  # found where it is bound
        ("palm/cli/starter.py", 'TASKS = ("intent", "slots")'),
        ("palm/spec.py", '"""Reads `nobody` and https://example.org/nobody"""'),
        ("palm/spec.py", '"""Save the model for later, in the folder that the run saves to."""'),
        ("palm/spec.py", '"""A task that shares a head gives a batch a name."""'),
        ("palm/kernels/plain.py", "sizes = hidden.shape"),
        ("palm/storage/tensors.py", '"""A whole file."""'),
        ("palm/engine/batches.py", "skipped_draws = 0"),
        ("docs/how-to.md", "a WordPiece vocabulary"),
        ("docs/methods.md", "```\nnobody\n```\nSee figure 3 and [a](figure.svg)."),
        ("tests/unit/reader/test_cls.py", 'row = "nobody likes it"'),
        ("benchmarks/speed/charts.py", '"""A figure that is drawn."""'),
    ],
)
def test_a_harmless_word_is_not(path, text):
    assert findings(path, text) == []


def test_a_finding_says_where_and_what_to_say():
    (finding,) = findings("palm/spec.py", '"""First.\n\nWhich nobody reads."""')
    assert str(finding) == 'palm/spec.py:3: nobody: found "nobody". Say: the passive voice, or who it is.'


def test_recorded_data_is_not_read():
    assert is_read("palm/spec.py")
    assert is_read("README.md")
    assert not is_read("tests/formats/v1/README.md")
    assert not is_read("tests/word_list.py")
    assert not is_read("README_zh.md")


@pytest.fixture
def worked_off(tmp_path, monkeypatch):
    monkeypatch.setattr(words, "ROOT", tmp_path)
    monkeypatch.setattr(words, "REMAINING", tmp_path / "words_remaining.txt")
    (tmp_path / "palm").mkdir()
    (tmp_path / "palm/spec.py").write_text("# nobody, somebody\nthaw = 1\n", encoding="utf-8")
    return tmp_path


def test_a_word_that_remains_is_printed_and_passes(worked_off, capsys):
    file = str(worked_off / "palm/spec.py")
    assert words.main([file, "--counts"]) == 1
    assert capsys.readouterr().out == "    2 nobody\n    1 thaw\n"
    (worked_off / "words_remaining.txt").write_text("nobody: 9\nmend: 3\nthaw: 1\n", encoding="utf-8")
    assert words.main([file]) == 0


def test_updating_only_lowers(worked_off):
    file = str(worked_off / "palm/spec.py")
    (worked_off / "words_remaining.txt").write_text("mend: 3\nnobody: 1\n", encoding="utf-8")
    words.main([file, "--update"])
    assert (worked_off / "words_remaining.txt").read_text(encoding="utf-8") == "nobody: 1\n"
