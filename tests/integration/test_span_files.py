"""From texts with spans to spans with their characters; and public data sets as they are."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.palm_command import palm_here

VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", ",", "anna", "bo", "met", "in", *"我爱北京在", *"abeimnot"]
KEYS = """
backbone: bert
hidden_size: 16
num_hidden_layers: 1
num_attention_heads: 2
intermediate_size: 16
do_lower_case: true
use_gpu: false
"""
CONFIG = f"""{KEYS}
vocab_path: vocab.txt
vocab_size: {len(VOCAB)}
max_seq_len: 32
batch_size: 4
num_epochs: 60
learning_rate: 0.02
save_path: out
"""
TEXTS = [
    ("Anna met Bo, in 北京.", [("Anna", "PER"), ("Bo", "PER"), ("北京", "LOC")]),
    ("Bo met Anna.", [("Bo", "PER"), ("Anna", "PER")]),
    ("我爱北京", [("北京", "LOC")]),
    ("Bo, 在 北京", [("Bo", "PER"), ("北京", "LOC")]),
]


def palm(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return palm_here(*arguments, cwd=folder)


def lines(rows: list[object]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def doccano(text: str, spans: list[tuple[str, str]]) -> dict[str, object]:
    return {"text": text, "label": [[text.index(part), text.index(part) + len(part), kind] for part, kind in spans]}


def cluener(text: str, spans: list[tuple[str, str]]) -> dict[str, object]:
    label: dict[str, dict[str, list[list[int]]]] = {}
    for part, kind in spans:
        label.setdefault(kind, {})[part] = [[text.index(part), text.index(part) + len(part) - 1]]
    return {"text": text, "label": label}


@pytest.mark.parametrize(
    ("form", "keys"), [(doccano, ""), (cluener, ""), (cluener, ", for_cn: true, tag_scheme: bmes")]
)
def test_predicted_spans_are_pieces_of_the_text(tmp_path, form, keys):
    (tmp_path / "vocab.txt").write_text("\n".join(VOCAB) + "\n", encoding="utf-8")
    (tmp_path / "t.jsonl").write_text(lines([form(*row) for row in TEXTS]), encoding="utf-8")
    (tmp_path / "p.jsonl").write_text(lines([{"text": text} for text, _ in TEXTS]), encoding="utf-8")
    files = "train_file: t.jsonl, dev_file: t.jsonl, pred_file: p.jsonl"
    task = f"tasks: {{t: {{reader: seq_label, paradigm: seq_label, {files}{keys}}}}}"
    (tmp_path / "c.yaml").write_text(CONFIG + task, encoding="utf-8")
    done = palm(tmp_path, "train", "c.yaml")
    assert done.returncode == 0, done.stderr
    assert "t.jsonl: spans of characters in the form of" in done.stderr
    done = palm(tmp_path, "pred", "c.yaml", "t")
    assert done.returncode == 0, done.stderr
    predictions = [
        json.loads(line) for line in Path(tmp_path, "out", "t", "predictions.json").read_text("utf-8").splitlines()
    ]
    for (text, spans), prediction in zip(TEXTS, predictions, strict=True):
        found = prediction["spans"]
        assert [text[span["start_char"] : span["end_char"]] for span in found] == [span["text"] for span in found]
        assert [(span["text"], span["type"]) for span in found] == spans


@pytest.mark.parametrize(
    ("model", "tasks"),
    [
        (
            "bert-tiny-mlm-en",
            {
                "wnut": "seq_label, train_file: wnut17/wnut17train.conll, dev_file: wnut17/emerging.test.annotated",
                "palm": "mrc, train_file: palm_samples/mrqa/train.json, dev_file: palm_samples/mrqa/dev.json",
                "xquad": "mrc, train_file: xquad/xquad.en.json",
                "policy": "mrc, train_file: policyqa/dev.json",
                "texts": "mlm, train_file: snips/train/seq.in, file_format: text",
                "snips": "seq_label, train_file: snips.txt",
                "atis": "seq_label, train_file: atis.tsv",
            },
        ),
        (
            "me5-small-zh-char",
            {
                "cluener": "seq_label, train_file: cluener2020/train.json, dev_file: cluener2020/test.json, "
                "for_cn: true, on_bad_span: drop",
                "cmrc": "mrc, train_file: cmrc2018/cmrc2018_trial.json, dev_file: cmrc2018/cmrc2018_dev.json, "
                "for_cn: true, on_bad_answer: drop",
                "xquad": "mrc, train_file: xquad/xquad.zh.json, for_cn: true",
            },
        ),
    ],
)
def test_public_data_sets_are_valid_as_they_are(shared, tmp_path, model, tasks):
    (tmp_path / "data").symlink_to(shared / "data")
    for name in ("snips", "atis"):
        words, tags = ((shared / "data" / name / "train" / part).read_text("utf-8") for part in ("seq.in", "seq.out"))
        rows = (f"{one}\t{other}\n" for one, other in zip(words.splitlines(), tags.splitlines(), strict=True))
        (tmp_path / f"{name}.{'txt' if name == 'snips' else 'tsv'}").write_text("".join(rows), encoding="utf-8")
    vocab = shared / "models" / model / "vocab.txt"
    size = len(vocab.read_text("utf-8").splitlines())
    listed = "".join(f"  {name}: {{reader: {keys}}}\n" for name, keys in tasks.items())
    for name in ("wnut17", "palm_samples", "xquad", "policyqa", "snips/", "cluener2020", "cmrc2018"):
        listed = listed.replace(f"_file: {name}", f"_file: data/{name}")
    listed = "".join(f"{line}\n" for line in map(with_paradigm, listed.splitlines()))
    config = f"{KEYS}vocab_path: {vocab}\nvocab_size: {size}\nmax_seq_len: 384\ntasks:\n{listed}"
    (tmp_path / "c.yaml").write_text(config, encoding="utf-8")
    done = palm(tmp_path, "check", "c.yaml", "--data")
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    for name in tasks:
        assert f"{name}: train_file" in done.stdout


def with_paradigm(line: str) -> str:
    reader = line.split("reader: ")[1].split(",")[0]
    return line.replace("reader: ", f"paradigm: {reader}, reader: ")
