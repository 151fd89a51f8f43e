"""Spans: scores as seqeval has them, and errors by type and kind."""

import pytest

from palm.analysis.spans import analyse_spans
from palm.data.spans import spans_of
from palm.paradigm.comparison import ComparedSpans

pytest.importorskip("sklearn.metrics")
GOLD = [["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "I-LOC"], ["B-ORG", "O", "O"], ["O"], ["B-LOC", "B-PER"]]
PREDICTED = [["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "O"], ["B-LOC", "O", "B-ORG"], ["O"], ["B-LOC", "O"]]
WORDS = [list("李雷在北京市"), list("华为好"), ["。"], list("沪王")]


def rows(gold, predicted, *, with_spans: bool = True) -> ComparedSpans:
    spans = [[spans_of(tags) for tags in side] if with_spans else None for side in (gold, predicted)]
    return ComparedSpans(WORDS, gold, predicted, spans[0], spans[1], "")


def test_scores_are_those_of_seqeval():
    seqeval = pytest.importorskip("seqeval.metrics")
    report = seqeval.classification_report(GOLD, PREDICTED, output_dict=True, zero_division=0)
    found = analyse_spans(rows(GOLD, PREDICTED))
    assert [each.name for each in found.types] == ["LOC", "ORG", "PER"]
    for each in [*found.types]:
        assert (each.precision, each.recall, each.f1, each.support) == pytest.approx(tuple(report[each.name].values()))
    assert (found.micro.f1, found.macro.f1) == pytest.approx(
        (report["micro avg"]["f1-score"], report["macro avg"]["f1-score"])
    )


def test_micro_is_the_metric_of_the_task():
    from palm.metric import span_f1

    scores = span_f1([{"labels": tags} for tags in PREDICTED], [{"labels": tags} for tags in GOLD])
    found = analyse_spans(rows(GOLD, PREDICTED))
    values = found.micro.f1, found.micro.precision, found.micro.recall, found.token_accuracy
    assert values == pytest.approx(tuple(scores.values()))


def test_errors_by_type_and_kind():
    found = analyse_spans(rows(GOLD, PREDICTED))
    kinds = {each.name: each.model_dump(exclude={"name"}, exclude_defaults=False) for each in found.errors}
    nothing = {"right": 0, "missed": 0, "spurious": 0, "label": 0, "boundary": 0, "both": 0}
    assert kinds == {
        "LOC": {**nothing, "right": 1, "boundary": 1},
        "ORG": {**nothing, "label": 1, "spurious": 1},
        "PER": {**nothing, "right": 1, "missed": 1},
    }
    total = found.total.model_dump(exclude={"name"})
    assert total == {"right": 2, "missed": 1, "spurious": 1, "label": 1, "boundary": 1, "both": 0}
    assert [(each.gold, each.predicted, each.count) for each in found.confused] == [("ORG", "LOC", 1)]


def test_tags_without_spans_have_scores_of_tags_alone():
    gold, predicted = [["N", "V"], ["N"], ["P"], ["V", "V"]], [["N", "N"], ["N"], ["P"], ["V", "V"]]
    found = analyse_spans(rows(gold, predicted, with_spans=False))
    assert (found.token_accuracy, found.types, found.micro) == (pytest.approx(5 / 6), [], None)
    assert {each.name: each.support for each in found.tags} == {"N": 2, "P": 1, "V": 3}


def test_texts_without_a_span_on_either_side():
    found = analyse_spans(rows([["O"]], [["O"]]))
    assert (found.types, found.micro.f1, found.errors, found.total.right) == ([], 0.0, [], 0)
