"""`palm check --data` and `palm train` decide alike on text that the tokenizer does not know."""

import json

import pytest
import yaml

from tests.integration import tiny
from tests.palm_command import palm_here

COMMANDS = [("check", "--data"), ("train",)]


def run(folder, words, **keys):
    command, *flags = words
    made = tiny.config(folder, {"意图": tiny.classification_task(folder, "c")}, num_epochs=1)
    made.pop("do_lower_case", None)
    text = yaml.safe_dump({**made, **keys}, allow_unicode=True)
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    done = palm_here(command, "config.yaml", *flags, cwd=folder)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def upper_case(monkeypatch):
    """All data in upper case."""
    usual = tiny.classification_rows

    def rows(*args, **keys):
        return [[label, text.upper()] for label, text in usual(*args, **keys)]

    monkeypatch.setattr(tiny, "classification_rows", rows)


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.usefixtures("upper_case")
def test_text_in_upper_case_and_a_vocabulary_in_lower_case(tmp_path, words):
    code, out, err = run(tmp_path, words)
    assert code == 2
    assert "c.train.tsv: task `意图`: at most 20% of the tokens may be unknown ([UNK]), found 100.0%." in err
    assert "Traceback" not in err
    code, out, err = run(tmp_path, words, max_unk_fraction=1)
    assert code == 0, err
    assert out.count("c.train.tsv: 100.0% of the tokens are unknown ([UNK]).") == 1
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True}), encoding="utf-8")
    code, out, err = run(tmp_path, words)
    assert code == 0, err
    assert "[UNK])" not in out
    assert "contradicts" not in out
    code, out, err = run(tmp_path, words, do_lower_case=False, max_unk_fraction=1)
    assert code == 0, err
    assert out.count("`do_lower_case` contradicts the encoder's tokenizer") == 1


@pytest.mark.parametrize("words", COMMANDS)
def test_an_empty_line_of_a_vocabulary(tmp_path, words):
    """Removing the line is what must not be done: the ids of all later tokens would shift."""
    run(tmp_path, ("check",))
    file = tmp_path / "vocab.txt"
    lines = file.read_text(encoding="utf-8").splitlines()
    with_blank = [*lines[:8], "", *lines[8:]]
    size = {"vocab_size": len(with_blank)}
    for content, warnings in ((with_blank, 0), (lines, 1)):
        (tmp_path / "own.txt").write_text("\n".join(content) + "\n", encoding="utf-8")
        code, out, err = run(tmp_path, words, vocab_path="own.txt", **size)
        assert code == 0, err
        assert out.count(f"Found {len(lines)} tokens for {len(with_blank)} rows (vocab_size).") == warnings
    (tmp_path / "own.txt").write_text("\n".join([*with_blank, "more"]) + "\n", encoding="utf-8")
    code, _, err = run(tmp_path, words, vocab_path="own.txt", **size)
    assert code == 2
    assert f"The vocabulary has {len(with_blank) + 1} entries, vocab_size is {len(with_blank)}." in err
