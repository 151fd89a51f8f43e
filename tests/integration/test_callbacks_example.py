"""examples/callbacks: its two callbacks in a process of its own, stopped and resumed, and with Chinese names."""

import csv
import email
import email.policy
import json
import signal
import subprocess
import sys
import time
from email.message import EmailMessage
from pathlib import Path
from types import ModuleType

import pytest

from palm.tracking import BeginEvent, EvaluationEvent, ExportEvent
from tests.integration.example_copies import copy_of, environment, script_of

SHORT = ("--num_epochs=2", "--hidden_size=32", "--intermediate_size=64")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the example, beside the data and the encoder that it names."""
    return copy_of("callbacks", tmp_path)


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def curve(folder: Path) -> list[tuple[int, str, str, float]]:
    with open(folder / "output_model" / "curve.csv", encoding="utf-8", newline="") as stream:
        return [(int(step), task, name, float(value)) for step, task, name, value in list(csv.reader(stream))[1:]]


def messages(outbox: Path) -> list[EmailMessage]:
    files = sorted(outbox.glob("*.eml"))
    found = [email.message_from_bytes(file.read_bytes(), policy=email.policy.default) for file in files]
    return [message for message in found if isinstance(message, EmailMessage)]


def dev_metrics(folder: Path) -> list[tuple[int, str, str, float]]:
    """Each metric of metrics.jsonl, as the curve should have it."""
    lines = (folder / "output_model" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        (record["global_step"], record["task"], f"dev_{name}", value)
        for record in map(json.loads, lines)
        if record["split"] == "dev"
        for name, value in record.items()
        if name not in ("split", "global_step", "task", "seconds") and isinstance(value, float)
    ]


def test_a_run_that_is_stopped_and_resumed_has_one_curve(folder: Path) -> None:
    running = start(folder, sys.executable, "run.py", *SHORT)
    file = folder / "output_model" / "curve.csv"
    while running.poll() is None and (not file.is_file() or len(file.read_text(encoding="utf-8").splitlines()) < 30):
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    said, _ = running.communicate(timeout=120)
    assert running.returncode == 143, said
    assert "stopped after step" in messages(folder / "output_model" / "notices")[-1]["Subject"]

    resumed = start(folder, "bash", "run.sh", *SHORT, "--resume=auto")
    said, _ = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, said
    losses = [(step, task) for step, task, name, _ in curve(folder) if name == "loss"]
    assert [step for step, _ in losses] == list(range(1, len(losses) + 1))
    assert len(losses) > 100
    assert {task for _, task in losses} == {"intent", "slots"}
    assert [row for row in curve(folder) if row[2] != "loss"] == dev_metrics(folder)

    last = messages(folder / "output_model" / "notices")[-1]
    assert last["Subject"] == f"output_model: finished after step {len(losses)}"
    body = last.get_content()
    assert "slots: output_model/slots/infer_model, of step" in body
    assert "all tasks: output_model/infer_model, of step" in body
    assert "not reached: intent.accuracy 0.9" in body


@pytest.fixture
def example() -> ModuleType:
    return script_of("callbacks", "run.py")


def test_a_notice_comes_once_and_reads_in_chinese(example: ModuleType, tmp_path: Path) -> None:
    notices = example.Notices({"意图.accuracy": 0.9})
    notices.on_begin(BeginEvent("旅行", tmp_path, 0, 100, ("意图",), {}))
    for step, accuracy in ((10, 0.89), (20, 0.9), (30, 0.95)):
        notices.on_evaluate(EvaluationEvent(step, "意图", {"loss": 2.0, "accuracy": accuracy}, 1.0, {}))
    (notice,) = messages(tmp_path / "notices")
    assert notice["Subject"] == "旅行: 意图.accuracy is 0.900"
    assert notice.get_content() == "0.9 was waited for; step 20. Training goes on.\n"


def test_the_last_message_names_the_newest_model_of_each_task(example: ModuleType, tmp_path: Path) -> None:
    notices = example.Notices({})
    notices.on_begin(BeginEvent("run", tmp_path, 0, 100, ("intent",), {}))
    for of_step in (10, 20):
        notices.on_export(ExportEvent(of_step, "intent", of_step, Path("models/intent"), {}))
    assert notices.models == {"intent": "models/intent, of step 20"}
