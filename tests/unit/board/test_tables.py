import json

from palm.board.tables import sections_as_json
from palm.report.run_folder import read_run
from tests.unit.board.written import dev_line, step_line, write


def sections(*folders):
    found = json.loads(json.dumps(sections_as_json([read_run(folder) for folder in folders]), allow_nan=False))
    return {section["key"]: section["blocks"] for section in found}


def test_a_run_has_its_results_mix_and_events(tmp_path):
    write(tmp_path, step_line(1), step_line(2, task="标签"), dev_line(2, task="标签", span_f1=0.5))
    found = sections(tmp_path)
    assert found["results"][0]["rows"][1][:3] == ["标签", "span_f1", "0.5000"]
    assert [row[0] for row in found["mix"][0]["rows"]] == ["intent", "标签"]
    assert found["events"][0]["text"].startswith("No resume")


def test_runs_are_compared_and_the_best_is_marked(tmp_path):
    folders = [write(tmp_path / name, dev_line(1, accuracy=value)) for name, value in (("a", 0.5), ("b", 0.75))]
    table = sections(*folders)["results"][0]
    assert table["rows"] == [["intent", "accuracy", "0.5000", "0.7500"]]
    assert table["best"] == [[0, 3]]
