"""A user's list of synonyms: groups of words, without regard to case."""

from palm.data.augmentation import OpenText, WordSlot, find_words
from palm.data.synonyms import Synonyms


def test_any_word_of_a_group_stands_for_any_other():
    source = Synonyms.of_groups([["Big", "large"], ["大", "巨"], ["large", "vast"], ["alone", "Alone"]])
    text = OpenText(find_words("BIG 大 Large"), (WordSlot(0, "at"), WordSlot(1, "before"), WordSlot(2, "after")))
    assert source.propose([text]) == [[[("large", 1.0)], [("巨", 1.0)], [("Big", 1.0), ("vast", 1.0)]]]
    assert [source.knows(word) for word in ("big", "VAST", "alone", "小")] == [True, True, False, False]
    assert source.readable(["", "大鱼"]) == [0, 2]
