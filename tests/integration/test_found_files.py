"""Files as other tools write them, by `palm check --data`: guesses are reported."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.palm_command import palm_here

VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "anna", "met", "rome", "the", "where", *"我爱北京在哪里"]
CONFIG = """
backbone: bert
vocab_path: vocab.txt
vocab_size: {size}
hidden_size: 8
num_hidden_layers: 1
num_attention_heads: 2
intermediate_size: 8
use_gpu: false
max_seq_len: 96
tasks:
  t: {{reader: {reader}, paradigm: {reader}, train_file: {file}{keys}}}
"""
ROME = "anna met\u00a0rome"


def check(folder: Path, reader: str, name: str, content: str, keys: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "vocab.txt").write_text("\n".join(VOCAB) + "\n", encoding="utf-8")
    (folder / name).write_text(content, encoding="utf-8")
    config = CONFIG.format(size=len(VOCAB), reader=reader, file=name, keys=keys)
    (folder / "c.yaml").write_text(config, encoding="utf-8")
    return palm_here("check", "c.yaml", "--data", cwd=folder)


def squad(**answer: object) -> str:
    qas = [{"id": 7, "question": "where", "answers": [answer], "is_impossible": 0}]
    return json.dumps([{"context": ROME, "qas": qas}], ensure_ascii=False)


@pytest.mark.parametrize(
    ("reader", "name", "content", "keys", "said"),
    [
        (
            "seq_label",
            "t.conll",
            "# id a1 domain=en\nanna _ _ B-PER\nmet _ _ O\n\n# id a2 domain=zh\n我 _ _ O\n爱 _ _ B-PER\n",
            "",
            ["2 comment lines (#) are skipped, such as line 1.", "tags in column 3 (`B-PER`, `O`)"],
        ),
        ("seq_label", "t.conll", "B-PER anna\nO met\n", "", ["words in column 1 (`anna`, `met`), tags in column 0"]),
        ("seq_label", "t.conll", "B-PER anna\nO met\n", ", columns: {text_a: 1, label: 0}", []),
        ("seq_label", "t.iob", "anna\tB-PER\nmet\tO\n", "", []),
        ("seq_label", "t.txt", "anna\tB-PER\nmet\tO\n\n我\tO\n", "", ["read as file_format: conll."]),
        (
            "seq_label",
            "t.bmes",
            "北 B-LOC\n京 M-LOC\n里 E-LOC\n我 O\n爱 O\n在 O\n  O\n",
            "",
            ["1 word is a blank", "tag scheme bmes"],
        ),
        (
            "seq_label",
            "t.conllu",
            "# text = x\n1\tanna\tanna\tPROPN\t_\t_\t0\t_\t_\t_\n1-2\tx\t_\t_\t_\t_\t_\t_\t_\t_\n"
            "2\t在\t在\tADP\t_\t_\t1\t_\t_\t_\n",
            "",
            ["CoNLL-U: words in column 1 FORM", "1 multiword range or empty node is skipped, such as line 3."],
        ),
        ("mlm", "t.txt", "the anna\n\n我爱北京\n", "", ["plain text, one text per line; 1 blank line"]),
        ("mrc", "t.json", squad(text="met rome", answer_start=5), "", ["1 answers differ from their context in kinds"]),
        ("mrc", "t.json", squad(text="anna"), "", ["1 answers have no answer_start and were found"]),
        (
            "mrc",
            "t.jsonl",
            json.dumps({"header": {"dataset": "x"}})
            + "\n"
            + json.dumps(
                {
                    "context": "我爱北京",
                    "qas": [
                        {
                            "qid": "1",
                            "question": "哪里",
                            "answers": ["北京"],
                            "detected_answers": [{"text": "北京", "char_spans": [[2, 3]]}],
                        }
                    ],
                }
            ),
            "",
            [],
        ),
    ],
)
def test_what_is_read_is_said(tmp_path, reader, name, content, keys, said):
    done = check(tmp_path, reader, name, content, keys)
    assert (done.returncode, [words for words in said if words not in done.stderr + done.stdout]) == (0, []), (
        done.stderr
    )
    warnings = [line for line in done.stderr.splitlines() if f"{name}: " in line]
    assert len(warnings) == len(set(warnings)), "said more than once"
    assert bool(warnings) is bool(said)


@pytest.mark.parametrize(
    ("reader", "name", "content", "message"),
    [
        ("mrc", "t.json", squad(text="rome", answer_start=99), "question `7`: answer text `rome` is not at"),
        ("mrc", "t.json", squad(text="n"), "answer text `n` is not at answer_start -1"),
        ("seq_label", "t.conll", "anna\tB-PER\n\tO\n", "t.conll:2: expected a word and its tag, found an empty column"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path, reader, name, content, message):
    done = check(tmp_path, reader, name, content)
    assert (done.returncode, message in done.stderr, "Traceback" in done.stderr) == (2, True, False), done.stderr
