"""benchmarks/folder_settings.py: what it writes, which settings it trains, and what it reads."""

import json

from benchmarks import folder_settings


def folder(tmp_path, **settings):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "paris", "Paris", "巴", "黎"]
    (tmp_path / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return tmp_path


def test_the_public_files_are_copied_sentence_by_sentence(tmp_path):
    text = "\ufeffIn\tO\nParis\tB-location\n\n\n巴黎\tB-location\n"
    for name in ("wnut17train.conll", "emerging.dev.conll"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    folder_settings.write_data(tmp_path, tmp_path / "all", None)
    folder_settings.write_data(tmp_path, tmp_path / "one", 1)
    both, first = "In\tO\nParis\tB-location\n\n巴黎\tB-location\n", "In\tO\nParis\tB-location\n"
    assert (tmp_path / "all" / "train.conll").read_text(encoding="utf-8") == both
    assert (tmp_path / "one" / "dev.conll").read_text(encoding="utf-8") == first


def test_settings_that_mean_the_same_tokenizer_are_one_row(tmp_path):
    lower = folder_settings.same_tokenizer(folder(tmp_path, do_lower_case=True))
    assert lower == {"the folder's, and do_lower_case: true": None, "do_lower_case: false": False}
    cased = folder_settings.same_tokenizer(folder(tmp_path, do_lower_case=False))
    assert cased == {"the folder's, and do_lower_case: false": None, "do_lower_case: true": True}


def test_the_scores_are_those_of_the_last_evaluation_and_are_kept(tmp_path, monkeypatch):
    records = [
        {"split": "train", "loss": 1.0},
        {"split": "dev", "span_f1": 0.25, "token_accuracy": 0.75},
        {"split": "dev", "span_f1": 0.5, "token_accuracy": 0.875},
    ]

    def palm(*words):
        assert "--random_seed=2" in words
        (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")

    monkeypatch.setattr(folder_settings, "run", palm)
    found = folder_settings.train(tmp_path / "config.yaml", ["--random_seed=2"], tmp_path)
    assert (found["span_f1"], found["token_accuracy"]) == (50.0, 87.5)
    monkeypatch.setattr(folder_settings, "run", None)
    assert folder_settings.train(tmp_path / "config.yaml", [], tmp_path) == found


def test_the_shares_of_unknown_tokens_are_those_of_the_report():
    report = "entities\n  [UNK]   0.5 % of the tokens\n  longest 40\n  [UNK]   12.3 % of the tokens\n"
    assert folder_settings.unknown_shares(report) == ["0.5", "12.3"]
