"""Keys without effect, and data that make a task meaningless, are reported once by `palm train` and `palm check`."""

import pytest
import yaml

from tests.integration import tiny
from tests.palm_command import palm_here


def palm_says(folder, command, tasks, *words, **keys):
    made = tiny.config(folder, tasks, num_epochs=1, **keys)
    (folder / "config.yaml").write_text(yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")
    done = palm_here(command, "config.yaml", *words, cwd=folder)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("command", ["check", "train"])
def test_bf16_without_the_fused_kernels(tmp_path, command):
    tasks = {"水": tiny.classification_task(tmp_path, "water")}
    code, said = palm_says(tmp_path, command, tasks, amp="bf16", kernels="plain")
    assert code == 0
    assert said.count("amp: on a CPU, bf16 multiplies in the fused kernels.") == 1
    assert "multiplies in the fused kernels" not in palm_says(tmp_path, command, tasks, kernels="plain")[1]


@pytest.mark.parametrize("command", ["check", "train"])
def test_r_drop_without_dropout(tmp_path, command):
    tasks = {"水": {**tiny.classification_task(tmp_path, "water"), "rdrop_alpha": 1.0}}
    none = {"hidden_dropout_prob": 0, "attention_probs_dropout_prob": 0, "dropout_prob": 0}
    code, said = palm_says(tmp_path, command, tasks, **none)
    assert code == 0
    assert said.count("rdrop_alpha: R-Drop compares two passes under different dropout.") == 1
    assert "R-Drop compares" not in palm_says(tmp_path, command, tasks)[1]


@pytest.mark.parametrize("words", [("check", "--data"), ("train",)])
def test_a_single_class_and_heads_whose_classes_have_other_names(tmp_path, words):
    command, *flags = words
    tasks = {name: tiny.classification_task(tmp_path, name) for name in ("one", "two", "only")}
    text = (tmp_path / "two.train.tsv").read_text(encoding="utf-8")
    kind = {"reader": "cls", "paradigm": "cls"}
    tasks["two"] = {**kind, "train_file": str(tmp_path / "two.tsv"), "share_head_with": "one"}
    (tmp_path / "two.tsv").write_text(text.replace("water", "wet").replace("air", "dry"), encoding="utf-8")
    tasks["only"] = {**kind, "train_file": str(tmp_path / "only.tsv")}
    (tmp_path / "only.tsv").write_text(text.replace("water\t", "same\t").replace("air\t", "same\t"), encoding="utf-8")
    code, said = palm_says(tmp_path, command, tasks, *flags)
    assert code == 0, said
    assert said.count("task `only`: a classifier learns from two labels or more. Found only `same`") == 1
    assert said.count("Found `air` for `one` and `dry` for `two` as one class.") == 1


@pytest.mark.parametrize("words", [("check", "--data"), ("train",)])
def test_check_refuses_the_data_that_train_refuses(tmp_path, words):
    command, *flags = words
    tasks = {"水": {**tiny.classification_task(tmp_path, "water"), "class_weights": "watr=3"}}
    code, said = palm_says(tmp_path, command, tasks, *flags)
    assert code == 2
    assert "class_weights must name labels of the task. Found `watr`. Did you mean `water`?" in said
    assert "Traceback" not in said
