"""`palm check --data`: what it says of data whose figures were counted by hand."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from palm.cli.main import main

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "on", "mat", "who", *"我爱北京"]
CONFIG = """backbone_config_path: bert.json
vocab_path: vocab.txt
max_seq_len: 8
tasks:
  意图: {reader: cls, paradigm: cls, train_file: train.tsv, dev_file: dev.tsv}
  tags: {reader: seq_label, paradigm: seq_label, train_file: tags.tsv, target: false}
  pairs: {reader: match, paradigm: match, train_file: pairs.tsv, target: false}
  words: {reader: mlm, paradigm: mlm, train_file: words.tsv, target: false}
  qa: {reader: mrc, paradigm: mrc, train_file: qa.json, max_query_len: 2, max_answer_len: 4, target: false}
"""
# Lengths with [CLS] and [SEP]: 5, 5, 5, 9 and 6 subword tokens; `dog` is one [UNK] of 20.
TRAIN = "label\ttext_a\na\tthe cat sat\na\tthe cat sat\nb\tthe cat sat\na\tthe cat sat on the mat mat\n中\t我爱北京\n"
DEV = "label\ttext_a\na\tthe cat sat\nb\tthe dog\nneu\t我\nb\tthe mat\n"


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sizes = {"vocab_size": 50, "hidden_size": 12, "num_hidden_layers": 2, "num_attention_heads": 2}
    questions = [
        {"id": "q1", "question": "who", "answers": [{"text": "cat", "answer_start": 4}]},
        {"id": "q2", "question": "who sat", "answers": [{"text": "mat", "answer_start": 4}]},
    ]
    squad = {"data": [{"paragraphs": [{"context": "the cat sat on the mat", "qas": questions}]}]}
    files = {
        "config.yaml": CONFIG,
        "train.tsv": TRAIN,
        "dev.tsv": DEV,
        "tags.tsv": "text_a\tlabel\nthe cat\tO B-x\n我 爱 the\tO O O\n",
        "pairs.tsv": "text_a\ttext_b\tlabel\nthe\tcat\t1\ncat\tthe\t0\n",
        "words.tsv": "text_a\nthe cat\n",
        "qa.json": json.dumps(squad),
        "bert.json": json.dumps(sizes),
        "vocab.txt": "\n".join(VOCABULARY) + "\n",
    }
    for name, text in files.items():
        Path(name).write_text(text, encoding="utf-8")


def report(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, str]]:
    """Topic and words of each file, by its name. What `palm train` refuses in them is refused after the report."""
    assert main(["check", "config.yaml", "--data", *words]) in (0, 2)
    found: dict[str, dict[str, str]] = {}
    file = ""
    for line in capsys.readouterr().out.split("\n\n")[1].splitlines():
        if line.startswith("  "):
            found[file][line[2:15].strip()] = line[15:]
        else:
            file = line.split(",")[0].split()[-1]
            found[file] = {"records": line.split(", ")[1]}
    return found


def test_figures_counted_by_hand(capsys: pytest.CaptureFixture[str]) -> None:
    found = report(capsys)
    assert found["train.tsv"] == {
        "records": "5 records",
        "lengths": "5 to 9 subword tokens, mean 6.0, 95 % up to 8; 20.0% over 8 (truncated)",
        "[UNK]": "0.00% of the subword tokens",
        "labels": "a 60.0%, b 20.0%, 中 20.0%; the rarest is b (1)",
        "duplicates": "2 records repeat an earlier one (1 with a different label), such as 2 and 3",
    }
    assert found["dev.tsv"] == {
        "records": "4 records",
        "lengths": "3 to 5 subword tokens, mean 4.0, 95 % up to 5; 0.0% over 8 (truncated)",
        "[UNK]": "12.50% of the subword tokens",
        "labels": "b 50.0%, a 25.0%, neu 25.0%; the rarest is a (1)",
        "new labels": "neu: not in train_file",
        "duplicates": "0 records repeat an earlier one (0 with a different label)",
        "overlap": "1 record (25.0%) is in train_file as well, such as 2",
    }
    assert found["tags.tsv"]["labels"] == "O 80.0%, B-x 20.0%; the rarest is B-x (1)"
    assert found["pairs.tsv"]["lengths"].startswith("5 to 5 subword tokens")
    assert found["pairs.tsv"]["duplicates"].startswith("0 records")
    assert set(found["words.tsv"]) == {"records", "lengths", "[UNK]", "duplicates"}
    assert found["qa.json"]["lengths"].endswith("100.0% over 8 (split into windows)")
    assert found["qa.json"]["bad answers"].startswith("1 of 2, such as question q2: answer text `mat` is not at answer")


def test_several_labels_and_candidates_count_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    own = (
        "  topics: {reader: cls, paradigm: multi_label, label_kind: several, train_file: topics.tsv}\n"
        "  which: {reader: choice, paradigm: choice, train_file: which.tsv}\n"
    )
    Path("config.yaml").write_text(CONFIG.split("  意图")[0] + own, encoding="utf-8")
    Path("topics.tsv").write_text("label\ttext_a\na|中\tthe cat\na\tthe mat\n\t我\n", encoding="utf-8")
    rows = "1\tthe cat\tsat|on the mat\n0\tthe cat\tsat|the mat sat on the mat\n"
    Path("which.tsv").write_text("label\ttext_a\tchoices\n" + rows, encoding="utf-8")
    found = report(capsys)
    assert found["topics.tsv"]["labels"] == "a 66.7%, 中 33.3%; the rarest is 中 (1)"
    # [CLS] the cat [SEP] on the mat [SEP]: 8 subword tokens; with the longer candidate of the other row 11
    assert found["which.tsv"]["lengths"] == "8 to 11 subword tokens, mean 9.5, 95 % up to 11; 50.0% over 8 (truncated)"
    assert found["which.tsv"]["duplicates"] == "0 records repeat an earlier one (0 with a different label)"


def test_what_is_wrong_with_a_file_is_said_after_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    Path("dev.tsv").write_text("label\ttext_a\na\tthe\tcat\n", encoding="utf-8")
    assert main(["check", "config.yaml", "--data"]) == 2
    captured = capsys.readouterr()
    assert "dev.tsv:2: expected 2 columns (label, text_a), found 3." in captured.err
    assert "qa: train_file qa.json, 2 records" in captured.out
    assert "Traceback" not in captured.err


def test_paddle_is_not_imported() -> None:
    code = (
        "import sys; from palm.cli.main import main; "
        "main(['check', 'config.yaml', '--data']); sys.exit('paddle' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
