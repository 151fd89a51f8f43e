"""What tokenizer_config.json says is read, or refused with the file's name."""

import pytest

from palm.data.tokenizer import Tokenizer
from palm.data.tokenizer_config import TokenizerConfig, read_tokenizer_config
from palm.errors import ConfigError

VOCAB = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "cafe", "北", "京"]


def write(folder, text):
    (folder / "tokenizer_config.json").write_text(text, encoding="utf-8")
    (folder / "vocab.txt").write_text("\n".join(VOCAB), encoding="utf-8")
    return folder


def test_a_folder_without_the_file_says_nothing(tmp_path):
    assert read_tokenizer_config(tmp_path) == TokenizerConfig()


def test_what_the_file_says(tmp_path):
    text = '{"do_lower_case": true, "strip_accents": null, "tokenize_chinese_chars": false, "model_max_length": 512}'
    assert read_tokenizer_config(write(tmp_path, "\ufeff" + text)) == TokenizerConfig(
        tmp_path / "tokenizer_config.json", True, None, False
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "tokenizer_config.json: a JSON object is expected, found: Expecting property name"),
        ("[1]", "a JSON object is expected, found `[1]`"),
        ("[" * 100_000, "nested too deeply"),
        ('{"do_lower_case": "yes"}', "`do_lower_case` is true, false or null, found `yes`"),
        ('{"strip_accents": 1}', "`strip_accents` is true, false or null, found `1`"),
    ],
)
def test_what_is_refused(tmp_path, content, said):
    with pytest.raises(ConfigError) as caught:
        read_tokenizer_config(write(tmp_path, content))
    assert said in str(caught.value)


@pytest.mark.parametrize(("key", "expected"), [(None, [[5, 6, 7]]), (True, [[5, 6, 7]]), (False, [[1, 6, 7]])])
def test_a_tokenizer_follows_it_unless_told_otherwise(tmp_path, key, expected):
    folder = write(tmp_path, '{"do_lower_case": true}')
    assert Tokenizer.from_file(folder / "vocab.txt", do_lower_case=key).encode_ids(["Café北京"]) == expected
