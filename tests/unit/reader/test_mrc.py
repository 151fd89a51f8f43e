"""`mrc` questions become windows whose tokens point back at the characters of the context."""

import json
import logging

import numpy as np
import pytest

from palm.errors import DataError
from palm.reader.loading import load_dataset
from palm.reader.mrc import SquadReader, SquadReaderConfig

CONTEXT = "The cats sat on the mat. 我爱北京."


@pytest.fixture
def load(tokenizer, write):
    def load_questions(*questions, phase="train", context=CONTEXT, **keys):
        """Questions are (question, answer, answer_start); an answer of None is left out."""
        qas = []
        for number, (question, *answer) in enumerate(questions):
            answers = [{"text": answer[0], "answer_start": answer[1]}] if answer else []
            qas.append({"id": f"q{number}", "question": question, "answers": answers})
        path = write("x.json", json.dumps({"data": [{"paragraphs": [{"context": context, "qas": qas}]}]}))
        reader = SquadReader(SquadReaderConfig(**({"max_seq_len": 32, "max_query_len": 8} | keys)), tokenizer)
        return reader, load_dataset(reader, path, phase)

    return load_questions


def answer_of(dataset, row):
    """The text between the start and the end token of an example."""
    first, last = dataset.array("start_positions")[row], dataset.array("end_positions")[row]
    context = dataset.records[dataset.array("record")[row]]["context"]
    return context[dataset.ragged("context_start")[row][first] : dataset.ragged("context_end")[row][last]]


def test_one_window(load, ids):
    _, dataset = load(("Where?", "the mat", 16))
    assert dataset.ragged("token_ids")[0].tolist() == ids(
        "[CLS] where ? [SEP] the cat ##s sat on the mat . 我 爱 北 京 . [SEP]"
    )
    assert dataset.ragged("segment_ids")[0].tolist() == [0] * 4 + [1] * 14
    assert dataset.ragged("context_start")[0].tolist() == [-1] * 4 + [
        0,
        4,
        7,
        9,
        13,
        16,
        20,
        23,
        25,
        26,
        27,
        28,
        29,
        -1,
    ]
    assert dataset.ragged("context_end")[0].tolist() == [-1] * 4 + [3, 7, 8, 12, 15, 19, 23, 24, 26, 27, 28, 29, 30, -1]
    assert dataset.ragged("is_max_context")[0].tolist() == [0] * 4 + [1] * 13 + [0]
    assert (dataset.array("start_positions")[0], dataset.array("end_positions")[0]) == (9, 10)
    assert answer_of(dataset, 0) == "the mat"


def test_chinese_answers_are_characters(load):
    _, dataset = load(("我爱哪里?", "北京", 27))
    assert answer_of(dataset, 0) == "北京"


def test_an_answer_inside_a_token_is_widened(load):
    _, dataset = load(("who", "at", 5))
    assert answer_of(dataset, 0) == "cat"


def test_windows(load, ids):
    context = "a b c d e f g h"
    _, dataset = load(("who", "e f", 8), context=context, max_seq_len=8, max_query_len=2, doc_stride=2)
    assert [row.tolist() for row in dataset.ragged("token_ids")] == [
        ids("[CLS] who [SEP] a b c d [SEP]"),
        ids("[CLS] who [SEP] c d e f [SEP]"),
        ids("[CLS] who [SEP] e f g h [SEP]"),
    ]
    assert dataset.array("start_positions").tolist() == [0, 5, 3]
    assert dataset.array("end_positions").tolist() == [0, 6, 4]
    assert [answer_of(dataset, row) for row in (1, 2)] == ["e f", "e f"]
    assert dataset.array("record").tolist() == [0, 0, 0]
    assert dataset.array("unique_ids").tolist() == [0, 1, 2]
    assert [row.tolist() for row in dataset.ragged("is_max_context")] == [
        [0, 0, 0, 1, 1, 1, 0, 0],
        [0, 0, 0, 0, 1, 1, 0, 0],
        [0, 0, 0, 0, 1, 1, 1, 0],
    ]


def test_a_window_with_half_of_the_answer_points_at_cls(load):
    _, dataset = load(("who", "c d e", 4), context="a b c d e", max_seq_len=8, max_query_len=2, doc_stride=1)
    assert dataset.array("start_positions").tolist() == [0, 4]
    assert dataset.array("end_positions").tolist() == [0, 6]


def test_a_long_question_is_cut(load, ids):
    _, dataset = load(("who who who who", "a", 0), context="a b", max_query_len=2, max_seq_len=8)
    assert dataset.ragged("token_ids")[0].tolist() == ids("[CLS] who who [SEP] a b [SEP]")


def test_every_token_of_the_context_has_max_context_once(load):
    _, dataset = load(("who", "a", 0), context="a b c d e f g h " * 5, max_seq_len=12, max_query_len=3, doc_stride=3)
    starts = np.concatenate([dataset.ragged("context_start")[row] for row in range(dataset.num_examples)])
    is_max = np.concatenate([dataset.ragged("is_max_context")[row] for row in range(dataset.num_examples)])
    assert sorted(starts[is_max == 1].tolist()) == list(range(0, 80, 2))


def test_batches(load):
    reader, dataset = load(("Where?", "the mat", 16), ("who is", "cats", 4))
    batch = reader.collate(dataset, np.array([1, 0]), np.random.default_rng(0))
    assert batch["unique_ids"].tolist() == [1, 0]
    assert batch["start_positions"].tolist() == [5, 9]
    assert batch["end_positions"].tolist() == [6, 10]
    found = {name: (array.ndim, str(array.dtype)) for name, array in batch.items()}
    assert found == {name: (spec.rank, spec.dtype) for name, spec in reader.outputs_attr("train").items()}


@pytest.mark.parametrize("phase", ["eval", "predict"])
def test_no_gold_positions_outside_training(load, phase):
    reader, dataset = load(("Where?", "no such text", 500), phase=phase)
    batch = reader.collate(dataset, np.array([0]), np.random.default_rng(0))
    assert set(batch) == set(reader.outputs_attr(phase))
    assert "start_positions" not in batch


def test_an_answer_that_is_not_at_its_offset(load):
    with pytest.raises(DataError) as caught:
        load(("Where?", "the mat", 16), ("who", "cats", 9), ("who", "dog", 1))
    first, second = str(caught.value).splitlines()
    assert first.endswith(
        "x.json: question `q1`: answer text `cats` is not at answer_start 9, found `sat `. "
        "The nearest true offset is 4. Correct it, or set on_bad_answer: drop."
    )
    assert "question `q2`: answer text `dog`" in second


def test_bad_answers_may_be_dropped_and_are_counted(load, caplog):
    with caplog.at_level(logging.WARNING):
        _, dataset = load(("Where?", "the mat", 16), ("who", "cats", 9), ("", "cats", 4), on_bad_answer="drop")
    assert [record["id"] for record in dataset.records] == ["q0"]
    assert dataset.array("record").tolist() == [0]
    assert "x.json: on_bad_answer dropped 2 faults, and with them 2 questions." in caplog.text


def test_a_file_of_which_nothing_is_left_is_refused(load):
    with pytest.raises(DataError, match="answer text `dog`"):
        load(("who", "dog", 1), on_bad_answer="drop")


def test_questions_without_answer_point_at_cls(load):
    _, dataset = load(("who",), ("who", "cats", 4), with_negative=True)
    assert dataset.array("start_positions").tolist() == [0, 4]
    assert dataset.array("end_positions").tolist() == [0, 5]


def test_an_empty_context_is_predicted(load, ids):
    _, dataset = load(("who",), context="", phase="predict")
    assert dataset.ragged("token_ids")[0].tolist() == ids("[CLS] who [SEP] [SEP]")


def test_max_seq_len_has_room_for_the_context():
    with pytest.raises(ValueError, match="found max_seq_len = 64 and max_query_len = 64"):
        SquadReaderConfig(max_seq_len=64)


def test_another_format():
    with pytest.raises(ValueError, match="this reader takes auto, json, jsonl, found `tsv`"):
        SquadReaderConfig(file_format="tsv")
