"""`configs/all_heads.yaml`: twelve tasks in one training, one model, one answer of a server and one report."""

import csv
import json
import os
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

import palm
from palm.schema.saved_model import read_saved_run
from tests.integration.server_process import need_the_extra, serving
from tests.integration.test_resume import fingerprint

ROOT = Path(palm.__file__).parents[1]
CONFIG = ROOT / "configs" / "all_heads.yaml"
STEPS, SAVED = 40, 20
MAIN_METRIC = {
    "intent": "accuracy", "is_answer": "accuracy", "topics": "micro_f1", "stars": "pearson", "best_review": "ndcg",
    "similar": "accuracy", "slots": "span_f1", "places": "span_f1", "trees": "las", "answer": "f1",
    "masked_words": "mlm_accuracy", "translation": "exact_match",
}  # fmt: skip
ANSWER = {
    "intent": "label", "is_answer": "label", "topics": "labels", "stars": "value", "best_review": "scores",
    "similar": "label", "slots": "spans", "places": "relations", "trees": "heads", "answer": "nbest",
    "masked_words": "masks", "translation": "text",
}  # fmt: skip
"""What is in the answer of each kind of task."""
ROW = {
    "text_a": "please [MASK] a room at the Grand Palace in Rome",
    "text_b": "the room was very good",
    "question": "Where did Anna arrive?",
    "context": "Anna arrived in Rome.",
}


def palm_command(*words: object) -> subprocess.CompletedProcess[str]:
    """`palm` in a process of its own, which ends well."""
    command = [sys.executable, "-m", "palm", *map(str, words)]
    surroundings = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    return done


def train(folder: Path, *words: object) -> Path:
    palm_command("train", CONFIG, "--save_path", folder, "--log", "lines", *words)
    return folder


def losses(run: Path) -> list[tuple[int, str, float]]:
    """Step, task and loss of each line of training."""
    lines = map(json.loads, (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    return [(line["global_step"], line["task"], line["loss"]) for line in lines if line["split"] == "train"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of the configuration."""
    folder = tmp_path_factory.mktemp("十二") / "out"
    return train(folder, "--max_steps", STEPS, "--save_every_n_steps", SAVED, "--print_every_n_steps", 1)


def test_one_model_has_all_heads(run: Path) -> None:
    saved = read_saved_run(run / "infer_model")
    assert list(saved.tasks) == list(MAIN_METRIC)
    assert len({task.paradigm.name for task in saved.tasks.values()}) == 12


def test_one_request_is_answered_by_all_heads(run: Path) -> None:
    need_the_extra()
    with serving(run) as server:
        status, found, _ = server.ask("/predict", {"inputs": [ROW]})
    assert status == 200
    [answers] = found["predictions"]
    assert list(answers) == list(MAIN_METRIC)
    assert {task for task, answer in answers.items() if ANSWER[task] not in answer} == set()


def test_evaluation_gives_metrics_of_all(run: Path) -> None:
    lines = [json.loads(line) for line in palm_command("eval", run).stdout.splitlines()]
    found = {line["task"]: line for line in lines}
    assert list(found) == list(MAIN_METRIC)
    assert {task for task, name in MAIN_METRIC.items() if not -1 <= found[task][name] <= 1} == set()


def test_errors_of_all_are_one_table(run: Path, tmp_path: Path) -> None:
    file = tmp_path / "errors.csv"
    palm_command("eval", run, "best_review", "places", "trees", "translation", "--errors", file)
    with file.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    by_task = {row["task"]: row for row in reversed(rows)}
    assert list(dict.fromkeys(row["task"] for row in rows)) == ["best_review", "places", "trees", "translation"]
    worst = by_task["translation"]
    assert worst["gold"] != worst["predicted"]
    assert worst["gold"] == worst["zh"].replace(" ", "")
    assert float(worst["loss"]) > 1
    assert worst["remark"].endswith("% alike")


def test_a_temperature_is_fitted_to_those_with_probabilities(run: Path, tmp_path: Path) -> None:
    own = tmp_path / "out"
    shutil.copytree(run, own)
    done = palm_command("calibrate", own)
    fitted = {json.loads(line)["task"] for line in done.stdout.splitlines()}
    left_out = {line.split(" left out: ")[0] for line in done.stderr.splitlines() if " left out: " in line}
    assert fitted | left_out == set(MAIN_METRIC)
    assert fitted.isdisjoint(left_out)
    assert "intent" in fitted
    assert left_out >= {"stars", "places", "trees", "masked_words", "translation"}
    assert "UserWarning" not in done.stderr
    assert done.stderr.count("spans may lie within each other") == 1


class _Headings(HTMLParser):
    """The texts of headings of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._inside = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._inside = tag in ("h2", "h3", "h4")

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.found.append(data)


def test_one_report_shows_all(run: Path, tmp_path: Path) -> None:
    pytest.importorskip("sklearn.metrics", reason='needs the extra report: pip install "paddle-palm[report]"')
    for language, options in (("en", ()), ("zh", ("--no-predict",))):  # the second shows the analyses of the first
        page = tmp_path / f"报告_{language}.html"
        done = palm_command("report", run, "--output", page, "--lang", language, *options)
        assert "not analysed" not in done.stderr
        headings = _Headings()
        headings.feed(page.read_text(encoding="utf-8"))
        assert [task for task in MAIN_METRIC if not any(task in text for text in headings.found)] == []


def test_a_run_that_was_interrupted_ends_in_the_same_bits(run: Path, tmp_path: Path) -> None:
    half = tmp_path / "out"
    shutil.copytree(run / "ckpt" / f"step_{SAVED}", half / "ckpt" / f"step_{SAVED}")
    train(half, "--max_steps", STEPS, "--save_every_n_steps", SAVED, "--print_every_n_steps", 1, "--resume", "auto")
    assert losses(half) == [line for line in losses(run) if line[0] > SAVED]
    for place in (f"ckpt/step_{STEPS}", "infer_model"):
        assert fingerprint(half / place) == fingerprint(run / place)


@pytest.mark.slow
def test_joint_steps_train_all_and_two_processes_what_one_does(tmp_path: Path) -> None:
    without_dropout = ("--hidden_dropout_prob", 0, "--attention_probs_dropout_prob", 0, "--dropout_prob", 0)
    keys = ("--mode", "joint", "--max_steps", 3, "--print_every_n_steps", 1, *without_dropout)
    one, two = (losses(train(tmp_path / str(count), *keys, "--nproc", count, *_batch_sizes(count))) for count in (1, 2))
    assert {task for _, task, _ in one} == set(MAIN_METRIC)
    assert [line[:2] for line in one] == [line[:2] for line in two]
    assert [line[2] for line in one] == pytest.approx([line[2] for line in two], rel=2e-3)


def _batch_sizes(processes: int) -> list[object]:
    """Each process has its part of 16 rows, of 4 lists and of 32 translations."""
    sizes = {"batch_size": 16, "tasks.best_review.batch_size": 4, "tasks.translation.batch_size": 32}
    return [word for name, size in sizes.items() for word in (f"--{name}", size // processes)]
