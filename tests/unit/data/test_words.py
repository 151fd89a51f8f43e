"""Words become a sentence, and its tokens go back to them."""

import pytest

from palm.data.words import WordAlone, assign, encode_alone, join_words


@pytest.mark.parametrize(
    ("words", "for_cn", "text", "starts"),
    [
        (["New", "York"], False, "New York", (0, 4)),
        (["北", "京", "大学"], False, "北京大学", (0, 1, 2)),
        (["我", "爱", "New", "York", "!"], False, "我爱New York !", (0, 1, 2, 6, 11)),
        (["カ", "メラ"], True, "カメラ", (0, 1)),
        (list("iPad"), False, "i P a d", (0, 2, 4, 6)),
        (list("iPad"), True, "iPad", (0, 1, 2, 3)),
        (["用", "iPad", "mini"], True, "用iPad mini", (0, 1, 6)),
        ([], False, "", ()),
        (["a", "", "b"], False, "a  b", (0, 2, 3)),
        (["\u200b", "한국", "어"], False, "\u200b 한국 어", (0, 2, 5)),
    ],
)
def test_blanks_between_words(words, for_cn, text, starts):
    sentence = join_words(words, for_cn=for_cn)
    assert (sentence.text, sentence.starts) == (text, starts)
    assert [sentence.text[start:][: len(word)] for start, word in zip(sentence.starts, words, strict=True)] == words


def test_a_token_belongs_to_the_word_that_it_begins_in():
    sentence = join_words(["New", "York", "x"], for_cn=False)
    tokens = [(0, 2), (2, 3), (4, 8), (9, 9), (9, 10)]  # the fourth stands for a blank alone
    assert assign(sentence, [1, 2, 3, 4, 5], tokens) == [(0, 1), (0, 2), (1, 3), (2, 4), (2, 5)]


def test_words_that_share_a_token_are_encoded_alone():
    sentence = join_words(["我", "在", "北", "京", "New", "York"], for_cn=False)
    assert sentence.text == "我在北京New York"
    found = assign(sentence, [1, 2, 3, 4], [(0, 1), (1, 2), (2, 4), (4, 12)])
    alone = [WordAlone("北", True), WordAlone("京", True), WordAlone("New", True), WordAlone(" York", False)]
    assert found == [(0, 1), (1, 2), *enumerate(alone, 2)]
    asked = []

    def encode(texts, inside):
        asked.append((texts, inside))
        return [[len(text)] for text in texts]

    assert encode_alone([found, found], encode) == dict(zip(alone, ([1], [1], [3], [5]), strict=True))
    assert asked == [([" York"], False), (["北", "京", "New"], True)]


def test_the_first_word_does_not_continue_another():
    assert assign(join_words(["北", "京"], for_cn=True), [7], [(0, 2)]) == [
        (0, WordAlone("北", False)), (1, WordAlone("京", True)),
    ]  # fmt: skip
