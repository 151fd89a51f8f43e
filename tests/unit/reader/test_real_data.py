"""Public data sets load whole, and every training answer is found again by its tokens."""

import pytest

from palm.data.tokenizer import Tokenizer
from palm.errors import DataError
from palm.reader.cls import ClassificationReader, ClassificationReaderConfig
from palm.reader.loading import load_dataset
from palm.reader.match import MatchingReader, MatchingReaderConfig
from palm.reader.mlm import MaskedLMReader, MaskedLMReaderConfig
from palm.reader.mrc import SquadReader, SquadReaderConfig
from palm.reader.seq_label import TaggingReader, TaggingReaderConfig


@pytest.fixture(scope="module")
def english(shared):
    return Tokenizer.from_file(shared / "models/bert-tiny-mlm-en/vocab.txt", do_lower_case=True, for_cn=False)


@pytest.fixture(scope="module")
def chinese(shared):
    return Tokenizer.from_file(shared / "models/me5-small-zh-char/vocab.txt", do_lower_case=True, for_cn=True)


def load_mrc(tokenizer, file, phase="train", **keys):
    return load_dataset(
        SquadReader(SquadReaderConfig(max_seq_len=384, for_cn=tokenizer.for_cn, **keys), tokenizer), file, phase
    )


def found_answers(dataset):
    """For each record, the texts between start and end token of the windows that hold the answer."""
    texts = [[] for _ in dataset.records]
    positions = zip(dataset.array("start_positions"), dataset.array("end_positions"), strict=True)
    for row, (first, last) in enumerate(positions):
        if first:
            record = dataset.array("record")[row]
            start, end = dataset.ragged("context_start")[row][first], dataset.ragged("context_end")[row][last]
            texts[record].append(dataset.records[record]["context"][start:end])
    return texts


@pytest.mark.parametrize(
    ("file", "language", "questions", "exact"),
    [
        ("palm_samples/mrqa/train.json", "english", 99, 1.0),
        ("policyqa/dev.json", "english", 3809, 0.98),
        ("xquad/xquad.en.json", "english", 1190, 0.99),
        ("xquad/xquad.zh.json", "chinese", 1190, 0.999),
    ],
)
def test_every_training_answer_is_found_by_its_tokens(shared, request, file, language, questions, exact):
    dataset = load_mrc(request.getfixturevalue(language), shared / "data" / file)
    assert len(dataset.records) == questions
    gold = [record["answers"][0]["text"] for record in dataset.records]
    found = found_answers(dataset)
    assert all(texts and len(set(texts)) == 1 for texts in found)
    # What is not exact begins or ends inside a token, or with a blank.
    assert all(answer.strip() in texts[0] for answer, texts in zip(gold, found, strict=True))
    share = sum(answer == texts[0] for answer, texts in zip(gold, found, strict=True)) / questions
    assert share >= exact


def test_wrong_offsets_of_cmrc2018_are_found(shared, chinese):
    file = shared / "data/cmrc2018/cmrc2018_dev.json"
    with pytest.raises(DataError, match=r"question `DEV_6_QUERY_2`.*\n(.*\n)*.*and \d+ more"):
        load_mrc(chinese, file)
    assert len(load_mrc(chinese, file, "eval").records) == 3219


def test_cmrc2018_trial_without_its_bad_answers(shared, chinese):
    file = shared / "data/cmrc2018/cmrc2018_trial.json"
    with pytest.raises(DataError, match=r"question `TRIAL_210_QUERY_0`: .* The nearest true offset is 13\."):
        load_mrc(chinese, file)
    # 5 answers with a wrong offset and 2 empty questions.
    assert len(load_mrc(chinese, file, on_bad_answer="drop").records) == 1002 - 5 - 2


@pytest.mark.parametrize(
    ("reader", "config", "file", "keys", "rows", "labels"),
    [
        (ClassificationReader, ClassificationReaderConfig, "palm_samples/cls4mrqa/train.tsv", {"n_classes": 4}, 61, 4),
        (MatchingReader, MatchingReaderConfig, "palm_samples/match4mrqa/train.tsv", {}, 100, 2),
        (MaskedLMReader, MaskedLMReaderConfig, "palm_samples/mlm4mrqa/train.tsv", {}, 120, 0),
        (
            MatchingReader,
            MatchingReaderConfig,
            "glue_rte/train.tsv",
            {"columns": "text_a=sentence1,text_b=sentence2"},
            2490,
            2,
        ),
        (
            MatchingReader,
            MatchingReaderConfig,
            "mrpc/msr_paraphrase_train.txt",
            {"columns": "text_a=#1 String,text_b=#2 String,label=Quality"},
            4076,
            2,
        ),
        (
            ClassificationReader,
            ClassificationReaderConfig,
            "cluemotion2020/valid.txt",
            {"columns": "text_a=content", "file_format": "jsonl"},
            3966,
            7,
        ),
        (TaggingReader, TaggingReaderConfig, "wnut17/wnut17train.conll", {}, 3394, 13),
    ],
)
def test_tables(shared, english, reader, config, file, keys, rows, labels):
    loaded = reader(config(**keys), english)
    dataset = load_dataset(loaded, shared / "data" / file, "train")
    assert len(dataset.records) == rows
    assert len(loaded.labels or ()) == labels


def test_a_file_without_header_is_noticed(shared, chinese):
    with pytest.raises(
        DataError, match=r"tnews/train\.tsv:1: the first row must name the columns, expected label, text_a, found"
    ):
        load_dataset(
            ClassificationReader(ClassificationReaderConfig(), chinese), shared / "data/tnews/train.tsv", "train"
        )
