import pytest

from palm.locale.current import in_language
from palm.report.section import Chart, Paragraph, Section, Table
from palm.report.words import shown_text, translated_sections, words


@pytest.fixture
def section():
    table = Table("The best evaluations of the runs on dev rows", ("loss", "best"), [("loss", 1)])
    chart = Chart("mix so far", {"title": "loss"}, "The fraction of the steps so far that each task has had.")
    return Section("mix", "Mix of the tasks", [Paragraph("The runs have the same values.", is_note=True), table, chart])


def test_sections_of_an_english_reader_stay(section):
    assert list(translated_sections([section])) == [section]


def test_titles_and_sentences_are_translated_and_names_are_not(section):
    with in_language("zh"):
        (found,) = translated_sections([section])
    text, table, chart = found.blocks
    assert (found.key, found.title) == ("mix", "任务比例")
    assert text == Paragraph("各次训练的配置相同。", is_note=True)
    assert (table.title, table.header, table.rows) == ("各次训练在开发集上的最佳评估", ("loss", "best"), [("loss", 1)])
    assert (chart.title, chart.spec, chart.description) == (
        "至今的任务比例",
        {"title": "loss"},
        "至今各任务所占步数的比例。",
    )


def test_words_stand_alone():
    with in_language("zh"):
        assert words("task", "best", "F1") == ("任务", "最佳", "F1")
        assert [shown_text(text) for text in ("Events", "(no answer)", "config.yaml:3")] == [
            "事件", "（无答案）", "config.yaml:3",
        ]  # fmt: skip
    assert words("task") == ("task",)
