"""A small vocabulary, files to read, and ids by token."""

import pytest

from palm.data.tokenizer import Tokenizer

PIECES = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *(
        "the",
        "cat",
        "sat",
        "on",
        "mat",
        "good",
        "bad",
        "film",
        "##s",
        "##ting",
        "##er",
        ",",
        ".",
        "?",
        "[",
        "]",
        "mask",
    ),
    *(
        "我",
        "爱",
        "北",
        "京",
        "你",
        "好",
        "在",
        "哪",
        "里",
        "是",
        "who",
        "where",
        "a",
        "b",
        "c",
        "d",
        "e",
        "f",
        "g",
        "h",
    ),
]


@pytest.fixture(scope="session")
def tokenizer():
    return Tokenizer(PIECES, do_lower_case=True, for_cn=False)


@pytest.fixture(scope="session")
def ids():
    """`ids("[CLS] the cat")`: ids of tokens."""
    return lambda pieces: [PIECES.index(piece) for piece in pieces.split()]


@pytest.fixture
def write(tmp_path):
    """Write a file of the test's folder: text as UTF-8, or bytes as they are."""

    def write_file(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write_file
