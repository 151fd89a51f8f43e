"""docs/questions.md: each answer is there, and two links away from the README in both languages."""

import re

import pytest

from tests.integration.documents import ROOT, anchors, links, read, tables

WAYS = [("README.md", "docs/questions.md"), ("README_zh.md", "docs/questions_zh.md")]
WANTED = ("How do I use my csv?", "What does mix_ratio mean?", "It says CUDA out of memory", "Can I add a task later?")


def rows(name: str) -> list[list[str]]:
    (table,) = tables(read(name))
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table]


def answers_of(page: str) -> list[str]:
    return [re.findall(r"\]\((\S+?)\)", row[-1])[0] for row in rows(page)]


def test_thirty_questions_have_one_answer_each_in_two_languages() -> None:
    questions = rows("docs/questions.md")
    assert len(questions) >= 30
    assert set(WANTED) <= {question for question, *_ in questions}
    assert len({question for question, *_ in questions}) == len({answer for *_, answer in questions}) == len(questions)
    assert [chinese for _, chinese, _ in questions] == [question for question, _ in rows("docs/questions_zh.md")]


@pytest.mark.parametrize(("readme", "page"), WAYS)
def test_the_answer_is_two_links_from_the_readme(readme: str, page: str) -> None:
    """The first link is the README's to the page of questions, the second one leads to a heading."""
    assert page in links(readme)
    answers = answers_of(page)
    assert set(answers) <= set(links(page))
    for answer in answers:
        path, _, anchor = answer.partition("#")
        target = ROOT / "docs" / path
        assert target.is_file(), answer
        assert anchor in anchors(target.read_text(encoding="utf-8")), answer


def test_chinese_answers_are_chinese_where_they_can_be() -> None:
    found = [answer.partition("#")[0] for answer in answers_of("docs/questions_zh.md")]
    wrong = [path for path in found if (ROOT / "docs" / path.replace(".md", "_zh.md")).is_file()]
    assert wrong == []
    assert sum(path.endswith("_zh.md") for path in found) > len(found) / 2
