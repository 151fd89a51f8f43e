"""Runs with spans within each other: learnt, predicted, evaluated, resumed in the same bits, alone and in a mix."""

import csv
import json

import numpy as np
import pytest

import palm
from palm.engine.checkpoint import save_checkpoint
from palm.engine.train import train_steps
from tests.integration import tiny
from tests.integration.test_heads import _digest

ANIMALS, PLACES = {"fish": "鱼", "bird": "鸟", "cat": "猫"}, {"river": "河", "sky": "天", "house": "房"}


def rows(count, seed):
    """Animals in places, in English and Chinese, and the whole of both as a `scene`."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        chinese = bool(generator.integers(2))
        animal, place = str(generator.choice(list(ANIMALS))), str(generator.choice(list(PLACES)))
        if chinese:
            animal, place = ANIMALS[animal], PLACES[place]
        size = str(generator.choice(list("大小") if chinese else ["big ", "small "]))
        text = f"谁不{size}{animal}在{place}" if chinese else f"who runs {size}{animal} in the {place}"
        start, inner = text.index(size), text.index(animal)
        spans = [[inner, inner + len(animal), "animal"], [text.index(place), len(text), "place"]]
        found.append({"text": text, "label": [*spans, [start, len(text), "scene"]]})
    return found


def write(file, lines):
    file.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    return str(file)


def tasks(folder, *, train=96):
    data = {
        "train_file": write(folder / "训练.jsonl", rows(train, 1)),
        "dev_file": write(folder / "dev.jsonl", rows(24, 2)),
    }
    keys = {"reader": "spans", "paradigm": "spans", **data, "pred_file": data["dev_file"], "loss_weight": 1.0}
    return {"跨": keys, "apart": {**keys, "span_scorer": "biaffine"}}


def controller(folder, *, train=96, **keys):
    return palm.Controller(tiny.config(folder, tasks(folder, train=train), **keys), overrides=[])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("嵌套")
    controller(folder, num_epochs=12, learning_rate=5e-3).train()
    return folder


@pytest.mark.parametrize("task", ["跨", "apart"])
def test_spans_within_each_other_are_learnt_and_predicted(trained, task):
    [*_, figures] = [line for line in tiny.metrics(trained) if line["split"] == "dev" and line["task"] == task]
    assert figures["span_f1"] > 0.95
    assert figures["span_macro_f1"] > 0.95
    predictions = palm.Predictor(trained / "out" / task / "infer_model").predict(tasks(trained)[task]["pred_file"])
    assert predictions == controller(trained).pred(task)
    right = 0
    for prediction, row in zip(predictions, rows(24, 2), strict=True):
        assert all(row["text"][span["start"] : span["end"]] == span["text"] for span in prediction["spans"])
        found = {(span["start"], span["end"], span["type"]) for span in prediction["spans"]}
        right += found == {tuple(span) for span in row["label"]}
    assert right > 20


def test_the_files_of_palm_pred_keep_text_and_gold(trained):
    lines = (trained / "out" / "跨" / "predictions.json").read_text(encoding="utf-8").splitlines()
    first = json.loads(lines[0])
    row = rows(24, 2)[0]
    assert first["text_a"] == row["text"]
    assert {(span["start"], span["end"], span["type"]) for span in first["gold"]} == set(map(tuple, row["label"]))


def with_relations(lines):
    """An animal is `in` its place, and the place a `part` of the scene."""
    return [{**line, "relations": [[0, 1, "in"], [1, 2, "part"]]} for line in lines]


@pytest.mark.parametrize("scorer", ["global_pointer", "biaffine"])
def test_relations_between_spans_are_learnt_exported_and_predicted(tmp_path, scorer):
    train, dev = (write(tmp_path / f"{n}.jsonl", with_relations(rows(n, n))) for n in (96, 24))
    task = {"reader": "spans", "paradigm": "spans", "span_scorer": scorer, "train_file": train, "dev_file": dev}
    made = tiny.config(tmp_path, {"关系": {**task, "pred_file": dev}}, num_epochs=14, learning_rate=5e-3)
    palm.Controller(made, overrides=[]).train()
    [*_, figures] = [line for line in tiny.metrics(tmp_path) if line["split"] == "dev"]
    assert figures["relation_f1"] > 0.9
    predictions = palm.Predictor(tmp_path / "out/关系/infer_model").predict(dev)
    assert predictions == palm.Controller(made, for_train=False, overrides=[]).pred("关系")
    named = {
        (spans[one["head"]]["type"], one["type"], spans[one["tail"]]["type"])
        for spans, relations in ((each["spans"], each["relations"]) for each in predictions[:8]) for one in relations
    }  # fmt: skip
    assert {("animal", "in", "place"), ("place", "part", "scene")} <= named
    _report_errors_of_relations(tmp_path)


def _report_errors_of_relations(folder):
    """A row whose relations are not those of the others is in `palm eval --errors`, and counts in `palm report`."""
    pytest.importorskip("sklearn", reason="needs the extra report")
    from palm.cli.main import main

    wrong = with_relations(rows(6, 9))
    wrong[2]["relations"] = [[1, 0, "in"]]
    animal, place = (wrong[2]["text"][start:end].strip() for start, end, _ in wrong[2]["label"][:2])
    file, errors = write(folder / "错.jsonl", wrong), folder / "errors.csv"
    assert main(["eval", str(folder / "out"), "关系", "--file", file, "--errors", str(errors)]) == 0
    with errors.open(encoding="utf-8-sig", newline="") as stream:
        [row] = [row for row in csv.DictReader(stream) if row["line"] == "3"]
    assert f"wrong direction: {place} —in→ {animal}, predicted {animal} —in→ {place}" in row["remark"]
    assert f"{place} —in→ {animal}" in row["gold"]
    assert main(["report", str(folder / "out"), "--output", str(folder / "report.html")]) == 0
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Scores of each relation" in page


def test_errors_of_spans(trained, tmp_path):
    pytest.importorskip("sklearn", reason="needs the extra report")
    from palm.cli.main import main

    wrong = rows(6, 9)
    wrong[2]["label"] = [[0, 1, "animal"], *wrong[2]["label"][1:]]
    file, errors = write(tmp_path / "错.jsonl", wrong), tmp_path / "errors.csv"
    assert main(["eval", str(trained / "out"), "跨", "--file", file, "--errors", str(errors)]) == 0
    with errors.open(encoding="utf-8-sig", newline="") as stream:
        found = list(csv.DictReader(stream))
    assert any("missed: animal" in row["remark"] and "spurious: animal" in row["remark"] for row in found), found


def test_a_resumed_run_ends_in_the_same_bits(tmp_path):
    ends = []
    for name, stop in (("whole", None), ("stopped", 5)):
        folder = tmp_path / name
        folder.mkdir()
        run = controller(folder, num_epochs=1, train=32)._training_run()
        for result in train_steps(run):
            if result.global_step == stop:
                save_checkpoint(run, folder / "out" / "ckpt", keep=9)
                break
        if stop is not None:
            again = controller(folder, num_epochs=1, train=32, resume="auto", save_every_n_steps=1)
            again.train()
            run = again._training_run()
        ends.append({name: _digest(tensor.numpy()) for name, tensor in run.model.state_dict().items()})
    assert ends[0] == ends[1]


@pytest.mark.parametrize(
    "keys",
    [
        {"mode": "joint", "weighting": "upgrad"},
        {"sampling": "exact", "amp": "bf16"},
        {"weighting": "uncertainty", "adversarial_epsilon": 0.1},
    ],
    ids=str,
)
def test_it_trains_beside_other_tasks_with_any_method(tmp_path, keys):
    mix = {**tasks(tmp_path, train=16), "水": tiny.classification_task(tmp_path, "水", 16)}
    for task in ("跨", "apart"):
        mix[task] |= {"rdrop_alpha": 0.5, "smart_weight": 0.5} if "amp" in keys else {}
    palm.Controller(tiny.config(tmp_path, mix, max_steps=6, num_epochs=9, **keys), overrides=[]).train()
    steps = [line for line in tiny.metrics(tmp_path) if line["split"] == "train"]
    assert steps
    assert all(np.isfinite(line["loss"]) for line in steps)
