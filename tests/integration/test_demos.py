"""The manual's demos and the other examples, run as a user runs them, on encoders small enough for a test."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.small_encoder import write_small_encoder
from tests.palm_command import script_here

STEP = re.compile(
    r"Global step: \d+\. Task: (\w+), step \d+/\d+ \(epoch \d+\), loss: \d+\.\d{3}, speed: \d+\.\d\d steps/s"
)
TINY = ["--hidden_size=32", "--intermediate_size=64"]


@pytest.fixture
def home(repository: Path, tmp_path: Path) -> Path:
    """A copy of what the examples need, with a small random encoder where MiniLM should be."""
    for name in ("examples", "configs", "data", "palm/cli/demo_files"):
        ignored = shutil.ignore_patterns("output_model", "mrqa_output", "__pycache__")
        shutil.copytree(repository / name, tmp_path / name, ignore=ignored)
    write_small_encoder(tmp_path / "pretrain" / "minilm-l6-en", repository / "data" / "vocab" / "vocab_en.txt")
    return tmp_path


def run(folder: Path, *words: str, repository: Path) -> list[str]:
    """Lines of a command's output; it must end well."""
    search = os.pathsep.join(filter(None, (str(repository), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": search, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def run_here(folder: Path, script: str, *words: str) -> list[str]:
    """Lines of a script's output in this process."""
    done = script_here(folder / script, *words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def check_exports(lines: list[str], folder: Path, save_path: str, tasks: list[str]) -> None:
    """Each target says the manual's two lines, one after the other, and its model is there."""
    for task in tasks:
        place = lines.index(f"{task}: train finished!")
        assert lines[place + 1] == f"{task}: inference model saved at {save_path}/{task}/infer_model"
        written = {file.name for file in (folder / save_path / task / "infer_model").iterdir()}
        assert written >= {"model.safetensors", "config.json", "vocab.txt"}
    saved = {file.parent.name for file in (folder / save_path).glob("*/infer_model")}
    assert saved == set(tasks)


def question_ids(file: Path) -> list[str]:
    articles = json.loads(file.read_text(encoding="utf-8"))["data"]
    return [qa["id"] for article in articles for paragraph in article["paragraphs"] for qa in paragraph["qas"]]


def test_demo1_as_the_manual_writes_it(home: Path, repository: Path) -> None:
    folder = home / "examples" / "demo1"
    lines = run(folder, sys.executable, "run.py", "--num_epochs", "1", "--batch_size=60", repository=repository)
    assert {match[1] for line in lines if (match := STEP.fullmatch(line))} == {"mrqa"}
    check_exports(lines, folder, "output_model/firstrun", ["mrqa"])
    said = (folder / "output_model" / "firstrun" / "log.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if STEP.fullmatch(line)] == [line for line in said if STEP.fullmatch(line)]


def test_demo2_trains_one_target_and_predicts(home: Path, repository: Path) -> None:
    folder = home / "examples" / "demo2"
    lines = run(folder, sys.executable, "run.py", "--num_epochs=1", "--print_every_n_steps=1", repository=repository)
    assert {match[1] for line in lines if (match := STEP.fullmatch(line))} == {"mrqa", "mlm4mrqa", "match4mrqa"}
    check_exports(lines, folder, "output_model/secondrun", ["mrqa"])
    answers = json.loads((folder / "mrqa_output" / "predictions.json").read_text(encoding="utf-8"))
    best = json.loads((folder / "mrqa_output" / "nbest_predictions.json").read_text(encoding="utf-8"))
    assert list(answers) == list(best) == question_ids(home / "data" / "travel" / "en" / "mrc" / "test.json")
    assert all(len(found) == 20 and found[0]["text"] == answers[name] for name, found in best.items())


def test_demo3_exports_six_targets(home: Path) -> None:
    folder = home / "examples" / "demo3"
    lines = run_here(folder, "run.py", "--batch_size", "60")
    check_exports(lines, folder, "output_model/thirdrun", [f"cls{number}" for number in range(1, 7)])


@pytest.mark.parametrize(
    ("demo", "save_path", "targets"),
    [
        ("demo1", "output_model/firstrun_tiny", ["mrqa"]),
        ("demo2", "output_model/secondrun_tiny", ["mrqa"]),
        ("demo3", "output_model/thirdrun_tiny", [f"cls{number}" for number in range(1, 7)]),
    ],
)
def test_demos_need_no_download(demo: str, save_path: str, targets: list[str], home: Path, repository: Path) -> None:
    shutil.rmtree(home / "pretrain")
    folder = home / "examples" / demo
    lines = run(folder, "bash", "run.sh", "tiny", "--num_epochs=0.5", "--batch_size=30", *TINY, repository=repository)
    check_exports(lines, folder, save_path, targets)


def test_demo2_on_the_originals_own_data(home: Path, repository: Path, shared: Path) -> None:
    samples = shared / "data" / "palm_samples"
    if not samples.is_dir():
        pytest.skip("needs shared/data/palm_samples: PaddlePALM's demo data")
    folder = home / "examples" / "demo2"
    data = [
        f"--tasks.mrqa.train_file={samples}/mrqa/train.json",
        f"--tasks.mrqa.pred_file={samples}/mrqa/dev.json",
        f"--tasks.mlm4mrqa.train_file={samples}/mlm4mrqa/train.tsv",
        f"--tasks.match4mrqa.train_file={samples}/match4mrqa/train.tsv",
        "--mix_ratio=1,1,1",
        "--tasks.mrqa.max_query_len=64",
        "--max_seq_len=384",
        "--tasks.mrqa.doc_stride=128",
    ]
    lines = run(
        folder,
        "bash",
        "run.sh",
        "tiny",
        "--max_steps=12",
        "--print_every_n_steps=1",
        *data,
        *TINY,
        repository=repository,
    )
    assert {match[1] for line in lines if (match := STEP.fullmatch(line))} == {"mrqa", "mlm4mrqa", "match4mrqa"}
    check_exports(lines, folder, "output_model/secondrun_tiny", ["mrqa"])
    answers = json.loads((folder / "mrqa_output" / "predictions.json").read_text(encoding="utf-8"))
    assert list(answers) == question_ids(samples / "mrqa" / "dev.json")
    paragraphs = [
        paragraph
        for article in json.loads((samples / "mrqa" / "dev.json").read_text(encoding="utf-8"))["data"]
        for paragraph in article["paragraphs"]
    ]
    contexts = {qa["id"]: paragraph["context"] for paragraph in paragraphs for qa in paragraph["qas"]}
    assert all(answer and answer in contexts[name] for name, answer in answers.items())


@pytest.mark.slow
def test_demo1_and_demo3_on_the_originals_own_data(home: Path, repository: Path, shared: Path) -> None:
    samples = shared / "data" / "palm_samples"
    if not samples.is_dir():
        pytest.skip("needs shared/data/palm_samples: PaddlePALM's demo data")
    mrqa = [f"--train_file={samples}/mrqa/train.json", f"--dev_file={samples}/mrqa/dev.json", "--max_seq_len=384"]
    demo1, demo3 = home / "examples" / "demo1", home / "examples" / "demo3"
    first = run(
        demo1, "bash", "run.sh", "tiny", "--max_steps=4", "--doc_stride=128", *mrqa, *TINY, repository=repository
    )
    check_exports(first, demo1, "output_model/firstrun_tiny", ["mrqa"])
    cls = [f"--train_file={samples}/cls4mrqa/train.tsv", "--max_seq_len=128"]
    third = run(demo3, "bash", "run.sh", "tiny", "--batch_size=8", *cls, *TINY, repository=repository)
    check_exports(third, demo3, "output_model/thirdrun_tiny", [f"cls{number}" for number in range(1, 7)])


def test_quickstart_shows_predictions_of_every_task(home: Path, repository: Path) -> None:
    folder = home / "examples" / "quickstart"
    lines = run(folder, sys.executable, "run.py", "--num_epochs=0.2", repository=repository)
    check_exports(lines, folder, "output_model", ["answer", "intent", "slots"])
    first = (home / "data/travel/en/intent/test.tsv").read_text(encoding="utf-8").splitlines()[1].split("\t")
    shown = lines[lines.index("--- intent: label and its probability") + 1]
    assert re.fullmatch(rf"\w+ +0\.\d\d  {re.escape(first[1])}   \(gold: {first[0]}\)", shown)
    assert lines[lines.index("--- slots: the spans of each request") + 1].replace(" ,", ",") == first[1]
    assert re.fullmatch(r".+\?  .+   \(gold: .+\)", lines[lines.index("--- answer: found in the passage") + 1])
    figures = lines[lines.index("Metrics over the test files:") + 1 :]
    assert [re.findall(r"[a-z_0-9]+(?= )", line)[0] for line in figures] == ["intent", "slots", "answer"]


def test_atis_from_the_public_files_to_the_three_figures(home: Path) -> None:
    folder, public = home / "examples" / "atis", home / "public"
    for split in ("train", "dev", "test"):
        (public / split).mkdir(parents=True)
        for name, row in (("seq.in", "fly from paris to rome"), ("seq.out", "O O B-from O B-to"), ("label", "flight")):
            (public / split / name).write_text(f"{row}\n" * 4, encoding="utf-8")
        (public / split / "label").write_text("flight\nfare\nflight\nfare\n", encoding="utf-8")
    run_here(folder, "prepare.py", "--data", str(public))
    run_here(folder, "run.py", "--num_epochs=1")
    figures = json.loads(run_here(folder, "score.py")[-1])
    assert figures["sentences"] == 4
    assert figures["intent_accuracy"] == 50.0
