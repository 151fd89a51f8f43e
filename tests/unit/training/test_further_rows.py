"""Training rows besides those of train_file: with their labels, the same every time, and none of a dev row."""

import json
import logging
import random

import pytest

from palm.controller import Controller
from palm.data.augmentation import Augmentation, vary_texts
from palm.errors import ConfigError, DataError
from palm.training.further_rows import further_rows_lines
from tests.integration import tiny


def texts(count, *, chinese):
    """Texts that differ in more than the order of their words."""
    units = tiny.CHARACTERS[:20] if chinese else tiny.WORDS
    return [("" if chinese else " ").join(random.Random(number).sample(units, 7)) for number in range(count)]


def task_of(folder, *, chinese=True, count=20, overrides=(), **keys):
    data = [["天" if number % 3 else "水", text] for number, text in enumerate(texts(count, chinese=chinese))]
    file = tiny.write_tsv(folder / "train.tsv", ["label", "text_a"], data)
    task = {"reader": "cls", "paradigm": "cls", "train_file": file, **keys}
    return Controller(tiny.config(folder, {"任务": task}), overrides=list(overrides))._tasks[0]


def rows(dataset):
    return [(record["label"], record["text_a"]) for record in dataset.records]


@pytest.mark.parametrize("chinese", [True, False])
@pytest.mark.parametrize("kind", ["swap", "delete"])
def test_each_row_gets_variants_with_its_label(tmp_path, chinese, kind):
    plain = rows(task_of(tmp_path, chinese=chinese).train)
    task = task_of(tmp_path, chinese=chinese, augment_type=kind, num_augment=3, word_augment_percent=0.3)
    found = rows(task.train)
    assert found[:20] == plain
    variants = vary_texts([text for _, text in plain], Augmentation(kind, 3, 0.3, seed=1))
    assert found[20:] == [(label, each) for (label, _), own in zip(plain, variants, strict=True) for each in own]
    assert task.train.num_examples == len(found) == 80
    classes = task.reader.labels.names
    assert [classes[number] for number in task.train.array("label_ids")] == [label for label, _ in found]
    [line] = further_rows_lines(task)
    assert line == f"任务: 60 variants (augment_type: {kind}) added to the 20 training rows of {tmp_path}/train.tsv."


def test_the_seed_decides(tmp_path):
    keys = {"augment_type": "swap", "num_augment": 2}
    one, again = (rows(task_of(tmp_path, **keys).train) for _ in range(2))
    other = rows(task_of(tmp_path, **keys, overrides=["--random_seed", "2"]).train)
    assert one == again
    assert other[:20] == one[:20]
    assert other[20:] != one[20:]


def test_no_variants_are_none(tmp_path):
    task = task_of(tmp_path, augment_type="swap", num_augment=0)
    assert task.train.num_examples == 20
    assert list(further_rows_lines(task)) == [
        f"任务: 0 variants (augment_type: swap) added to the 20 training rows of {tmp_path}/train.tsv."
    ]


@pytest.mark.parametrize("chinese", [True, False])
def test_dev_rows_have_no_variants_among_training_rows(tmp_path, chinese):
    plain = task_of(tmp_path, chinese=chinese, count=40, dev_file="20%")
    task = task_of(tmp_path, chinese=chinese, count=40, dev_file="20%", augment_type="swap", num_augment=4)
    assert rows(task.dev) == rows(plain.dev)
    assert len(task.dev.records) == 8
    assert rows(task.train)[:32] == rows(plain.train)
    words = [sorted(text.split() if not chinese else text) for _, text in rows(task.dev)]
    assert len(task.train.records) > 100
    assert all(sorted(text.split() if not chinese else text) not in words for _, text in rows(task.train))


def test_both_texts_of_a_pair_vary(tmp_path):
    data = [["1", "大红鱼在河里", "the big red fish swims"], ["0", "鸟", "bird"]]
    file = tiny.write_tsv(tmp_path / "m.tsv", ["label", "text_a", "text_b"], data)
    keys = {"reader": "match", "paradigm": "match", "train_file": file, "augment_type": "delete", "num_augment": 2}
    task = Controller(tiny.config(tmp_path, {"m": keys}), overrides=[])._tasks[0]
    added = list(task.train.records)[2:]
    assert [record["label"] for record in added] == ["1", "1"]
    assert all(len(record["text_a"]) == 5 and len(record["text_b"].split()) == 4 for record in added)
    [line] = further_rows_lines(task)
    assert "2 variants (augment_type: delete), none of 1 row without words to change, added to" in line


@pytest.mark.parametrize("name", ["pseudo.jsonl", "pseudo.tsv"])
def test_pseudo_labels_are_trained_on_and_never_become_dev_rows(tmp_path, name):
    new = [("水", "蓝猫在河里跑"), ("天", "绿鸟飞不大")] * 10
    content = "".join(json.dumps({"text_a": text, "label": label, "prob": 0.9}) + "\n" for label, text in new)
    if name.endswith(".tsv"):
        content = "text_a\tlabel\n" + "".join(f"{text}\t{label}\n" for label, text in new)
    (tmp_path / name).write_text(content, encoding="utf-8")
    keys = {"dev_file": "20%", "count": 40, "file_format": "tsv"}
    plain = task_of(tmp_path, **keys)
    task = task_of(tmp_path, **keys, pseudo_data_path=str(tmp_path / name), augment_type="swap", num_augment=1)
    assert rows(task.dev) == rows(plain.dev)
    assert rows(task.train)[-20:] == new
    assert len(task.train.records) == 32 + 32 + 20
    assert task.train.records_of_file == 32
    assert list(further_rows_lines(task)) == [
        f"任务: 32 variants (augment_type: swap) added to the 32 training rows of {tmp_path}/train.tsv.",
        f"任务: 20 rows of {tmp_path}/{name} added to the 32 training rows of {tmp_path}/train.tsv.",
    ]


def test_an_unknown_pseudo_label_is_refused_with_its_line(tmp_path):
    (tmp_path / "p.jsonl").write_text('{"text_a": "鸟", "label": "天"}\n{"text_a": "鱼", "label": "火"}\n', "utf-8")
    with pytest.raises(DataError, match=r"p\.jsonl:2: .*`火`"):
        task_of(tmp_path, pseudo_data_path=str(tmp_path / "p.jsonl"))


@pytest.mark.parametrize(
    ("reader", "keys", "message"),
    [
        ("slot", {"augment_type": "swap"}, "augment_type"),
        ("slot", {"pseudo_data_path": "x.jsonl"}, "pseudo_data_path"),
        ("cls", {"augment_type": "insert"}, "palm augment TRAIN_FILE --type insert"),
        ("cls", {"pseudo_data_path": "missing.jsonl"}, "missing.jsonl"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_read(tmp_path, reader, keys, message):
    made = tiny.slot_task(tmp_path, "s") if reader == "slot" else tiny.classification_task(tmp_path, "s")
    with pytest.raises(ConfigError, match=message):
        Controller(tiny.config(tmp_path, {"s": {**made, **keys}}), overrides=[])


def test_added_rows_are_reported_once_and_a_resumed_run_goes_on_with_them(tmp_path, caplog):
    caplog.set_level(logging.WARNING)
    task = {**tiny.classification_task(tmp_path, "c", chinese=True), "augment_type": "delete", "num_augment": 1}
    made = tiny.config(tmp_path, {"c": task}, max_steps=4, save_every_n_steps=2)
    Controller(made, overrides=[]).train()
    assert sum("48 variants (augment_type: delete)" in line for line in tiny.log_lines(tmp_path)) == 1
    saved = json.loads((tmp_path / "out" / "ckpt" / "step_4" / "data.json").read_text(encoding="utf-8"))
    assert saved["c"]["examples"] == 96
    Controller(made, overrides=["--resume", "auto", "--max_steps", "6"]).train()
    assert sum("variants (augment_type: delete)" in line for line in tiny.log_lines(tmp_path)) == 1
    config = json.loads((tmp_path / "out" / "c" / "infer_model" / "config.json").read_text(encoding="utf-8"))
    assert "augment_type" not in config["reader"]["config"]
