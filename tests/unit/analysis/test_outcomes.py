"""What becomes of each row of every kind of answer."""

import numpy as np
import pytest

from palm.analysis.outcomes import RowFacts, outcomes_of
from palm.data.spans import Relation, Span
from palm.paradigm.comparison import (
    ComparedAnswers,
    ComparedCandidates,
    ComparedClasses,
    ComparedLabelSets,
    ComparedNumbers,
    ComparedOrder,
    ComparedSpans,
    ComparedTexts,
    ComparedTokens,
)

PLAIN = RowFacts()


def test_classes_with_a_temperature():
    rows = ComparedClasses(["水", "air"], ["水", "new"], ["air", "air"], np.array([[0.0, 2.0], [0.0, 2.0]]))
    first, second = outcomes_of(rows, RowFacts(temperature=2.0))
    high = np.exp(1) / (1 + np.exp(1))
    assert (first.is_right, first.probability, first.gold_probability) == (
        False,
        pytest.approx(high),
        pytest.approx(1 - high),
    )
    assert first.loss == first.badness == pytest.approx(-np.log(1 - high))
    assert (second.gold_probability, second.loss) == (0.0, pytest.approx(-np.log(1e-12)))


def test_classes_without_scores():
    [only] = outcomes_of(ComparedClasses((), ["a"], ["b"], None), PLAIN)
    assert (only.is_right, only.probability, only.badness) == (False, None, 1.0)


def test_label_sets():
    rows = ComparedLabelSets(["a", "b"], [["a"]], [["b"]], np.array([[-1.0, 1.0]]))
    [only] = outcomes_of(rows, PLAIN)
    p = 1 / (1 + np.exp(-1))
    assert (only.gold, only.predicted, only.remark) == ("a", "b", "missing a; spurious b")
    assert (only.probability, only.gold_probability) == pytest.approx((p, 1 - p))
    assert only.loss == pytest.approx(-np.log(1 - p))


def test_spans_are_listed_with_what_is_wrong():
    rows = ComparedSpans(
        [list("李雷在北京市"), ["ok"]],
        [["B-PER", "I-PER", "O", "B-LOC", "I-LOC", "I-LOC"], ["O"]],
        [["O", "O", "O", "B-LOC", "I-LOC", "O"], ["O"]],
        [[Span(0, 2, "PER"), Span(3, 6, "LOC")], []],
        [[Span(3, 5, "LOC")], []],
        "",
    )
    first, second = outcomes_of(rows, RowFacts(losses=[0.5, 0.1]))
    assert (first.gold, first.predicted) == ("PER: 李雷; LOC: 北京市", "LOC: 北京")
    assert first.remark == "missed: PER 李雷; wrong boundary: LOC 北京市 → LOC 北京"
    assert (first.loss, first.badness, second.is_right) == (0.5, 0.5, True)
    assert next(outcomes_of(rows, PLAIN)).badness == 2.0


def test_tags_without_spans():
    rows = ComparedSpans([["a", "b"]], [["N", "V"]], [["N", "N"]], None, None, " ")
    [only] = outcomes_of(rows, PLAIN)
    assert (only.gold, only.predicted, only.remark) == ("N V", "N N", "1 of 2 tags wrong")


def test_answers():
    scores = [np.log(np.array([0.8, 0.2])), np.zeros(0)]
    rows = ComparedAnswers(["谁?", "?"], ["王在河", "x"], [["王", "王", "小王"], []], ["河", ""], scores, [0, -1])
    first, second = outcomes_of(rows, RowFacts(exact=np.array([0.0, 1.0]), f1=np.array([0.25, 1.0])))
    assert (first.gold, first.predicted, first.remark) == ("王 | 小王", "河", "F1 0.25")
    assert (first.probability, first.badness) == pytest.approx((0.8, 0.6))
    assert (second.is_right, second.probability) == (True, None)


def test_candidates_numbers_tokens_and_order():
    [chosen] = outcomes_of(ComparedCandidates([["鱼", "鸟"]], [0], [1], [np.array([0.0, np.log(3)])]), PLAIN)
    assert (chosen.gold, chosen.predicted, chosen.probability) == ("鱼", "鸟", pytest.approx(0.75))
    [number] = outcomes_of(ComparedNumbers(np.array([2.5]), np.array([1.0])), PLAIN)
    assert (number.gold, number.predicted, number.loss) == ("2.5", "1", 2.25)
    [tokens] = outcomes_of(ComparedTokens([["河", "鸟"]], [["河", "鱼"]]), PLAIN)
    assert (tokens.is_right, tokens.badness, tokens.remark) == (False, 0.5, "1 of 2 wrong")
    right, wrong = outcomes_of(ComparedTexts(["红鱼", "abcd"], ["红鱼", "abXd"], np.array([0.5, 2.0])), PLAIN)
    assert (right.is_right, right.loss, right.remark) == (True, 0.5, "")
    assert (wrong.gold, wrong.predicted, wrong.badness, wrong.remark) == ("abcd", "abXd", 2.0, "75% alike")
    [order] = outcomes_of(ComparedOrder(np.array([False]), np.array([0.25])), PLAIN)
    assert (order.gold, order.predicted, order.remark) == (
        "1",
        "0",
        "score 0.25; another text is ahead of the one that matches",
    )


def test_a_row_whose_spans_are_right_is_wrong_by_its_relations():
    person, place = Span(0, 2, "人"), Span(3, 5, "地")
    goes, lives = Relation(person, place, "去"), Relation(person, place, "住")
    spans = [[person, place]] * 3
    words = [list("安娜去北京")] * 3
    rows = ComparedSpans(words, None, None, spans, spans, "", [[goes], [goes], [goes]], [[goes], [lives], []])
    right, label, missed = outcomes_of(rows, PLAIN)
    assert (right.is_right, right.gold) == (True, "人: 安娜; 地: 北京; 安娜 —去→ 北京")
    assert (label.is_right, label.badness) == (False, 1.0)
    assert label.remark == "wrong label: 安娜 —去→ 北京, predicted 安娜 —住→ 北京"
    assert (missed.predicted, missed.remark) == ("人: 安娜; 地: 北京", "missed: 安娜 —去→ 北京")
