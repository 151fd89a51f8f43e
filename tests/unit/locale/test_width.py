from palm.locale.width import padded, width_of, wrapped


def test_a_chinese_character_takes_two_columns():
    assert width_of("ab 中文，") == 9


def test_english_is_wrapped_between_words():
    assert wrapped("one two three four", 9) == ["one two", "three", "four"]


def test_chinese_is_wrapped_between_characters_and_never_before_punctuation():
    assert wrapped("编码器的宽度，默认为 hidden_size", 12) == ["编码器的宽", "度，默认为", "hidden_size"]


def test_nothing_is_no_line():
    assert wrapped("", 10) == []


def test_a_word_that_is_too_long_stands_alone():
    assert wrapped("a learning_rate 中", 5) == ["a", "learning_rate", "中"]


def test_text_is_padded_to_columns():
    assert padded("中文", 6) + "|" == "中文  |"
    assert padded("too long", 3) == "too long"
