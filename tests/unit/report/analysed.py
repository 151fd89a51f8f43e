"""Analyses of every kind of answer, made from hand-made rows."""

import numpy as np

from palm.analysis.answers import analyse_answers
from palm.analysis.calibration import ScoredClasses, calibration_of
from palm.analysis.classes import analyse_classes
from palm.analysis.label_sets import analyse_label_sets
from palm.analysis.numbers import analyse_numbers
from palm.analysis.ranks import analyse_candidates
from palm.analysis.spans import analyse_spans
from palm.analysis.task_analysis import Suggested, TaskAnalysis, WrongRow
from palm.data.spans import Relation, Span
from palm.paradigm.comparison import (
    ComparedAnswers,
    ComparedCandidates,
    ComparedClasses,
    ComparedLabelSets,
    ComparedNumbers,
    ComparedSpans,
)

SCORED = ScoredClasses(np.array([[2.0, 0.0], [2.0, 0.0], [1.0, 0.0]]), np.array([0, 1, 0]))


def an_analysis(task="意图", **parts):
    wrong = WrongRow(
        row=1, line=3, columns={"id": "7", "text_a": "去<b>北京</b>"}, gold="水", predicted="air", probability=0.75,
        gold_probability=0.25, loss=1.5, remark="",
    )  # fmt: skip
    facts = {
        "paradigm": "cls",
        "data": "/data/of/me/dev.tsv",
        "rows": 3,
        "of_rows": 9,
        "wrong": 1,
        "metrics": {"f1": 0.5},
    }
    return TaskAnalysis(**{"task": task, **facts, "errors": [wrong], **parts})


def classes(count=3):
    names = [f"类{number}" for number in range(count)]
    return analyse_classes(ComparedClasses(names, [*names, names[0]], [*names, names[-1]], None))


def calibrated():
    suggested = Suggested(temperature=1.5, calibration=calibration_of(SCORED, 1.5))
    return {"calibration": calibration_of(SCORED, 1.0), "suggested": suggested}


def every_kind():
    spans = ComparedSpans(
        [["a", "b"]], [["B-X", "B-Y"]], [["B-Y", "O"]], [[Span(0, 1, "X"), Span(1, 2, "Y")]], [[Span(0, 1, "Y")]], " "
    )
    one, other = Span(0, 1, "X"), Span(1, 2, "Y")
    gold, found = [[Relation(one, other, "住")]], [[Relation(other, one, "住"), Relation(one, other, "去")]]
    related = ComparedSpans([["a", "b"]], None, None, [[one, other]], [[one, other]], "", gold, found)
    answers = ComparedAnswers(["谁?", "who?"], ["王", "a b"], [["王"], []], ["王", ""], [np.zeros(1)] * 2, [0, -1])
    sets = ComparedLabelSets(["a"], [["a"], []], [[], ["a"]], np.zeros((2, 1)))
    candidates = ComparedCandidates([["x", "y"]], [1], [0], [np.array([1.0, 0.5])])
    return {
        "classes": {"classes": classes(), **calibrated()},
        "sets": {"label_sets": analyse_label_sets(sets)},
        "spans": {
            "spans": analyse_spans(spans),
            "uncalibrated": "a CRF chooses labels as a whole, and gives none a probability",
        },
        "relations": {"spans": analyse_spans(related)},
        "answers": {"answers": analyse_answers(answers, np.array([1.0, 0.0]), np.array([1.0, 0.5]))},
        "numbers": {"numbers": analyse_numbers(ComparedNumbers(np.arange(3.0), np.ones(3))), "wrong": None},
        "ranks": {"ranks": analyse_candidates(candidates)},
    }
