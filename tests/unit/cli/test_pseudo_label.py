"""`palm pseudo-label` from a trained task to the rows that the next run trains on."""

import json

import pytest
import yaml

from palm.cli.main import main
from tests.integration import tiny
from tests.palm_command import palm_here


def run_palm(folder, *words):
    done = palm_here(*words, cwd=folder)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A trained run with two tasks, and rows without labels."""
    folder = tmp_path_factory.mktemp("伪标签 x")
    tasks = {"c": tiny.classification_task(folder, "c", chinese=True), "s": tiny.slot_task(folder, "s")}
    text = yaml.safe_dump(tiny.config(folder, tasks, max_steps=30), allow_unicode=True)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    code, _, errors = run_palm(folder, "train", "config.yaml")
    assert code == 0, errors
    texts = [text for _, text in tiny.classification_rows(30, seed=9, chinese=True)]
    rows = [json.dumps({"id": 100 + number, "text_a": text}) + "\n" for number, text in enumerate(texts)]
    (folder / "unlabelled.jsonl").write_text("".join(rows), encoding="utf-8")
    return folder


def test_certain_rows_are_written_and_trained_on(folder):
    words = ["pseudo-label", "out/c", "unlabelled.jsonl", "--min_prob", "0.6", "--per_label", "5"]
    code, said, errors = run_palm(folder, *words, "--output", "pseudo.jsonl")
    assert code == 0, errors
    rows = [json.loads(line) for line in (folder / "pseudo.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows
    assert f"pseudo.jsonl: {len(rows)} of 30 rows with a probability of at least 0.6 (" in said
    given = dict(json.loads(line).values() for line in (folder / "unlabelled.jsonl").read_text("utf-8").splitlines())
    predicted = run_palm(folder, "pred", "out/c", "--file", "unlabelled.jsonl", "--show", "30")[1]
    by_id = {one["id"]: one for one in map(json.loads, predicted.splitlines())}
    for row in rows:
        assert list(row) == ["id", "text_a", "label", "prob"]
        assert row["text_a"] == given[row["id"]]
        assert row["label"] == by_id[row["id"]]["label"]
        assert row["prob"] == pytest.approx(by_id[row["id"]]["probs"][row["label"]], abs=1e-5)
        assert row["prob"] >= 0.6
    labels = [row["label"] for row in rows]
    assert max(labels.count(label) for label in labels) <= 5
    code, said, errors = run_palm(
        folder, "train", "config.yaml", "--tasks.c.pseudo_data_path", "pseudo.jsonl", "--save_path", "out2"
    )
    assert code == 0, errors
    added = f"c: {len(rows)} rows of pseudo.jsonl added to the 48 training rows of"
    assert len([line for line in said.splitlines() if line.startswith(added)]) == 1


def test_nothing_is_certain_enough(folder):
    code, said, _ = run_palm(
        folder, "pseudo-label", "out/c", "unlabelled.jsonl", "--min_prob", "1", "--output", "0.txt"
    )
    assert code == 0
    assert said == "0.txt: 0 of 30 rows with a probability of at least 1 (none).\n"
    assert (folder / "0.txt").read_bytes() == b""


def test_a_submission_to_fewclue(folder):
    code, _, errors = run_palm(
        folder, "pred", "out/c", "--file", "unlabelled.jsonl", "--format", "fewclue", "--output", "tnewsf_predict.json"
    )
    assert code == 0, errors
    rows = [json.loads(line) for line in (folder / "tnewsf_predict.json").read_text(encoding="utf-8").splitlines()]
    assert [list(row) for row in rows] == [["id", "label"]] * 30
    assert [row["id"] for row in rows] == list(range(100, 130))
    assert {row["label"] for row in rows} <= {"water", "air"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "pseudo-label out unlabelled.jsonl --output x.jsonl",
            "one task labels the rows. Found a run with several (c, s)",
        ),
        (
            "pseudo-label out/s unlabelled.jsonl --output x.jsonl",
            "s: pseudo labels are those of tasks that give each row",
        ),
        ("pseudo-label out/c unlabelled.jsonl --output x.csv", "--output: rows are written as JSON lines"),
        ("pseudo-label out/c unlabelled.jsonl --output unlabelled.jsonl", "--output: the rows are written to another"),
        (
            "pseudo-label out/c unlabelled.jsonl --output x.txt --keep_columns a",
            "--keep_columns: a .txt file has a text",
        ),
        ("pseudo-label out/c unlabelled.jsonl --output x.jsonl --min_prob 90", "--min_prob: a probability from 0 to 1"),
        (
            "pseudo-label out/c unlabelled.jsonl --output x.jsonl --per_label 0",
            "--per_label: a number of rows, at least 1",
        ),
        ("pred out/c --file unlabelled.jsonl --format fewclue", "--format fewclue: a submission holds the labels"),
        ("pred out/c 鱼 --format fewclue --output x.json", "--format fewclue: a submission holds the labels"),
        (
            "pred config.yaml c --format fewclue --output x.json",
            "--format fewclue: a submission is written from a trained",
        ),
        (
            "pred out/s --file s.tsv --format fewclue --output x.json",
            "--format fewclue: a submission has a label for each row",
        ),
    ],
)
def test_what_cannot_be_is_refused(folder, line, message, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    assert main(line.split()) == 2
    assert message in capsys.readouterr().err
    assert not (folder / "x.jsonl").exists()
