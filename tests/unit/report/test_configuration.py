from palm.report.configuration import (
    ABSENT,
    ConfiguredValue,
    DifferentValue,
    RunConfiguration,
    differing_values,
    flattened,
    read_configuration,
    value_as_text,
)
from palm.schema.run_description import RunDescription, ValueOrigin

RESOLVED = """
learning_rate: 0.0005
use_ema: false
seeds: [1, 2]
tasks:
  意图:
    target: true
    batch_size: 8
  slots:
    target: false
"""


def configuration(**values):
    return RunConfiguration({key: ConfiguredValue(key, text) for key, text in values.items()})


def test_values_and_their_sources(tmp_path):
    (tmp_path / "config.resolved.yaml").write_text(RESOLVED, encoding="utf-8")
    origin = ValueOrigin(key="tasks.意图.batch_size", where="config.yaml:7", overridden="`4` (意图.yaml:1)")
    description = RunDescription(palm_version="1", started="now", origins=(origin,))
    found = read_configuration(tmp_path, description)
    assert found.values["learning_rate"] == ConfiguredValue("learning_rate", "0.0005")
    assert found.values["tasks.意图.batch_size"] == ConfiguredValue(
        "tasks.意图.batch_size", "8", "config.yaml:7", "`4` (意图.yaml:1)"
    )
    assert found.task_names == ["意图", "slots"]
    assert found.of_task("slots", "target") == "false"
    assert found.of_task("slots", "learning_rate") == "0.0005"
    assert found.of_task("slots", "unknown") is None


def test_a_run_without_configuration_and_one_that_cannot_be_read(tmp_path):
    assert read_configuration(tmp_path, None) == RunConfiguration()
    (tmp_path / "config.resolved.yaml").write_text("a: [", encoding="utf-8")
    found = read_configuration(tmp_path, None)
    assert found.values == {}
    assert "config.resolved.yaml" in found.problem


def test_secrets_are_left_out(tmp_path):
    text = "hub_token: abc\ntasks: {a: {api_key: def, file: 'https://me:ghi@host/x'}}\n"
    (tmp_path / "config.resolved.yaml").write_text(text, encoding="utf-8")
    found = read_configuration(tmp_path, None)
    assert {key: value.value for key, value in found.values.items()} == {"tasks.a.file": "https://***@host/x"}


def test_texts_of_values():
    values = [None, True, 1e-5, 3, "中", [1, 0.5], [], {}]
    assert [value_as_text(value) for value in values] == ["null", "true", "1e-05", "3", "中", "1, 0.5", "[]", "{}"]


def test_nested_keys():
    assert flattened({"a": {"b": {"c": 1}, "d": {}}, "e": 2}) == {"a.b.c": 1, "a.d": {}, "e": 2}


def test_differences_between_runs():
    one, other = configuration(a="1", b="2", c="3"), configuration(a="1", b="4")
    assert differing_values([one, other]) == [DifferentValue("b", ("2", "4")), DifferentValue("c", ("3", ABSENT))]
    assert differing_values([one]) == []
    # A run of a trainer has none, which is no difference.
    assert differing_values([one, RunConfiguration()]) == []
    assert differing_values([one, RunConfiguration(), other])[0] == DifferentValue("b", ("2", ABSENT, "4"))
