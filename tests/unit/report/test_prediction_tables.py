import pytest

pytest.importorskip("altair")

from palm.analysis.answers import AnswerGroup
from palm.analysis.scores import Scores
from palm.analysis.spans import ErrorsOfType
from palm.report.prediction_tables import MANY, groups_table, kinds_table, scores_table


def test_each_score_and_the_means_are_rows():
    scores = [Scores(name=f"类{number}", precision=0.5, recall=1, f1=2 / 3, support=4) for number in range(MANY)]
    mean = scores[0].model_copy(update={"name": "macro"})
    found = scores_table("Scores", "class", scores, [mean])
    assert found.header == ("class", "precision", "recall", "F1", "support")
    assert found.rows[0] == ("类0", "0.5000", "1.0000", "0.6667", 4)
    assert found.rows[-1][0] == "macro"
    assert found.is_folded
    assert not scores_table("Scores", "class", scores).is_folded


def test_errors_of_each_type_and_of_all():
    errors = [
        ErrorsOfType(name=name, right=3, missed=1, spurious=0, label=2, boundary=0, both=0) for name in ("地", "")
    ]
    found = kinds_table("Errors", "type", errors, {"missed": "missed", "label": "wrong label"})
    assert found.header == ("type", "right", "missed", "wrong label")
    assert found.rows == [("地", 3, 1, 2), ("all", 3, 1, 2)]


def test_groups_of_questions():
    found = groups_table("Groups", "question word", [AnswerGroup(name="谁", count=2, exact_match=0.5, f1=0.75)])
    assert (found.header[0], found.rows) == ("question word", [("谁", 2, "50.0%", "75.0%")])
