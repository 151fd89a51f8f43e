import math

import pytest

pytest.importorskip("optuna")
pytest.importorskip("sklearn")

from palm.report.search_importance import LEAST_TRIALS, importances
from palm.schema.search_results import SearchResults
from tests.unit.report.searched import a_search


def results(count, score):
    content = a_search(count, pruned=(), failed=())
    for trial in content["trials"]:
        trial["score"] = score(trial["values"])
    content["best"] = 0
    return SearchResults.model_validate(content)


def test_the_key_that_decides_has_most():
    found = importances(results(40, lambda values: math.log10(values["learning_rate"])))
    assert next(iter(found)) == "learning_rate"
    assert found["learning_rate"] > 0.8
    assert sum(found.values()) == pytest.approx(1)


def test_too_few_or_equal_trials_say_nothing():
    assert importances(results(LEAST_TRIALS - 1, lambda values: values["learning_rate"])) is None
    assert importances(results(20, lambda _: 0.5)) is None
