"""The paradigm `spans`: its loss as a mean, its predictions over windows, and what others make of them."""

import numpy as np
import paddle
import pytest

from palm.data.dataset import Dataset, LabelMap, Ragged
from palm.errors import ConfigError
from palm.paradigm.base import Paradigm
from palm.paradigm.hugging_face import ApiRow
from palm.paradigm.spans import NestedSpans
from palm.schema.fields import BackboneFields

BACKBONE = BackboneFields(vocab_size=11, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
LABELS = LabelMap(("人", "地点"))
TEXT = "北京大学的李明"


def paradigm(scorer: str = "global_pointer", **keys: object) -> NestedSpans:
    return NestedSpans(NestedSpans.Config(span_scorer=scorer, dropout_prob=0.0, **keys), LABELS)


def dataset(text: str = TEXT) -> Dataset:
    """One text in one window, a token per character."""
    place = range(len(text))
    columns = {
        "token_ids": Ragged.from_rows([[2, *place, 3]]),
        "token_start": Ragged.from_rows([[-1, *place, -1]]),
        "token_end": Ragged.from_rows([[-1, *(number + 1 for number in place), -1]]),
        "window_start": np.array([-1]),
        "record": np.array([0]),
    }
    return Dataset(columns, [{"text_a": text, "line": 1}], "rows")


def outputs(cells: dict[tuple[int, int, int], float], tokens: int = len(TEXT) + 2) -> dict[str, np.ndarray]:
    scores = np.full((1, 2, tokens, tokens), -4.0, "float32")
    for (first, last, kind), score in cells.items():
        scores[0, kind, first, last] = score
    return {"span_logits": scores}


def predicted(one: Paradigm, cells: dict[tuple[int, int, int], float]) -> list[dict[str, object]]:
    batch = {"input_mask": np.ones((1, len(TEXT) + 2), "float32")}
    [prediction] = one.decode(one.split(outputs(cells), batch), dataset())
    assert prediction["index"] == 0
    return prediction["spans"]


NESTED = {(1, 4, 1): 2.0, (1, 2, 1): 1.0, (6, 7, 0): 0.5, (2, 6, 0): 0.25}


def test_spans_within_each_other_in_characters_of_the_text():
    found = predicted(paradigm(), NESTED)
    assert [(span["type"], span["start"], span["end"], span["text"]) for span in found] == [
        ("地点", 0, 4, "北京大学"), ("地点", 0, 2, "北京"), ("人", 1, 6, "京大学的李"), ("人", 5, 7, "李明"),
    ]  # fmt: skip
    assert found[0]["score"] == pytest.approx(1 / (1 + np.exp(-2.0)))


def test_biaffine_predicts_no_spans_that_cross_and_one_type_of_each():
    found = predicted(paradigm("biaffine"), NESTED | {(6, 7, 1): 0.75})
    assert [(span["type"], span["text"]) for span in found] == [
        ("地点", "北京大学"), ("地点", "北京"), ("地点", "李明"),
    ]  # fmt: skip
    both = predicted(paradigm(), NESTED | {(6, 7, 1): 0.75})
    assert [span["type"] for span in both if span["text"] == "李明"] == ["人", "地点"]


def test_the_threshold():
    assert [span["text"] for span in predicted(paradigm(span_threshold=0.75), NESTED)] == ["北京大学", "北京"]
    assert predicted(paradigm(span_threshold=3.0), NESTED) == []
    assert len(predicted(paradigm(span_threshold=-3.9), NESTED)) == 4


def test_an_untrained_head_predicts_one_span_per_token_at_most():
    cells = {(i, j, 0): 1.0 + i for i in range(1, 8) for j in range(i, 8)}
    assert len(predicted(paradigm(), cells)) == len(TEXT) + 2


@pytest.mark.parametrize("scorer", ["global_pointer", "biaffine"])
def test_the_mean_of_a_batch_is_that_of_its_parts_weighted_as_the_paradigm_says(scorer):
    one = paradigm(scorer)
    layers = one.build_layers(BACKBONE)
    generator = np.random.default_rng(4)
    batch = {
        "encoder_outputs": generator.normal(size=(3, 6, 8)).astype("float32"),
        "input_mask": (np.arange(6) < np.array([6, 4, 2])[:, None]).astype("float32"),
        "span_labels": np.array([[[1, 2, 0], [1, 4, 1]], [[1, 1, 1], [-100] * 3], [[-100] * 3] * 2]),
    }

    def loss_of(rows: slice) -> tuple[float, float, float]:
        part = {name: array[rows] for name, array in batch.items()}
        inputs = {name: paddle.to_tensor(array) for name, array in part.items()}
        found = one.forward(layers, inputs, "train")
        other = {"span_logits": found["span_logits"] * 0.5}
        distance = float(one.output_distance(found, other, inputs))
        weight = one.loss_weight(part, len(part["input_mask"]))
        assert weight == one.count_losses(part, len(part["input_mask"]))
        return float(one.loss(found, inputs)), distance, weight

    whole, parts = loss_of(slice(None)), [loss_of(slice(0, 1)), loss_of(slice(1, 3))]
    assert whole[2] == sum(part[2] for part in parts)
    for value in (0, 1):
        assert whole[value] * whole[2] == pytest.approx(sum(part[value] * part[2] for part in parts), rel=1e-5)
    assert whole[2] == {"global_pointer": 3, "biaffine": 12}[scorer]


def test_what_others_see():
    one = paradigm()
    [prediction] = one.decode(one.split(outputs(NESTED), {"input_mask": np.ones((1, 9), "float32")}), dataset())
    assert one.describe(prediction)[:2] == ["地点: 北京大学", "地点: 北京"]
    assert one.describe({"spans": []}) == ["(no span)"]
    entities = one.hugging_face(prediction, ApiRow((TEXT,)))
    assert {key: entities[1][key] for key in ("entity_group", "word", "start", "end")} == {
        "entity_group": "地点", "word": "北京", "start": 0, "end": 2,
    }  # fmt: skip
    record = {"text_a": TEXT, "label": [{"start": 0, "end": 2, "type": "地点"}]}
    compared = one.compare([prediction], one.gold_records([record]))
    assert (compared.gold_tags, compared.predicted_tags, compared.glue) == (None, None, "")
    assert [len(side[0]) for side in (compared.gold_spans, compared.predicted_spans)] == [1, 4]
    assert "no probabilities" in one.uncalibrated


def test_heads_that_differ_are_not_shared():
    shapes = {
        paradigm(scorer, span_head_size=size).head_shape(BACKBONE)
        for scorer in ("global_pointer", "biaffine") for size in (8, 64)
    }  # fmt: skip
    assert len(shapes) == 4


def test_n_classes_has_to_be_the_number_of_types():
    with pytest.raises(ConfigError, match=r"n_classes must be the number of labels\. Found 3, but the labels are 2"):
        paradigm(n_classes=3)
