"""Reading comprehension: loss, padding, answers a record."""

import json
import math
from pathlib import Path

import numpy as np
import paddle
import pytest

from palm.data.dataset import Dataset, Ragged
from palm.paradigm import SpanExtraction
from palm.schema.fields import BackboneFields

BACKBONE = BackboneFields(vocab_size=11, hidden_size=2, num_hidden_layers=1, num_attention_heads=1)
CONTEXT = "北京大学在1898年成立。"


def windows_of(*records: tuple[str, list[list[int]]]) -> Dataset:
    """Records with their context and, for each window, the character that each token stands for; -1 outside it."""
    rows = [(number, tokens) for number, (_, windows) in enumerate(records) for tokens in windows]
    columns = {
        "record": np.array([number for number, _ in rows], "int64"),
        "context_start": Ragged.from_rows([tokens for _, tokens in rows]),
        "context_end": Ragged.from_rows([[place + 1 if place >= 0 else -1 for place in tokens] for _, tokens in rows]),
        "is_max_context": Ragged.from_rows([[int(place >= 0) for place in tokens] for _, tokens in rows], "int8"),
    }
    contexts = [{"id": f"q{number}", "context": context} for number, (context, _) in enumerate(records)]
    return Dataset(columns, contexts, Path("dev.json"))


def logits(tokens: int, start: int, end: int, height: float = 5.0) -> dict[str, np.ndarray]:
    start_logits, end_logits = np.zeros(tokens, "float32"), np.zeros(tokens, "float32")
    start_logits[start] = end_logits[end] = height
    return {"start_logits": start_logits, "end_logits": end_logits}


def test_loss_is_the_mean_of_both_ends():
    outputs = {
        "start_logits": paddle.to_tensor([[0.0, math.log(3.0)]]),
        "end_logits": paddle.to_tensor([[0.0, 0.0]]),
    }
    gold = {"start_positions": paddle.to_tensor([1]), "end_positions": paddle.to_tensor([0])}

    assert float(SpanExtraction(SpanExtraction.Config()).loss(outputs, gold)) == pytest.approx(
        (math.log(4 / 3) + math.log(2)) / 2
    )


def test_padding_takes_no_share_of_the_probability():
    paradigm = SpanExtraction(SpanExtraction.Config())
    layers = paradigm.build_layers(BACKBONE)
    encoded = paddle.randn([1, 4, 2])
    gold = {"start_positions": paddle.to_tensor([1]), "end_positions": paddle.to_tensor([1])}
    losses = []
    for width in (2, 4):
        mask = paddle.to_tensor([[1.0, 1.0, 0.0, 0.0]])[:, :width]
        inputs = {"encoder_outputs": encoded[:, :width], "input_mask": mask} | gold
        losses.append(float(paradigm.loss(paradigm.forward(layers, inputs, "eval"), inputs)))

    assert losses[1] == losses[0]


def test_split_cuts_the_padding():
    mask = np.array([[1, 1, 1], [1, 1, 0]], "float32")
    outputs = {"start_logits": np.arange(6.0).reshape(2, 3), "end_logits": -np.arange(6.0).reshape(2, 3)}
    parts = SpanExtraction(SpanExtraction.Config()).split(outputs, {"input_mask": mask})

    assert [part["start_logits"].tolist() for part in parts] == [[0, 1, 2], [3, 4]]
    assert [part["end_logits"].tolist() for part in parts] == [[0, -1, -2], [-3, -4]]


def test_one_prediction_a_question_from_all_its_windows():
    dataset = windows_of((CONTEXT, [[-1, 0, 1, 2, 3, -1], [-1, 5, 6, 7, 8, -1]]), ("Paris", [[-1, 0, 1, 2, 3, 4]]))
    outputs = [logits(6, 1, 4), logits(6, 1, 4, height=7.0), logits(6, 1, 5)]
    first, second = SpanExtraction(SpanExtraction.Config(n_best_size=2)).decode(outputs, dataset)

    assert (first["id"], first["text"], first["null_odds"]) == ("q0", "1898", None)
    assert first["nbest"][0]["text"] == "1898"
    assert len(first["nbest"]) == 2
    assert set(first["nbest"][0]) == {"text", "start", "end", "probability", "start_logit", "end_logit"}
    assert CONTEXT[first["start"] : first["end"]] == first["text"]
    assert all(CONTEXT[each["start"] : each["end"]] == each["text"] for each in first["nbest"])
    assert first["probability"] == first["nbest"][0]["probability"]
    assert (second["id"], second["text"]) == ("q1", "Paris")


def test_keys_reach_the_search():
    dataset = windows_of(("abc", [[-1, 0, 1, 2]]))
    [short] = SpanExtraction(SpanExtraction.Config(max_answer_len=1)).decode([logits(4, 1, 3)], dataset)
    [empty] = SpanExtraction(SpanExtraction.Config(with_negative=True)).decode([logits(4, 0, 0)], dataset)
    [kept] = SpanExtraction(SpanExtraction.Config(with_negative=True, null_score_diff_threshold=10.0)).decode(
        [logits(4, 0, 0)], dataset
    )

    assert [len(answer["text"]) for answer in short["nbest"]] == [1, 1, 1]
    assert (empty["text"], empty["start"], empty["end"], empty["null_odds"]) == ("", 0, 0, 10.0)
    assert (kept["text"], kept["null_odds"]) == ("a", 10.0)


def test_predictions_are_json():
    dataset = windows_of((CONTEXT, [[-1, 0, 1, 2, 3, -1]]))
    predictions = SpanExtraction(SpanExtraction.Config(with_negative=True)).decode([logits(6, 1, 4)], dataset)

    assert json.loads(json.dumps(predictions)) == predictions


def test_a_question_without_windows_has_no_answer():
    [prediction] = SpanExtraction(SpanExtraction.Config()).decode([], windows_of(("", [])))

    assert (prediction["text"], prediction["nbest"], prediction["probability"]) == ("", [], 0.0)


def test_the_metric_is_that_of_the_language():
    assert SpanExtraction(SpanExtraction.Config()).default_metrics == ("squad",)
    assert SpanExtraction(SpanExtraction.Config(for_cn=True)).default_metrics == ("squad_zh",)


@pytest.mark.parametrize("odds", [None, -1.5])
def test_predictions_are_written_as_the_scripts_of_squad_read_them(odds):
    nbest = [{"text": "北京", "probability": 1.0, "start_logit": 1.0, "end_logit": 2.0}]
    places = [{**nbest[0], "start": 3, "end": 5}]
    predictions = [{"id": "q1", "text": "北京", "probability": 1.0, "nbest": places, "null_odds": odds}]
    files = SpanExtraction(SpanExtraction.Config()).prediction_files(predictions)

    wanted = {"predictions.json": {"q1": "北京"}, "nbest_predictions.json": {"q1": nbest}}
    assert {name: json.loads(text) for name, text in files.items()} == wanted | (
        {} if odds is None else {"null_odds.json": {"q1": odds}}
    )
    assert set(files) - {"predictions.json"} <= set(SpanExtraction.extra_files)
    assert "北京" in files["predictions.json"]
