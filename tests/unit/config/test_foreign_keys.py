"""Keys of other programs are answered with PALM's key, or with why there is none, at their file and line."""

import dataclasses

import pytest

from palm.config.components import all_schemas
from palm.config.foreign_keys import FOREIGN_KEYS, FORMER_KEYS
from palm.config.resolve import load_run_config
from palm.errors import ConfigError
from palm.schema.values import ALIASES
from tests.integration import tiny

KNOWN = {key for _, schema in all_schemas() for key in schema.model_fields} | set(ALIASES)


def test_every_name_of_hugging_face_is_answered():
    transformers = pytest.importorskip("transformers")
    names = {field.name for field in dataclasses.fields(transformers.TrainingArguments)}
    assert sorted(names - KNOWN - FOREIGN_KEYS.keys() - FORMER_KEYS.keys()) == []


def test_none_is_a_key():
    assert sorted(FOREIGN_KEYS.keys() & KNOWN) == []
    assert sorted(FOREIGN_KEYS.keys() & FORMER_KEYS.keys()) == []


@pytest.mark.parametrize("key", FOREIGN_KEYS)
def test_what_is_recommended_exists(key):
    words = [word for word in FOREIGN_KEYS[key].split("`")[1::2] if not word.startswith("palm ")]
    assert [word for word in words if word.split(":")[0] not in KNOWN | {"tokenizers"}] == []
    assert FOREIGN_KEYS[key].endswith((".", "both."))


@pytest.mark.parametrize(
    ("key", "answer"),
    [
        ("lr", "Did you mean `learning_rate`?"),
        ("epochs", "Did you mean `num_epochs`?"),
        ("fp16", "Write `amp: fp16` instead"),
        ("report_to", "Metrics are in save_path/metrics.jsonl"),
        ("warmup_steps", "Write `warmup_proportion: "),
        ("deepspeed", "Training uses one process: remove it."),
    ],
)
def test_the_answer_has_file_and_line(tmp_path, key, answer):
    file = tmp_path / "c.yaml"
    file.write_text(f"tasks:\n  a:\n    reader: cls\n    paradigm: cls\n    {key}: 3\n{key}: 3\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_run_config(file)
    said = [str(problem) for problem in caught.value.problems if f"`{key}`" in problem.message]
    assert [line.split(": ")[0] for line in said] == [f"{file}:6", f"{file}:5"]
    assert all(answer in line for line in said)


def test_a_misspelt_paradigm_is_named(tmp_path):
    task = tiny.classification_task(tmp_path, "a")
    task["paradgm"] = task.pop("paradigm")
    with pytest.raises(ConfigError, match=r"nothing in this run reads `paradgm`\. .* Did you mean `paradigm`\?"):
        load_run_config(tiny.config(tmp_path, {"a": task}))
