"""`palm init --data`, `palm train`, `palm pred`: a data file to predictions in three commands."""

import csv
import json
import shutil
from pathlib import Path

import huggingface_hub.constants
import pytest
import yaml

from palm.cli.main import main
from tests.integration import tiny
from tests.integration.small_encoder import write_small_encoder
from tests.palm_command import palm_here


@pytest.fixture
def encoder(tmp_path):
    vocabulary = tmp_path / "words.txt"
    vocabulary.write_text("\n".join([*tiny.SPECIAL, *tiny.WORDS, *tiny.CHARACTERS]) + "\n", encoding="utf-8")
    write_small_encoder(tmp_path / "encoder", vocabulary)
    return tmp_path / "encoder"


def palm(folder, *words):
    done = palm_here(*words, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def reviews(folder):
    rows = tiny.classification_rows(40, seed=1)
    with (folder / "Reviews 1.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow(["id", "Review Text", "sentiment"])
        table.writerows([number, f"{text},\n{text}", label] for number, (label, text) in enumerate(rows))
    return folder / "Reviews 1.csv", ["the red fish"]


def entities(folder):
    sentence = "the O\nred B-colour\nfish O\n\n小 O\n红 B-colour\n鱼 O\n\n"
    (folder / "ner.conll").write_text(sentence * 20, encoding="utf-8")
    return folder / "ner.conll", ["the red fish"]


def pairs(folder):
    rows = [
        {"premise": text, "hypothesis": "鸟飞", "label": label} for label, text in tiny.classification_rows(40, seed=2)
    ]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / "nli.jsonl").write_text(text, encoding="utf-8")
    return folder / "nli.jsonl", ["the red fish", "鸟飞"]


def questions(folder):
    return folder / f"{tiny.mrc_task(folder, 'q')['train_file']}", ["who in the river", "the big red fish in the house"]


def parquet(folder):
    pyarrow = pytest.importorskip("pyarrow")
    parquet_files = pytest.importorskip("pyarrow.parquet")
    pytest.importorskip("datasets")  # of the extra `data`
    rows = tiny.classification_rows(40, seed=3)
    table = pyarrow.table({"text": [text for _, text in rows], "label": [int(label == "air") for label, _ in rows]})
    parquet_files.write_table(table, folder / "train-00000.parquet")
    return folder / "train-00000.parquet", ["the red fish"]


def named(folder):
    """The encoder in `folder`, whose config.json says what it is, as those of today do."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", **config}), encoding="utf-8")
    return folder


@pytest.mark.parametrize("data", [reviews, entities, pairs, questions, parquet])
def test_three_commands(tmp_path, encoder, data):
    file, texts = data(tmp_path)
    encoder = encoder if data is entities else named(encoder)
    said = palm(tmp_path, "init", "my project", "--data", file, "--encoder", encoder)
    assert "palm train 'my project/config.yaml'" in said
    config = yaml.safe_load((tmp_path / "my project/config.yaml").read_text(encoding="utf-8"))
    keys = {"backbone": "bert", "pretrain_model_path": "../encoder"} if data is entities else {"encoder": "../encoder"}
    assert {key: config[key] for key in ("backbone", "pretrain_model_path", "encoder") if key in config} == keys
    task = next(iter(config["tasks"]))
    palm(tmp_path, "check", "my project/config.yaml")
    palm(tmp_path, "train", "my project/config.yaml", "--max_steps", "3")
    [found] = [json.loads(line) for line in palm(tmp_path, "pred", f"output_model/{task}", *texts).splitlines()]
    assert found
    if data is reviews:
        assert found["label"] in ("water", "air")


def test_files_of_one_task_belong_together_and_several_make_several(tmp_path, encoder, capsys):
    for part, count in (("train", 40), ("dev", 8), ("test", 8)):
        tiny.write_tsv(tmp_path / f"意图.{part}.tsv", ["category", "text"], tiny.classification_rows(count, seed=1))
    file, _ = entities(tmp_path)
    words = [f"--data={tmp_path}/意图.{part}.tsv" for part in ("dev", "train", "test")]
    assert (
        main(["init", str(tmp_path / "p"), *words, "--data", str(file), "--encoder", str(encoder), "--lang", "zh"]) == 0
    )
    text = (tmp_path / "p/config.yaml").read_text(encoding="utf-8")
    tasks = yaml.safe_load(text)["tasks"]
    assert list(tasks) == ["意图", "ner"]
    assert {key: tasks["意图"][key] for key in ("train_file", "dev_file", "pred_file")} == {
        "train_file": "../意图.train.tsv", "dev_file": "../意图.dev.tsv", "pred_file": "../意图.test.tsv",
    }  # fmt: skip
    assert "40 行：文本（text）与类别（category）；2 个标签" in text
    assert main(["check", str(tmp_path / "p/config.yaml")]) == 0


def test_lengths_are_those_of_the_encoders_tokenizer_or_said_to_be_estimated(tmp_path, encoder, capsys, monkeypatch):
    monkeypatch.setenv("PALM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.chdir(tmp_path)
    rows = [("x" if number % 2 else "y", " ".join(["fish", "the", "red"] * 4)) for number in range(40)]
    tiny.write_tsv(tmp_path / "a.tsv", ["label", "text"], rows)
    said = "Lengths are estimated by words: the tokenizer of minilm-l6-en is not on this machine yet."
    assert main(["init", "p", "--data", "a.tsv"]) == 0
    assert said in capsys.readouterr().out
    text = Path("p/config.yaml").read_text(encoding="utf-8")
    assert "95 % of the texts have up to about 19 tokens, estimated by words" in text
    assert "\nencoder: minilm-l6-en  #" in text
    assert "backbone:" not in text
    assert "pretrain_model_path" not in text

    shutil.copytree(named(encoder), tmp_path / "pretrain/minilm-l6-en")
    assert main(["init", "q", "--data", "a.tsv"]) == 0
    assert said not in capsys.readouterr().out
    assert "95 % of the texts have up to 15 tokens\n" in Path("q/config.yaml").read_text(encoding="utf-8")
    assert main(["check", "q/config.yaml"]) == 0


def test_a_model_in_the_cache_of_the_hub_counts_and_no_hub_is_asked(tmp_path, encoder, capsys, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    model, commit = tmp_path / "hf/models--owner--tiny", "0" * 40
    shutil.copytree(named(encoder), model / "snapshots" / commit)
    (model / "refs").mkdir()
    (model / "refs/main").write_text(commit, encoding="utf-8")
    file, _ = entities(tmp_path)
    words = ["--data", str(file), "--encoder"]
    assert main(["init", str(tmp_path / "p"), *words, "owner/tiny"]) == 0
    assert "estimated" not in capsys.readouterr().out
    assert "\nencoder: owner/tiny  #" in (tmp_path / "p/config.yaml").read_text(encoding="utf-8")
    assert main(["init", str(tmp_path / "q"), *words, "owner/other", "--lang", "zh"]) == 0
    assert "the tokenizer of owner/other is not on this machine yet" in capsys.readouterr().out
    assert "个词元（按词估计）" in (tmp_path / "q/config.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", "a,b\n1,2\n", "x.csv: no reader finds its columns in this file. Found the columns a, b."),
        ("x.dev.tsv", "label\ttext\na\tb\nc\td\n", "a dev or test file goes with a training file. Found none for `x`"),
        ("x.csv", "label,text\na\nb,c,d\n", "x.csv:2: "),
        ("x.tsv", "", "a data file must contain examples, found an empty file"),
    ],
)
def test_what_cannot_be_read_is_said_and_nothing_is_written(tmp_path, capsys, name, content, message):
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert main(["init", str(tmp_path / "p"), "--data", str(tmp_path / name)]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "p").exists()


def test_a_folder_with_files_is_refused(tmp_path, capsys):
    file, _ = entities(tmp_path)
    assert main(["init", str(tmp_path), "--data", str(file)]) == 2
    assert "a new project needs an empty folder" in capsys.readouterr().err
