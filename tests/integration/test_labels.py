"""Labels are names, numbers or booleans whatever n_classes says; `palm check --data` and `palm train` decide alike."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import palm
from palm.cli.main import main
from tests.integration import tiny
from tests.palm_command import palm_here

ROOT = str(Path(palm.__file__).parents[1])
ENGLISH = ["the red fish", "the big bird", "a small cat", "who swims", "in the river"]
CHINESE = ["红鱼在河", "大鸟在天", "小猫不在", "谁在河?", "绿房的鸟"]
COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def write_run(folder, task, rows, dev=None, *, ending="tsv", **keys):
    """A configuration of one task `任务`; rows are `(label, text)`."""
    files = {"train_file": rows, "dev_file": dev}
    for key, own in files.items():
        if own is not None:
            file = folder / f"{key}.{ending}"
            if ending == "tsv":
                lines = ["label\ttext_a", *("\t".join(map(str, row)) for row in own)]
            else:
                lines = [
                    json.dumps(dict(zip(("label", "text_a"), row, strict=False)), ensure_ascii=False) for row in own
                ]
            file.write_text("\n".join(lines) + "\n", encoding="utf-8")
            task = {**task, key: str(file)}
    made = tiny.config(folder, {"任务": {"reader": "cls", "paradigm": "cls", **task}}, max_steps=1, **keys)
    (folder / "config.yaml").write_text(yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")


def run(folder, *words):
    """Exit code, stdout and stderr of a command in this process."""
    done = palm_here(*words, cwd=folder)
    return done.returncode, done.stdout, done.stderr


def run_alone(folder, *words):
    """The same in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "palm", *words], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": ROOT, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


def verdict(capsys, folder, monkeypatch, *words):
    """Exit code and messages of a command in this process."""
    monkeypatch.chdir(folder)
    code = main(list(words))
    printed = capsys.readouterr()
    return code, [line for line in printed.err.splitlines() if line.strip()]


def rows_of(labels, texts=(*ENGLISH, *CHINESE)):
    return [[label, texts[number % len(texts)]] for number, label in enumerate(labels)]


TNEWS = [code for code in range(100, 117) if code not in (105, 111)]
GOOD = {
    "codes": ({"n_classes": 15}, rows_of(TNEWS * 2), rows_of(TNEWS)),
    "codes, one not seen": ({"n_classes": 15}, rows_of(TNEWS[:-1] * 2), None),
    "stars": ({"n_classes": 5}, rows_of([5, 1, 2, 4, 3] * 2), rows_of([3, 5])),
    "numbers without one": ({"n_classes": 4}, rows_of([0, 3, 1] * 4), rows_of([2])),
    "polarity": ({"n_classes": 2}, rows_of([0, 4] * 5), rows_of([4])),
    "names": ({"n_classes": 3}, rows_of(["体育", "财经"] * 5), rows_of(["财经"])),
    "weights of numbers": ({"class_weights": {0: 2, 1: 1}}, rows_of([0, 1] * 5), None),
    "weights of words like no": ({"class_weights": {"no": 2, "yes": 1}}, rows_of(["no", "yes"] * 5), None),
    "one class": ({}, rows_of(["book"] * 9), None),
    "a weight of an absent class": ({"class_weights": {"2": 3}, "n_classes": 3}, rows_of(["1", "0"] * 5), None),
}
BAD = {
    "a weight too many": ({"class_weights": {"nein": 2, "yes": 1}}, rows_of(["no", "yes"] * 5), None),
    "a weight of no class": ({"class_weights": {"5": 2}, "n_classes": 5}, rows_of([0, 1] * 5), None),
    "weights of 0": ({"class_weights": {"0": 0, "1": 0}}, rows_of([0, 1] * 5), None),
    "too few classes": ({"n_classes": 14}, rows_of(TNEWS * 2), None),
    "an unknown label": ({}, rows_of(["体育", "财经"] * 5), rows_of(["体育 "[:1]])),
    "a number beyond": ({"n_classes": 5}, rows_of([1, 2, 3, 4, 5] * 2), rows_of([0])),
    "a decomposed accent": ({}, rows_of([COMPOSED, "x"] * 5), rows_of([DECOMPOSED])),
    "an empty label": ({}, rows_of(["体育", ""] * 5), None),
    "an empty text": ({}, [["体育", "红鱼"], ["财经", ""]], None),
    "an empty dev file": ({}, rows_of(["体育", "财经"] * 5), []),
    "a metric of nobody": ({"metrics": ["accurcy"]}, rows_of([0, 1] * 5), rows_of([0])),
    "all rows left out": ({"leave_out_labels": ["体育"]}, rows_of(["体育"] * 5), None),
    "a paradigm without its gold": ({"label_kind": "number"}, rows_of([0, 1] * 5), None),
}


@pytest.mark.parametrize("ending", ["tsv", "jsonl"])
@pytest.mark.parametrize("name", [*GOOD, *BAD])
def test_check_and_train_decide_alike(tmp_path, capsys, monkeypatch, name, ending):
    task, rows, dev = (GOOD | BAD)[name]
    write_run(tmp_path, task, rows, dev, ending=ending)
    checked, found = verdict(capsys, tmp_path, monkeypatch, "check", "config.yaml", "--data")
    trained, refused = verdict(capsys, tmp_path, monkeypatch, "train", "config.yaml")
    assert checked == trained == (2 if name in BAD else 0)
    assert found == refused or name in GOOD


def random_run(folder, number):
    """A small data set with labels of any kind, mutated in some rows, and keys that may or may not fit."""
    chance = random.Random(number)
    pool = chance.choice(
        [["0", "1"], ["1", "2", "3"], TNEWS, ["体育", "财经"], ["yes", "no", "-"], [True, False], [0, 4]]
    )
    labels = [chance.choice(pool) for _ in range(24)]
    rows = rows_of(labels)
    for _ in range(chance.choice([0, 0, 0, 1, 2])):
        row = chance.choice(rows)
        place = chance.randrange(2)
        row[place] = chance.choice(["", " ", "\u200b", None, 7, "a|b", "-1", "\x1f", "红 鱼", "体育\u00a0"])
    keys = {
        "n_classes": chance.choice([None, None, 1, 2, 3, 5, 15, 20]),
        "class_weights": chance.choice([None, None, {str(pool[0]): 2}, {"1": 2, "2": 1}, {"x": 1}]),
        "skip_empty_text": chance.choice([None, True]),
        "on_missing_label": chance.choice([None, "leave_out"]),
        "leave_out_labels": chance.choice([None, ["-"], ["7"]]),
        "on_unknown_label": chance.choice([None, "count_as_wrong"]),
    }
    ending = chance.choice(["tsv", "jsonl"])
    if ending == "tsv":
        rows = [["" if cell is None else cell for cell in row] for row in rows]
    task = {key: value for key, value in keys.items() if value is not None}
    write_run(folder, task, rows[:16], chance.choice([None, rows[16:], rows[16:]]), ending=ending)


def test_check_and_train_decide_alike_about_any_data(tmp_path, capsys, monkeypatch):
    codes = []
    for number in range(36):
        folder = tmp_path / str(number)
        folder.mkdir()
        random_run(folder, number)
        checked, found = verdict(capsys, folder, monkeypatch, "check", "config.yaml", "--data")
        trained, refused = verdict(capsys, folder, monkeypatch, "train", "config.yaml")
        assert checked == trained, folder
        assert found == refused or checked == 0, folder
        assert not any("Traceback" in line for line in [*found, *refused])
        codes.append(checked)
    assert min(codes.count(0), codes.count(2)) >= 8, codes


def test_codes_of_classes_train_and_are_predicted(tmp_path):
    write_run(tmp_path, {"n_classes": 16, "pred_file": "train_file.tsv"}, rows_of(TNEWS * 2), rows_of(TNEWS))
    code, said, errors = run_alone(tmp_path, "train", "config.yaml")
    assert code == 0, errors
    assert said.count("任务: the labels are 100, 101, 102, 103, 104, 106, 107, 108, 109, 110, …, in this order.") == 1
    assert said.count("train_file.tsv has the label [unused15]: it is not learned.") == 1
    code, _, errors = run(tmp_path, "pred", "config.yaml", "任务")
    assert code == 0, errors
    first = json.loads((tmp_path / "out" / "任务" / "predictions.json").read_text(encoding="utf-8").splitlines()[0])
    assert list(first["probs"]) == [*map(str, TNEWS), "[unused15]"]


def test_booleans_and_numbers_of_json_are_the_labels_of_a_table(tmp_path):
    write_run(tmp_path, {}, rows_of([True, False, 3] * 4), ending="jsonl")
    (tmp_path / "dev.tsv").write_text("label\ttext_a\ntrue\t红鱼\nfalse\tthe fish\n3\tcat\n", encoding="utf-8")
    text = (tmp_path / "config.yaml").read_text(encoding="utf-8")
    made = yaml.safe_load(text)
    made["tasks"]["任务"] |= {"dev_file": "dev.tsv", "pred_file": "dev.tsv", "class_weights": {"true": 2}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")
    code, _, errors = run(tmp_path, "train", "config.yaml")
    assert code == 0, errors
    code, said, errors = run(tmp_path, "eval", "config.yaml", "任务", "--file", "train_file.jsonl")
    assert code == 0, errors
    assert "accuracy" in said
    controller = palm.Controller(str(tmp_path / "config.yaml"), for_train=False, overrides=[])
    folder = tmp_path / "out" / "任务" / "infer_model"
    same = [{"label": label, "text_a": text} for label, text in ((True, "红鱼"), (False, "the fish"), (3, "cat"))]
    (tmp_path / "same.jsonl").write_text("".join(json.dumps(row) + "\n" for row in same), encoding="utf-8")
    scores = [controller.evaluate("任务", folder, tmp_path / name) for name in ("dev.tsv", "same.jsonl")]
    assert scores[0] == scores[1]


@pytest.mark.parametrize("words", [("check", "config.yaml", "--data"), ("train", "config.yaml")])
def test_what_cannot_be_seen_is_spelled_out(tmp_path, words):
    write_run(tmp_path, {}, rows_of([COMPOSED, "x"] * 5), rows_of([DECOMPOSED]))
    code, _, errors = run(tmp_path, *words)
    assert code == 2
    assert f"Did you mean `{COMPOSED}`? They differ in U+0065 U+0301 and U+00E9." in errors
    write_run(tmp_path, {}, rows_of([COMPOSED, DECOMPOSED] * 5))
    code, said, _ = run(tmp_path, *words)
    assert code == 0
    assert said.count("labels that look alike are hardly different.") == 1
    write_run(tmp_path, {}, rows_of(["x", "y"] * 5), **{"learning_r\u0430te": 1})
    code, _, errors = run(tmp_path, *words)
    assert code == 2
    assert "Did you mean `learning_rate`? They differ in U+0430 and U+0061." in errors


@pytest.mark.parametrize("words", [("check", "config.yaml", "--data"), ("train", "config.yaml")])
def test_a_dash_is_a_label_and_that_is_said(tmp_path, words):
    rows = rows_of(["neutral", "-", "entailment", "neutral", "entailment", "-"] * 3)
    write_run(tmp_path, {}, rows)
    code, said, _ = run(tmp_path, *words)
    assert code == 0
    assert said.count('If it stands for no label, set leave_out_labels: ["-"].') == 1
    write_run(tmp_path, {"leave_out_labels": ["-"]}, rows)
    code, said, errors = run(tmp_path, *words)
    assert code == 0
    assert "stands for no label" not in said
    assert errors.count("6 rows are left out (leave_out_labels: `-`), lines 3, 7, 9, ….") == 1


def test_a_task_file_that_a_mapping_did_not_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_run(tmp_path, {}, rows_of([0, 1] * 5))
    config = yaml.safe_load((tmp_path / "config.yaml").read_text(encoding="utf-8"))
    assert palm.Controller(config, overrides=[]).config.warnings == ()
    (tmp_path / "任务.yaml").write_text("reader: match\nlabel_smoothing: 0.1\n", encoding="utf-8")
    warnings = [str(warning) for warning in palm.Controller(config, overrides=[]).config.warnings]
    assert warnings == [
        "tasks.任务: the file of a task adds keys to those under `tasks:`. Found label_smoothing in `任务.yaml`. "
        "Unless that is meant, remove it, or set task_dir to another folder."
    ]
    assert run(tmp_path, "check", "config.yaml")[1].count("Found label_smoothing in `任务.yaml`") == 1


def test_resume_keeps_the_order_of_labels(tmp_path):
    write_run(tmp_path, {"n_classes": 15}, rows_of(TNEWS * 2), save_every_n_steps=1)
    assert run(tmp_path, "train", "config.yaml")[0] == 0
    for folder in (tmp_path / "out" / "ckpt").iterdir():
        assert json.loads((folder / "data.json").read_text(encoding="utf-8"))["任务"]["labels"] == [*map(str, TNEWS)]
    code, said, errors = run(tmp_path, "train", "config.yaml", "--resume", "auto", "--max_steps", "2")
    assert code == 0, errors
    assert "Resumed from" in said
