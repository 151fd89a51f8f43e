"""Predictions as files: valid JSON whatever the numbers are, and tables that other readers take."""

import csv
import json
import math

import pytest

from palm.errors import ConfigError
from palm.inference.prediction_files import json_line, write_predictions, write_submission
from palm.paradigm.base import PARADIGMS

PREDICTIONS = [
    {
        "index": 0,
        "label": "好",
        "probs": {"好": 0.5, '坏, "x"': 0.5},
        "logits": [1.0, math.nan],
        "text_a": 'a\n"b", 水',
    },
    {
        "index": 1,
        "label": "坏",
        "probs": {"好": math.inf, '坏, "x"': 0.5},
        "logits": [],
        "id": "\ud800",
        "truncated": True,
    },
]


@pytest.fixture
def paradigm():
    return PARADIGMS["cls"](PARADIGMS["cls"].Config(n_classes=2))


def test_numbers_that_json_lacks_are_null():
    line = json_line(PREDICTIONS[0])
    assert json.loads(line, parse_constant=pytest.fail)["logits"] == [1.0, None]
    assert "好" in line


@pytest.mark.parametrize("name", ["out", "x.jsonl", "x.json", "deep/x.JSONL"])
def test_json_is_valid(paradigm, tmp_path, name):
    file = write_predictions(paradigm, PREDICTIONS, tmp_path / name)
    text = file.read_text(encoding="utf-8")
    listed = json.loads(text) if name == "x.json" else [json.loads(line) for line in text.splitlines()]
    assert listed[0] == {**PREDICTIONS[0], "logits": [1.0, None]}
    assert listed[1]["probs"]["好"] is None
    assert file == tmp_path / ("out/predictions.json" if name == "out" else name)


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_a_table_has_a_column_per_label(paradigm, tmp_path, ending):
    file = write_predictions(paradigm, PREDICTIONS, tmp_path / f"x.{ending}")
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream, delimiter="\t" if ending == "tsv" else ","))
    assert rows[0]["text_a"] == 'a\n"b", 水'
    assert rows[0]["probs.好"] == "0.5"
    assert rows[1]['probs.坏, "x"'] == "0.5"
    assert rows[1]["probs.好"] == ""
    assert rows[1]["text_a"] == ""
    assert json.loads(rows[0]["logits"]) == [1.0, None]
    assert rows[1]["truncated"] == "true"


def test_a_folder_with_an_ending_stays_a_folder(paradigm, tmp_path):
    (tmp_path / "x.csv").mkdir()
    assert write_predictions(paradigm, PREDICTIONS, tmp_path / "x.csv") == tmp_path / "x.csv/predictions.json"


def test_no_prediction_is_an_empty_list(paradigm, tmp_path):
    assert json.loads(write_predictions(paradigm, [], tmp_path / "x.json").read_text()) == []


def test_a_submission_has_id_and_label(paradigm, tmp_path):
    rows = [{"label": "好", "probs": {"好": 1.0}, "id": 7}, {"label": "坏", "probs": {"坏": 0.6}}]
    file = write_submission(paradigm, rows, tmp_path / "deep" / "eprstmt_predict.json")
    assert file.read_text(encoding="utf-8") == '{"id": 7, "label": "好"}\n{"id": 1, "label": "坏"}\n'
    with pytest.raises(ConfigError, match="--format fewclue: a submission has a label for each row"):
        write_submission(paradigm, [{"value": 0.3}], tmp_path / "x.json")
