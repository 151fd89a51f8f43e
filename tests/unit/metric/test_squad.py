"""Answers measured as the official SQuAD and CMRC 2018 scripts do; figures worked out by hand from their rules."""

import pytest

from palm.metric import METRICS
from palm.metric.squad import normalize, segments


def measure(metric: str, text: str, *golds: str) -> tuple[float, float]:
    figures = METRICS[metric]([{"text": text}], [{"answers": [{"text": gold, "answer_start": 0} for gold in golds]}])
    assert set(figures) == {"exact_match", "f1"}
    return figures["exact_match"], figures["f1"]


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("The Denver Broncos!", "denver broncos"),
        ("an  apple,\ta day", "apple day"),
        ("U.S.A.", "usa"),
        ("theatre", "theatre"),
        ("the", ""),
        ("Jack-in-the-box", "jackinthebox"),
        ("“quoted”", "“quoted”"),
    ],
)
def test_normalize(text: str, normal: str):
    assert normalize(text) == normal


def test_articles_case_and_punctuation_do_not_count():
    assert measure("squad", "the Denver broncos.", "Denver Broncos") == (1.0, 1.0)


def test_f1_is_over_the_bag_of_words():
    # 2 common words of 3 predicted and 4 wanted: 2 · 2 / 7.
    assert measure("squad", "in Santa Clara", "Santa Clara California USA") == (0.0, pytest.approx(4 / 7))


def test_repeated_words_count_as_often_as_both_have_them():
    # "a" is an article; common: 2 × x; 3 predicted, 2 wanted.
    assert measure("squad", "x x x", "x x")[1] == pytest.approx(4 / 5)


def test_the_best_of_several_golds_counts():
    assert measure("squad", "Gold", "Silver", "gold", "Gold medal") == (1.0, 1.0)


def test_no_word_in_common():
    assert measure("squad", "north", "south") == (0.0, 0.0)


@pytest.mark.parametrize("metric", ["squad", "squad_zh"])
def test_an_unanswerable_question_wants_the_empty_answer(metric: str):
    assert measure(metric, "") == (1.0, 1.0)
    assert measure(metric, "北京 Beijing") == (0.0, 0.0)
    assert measure(metric, "", "北京 Beijing") == (0.0, 0.0)


def test_figures_are_means_over_records():
    predictions = [{"text": "one"}, {"text": "two"}]
    records = [{"answers": [{"text": "one"}]}, {"answers": [{"text": "two three"}]}]

    assert METRICS["squad"](predictions, records) == pytest.approx({"exact_match": 0.5, "f1": (1 + 2 / 3) / 2})


def test_no_records_give_zero():
    assert METRICS["squad"]([], []) == {"exact_match": 0.0, "f1": 0.0}


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("《红楼梦》", ["红", "楼", "梦"]),
        ("1998年3月", ["1998", "年", "3", "月"]),
        ("使用 Hello World 程序", ["使", "用", "hello", "world", "程", "序"]),
        ("3.5万,人", ["3.5", "万", ",", "人"]),
        ("Wi-Fi", ["wifi"]),
        ("", []),
    ],
)
def test_segments(text: str, pieces: list[str]):
    assert segments(text) == pieces


def test_chinese_punctuation_does_not_count():
    assert measure("squad_zh", "《红楼梦》。", "红楼梦") == (1.0, 1.0)


def test_chinese_f1_is_over_the_longest_common_run():
    # Runs: 北京 (2) and 大学 (2); 5 predicted (北京的大学), 4 wanted (北京大学): 2 · 2 / 9.
    assert measure("squad_zh", "北京的大学", "北京大学") == (0.0, pytest.approx(4 / 9))


def test_chinese_order_counts():
    assert measure("squad_zh", "学大", "大学") == (0.0, pytest.approx(2 / 4))


def test_english_in_chinese_is_compared_by_word():
    # iphone | 手 | 机 against iphone | 手: run of 2 of 3 and 2.
    assert measure("squad_zh", "iPhone手机", "iphone手")[1] == pytest.approx(4 / 5)


def test_golds_that_normalise_to_nothing_are_left_out():
    assert measure("squad", "", "the", "north") == (0.0, 0.0)
    assert measure("squad", "", "the") == (1.0, 1.0)
