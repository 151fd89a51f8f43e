"""Accuracy over masked positions."""

from palm.metric import METRICS


def test_share_of_right_word_pieces_over_all_masks():
    predictions = [{"tokens": [5, 7, 9], "gold": [5, 8, 9]}, {"tokens": [], "gold": []}, {"tokens": [1], "gold": [2]}]

    assert METRICS["mlm_accuracy"](predictions, [{}, {}, {}]) == {"mlm_accuracy": 0.5}


def test_no_masks_give_zero():
    assert METRICS["mlm_accuracy"]([{"tokens": [], "gold": []}], [{}]) == {"mlm_accuracy": 0.0}
