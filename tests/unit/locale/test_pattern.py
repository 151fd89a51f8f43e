from palm.locale.pattern import Pattern, words_of


def test_a_text_fills_its_placeholders():
    pattern = Pattern("expected {n1} columns ({2}), found {n3}", "应为 {n1} 列（{2}），实际为 {n3}")
    values = pattern.values("expected 2 columns (label, 文本), found 3")
    assert values == {"n1": "2", "2": "label, 文本", "n3": "3"}
    assert pattern.filled(values) == "应为 2 列（label, 文本），实际为 3"


def test_another_text_does_not_match():
    assert Pattern("found {n1}", "实际为 {n1}").values("found a file") is None


def test_numbers_of_all_forms_match():
    pattern = Pattern("loss: {n1}", "损失：{n1}")
    for number in ("1", "-0.25", "1,234.5", "1e-05", "nan", "-inf", "12.5%"):
        assert pattern.values(f"loss: {number}") == {"n1": number}


def test_what_stands_in_backticks_has_none_inside_and_is_verbatim():
    pattern = Pattern("found `{1}` in {2}", "{2} 中实际为 `{1}`")
    assert pattern.values("found `a` in `b` in c") == {"1": "a", "2": "`b` in c"}
    assert [pattern.is_verbatim(name) for name in ("1", "2")] == [True, False]


def test_the_first_of_two_placeholders_side_by_side_is_a_word():
    values = Pattern("step {1}{2}", "第 {1} 步{2}").values("step 270; its best was better")
    assert values == {"1": "270", "2": "; its best was better"}


def test_no_blank_stays_between_chinese_characters():
    pattern = Pattern("after {1} of {2}", "在 {2} 的 {1} 之后")
    assert pattern.filled({"1": "两轮", "2": "mrqa"}) == "在 mrqa 的两轮之后"


def test_words_are_those_of_two_letters_or_more():
    assert words_of("a file of 3 rows, 行") == {"file", "of", "rows"}
