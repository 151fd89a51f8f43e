"""The share of unknown tokens is counted over the text alone, and too large a share is refused."""

import numpy as np
import pytest

from palm.data.dataset import Dataset, Ragged
from palm.data.tokenizer import Tokenizer
from palm.errors import DataError
from palm.reader import READERS
from palm.training.unknown_tokens import refuse_unknown, unknown_fraction, unknown_lines

_TOKENIZER = Tokenizer(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "北", "京"], do_lower_case=False, for_cn=True)
READER = READERS["cls"](READERS["cls"].Config(), _TOKENIZER)


def dataset(*rows):
    return Dataset({"token_ids": Ragged.from_rows(rows), "record": np.arange(len(rows))}, [], "数据.tsv")


@pytest.mark.parametrize(
    ("rows", "share"),
    [
        ([[2, 5, 6, 3]], 0.0),
        ([[2, 1, 6, 3], [2, 5, 6, 3]], 0.25),
        ([[2, 4, 1, 5, 3]], 0.5),  # [MASK] is no text
        ([[2, 1, 3]], 1.0),
        ([[2, 3]], 0.0),
    ],
)
def test_share_of_the_text(rows, share):
    assert unknown_fraction(dataset(*rows), READER) == share


def test_tokens_under_vectors_of_a_prompt_do_not_count():
    data = dataset([2, 1, 1, 1, 6, 5, 3], [2, 1, 1, 1, 1, 6, 3])
    soft = Ragged.from_rows([[0, 1, 2, 3, 0, 0, 0], [0, 1, 2, 3, 0, 0, 0]])
    prompted = Dataset({**data.columns, "soft_ids": soft}, [], "数据.tsv")
    assert unknown_fraction(data, READER) == 7 / 10
    assert unknown_fraction(prompted, READER) == 1 / 4


def test_too_many_are_refused_with_file_share_and_limit():
    bad = dataset([2, 1, 6, 5, 5, 3])
    with pytest.raises(DataError) as caught:
        refuse_unknown("意图", (None, bad), READER, 0.2)
    said = "数据.tsv: task `意图`: at most 20% of the tokens may be unknown ([UNK]), found 25.0%."
    assert str(caught.value).startswith(said)
    assert "max_unk_fraction" in str(caught.value)
    refuse_unknown("意图", (bad, None), READER, 0.25)


def test_a_warning_from_two_percent_on():
    at, below = dataset([2, *[1], *[5] * 49, 3]), dataset([2, *[1], *[5] * 50, 3])
    (line,) = unknown_lines("意图", (at, below, None), READER)
    assert line.startswith("Warning: 意图: 数据.tsv: 2.0% of the tokens are unknown ([UNK]).")


def test_words_that_are_blanks_do_not_count():
    columns = {"token_ids": Ragged.from_rows([[2, 5, 1, 1, 6, 3]]), "record": np.arange(1)}
    found = Dataset(columns, [{"words": ["北", "\u00a0", "x", "京"], "line": 1}], "数据.conll")
    assert unknown_fraction(found, READERS["seq_label"](READERS["seq_label"].Config(), _TOKENIZER)) == 0.25
