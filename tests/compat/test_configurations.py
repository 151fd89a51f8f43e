"""Configurations and scripts in the form of PaddlePALM 0.2.1 and 0.3, each in a process of its own."""

import json
import os
import subprocess
import sys

import pytest

from palm.errors import ConfigError
from tests.compat.test_scripts import EN, table, write_encoder
from tests.palm_command import script_here

SCRIPT = """\
import palm

if __name__ == "__main__":
    controller = palm.Controller("config.yaml", task_dir="tasks")
    controller.load_pretrain()
    controller.train()

    controller = palm.Controller(config="config.yaml", task_dir="tasks", for_train=False)
    controller.pred("mood", inference_model_dir="out/mood/infer_model")
"""
GLOBAL = """\
task_instance: "mood, words"
mix_ratio: 1.0, 0.5
save_path: "out"
backbone: "ernie"
backbone_config_path: "encoder/ernie_config.json"
pretrain_path: "encoder/params"
vocab_path: "encoder/vocab.txt"
do_lower_case: True
max_seq_len: 64
batch_size: 4
save_ckpt_every_n_steps: 5
save_infermodel_every_n_steps: 4
num_epochs: 2
optimizer: "adam"
lr_scheduler: "linear_warmup_decay"
learning_rate: 1e-3
warmup_proportion: 0.1
weight_decay: 0.1
use_gpu: False
"""
MOOD = "train_file: mood.tsv\npred_file: mood.tsv\npred_output_path: predictions\n"
MOOD += "reader: cls\nparadigm: cls\nn_classes: 2\n"
WORDS = "train_file: words.tsv\nreader: mlm\nparadigm: mlm\nis_target: False\n"


@pytest.fixture
def home(repository, tmp_path):
    write_encoder(tmp_path / "encoder", repository / "data" / "vocab" / "vocab_en.txt")
    table(tmp_path / "mood.tsv", ["label", "text_a"], [[str(number % 2), EN[number % 4]] for number in range(24)])
    table(tmp_path / "words.tsv", ["text_a"], [[EN[number % 4]] for number in range(16)])
    (tmp_path / "tasks").mkdir()
    (tmp_path / "run.py").write_text(SCRIPT)
    (tmp_path / "config.yaml").write_text(GLOBAL)
    (tmp_path / "tasks" / "mood.yaml").write_text(MOOD)
    (tmp_path / "tasks" / "words.yaml").write_text(WORDS)
    return tmp_path


def run(home, repository, *words):
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)


def test_a_demo_of_0_3_trains_saves_and_predicts(home, repository):
    done = run(home, repository, "run.py")

    assert done.returncode == 0, done.stdout + done.stderr
    saved = sorted(path.name for path in (home / "out" / "mood").iterdir())
    assert saved == ["infer_model", "infer_model.step12", "infer_model.step4", "infer_model.step8"]
    assert not (home / "out" / "words").exists()  # auxiliary tasks have no inference model
    assert (home / "out" / "ckpt" / "step_15").is_dir()
    found = (home / "predictions" / "predictions.json").read_text().splitlines()
    assert [json.loads(line)["index"] for line in found] == list(range(24))


def message_of(home):
    """The error that the script in this process ends with."""
    with pytest.raises(ConfigError) as error:
        script_here(home / "run.py", cwd=home)
    return str(error.value)


@pytest.mark.parametrize(
    ("key", "advice"),
    [
        ("task_reuse_scope: mood", "Write `share_head_with: <task>` instead"),
        ("is_first_target: True", "list that task first"),
        ("remove_noanswer: True", "Write `on_bad_answer: drop` instead"),
        ("with_slide_window: True", "A long context is always cut into windows"),
    ],
)
def test_a_key_that_is_gone_is_answered_with_what_to_write(home, key, advice):
    (home / "tasks" / "words.yaml").write_text(f"{WORDS}{key}\n")
    message = message_of(home)

    assert f"tasks/words.yaml:5: a key is one that this version reads. Found `{key.split(':')[0]}`" in message
    assert advice in message


def test_a_mistake_ends_a_script_as_it_ends_the_command_line(home, repository):
    (home / "tasks" / "mood.yaml").write_text(f"{MOOD}max_seqlenn: 3\n")
    script = run(home, repository, "run.py")
    command = run(home, repository, "-m", "palm", "train", "config.yaml", "--task_dir", "tasks")

    assert "max_seqlenn" in script.stderr
    assert script.stderr == f"{message_of(home)}\n"
    assert (script.returncode, script.stderr) == (command.returncode, command.stderr) == (2, script.stderr)
    assert "Traceback" not in script.stderr


def test_a_mistake_in_the_calls_of_a_script_has_no_traceback(home, repository):
    (home / "readers.py").write_text("import palm\npalm.reader.ClassifyReader('nothing.txt', 64)\n")
    done = run(home, repository, "readers.py")

    assert done.returncode == 2
    assert done.stderr.startswith("nothing.txt: ")
    assert "Traceback" not in done.stderr


def test_an_error_of_the_user_keeps_its_traceback(home, repository):
    (home / "own.py").write_text("import palm\npalm.reader\nraise ValueError('mine')\n")
    done = run(home, repository, "own.py")

    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "ValueError: mine" in done.stderr


@pytest.mark.parametrize("words", [["-X", "dev", "-W", "ignore"], ["-c"]])
def test_the_exception_stays_where_there_is_no_script_or_a_developer_wants_it(home, repository, words):
    code = "import palm; palm.Controller('nowhere.yaml')"
    (home / "own.py").write_text(code)
    done = run(home, repository, *words, code if words == ["-c"] else "own.py")

    assert done.returncode == 1
    assert "palm.errors.ConfigError: nowhere.yaml: " in done.stderr


def test_a_caller_that_catches_the_exception_gets_it(home, repository):
    lines = ["import palm", "try:", "    palm.Controller('nowhere.yaml')", "except Exception as error:"]
    (home / "own.py").write_text("\n".join([*lines, "    print(type(error).__name__)"]))
    done = run(home, repository, "own.py")

    assert (done.returncode, done.stdout) == (0, "ConfigError\n")


def test_help_lists_the_flags_of_a_script(home, repository):
    done = run(home, repository, "run.py", "--help")

    assert done.returncode == 0
    assert done.stdout.startswith("usage: run.py [--KEY VALUE ...]")
    for flag in ("--learning_rate", "--batch_size", "--num_epochs, --epoch", "--max_query_len", "--hidden_size"):
        assert f"\n  {flag}" in done.stdout
    assert not (home / "out").exists()
