"""The catalog has every message of the source, and commands in Chinese leave no English prose."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from palm.cli.main import COMMANDS
from palm.downloader.datasets import datasets
from tests.integration import tiny
from tests.integration.documents import ROOT
from tests.palm_command import palm_here

CHINESE = {"PALM_LANG": "zh", "COLUMNS": "100"}
# Three English words in a row, of which the last two begin in lower case.
PROSE = re.compile(r"(?<![\w./=<-])[A-Za-z][a-z']+ [a-z][a-z']* [a-z][a-z']+(?![\w./=-])")
# What is no prose of PALM: commands and what they are given, what stands in backticks, usage in brackets, quoted texts.
NO_PROSE = re.compile(
    r"`[^`]*`|\"[^\"]*\"|'[^']*'|\[[^\]]*\]|^ *(\w+=\S+ )*(palm|pip|echo|curl) .*?(?= {2}|$)", re.MULTILINE
)


def prose(text: str) -> list[str]:
    """The English in a text that should be Chinese."""
    return PROSE.findall(NO_PROSE.sub(" ", text))


def check() -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "docs" / "write_messages.py"), "--check"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_catalog_has_every_message():
    done = check()
    assert done.returncode == 0, (
        f"run `make messages` and translate what is empty (CONTRIBUTING.md):\n{done.stdout}{done.stderr}"
    )


def test_english_prose_is_found():
    assert prose("实际为 3 行。Quote the text or remove the tab.") == ["Quote the text", "or remove the"]
    assert prose('  palm train config.yaml and so on  训练\n`train it all now` "a big red fish"') == []


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_help(command):
    done = palm_here(*filter(None, [command, "--help"]), environment=CHINESE)
    assert done.returncode == 0
    assert "显示本帮助并退出" in done.stdout
    assert prose(done.stdout) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("messages")


@pytest.fixture(scope="module")
def config(folder: Path) -> Path:
    """A run of two tasks, with evaluation, selection, early stopping and warnings."""
    tasks = {
        "water": {**tiny.classification_task(folder, "water"), "early_stopping_patience": 1},
        "水": {**tiny.classification_task(folder, "水", chinese=True), "print_first_n": 0},
    }
    made = tiny.config(folder, tasks, num_epochs=3, print_every_n_steps=2, weighting="dwa", use_gpu=True, batch_size=16)
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def trained(config: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LC_ALL": "zh_CN.UTF-8", "PYTHONUTF8": "1"}
    del environment["PALM_LANG"]  # the locale alone
    command = [sys.executable, "-m", "palm", "train", str(config)]
    return subprocess.run(
        command, cwd=config.parent, env=environment, capture_output=True, encoding="utf-8", check=True
    )


def test_training_is_shown_in_chinese(trained):
    assert "训练完成！" in trained.stdout
    assert "全局步：" in trained.stdout
    assert prose(trained.stdout) + prose(trained.stderr) == []


def test_the_log_stays_english(trained, config):
    save_path = Path(yaml.safe_load(config.read_text(encoding="utf-8"))["save_path"])
    log = (save_path / "log.txt").read_text(encoding="utf-8")
    assert "water: train finished!" in log
    assert not re.search("[训练评估]", log)


COMMAND_LINES = {
    "check": ["check", "config.yaml"],
    "explain": ["check", "config.yaml", "--explain"],
    "check data": ["check", "config.yaml", "--data"],
    "eval": ["eval", "config.yaml"],
    "pred": ["pred", "config.yaml", "water"],
    "cache": ["cache"],
    "download": ["download", "--data"],
    "schema": ["schema"],
    "keys": ["schema", "--markdown"],
    "init": ["init", "made"],
    "doctor": ["doctor"],
    "a mistyped command": ["trai"],
    "a mistyped option": ["train", "config.yaml", "--nprocs=2"],
    "a mistyped key": ["train", "config.yaml", "--learning_rat", "1e-3"],
    "a wrong type": ["train", "config.yaml", "--batch_size", "thirty", "--num_epochs", "-1", "--amp", "int4"],
    "a missing file": ["train", "nowhere.yaml"],
    "a missing argument": ["train"],
    "a damaged row": ["train", "config.yaml", "--tasks.water.train_file", "damaged.tsv", "--save_path", "other"],
    "missing data": ["check", "config.yaml", "--tasks.water.train_file", "nothing.tsv"],
    "wrong components": ["check", "config.yaml", "--tasks.water.reader", "cl", "--tasks.水.paradigm", "mrc"],
    "keys of others": ["check", "config.yaml", "--lr", "1e-3", "--fp16", "true", "--report_to", "nothing"],
    "contradicting keys": ["check", "config.yaml", "--mode", "joint", "--sampling", "exact", "--max_seq_len", "9000"],
    "a model that is not there": ["pred", "nowhere/water", "a text"],
}


@pytest.mark.parametrize("name", COMMAND_LINES)
def test_what_commands_say(trained, folder, name):
    del trained
    rows = ["label\ttext_a", "water\ta big fish", "air\ta\tbird", "\tthe cat", "air\t"]
    (folder / "damaged.tsv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    done = palm_here(*COMMAND_LINES[name], cwd=folder, environment=CHINESE)
    shown = done.stdout + done.stderr
    for dataset in datasets():
        shown = shown.replace(dataset.licence, "")  # as its owner states it
    assert re.search("[\u4e00-\u9fff]", shown) or done.returncode == 0
    assert prose(shown) == []
