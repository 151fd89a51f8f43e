"""Every reader makes valid batches with every kind of tokenizer."""

import json

import numpy as np
import pytest

from palm.data.dataset import LabelMap, Ragged
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
    "rank": [
        {"text_a": "谁在河里", "choices": ["the bird", "红鱼 😀", "a"], "relevance": [0, 2, 1]},
        {"text_a": "who runs", "choices": ["the cat", "蓝鸟" * 40], "relevance": [0.5, 0]},
    ],
    "pairwise_match": [
        {"text_a": "谁在河里", "text_b": "红鱼", "text_b_neg": "the bird"},
        {"text_a": "who runs", "text_b": "the cat", "text_b_neg": "蓝鸟"},
    ],
    "prompt": [{"label": "水", "text_a": "红鱼在河里游 </s>"}, {"label": "air", "text_a": "who " * 60}],
    "embed": [{"label": "水", "text_a": "红鱼在河里游 </s>"}, {"label": "air", "text_a": "blue bird [SEP] flies " * 9}],
    "embed_pairs": [
        {"text_a": "谁在河里", "text_b": "红鱼"}, {"text_a": "who runs", "text_b": "the cat " * 30},
        {"text_a": "谁在河里", "text_b": "the bird"},
    ],
    "spans": [
        {"text_a": "红鱼在河里游", "label": [[0, 2, "鱼"], [0, 4, "place"], [3, 4, "水"]]},
        {"text_a": "New York isn't here " * 12, "label": [[0, 8, "place"], [4, 8, "place"]]},
    ],
    "seq2seq": [
        {"text_a": "红鱼在河里游 </s>", "target": "the red fish [SEP] swims"},
        {"text_a": "who " * 60, "target": "谁 " * 90},
    ],
    "mlm": [{"text_a": "红鱼在河里游。"}, {"text_a": "the red fish swims in the river"}],
    "seq_label": [
        {"text_a": list("北京大学在北京"), "label": ["B-LOC", "I-LOC", "O", "O", "O", "B-LOC", "I-LOC"]},
        {"text_a": ["New", "York", "isn't", "\u200b", "here"] * 12, "label": ["B-LOC", "I-LOC", "O", "O", "O"] * 12},
    ],
    "parse": [
        {"text_a": list("北京大学"), "heads": [2, 4, 2, 0], "label": ["dep"] * 3 + ["root"]},
        {
            "text_a": ["New", "York", "isn't", "\u200b", "here"] * 12,
            "heads": [0, *range(1, 60)], "label": ["root"] + ["dep"] * 59,
        },
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
    special = tokenizer.special_ids - {tokenizer.unk_id} - ({tokenizer.mask_id} if name in ("mlm", "prompt") else set())
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


OTHER_VALUES = {
    "label_kind": "number", "n_classes": 7, "on_missing_label": "leave_out", "leave_out_labels": ["fish"],
    "augment_type": "swap", "num_augment": 2, "word_augment_percent": 0.5, "augment_method": "mlm",
    "pseudo_data_path": "pseudo.jsonl", "on_unknown_label": "count_as_wrong",
    "max_target_len": 7, "skip_empty_text": True, "tag_scheme": "none", "on_bad_span": "drop",
}  # fmt: skip
"""A value that is not the default of each key that some reader ignores in rows without gold."""


def _config(name, **keys):
    return READERS[name].Config(**({"max_query_len": 16} if name == "mrc" else {}), **keys)


@pytest.mark.parametrize("name", list(READERS))
def test_readers_that_read_alike_make_equal_data_sets_and_batches(small_tokenizers, name):
    kind = READERS[name]
    if name not in ROWS or kind.gold_keys is None:
        pytest.skip(f"{name} reads for no other reader")
    tokenizer = Tokenizer.from_file(small_tokenizers[KINDS[0]] / "tokenizer.json")
    rows = [{column: row[column] for column in kind.text_columns} for row in ROWS[name]]
    if name != "mrc":  # which takes no empty context
        rows.append(
            {column: value if isinstance(value := rows[0][column], list) else "" for column in kind.text_columns}
        )
    if name == "mlm":
        rows = [{"text_a": f"[MASK] {row['text_a']}"} for row in rows]
    one = kind(_config(name, max_seq_len=LIMIT), tokenizer, LabelMap(("fish", "bird")))
    keys = {key: OTHER_VALUES[key] for key in kind.gold_keys}
    if name == "prompt":  # which has no gold that is a number
        keys["label_kind"] = "several"
    other = kind(_config(name, max_seq_len=LIMIT, **keys), tokenizer, LabelMap(("x", "y", "z"), "none"))
    assert one.reads_alike(other, with_gold=False)
    assert one.reads_alike(other, with_gold=True) == (not keys)
    first, second = (load_rows(reader, rows, "predict") for reader in (one, other))
    assert list(first.records) == list(second.records)
    assert first.columns.keys() == second.columns.keys()
    for column, values in first.columns.items():
        theirs = second.columns[column]
        pairs = (
            [(values.values, theirs.values), (values.offsets, theirs.offsets)]
            if isinstance(values, Ragged)
            else [(values, theirs)]
        )
        assert all(np.array_equal(ours, others) for ours, others in pairs), column
    batches = [
        reader.collate(first, np.arange(first.num_examples), np.random.default_rng(seed))
        for seed, reader in enumerate((one, other))
    ]
    assert batches[0].keys() == batches[1].keys()
    assert all(np.array_equal(batches[0][column], batches[1][column]) for column in batches[0])


@pytest.mark.parametrize("name", list(READERS))
def test_readers_that_differ_do_not_read_alike(small_tokenizers, name):
    kind = READERS[name]
    tokenizers = [Tokenizer.from_file(small_tokenizers[each] / "tokenizer.json") for each in KINDS[:2]]
    one = kind(_config(name, max_seq_len=LIMIT), tokenizers[0])
    assert one.reads_alike(one, with_gold=True)
    others = [
        kind(_config(name, max_seq_len=LIMIT + 1), tokenizers[0]),
        kind(_config(name, max_seq_len=LIMIT), tokenizers[1]),
        kind(_config(name, max_seq_len=LIMIT), tokenizers[0], LabelMap(("O",), splits_text=True)),
        *(READERS[other](_config(other, max_seq_len=LIMIT), tokenizers[0]) for other in READERS if other != name),
    ]
    assert not any(one.reads_alike(other, with_gold=False) for other in others)
    same = kind(_config(name, max_seq_len=LIMIT), tokenizers[0])
    assert one.reads_alike(same, with_gold=True) == (kind.gold_keys is not None)


@pytest.mark.parametrize("name", ["cls", "match"])
def test_keys_of_gold_matter_to_rows_that_may_have_gold(small_tokenizers, name):
    kind, tokenizer = READERS[name], Tokenizer.from_file(small_tokenizers[KINDS[0]] / "tokenizer.json")
    one = kind(kind.Config(), tokenizer)
    assert not one.reads_alike(kind(kind.Config(label_kind="several"), tokenizer), with_gold=True)
    renamed = [
        kind(kind.Config(label_kind=label, columns={"label": "text_a"}), tokenizer) for label in ("class", "several")
    ]
    assert not renamed[0].reads_alike(renamed[1], with_gold=False)
