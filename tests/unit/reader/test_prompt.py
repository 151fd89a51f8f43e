"""The reader `prompt`: batches worked out by hand, labels and their words, options, ranks, and the cache."""

import json
from pathlib import Path

import numpy as np
import pytest

from palm.data.dataset import LabelMap
from palm.data.prompt_form import PromptForm, SoftGroup
from palm.errors import ConfigError, DataError
from palm.reader import loading
from palm.reader.base import READERS
from palm.reader.loading import load_dataset, load_rows
from palm.reader.prompt import PromptReader
from palm.reader.prompt_fields import PromptReaderConfig
from palm.schema.fields import exported_keys

TNEWS = Path(__file__).parents[4] / "shared" / "data" / "fewclue_tnews"
ROWS = "我爱北京\tgood\nthe cat sat on the mat\tbad\n"


@pytest.fixture
def make(tokenizer):
    return lambda labels=None, **keys: PromptReader(PromptReaderConfig(**keys), tokenizer, labels)


def batch_of(reader, dataset, rows):
    return reader.collate(dataset, np.array(rows), np.random.default_rng(0))


def test_it_is_registered():
    assert READERS["prompt"] is PromptReader


def test_a_batch(make, write, ids):
    reader = make(prompt="{'text': 'text_a'}是{'mask', 'length': 2}.", max_seq_len=9)
    dataset = load_dataset(reader, write("train.txt", ROWS), "train")
    batch = batch_of(reader, dataset, [1, 0])
    assert batch["token_ids"].tolist() == [
        ids("[CLS] the cat sat 是 [MASK] [MASK] . [SEP]"),
        ids("[CLS] 我 爱 北 是 [MASK] [MASK] . [SEP]"),
    ]
    assert batch["mask_positions"].tolist() == [[5, 6], [5, 6]]
    assert batch["label_ids"].tolist() == [0, 1]
    assert batch["soft_ids"].tolist() == [[0] * 9] * 2
    assert reader.truncated(dataset) == [0, 1]


def test_a_batch_of_rows_of_different_lengths(make, ids):
    reader = make(labels=LabelMap(("good", "bad")), prompt="好", prompt_kind="soft", soft_encoder="none")
    dataset = load_rows(reader, [{"text_a": "我爱北京"}, {"text_a": ""}], "predict")
    batch = batch_of(reader, dataset, [0, 1])
    assert batch["token_ids"].tolist() == [
        ids("[CLS] 我 爱 北 京 好 [MASK] [SEP]"),
        ids("[CLS] 好 [MASK] [SEP] [PAD] [PAD] [PAD] [PAD]"),
    ]
    assert batch["soft_ids"].tolist() == [[0, 0, 0, 0, 0, 1, 0, 0], [0, 1, 0, 0, 0, 0, 0, 0]]
    assert batch["mask_positions"].tolist() == [[6], [2]]
    assert batch["input_mask"].sum(axis=1).tolist() == [8, 4]
    assert reader.truncated(dataset) == []
    assert reader.prompt_form == PromptForm(
        tuple(ids("好")), (SoftGroup("none", 0, (1,)),), 1, ((tuple(ids("good")),), (tuple(ids("bad")),))
    )


def test_segments_and_positions(make):
    prompt = "{'text': 'text_a'}{'mask', 'token_type': 1, 'position': 7}"
    reader = make(prompt=prompt, max_seq_len=10)
    dataset = load_rows(reader, [{"text_a": "我", "label": "a"}, {"text_a": "我爱", "label": "b"}], "train")
    batch = batch_of(reader, dataset, [0, 1])
    assert batch["segment_ids"].tolist() == [[0, 0, 1, 1, 0], [0, 0, 0, 1, 1]]
    assert batch["position_ids"].tolist() == [[0, 1, 7, 8, 0], [0, 1, 2, 7, 8]]
    assert (reader.segments, make(prompt="好").segments) == (2, 1)
    assert (reader.counts_positions, make(prompt="好").counts_positions) == (False, True)
    with pytest.raises(DataError, match=r"rows\[0\]: positions are below max_seq_len, 8, found a larger one"):
        load_rows(make(prompt=prompt, max_seq_len=8), [{"text_a": "我", "label": "a"}], "train")


@pytest.mark.parametrize("phase", ["train", "eval", "predict"])
@pytest.mark.parametrize(
    "keys",
    [{}, {"prompt": "{'options'}"}, {"label_kind": "several"}, {"prompt": "是{'mask', 'position': 20}"}],
    ids=str,
)
def test_a_batch_is_what_outputs_attr_says(make, write, phase, keys):
    reader, file = make(**keys), write("train.txt", ROWS)
    load_dataset(reader, file, "train")
    batch = batch_of(reader, load_dataset(reader, file, phase), [0, 1])
    found = {name: (array.ndim, str(array.dtype)) for name, array in batch.items()}
    assert found == {name: (spec.rank, spec.dtype) for name, spec in reader.outputs_attr(phase).items()}


def test_labels_of_a_file_with_their_words(make, write, ids):
    file = write("label.txt", "good'=='好\nbad==film\nbad==cat\nwho\n")
    reader = make(prompt="是", label_file=str(file))
    data = load_dataset(reader, write("train.txt", ROWS), "train")
    assert (reader.labels.names, reader.labels.words) == (("bad", "good", "who"), (("film", "cat"), ("好",), ("who",)))
    assert data.array("label_ids").tolist() == [1, 0]
    assert reader.prompt_form.label_words == (
        (tuple(ids("film")), tuple(ids("cat"))), (tuple(ids("好")),), (tuple(ids("who")),),
    )  # fmt: skip
    assert reader.label_counts(data) == [1, 1, 0]
    with pytest.raises(DataError, match=r"dev\.txt:1: label out of range.*found `goood`. Did you mean `good`"):
        load_dataset(reader, write("dev.txt", "我\tgoood\n"), "eval")


def test_labels_of_the_training_file_are_their_own_words(make, write):
    reader = make(prompt="是", label_words={"good": "好", "who": "哪"})
    load_dataset(reader, write("train.txt", ROWS), "train")
    assert (reader.labels.names, reader.labels.words) == (("bad", "good", "who"), (("bad",), ("好",), ("哪",)))


def test_several_labels(make, write):
    reader = make(prompt="是", label_kind="several")
    dataset = load_dataset(reader, write("train.txt", "我\tgood,bad\nthe\twho\n"), "train")
    assert batch_of(reader, dataset, [0, 1])["label_sets"].tolist() == [[1, 1, 0], [0, 0, 1]]


def test_words_that_cannot_be_read_off_the_vocabulary(make, write, caplog):
    file = write("train.txt", "我\t鱼\nthe\tgood\n")
    load_dataset(make(prompt="是"), file, "train")
    assert "label words that the vocabulary lacks: 鱼." in caplog.text
    with pytest.raises(ConfigError, match="label_words: a word must have tokens"):
        load_dataset(make(prompt="是", label_words={"good": "\u200b"}), file, "train")


def test_an_exported_model_needs_no_files(make, write, tokenizer, tmp_path):
    prompts = {"template": [{"text": "{'text': 'text_a'}是{'mask'}"}], "verbalizer": [{"good": "好", "bad": "film"}]}
    file = write("prompt.json", json.dumps(prompts))
    reader = make(prompt_path=str(file))
    load_dataset(reader, write("train.txt", ROWS), "train")
    of_file = make(prompt="是", label_file=str(write("label.txt", "good==好\nbad==film\n")))
    load_dataset(of_file, tmp_path / "train.txt", "train")
    for name in ("prompt.json", "label.txt"):
        (tmp_path / name).unlink()
    for trained in (reader, of_file):
        keys = exported_keys(trained.config)
        assert str(tmp_path) not in json.dumps(keys)
        again = PromptReader(PromptReaderConfig(**keys), tokenizer, trained.labels)
        assert again.prompt_form == trained.prompt_form
        rows = [{"text_a": "我爱你"}]
        expected, found = (batch_of(each, load_rows(each, rows, "predict"), [0]) for each in (trained, again))
        assert {name: array.tolist() for name, array in found.items()} == {
            name: array.tolist() for name, array in expected.items()
        }


def test_options_are_sequences_of_their_own(make, write, ids):
    prompt = "{'text': 'text_a'}{'sep': None, 'token_type': 1}{'options': ['good', 'bad'], 'add_prompt': '是[OPT]'}"
    reader = make(prompt=prompt, max_seq_len=8)
    dataset = load_dataset(reader, write("train.txt", ROWS), "train")
    batch = batch_of(reader, dataset, [1, 0])
    assert batch["token_ids"].tolist() == [
        ids("[CLS] the cat sat [SEP] 是 bad [SEP]"),
        ids("[CLS] the cat sat [SEP] 是 good [SEP]"),
        ids("[CLS] 我 爱 北 [SEP] 是 bad [SEP]"),
        ids("[CLS] 我 爱 北 [SEP] 是 good [SEP]"),
    ]
    assert batch["segment_ids"].tolist() == [[0, 0, 0, 0, 1, 1, 1, 1]] * 4
    assert batch["choice_rows"].tolist() == [[0, 1], [2, 3]]
    assert batch["choice_mask"].tolist() == [[1, 1], [1, 1]]
    assert batch["label_ids"].tolist() == [0, 1]
    assert dataset.records[0]["choices"] == ["bad", "good"]
    part = reader.part(batch, 2, 1, 2)
    assert part["token_ids"].tolist() == batch["token_ids"].tolist()[2:]
    assert (part["choice_rows"].tolist(), part["soft_ids"].shape, part["label_ids"].tolist()) == ([[0, 1]], (2, 8), [1])


def test_a_part_of_a_batch(make, write):
    reader = make(prompt="好", prompt_kind="soft")
    batch = batch_of(reader, load_dataset(reader, write("train.txt", ROWS), "train"), [0, 1])
    part = reader.part(batch, 2, 1, 2)
    assert {name: array.tolist() for name, array in part.items()} == {
        name: array[1:].tolist() for name, array in batch.items()
    }


def test_a_text_that_is_not_cut_may_leave_no_room(make):
    reader = make(prompt="{'text': 'text_a'}{'text': 'text_b', 'truncate': False}{'mask'}", max_seq_len=6)
    assert reader.text_columns == ("text_a", "text_b")
    rows = [{"text_a": "我", "text_b": "你好", "label": "a"}, {"text_a": "我", "text_b": "你好在", "label": "b"}]
    with pytest.raises(DataError, match=r"rows\[1\]: max_seq_len is 6, .*leaves no room for text"):
        load_rows(reader, rows, "train")


def test_text_of_control_characters_is_no_text(make):
    with pytest.raises(DataError, match=r"rows\[0\]: `text_a` must contain text, found only blanks"):
        load_rows(make(), [{"text_a": "\u200b", "label": "a"}], "train")


def test_the_cache_keeps_everything(make, write, tmp_path, monkeypatch):
    monkeypatch.setattr(loading, "SMALLEST_FILE", 0)
    monkeypatch.setattr(loading, "RECORDS_AT_ONCE", 1)
    monkeypatch.setenv("PALM_CACHE", str(tmp_path / "cache"))
    file = write("train.txt", ROWS)
    keys = {
        "prompt": "好{'mask', 'token_type': 1, 'position': 9}",
        "prompt_kind": "soft",
        "label_words": {"bad": "film"},
    }
    batches, readers = [], [make(**keys) for _ in range(2)]
    for reader in readers:
        batches.append(batch_of(reader, load_dataset(reader, file, "train"), [1, 0]))
    assert {name: array.tolist() for name, array in batches[0].items()} == {
        name: array.tolist() for name, array in batches[1].items()
    }
    assert readers[1].labels.words == (("film",), ("good",))
    other = make(**{**keys, "label_words": {"bad": "cat"}})
    load_dataset(other, file, "train")
    assert other.labels.words == (("cat",), ("good",))


def test_readers_with_the_same_options_read_alike(make):
    keys = {"prompt": "{'options'}"}
    one, other = (make(LabelMap(("a", "b"), words=words), **keys) for words in ((("是",), ("好",)), (("是",), ("你",))))
    same = make(LabelMap(("x", "y"), words=(("是",), ("好",))), **keys)
    assert one.reads_alike(same, with_gold=False)
    assert not one.reads_alike(other, with_gold=False)


def test_what_check_says(make, write):
    reader = make(prompt="我爱", prompt_kind="soft", max_seq_len=20, label_words={"good": ["好", "你"]})
    dataset = load_dataset(reader, write("train.txt", ROWS), "train")
    assert reader.remarks(dataset.records) == {
        "prompt": "3 tokens, with room for 15, 2 soft vectors, 1 [MASK]",
        "label words": "bad bad, good 好/你",
    }


def test_real_news(make):
    if not TNEWS.is_dir():
        pytest.skip("needs ../shared/data/fewclue_tnews")
    reader = make(prompt="这条新闻标题的主题是", prompt_kind="soft", max_seq_len=24)
    dataset = load_dataset(reader, TNEWS / "train_0.json", "train")
    assert (len(dataset.records), len(reader.labels)) == (240, 15)
    assert np.bincount(dataset.array("label_ids")).tolist() == [16] * 15
    assert reader.labels.names[:2] == ("news_agriculture", "news_car")
    assert (dataset.lengths <= 24).all()


def test_tokens_around_the_texts_are_those_of_the_prompt(make):
    assert make(prompt="{'text': 'text_a'}是{'mask', 'length': 2}.").tokens_around(1) == 2 + 4
    options = make(labels=LabelMap(("好", "北京")), prompt="{'options'}")
    assert options.tokens_around(1) == 2 + 2


def test_columns_without_a_tokenizer():
    assert PromptReader.columns_of({"prompt": "{'text': 'title'}{'sep'}{'text': 'text_b'}{'mask'}"}) == (
        "title",
        "text_b",
    )
    assert PromptReader.columns_of({"prompt": None}) == ("text_a",)
    assert READERS["match"].columns_of({}) == ("text_a", "text_b")
