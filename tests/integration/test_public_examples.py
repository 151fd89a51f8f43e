"""The examples on public data, run as a user runs them: a few rows in the form of the public files, small encoders."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.small_encoder import write_small_encoder
from tests.palm_command import script_here

EN = ["book a flight to boston", "cancel the hotel in rome", "show me the trains to paris", "the weather is fine today"]
ZH = ["我要去北京", "取消酒店", "明天的火车票", "今天天气很好"]


def two_columns(file: Path, texts: list[str], labels: list[str], count: int) -> None:
    lines = [f"{texts[number % len(texts)]}\t{labels[number % len(labels)]}" for number in range(count)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def json_rows(file: Path, rows: list[dict]) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def squad(file: Path, texts: list[str], question: str, answer: int) -> None:
    paragraphs = []
    for number in range(12):
        context = f"{texts[number % 4]}. {texts[(number + 1) % 4]}"
        found = {"text": context[:answer], "answer_start": 0}
        paragraphs.append({"context": context, "qas": [{"id": f"q{number}", "question": question, "answers": [found]}]})
    file.write_text(
        json.dumps({"version": "1.1", "data": [{"title": "t", "paragraphs": paragraphs}]}), encoding="utf-8"
    )


def sst2(folder: Path) -> None:
    for split, count in (("train", 64), ("dev", 8), ("test", 8)):
        two_columns(folder / f"sentiment-{split}", EN, ["0", "1"], count)


def tnews(folder: Path) -> None:
    for split, count in (("train", 64), ("dev", 8)):
        two_columns(folder / f"{split}.tsv", ZH, ["news_travel", "news_tech"], count)


def mrpc(folder: Path) -> None:
    rows = [f'{number % 2}\t{number}\t{number}\t"{EN[number % 4]}\t{EN[(number + 1) % 4]}' for number in range(60)]
    for split in ("train", "test"):
        text = "\ufeff" + "\n".join(["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", *rows]) + "\n"
        (folder / f"msr_paraphrase_{split}.txt").write_text(text, encoding="utf-8")


def ocnli(folder: Path) -> None:
    labels = ["entailment", "neutral", "contradiction", "-"]
    rows = [{"sentence1": ZH[n % 4], "sentence2": ZH[(n + 1) % 4], "label": labels[n % 4]} for n in range(64)]
    json_rows(folder / "train.10k.json", rows)
    json_rows(folder / "dev.json", rows[:12])


def wnut17(folder: Path) -> None:
    sentence = "fly\tO\nto\tO\nNew\tB-location\nYork\tI-location\n"
    for name in ("wnut17train.conll", "emerging.dev.conll", "emerging.test.annotated"):
        (folder / name).write_text("\t\n".join([sentence] * 40) + "\n", encoding="utf-8")


def cluener2020(folder: Path) -> None:
    rows = [{"text": "我 去北京", "label": {"address": {"北京": [[3, 4]]}}}, {"text": ZH[1], "label": {}}] * 40
    json_rows(folder / "train.json", rows)
    json_rows(folder / "test.json", rows[:6])


def policyqa(folder: Path) -> None:
    for split in ("dev", "test"):
        squad(folder / f"{split}.json", EN, "what is asked for", 6)


def cmrc2018(folder: Path) -> None:
    for split in ("dev", "trial"):
        squad(folder / f"cmrc2018_{split}.json", ZH, "说了什么", 3)


def atis(folder: Path) -> None:
    for split in ("train", "dev", "test"):
        (folder / split).mkdir()
        (folder / split / "seq.in").write_text("\n".join(EN * 20) + "\n", encoding="utf-8")
        tags = [" ".join(["O"] * (len(text.split()) - 1) + ["B-last"]) for text in EN]
        (folder / split / "seq.out").write_text("\n".join(tags * 20) + "\n", encoding="utf-8")
        (folder / split / "label").write_text(
            "\n".join(["book", "cancel", "show", "talk"] * 20) + "\n", encoding="utf-8"
        )


snips = atis
YAML_EXAMPLES = {
    "classification": ("sst2", "tnews"),
    "matching": ("mrpc", "ocnli"),
    "tagging": ("wnut17", "cluener2020"),
    "reading": ("policyqa", "cmrc2018"),
    "dnet": ("policyqa", "cmrc2018"),
}


@pytest.fixture(scope="module")
def home(repository, tmp_path_factory):
    """A copy of the examples, with small random encoders where the pre-trained ones should be."""
    place = tmp_path_factory.mktemp("home")
    ignored = shutil.ignore_patterns("output_model", "data", "__pycache__")
    shutil.copytree(repository / "examples", place / "examples", ignore=ignored)
    vocabularies = repository / "data" / "vocab"
    write_small_encoder(place / "pretrain" / "minilm-l6-en", vocabularies / "vocab_en.txt")
    write_small_encoder(place / "pretrain" / "google-bert" / "bert-base-chinese", vocabularies / "vocab_zh.txt")
    return place


@pytest.fixture
def run_here(home):
    """A function that runs an example in this process."""

    def run_example(name, *words):
        folder = home / "examples" / name
        done = script_here(folder / "run.py", *words, cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    return run_example


@pytest.fixture
def run(home, repository):
    """A function that runs an example in a process of its own."""

    def run_example(name, *words):
        search = os.pathsep.join(filter(None, (str(repository), os.environ.get("PYTHONPATH"))))
        environment = {**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "run.py", *(str(word) for word in words)]
        done = subprocess.run(
            command, cwd=home / "examples" / name, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    return run_example


def raw(name, tmp_path):
    folder = tmp_path / name
    folder.mkdir()
    globals()[name](folder)
    return folder


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", YAML_EXAMPLES)
def test_examples_with_a_yaml_file(name, language, run, run_here, tmp_path):
    run = run if language == "en" else run_here
    data_set = YAML_EXAMPLES[name][language == "zh"]
    data = raw(data_set, tmp_path)
    lines = run(name, "--data", data, "--language", language, "--num_epochs", 1, "--batch_size", 4, "--max_seq_len=64")
    figures = json.loads(lines[-1])
    measure = {"reading": "f1", "dnet": "f1", "tagging": "span_f1"}.get(name, "accuracy")
    assert 0 <= figures[measure] <= 1
    exported = [line for line in lines if "inference model saved at" in line]
    assert len(exported) == 2  # of the target and of all tasks; auxiliary tasks have none of their own


def test_two_tasks_by_the_python_api(run, home, tmp_path):
    lines = run("multi_task_api", "--data", raw("atis", tmp_path), "--epochs", 2)
    figures = json.loads(lines[-1])
    assert figures.keys() >= {"accuracy", "span_f1"}
    saved = home / "examples" / "multi_task_api" / "output_model"
    assert {folder.name for folder in (saved / "predictions").iterdir()} == {"intent", "slot"}


def test_a_loop_with_evaluation(run, run_here, home, tmp_path):
    lines = run("train_with_eval", "--data", raw("snips", tmp_path), "--epochs", 20, "--every", 10, "--patience", 2)
    figures = json.loads(lines[-1])
    assert figures["test"]["accuracy"] == figures["best_dev_accuracy"] > 0  # both files hold the same rows here
    model = home / "examples" / "train_with_eval" / "output_model" / "best"
    rows = tmp_path / "rows.tsv"
    rows.write_text("text_a\nbook a flight\n", encoding="utf-8")
    shown = run_here("predict", "--model", model, "--data", rows)
    assert json.loads(shown[0])["label"] in ("book", "cancel", "show", "talk")
    assert shown[-1].startswith("1 predictions in ")


@pytest.mark.slow
def test_from_transformers_to_palm(run, tmp_path, home):
    pytest.importorskip("torch", reason="needs torch: pip install .[parity]")
    pytest.importorskip("transformers", reason="needs transformers: pip install .[parity]")
    encoder = home / "pretrain" / "minilm-l6-en"
    config = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    shutil.copytree(encoder, tmp_path / "encoder")
    (tmp_path / "encoder" / "config.json").write_text(json.dumps({**config, "model_type": "bert"}), encoding="utf-8")
    settings = {"tokenizer_class": "BertTokenizer"}
    (tmp_path / "encoder" / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    data = raw("mrpc", tmp_path)
    lines = run("from_transformers", "--data", data, "--encoder", tmp_path / "encoder", "--epochs", 1)
    sides = [json.loads(line) for line in lines if line.startswith('{"side"')]
    assert [side["side"] for side in sides] == ["transformers", "palm"]


def public_data(repository):
    file = repository / "examples" / "public_data.py"
    spec = importlib.util.spec_from_file_location("public_data", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_data_that_are_not_there_are_named(repository, tmp_path):
    with pytest.raises(SystemExit, match="does not contain the public files of wnut17"):
        public_data(repository).prepare("wnut17", tmp_path, tmp_path / "out")


def test_a_tag_for_each_character_that_is_no_blank(repository):
    row = {"text": "我 去北京", "label": {"address": {"北京": [[3, 4]]}}}
    assert public_data(repository).tagged(row) == ("我 去 北 京", "O O B-address I-address")


COUNTS = {
    "sst2": (67349, 872), "tnews": (53360, 10000), "mrpc": (3668, 408), "ocnli": (9985, 2950),
    "cluener2020": (9673, 1075),
}  # fmt: skip
FOLDERS = {"sst2": "sst2_full"}


@pytest.mark.parametrize("name", COUNTS)
def test_the_public_files_give_as_many_rows_as_they_should(name, repository, shared, tmp_path):
    public_data(repository).prepare(name, shared / "data" / FOLDERS.get(name, name), tmp_path)
    found = [
        len((tmp_path / f"{split}.tsv").read_text(encoding="utf-8").splitlines()) - 1 for split in ("train", "dev")
    ]
    assert tuple(found) == COUNTS[name]
