"""An encoder's folder says how its tokenizer lower-cases; a key that differs, or a small vocabulary, is reported."""

import json

import pytest

from palm.config.resolve import load_run_configs
from tests.integration import tiny


def warnings_of(folder, says=None, **keys):
    made = tiny.config(folder, {"意图": tiny.classification_task(folder, "c")})
    made.pop("do_lower_case", None)
    if says is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(says), encoding="utf-8")
    configs = load_run_configs({**made, **keys}, wiring=True)
    return configs[0], [str(warning) for warning in configs[0].warnings]


@pytest.mark.parametrize("says", [True, False])
def test_the_file_is_the_default(tmp_path, says):
    config, warnings = warnings_of(tmp_path, {"do_lower_case": says})
    assert config.tasks[0].reader.do_lower_case is says
    assert not warnings
    row = next(row for row in config.explain if row.key == "tasks.意图.do_lower_case")
    assert row.where == str(tmp_path / "tokenizer_config.json")


@pytest.mark.parametrize(("says", "key"), [(True, False), (False, True)])
def test_a_key_that_differs_is_reported_once(tmp_path, says, key):
    config, warnings = warnings_of(tmp_path, {"do_lower_case": says}, do_lower_case=key)
    assert config.tasks[0].reader.do_lower_case is key
    (warning,) = warnings
    assert "`do_lower_case` contradicts the encoder's tokenizer, and takes precedence." in warning
    assert f"Found {str(key).lower()}, and {str(says).lower()} in {tmp_path / 'tokenizer_config.json'}." in warning


@pytest.mark.parametrize("key", [True, False])
def test_a_key_that_agrees_is_not_reported(tmp_path, key):
    config, warnings = warnings_of(tmp_path, {"do_lower_case": key}, do_lower_case=key)
    assert config.tasks[0].reader.do_lower_case is key
    assert not warnings


def test_without_the_file_nothing_changes(tmp_path):
    config, warnings = warnings_of(tmp_path)
    assert config.tasks[0].reader.do_lower_case is False
    assert not warnings


def test_fewer_tokens_than_rows_are_reported_with_both_numbers(tmp_path):
    _, warnings = warnings_of(tmp_path, vocab_size=tiny.BACKBONE["vocab_size"] + 3)
    (warning,) = warnings
    rows = tiny.BACKBONE["vocab_size"]
    assert warning.startswith(f"{tmp_path / 'vocab.txt'}: a token's id is its line in the vocabulary")
    assert f"Found {rows} tokens for {rows + 3} rows (vocab_size)." in warning
