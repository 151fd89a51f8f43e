"""Spans are right whatever scheme the tags are of: from the training file to predictions."""

import json
import logging
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from palm.errors import CheckpointError
from palm.inference import bundle
from tests.integration import tiny
from tests.palm_command import palm_here

# Two texts with spans of one to three words, those of the second side by side.
TEXTS = ["the big cat runs in the sky", "a red fish swims in the river"]
PLACES = [[(0, 3, "animal"), (6, 7, "place")], [(1, 2, "animal"), (2, 3, "animal"), (5, 7, "place")]]
LETTERS = {"bio": "BIIB", "iobes": "BIES", "bilou": "BILU", "bmes": "BMES", "io": "IIII"}


def tagged(scheme: str, form: str, spans: list[tuple[int, int, str]]) -> str:
    """The tags of seven words."""
    tags = ["O"] * 7
    begin, inside, end, single = LETTERS[scheme]
    for first, last, kind in spans:
        letters = [single] if last - first == 1 else [begin, *inside * (last - first - 2), end]
        tags[first:last] = [form.format(letter=letter, kind=kind) for letter in letters]
    return " ".join(tags)


def project(folder: Path, tags: list[str], **keys: object) -> Path:
    rows = [[text, tag] for text, tag in zip(TEXTS, tags, strict=True)]
    file = tiny.write_tsv(folder / "tags.tsv", ["text_a", "label"], rows * 4)
    task = {"reader": "seq_label", "paradigm": "seq_label", "train_file": file, "dev_file": file, "pred_file": file}
    config = tiny.config(folder, {"槽": {**task, **keys}}, num_epochs=40, learning_rate=0.01)
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return palm_here(*words, cwd=folder, environment={"PALM_CACHE": str(folder / "cache")})


def output(folder: Path, *words: str) -> str:
    done = run(folder, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def predicted(folder: Path, task: str = "槽", model: Path | None = None) -> list[list[tuple[int, int, str]]]:
    if model is None:
        output(folder, "pred", "config.yaml", task)
        [file] = folder.rglob("predictions.json")
        text = file.read_text(encoding="utf-8")
    else:
        text = output(folder, "pred", "--model", str(model), "--file", "tags.tsv")
    lines = [json.loads(line) for line in text.splitlines()]
    return [[(span["start"], span["end"], span["type"]) for span in line["spans"]] for line in lines]


@pytest.mark.parametrize(
    ("scheme", "form"),
    [("bilou", "{letter}-{kind}"), ("bmes", "{kind}_{letter}"), ("io", "{kind}"), ("bio", "{kind}-{letter}")],
)
def test_from_a_training_file_to_predictions(tmp_path: Path, scheme: str, form: str) -> None:
    spans = PLACES if scheme != "io" else [PLACES[0], [(1, 3, "animal"), (5, 7, "place")]]
    folder = project(tmp_path, [tagged(scheme, form, one) for one in PLACES])
    checked, trained = output(folder, "check", "config.yaml", "--data"), output(folder, "train", "config.yaml")

    assert checked.count(f"槽: tag scheme {scheme} (from the tags of train_file, such as ") == 1
    assert trained.count(f"槽: tag scheme {scheme} (from the tags of train_file, such as ") == 1
    assert "Warning" not in trained
    assert "span_f1 1.0000, span_precision 1.0000, span_recall 1.0000, token_accuracy 1.0000" in trained
    assert predicted(folder)[:2] == spans
    (exported,) = folder.rglob("*/槽/infer_model")
    assert predicted(folder, model=exported)[:2] == spans


def test_tags_that_mark_no_spans_are_judged_by_their_accuracy(tmp_path: Path) -> None:
    folder = project(tmp_path, ["DET ADJ NOUN VERB ADP DET NOUN"] * 2, metrics=["span_f1"])
    trained = output(folder, "train", "config.yaml")

    assert "tags mark no spans, so span_f1 reports token_accuracy alone." in trained
    assert ", token_accuracy 1.0000" in trained
    assert "span_f1 1" not in trained
    assert predicted(folder)[:2] == [[], []]


@pytest.mark.parametrize("command", [["check", "--data"], ["train"]])
@pytest.mark.parametrize("key", [["--metric_for_best_model", "span_f1"], ["--selection", "槽.span_recall"]])
def test_nothing_waits_for_a_score_that_the_tags_lack(tmp_path: Path, command: list[str], key: list[str]) -> None:
    folder = project(tmp_path, ["DET ADJ NOUN VERB ADP DET NOUN"] * 2)
    done = run(folder, command[0], "config.yaml", *command[1:], *key)

    assert done.returncode == 2
    assert f"{key[0].removeprefix('--')}: " in done.stderr
    assert f"Found `{key[1]}`." in done.stderr
    assert "槽.token_accuracy" in done.stderr


@pytest.mark.parametrize("command", [["check", "--data"], ["train"]])
def test_a_scheme_that_the_tags_are_not_of_is_refused(tmp_path: Path, command: list[str]) -> None:
    folder = project(tmp_path, [tagged("bilou", "{letter}-{kind}", one) for one in PLACES], tag_scheme="iob1")
    done = run(folder, command[0], "config.yaml", *command[1:])

    assert done.returncode == 2
    assert "tag_scheme: the scheme `iob1` has the letters B, I, O. Found tags such as L-animal, L-place" in done.stderr


def test_sentences_that_break_the_scheme_are_counted_before_training(tmp_path: Path) -> None:
    tags = [tagged("bio", "{letter}-{kind}", one) for one in PLACES]
    folder = project(tmp_path, [tags[0], tags[1].replace("B-animal B-animal", "O I-animal")])
    broken = "4 of 8 sentences break the tag scheme bio, such as line 3 (I-animal after O)."
    line = f"Warning: 槽: {folder / 'tags.tsv'}: {broken}"

    assert line in output(folder, "check", "config.yaml", "--data").splitlines()
    # One for train_file and one for dev_file, which is the same file.
    assert output(folder, "train", "config.yaml", "--num_epochs", "1").splitlines().count(line) == 2


def test_older_models_keep_bio_unless_told_otherwise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    folder = project(tmp_path, [tagged("bilou", "{letter}-{kind}", one) for one in PLACES])
    output(folder, "train", "config.yaml", "--num_epochs", "1")
    (model,) = folder.rglob("*/槽/infer_model")
    saved = json.loads((model / "config.json").read_text(encoding="utf-8"))
    assert saved.pop("tag_scheme") == "bilou"
    saved["reader"]["config"].pop("tag_scheme")
    saved["paradigm"]["config"].pop("tag_scheme")
    (model / "config.json").write_text(json.dumps(saved), encoding="utf-8")
    monkeypatch.setattr(bundle, "verify", lambda _: None)

    with caplog.at_level(logging.WARNING):
        task = bundle.load_bundle(model).task
    assert "spans are read as BIO" in caplog.text
    [record] = task.paradigm.gold_records([{"words": ["a", "b"], "labels": ["U-animal", "B-place"]}])
    assert [span["type"] for span in record["spans"]] == ["animal", "place"]
    saved["tag_scheme"] = "of my own"
    (model / "config.json").write_text(json.dumps(saved), encoding="utf-8")
    with pytest.raises(CheckpointError, match="of my own"):
        bundle.load_bundle(model)


RIGHT = {
    "tags_bilou": [[(0, 1, "PER"), (1, 2, "PER"), (4, 6, "PER"), (6, 8, "PER")]],
    "tags_io": [[(0, 2, "PER"), (3, 5, "ORG"), (6, 7, "LOC")]] * 4,
    "tags_pos": [[]],
}


@pytest.mark.parametrize("case", RIGHT)
def test_the_cases(shared: Path, tmp_path: Path, case: str) -> None:
    if not (shared / "cases" / case).is_dir():
        pytest.skip(f"needs the case {case}")
    folder = tmp_path / case
    shutil.copytree(shared / "cases" / case, folder)
    trained = output(folder, "train", "c.yaml", "--num_epochs", "14")

    assert "token_accuracy 1.0000" in trained
    assert ("span_f1" in trained.replace("so span_f1 reports", "")) == (case != "tags_pos")
    (folder / "config.yaml").write_bytes((folder / "c.yaml").read_bytes())
    assert predicted(folder, "t") == RIGHT[case]
