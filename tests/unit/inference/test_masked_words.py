"""Words of a masked language model: whole words of the script of the old one, batch by batch, the same every time."""

import numpy as np
import pytest

import palm
from palm.data.augmentation import Augmentation, OpenText, WordSlot, find_words, is_chinese, vary_texts
from palm.errors import CheckpointError, ConfigError
from palm.inference.masked_words import load_masked_words
from tests.integration import tiny
from tests.integration.small_encoder import write_small_encoder

CHINESE, ENGLISH = "大红鱼在河里游", "the big red fish swims in the river"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with a task that predicts tokens, and one that does not."""
    folder = tmp_path_factory.mktemp("掩码 x")
    tasks = {"c": tiny.classification_task(folder, "c", chinese=True), "w": tiny.mlm_task(folder, "w")}
    palm.Controller(tiny.config(folder, tasks, max_steps=4), overrides=[]).train()
    return folder / "out"


def openings(text, *positions):
    return OpenText(find_words(text), tuple(WordSlot(position, "at") for position in positions))


@pytest.mark.parametrize("path", ["w", ""])
def test_words_are_whole_and_of_the_script_of_the_old_one(run, path):
    source = load_masked_words(str(run / path))
    two, one = source.propose([openings(CHINESE, 1, 2), openings(ENGLISH, 3)])
    assert [len(two), len(one)] == [2, 1]
    known_words = (tiny.CHARACTERS, tiny.CHARACTERS, tiny.WORDS)
    for proposals, old, known in zip([*two, *one], ("红", "鱼", "fish"), known_words, strict=True):
        words = [word for word, _ in proposals]
        assert words
        assert old not in words
        assert set(words) <= set(known)
        assert all(is_chinese(word) == is_chinese(old) for word in words)
        probabilities = [each for _, each in proposals]
        assert probabilities == sorted(probabilities, reverse=True)


@pytest.mark.parametrize("kind", ["insert", "substitute"])
@pytest.mark.parametrize("text", [CHINESE, ENGLISH])
def test_variants_are_the_same_alone_and_among_others(run, kind, text):
    source, rule = load_masked_words(str(run / "w")), Augmentation(kind, 3)
    [alone] = vary_texts([text], rule, source)
    assert len(set(alone)) == 3
    assert text not in alone
    more = 1 if kind == "insert" else 0
    assert {len(find_words(each).words) for each in alone} == {len(find_words(text).words) + more}
    several = vary_texts(["", text, "大", "鱼 [MASK] 鸟"], rule, source)
    assert several[1] == alone
    assert several[0] == several[3] == []
    assert vary_texts([text], Augmentation(kind, 0), source) == [[]]


def test_a_capital_letter_stays(run):
    source = load_masked_words(str(run / "w"))
    [[proposals]] = source.propose([openings("Fish swims", 0)])
    assert proposals
    assert all(word[0].isupper() for word, _ in proposals)


def test_only_what_the_encoder_reads_changes(run):
    source = load_masked_words(str(run / "w"))  # 24 tokens, of which 2 are special, with room for 10 new words
    text = " ".join(["fish"] * 40)
    assert source.readable([text, "fish", ""]) == [12 * len("fish ") - 1, 4, 0]
    for each in vary_texts([text], Augmentation("substitute", 5), source)[0]:
        assert each.split()[12:] == ["fish"] * 28


def test_parts_of_words_and_special_tokens_are_no_words(run):
    source = load_masked_words(str(run / "w"))
    words = source._words
    tokens = source._tokenizer.tokens
    assert {word for word in words if word} == {*tiny.WORDS, *(each for each in tiny.CHARACTERS if is_chinese(each))}
    assert [words[tokens.index(each)] for each in ("[PAD]", "[MASK]", "。", ",")] == [""] * 4


def test_a_run_without_masked_words_is_refused(run):
    with pytest.raises(ConfigError, match=r"--encoder: words are proposed by a task that predicts tokens.* Found c in"):
        load_masked_words(str(run / "c"))


def test_an_encoder_without_the_head_is_refused(tmp_path):
    tiny.write_vocab(tmp_path)
    write_small_encoder(tmp_path / "编码器", tmp_path / "vocab.txt")
    with pytest.raises(CheckpointError, match=r"编码器: words are proposed by .* whose head is among the weights"):
        load_masked_words(str(tmp_path / "编码器"))
    with pytest.raises(ConfigError, match="nowhere"):
        load_masked_words("./nowhere")


def test_a_published_encoder_with_its_head(shared):
    source = load_masked_words(str(shared / "models" / "bert-tiny-mlm-en"))
    text = "Paris is the capital of France."
    [[proposals]] = source.propose([openings(text, 3)])
    assert proposals
    assert all(word.isalpha() and not word.startswith("##") for word, _ in proposals)
    assert np.isclose(sum(each for _, each in proposals), 0.5, atol=0.5)
    one, again = (vary_texts([text], Augmentation("substitute", 5), source)[0] for _ in range(2))
    assert one == again
    assert len(one) == 5
