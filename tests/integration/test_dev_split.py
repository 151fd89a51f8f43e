"""`dev_file: 10%` splits dev rows off train_file: named, the same after a resume, consistent for shared rows."""

import json
import shutil

import pytest
import yaml

from palm.cli.main import main
from palm.controller import Controller
from palm.errors import ConfigError, DataError
from tests.integration import tiny
from tests.integration.test_labels import run


def unique_rows(count, *, chinese=False):
    """Rows whose texts differ."""
    labels, rows = ("体育", "财经") if chinese else ("water", "air"), []
    for number in range(count):
        words = [tiny.WORDS[(number * 7 + place * place) % 15] for place in range(6)]
        characters = [tiny.CHARACTERS[(number * 5 + place * 3) % 20] for place in range(8)]
        text = "".join(characters) + str(number) if chinese else f"{' '.join(words)} {number}"
        rows.append([labels[number % 3 == 0], text])
    return rows


def write(folder, tasks=None, *, chinese=True, count=60, **keys):
    file = tiny.write_tsv(folder / "all.tsv", ["label", "text_a"], unique_rows(count, chinese=chinese))
    task = {"reader": "cls", "paradigm": "cls", "train_file": file, "dev_file": "10%"}
    made = tiny.config(folder, tasks or {"任务": task}, **keys)
    (folder / "config.yaml").write_text(yaml.safe_dump(made, allow_unicode=True), encoding="utf-8")
    return made


def named(folder, task="任务"):
    return json.loads((folder / "out" / task / "dev_rows.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("chinese", [True, False])
def test_from_the_file_to_the_metrics(tmp_path, chinese):
    write(tmp_path, chinese=chinese, metric_for_best_model="accuracy")
    code, said, errors = run(tmp_path, "check", "config.yaml", "--data")
    assert code == 0, errors
    assert "任务: train_file " in said
    assert "任务: dev_file 10% of " in said
    assert "all.tsv, 6 records" in said
    code, said, errors = run(tmp_path, "train", "config.yaml")
    assert code == 0, errors
    assert said.count("all.tsv are dev rows (dev_file: 10%), named in dev_rows.json.") == 1
    rows = named(tmp_path)["rows"]
    assert len(rows) == 6
    labels = [unique_rows(60, chinese=chinese)[line - 2][0] for line in rows]
    assert sorted(labels.count(label) for label in set(labels)) == [2, 4]
    last = [line for line in tiny.metrics(tmp_path) if line["split"] == "dev"][-1]
    code, said, errors = run(tmp_path, "eval", "config.yaml")
    assert code == 0, errors
    assert json.loads(said)["loss"] == pytest.approx(last["loss"], abs=1e-5)


def test_training_rows_exclude_dev_rows_and_shuffled_files_are_split_alike(tmp_path):
    made = write(tmp_path)
    first = Controller(made, overrides=[])._tasks[0]
    dev = {record["text_a"] for record in first.dev.records}
    assert len(dev) == 6
    assert dev.isdisjoint(record["text_a"] for record in first.train.records)
    assert len(first.train.records) == first.train.num_examples == 54
    tiny.write_tsv(tmp_path / "all.tsv", ["label", "text_a"], unique_rows(60, chinese=True)[::-1])
    assert {record["text_a"] for record in Controller(made, overrides=[])._tasks[0].dev.records} == dev
    other = Controller(made, overrides=["--random_seed", "2"])._tasks[0]
    assert {record["text_a"] for record in other.dev.records} != dev


def test_a_resumed_run_has_the_same_rows_and_another_part_is_refused(tmp_path):
    write(tmp_path, save_every_n_steps=2, max_steps=4)
    assert run(tmp_path, "train", "config.yaml")[0] == 0
    before = named(tmp_path)
    saved = json.loads((tmp_path / "out" / "ckpt" / "step_4" / "data.json").read_text(encoding="utf-8"))["任务"]
    assert (saved["examples"], saved["dev_examples"]) == (54, 6)
    code, said, errors = run(tmp_path, "train", "config.yaml", "--resume", "auto", "--max_steps", "6")
    assert code == 0, errors
    assert "Resumed from" in said
    assert named(tmp_path) == before
    words = ("train", "config.yaml", "--resume", "auto", "--max_steps", "8", "--tasks.任务.dev_file", "20%")
    code, _, errors = run(tmp_path, *words)
    assert code == 2
    assert "was trained on other rows" in errors
    shutil.copy(tmp_path / "all.tsv", tmp_path / "old.tsv")
    tiny.write_tsv(tmp_path / "all.tsv", ["label", "text_a"], unique_rows(60, chinese=True)[::-1])
    code, _, errors = run(tmp_path, "eval", "config.yaml")
    assert code == 2
    assert "dev_rows.json: names the dev rows of the run. Found others in" in errors


def test_tasks_that_share_rows_are_split_alike(tmp_path):
    rows = unique_rows(80, chinese=True)
    kinds = {"reader": "cls", "paradigm": "cls", "dev_file": "20%"}
    one = tiny.write_tsv(tmp_path / "one.tsv", ["label", "text_a"], rows[:70])
    others = [[str(len(text) % 2), text] for _, text in rows[10:]]
    two = tiny.write_tsv(tmp_path / "two.tsv", ["label", "text_a"], others)
    tasks = {"甲": {**kinds, "train_file": one}, "乙": {**kinds, "train_file": two, "share_rows_with": "甲"}}
    tasks["乙"]["random_seed"] = 9
    first, second = Controller(tiny.config(tmp_path, tasks, mode="joint"), overrides=[])._tasks
    texts = [({record["text_a"] for record in task.train.records}, {record["text_a"] for record in task.dev.records})
             for task in (first, second)]  # fmt: skip
    assert texts[0][0].isdisjoint(texts[1][1])
    assert texts[1][0].isdisjoint(texts[0][1])
    assert texts[0][1] & texts[1][1]


def test_paragraphs_are_not_separated(tmp_path):
    task = tiny.mrc_task(tmp_path, "m")
    made = tiny.config(tmp_path, {"m": {**task, "dev_file": "25%"}})
    found = Controller(made, overrides=[])._tasks[0]
    contexts = [{record["context"] for record in data.records} for data in (found.train, found.dev)]
    assert contexts[0].isdisjoint(contexts[1])
    assert len(found.train.records) + len(found.dev.records) == 24
    tags = {**tiny.slot_task(tmp_path, "s"), "dev_file": "25%"}
    found = Controller(tiny.config(tmp_path, {"s": tags}), overrides=[])._tasks[0]
    assert found.train.columns["word_index"].offsets[-1] == len(found.train.columns["token_ids"].values)


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        ("0%", ConfigError, "a percentage is above 0% and below 100%"),
        ("100%", ConfigError, "a percentage is above 0% and below 100%"),
        (0.1, ConfigError, "a file is expected, or a percentage of train_file such as `10%`"),
        ("10 percent", ConfigError, "dev_file names an existing file. Found `10 percent`"),
    ],
)
def test_what_is_no_part(tmp_path, value, error, message):
    made = write(tmp_path)
    made["tasks"]["任务"]["dev_file"] = value
    with pytest.raises(error) as caught:
        Controller(made, overrides=[])
    assert message in str(caught.value)


def test_too_few_rows_to_split(tmp_path, capsys):
    made = write(tmp_path, count=3)
    tiny.write_tsv(tmp_path / "all.tsv", ["label", "text_a"], [["a", "fish"], ["b", "bird"]])
    with pytest.raises(DataError, match=r"leaves rows for training and rows to evaluate on\. Found 2 rows"):
        Controller(made, overrides=[])
    for words in (["check", str(tmp_path / "config.yaml"), "--data"], ["train", str(tmp_path / "config.yaml")]):
        assert main(words) == 2
        assert capsys.readouterr().err.count("leaves rows for training") == 1


def test_remarks_about_the_file_are_logged_once(tmp_path):
    write(tmp_path)
    tiny.write_tsv(tmp_path / "all.tsv", ["category", "sentence"], unique_rows(60, chinese=True))
    code, _, errors = run(tmp_path, "train", "config.yaml")
    assert code == 0, errors
    assert errors.count("columns by their names: text_a is `sentence`, label is `category`.") == 1
