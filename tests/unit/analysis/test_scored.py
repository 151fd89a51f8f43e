"""Which rows of a comparison have probabilities."""

import numpy as np
import pytest

from palm.analysis.calibration import ScoredAnswers, ScoredClasses, ScoredDecisions
from palm.analysis.scored import scored_of
from palm.paradigm.comparison import (
    ComparedAnswers,
    ComparedCandidates,
    ComparedClasses,
    ComparedLabelSets,
    ComparedNumbers,
    ComparedSpans,
    ScoredLabels,
)


def test_rows_of_unknown_classes_are_left_out():
    found = scored_of(ComparedClasses(["a", "b"], ["b", "new", "a"], ["a"] * 3, np.arange(6.0).reshape(3, 2)))
    assert isinstance(found, ScoredClasses)
    assert (found.gold.tolist(), found.scores.tolist()) == ([1, 0], [[0.0, 1.0], [4.0, 5.0]])
    assert scored_of(ComparedClasses(["a"], ["new"], ["a"], np.zeros((1, 1)))) is None
    assert scored_of(ComparedClasses((), ["a"], ["a"], None)) is None


def test_each_label_of_a_set_is_a_decision():
    found = scored_of(ComparedLabelSets(["a", "b"], [["b"], ["a", "new"]], [[], []], np.arange(4.0).reshape(2, 2)))
    assert isinstance(found, ScoredDecisions)
    assert found.gold.tolist() == [False, True, True, False]


def test_candidates_and_answers():
    candidates = scored_of(ComparedCandidates([["a"], ["a", "b"]], [0, 1], [0, 1], [np.ones(1), np.ones(2)]))
    assert isinstance(candidates, ScoredClasses)
    assert candidates.scores.shape == (2, 2)
    rows = ComparedAnswers(["?", "?"], ["", ""], [["a"], ["b"]], ["a", ""], [np.ones(2), np.zeros(0)], [1, -1])
    answers = scored_of(rows, exact=np.array([1.0, 0.0]))
    assert isinstance(answers, ScoredAnswers)
    assert (answers.chosen.tolist(), answers.is_right.tolist()) == ([1], [True])


def test_labels_inside_rows_are_one_after_the_other():
    spans = ComparedSpans([["a"]], [["O"]], [["O"]], None, None, " ")
    labels = [
        [ScoredLabels(np.ones((2, 3), "float32"), np.array([0, 2]))],
        [ScoredLabels(np.ones((0, 3)), np.zeros(0))],
    ]
    found = scored_of(spans, labels)
    assert isinstance(found, ScoredClasses)
    assert (found.gold.tolist(), found.unit, found.scores.dtype) == ([0, 2], "word", np.dtype("float64"))


@pytest.mark.parametrize(
    "rows", [ComparedNumbers(np.ones(1), np.ones(1)), ComparedSpans([["a"]], [["O"]], [["O"]], None, None, " ")]
)
def test_what_has_no_probabilities(rows):
    assert scored_of(rows) is None
