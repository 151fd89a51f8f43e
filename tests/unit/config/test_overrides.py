"""Command-line overrides, those of a user's own script included."""

import subprocess
import sys
from pathlib import Path

import pytest

from palm.config.overrides import overrides_from_argv, parse_overrides

FLAGS = {"use_ema", "shuffle"}


def values(*words: str) -> dict[str, object]:
    overrides = parse_overrides(words, FLAGS)
    assert overrides.problems == ()
    return {key: setting.value for key, setting in overrides.flat.items()}


@pytest.mark.parametrize(
    "words",
    [("--learning_rate", "1e-4"), ("--learning_rate=1e-4",), ("--learning-rate", "1e-4"), ("learning_rate=1e-4",)],
)
def test_ways_to_write_a_setting(words: tuple[str, ...]) -> None:
    assert values(*words) == {"learning_rate": "1e-4"}


@pytest.mark.parametrize(
    "words",
    [("--tasks.my-task.batch_size", "8"), ("tasks.my-task.batch-size=8",), ("--tasks.my-task.batch_size=8",)],
)
def test_keys_of_one_task(words: tuple[str, ...]) -> None:
    overrides = parse_overrides(words)
    assert overrides.tasks["my-task"]["batch_size"].value == "8"
    assert overrides.flat == {}


def test_flags_need_no_value_and_may_have_one() -> None:
    assert values("--use_ema", "--epoch", "2") == {"use_ema": "true", "num_epochs": "2"}
    assert values("--use_ema", "batch_size=8") == {"use_ema": "true", "batch_size": "8"}
    assert values("--shuffle", "no", "--batch_size", "8") == {"shuffle": "no", "batch_size": "8"}


def test_aliases_that_are_true_or_false_need_no_value_either() -> None:
    assert values("--load_best_model_at_end", "--epoch", "2") == {"export": "best", "num_epochs": "2"}
    assert values("--resume_from_checkpoint", "batch_size=8") == {"resume": "auto", "batch_size": "8"}
    assert values("--load_best_model_at_end", "False", "--resume-from-checkpoint=yes") == {
        "export": "last",
        "resume": "auto",
    }
    (problem,) = parse_overrides(["--resume_from_checkpoint", "out/检查点"]).problems
    assert str(problem).startswith("--resume_from_checkpoint: `resume_from_checkpoint` is true (`resume: auto`) or")


def test_values_may_be_negative_hold_equal_signs_lists_and_null() -> None:
    assert values("--save_every_n_steps", "-1") == {"save_every_n_steps": "-1"}
    assert values("--columns", "text_a=sentence1") == {"columns": "text_a=sentence1"}
    assert values("--mix_ratio", "[1.0, 0.5]") == {"mix_ratio": [1.0, 0.5]}
    assert values("--dev_file", "null") == {"dev_file": None}
    assert values("--train_file=数据/a=b.tsv") == {"train_file": "数据/a=b.tsv"}


def test_a_repeated_flag_keeps_its_last_value() -> None:
    assert values("--batch_size", "4", "--batch_size", "8") == {"batch_size": "8"}


def test_two_names_of_one_key_must_agree() -> None:
    overrides = parse_overrides(["--epoch", "2", "--num_epochs", "3"])
    assert "`num_epochs` and `epoch` are two names of one key and must agree. Found `3` here and `2` at --epoch" in str(
        overrides.problems[0]
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--batch_size"], "--batch_size: a flag takes a value. Found none. Write `--batch_size VALUE`."),
        (["--batch_size", "--use_ema"], "--batch_size: a flag takes a value."),
        (["stray"], "command line: settings are written `--key value` or `key=value`. Found `stray`."),
        (["--tasks.mrqa", "8"], "a key of one task is written `--tasks.<task>.<key> value`. Found `tasks.mrqa`."),
        (["--mix_ratio", "[1, 2"], "--mix_ratio:1: the file must be YAML."),
    ],
)
def test_what_is_no_setting(words: list[str], expected: str) -> None:
    problems = parse_overrides(words, FLAGS).problems
    assert expected in "\n".join(str(problem) for problem in problems)


def test_under_pytest_the_command_line_is_not_read() -> None:
    assert overrides_from_argv(["demo3.py", "--learning_rate", "1e-4"]) == []


def run_script(tmp_path: Path, first_line: str, *words: str) -> str:
    script = tmp_path / "demo3.py"
    code = f"{first_line}\nfrom palm.config.overrides import overrides_from_argv\nprint(overrides_from_argv())\n"
    script.write_text(code, encoding="utf-8")
    return subprocess.run([sys.executable, str(script), *words], check=True, capture_output=True, text=True).stdout


def test_a_users_script_obeys_its_flags(tmp_path: Path) -> None:
    words = ("--learning_rate", "1e-4", "--batch_size", "64")
    assert run_script(tmp_path, "", *words) == f"{list(words)}\n"


def test_words_before_the_first_flag_are_the_scripts_own(tmp_path: Path) -> None:
    assert run_script(tmp_path, "", "fast", "--batch_size", "64") == "['--batch_size', '64']\n"


def test_in_a_notebook_the_command_line_is_not_read(tmp_path: Path) -> None:
    first_line = "import sys, types; sys.modules['ipykernel'] = types.ModuleType('ipykernel')"
    assert run_script(tmp_path, first_line, "-f", "kernel.json", "--batch_size", "64") == "[]\n"
