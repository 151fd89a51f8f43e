"""A run on cached data ends in the same bits and figures as one without a cache."""

import pytest

import palm
from palm.data.cache import entries
from palm.reader import loading
from tests.integration import tiny


def outcome(folder):
    """Figures, weights and evaluations of a run of all kinds of tasks."""
    tasks = {
        "water": tiny.classification_task(folder, "water", count=40, chinese=True),
        "pairs": tiny.match_task(folder, "pairs"),
        "words": {**tiny.mlm_task(folder, "words"), "target": False},
        "slots": tiny.slot_task(folder, "slots"),
        "answers": tiny.mrc_task(folder, "answers", chinese=True),
    }
    controller = palm.Controller(tiny.config(folder, tasks, max_steps=12, print_first_n=1), overrides=[])
    controller.train()
    timed = {"steps_per_second", "data_wait_fraction", "train_seconds"}
    figures = [{key: value for key, value in line.items() if key not in timed} for line in tiny.metrics(folder)]
    weights = {
        file.parent.parent.name: file.read_bytes() for file in folder.glob("out/*/infer_model/model.safetensors")
    }
    evaluations = {name: controller.evaluate(name) for name in ("water", "slots", "answers")}
    examples = [line for line in tiny.log_lines(folder) if ": example 0: " in line]
    return figures, weights, evaluations, examples


@pytest.fixture
def small_files_too(monkeypatch):
    monkeypatch.setattr(loading, "SMALLEST_FILE", 1)
    monkeypatch.setattr(loading, "RECORDS_AT_ONCE", 7)


@pytest.mark.usefixtures("small_files_too")
def test_training_and_evaluation_are_the_same_to_the_bit(tmp_path, monkeypatch):
    monkeypatch.setenv("PALM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PALM_CACHE_LIMIT", "0")
    for name in ("none", "cold", "warm"):
        (tmp_path / name).mkdir()
    figures, weights, evaluations, examples = outcome(tmp_path / "none")
    assert set(weights) == {"water", "pairs", "slots", "answers"}
    assert len(examples) == 5
    monkeypatch.delenv("PALM_CACHE_LIMIT")
    home = tmp_path / "cache" / "datasets"
    assert entries(home) == []
    assert outcome(tmp_path / "cold") == (figures, weights, evaluations, examples)
    count = len(entries(home))
    assert count >= 8
    assert outcome(tmp_path / "warm") == (figures, weights, evaluations, examples)
    assert len(entries(home)) == count
