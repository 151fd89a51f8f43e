"""Dev rows are a pure function of the rows' content: stratified, seeded, independent of their order."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.data.dataset import Dataset, Ragged
from palm.data.splitting import dev_mask

TEXTS = [f"文本 {number}" for number in range(200)]
LABELS = ["体育" if number % 4 else "财经" for number in range(200)]


def chosen(texts, labels, fraction=0.1, seed=1, **keys):
    mask = dev_mask(texts, labels, fraction=fraction, seed=seed, **keys)
    return {text for text, is_dev in zip(texts, mask, strict=True) if is_dev}


def test_each_label_gives_its_part():
    mask = dev_mask(TEXTS, LABELS, fraction=0.1, seed=1)
    assert Counter(label for label, is_dev in zip(LABELS, mask, strict=True) if is_dev) == {"体育": 15, "财经": 5}


def test_the_order_does_not_matter_and_the_seed_does():
    pairs = list(zip(TEXTS, LABELS, strict=True))
    random.Random(0).shuffle(pairs)
    assert chosen(*zip(*pairs, strict=True)) == chosen(TEXTS, LABELS)
    assert chosen(TEXTS, LABELS, seed=2) != chosen(TEXTS, LABELS)
    # A larger part contains a smaller one.
    assert chosen(TEXTS, LABELS) < chosen(TEXTS, LABELS, 0.3)


def test_the_choice_is_that_of_earlier_versions():
    texts = [f"text {number}" for number in range(10)]
    assert sorted(chosen(texts, [""] * 10, 0.3)) == EARLIER


# sha256 of `1\ntext n`, the three smallest, by the command line: printf '1\ntext 0' | sha256sum
EARLIER = ["text 1", "text 4", "text 5"]


def test_the_same_text_stays_on_one_side():
    texts = [*TEXTS, *TEXTS, *TEXTS]
    mask = dev_mask(texts, LABELS * 3, fraction=0.1, seed=1)
    assert {text for text, dev in zip(texts, mask, strict=True) if dev}.isdisjoint(
        text for text, dev in zip(texts, mask, strict=True) if not dev
    )


def test_a_rare_label_keeps_a_row_for_training():
    labels = ["a"] * 99 + ["b"]
    for fraction in (0.1, 0.5, 0.99):
        assert not dev_mask(TEXTS[:100], labels, fraction=fraction, seed=1)[99]


def test_by_group_alone_tasks_with_the_same_texts_are_split_alike():
    other = [*TEXTS[50:], "新"]
    one = chosen(TEXTS, LABELS, by_group_alone=True)
    two = chosen(other, ["x"] * len(other), by_group_alone=True)
    assert one & set(other) == two & set(TEXTS)
    assert 8 <= len(one) <= 35


@given(st.lists(st.tuples(st.text(max_size=2), st.sampled_from("abc")), min_size=2), st.floats(0.01, 0.99))
def test_any_rows(rows, fraction):
    texts, labels = zip(*rows, strict=True)
    mask = dev_mask(texts, labels, fraction=fraction, seed=3)
    assert mask.shape == (len(rows),)
    assert {label for label, is_dev in zip(labels, mask, strict=True) if not is_dev} == set(labels)


@pytest.mark.parametrize("kept", [[True, False, True], [False, False, True], [True, True, True]])
def test_taking_records_of_a_data_set(kept):
    rows = [[5, 6], [7], [8, 9, 1], [2]]
    record = np.array([0, 1, 1, 2])
    records = [{"line": 2}, {"line": 3}, {"line": 4}]
    dataset = Dataset({"token_ids": Ragged.from_rows(rows), "record": record, "y": record * 10}, records, "x", ("n",))
    taken = dataset.take(np.array(kept))
    wanted = [number for number in range(4) if kept[record[number]]]
    assert [taken.ragged("token_ids")[row].tolist() for row in range(taken.num_examples)] == [rows[n] for n in wanted]
    assert taken.array("y").tolist() == [record[number] * 10 for number in wanted]
    assert [taken.records[number]["line"] for number in taken.array("record")] == [record[n] + 2 for n in wanted]
    assert list(taken.records) == [each for each, keep in zip(records, kept, strict=True) if keep]
    assert taken.records[-1] == taken.records[:][-1] == list(taken.records)[-1]
