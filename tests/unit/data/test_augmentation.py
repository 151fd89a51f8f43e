"""Words of texts, and variants of texts: deterministic, distinct, in Chinese as in English."""

import math
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.data.augmentation import (
    Augmentation,
    OpenText,
    WordSlot,
    count_changes,
    find_words,
    is_chinese,
    vary_rows,
    vary_texts,
)
from palm.data.synonyms import Synonyms

ENGLISH = "The big, red fish swims fast near old wooden bridges."
CHINESE = "我今天在北京买了很好的书"


def vary(text, kind, num=5, percent=0.1, seed=1, source=None):
    return vary_texts([text], Augmentation(kind, num, percent, seed), source)[0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The big, red fish.", ("The", "big", "red", "fish")),
        ('He said: "don\'t stop-me" (now)!', ("He", "said", "don't", "stop-me", "now")),
        ("我用iPhone手机，很好！", ("我", "用", "iPhone", "手", "机", "很", "好")),
        ("  鱼\u3000鸟 ", ("鱼", "鸟")),
        ("... --- ，。", ()),
        ("", ()),
        ("\u200bword\ufffd", ("word",)),
    ],
)
def test_the_words_of_a_text(text, words):
    found = find_words(text)
    assert found.words == words
    assert str(found) == text
    assert [text[end - len(word) : end] for word, end in zip(found.words, found.ends(), strict=True)] == list(words)


@given(st.text())
def test_words_and_gaps_are_the_text(text):
    assert str(find_words(text)) == text


@pytest.mark.parametrize(
    ("words", "percent", "changes"),
    # Rounded up; 0.1 * 70 and 0.1 * 30 in floating point are above 7 and 3.
    [(0, 0.1, 0), (1, 0.1, 1), (10, 0.1, 1), (11, 0.1, 2), (30, 0.1, 3), (70, 0.1, 7), (3, 1.0, 3), (500, 0.1, 10)],
)
def test_how_many_words_change(words, percent, changes):
    assert count_changes(words, percent) == changes


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_swap_keeps_all_words(text):
    found = vary(text, "swap")
    assert len(set(found)) == 5
    assert text not in found
    for each in found:
        old, new = find_words(text), find_words(each)
        assert Counter(new.words) == Counter(old.words)
        assert new.gaps == old.gaps
        count = math.ceil(len(old.words) / 10)
        moved = [number for number, pair in enumerate(zip(old.words, new.words, strict=True)) if pair[0] != pair[1]]
        assert len(moved) == 2 * count
        assert all(moved[number + 1] == moved[number] + 1 for number in range(0, len(moved), 2))


@pytest.mark.parametrize("text", [ENGLISH, CHINESE])
def test_delete_leaves_words_out(text):
    found = vary(text, "delete")
    old = find_words(text).words
    assert len(set(found)) == 5
    for each in found:
        new = find_words(each).words
        assert len(new) == len(old) - math.ceil(len(old) / 10)
        assert not Counter(new) - Counter(old)
        assert "  " not in each


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("a big fish", 0, "big fish"),
        ("a big fish", 1, "a fish"),
        ("a big fish", 2, "a big"),
        ("a big fish.", 2, "a big."),
        ("a big, red fish", 1, "a, red fish"),
        ('he said "yes" now', 1, 'he "yes" now'),
        ("大红鱼。", 1, "大鱼。"),
    ],
)
def test_blanks_around_a_deleted_word(text, position, expected):
    assert str(find_words(text).without(position)) == expected


@pytest.mark.parametrize("kind", ["swap", "delete"])
@pytest.mark.parametrize("text", ["", "   ", "。", "word", "鱼", "2024", "12 34 56"])
def test_texts_without_words_to_change_have_no_variants(kind, text):
    assert vary(text, kind) == []


def test_equal_words_are_not_swapped_and_equal_variants_counted_once():
    assert vary("no no", "swap") == []
    assert vary("no no", "delete") == ["no"]


def test_words_with_digits_stay():
    for each in [*vary("buy 2 fish in B737 now", "delete", 9, 0.5), *vary("buy 2 fish in B737 now", "swap", 9, 0.5)]:
        assert each.split().count("2") == each.split().count("B737") == 1


def test_deleting_everything_keeps_a_word():
    assert all(len(find_words(each).words) == 1 for each in vary("大红鱼", "delete", percent=1.0))


@pytest.mark.parametrize("kind", ["swap", "delete"])
def test_variants_depend_on_text_and_seed_alone(kind):
    alone = vary(CHINESE, kind)
    assert vary_texts([ENGLISH, CHINESE], Augmentation(kind))[1] == alone == vary(CHINESE, kind)
    assert vary(CHINESE, kind, seed=2) != alone
    assert vary(CHINESE, kind, num=3) == alone[:3]
    assert vary(CHINESE, kind, num=0) == []


def test_words_are_filled_in_with_blanks_where_the_language_has_them():
    english = OpenText(find_words("a big fish."), (WordSlot(0, "before"), WordSlot(1, "at"), WordSlot(2, "after")))
    assert english.filled(["x", "y", "z"]) == "x a y fish z."
    assert [english.word_at(number) for number in range(3)] == ["a", "big", "fish"]
    chinese = OpenText(find_words("大鱼。"), (WordSlot(0, "after"), WordSlot(1, "at")))
    assert chinese.filled(["红", "鸟"]) == "大红鸟。"


@pytest.mark.parametrize(
    ("text", "groups"),
    [("the big fish swims here", [["big", "large", "huge"]]), ("大红鱼在河里游", [["鱼", "鸟", "猫"]])],
)
def test_synonyms_are_substituted_and_inserted(text, groups):
    source = Synonyms.of_groups(groups)
    word, *others = groups[0]
    assert set(vary(text, "substitute", source=source)) == {text.replace(word, other) for other in others}
    blank = "" if is_chinese(word) else " "
    inserted = [f"{other}{blank}{word}" for other in others] + [f"{word}{blank}{other}" for other in others]
    found = vary(text, "insert", num=20, source=source)
    assert set(found) == {text.replace(word, each) for each in inserted}


def test_a_text_without_a_known_word_has_no_variants():
    assert vary("大红鱼", "substitute", source=Synonyms.of_groups([["鸟", "猫"]])) == []


def test_words_need_a_source():
    with pytest.raises(ValueError, match="Found `source = None`"):
        vary("a text", "insert")


def test_each_variant_of_a_row_changes_every_text_that_can():
    rows = [{"text_a": CHINESE, "text_b": ENGLISH}, {"text_a": "鱼", "text_b": ENGLISH}, {"text_a": "", "text_b": "b"}]
    both, one, none = vary_rows(rows, Augmentation("swap", 3))
    assert [list(row) for row in both] == [["text_a", "text_b"]] * 3
    assert all(row["text_a"] != CHINESE and row["text_b"] != ENGLISH for row in both)
    assert [row["text_a"] for row in one] == ["鱼"] * 3
    assert len({row["text_b"] for row in one}) == 3
    assert none == []
