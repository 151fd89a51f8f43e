"""Scripts in the calls of PALM 2 over tiny data in the form of its examples; one of them in a process of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.small_encoder import write_small_encoder
from tests.palm_command import script_here

# The scripts leave files open, as those of users do.
pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")

SCRIPTS = Path(__file__).parent / "scripts"
EN = ["book a flight to boston", "cancel the hotel in rome", "show me the trains to paris", "the weather is fine today"]
ROWS = 24
SEPARATOR = "\x02"


def table(file, header, rows):
    file.write_text("".join("\t".join(row) + "\n" for row in [header, *rows]), encoding="utf-8")


def ended(words):
    """Words as PALM 2's process.py writes them: a separator behind each."""
    return "".join(word + SEPARATOR for word in words)


def write_data(folder):
    texts = [EN[number % 4] for number in range(ROWS)]
    table(folder / "classes.tsv", ["label", "text_a"], [[str(n % 2), text] for n, text in enumerate(texts)])
    pairs = [[text, EN[(n + n % 2) % 4], str(1 - n % 2)] for n, text in enumerate(texts)]
    table(folder / "pointwise.tsv", ["text_a", "text_b", "label"], pairs)
    triples = [[text, text, EN[(n + 1) % 4]] for n, text in enumerate(texts)]
    table(folder / "pairwise.tsv", ["text_a", "text_b", "text_b_neg"], triples)
    table(folder / "intents.tsv", ["label", "text_a"], [[str(n % 4), text] for n, text in enumerate(texts)])
    tagged = [[ended(text.split()), ended(["O"] * (len(text.split()) - 1) + ["B-city"])] for text in texts]
    table(folder / "slots.tsv", ["text_a", "label"], tagged)
    tags = ["O", "B-city", "I-city", *(f"B-{number}" for number in range(27))]
    (folder / "tags.json").write_text(json.dumps({tag: number for number, tag in enumerate(tags)}))
    questions = [
        {
            "context": text,
            "qas": [{"id": str(n), "question": "what", "answers": [{"text": text[:4], "answer_start": 0}]}],
        }
        for n, text in enumerate(texts)
    ]
    (folder / "questions.json").write_text(json.dumps({"data": [{"title": "t", "paragraphs": questions}]}))


def write_encoder(folder, vocabulary):
    """An encoder as PALM 2's downloads hold it: sizes, vocabulary, and the parameters in a folder of their own."""
    write_small_encoder(folder / "params", vocabulary)
    sizes = json.loads((folder / "params" / "config.json").read_text())
    own = {"sent_type_vocab_size": sizes.pop("type_vocab_size"), "task_type_vocab_size": 16, "use_task_id": True}
    (folder / "ernie_config.json").write_text(json.dumps(sizes | own))
    (folder / "params" / "vocab.txt").rename(folder / "vocab.txt")
    (folder / "model.safetensors").write_bytes((folder / "params" / "model.safetensors").read_bytes())


@pytest.fixture(scope="module")
def home(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    write_encoder(folder / "encoder", repository / "data" / "vocab" / "vocab_en.txt")
    write_data(folder)
    return folder


def run(home, name, *words):
    """The lines that a script prints in this process."""
    done = script_here(SCRIPTS / f"{name}.py", *words, cwd=home)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def run_alone(home, repository, name, *words):
    """The same in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(repository)}
    done = subprocess.run(
        [sys.executable, SCRIPTS / f"{name}.py", *words],
        cwd=home, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def predictions(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_classification(home, repository):
    lines = run_alone(home, repository, "classification")

    assert "24 12 1 6" in lines  # examples, steps, epoch of the last one, steps per epoch
    found = predictions(home / "predictions" / "predictions.json")
    assert [row["index"] for row in found] == list(range(ROWS))
    assert {row["label"] for row in found} <= {"0", "1"}


def test_matching_by_labels(home):
    run(home, "matching", "pointwise")

    assert len(predictions(home / "predictions" / "predictions.json")) == ROWS


def test_matching_pairwise_trains_and_scores(home):
    lines = run(home, "matching", "pairwise")

    losses = [float(line.split("loss: ")[1].split(",")[0]) for line in lines if "loss: " in line]
    assert losses[0] == pytest.approx(0.5, abs=0.05)  # the margin, at equal scores
    assert max(losses) - min(losses) > 0.005  # a few steps at the learning rate of the script: trained, not yet learned
    scores = [row["probs"] for row in predictions(home / "predictions" / "predictions.json")]
    assert len(scores) == ROWS
    assert all(0 < score < 1 for score in scores)


def test_mrc_with_the_folder_that_the_head_was_given(home):
    run(home, "mrc")

    answers = json.loads((home / "predictions" / "predictions.json").read_text())
    assert set(answers) == {str(number) for number in range(ROWS)}
    assert all(answer in EN[int(number) % 4] for number, answer in answers.items())


def test_several_tasks_and_their_prediction(home):
    lines = run(home, "multi_task")
    overall, trained, of_slots, decayed = lines[-1].split()
    assert (overall, decayed) == (trained, "True")
    assert int(overall) >= 48
    assert int(of_slots) >= 24  # the sampling reference: 4 epochs of 6 steps, and what it was drawn for after them

    assert run(home, "joint_predict") == ["slots 24 24 30", "intent 24 24 26"]

    for task in ("slots", "intent"):
        run(home, "predict_one", task)
    tagged = predictions(home / "predictions-slots" / "predictions.json")
    assert [row["words"] for row in tagged] == [EN[number % 4].split() for number in range(ROWS)]
    assert all(len(row["labels"]) == len(row["words"]) for row in tagged)
    assert len(predictions(home / "predictions-intent" / "predictions.json")) == ROWS


def test_an_encoder_alone_predicts_with_a_warning(home):
    lines = run(home, "predict")

    assert any(line.startswith("Warning: encoder/params holds an encoder without a head") for line in lines)
    assert len(predictions(home / "predictions" / "predictions.json")) == ROWS


def test_a_loop_over_what_fit_reader_gives(home):
    lines = run(home, "train_with_eval")

    assert lines[-1] == "steps 18"  # 3 epochs of 6 steps
    assert "looked at 10 10" in lines
    saved = sorted(path.name for path in (home / "loop" / "ckpt").iterdir())
    assert saved == ["step_12", "step_16", "step_18", "step_4", "step_8"]
