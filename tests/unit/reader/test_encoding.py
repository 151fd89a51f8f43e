"""Reading and tokenising a file in memory: part by part it is the same data set, with a bar where that takes long."""

import sys
from functools import partial

import pytest

from palm.data.tokenizer import Tokenizer
from palm.errors import DataError
from palm.reader import encoding
from palm.reader.base import READERS
from palm.reader.encoding import encode_with_bar, read_with_bar
from palm.runtime import progress
from tests.live_runs import terminal
from tests.unit.reader.conftest import PIECES
from tests.unit.reader.test_loading import FILES, assert_same


def read(name, file, phase="train", **keys):
    """The reader and its records."""
    kind = READERS[name]
    tokenizer = Tokenizer(PIECES, do_lower_case=True, for_cn=bool(keys.get("for_cn")))
    reader = kind(kind.Config(max_seq_len=16, **keys), tokenizer, None)
    records = read_with_bar(reader, file, phase)
    reader.prepare(records, phase)
    return reader, records


def counted(monkeypatch, reader):
    """The sizes of the parts that the reader is given."""
    sizes, encode = [], reader.encode

    def encoded(records, *rest):
        sizes.append(len(records))
        return encode(records, *rest)

    monkeypatch.setattr(reader, "encode", encoded)
    return sizes


@pytest.mark.parametrize("name", sorted(FILES))
def test_parts_make_the_same_data_set(write, monkeypatch, name):
    monkeypatch.setattr(encoding, "RECORDS_AT_ONCE", 3)
    file_name, content, keys = FILES[name]
    file = write(file_name, content)
    reader, records = read(name, file, **keys)
    wanted = reader.encode(records, file, "train")
    sizes = counted(monkeypatch, reader)
    assert_same(encode_with_bar(reader, records, file, "train"), wanted)
    assert len(sizes) == (-(-len(records) // 3) if reader.by_record else 1)


def test_problems_are_those_of_the_whole_file(write, monkeypatch):
    monkeypatch.setattr(encoding, "RECORDS_AT_ONCE", 2)
    file = write("训练.tsv", "label\ttext_a\n" + "".join(f"{label}\t北京 {label}\n" for label in "aabbaa"))
    reader, records = read("cls", file)
    other = [{**record, "label": "新" if record["line"] in (3, 7) else record["label"]} for record in records]
    with pytest.raises(DataError) as alone:
        reader.encode(other, file, "eval")
    with pytest.raises(DataError) as in_parts:
        encode_with_bar(reader, other, file, "eval")
    assert str(in_parts.value) == str(alone.value)
    assert ":3" in str(alone.value)
    assert ":7" in str(alone.value)


def test_a_terminal_has_bars_for_work_that_takes_long(write, monkeypatch):
    monkeypatch.setattr(encoding, "RECORDS_AT_ONCE", 2)
    monkeypatch.setattr(progress, "_SECONDS_WITHOUT_BAR", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    file = write("训练.tsv", "label\ttext_a\n" + "a\t北京\n" * 6)
    with terminal(120) as screen:
        reader, records = read("cls", file)
        encode = reader.encode
        monkeypatch.setattr(reader, "encode", partial(flushed, encode, screen))
        encode_with_bar(reader, records, file, "train")
        screen.read()
        text = screen.written.decode()
    assert "reading " in text
    assert "tokenising " in text
    assert "2/6" in text
    assert "4/6" in text


def flushed(encode, screen, *given):
    """Encode a part slowly enough for the bar to be drawn."""
    sys.stderr.flush()
    screen.read()
    progress.threading.Event().wait(0.15)
    return encode(*given)
