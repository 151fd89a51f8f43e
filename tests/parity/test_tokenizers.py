"""Token ids, segments, offsets and windows are those of transformers' fast tokenizers, for each family."""

import numpy as np
import pytest

from palm.data.sequences import pair_row, single_row
from palm.data.tokenizer import Tokenizer
from palm.reader.base import READERS
from tests.small_tokenizers import CHINESE, ENGLISH, KINDS

transformers = pytest.importorskip("transformers")

TEXTS = [
    *ENGLISH, *CHINESE, "", " ", "New  York\u00a0北京", "the caf\u00e9, the cafe\u0301", "👨‍👩‍👧 ok 😀",
    "ﬃ … ①", "a\tb\n\nc ",
    "x" * 300, "한국어 ไทย العربية", "http://a.b/c?d=e#f", "▁x ▁ Ġ", "me@you |||EMAIL|||", "\ufeffthe\u200bfish",
]  # fmt: skip


@pytest.fixture(params=KINDS)
def both(request, small_tokenizers):
    folder = small_tokenizers[request.param]
    reference = transformers.PreTrainedTokenizerFast.from_pretrained(str(folder))
    reference.backend_tokenizer.no_truncation()
    reference.backend_tokenizer.no_padding()
    return Tokenizer.from_file(folder / "tokenizer.json"), reference


def _has_segments(reference):
    """Whether its model has them: without a word about it, the file counts."""
    return "model_input_names" not in reference.init_kwargs


def test_single_texts(both):
    ours, reference = both
    for text, ids in zip(TEXTS, ours.encode_ids(TEXTS), strict=True):
        assert single_row(ids, ours, 512) == reference(text)["input_ids"], text


def test_pairs_and_segments(both):
    ours, reference = both
    has_segments = _has_segments(reference)
    texts = [text for text in TEXTS if text]  # an empty second text makes no pair for transformers
    for first, second in zip(texts, reversed(texts), strict=True):
        made, segments = pair_row(*ours.encode_ids([first, second]), ours, 1024)
        expected = reference(first, second, return_token_type_ids=True)
        assert made == expected["input_ids"], (first, second)
        assert segments == (expected["token_type_ids"] if has_segments else [0] * len(made))


def test_offsets_but_for_blanks_and_combining_marks(both):
    """Each token covers the same letters; ours leave out blanks, and keep the marks of a letter."""
    ours, reference = both
    for text, tokens in zip(TEXTS, ours.encode(TEXTS), strict=True):
        expected = reference(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        for number, (start, end), (first, last) in zip(tokens.ids, tokens.offsets, expected, strict=True):
            mine, theirs = text[start:end], text[first:last].strip()
            if ours.tokens[number] in ("▁", "Ġ") and mine == "":
                continue
            assert mine.rstrip("\u0301") == theirs.rstrip("\u0301"), (text, ours.tokens[number])


def test_special_tokens(both):
    ours, reference = both
    assert (ours.pad_id, ours.unk_id, ours.mask_id) == (
        reference.pad_token_id, reference.unk_token_id, reference.mask_token_id,
    )  # fmt: skip
    assert (ours.cls_id, ours.sep_id) == (reference.cls_token_id, reference.sep_token_id)
    assert ours.vocab_size == len(reference)


def test_words_of_a_sentence_are_those_of_the_sentence(both):
    ours, reference = both
    for text in ENGLISH:
        words = text.split(" ")
        [found] = ours.encode_words([words])
        expected = reference(text, add_special_tokens=False)
        assert found.ids == expected["input_ids"]
        firsts = [found.words.index(word) for word in range(len(words))]
        assert sorted(set(found.words)) == list(range(len(words)))
        assert firsts == sorted(firsts)


def test_masks(both):
    ours, reference = both
    text = f"the red {reference.mask_token} swims"
    [expected] = [reference(text, add_special_tokens=False)["input_ids"]]
    assert ours.encode_ids([text], keep_mask=True) == [expected]
    assert ours.encode_ids(["the red [MASK] swims"], keep_mask=True) == [expected]


@pytest.mark.parametrize("stride", [4, 9])
def test_windows_of_a_long_context(both, stride, tmp_path):
    """transformers counts the tokens that two windows share, PALM from one start to the next."""
    ours, reference = both
    longest, context = 40, " ".join(ENGLISH[:3])
    question = "Who runs?"
    kind = READERS["mrc"]
    reader = kind(kind.Config(max_seq_len=longest, max_query_len=15, doc_stride=stride), ours)
    record = {"id": "1", "question": question, "context": context, "line": 1}
    data = reader.encode([record], tmp_path, "predict")
    width = longest - len(ours.encode_ids([question])[0]) - ours.pair.num_special
    expected = reference(
        question, context, truncation="only_second", max_length=longest, stride=width - stride,
        return_overflowing_tokens=True, return_token_type_ids=True,
    )  # fmt: skip
    rows = data.ragged("token_ids")
    assert [rows[row].tolist() for row in range(len(rows))] == expected["input_ids"]
    segments = data.ragged("segment_ids")
    if ours.pair.num_segments > 1:  # otherwise transformers gives later windows a segment that their template lacks
        assert [segments[row].tolist() for row in range(len(rows))] == expected["token_type_ids"]
    else:
        assert not np.asarray(segments.values).any()
