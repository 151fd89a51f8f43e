"""Accuracy of records and of sentences."""

import numpy as np
import pytest

from palm.metric import METRICS


def test_accuracy_is_the_share_of_right_labels():
    predictions = [{"label": "1"}, {"label": "0"}, {"label": "体育"}, {"label": "财经"}]
    records = [{"label": "1"}, {"label": "1"}, {"label": "体育"}, {"label": "科技"}]

    assert METRICS["accuracy"](predictions, records) == {"accuracy": 0.5}


def test_sentence_accuracy_wants_every_label_right():
    predictions = [{"labels": ["O", "B-城市"]}, {"labels": ["O", "O"]}, {"labels": ["B-x"]}]
    records = [{"labels": ["O", "B-城市"]}, {"labels": ["O", "B-x"]}, {"labels": ["B-x"]}]

    assert METRICS["sentence_accuracy"](predictions, records) == {"sentence_accuracy": 2 / 3}


def test_no_records_give_zero():
    assert METRICS["accuracy"]([], []) == {"accuracy": 0.0}
    assert METRICS["sentence_accuracy"]([], []) == {"sentence_accuracy": 0.0}


def figures(predicted: list[list[str]], gold: list[list[str]]) -> dict[str, float]:
    return METRICS["label_set_f1"]([{"labels": labels} for labels in predicted], [{"label": labels} for labels in gold])


def test_by_hand():
    # 猫: 1 right of 2 predicted and 1 gold; 狗: 1 right of 1 and 2. Right as a whole: the last alone, which is empty.
    found = figures([["猫", "狗"], ["猫"], []], [["狗"], ["猫", "狗"], []])
    assert found == pytest.approx({"micro_f1": 4 / 6, "macro_f1": 2 / 3, "set_accuracy": 1 / 3})


def test_nothing_gives_zero():
    assert figures([], []) == {"micro_f1": 0.0, "macro_f1": 0.0, "set_accuracy": 0.0}


def test_equals_scikit_learn():
    metrics = pytest.importorskip("sklearn.metrics")
    generator = np.random.default_rng(1)
    one, other = (generator.integers(2, size=(40, 4)) for _ in range(2))
    sets = [[[str(label) for label in np.flatnonzero(row)] for row in table] for table in (one, other)]
    found = figures(*sets)
    assert found["micro_f1"] == pytest.approx(metrics.f1_score(other, one, average="micro"))
    assert found["macro_f1"] == pytest.approx(metrics.f1_score(other, one, average="macro"))
    assert found["set_accuracy"] == pytest.approx(metrics.accuracy_score(other, one))


def test_share_of_right_word_pieces_over_all_masks():
    predictions = [{"tokens": [5, 7, 9], "gold": [5, 8, 9]}, {"tokens": [], "gold": []}, {"tokens": [1], "gold": [2]}]

    assert METRICS["mlm_accuracy"](predictions, [{}, {}, {}]) == {"mlm_accuracy": 0.5}


def test_no_masks_give_zero():
    assert METRICS["mlm_accuracy"]([{"tokens": [], "gold": []}], [{}]) == {"mlm_accuracy": 0.0}
