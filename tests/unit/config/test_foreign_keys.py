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
        ("wandb_project", "Write `report_to: wandb`, and set the environment variable WANDB_PROJECT."),
        ("warmup_steps", "Write `warmup_proportion: "),
        ("deepspeed", "Training uses one process: remove it."),
        ("data_dir", "Write `train_file`, `dev_file` and `pred_file` instead."),
        ("do_export", "`palm export` writes it for other programs: remove it."),
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


# The arguments of PaddleNLP's prompt trainer that are about training (its train.py logs them).
TRAINING_ARGUMENTS = (
    "output_dir overwrite_output_dir do_train do_eval do_predict do_export max_steps num_train_epochs "
    "per_device_train_batch_size per_device_eval_batch_size learning_rate weight_decay adam_beta1 adam_beta2 "
    "adam_epsilon max_grad_norm lr_scheduler_type warmup_steps warmup_ratio logging_steps eval_steps "
    "evaluation_strategy save_steps save_strategy save_total_limit load_best_model_at_end metric_for_best_model "
    "greater_is_better seed gradient_accumulation_steps device fp16 report_to resume_from_checkpoint "
    "disable_tqdm model_name_or_path max_seq_length use_rdrop alpha_rdrop data_dir early_stopping_patience"
)


def test_every_argument_of_paddlenlp_s_trainer_is_answered():
    assert sorted(set(TRAINING_ARGUMENTS.split()) - KNOWN - FOREIGN_KEYS.keys() - FORMER_KEYS.keys()) == []


def test_its_arguments_with_a_key_of_one_meaning_are_that_key(tmp_path):
    """Those of the document's example, as a YAML file."""
    given = tiny.config(tmp_path, {"水": tiny.classification_task(tmp_path, "水", chinese=True)})
    for own in ("save_path", "batch_size", "learning_rate", "num_epochs", "print_every_n_steps", "export"):
        del given[own]
    given |= {
        "output_dir": str(tmp_path / "结果"), "seed": 1000, "num_train_epochs": 20, "learning_rate": 3e-5,
        "per_device_train_batch_size": 4, "per_device_eval_batch_size": 16, "logging_steps": 5, "eval_steps": 20,
        "save_steps": 20, "save_total_limit": 2, "lr_scheduler_type": "linear", "warmup_ratio": 0.1,
        "max_grad_norm": 0.5, "adam_beta1": 0.8, "adam_beta2": 0.99, "adam_epsilon": 1e-6, "weight_decay": 0.01,
        "metric_for_best_model": "accuracy", "load_best_model_at_end": True, "early_stopping_patience": 4,
        "resume_from_checkpoint": True, "gradient_accumulation_steps": 2, "max_seq_length": 20,
    }  # fmt: skip
    del given["max_seq_len"], given["warmup_proportion"]
    config = load_run_config(given, overrides=[])
    (task,), train, optimizer = config.tasks, config.train, config.methods.optimizer
    assert config.run.save_path == str(tmp_path / "结果")
    assert (train.num_epochs, train.print_every_n_steps, train.eval_every_n_steps) == (20, 5, 20)
    assert (train.save_every_n_steps, train.keep_checkpoints, train.lr_scheduler) == (20, 2, "linear")
    assert (train.export, train.resume, train.metric_for_best_model) == ("best", "auto", "accuracy")
    assert (train.random_seed, task.settings.random_seed) == (1000, 1000)
    assert (train.gradient_accumulation_steps, config.methods.schedule.warmup_proportion) == (2, 0.1)
    assert (optimizer.adam_beta1, optimizer.adam_beta2, optimizer.adam_epsilon) == (0.8, 0.99, 1e-6)
    assert (optimizer.max_grad_norm, optimizer.weight_decay) == (0.5, 0.01)
    assert (task.settings.batch_size, task.settings.pred_batch_size, task.reader.max_seq_len) == (4, 16, 20)
    assert task.settings.early_stopping_patience == 4
    assert config.warnings == ()


def test_a_misspelt_paradigm_is_named(tmp_path):
    task = tiny.classification_task(tmp_path, "a")
    task["paradgm"] = task.pop("paradigm")
    with pytest.raises(ConfigError, match=r"nothing in this run reads `paradgm`\. .* Did you mean `paradigm`\?"):
        load_run_config(tiny.config(tmp_path, {"a": task}))
