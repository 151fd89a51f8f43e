"""What paradigms say of themselves to general modules."""

import json

import pytest

from palm.data.dataset import LabelMap
from palm.paradigm import PARADIGMS
from palm.paradigm.base import TransformersHead

LABELS = LabelMap(("a", "b"))
TEXTS = TransformersHead("ForSequenceClassification")
WORDS = TransformersHead("ForTokenClassification")
ANSWERS = TransformersHead("ForQuestionAnswering", layer="qa_outputs", has_labels=False)


def build(name, **keys):
    return PARADIGMS[name](PARADIGMS[name].Config(**keys), LABELS)


def test_predictions_are_written_one_object_a_line():
    files = build("cls").prediction_files([{"label": "体育"}, {"label": "b"}])
    assert files == {"predictions.json": '{"label": "体育"}\n{"label": "b"}\n'}
    assert [json.loads(line) for line in files["predictions.json"].splitlines()] == [{"label": "体育"}, {"label": "b"}]


@pytest.mark.parametrize(
    ("name", "keys", "head"),
    [
        ("cls", {}, TEXTS),
        ("match", {}, TEXTS),
        ("cls", {"pooling": "mean"}, None),
        ("match", {"head": "mlp"}, None),
        ("seq_label", {}, WORDS),
        ("seq_label", {"head": "crf"}, None),
        ("mrc", {}, ANSWERS),
        ("mlm", {}, None),
        ("regression", {}, None),
    ],
)
def test_the_head_of_transformers(name, keys, head):
    assert build(name, **keys).transformers_head == head


def test_what_smart_cannot_compare():
    kinds = {"mlm": {}, "seq_label": {"head": "bilstm_crf"}, "cls": {}, "regression": {}}
    found = {name: build(name, **keys).incomparable for name, keys in kinds.items()}
    assert found == {"mlm": "mlm", "seq_label": "a CRF", "cls": None, "regression": None}
    assert build("seq_label").incomparable is None


def test_the_masked_language_model_and_prompts_start_from_a_pre_trained_head():
    found = {name: prefix for name in PARADIGMS if (prefix := PARADIGMS[name].pretrained_head)}
    assert found == {"mlm": "mlm.", "prompt": "mlm."}
