from palm.schema.search_results import SearchResults, read_search_results
from tests.unit.report.searched import a_search


def test_values_keep_their_types():
    content = a_search(3, pruned=(1,), failed=(2,), later="ignored")
    content["trials"][0]["values"] = {"a": True, "b": 1, "c": 0.5, "d": "1", "e": [1, "x"], "f": None}
    found = SearchResults.model_validate(content)
    values = found.trials[0].values
    assert [type(value).__name__ for value in values.values()] == ["bool", "int", "float", "str", "list", "NoneType"]
    assert found.best_trial is found.trials[0]
    assert [trial.last_value for trial in found.trials[1:]] == [content["trials"][1]["evaluations"][1][1], None]
    assert not found.falls


def test_a_folder_without_results_has_none(tmp_path):
    assert read_search_results(tmp_path) is None
