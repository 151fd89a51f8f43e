"""benchmarks/cluener.py: entities of both paradigms, their scores worked out by hand, and the results that are kept."""

import argparse
import json

import pytest

from benchmarks import cluener

ROW = {"text": "叶老桂在浙商银行", "label": {"name": {"叶老桂": [[0, 2]]}, "company": {"浙商银行": [[4, 7]]}}}


def options(**changed):
    keys = {
        "epochs": 1.0,
        "rows": None,
        "encoder": "models/小",
        "batch_size": 4,
        "layer": None,
        "freeze_layers": None,
        **changed,
    }
    return argparse.Namespace(**keys)


def test_gold_and_both_kinds_of_predictions_have_the_same_form():
    gold = {("name", 0, 3), ("company", 4, 8)}
    assert cluener.gold_entities(ROW) == gold
    assert all(ROW["text"][start:end] in ("叶老桂", "浙商银行") for _, start, end in gold)
    spans = [{"type": kind, "start": start, "end": end} for kind, start, end in gold]
    assert cluener.predicted_entities({"spans": spans}) == gold
    tags = [{"type": kind, "start": 90, "end": 91, "start_char": start, "end_char": end} for kind, start, end in gold]
    assert cluener.predicted_entities({"words": list(ROW["text"]), "spans": tags}) == gold


def test_scores_of_every_type_count_alike_in_the_macro_f1():
    gold = [{("name", 0, 3), ("name", 4, 6)}, {("name", 0, 2), ("game", 0, 2)}, set()]
    predicted = [{("name", 0, 3), ("game", 4, 6)}, {("name", 0, 2), ("name", 1, 2)}, {("book", 0, 1)}]
    found = cluener.scores(gold, predicted)
    # name: 2 right, 3 gold, 3 predicted. game: none right. book, which is never gold, counts in no mean.
    assert found["f1_of_types"] == {"book": 0, "game": 0, "name": pytest.approx(4 / 6)}
    assert found["macro_f1"] == pytest.approx((4 / 6 + 0) / 2)
    assert (found["precision"], found["recall"], found["micro_f1"]) == pytest.approx((2 / 5, 2 / 4, 4 / 9))
    nothing = {"macro_f1": 0.0, "micro_f1": 0.0, "precision": 0.0, "recall": 0.0, "f1_of_types": {"name": 0.0}}
    assert cluener.scores([{("name", 0, 1)}], [set()]) == nothing


def test_a_run_replaces_the_same_one_and_stands_beside_others(tmp_path):
    file = tmp_path / "results.json"
    one, again, other = ({"head": head, "seed": 1, "f1": value} for head, value in (("a", 0.1), ("a", 0.2), ("b", 0.3)))
    cluener.write_results(one, options(), file)
    cluener.write_results(again, options(), file)
    found = cluener.write_results(other, options(), file)
    assert [(row["head"], row["f1"]) for row in found] == [("a", 0.2), ("b", 0.3)]
    [changed] = cluener.write_results(other, options(layer=5, freeze_layers=2), file)
    assert {key: changed["settings"][key] for key in ("encoder", "layer", "freeze_embeddings")} == {
        "encoder": "小", "layer": 5, "freeze_embeddings": True,
    }  # fmt: skip
    assert len(json.loads(file.read_text(encoding="utf-8"))) == 3


def test_the_table_has_mean_and_deviation_of_each_head():
    head = next(iter(cluener.HEADS))
    scores = {"micro_f1": 0.5, "precision": 0.5, "recall": 0.5, "minutes": 3}
    rows = [{"head": head, "macro_f1": value, **scores} for value in (0.25, 0.75)]
    assert [*cluener.lines_of(rows)][2:] == [
        f"| {head} | 50.0 ± 35.4 | 50.0 ± 0.0 | 50.0 ± 0.0 | 50.0 ± 0.0 | 3.0 ± 0.0 | 2 |"
    ]
