"""Every key described: for people in a table, for editors as a JSON schema."""

from typing import Any

import pytest

from palm.config.describe import describe_keys, global_json_schema, keys_as_markdown, task_json_schema
from palm.config.yaml_file import parse_yaml


def rows(key: str) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    return [(row.type, row.default, row.owners, row.aliases) for row in describe_keys() if row.key == key]


def test_rows_tell_type_default_owners_and_aliases() -> None:
    assert rows("num_epochs") == [
        ("a number, above 0", "1; 3 with `tasks:`", ("training",), ("epoch", "num_train_epochs"))
    ]
    assert rows("reader") == [("text", "required", ("task",), ())]
    assert rows("learning_rate")[0][:2] == ("a number, above 0", "5e-05")
    assert rows("use_ema")[0][1] == "false"
    assert {row.on_resume for row in describe_keys() if row.key == "print_every_n_steps"} == {"nothing"}
    assert {row.on_resume for row in describe_keys() if row.key == "learning_rate"} == {"result"}
    assert [owners for _, _, owners, _ in rows("mix_ratio")] == [("run, one value per task",), ("task",)]
    assert {"reader mrc"} <= {owner for _, _, owners, _ in rows("doc_stride") for owner in owners}


def test_aliases_that_are_true_or_false_say_what_they_mean() -> None:
    assert "`load_best_model_at_end` (true is `best`, false `last`)" in keys_as_markdown()
    schema = global_json_schema()["properties"]["load_best_model_at_end"]
    assert schema["description"] == "`true` is `export: best`, `false` is `export: last`."
    assert [allows(schema, value, schema) for value in (True, "no", "best", 7)] == [True, True, False, False]


def test_markdown_has_one_line_a_row() -> None:
    lines = keys_as_markdown().splitlines()
    assert lines[0] == "| key | type | default | meaning | read by | on resume |"
    assert len(lines) == 2 + len(describe_keys())
    assert all(line.replace("\\|", "").count("|") == 7 for line in lines)


def allows(schema: dict[str, Any], value: object, root: dict[str, Any]) -> bool:
    """Whether `schema` lets `value` pass: the keywords that PALM's schemas use."""
    if "$ref" in schema:
        return allows(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], value, root)
    if "anyOf" in schema:
        return any(allows(choice, value, root) for choice in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    types = schema.get("type", [])
    if not any(is_a(value, name) for name in ([types] if isinstance(types, str) else types)):
        return False
    if isinstance(value, dict):
        known, rest = schema.get("properties", {}), schema.get("additionalProperties", True)
        parts = [(known.get(key, rest), part) for key, part in value.items()]
        return all(part is True or (part is not False and allows(part, inner, root)) for part, inner in parts)
    if isinstance(value, list):
        return all(allows(schema["items"], item, root) for item in value)
    return not isinstance(value, int | float) or value >= schema.get("minimum", value)


def is_a(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "number": (int, float), "null": type(None)}
    return name in kinds and isinstance(value, kinds[name])  # type: ignore[arg-type]


GOOD = """
task_instance: mrqa, cls
target_tag: 1,0
mix_ratio: [1.0, 0.5]
task_reuse_tag: 0, 1
backbone: bert
epoch: 2
learning_rate: 3e-5
use_ema: 'no'
do_lower_case: true
hidden_dropout_prob: 0.2
tasks:
  mrqa: {reader: mrc, paradigm: mrc, mix_ratio: 1.0, doc_stride: 64, seed: 3}
  cls:
"""


def test_a_good_file_passes_the_json_schema() -> None:
    schema: dict[str, Any] = global_json_schema()
    data = parse_yaml(GOOD, "c.yaml").data
    for key, value in data.items():
        assert allows(schema["properties"][key], value, schema), key
    assert allows(schema, data, schema)


@pytest.mark.parametrize(
    "wrong",
    [
        {"lerning_rate": 1},
        {"batch_size": 0},
        {"use_ema": "perhaps"},
        {"on_nan": "x"},
        {"tasks": {"a": {"epoch": 1}}},
    ],
)
def test_a_wrong_file_does_not_pass(wrong: dict[str, object]) -> None:
    schema: dict[str, Any] = global_json_schema()
    assert not allows(schema, {**parse_yaml(GOOD, "c.yaml").data, **wrong}, schema)


def test_task_files_have_a_schema_of_their_own() -> None:
    schema: dict[str, Any] = task_json_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert allows(schema, {"reader": "cls", "paradigm": "cls", "train_file": "a.tsv", "max_seqlen": 12}, schema)
    assert not allows(schema, {"reader": "cls", "learning_rate": 1e-3}, schema)
