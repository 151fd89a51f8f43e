"""Every reader makes valid batches with every kind of tokenizer."""

import json

import numpy as np
import pytest

from palm.data.tokenizer import Tokenizer
from palm.reader.base import READERS
from palm.reader.loading import load_dataset, load_rows
from tests.small_tokenizers import KINDS

LIMIT = 48
CONTEXT = "红鱼在河里游。The red fish swims in the river,\u00a0and the cafe\u0301 is in New  York 😀. " * 2
ROWS = {
    "cls": [{"label": "水", "text_a": "红鱼在河里游 </s>"}, {"label": "air", "text_a": "the blue bird [SEP] flies"}],
    "match": [
        {"label": "1", "text_a": "谁在河里？", "text_b": "the red fish"},
        {"label": "0", "text_a": "who " * 30, "text_b": "红鱼"},
    ],
    "choice": [
        {"label": "1", "text_a": "谁在河里", "choices": ["the bird", "红鱼 😀"]},
        {"label": "0", "text_a": "who runs", "choices": ["the cat", "a", "蓝鸟" * 40]},
    ],
    "pairwise_match": [
        {"text_a": "谁在河里", "text_b": "红鱼", "text_b_neg": "the bird"},
        {"text_a": "who runs", "text_b": "the cat", "text_b_neg": "蓝鸟"},
    ],
    "mlm": [{"text_a": "红鱼在河里游。"}, {"text_a": "the red fish swims in the river"}],
    "seq_label": [
        {"text_a": list("北京大学在北京"), "label": ["B-LOC", "I-LOC", "O", "O", "O", "B-LOC", "I-LOC"]},
        {"text_a": ["New", "York", "isn't", "\u200b", "here"] * 12, "label": ["B-LOC", "I-LOC", "O", "O", "O"] * 12},
    ],
    "mrc": [
        {"id": "一", "question": "谁在河里？", "context": CONTEXT, "answers": [{"text": "红鱼", "answer_start": 0}]},
        {
            "id": "2", "question": "Where is it " * 20, "context": CONTEXT,
            "answers": [{"text": "New  York", "answer_start": CONTEXT.index("New")}],
        },
    ],
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", list(READERS))
def test_batches(small_tokenizers, kind, name):
    if name not in ROWS:
        pytest.skip(f"needs rows for the reader {name}")
    tokenizer = Tokenizer.from_file(small_tokenizers[kind] / "tokenizer.json", for_cn=True)
    keys = {"max_seq_len": LIMIT, "for_cn": True} | ({"doc_stride": 8, "max_query_len": 16} if name == "mrc" else {})
    reader = READERS[name](READERS[name].Config(**keys), tokenizer)
    data = load_rows(reader, ROWS[name], "train")
    batch = reader.collate(data, np.arange(data.num_examples), np.random.default_rng(0))
    for column, spec in reader.outputs_attr("train").items():
        assert batch[column].dtype == spec.dtype, column
    tokens, mask = batch["token_ids"], batch["input_mask"] > 0
    assert tokens.shape[1] <= LIMIT
    assert tokens.max() < tokenizer.vocab_size
    assert (tokens[~mask] == tokenizer.pad_id).all()
    assert not (tokens[mask] == tokenizer.pad_id).any()
    assert (tokens[:, 0] == tokenizer.cls_id).all()
    lengths = mask.sum(axis=1)
    assert (tokens[np.arange(len(tokens)), lengths - 1] == tokenizer.sep_id).all()
    # Exported graphs of tasks with these readers have neither of the two as an input.
    assert (batch["position_ids"] == np.arange(tokens.shape[1])).all()
    assert not batch["task_ids"].any()
    expected = tokenizer.pair.num_segments if reader.segments > 1 else 1
    assert int(batch["segment_ids"].max()) + 1 == expected
    layout = tokenizer.pair if reader.segments > 1 else tokenizer.single
    special = tokenizer.special_ids - {tokenizer.unk_id} - ({tokenizer.mask_id} if name == "mlm" else set())
    assert (np.isin(tokens, sorted(special)) & mask).sum(axis=1).tolist() == [layout.num_special] * len(tokens)


@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_exact_pieces_of_the_context(small_tokenizers, kind):
    """Any tokens of a window, first to last, stand for a piece of the context without blanks around it."""
    tokenizer = Tokenizer.from_file(small_tokenizers[kind] / "tokenizer.json")
    reader = READERS["mrc"](READERS["mrc"].Config(max_seq_len=64, max_query_len=16, doc_stride=16), tokenizer)
    data = load_rows(reader, ROWS["mrc"], "train")
    starts, ends = data.ragged("context_start"), data.ragged("context_end")
    found = set()
    for row in range(data.num_examples):
        answer = ROWS["mrc"][int(data.array("record")[row])]["answers"][0]
        first, last = int(data.array("start_positions")[row]), int(data.array("end_positions")[row])
        if first:
            text = CONTEXT[starts[row][first] : ends[row][last]]
            assert answer["text"] in text
            found.add(text)
        inside = np.flatnonzero(starts[row] >= 0)
        pieces = [CONTEXT[starts[row][place] : ends[row][place]] for place in inside]
        assert all(piece and piece == piece.strip() for piece in pieces)
        assert (np.diff(starts[row][inside]) >= 0).all()
    assert "New  York" in found


@pytest.mark.parametrize("kind", KINDS)
def test_masks_to_predict(small_tokenizers, kind, tmp_path):
    tokenizer = Tokenizer.from_file(small_tokenizers[kind] / "tokenizer.json")
    reader = READERS["mlm"](READERS["mlm"].Config(max_seq_len=LIMIT), tokenizer)
    file = tmp_path / "完形.jsonl"
    texts = ["红[MASK]在河里", "the [MASK] fish [MASK] in the river"]
    file.write_text("".join(json.dumps({"text_a": text}) + "\n" for text in texts), encoding="utf-8")
    data = load_dataset(reader, file, "predict")
    batch = reader.collate(data, np.arange(2), np.random.default_rng(0))
    assert len(batch["mask_pos"]) == 3
    assert (batch["token_ids"].reshape(-1)[batch["mask_pos"]] == tokenizer.mask_id).all()
