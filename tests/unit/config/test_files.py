"""The files of a run: global file or mapping, task files, backbone JSON."""

import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palm.backbone.config_json import load_backbone_file
from palm.config.files import TaskFile, load_global, load_task_file
from palm.errors import ConfigError
from palm.schema.values import Setting


def backbone(tmp_path: Path, text: str) -> tuple[dict[str, object], dict[str, str], list[str]]:
    file = tmp_path / "bert.json"
    file.write_text(text, encoding="utf-8")
    layer, problems = load_backbone_file(Setting("backbone_config_path", str(file), "c.yaml:1"))
    values = {key: setting.value for key, setting in layer.items()}
    places = {key: Path(setting.where).name for key, setting in layer.items()}
    return values, places, [str(problem) for problem in problems]


def test_global_file(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text("epoch: 2\ntasks:\n  a:\n    seed: 3\n  b:\n", encoding="utf-8")
    main = load_global(file)
    assert main.flat["num_epochs"].value == 2
    assert main.flat["num_epochs"].where == f"{file}:1"
    assert main.tasks["a"]["random_seed"].where == f"{file}:4"
    assert list(main.tasks) == ["a", "b"]
    assert main.folder == tmp_path


def test_mapping_instead_of_a_file() -> None:
    main = load_global({"epoch": 2, "vocab_path": Path("v.txt"), "tasks": {"a": {"reader": "cls"}}})
    assert main.flat["num_epochs"].where == "config.epoch"
    assert main.flat["vocab_path"].value == "v.txt"
    assert main.tasks["a"]["reader"].where == "config.tasks.a.reader"


def test_missing_global_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the configuration must be a YAML file\. Found nothing at `.*nope\.yaml`"):
        load_global(tmp_path / "nope.yaml")
    with pytest.raises(ConfigError, match="Found a folder"):
        load_global(tmp_path)


@pytest.mark.parametrize("tasks", ["[a, b]", "a", "{a: 3}"])
def test_tasks_that_are_no_mapping(tmp_path: Path, tasks: str) -> None:
    (tmp_path / "c.yaml").write_text(f"tasks: {tasks}\n", encoding="utf-8")
    problems = load_global(tmp_path / "c.yaml").problems
    assert len(problems) == 1
    assert "mapping" in problems[0].message
    assert problems[0].where.endswith("c.yaml:1")


def test_task_file_is_looked_up_beside_the_global_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "conf/tasks").mkdir(parents=True)
    (tmp_path / "conf/tasks/a.yaml").write_text("reader: cls\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    found = load_task_file("a", "tasks", Path("conf"))
    assert (found.place, found.problems) == ("conf/tasks/a.yaml", ())
    assert found.keys is not None
    assert found.keys["reader"].where == "conf/tasks/a.yaml:1"
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks/a.yaml").write_text("reader: mrc\n", encoding="utf-8")
    assert load_task_file("a", "tasks", Path("conf")).place == "tasks/a.yaml"


def test_missing_task_file_names_both_places() -> None:
    assert load_task_file("a", "tasks", Path("conf")) == TaskFile("`tasks/a.yaml` or `conf/tasks/a.yaml`", None)


def test_backbone_file_keeps_lines_and_foreign_keys(tmp_path: Path) -> None:
    text = '{\n "id2label": {"hidden_size": "x"},\n "hidden_size": 12,\n\t"sent_type_vocab_size": 4, "model_type": "b"}'
    values, places, problems = backbone(tmp_path, text)
    assert problems == []
    assert values == {"id2label": {"hidden_size": "x"}, "hidden_size": 12, "type_vocab_size": 4, "model_type": "b"}
    assert places["hidden_size"] == "bert.json:3"
    assert places["type_vocab_size"] == "bert.json:4"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1,\n}', "bert.json:2: the backbone's config must be JSON."),
        ("", "bert.json:1: the backbone's config must be JSON."),
        ("[1]", "bert.json:1: the backbone's config must be a JSON object. Found `[1]`."),
        ('{"a": 1,\n"a": 2}', "bert.json:2: a key is given once. Found `a` again."),
        ("[" * 100_000, "the backbone's config must be JSON."),
    ],
)
def test_broken_backbone_file(tmp_path: Path, text: str, expected: str) -> None:
    values, _, problems = backbone(tmp_path, text)
    assert values == {}
    assert len(problems) == 1
    assert expected in problems[0]


@given(st.text() | st.dictionaries(st.text(), st.integers() | st.text()).map(json.dumps))
def test_any_text_as_backbone_file_is_read_or_refused(text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "bert.json"
        file.write_bytes(text.encode("utf-8", "surrogatepass"))
        layer, problems = load_backbone_file(Setting("backbone_config_path", str(file), "c.yaml:1"))
    if not problems:
        assert {setting.written: setting.value for setting in layer.values()} == json.loads(text)
