"""Masks are 80 % [MASK], 10 % another piece, 10 % the piece itself, drawn from the generator that is passed in."""

import numpy as np
import pytest

from palm.data.tokenizer import Tokenizer
from palm.errors import DataError
from palm.randomness import philox
from palm.reader.loading import load_dataset
from palm.reader.mlm import MaskedLMReader, MaskedLMReaderConfig

SPECIAL = [0, 1, 2, 3, 4]


@pytest.fixture
def load(tokenizer, write):
    def load_texts(*texts, phase="train", **keys):
        reader = MaskedLMReader(MaskedLMReaderConfig(**keys), tokenizer)
        return reader, load_dataset(reader, write("x.tsv", "\n".join(["text_a", *texts])), phase)

    return load_texts


def test_statistics(load, tokenizer):
    reader, dataset = load(*["a b c d e f g h 我 爱 北 京 the cat sat on"] * 64)
    rows = np.arange(64)
    original = dataset.ragged("token_ids").padded(rows, fill=0)
    chosen, masked, kept, replaced = 0, 0, 0, []
    for step in range(100):
        batch = reader.collate(dataset, rows, philox(1, "collate", step))
        seen, gold = batch["token_ids"].ravel()[batch["mask_pos"]], batch["mask_label"]
        assert (original.ravel()[batch["mask_pos"]] == gold).all()
        chosen += len(gold)
        masked += int((seen == tokenizer.mask_id).sum())
        kept += int((seen == gold).sum())
        replaced += seen[(seen != tokenizer.mask_id) & (seen != gold)].tolist()
    # 102 400 pieces, each chosen with 0.15; one a row at least adds 0.85 ** 16 / 16 = 0.0046.
    assert chosen / 102_400 == pytest.approx(0.1546, abs=0.004)
    assert masked / chosen == pytest.approx(0.8, abs=0.012)
    assert kept / chosen == pytest.approx(0.1 + 0.1 / 37, abs=0.01)
    assert len(replaced) / chosen == pytest.approx(0.1 - 0.1 / 37, abs=0.01)
    assert not set(replaced) & set(SPECIAL)
    assert len(set(replaced)) == tokenizer.vocab_size - len(SPECIAL) == 37
    counts = np.bincount(replaced, minlength=tokenizer.vocab_size)[5:]
    expected = len(replaced) / 37
    assert np.abs(counts - expected).max() < 4 * np.sqrt(expected)


def test_what_is_not_chosen_stays(load):
    reader, dataset = load("a b c d e f", "the cat")
    batch = reader.collate(dataset, np.array([0, 1]), philox(3))
    original = dataset.ragged("token_ids").padded(np.array([0, 1]), fill=0)
    untouched = np.setdiff1d(np.arange(original.size), batch["mask_pos"])
    assert (batch["token_ids"].ravel()[untouched] == original.ravel()[untouched]).all()
    assert (dataset.ragged("token_ids").padded(np.array([0, 1]), fill=0) == original).all()


def test_special_pieces_are_never_masked_and_every_example_has_one_mask(load):
    reader, dataset = load("a", "the cat", "😀 b 😀", "我 爱 北 京 a b c d")
    for step in range(200):
        batch = reader.collate(dataset, np.arange(4), philox(step))
        width = batch["token_ids"].shape[1]
        assert set((batch["mask_pos"] // width).tolist()) == {0, 1, 2, 3}
        assert not set(batch["mask_label"].tolist()) & set(SPECIAL)


def test_a_text_of_unknown_pieces_alone_still_has_a_mask(load, tokenizer):
    reader, dataset = load("😀 😀", "a b c d")
    batch = reader.collate(dataset, np.array([0, 1]), philox(1))
    width = batch["token_ids"].shape[1]
    labels = batch["mask_label"][batch["mask_pos"] // width == 0]
    assert labels.tolist() == [tokenizer.unk_id] * len(labels)
    assert len(labels) >= 1


def test_masks_are_a_function_of_the_generator(load):
    reader, dataset = load(*["a b c d e f g h"] * 8)
    first, again, other = (reader.collate(dataset, np.arange(8), philox(seed)) for seed in (1, 1, 2))
    assert {name: array.tolist() for name, array in first.items()} == {
        name: array.tolist() for name, array in again.items()
    }
    assert first["mask_pos"].tolist() != other["mask_pos"].tolist()


def test_mask_probability(load):
    reader, dataset = load(*["a b c d e f g h"] * 64, mask_probability=0.5)
    batch = reader.collate(dataset, np.arange(64), philox(1))
    assert len(batch["mask_pos"]) / (64 * 8) == pytest.approx(0.5, abs=0.08)


@pytest.mark.parametrize(("phase", "text"), [("train", "a b c"), ("eval", "a b c"), ("predict", "a [MASK] c")])
def test_a_batch_is_what_outputs_attr_says(load, phase, text):
    reader, dataset = load(text, phase=phase)
    batch = reader.collate(dataset, np.array([0]), philox(1))
    found = {name: (array.ndim, str(array.dtype)) for name, array in batch.items()}
    assert found == {name: (spec.rank, spec.dtype) for name, spec in reader.outputs_attr(phase).items()}


def test_predicting_points_at_the_masks_in_the_text(load, ids):
    reader, dataset = load("the [MASK] sat [MASK].", "我爱[MASK]京", phase="predict")
    batch = reader.collate(dataset, np.array([1, 0]), philox(1))
    assert batch["token_ids"].tolist() == [
        ids("[CLS] 我 爱 [MASK] 京 [SEP] [PAD]"),
        ids("[CLS] the [MASK] sat [MASK] . [SEP]"),
    ]
    assert batch["mask_pos"].tolist() == [3, 7 + 2, 7 + 4]


def test_mask_in_a_training_text_is_text(load, ids):
    _, dataset = load("the [MASK]")
    assert dataset.ragged("token_ids")[0].tolist() == ids("[CLS] the [ mask ] [SEP]")


def test_predicting_needs_a_mask(load):
    with pytest.raises(DataError, match=r"x\.tsv:3: a text to predict needs \[MASK\] in place of a word, found none"):
        load("the [MASK]", "the cat", phase="predict")


def test_a_mask_that_max_seq_len_cuts_off(load):
    with pytest.raises(DataError, match=r"x\.tsv:2: max_seq_len is 4, found a \[MASK\] at token 3 of 3"):
        load("the cat [MASK]", phase="predict", max_seq_len=4)


def test_a_blank_line_is_refused(load):
    with pytest.raises(DataError, match=r"x\.tsv:3: a line must contain one example, found a blank line"):
        load("the cat", "", "sat")


def test_whole_words_are_masked_together(small_tokenizers, write):
    """All tokens of a word or none; Chinese words are single tokens, so no sentence is one word."""
    texts = ["the swimming fish doesn't fly over rivers", "北京大学在北京欢迎你", "running 红鱼 rivers"]
    for folder in small_tokenizers.values():
        tokenizer = Tokenizer.from_file(folder / "tokenizer.json")
        keys = {"whole_word_masking": True, "mask_probability": 0.3}
        reader = MaskedLMReader(MaskedLMReaderConfig(**keys), tokenizer)
        dataset = load_dataset(reader, write("w.tsv", "\n".join(["text_a", *texts])), "train")
        split, partly = 0, 0
        for step in range(60):
            batch = reader.collate(dataset, np.arange(3), philox(step))
            rows = dataset.ragged("token_ids").padded(np.arange(3), fill=tokenizer.pad_id)
            chosen = np.isin(np.arange(rows.size), batch["mask_pos"]).reshape(rows.shape)
            inside = tokenizer.continues_word[rows]
            split += int((inside[:, 1:] & (chosen[:, 1:] != chosen[:, :-1])).sum())
            special = np.isin(rows, sorted(tokenizer.special_ids - {tokenizer.unk_id}))
            assert chosen.any(axis=1).all()
            assert not (chosen & special).any()
            partly += int((~chosen & ~special)[1].any())
        assert split == 0, folder.name
        assert partly > 40, folder.name
