"""A vocabulary file is read whole or refused with file and line."""

import pytest

from palm.data.vocab import load_vocab
from palm.errors import ConfigError

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


@pytest.fixture
def write(tmp_path):
    def write_bytes(content):
        path = tmp_path / "vocab.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_bytes


def test_the_line_number_is_the_id(write):
    assert load_vocab(write("\n".join([*SPECIAL, "北", "##ing", "é"]) + "\n")) == [*SPECIAL, "北", "##ing", "é"]


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_windows_line_ends_and_a_bom_are_no_part_of_a_token(write, end):
    content = b"\xef\xbb\xbf" + "\r\n".join([*SPECIAL, "cat"]).encode() + end.encode()
    assert load_vocab(write(content)) == [*SPECIAL, "cat"]


def test_ernies_form_has_ids(write):
    lines = [f"{token}\t{number}" for number, token in enumerate([*SPECIAL, "的"])]
    assert load_vocab(write("\n".join(lines))) == [*SPECIAL, "的"]


@pytest.mark.parametrize("end", ["", "\n"])
def test_an_empty_line_is_a_token(write, end):
    """Without it, the ids of all later tokens would be those of others."""
    assert load_vocab(write("\n".join([*SPECIAL, "猫", "", "狗", "", "x"]) + end)) == [
        *SPECIAL,
        "猫",
        "",
        "狗",
        "",
        "x",
    ]
    lines = [f"{token}\t{number}" for number, token in enumerate([*SPECIAL, "猫", "狗"])]
    lines.insert(6, "")
    lines[7] = "狗\t7"
    assert load_vocab(write("\n".join(lines) + end)) == [*SPECIAL, "猫", "", "狗"]


def test_an_id_after_an_empty_line_counts_it(write):
    lines = [*(f"{token}\t{number}" for number, token in enumerate(SPECIAL)), "", "狗\t5"]
    with pytest.raises(ConfigError, match=r"vocab\.txt:7: ids count up from 0 line by line, found `5` for 6"):
        load_vocab(write("\n".join(lines)))


def test_unicode_line_separators_are_tokens(write):
    assert load_vocab(write("\n".join([*SPECIAL, "\u2028", "\x85"]))) == [*SPECIAL, "\u2028", "\x85"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "\n".join([*SPECIAL, "cat", "dog", "cat"]),
            "vocab.txt:8: a token occurs once, found `cat` again (first in line 6)",
        ),
        ("[PAD]\n[UNK]\n[SEP]\ncat", "missing: [CLS], [MASK] (in 4 lines)"),
        ("", "found an empty file"),
        ("\n\n", "found an empty file"),
        ("\n".join(SPECIAL).encode() + b"\ncaf\xe9", "vocab.txt:6: a vocabulary is UTF-8, found byte 0xe9"),
        (
            "[PAD]\t0\n[UNK]\t1\n[CLS]\t2\n[SEP]\t4\n[MASK]\t3",
            "vocab.txt:4: ids count up from 0 line by line, found `4` for 3",
        ),
    ],
)
def test_what_is_refused(write, content, message):
    with pytest.raises(ConfigError) as caught:
        load_vocab(write(content))
    assert message in str(caught.value)


def test_many_problems_are_counted(write):
    with pytest.raises(ConfigError) as caught:
        load_vocab(write("\n".join([*SPECIAL, *["cat"] * 31])))
    assert len(caught.value.problems) == 21
    assert "and 10 more." in str(caught.value)


def test_no_such_file(tmp_path):
    with pytest.raises(ConfigError, match=r"found nothing\. Set vocab_path"):
        load_vocab(tmp_path / "none.txt")
    with pytest.raises(ConfigError, match="found a folder"):
        load_vocab(tmp_path)
