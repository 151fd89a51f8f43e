"""Data files that are right, a corpus of files that are not, and what a reader may make of them.

Tests and `benchmarks/faults` use them. A file is refused with its name and line, or every row of it is read.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np

from palm.data.tokenizer import Tokenizer
from palm.errors import DataError
from palm.reader import READERS
from palm.reader.loading import load_dataset
from palm.spec import Phase
from tests.attacks import mutated

PIECES = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "cat", "sat", "good", "bad", "who", "##s", ",", ".", "?",
    *"我爱北京你好在哪里是谁a0",
]  # fmt: skip
TOKENIZER = Tokenizer(PIECES, do_lower_case=True, for_cn=False)


@dataclass(frozen=True)
class Case:
    """A reader, the ending of its file, and a file that is right."""

    reader: str
    ending: str
    content: bytes


def _squad() -> dict[str, object]:
    context = "the cat sat. 我爱北京"
    qas = [
        {"id": "a", "question": "who sat?", "answers": [{"text": "the cat", "answer_start": 0}]},
        {"id": "b", "question": "你爱谁?", "answers": [{"text": "北京", "answer_start": 15}]},
    ]
    return {"version": "1.1", "data": [{"title": "t", "paragraphs": [{"context": context, "qas": qas}]}]}


def _lines(*objects: dict[str, object]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in objects).encode()


CASES = (
    Case("cls", "tsv", "label\ttext_a\ngood\tthe cat sat\nbad\t我爱北京\ngood\tthe ?\n".encode()),
    Case("cls", "jsonl", _lines({"label": "good", "text_a": "the cat"}, {"label": 1, "text_a": "你好"})),
    Case("match", "tsv", "label\ttext_a\ttext_b\n0\tthe cat\tsat\n1\t你好\t北京\n".encode()),
    Case("match", "jsonl", _lines({"label": "0", "text_a": "the", "text_b": "a"})),
    Case("mlm", "tsv", "text_a\nthe cat [MASK]\n我[MASK]北京\n[MASK] the\n".encode()),
    Case("mlm", "jsonl", _lines({"text_a": "the cat [MASK]"}, {"text_a": "你[MASK]"})),
    Case("seq_label", "tsv", "text_a\tlabel\nthe cat\tO B-x\n我 爱\tO O\n".encode()),
    Case("seq_label", "jsonl", _lines({"text_a": "the cat", "label": "O B-x"})),
    Case("seq_label", "conll", "the O\ncat B-x\n\n我 O\n爱 O\n".encode()),
    Case(
        "spans",
        "jsonl",
        _lines({"text": "the cat", "label": [[0, 7, "x"], [4, 7, "y"]]}, {"text": "我爱", "label": []}),
    ),
    Case("prompt", "txt", "the cat sat\tgood\n我爱北京\tbad\nthe ?\tgood\n".encode()),
    Case("mrc", "json", json.dumps(_squad(), ensure_ascii=False).encode()),
)


def corpus(case: Case, *, longest: int = 200_000) -> Iterator[tuple[str, bytes]]:
    """Malformed files, by what is wrong with them; `longest` is the length of a very long line."""
    good = case.content
    yield "empty", b""
    yield "blank", b" \n\t\n \n"
    yield "BOM alone", b"\xef\xbb\xbf"
    yield "BOM of UTF-8", b"\xef\xbb\xbf" + good
    yield "BOM twice", b"\xef\xbb\xbf" * 2 + good
    for coding in ("utf-16", "utf-16-le", "utf-16-be", "utf-32", "gb18030", "big5", "shift_jis", "cp1252"):
        yield coding, good.decode().encode(coding, "replace")
    yield "NUL", good[:20] + b"\0" + good[20:]
    yield "NULs at the end", good + bytes(100)
    yield "half a character", good.replace("我".encode(), "我".encode()[:2])
    yield "surrogate", good.replace("我".encode(), b"\xed\xa0\x80")
    yield "overlong", good.replace(b"a", b"\xc1\xa1")
    yield "CRLF", good.replace(b"\n", b"\r\n")
    yield "CR", good.replace(b"\n", b"\r")
    yield "blank lines", good.replace(b"\n", b"\n\n")
    yield "blank line at the end", good + b"\n\n\n"
    yield "no newline at the end", good.rstrip(b"\n")
    yield "form feeds and other line ends", good.replace(b" ", "\x0c\x85\u2028\u2029\x1c".encode("utf-8"))
    yield "no-break blanks", good.replace(b" ", "\u00a0\u3000".encode())
    yield "no visible text", good.replace(b"cat", "\u200b\u200d\ufeff".encode()).replace(b"the", b"\x07")
    yield f"a line of {longest} bytes", good.replace(b"cat", b"cat " * (longest // 4))
    yield "many columns", good.replace(b"\t", b"\t" * 1000)
    yield "no columns", good.replace(b"\t", b" ")
    yield "quotes", good.replace(b"cat", b'"cat\t"').replace(b"the", b'"""')
    yield "a tab at the end", good.replace(b"\n", b"\t\n")
    yield "a header twice", good.split(b"\n")[0] + b"\n" + good
    yield "only its first line", good.split(b"\n")[0]
    yield "cut", good[: len(good) * 2 // 3]
    yield "html", b"<!DOCTYPE html><html><body>404</body></html>"
    yield "a pickle", b"\x80\x04\x95\x00\x00\x00cos\nsystem\n."
    yield "a zip", b"PK\x03\x04" + bytes(range(256))
    yield "half an escape", good.replace(b"the", b"\\ud800")
    yield "emoji and accents", good.replace(b"the", "👩‍👩‍👧e\u0301🏳️‍🌈".encode())
    yield "right to left", good.replace(b"the", "\u202eעברית\u202c".encode())
    for name, text in {
        "deep lists": b"[" * 100_000, "deep objects": b'{"data":' * 100_000, "a list": b"[]", "null": b"null",
        "a number": b"1e999", "NaN": b"NaN", "a huge number": b"9" * 5000, "text": b'"data"', "true": b"true",
        "an empty object": b"{}", "data of text": b'{"data": "x"}',
        "data of nulls": b'{"data": [null, 1, "x", [], {}]}',
    }.items():  # fmt: skip
        yield f"json: {name}", text
    if case.reader == "mrc":
        yield from _wrong_squad()


def _wrong_squad() -> Iterator[tuple[str, bytes]]:
    for start in (-1, 1, 10**9, -(10**30), 1.5, "0", None, True, [], {}):
        yield f"answer_start {start!r}"[:40], _squad_with("answer_start", start)
    for text in ("", " ", "nowhere", None, 7, [], "the cat sat. 我爱北京 and more", "\ud800"):
        yield f"answer text {text!r}"[:40], _squad_with("text", text)
    for key in ("id", "question", "context", "answers", "qas", "paragraphs", "data"):
        for value in (None, "", 7, [], {}, [None], [[]], {"x": []}, True, "\ud800"):
            yield f"{key} is {value!r}", _squad_with(key, value)
        yield f"no {key}", _squad_with(key, ...)
    yield "the same id twice", json.dumps(_squad()).replace('"b"', '"a"').encode()
    yield "impossible and answered", json.dumps(_squad()).replace('"id"', '"is_impossible": true, "id"').encode()


def _squad_with(key: str, value: object) -> bytes:
    """The file with `key` set to `value` wherever it stands; `...` takes it away."""

    def changed(node: object) -> object:
        if isinstance(node, list):
            return [changed(item) for item in node]
        if not isinstance(node, dict):
            return node
        items = ((name, value if name == key else changed(item)) for name, item in node.items())
        return {name: item for name, item in items if item is not ...}

    return json.dumps(changed(_squad())).encode()


def attempt(case: Case, file: Path, phase: Phase) -> str:
    """Read, tokenise and batch `file`: `read` or `refused`; anything else is an error, and so is a row that is lost."""
    reader_class = READERS[case.reader]
    names = {"n_classes"} & set(reader_class.Config.model_fields)
    reader = reader_class(reader_class.Config.model_validate({"max_seq_len": 70}), TOKENIZER)
    try:
        if names and phase == "predict":
            reader.labels = None
        dataset = load_dataset(reader, file, phase)
    except DataError as error:
        lost = [problem for problem in error.problems if not problem.where.startswith(str(file))]
        if lost:
            raise AssertionError(f"a problem without its file: {lost[0]}") from error
        return "refused"
    wanted = rows_in(case, file.read_bytes(), phase)
    if len(dataset.records) != wanted:
        raise AssertionError(f"{len(dataset.records)} records of {wanted} rows")
    if set(dataset.array("record").tolist()) != set(range(wanted)):
        raise AssertionError("a record without an example")
    rows = np.arange(min(dataset.num_examples, 8))
    batch = reader.collate(dataset, rows, np.random.default_rng(1))
    if any(len(batch[name]) != len(rows) for name in ("token_ids", "input_mask")):
        raise AssertionError("a batch of another size")
    return "read"


def rows_in(case: Case, content: bytes, phase: Phase) -> int:
    """How many rows a file has, counted without the readers."""
    text = content.decode("utf-8-sig")
    if case.ending == "json":
        return sum(len(part["qas"]) for article in json.loads(text)["data"] for part in article["paragraphs"])
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    while lines and not lines[-1]:
        lines.pop()
    if case.ending == "conll":
        inside = [bool(line.strip()) and not line.startswith("-DOCSTART-") for line in lines]
        return sum(this and not before for before, this in zip([False, *inside], inside, strict=False))
    if case.ending == "txt" and phase != "predict":  # which skips blank lines, and says so
        return sum(bool(line.strip()) for line in lines)
    if case.reader == "spans":  # JSON values, of which one may have several lines
        return _values_in(text)
    if case.reader == "seq_label" and lines and "\t" not in lines[0] and "/" in lines[0]:  # `word/TAG`
        return sum(bool(line.strip()) for line in lines)
    return len(lines) - (case.ending == "tsv")


def _values_in(text: str) -> int:
    """How many JSON values there are, one after the other."""
    decoder, place, count = json.JSONDecoder(), 0, 0
    while text[place:].strip():
        place += len(text[place:]) - len(text[place:].lstrip())
        place = decoder.raw_decode(text, place)[1]
        count += 1
    return count


def mutations(case: Case, count: int, chance: Random) -> Iterator[bytes]:
    """`count` mutations of the file that is right."""
    return (mutated(case.content, chance) for _ in range(count))
