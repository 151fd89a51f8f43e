"""YAML files become plain data with the line of every key; whatever else they hold is a ConfigError."""

import contextlib
import re
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from palm.config.yaml_file import parse_yaml, read_yaml
from palm.errors import ConfigError


def message(text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        parse_yaml(text, "c.yaml")
    return str(raised.value)


def test_scalars_follow_the_core_schema() -> None:
    text = "a: 3e-5\nb: no\nc: 1,0\nd: 007\ne: .5\nf:\ng: -1\nh: 2020-01-01\ni: 1:30\nj: True\nk: '1'\nl: 1.0, 0.5"
    assert parse_yaml(text, "c.yaml").data == {
        "a": 3e-5,
        "b": "no",
        "c": "1,0",
        "d": "007",
        "e": 0.5,
        "f": None,
        "g": -1,
        "h": "2020-01-01",
        "i": "1:30",
        "j": True,
        "k": "1",
        "l": "1.0, 0.5",
    }


def test_every_key_has_its_line() -> None:
    file = parse_yaml(
        "# 任务\nname: 意图\n\ntasks:\n  a:\n    reader: cls\n  b: {reader: mrc,\n    paradigm: mrc}\n", "c.yaml"
    )
    assert file.where("name") == "c.yaml:2"
    assert file.where("tasks", "a", "reader") == "c.yaml:6"
    assert file.where("tasks", "b", "paradigm") == "c.yaml:8"
    assert file.data["name"] == "意图"


def test_merge_keys_give_way_to_own_keys() -> None:
    file = parse_yaml("base: &base {p: 1, q: 2}\nuse:\n  <<: *base\n  q: 3\n", "c.yaml")
    assert file.data["use"] == {"p": 1, "q": 3}
    assert file.where("use", "q") == "c.yaml:4"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", "c.yaml:3: a key is given once. Found `a` again, first on line 1. Remove one of them."),
        ("a:\n  b: 1\n  b: 2\n", "c.yaml:3: a key is given once. Found `b` again, first on line 2"),
        ("a: 1\n\tb: 2\n", "c.yaml:2: YAML is indented with blanks. Found a tab."),
        ("", "c.yaml:1: a configuration must be a mapping `key: value`. Found an empty file."),
        ("# nothing but a comment\n", "Found an empty file."),
        ("- a\n- b\n", "c.yaml:1: a configuration must be a mapping `key: value`. Found a list."),
        ("\n\njust words\n", "c.yaml:3: a configuration must be a mapping `key: value`. Found `just words`."),
        ("a: b: c\n", "c.yaml:1: the file must be YAML."),
        ("a: 1\nb: 'open\n", "the file must be YAML. Found: found unexpected end of stream"),
        ("a: 1\n---\nb: 2\n", "the file must be YAML. Found: but found another document"),
        ("a: 1\n? [x]\n: 2\n", "c.yaml:2: a key must be a word. Found a list or a mapping."),
        ("a: !!python/object/apply:os.system [ls]\n", "c.yaml:1: a value must be text, a number"),
        ("a: !!int x\n", "Found `tag:yaml.org,2002:int` with `x`."),
        ("a: 1\nb: \x07\n", "c.yaml:2: YAML only contains printable text. Found character 7."),
        ("a: &a [*a]\n", "50 levels deep"),
        ("a: " + "[" * 5000, "a configuration nests at most 50 levels deep."),
        ("a: *nobody\n", "found undefined alias"),
    ],
)
def test_what_is_no_configuration_is_refused_with_its_line(text: str, expected: str) -> None:
    assert expected in message(text)


def test_alias_bomb_is_refused() -> None:
    levels = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    levels += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert "a configuration holds at most 20000 values" in message("\n".join(levels))


def test_encodings(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_bytes("\ufeff名: 值\r\n".encode())
    assert read_yaml(file).data == {"名": "值"}
    file.write_bytes("a: 1\nb: 中文".encode("gbk"))
    with pytest.raises(ConfigError, match=r"c\.yaml:2: a configuration must be UTF-8 text\. Found byte 0x"):
        read_yaml(file)
    file.write_bytes("a: 1".encode("utf-16"))
    with pytest.raises(ConfigError, match="Found UTF-16"):
        read_yaml(file)


def read_or_refuse(text: str) -> bool:
    """Whether `text` was read; anything raised but ConfigError fails the test."""
    try:
        parse_yaml(text, "c.yaml")
    except ConfigError:
        return False
    return True


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    read_or_refuse(text)


WORDS = st.text(st.characters(categories=["L", "N", "P"]) | st.just(" "), max_size=20)

# PyYAML writes the word "1e5" without quotes, since YAML 1.1 sees no number in it; in a configuration it is one.
VALUES = WORDS.filter(lambda word: not re.fullmatch(r"[-+]?[\d_.]+[eE][-+]?\d+", word))


@given(st.dictionaries(WORDS, VALUES | st.integers() | st.booleans() | st.none(), min_size=1))
def test_any_mapping_that_pyyaml_writes_is_read(data: dict[str, object]) -> None:
    text = yaml.safe_dump(data, allow_unicode=True)
    assert parse_yaml(text, "c.yaml").data == {str(key): value for key, value in data.items()}


@given(st.text(alphabet="ab:-?[]{}&*!|>'\"%@`#,\n \t<~01.e", max_size=60))
def test_any_yaml_like_text_is_read_or_refused(text: str) -> None:
    read_or_refuse(text)


@given(st.binary())
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "c.yaml"
        file.write_bytes(raw)
        with contextlib.suppress(ConfigError):
            read_yaml(file)
