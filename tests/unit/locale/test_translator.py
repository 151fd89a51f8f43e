import pytest

from palm.locale.translator import Translator, letters

CATALOG = {
    "a file has rows": "文件应有数据行",
    "Found {1}": "实际为 {1}",
    "Found no `{1}` in {2}": "{2} 中没有 `{1}`",
    "Add {1}": "请加上 {1}",
    "{n1} rows": "{n1} 行",
    "{1}, and {2} of them": "{1}，以及其 {2}",
    "{n1} variants": "{n1} 个变体",
    "set by you": "由您设置",
    "best {1} so far {n2}": "目前最佳的 {1} 为 {n2}",
    "{1}, kept at {2}": "{1}，保存在 {2}",
    "Interrupted.": "已中断。",
    "usage:": "用法：",
    "the disk is full": "磁盘已满",
    "not translated yet": "",
}


@pytest.fixture(scope="module")
def translator() -> Translator:
    return Translator(CATALOG)


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        ("a file has rows.", "文件应有数据行。"),
        (
            "data.tsv:3: a file has rows. Found 3 rows. Add more.",
            "data.tsv:3: 文件应有数据行。实际为 3 行。请加上 more。",
        ),
        ("a.tsv: Found no `a file has rows` in b.", "a.tsv: b 中没有 `a file has rows`。"),
        ("x.tsv: 12 rows, and 3 variants of them.", "x.tsv: 12 行，以及其 3 个变体。"),
        (
            "intent: best accuracy so far 0.97, kept at out/intent",
            "intent: 目前最佳的 accuracy 为 0.97，保存在 out/intent",
        ),
        ("x (the disk is full (Found 3 rows))", "x（磁盘已满（实际为 3 行））"),
        ("THREADS=2 (set by you)", "THREADS=2（由您设置）"),
        ("Warning: the disk is full. Found 3 rows", "警告：磁盘已满。实际为 3 行"),
        ("  → the disk is full.", "  → 磁盘已满。"),
        ("Interrupted.", "已中断。"),
        ("not translated yet.", "not translated yet."),
        ("something that PALM never says.", "something that PALM never says."),
        ("{}", "{}"),
        ("", ""),
    ],
)
def test_a_line(translator, english, chinese):
    assert translator.text(english) == chinese


def test_each_line_for_itself(translator):
    assert translator.text("Found 3 rows.\n\nthe disk is full.\n") == "实际为 3 行。\n\n磁盘已满。\n"


def test_columns_stay_where_they_are(translator):
    assert translator.text("the disk is full  12 rows") == "磁盘已满          12 行"


def test_a_single_word_may_be_a_name_of_the_user(translator):
    assert translator.text("usage: 3 rows") == "usage: 3 行"
    assert translator.word("usage:") == "用法："
    assert translator.word("other") == "other"


def test_chinese_stays_as_it_is(translator):
    assert translator.text("实际为 3 行。请加上 more。") == "实际为 3 行。请加上 more。"


def test_a_long_line_takes_no_long_time(translator):
    line = " ".join(f"word{number}." for number in range(300))
    assert translator.text(line) == line


def test_a_line_that_would_take_too_long_stays_and_spoils_no_other(translator):
    line = " ".join(f"rows, of {number}; the file (column) is:" for number in range(40))
    assert translator.text(line) == line
    assert translator.text("Found 3.") == Translator({"Found {n1}": "实际为 {n1}"}).text("Found 3.")


def test_letters_outside_backticks():
    assert letters("a file `with rows` of 2") == 6
