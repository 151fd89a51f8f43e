"""`choice` rows become one sequence a candidate."""

import numpy as np
import pytest

from palm.errors import DataError
from palm.reader.choice import ChoiceReader, ChoiceReaderConfig
from palm.reader.loading import load_dataset

TSV = "label\ttext_a\tchoices\n1\tthe cat\tsat|on|the mat\n0\t我\t爱|mat\n"


@pytest.fixture
def reader(tokenizer):
    return ChoiceReader(ChoiceReaderConfig(), tokenizer)


def batch_of(reader, dataset, rows):
    return reader.collate(dataset, np.array(rows), np.random.default_rng(0))


def test_candidates_of_a_batch(reader, write, ids):
    dataset = load_dataset(reader, write("x.tsv", TSV), "train")
    batch = batch_of(reader, dataset, [1, 0])
    assert batch["token_ids"].tolist() == [
        ids("[CLS] 我 [SEP] 爱 [SEP] [PAD] [PAD]"),
        ids("[CLS] 我 [SEP] mat [SEP] [PAD] [PAD]"),
        ids("[CLS] the cat [SEP] sat [SEP] [PAD]"),
        ids("[CLS] the cat [SEP] on [SEP] [PAD]"),
        ids("[CLS] the cat [SEP] the mat [SEP]"),
    ]
    assert batch["segment_ids"][4].tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert batch["input_mask"].sum(axis=1).tolist() == [5, 5, 6, 6, 7]
    assert batch["choice_rows"].tolist() == [[0, 1, 0], [2, 3, 4]]
    assert batch["choice_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert batch["label_ids"].tolist() == [0, 1]


def test_jsonl_gives_a_list(reader, write):
    file = write("x.jsonl", '{"label": 1, "text_a": "the", "choices": ["cat | mat", "mat"]}\n')
    assert load_dataset(reader, file, "train").records[0]["choices"] == ["cat | mat", "mat"]


@pytest.mark.parametrize("phase", ["train", "eval", "predict"])
def test_a_batch_is_what_outputs_attr_says(reader, write, phase):
    batch = batch_of(reader, load_dataset(reader, write("x.tsv", TSV), phase), [0, 1])
    found = {name: (array.ndim, str(array.dtype)) for name, array in batch.items()}
    assert found == {name: (spec.rank, spec.dtype) for name, spec in reader.outputs_attr(phase).items()}


def test_prediction_needs_no_label(reader, write):
    for text in ("text_a\tchoices\nthe\tcat|mat\n", "label\ttext_a\tchoices\n\tthe\tcat|mat\n"):
        assert load_dataset(reader, write("x.tsv", text), "predict").num_examples == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("2\tthe\tcat|mat", r"x\.tsv:2: `label` must be the index of one of 2 choices, from 0, found"),
        ("cat\tthe\tcat|mat", "`label` must be the index of one of 2 choices"),
        ("0\tthe\tcat", "`choices` needs two or more candidates"),
        ("0\tthe\tcat||mat", "`choices` must contain text, found it empty"),
        ("0\t\tcat|mat", "`text_a` must contain text, found it empty"),
    ],
)
def test_rows_that_are_wrong(reader, write, row, message):
    with pytest.raises(DataError, match=message):
        load_dataset(reader, write("x.tsv", f"label\ttext_a\tchoices\n{row}\n"), "train")
