"""benchmarks/encoders.py: what it writes, reads and tabulates."""

import json

from benchmarks import encoders


def put(file, *lines):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def test_three_tasks_are_prepared_from_the_public_files(tmp_path):
    data, out = tmp_path / "data", tmp_path / "out"
    for split in ("train", "dev"):
        put(data / "tnews" / f"{split}.tsv", "股市大涨\t财经")
    pairs = [{"label": label, "sentence1": "一", "sentence2": "二"} for label in ("-", "neutral")]
    news = {"text": "在北京", "label": {"address": {"北京": [[1, 2]]}}}
    for name in ("train.10k.json", "dev.json"):
        put(data / "ocnli" / name, *(json.dumps(row, ensure_ascii=False) for row in pairs))
    for name in ("train.json", "test.json"):
        put(data / "cluener2020" / name, json.dumps(news, ensure_ascii=False))
    encoders.prepare(data, out, 5)
    read = {file.name: file.read_text(encoding="utf-8").splitlines() for file in out.iterdir()}
    assert read["ocnli.train.tsv"] == ["label\ttext_a\ttext_b", "neutral\t一\t二"]
    assert read["cluener.dev.tsv"][1] == "在 北 京\tO B-address I-address"
    assert read["tnews.dev.tsv"][1] == "财经\t股市大涨"


def test_scores_are_those_of_the_last_evaluation(tmp_path):
    records = [
        {"split": "train", "task": "tnews", "loss": 1.0},
        {"split": "dev", "task": "tnews", "accuracy": 0.5},
        {"split": "dev", "task": "tnews", "accuracy": 0.625},
        {"split": "dev", "task": "cluener", "span_f1": 0.25, "token_accuracy": 0.9},
        {"split": "export", "task": "cluener"},
    ]
    put(tmp_path / "metrics.jsonl", *map(json.dumps, records))
    assert encoders.scores(tmp_path) == {"tnews": 62.5, "cluener": 25.0}


def test_a_row_has_mean_and_deviation():
    runs = [dict.fromkeys(encoders.SCORES, value) for value in (60.0, 62.0)]
    assert encoders.rows_of({"models/one": runs}) == [("one", "61.0 ± 1.4", "61.0 ± 1.4", "61.0 ± 1.4")]
    assert encoders.spread([59.96]) == "60.0"


def test_each_seed_trains_every_encoder_before_the_next_seed(monkeypatch, tmp_path):
    order = []
    monkeypatch.setattr(encoders, "train", lambda encoder, seed, *_: order.append((encoder, seed)) or {"tnews": seed})
    found = encoders.train_all(["one", "two"], 2, tmp_path, [])
    assert order == [("one", 1), ("two", 1), ("one", 2), ("two", 2)]
    assert found["two"] == [{"tnews": 1}, {"tnews": 2}]


def test_the_precision_is_that_of_the_arguments():
    assert encoders.precision(["--num_epochs", "2"]) == "float32"
    assert encoders.precision(["--amp", "bf16"]) == encoders.precision(["--amp=bf16"]) == "bf16"
