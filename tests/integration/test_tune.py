"""`palm tune`, as users run it: in a process, to its end, stopped by Ctrl-C and continued."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from palm.cli.main import main
from tests.integration import tiny

pytest.importorskip("optuna")

ROOT = Path(__file__).resolve().parents[2]
SEARCH = {"learning_rate": [1e-4, 1e-1, "log"], "tasks": {"意图": {"batch_size": {"choices": [8, 16]}}}}


@pytest.fixture
def config(tmp_path):
    """Writes a configuration with two tasks and a search."""

    def write(search=SEARCH, **keys):
        tasks = {name: tiny.classification_task(tmp_path, name) for name in ("意图", "two")}
        content = {**tiny.config(tmp_path, tasks, report_to="none"), **keys}
        file = tmp_path / "config.yaml"
        file.write_text(
            yaml.safe_dump({**content, "search": search}, allow_unicode=True, sort_keys=False), encoding="utf-8"
        )
        return file

    return write


def start(*words, cwd):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "palm", *map(str, words)]
    return subprocess.Popen(
        command, env=environment, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def results(tmp_path):
    return json.loads((tmp_path / "out" / "tune.json").read_text(encoding="utf-8"))


def test_a_search_to_the_end_and_its_best_configuration(config, tmp_path, capsys):
    file = config()
    assert main(["tune", str(file), "--trials", "6"]) == 0
    said = capsys.readouterr().out
    found = results(tmp_path)
    assert len(found["trials"]) == 6
    best = found["trials"][found["best"]]
    assert best["score"] == max(trial["score"] for trial in found["trials"] if trial["score"] is not None)
    for trial in found["trials"]:
        folder = tmp_path / "out" / trial["folder"]
        resolved = yaml.safe_load((folder / "config.resolved.yaml").read_text(encoding="utf-8"))
        assert resolved["learning_rate"] == trial["values"]["learning_rate"]
        assert resolved["tasks"]["意图"]["batch_size"] == trial["values"]["tasks.意图.batch_size"]
        assert (folder / "infer_model").exists() == (trial["number"] == found["best"])
    lines = said.splitlines()
    assert lines[0].startswith("[1/6] trial 0: learning_rate 0.005, tasks.意图.batch_size 8: mean of 意图 + two ")
    best_file = tmp_path / "out" / "best.yaml"
    assert lines[-1] == f"Best: trial {found['best']}. `palm train {best_file}` trains it again."
    assert main(["train", str(best_file)]) == 0
    trained = (tmp_path / "out" / "best" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    searched = (tmp_path / "out" / best["folder"] / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    scores = [[line for line in map(json.loads, lines) if line["split"] == "dev"] for lines in (trained, searched)]
    assert scores[0] == scores[1], "the same run again, to the same numbers"


def test_ctrl_c_keeps_what_has_ended_and_resume_continues(config, tmp_path):
    file = config(num_epochs=20)
    process = start("tune", file, "--trials", 30, "--no_prune", cwd=tmp_path)
    line = process.stdout.readline()
    assert line.startswith("[1/30] trial 0: ")
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    ended = len(results(tmp_path)["trials"])
    assert 1 <= ended < 30
    assert f"{ended} of 30 trials have ended. The same command with --resume continues." in out
    assert "Traceback" not in err
    process = start("tune", file, "--trials", ended + 1, "--no_prune", "--resume", cwd=tmp_path)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert [trial["state"] for trial in results(tmp_path)["trials"]] == ["complete"] * (ended + 1)


def test_a_mistyped_key_is_found_before_the_first_trial(config, tmp_path, capsys):
    assert main(["tune", str(config({"learning_rat": [1e-4, 1e-2]})), "--trials", "2"]) == 2
    said = capsys.readouterr().err
    assert "config.yaml:" in said
    assert "search.learning_rat: nothing in this run reads `learning_rat`." in said
    assert "Did you mean `learning_rate`?" in said
    assert not (tmp_path / "out").exists()


def test_palm_train_refuses_a_search(config, tmp_path, capsys):
    assert main(["train", str(config())]) == 2
    assert "`search:` is for `palm tune`" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_palm_check_checks_a_search(config, capsys):
    assert main(["check", str(config())]) == 0
    said = capsys.readouterr().out
    assert "`palm tune` searches learning_rate, tasks.意图.batch_size, for the best mean of 意图 + two." in said
    assert main(["check", str(config({"batch_size": [0, 4]}))]) == 2
    assert "search.batch_size: " in capsys.readouterr().err


@pytest.mark.parametrize("search", [3, [1], "learning_rate"])
def test_a_search_that_is_no_mapping(config, capsys, search):
    assert main(["check", str(config(search))]) == 2
    assert "`search` is a mapping from keys to the values to try." in capsys.readouterr().err


def test_a_search_in_which_every_trial_fails(config, tmp_path, capsys):
    file = config({"learning_rate": {"choices": [1e29, 1e30]}}, learning_rate=1e30)
    assert main(["tune", str(file), "--trials", "2"]) == 2
    captured = capsys.readouterr()
    assert "no trial was complete. Found in the last one: TrainingError: " in captured.err
    assert [trial["state"] for trial in results(tmp_path)["trials"]] == ["failed"] * 2
    assert not (tmp_path / "out" / "best.yaml").exists()


@pytest.mark.parametrize("word", ["0", "-1", "many"])
def test_a_number_of_trials_is_one_or_more(config, capsys, word):
    assert main(["tune", str(config()), f"--trials={word}"]) == 2
    assert f"--trials: it must be 1 or more. Found `{word}`." in capsys.readouterr().err
