"""`rank` rows become lists of candidates with the relevance of each."""

import json

import numpy as np
import pytest

from palm.errors import DataError
from palm.reader.loading import load_dataset
from palm.reader.rank import RankReader, RankReaderConfig

SCORED = "text_a\tchoices\trelevance\nthe cat\tsat|on|the mat\t0|2|0.5\n我\t爱|mat\t1|0\n"
PAIRS = "qid\tquery\tpassage\tscore\n1\tthe cat\tsat\t0\n2\t我\t爱\t1\n1\tthe cat\ton\t2\n2\t我\tmat\t0\n"


@pytest.fixture
def reader(tokenizer):
    def made(**keys):
        return RankReader(RankReaderConfig(**keys), tokenizer)

    return made


def batch_of(reader, dataset, rows, seed=0):
    return reader.collate(dataset, np.array(rows), np.random.default_rng(seed))


def test_a_batch_of_lists(reader, write, ids):
    lists = reader()
    batch = batch_of(lists, load_dataset(lists, write("x.tsv", SCORED), "train"), [1, 0])
    assert batch["token_ids"].tolist()[1] == ids("[CLS] 我 [SEP] mat [SEP] [PAD] [PAD]")
    assert batch["choice_rows"].tolist() == [[0, 1, 0], [2, 3, 4]]
    assert batch["choice_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]
    assert batch["relevance"].tolist() == [[1, 0, 0], [0, 2, 0.5]]


def test_rows_of_pairs_are_gathered_by_their_text_or_group(reader, write):
    expected = [("the cat", ["sat", "on"], [0, 2]), ("我", ["爱", "mat"], [1, 0])]
    for text in (PAIRS, PAIRS.replace("qid", "number")):
        records = load_dataset(reader(list_form="pairs"), write("x.tsv", text), "eval").records
        assert [(each["text_a"], each["choices"], each["relevance"]) for each in records] == expected


def test_a_pair_to_predict_is_a_list_of_one(reader, write):
    pairs = reader(list_form="pairs")
    dataset = load_dataset(pairs, write("x.tsv", PAIRS), "predict")
    assert [pairs.candidates_of(record) for record in dataset.records] == [["sat"], ["爱"], ["on"], ["mat"]]
    assert batch_of(pairs, dataset, [0, 3])["choice_mask"].tolist() == [[1], [1]]


def test_judged_rows_as_embedding_trainers_write_them(reader, write):
    rows = [
        {"query": "the cat", "pos": ["sat"], "neg": ["on", "the mat"]},
        {"query": "我", "pos": ["爱"], "neg": ["mat"]},
    ]
    file = write("x.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    records = load_dataset(reader(list_form="judged"), file, "train").records
    assert [record["choices"] for record in records] == [["sat", "on", "the mat"], ["爱", "mat"]]
    assert [record["relevance"] for record in records] == [[1, 0, 0], [1, 0]]

    triples = write("y.tsv", "anchor\tpositive\tnegative\nthe\tcat\tmat\n")
    assert load_dataset(reader(list_form="judged"), triples, "train").records[0]["choices"] == ["cat", "mat"]


def test_training_lists_are_sampled_and_keep_one_of_the_best(reader, write):
    text = "text_a\tchoices\trelevance\nthe cat\ta|b|c|d|e\t0|1|3|3|0\n"
    sampled = reader(list_size=3)
    dataset = load_dataset(sampled, write("x.tsv", text), "train")
    seen = [batch_of(sampled, dataset, [0], seed)["relevance"][0].tolist() for seed in range(40)]
    assert all(len(own) == 3 and 3 in own for own in seen)
    assert len(set(map(tuple, seen))) > 3
    assert (
        batch_of(sampled, dataset, [0], 7)["relevance"].tolist()
        == batch_of(sampled, dataset, [0], 7)["relevance"].tolist()
    )

    whole = load_dataset(sampled, write("x.tsv", text), "eval")
    assert batch_of(sampled, whole, [0])["relevance"].tolist() == [[0, 1, 3, 3, 0]]


def test_a_sampled_list_keeps_the_sequences_of_its_relevance(reader, write, ids):
    text = "text_a\tchoices\trelevance\nthe cat\tsat|on|the mat|爱\t0|1|2|3\n"
    sampled = reader(list_size=2)
    batch = batch_of(sampled, load_dataset(sampled, write("x.tsv", text), "train"), [0], seed=3)
    of_relevance = [ids(f"[CLS] the cat [SEP] {words} [SEP]") for words in ("sat", "on", "the mat", "爱")]
    for tokens, relevance in zip(batch["token_ids"].tolist(), batch["relevance"][0].tolist(), strict=True):
        assert tokens[: len(of_relevance[int(relevance)])] == of_relevance[int(relevance)]


@pytest.mark.parametrize("form", ["scored", "pairs", "judged"])
@pytest.mark.parametrize("phase", ["train", "eval", "predict"])
def test_a_batch_is_what_outputs_attr_says(reader, write, form, phase):
    text = "text_a\ttext_b\tchoices\trelevance\tpositives\tnegatives\nthe\tcat\ta|b\t0|1\ta\tb\n"
    text = text.replace("0|1", "1") if form == "pairs" else text
    made = reader(list_form=form)
    batch = batch_of(made, load_dataset(made, write("x.tsv", text), phase), [0])
    found = {name: (array.ndim, str(array.dtype)) for name, array in batch.items()}
    assert found == {name: (spec.rank, spec.dtype) for name, spec in made.outputs_attr(phase).items()}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("the\ta|b\t1", r"x\.tsv:2: `relevance` needs a number for each of 2 choices, found 1"),
        ("the\ta|b\t1|好", "`relevance` must be a number, found `好`"),
        ("the\ta|b\t1|nan", "`relevance` must be a number, found `nan`"),
        ("the\ta\t1", "`choices` needs 2 or more candidates"),
        ("the\ta||b\t1|0|1", "`choices` must contain text, found it empty"),
        ("\ta|b\t1|0", "`text_a` must contain text, found it empty"),
    ],
)
def test_lists_that_are_wrong(reader, write, row, message):
    with pytest.raises(DataError, match=message):
        load_dataset(reader(), write("x.tsv", f"text_a\tchoices\trelevance\n{row}\n"), "train")


def test_a_group_with_two_texts_is_refused(reader, write):
    text = "group\ttext_a\ttext_b\trelevance\nq\tthe\tcat\t1\nq\t我\t爱\t0\n"
    with pytest.raises(DataError, match=r"x\.tsv:3: rows of one group must have the same text_a, that of line 2"):
        load_dataset(reader(list_form="pairs"), write("x.tsv", text), "train")


def test_a_candidate_on_both_sides_is_refused(reader, write):
    with pytest.raises(DataError, match="either among `positives` or among `negatives`, found `cat` in both"):
        load_dataset(
            reader(list_form="judged"), write("x.tsv", "text_a\tpositives\tnegatives\nthe\tcat\tcat|a\n"), "train"
        )


def test_relevance_that_counts_as_nothing_is_reported(reader, write):
    lists = reader()
    [note] = lists.notes_on(load_dataset(lists, write("x.tsv", SCORED + "谁\ta|b\t-3|-0.5\n"), "train"))
    assert note.startswith("1 of 3 lists have relevance below 0, which `rank_loss: listwise`, ndcg and mrr count as 0.")


def test_lists_without_an_order_are_counted(reader, write):
    lists = reader()
    dataset = load_dataset(lists, write("x.tsv", SCORED + "the\ta|b\t1|1\n"), "train")
    assert lists.notes_on(dataset) == (
        "1 of 3 lists have candidates of one relevance only, from which no order is learned.",
    )
