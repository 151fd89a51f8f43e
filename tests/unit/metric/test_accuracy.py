"""Accuracy of records and of sentences."""

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
