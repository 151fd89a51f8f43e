"""Layouts are asked of the tokenizer: special tokens of one text and of a pair, and segments."""

import pytest
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import models, pre_tokenizers, processors

from palm.data.layout import Part, TextLayout, ask_layouts

IDS = {"<s>": 0, "</s>": 1, "[CLS]": 2, "[SEP]": 3, "a": 4, "[UNK]": 5}


def made(post_processor=None):
    tokenizer = FastTokenizer(models.WordLevel(IDS, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    if post_processor is not None:
        tokenizer.post_processor = post_processor
    return tokenizer


def template(single, pair):
    special = [(name, IDS[name]) for name in ("<s>", "</s>", "[CLS]", "[SEP]")]
    return processors.TemplateProcessing(single=single, pair=pair, special_tokens=special)


BERT = template("[CLS]:0 $A:0 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1")
ROBERTA = processors.RobertaProcessing(("</s>", 1), ("<s>", 0))


def test_bert():
    single, pair = ask_layouts(made(BERT).encode)
    assert single.single([7, 8]) == [2, 7, 8, 3]
    assert pair.pair([7, 8], [9]) == ([2, 7, 8, 3, 9, 3], [0, 0, 0, 0, 1, 1])
    assert (single.num_special, pair.num_special, single.num_segments, pair.num_segments) == (2, 3, 1, 2)


def test_roberta_has_two_separators_and_one_segment():
    single, pair = ask_layouts(made(ROBERTA).encode)
    assert single.single([7]) == [0, 7, 1]
    assert pair.pair([7, 8], [9]) == ([0, 7, 8, 1, 1, 9, 1], [0] * 7)
    assert (pair.num_special, pair.num_segments) == (4, 1)


def test_empty_texts_keep_their_special_tokens():
    _, pair = ask_layouts(made(BERT).encode)
    assert pair.pair([], []) == ([2, 3, 3], [0, 0, 1])


def test_without_segments_ids_stay():
    _, pair = ask_layouts(made(BERT).encode)
    assert pair.in_one_segment().pair([7], [9]) == ([2, 7, 3, 9, 3], [0] * 5)
    assert TextLayout(Part((2,), (0,)), 0, Part((3,), (0,))).num_segments == 1


@pytest.mark.parametrize(
    ("post_processor", "said"),
    [
        (None, r"a text stands between special tokens such as \[CLS\] and \[SEP\], found `a`"),
        (template("$A:0 [SEP]:0 [CLS]:2", "$A:0 [SEP]:0 $B:1 [SEP]:1 [CLS]:2"), "stands between special tokens"),
        (template("[CLS]:0 $A:1 [SEP]:0", "[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1"), "a single text has segment 0"),
        (template("[CLS] $A [SEP]", "[CLS] $B [SEP] $A [SEP]"), "one text stands after the other"),
    ],
)
def test_what_is_refused(post_processor, said):
    with pytest.raises(ValueError, match=said):
        ask_layouts(made(post_processor).encode)
