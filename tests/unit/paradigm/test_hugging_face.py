"""Predictions in the shapes of Hugging Face's inference API, for each paradigm."""

import pytest

from palm.data.dataset import LabelMap
from palm.paradigm.base import PARADIGMS
from palm.paradigm.hugging_face import ApiRow, scores_by_label
from palm.paradigm.mlm import MaskedLM
from palm.paradigm.mrc import SpanExtraction
from palm.paradigm.seq_label import Tagging


def test_labels_are_listed_best_first_and_in_their_own_order_where_equal():
    found = scores_by_label({"b": 0.2, "a": 0.6, "好": 0.2}, None)
    assert found == [{"label": "a", "score": 0.6}, {"label": "b", "score": 0.2}, {"label": "好", "score": 0.2}]
    assert scores_by_label({"b": 0.2, "a": 0.8}, 1) == [{"label": "a", "score": 0.8}]


def test_every_paradigm_says_what_its_predictions_are():
    kinds = {name: PARADIGMS[name].answer_kind for name in PARADIGMS}
    known = {"labels", "spans", "answer", "match", "cloze", "value", "choice", "text", "tree"}
    assert set(kinds.values()) == known
    assert kinds["seq_label"] == "spans"
    assert kinds["mrc"] == "answer"


TAGS = Tagging(Tagging.Config(), LabelMap(("O", "B-x", "I-x")))


@pytest.mark.parametrize(
    ("text", "words", "place"),
    [
        ("the  red fish", ["the", "red", "fish"], (5, 13)),  # two blanks
        ("red red fish", ["red", "red", "fish"], (4, 12)),  # a word that occurs before
        ("大红鱼", ["大", "红", "鱼"], (1, 3)),
        ("", ["the", "red", "fish"], (None, None)),  # no text
    ],
)
def test_a_span_stands_at_its_characters(text, words, place):
    prediction = {"words": words, "spans": [{"type": "x", "start": 1, "end": 3, "text": "red fish"}]}
    [entity] = TAGS.hugging_face(prediction, ApiRow((text,)))
    assert (entity["start"], entity["end"]) == place
    assert entity.keys() == {"entity_group", "word", "start", "end"}  # a CRF has no probability of a label
    assert (entity["entity_group"], entity["word"]) == ("x", "red fish")
    scored = {**prediction, "spans": [{**prediction["spans"][0], "score": 0.75}]}
    assert TAGS.hugging_face(scored, ApiRow((text,))) == [{**entity, "score": 0.75}]


def test_characters_that_the_prediction_knows_are_taken():
    span = {"type": "x", "start": 0, "end": 1, "text": "b", "start_char": 7, "end_char": 8}
    [entity] = TAGS.hugging_face({"words": ["b"], "spans": [span]}, ApiRow(("b",)))
    assert (entity["start"], entity["end"]) == (7, 8)


def test_answers_by_top_k():
    best = {"text": "Paris", "start": 3, "end": 8, "probability": 0.7}
    other = {"text": "Lyon", "start": 12, "end": 16, "probability": 0.3}
    prediction = {**best, "nbest": [{**best, "start_logit": 1.0}, {**other, "start_logit": 0.5}]}
    paradigm = SpanExtraction(SpanExtraction.Config())
    answer = {"answer": "Paris", "score": 0.7, "start": 3, "end": 8}
    assert paradigm.hugging_face(prediction, ApiRow()) == answer
    assert paradigm.hugging_face(prediction, ApiRow(top_k=1)) == answer
    assert paradigm.hugging_face(prediction, ApiRow(top_k=2))[1]["answer"] == "Lyon"


def test_masks_are_filled_in_their_text():
    masks = [{"ids": [4, 5], "tokens": ["a", "b"], "probs": [0.6, 0.1]}, {"ids": [6], "tokens": ["c"], "probs": [0.5]}]
    paradigm = MaskedLM(MaskedLM.Config())
    row = ApiRow(("x [MASK] y [MASK]",), top_k=1)
    one, other = paradigm.hugging_face({"masks": masks}, row)
    assert one == [{"score": 0.6, "token": 4, "token_str": "a", "sequence": "x a y [MASK]"}]
    assert other[0]["sequence"] == "x [MASK] y c"
    assert paradigm.hugging_face({"masks": masks[1:]}, ApiRow(("[MASK]",)))[0]["sequence"] == "c"
